package replica

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/replica/session"
)

// receiveHusk stores what remains of a change in its place: it waits until the
// records that it names have come as fragments. The caller holds r.mu.
func (r *Replica) receiveHusk(s *scope, in *session.Incoming) session.Verdict {
	if slices.ContainsFunc(in.Change.Parts, func(p crdt.Part) bool { return isScopeKey(p.Key) }) {
		return refused(session.CodeInvalid, "what is decided about a scope is never dropped")
	}
	var g group
	e := &entry{scope: s, change: in.Change, encoded: in.Encoded, hash: in.Hash, fate: Waiting,
		code: session.CodePruned.String(), reason: "its bytes are no longer kept, and its records are not here yet"}
	r.enter(&g, e)
	s.waiting.add(in.Dot, &waiter{change: in.Change, hash: in.Hash, chain: s.chains[in.Dot.Origin], code: e.code, husk: true}, &s.applied)
	s.lacking.add(in.Change)
	r.stage(g)
	return session.Verdict{Outcome: session.Waiting, Code: session.CodePruned}
}

// joiningKey marks a scope whose fragments are being taken over.
func joiningKey(scope string) []byte { return metaKey("joining/" + scope) }

// loadLacking finds what the husks of a scope wait for, and whether fragments
// were being taken over.
func (r *Replica) loadLacking(s *scope) error {
	_, joining, err := r.store.get(joiningKey(s.name))
	if err != nil {
		return err
	}
	if s.lacking.joining = joining; joining {
		s.known = r.knownMarks(s)
	}
	return r.loadParcels(s)
}

// knownMarks is the chain of the scope's marks with those that wait: records in
// fragments are folded by them. The caller holds r.mu.
func (r *Replica) knownMarks(s *scope) *crdt.Floor {
	type carried struct {
		mark *crdt.Mark
		ref  crdt.Ref
	}
	var marks []carried
	for d, w := range s.waiting.changes {
		if w.unknown != nil || w.husk {
			continue
		}
		if ms := decisionOf(w.change).Marks; len(ms) == 1 {
			marks = append(marks, carried{ms[0], crdt.Ref{Dot: d, Digest: w.hash.Digest()}})
		}
	}
	slices.SortFunc(marks, func(a, b carried) int {
		return cmp.Or(cmp.Compare(a.mark.Number, b.mark.Number), a.ref.Dot.Compare(b.ref.Dot))
	})
	f := s.floor
	for _, m := range marks {
		if next, err := f.Raise(m.mark, m.ref); err == nil {
			f = next
		}
	}
	return f
}

// takeFragments takes the fragments of a scope over, if all that its husks name
// are here and nothing that they contain is missing. The caller does not hold
// r.mu.
func (r *Replica) takeFragments(name string) error {
	r.mu.RLock()
	s := r.scopes[name]
	ready := s != nil && (s.lacking.complete() || s.lacking.joining)
	r.mu.RUnlock()
	if !ready {
		return nil
	}
	if err := r.still(); err != nil {
		return err
	}
	taken, err := r.takeFragmentsLocked(name)
	b := r.commits.current
	r.mu.Unlock()
	if err = errors.Join(err, r.await(b)); err != nil {
		return fmt.Errorf("replica: take fragments of scope %q: %w", name, err)
	}
	if !taken {
		return nil
	}
	r.log.Info("took records in the place of changes that are no longer kept", "scope", name)
	return r.settleRecords()
}

func (r *Replica) takeFragmentsLocked(name string) (taken bool, err error) {
	s := r.scopes[name]
	if err := r.usable(); err != nil || s == nil {
		return false, err
	}
	if s.lacking.husks > 0 {
		if !s.lacking.complete() {
			return false, nil
		}
		known := r.knownMarks(s)
		check, err := r.checkFragments(s, known)
		if err != nil || check == nil || !r.mayJoin(s, known, check) {
			return false, err
		}
		if err := r.joinFragments(s, known); err != nil {
			r.recover(err)
			return false, err
		}
	}
	if err := r.retry(s); err != nil {
		return false, err
	}
	if s.lacking.joining && s.floor.Number() >= s.known.Number() {
		if err := r.clearParcels(s); err != nil {
			return false, err
		}
		s.lacking, s.known = lacking{}, nil
		r.stage(group{{key: joiningKey(name)}})
	}
	return true, nil
}

