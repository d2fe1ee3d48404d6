package replica

import (
	"maps"
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/internal/planted"
)

// waiter is a change that is stored and not applied.
type waiter struct {
	change *crdt.Change
	hash   crdt.Hash
	chain  crdt.Hash   // as its row has it
	needs  []clock.Dot // the changes that it waits for, if it waits for changes
	code   string
	boxed  bool // it waits to be taken out of the inbox
	husk   bool // it waits for fragments of its records
	// unknown is set for a change that a later version wrote, which cannot be
	// read whole.
	unknown error
}

// waiting are the changes of a scope that wait, by what can end it. So what
// arrives costs what it sets free, and not what waits.
type waiting struct {
	changes map[clock.Dot]*waiter
	// on has, for a change that is not applied, those that wait for it. Each
	// stands in one list: the next of its needs is looked for when this is met.
	on map[clock.Dot][]clock.Dot
	// loose are those that wait for no change: for time, or for a record to be
	// repaired. They are looked at whenever something happens.
	loose map[clock.Dot]struct{}
	boxed map[clock.Dot]struct{}
	ready []clock.Dot // whose needs are met since they were last looked at
	// lines has the numbers, ascending, of an origin's changes to a record.
	lines map[line][]uint64
}

// line is what one origin writes to one record: it is applied in the order of
// its dots, so that the record's vector is exact.
type line struct {
	origin clock.Origin
	key    string
}

func newWaiting() waiting {
	return waiting{changes: map[clock.Dot]*waiter{}, on: map[clock.Dot][]clock.Dot{}, loose: map[clock.Dot]struct{}{},
		boxed: map[clock.Dot]struct{}{}, lines: map[line][]uint64{}}
}

// add takes a change up, at what its waiter says that it waits for.
func (w *waiting) add(d clock.Dot, x *waiter, applied *clock.Context) {
	w.changes[d] = x
	for i := range x.change.Parts {
		l := line{d.Origin, x.change.Parts[i].Key}
		at, _ := slices.BinarySearch(w.lines[l], d.N)
		w.lines[l] = slices.Insert(w.lines[l], at, d.N)
	}
	w.settle(d, x, applied)
}

// settle files a change under what can end its waiting. One that a later version
// wrote waits for another program, a husk for the fragments of all of them.
func (w *waiting) settle(d clock.Dot, x *waiter, applied *clock.Context) {
	if x.unknown != nil || x.husk {
		return
	}
	if x.boxed {
		w.boxed[d] = struct{}{}
		return
	}
	for _, need := range x.needs {
		if !applied.Contains(need) {
			w.on[need] = append(w.on[need], d)
			return
		}
	}
	w.loose[d] = struct{}{}
}

// remove forgets a change that waits no more.
func (w *waiting) remove(d clock.Dot) {
	x := w.changes[d]
	delete(w.changes, d)
	delete(w.loose, d)
	delete(w.boxed, d)
	for i := range x.change.Parts {
		l := line{d.Origin, x.change.Parts[i].Key}
		if at, found := slices.BinarySearch(w.lines[l], d.N); found {
			w.lines[l] = slices.Delete(w.lines[l], at, at+1)
		}
		if len(w.lines[l]) == 0 {
			delete(w.lines, l)
		}
	}
}

// met says that a change was applied: those that wait for nothing else are ready.
func (w *waiting) met(d clock.Dot, applied *clock.Context) {
	free := w.on[d]
	delete(w.on, d)
	if planted.Is(planted.WaitingForgotten) {
		return
	}
	for _, f := range free {
		x := w.changes[f]
		next := slices.IndexFunc(x.needs, func(n clock.Dot) bool { return !applied.Contains(n) })
		if next < 0 {
			w.ready = append(w.ready, f)
		} else {
			w.on[x.needs[next]] = append(w.on[x.needs[next]], f)
		}
	}
}

// before finds the last change of the same origin to a record that waits and
// comes before d.
func (w *waiting) before(d clock.Dot, key string) (clock.Dot, bool) {
	ns := w.lines[line{d.Origin, key}]
	at, _ := slices.BinarySearch(ns, d.N)
	if at == 0 {
		return clock.Dot{}, false
	}
	return clock.Dot{Origin: d.Origin, N: ns[at-1]}, true
}

// unbox makes what has left the inbox ready.
func (w *waiting) unbox(holds func(clock.Dot) bool) {
	for d := range w.boxed {
		if !holds(d) {
			delete(w.boxed, d)
			w.ready = append(w.ready, d)
		}
	}
}