// fragmentCheck is what the fragments of a scope contain together.
type fragmentCheck struct{ vector clock.VersionVector }

// checkFragments reads every fragment once, one at a time. What is damaged, or
// does not contain what a husk names it for, is dropped, to be asked for again;
// nil is returned then, and where a mark is missing. The caller holds r.mu.
func (r *Replica) checkFragments(s *scope, known *crdt.Floor) (*fragmentCheck, error) {
	l := &s.lacking
	if l.checked != nil {
		return l.checked, nil
	}
	check, whole := &fragmentCheck{}, true
	for _, key := range l.order() {
		rec, err := r.fragment(s, key, known)
		switch {
		case errors.Is(err, crdt.ErrMarkChain):
			return nil, nil
		case err == nil:
			if !slices.ContainsFunc(l.keys[key], func(d clock.Dot) bool { return !rec.Contains(d) }) {
				check.vector.Join(rec.Vector())
				continue
			}
			err = errors.New("it does not contain a change that names it")
		case errors.Is(err, ErrCorrupt):
		default:
			return nil, err
		}
		r.log.Warn("dropped a fragment", "scope", s.name, "record", key, "error", err)
		l.drop(key)
		whole = false
	}
	if !whole {
		return nil, nil
	}
	l.checked = check
	return check, nil
}

// fragment is a record as it came.
func (r *Replica) fragment(s *scope, key string, known *crdt.Floor) (*crdt.Record, error) {
	b, err := r.parcelBytes(s, key, s.lacking.parcels[key])
	if err != nil {
		return nil, err
	}
	rec, err := known.DecodeRecord(b)
	if err != nil && !errors.Is(err, crdt.ErrMarkChain) {
		err = &CorruptError{Row: "fragment", Key: fragmentKey(s.number, key, 0), Err: err}
	}
	return rec, err
}

// mayJoin reports whether everything that the fragments contain will be applied
// once they are joined: a record that showed a part of a change, or one whose
// cause is missing, would be a state that nobody else has. The caller holds r.mu.
func (r *Replica) mayJoin(s *scope, known *crdt.Floor, check *fragmentCheck) bool {
	then := s.applied.Clone()
	for d, w := range s.waiting.changes {
		if !w.husk {
			continue
		}
		if r.ahead(s, d, w.change.Stamp) {
			w.code = session.CodeClockAhead.String()
			return false
		}
		if r.holds(s.name, d) {
			return false
		}
		then.Add(d)
	}
	for again := true; again; {
		again = false
		for d, w := range s.waiting.changes {
			if !then.Contains(d) && r.willApply(s, known, d, w, &then) {
				then.Add(d)
				again = true
			}
		}
	}
	want := clock.ContextOf(check.vector)
	return then.Covers(&want)
}

// ahead reports whether a stamp is ahead of every time that is known.
func (r *Replica) ahead(s *scope, d clock.Dot, stamp clock.Stamp) bool {
	return clock.Ahead(s.moved.Correct(d, stamp, nil), r.wall(), r.hlc.Last(), r.agreed, s.maxed)
}

// willApply reports whether a change that waits is applied when those in then are.
func (r *Replica) willApply(s *scope, known *crdt.Floor, d clock.Dot, w *waiter, then *clock.Context) bool {
	if w.unknown != nil || r.holds(s.name, d) || r.ahead(s, d, w.change.Stamp) {
		return false
	}
	if cited := w.change.Floor.Dot; !cited.IsZero() && !then.Contains(cited) {
		return false
	}
	for i := range w.change.Parts {
		p := &w.change.Parts[i]
		if before, waits := s.waiting.before(d, p.Key); waits && !then.Contains(before) {
			return false
		}
		for ref := range p.Named() {
			if !then.Contains(ref.Dot) && !known.Covers(ref.Dot) {
				return false
			}
		}
	}
	for _, m := range decisionOf(w.change).Marks {
		cut := clock.ContextOf(m.Cut)
		if !then.Covers(&cut) || m.Number > 1 && !then.Contains(m.Before.Dot) {
			return false
		}
	}
	return true
}

// joinGroupBytes is about how much of the joined records goes to the store at
// once.
const joinGroupBytes = 1 << 20

// joinFragments joins every fragment to its record, and has the husks applied.
// Nothing is staged, and nobody reads meanwhile; a crash between two commits finds
// the mark, and does it again, which changes nothing. The caller holds r.mu.
func (r *Replica) joinFragments(s *scope, known *crdt.Floor) error {
	mark := joiningKey(s.name)
	if err := r.store.commit([]group{{{mark, encodePlain(mark, nil)}}}); err != nil {
		return err
	}
	s.lacking.joining, s.known, s.status = true, known, nil
	var g group
	size := int64(0)
	flush := func(least int64) error {
		if size < least {
			return nil
		}
		sum := numberKey(rowSum, s.number)
		g = append(g, row{sum, (&sumRow{s.name, r.seq, s.tally}).encode(sum)})
		if err := r.store.commit([]group{g}); err != nil {
			return err
		}
		r.durable, g, size = r.seq, nil, 0
		return nil
	}
	for _, key := range s.lacking.order() {
		from := len(g)
		if err := r.joinFragment(&g, s, key, known); err != nil {
			return err
		}
		bytes, _ := g[from:].weigh()
		size += bytes
		if err := flush(joinGroupBytes); err != nil {
			return err
		}
	}
	if err := flush(1); err != nil {
		return err
	}
	for _, d := range s.husksWaiting() {
		from := len(g)
		if err := r.enterHusk(&g, s, d, s.waiting.changes[d]); err != nil {
			return err
		}
		bytes, _ := g[from:].weigh()
		size += bytes
		if err := flush(joinGroupBytes); err != nil {
			return err
		}
	}
	return flush(1)
}

// husksWaiting lists the husks of a scope that wait, in canonical order.
func (s *scope) husksWaiting() []clock.Dot {
	var ds []clock.Dot
	for d, w := range s.waiting.changes {
		if w.husk {
			ds = append(ds, d)
		}
	}
	slices.SortFunc(ds, clock.Dot.Compare)
	return ds
}

func (r *Replica) joinFragment(g *group, s *scope, key string, known *crdt.Floor) error {
	rec, err := r.fragment(s, key, known)
	if err != nil {
		return err
	}
	o, err := r.record(s, s.name, key)
	if err != nil {
		return err
	}
	o.record.Join(rec, nil)
	digest := o.record.Digest()
	if !o.exists {
		s.records++
	} else if !o.header.purged {
		s.sum.Sub(item(key, o.header.digest))
	}
	if o.header.purged = o.record.IsPurged(); !o.header.purged {
		s.sum.Add(item(key, digest))
	}
	r.seq++
	last := slices.MaxFunc(s.lacking.keys[key], clock.Dot.Compare)
	// The history of the record ends at the husk, which its snapshot covers.
	o.header.last = place{r.origins.numbers[last.Origin], last.N}
	o.header.digest, o.header.lastSeq, o.header.folded, o.exists = digest, r.seq, true, true
	r.writeRecord(g, s, o)
	r.cache.changed(cacheKey{s.name, key}, o, r.durable)
	return nil
}

// enterHusk has a husk applied, whose records were joined.
func (r *Replica) enterHusk(g *group, s *scope, d clock.Dot, w *waiter) error {
	num := r.origins.numbers[d.Origin]
	was, err := r.readChange(s.number, place{num, d.N})
	if err != nil {
		return err
	}
	s.fates--
	was.fate, was.tally, was.parts = Applied, s.tally, make([]partRow, len(w.change.Parts))
	key := dotKey(rowChange, s.number, num, d.N)
	*g = append(*g, row{key, was.encode(key)}, row{key: dotKey(rowFate, s.number, num, d.N)})
	s.waiting.remove(d)
	s.applied.Add(d)
	s.waiting.met(d, &s.applied)
	stamp := s.moved.Correct(d, w.change.Stamp, nil)
	s.maxed = max(s.maxed, stamp)
	r.hlc.Observe(stamp)
	s.lacking.husks--
	return nil
}

// resumeFragments goes on where a crash cut the taking over of fragments.
func (r *Replica) resumeFragments() error {
	r.mu.RLock()
	var names []string
	for name, s := range r.scopes {
		if s.lacking.joining || s.lacking.complete() {
			names = append(names, name)
		}
	}
	r.mu.RUnlock()
	slices.Sort(names)
	for _, name := range names {
		if err := r.takeFragments(name); err != nil {
			return err
		}
	}
	return nil
}