// takeReady returns what is ready, in canonical order.
func (w *waiting) takeReady() []clock.Dot {
	ds := w.ready
	w.ready = nil
	slices.SortFunc(ds, clock.Dot.Compare)
	return ds
}

// takeLoose returns what waits for no change, in canonical order.
func (w *waiting) takeLoose() []clock.Dot {
	ds := slices.SortedFunc(maps.Keys(w.loose), clock.Dot.Compare)
	clear(w.loose)
	return ds
}

// retry looks again at what may be cured in a scope, until nothing more can be
// applied. It costs what it applies, and a look at what waits for no change. The
// caller holds r.mu.
func (r *Replica) retry(s *scope) error {
	w := &s.waiting
	if len(w.boxed) > 0 {
		w.unbox(func(d clock.Dot) bool { return r.holds(s.name, d) })
	}
	for again := true; again; {
		again = false
		for ds := append(w.takeReady(), w.takeLoose()...); len(ds) > 0; ds = w.takeReady() {
			for i, d := range ds {
				applied, err := r.tryAgain(s, d)
				if err != nil {
					w.ready = append(w.ready, ds[i:]...)
					return err
				}
				again = again || applied
			}
		}
		again = again && len(w.loose) > 0
	}
	return nil
}

// retryAll looks again at what waits in every scope, since time may have cured it,
// in the order of their names. The caller holds r.mu.
func (r *Replica) retryAll() error {
	var names []string
	for name, s := range r.scopes {
		if len(s.waiting.changes) > 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		if err := r.retry(r.scopes[name]); err != nil {
			return err
		}
	}
	return nil
}

// tryAgain decides the fate of a change that waits.
func (r *Replica) tryAgain(s *scope, d clock.Dot) (applied bool, err error) {
	w := s.waiting.changes[d]
	e := &entry{scope: s, change: w.change, hash: w.hash, stored: true}
	still, err := r.decide(e, s.name, w.unknown)
	if err != nil {
		return false, err
	}
	if still != nil {
		w.needs, w.code, w.boxed = still.needs, still.code, still.boxed
		s.waiting.settle(d, w, &s.applied)
		return false, nil
	}
	if e.encoded, err = r.waitingBytes(s, d, w); err != nil {
		return false, err
	}
	var g group
	events := r.land(e, nil)
	r.enter(&g, e)
	r.stage(g, events...)
	return true, nil
}

// waitingBytes are the bytes of a change that waited, as they came.
func (r *Replica) waitingBytes(s *scope, d clock.Dot, w *waiter) ([]byte, error) {
	if b := w.change.Encode(); crdt.HashOf(b) == w.hash {
		return b, nil
	}
	row, err := r.readChange(s.number, place{r.origins.numbers[d.Origin], d.N})
	if err != nil {
		return nil, err
	}
	return row.change, nil
}

// missing lists what a part names and a record has not applied; of a record that
// is not in memory its header tells, so that a change that must wait does not
// have it read. Where marks are known that are not applied yet, the header does not
// tell by which of them its record is folded. The caller holds r.mu for writing.
func (r *Replica) missing(s *scope, p *crdt.Part) ([]clock.Dot, error) {
	if o := r.cache.get(cacheKey{s.name, p.Key}); o != nil {
		return o.record.Missing(p), nil
	}
	if s.marks() != s.floor {
		o, err := r.record(s, s.name, p.Key)
		if err != nil {
			return nil, err
		}
		return o.record.Missing(p), nil
	}
	named := [][]crdt.Ref{p.Heads, p.Births, p.Saw, p.Restore}
	if p.Delete != nil {
		named = append(named, p.Delete.Births)
	}
	if !slices.ContainsFunc(named, func(refs []crdt.Ref) bool { return len(refs) > 0 }) {
		return nil, nil
	}
	h, found, err := r.readHeader(s.number, p.Key)
	if err != nil {
		return nil, r.corrupt(s, p.Key, err)
	}
	if !found {
		h = &header{}
		if err := r.absent(s, p.Key); err != nil {
			return nil, err
		}
	}
	var missing []clock.Dot
	for _, refs := range named {
		for _, ref := range refs {
			if !h.vector.Contains(ref.Dot) && !s.floor.Covers(ref.Dot) {
				missing = append(missing, ref.Dot)
			}
		}
	}
	slices.SortFunc(missing, clock.Dot.Compare)
	return slices.Compact(missing), nil
}
