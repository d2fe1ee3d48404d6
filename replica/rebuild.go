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

// rebuildKey marks a scope whose derived rows are to be made again from its
// change rows. The mark stands until they are, so a crash between is found.
func rebuildKey(scope string) []byte { return metaKey("rebuild/" + scope) }

// entered reports whether a change that just arrived had been entered before,
// its row having been lost since. Its records may have it already.
func (r *Replica) entered(s *scope, e *entry) bool {
	if _, ok := s.broken[e.change.Dot]; ok {
		return true
	}
	if s.anew {
		return false // a record that is kept has it
	}
	return slices.ContainsFunc(e.opens, func(o *open) bool { return o.record.Vector().Contains(e.change.Dot) })
}

// heal stores the row of a change again that was damaged, if it fits between
// its neighbours in the chain of its origin. What is derived from it is made
// again when the intake is done. The caller holds r.mu.
func (r *Replica) heal(s *scope, in *session.Incoming) session.Verdict {
	chain := crdt.Chain(in.Before, in.Hash)
	if err := r.fits(s, in, chain); err != nil {
		return refused(session.CodeFork, "change %v in the place of a damaged one: %v", in.Dot, err)
	}
	var g group
	num := r.number(in.Dot.Origin, &g)
	_, waits := s.waiting.changes[in.Dot]
	rw := &changeRow{fate: Applied, chain: chain, change: in.Encoded}
	if waits {
		rw.fate = Waiting
	}
	key, mark := dotKey(rowChange, s.number, num, in.Dot.N), rebuildKey(s.name)
	g = append(g, row{key, rw.encode(key)}, row{mark, encodePlain(mark, nil)})
	if in.Dot.N > s.stored.Get(in.Dot.Origin) {
		s.stored.Advance(in.Dot)
		s.chains[in.Dot.Origin] = chain
		r.changes++
		if !waits {
			s.applied.Add(in.Dot)
			s.waiting.met(in.Dot, &s.applied)
		}
	}
	delete(s.broken, in.Dot)
	s.healed[in.Dot] = chain
	s.rebuild, r.healed = true, true
	r.touch(s)
	s.status = nil
	r.commits.current.dots = append(r.commits.current.dots, scopeDot{s.name, in.Dot})
	r.stage(g)
	return session.Verdict{Outcome: session.Applied}
}

// fits checks a change against what is known of the history around it.
func (r *Replica) fits(s *scope, in *session.Incoming, chain crdt.Hash) error {
	o := in.Dot.Origin
	before, known := crdt.ChainStart(s.name, o), in.Dot.N == 1
	num, numbered := r.origins.numbers[o]
	if !known {
		if before, known = s.healed[clock.Dot{Origin: o, N: in.Dot.N - 1}]; !known && numbered {
			if row, err := r.readChange(s.number, place{num, in.Dot.N - 1}); err == nil {
				before, known = row.chain, true
			}
		}
	}
	if !known {
		return errors.New("the one before it is damaged too")
	}
	if in.Before != before {
		return errors.New("it follows another history")
	}
	if last := s.stored.Get(o); last == in.Dot.N && s.chains[o] != chain {
		return errors.New("it is another change")
	}
	if !numbered {
		return nil
	}
	next, err := r.readChange(s.number, place{num, in.Dot.N + 1})
	if err == nil && crdt.Chain(chain, next.hash()) != next.chain {
		return errors.New("what follows it follows another history")
	}
	return nil
}

// resumeRebuilds makes again what is derived in the scopes whose change rows
// came back, unless rows are missing still. The caller does not hold r.mu.
func (r *Replica) resumeRebuilds() error {
	r.mu.Lock()
	if !r.healed || r.mending {
		r.mu.Unlock()
		return nil
	}
	r.healed = false
	var names []string
	for name, s := range r.scopes {
		if s.rebuild {
			names = append(names, name)
		}
	}
	r.mu.Unlock()
	slices.Sort(names)
	for _, name := range names {
		if _, err := r.rebuildScope(name); err != nil {
			return fmt.Errorf("replica: rebuild scope %q: %w", name, err)
		}
	}
	return nil
}

// still returns with r.mu held, nothing staged and nothing being written.
func (r *Replica) still() error {
	r.mu.Lock()
	for len(r.commits.current.groups) > 0 || r.commits.writing != nil {
		b := r.commits.current
		if len(b.groups) == 0 {
			b = r.commits.writing
		}
		r.mu.Unlock()
		if err := r.await(b); err != nil {
			return err
		}
		r.mu.Lock()
	}
	return nil
}

// rebuildScope makes everything but the change rows of a scope again. It does
// nothing if a change row is damaged.
func (r *Replica) rebuildScope(name string) (done bool, err error) {
	if err := r.still(); err != nil {
		return false, err
	}
	done, err = r.rebuildLocked(name)
	b := r.commits.current
	r.mu.Unlock()
	return done, errors.Join(err, r.await(b))
}

func (r *Replica) rebuildLocked(name string) (bool, error) {
	s := r.scopes[name]
	if err := r.usable(); err != nil || s == nil {
		return false, err
	}
	rows, whole, err := r.wholeHistory(s)
	if err != nil || !whole {
		return false, err
	}
	kept, sum, err := r.keepRecords(s, rows)
	if errors.Is(err, ErrCorrupt) || s.lacking.joining {
		return false, nil // its history is no longer kept: what is left is made again one by one
	}
	if err != nil {
		return false, err
	}
	derived, err := r.clearScope(s, kept)
	if err != nil {
		return false, err
	}
	mark := rebuildKey(name)
	if err := r.store.commit([]group{{{mark, encodePlain(mark, nil)}}}); err != nil {
		return false, err
	}
	if err := r.store.commit(inPieces(derived)); err != nil {
		return false, err
	}
	fresh, err := r.enterAgain(s, rows, sum)
	if err != nil {
		return false, err
	}
	r.touch(fresh)
	name0 := numberKey(rowScope, s.number)
	r.stage(group{{key: mark}, {name0, encodePlain(name0, []byte(name))}})
	for id, d := range r.damage {
		if d.Scope == name {
			delete(r.damage, id)
		}
	}
	r.log.Info("made a scope again from its changes", "scope", name, "changes", len(rows))
	return true, nil
}

// wholeHistory reads the change rows of a scope in the order in which they were
// entered, if none is missing or damaged.
func (r *Replica) wholeHistory(s *scope) (rows []scopeRow, whole bool, err error) {
	next := map[uint32]uint64{}
	for x, err := range r.store.scan(numberKey(rowChange, s.number), nil) {
		if err != nil {
			return nil, false, err
		}
		row, err := decodeChangeRow(x.key, x.value)
		if err != nil {
			return nil, false, nil
		}
		_, num, n, err := splitDotKey(x.key)
		if o, ok := r.origins.origin(num); err != nil || !ok || o.IsZero() || n != next[num]+1 {
			return nil, false, nil
		}
		next[num] = n
		o, _ := r.origins.origin(num)
		c, unknown := row.read(clock.Dot{Origin: o, N: n})
		if unknown != nil {
			c = &crdt.Change{Dot: clock.Dot{Origin: o, N: n}}
		}
		rows = append(rows, scopeRow{x.key, row, c, unknown})
	}
	for o, last := range s.stored.All() {
		if next[r.origins.numbers[o]] < last {
			return nil, false, nil
		}
	}
	slices.SortStableFunc(rows, func(a, b scopeRow) int { return cmp.Compare(a.row.seq, b.row.seq) })
	return inDotOrder(rows), true, nil
}

// enterAgain makes a scope anew from changes, its derived rows having been
// cleared but for those of kept records, which come to sum. The caller holds r.mu.
func (r *Replica) enterAgain(s *scope, rows []scopeRow, sum tally) (*scope, error) {
	fresh := newScope(s.name, s.number)
	fresh.known, fresh.tally, fresh.anew = s.marks(), sum, true
	fresh.absence.known = true
	r.scopes[s.name] = fresh
	for _, n := range s.stored.All() {
		r.changes -= n
	}
	r.cache.clear()
	if r.options.Inbox { // what was let in stays in
		if r.inbox.taken == nil {
			r.inbox.taken = map[string]*clock.VersionVector{}
		}
		let := s.applied.Vector().Clone()
		if v := r.inbox.taken[s.name]; v != nil {
			let.Join(v)
		}
		r.inbox.taken[s.name] = &let
	}
	for _, x := range rows {
		if x.row.husk() && x.row.fate == Applied {
			if err := fresh.keepHusk(x); err != nil {
				return nil, err
			}
			r.changes++
			continue
		}
		in := session.Incoming{Dot: x.change.Dot, Encoded: x.row.change, Hash: x.row.hash(),
			Before: fresh.chain(x.change.Dot.Origin), Change: x.change, Unknown: x.unknown, Husk: x.row.husk()}
		v, err := r.receive(s.name, &in)
		if err != nil {
			return nil, err
		}
		if v.Outcome == session.Refused {
			return nil, fmt.Errorf("change %v is refused: %v", in.Dot, v)
		}
	}
	fresh.anew = false
	if err := r.retry(fresh); err != nil {
		return nil, err
	}
	return fresh, r.loadParcels(fresh)
}

// rebuildRecords makes the headers and snapshots of records again, in a scope
// that lacks change rows of other records. A record comes back only if every
// step gives the digest that its change row states.
func (r *Replica) rebuildRecords(name string, keys map[string]bool) error {
	if err := r.still(); err != nil {
		return err
	}
	err := r.rebuildRecordsLocked(name, keys)
	b := r.commits.current
	r.mu.Unlock()
	return errors.Join(err, r.await(b))
}

func (r *Replica) rebuildRecordsLocked(name string, keys map[string]bool) error {
	s := r.scopes[name]
	if err := r.usable(); err != nil || s == nil {
		return err
	}
	histories := map[string][]step{}
	for x, err := range r.store.scan(numberKey(rowChange, s.number), nil) {
		if err != nil {
			return err
		}
		row, err := decodeChangeRow(x.key, x.value)
		if err != nil || row.fate == Waiting {
			continue
		}
		_, num, n, err := splitDotKey(x.key)
		if err != nil {
			continue
		}
		o, _ := r.origins.origin(num)
		c, err := row.read(clock.Dot{Origin: o, N: n})
		if err != nil {
			continue
		}
		for i := range c.Parts {
			if key := c.Parts[i].Key; keys[key] && i < len(row.parts) {
				histories[key] = append(histories[key], step{row, c, i, place{num, n}})
			}
		}
	}
	folds, err := r.foldsOf(s)
	if err != nil {
		return err
	}
	made := map[string]*open{}
	for key, steps := range histories {
		if o, ok := replaySteps(key, steps, folds); ok {
			made[key] = o
		}
	}
	if err := r.keepProven(s, made); err != nil {
		return err
	}
	for key, o := range made {
		var g group
		r.writeRecord(&g, s, o)
		r.stage(g)
		for id, d := range r.damage {
			if d.Scope == name && d.Record == key {
				delete(r.damage, id)
			}
		}
		delete(s.absence.lost, key)
	}
	r.cache.clear()
	r.touch(s)
	r.stage(nil)
	return nil
}

// keepProven drops the records that may lack their last changes. One whose
// header is whole must come to the digest that it states. Of the others nothing
// states it but the sum over all of them.
func (r *Replica) keepProven(s *scope, made map[string]*open) error {
	sum, records := crdt.Sum{}, uint64(0)
	prefix := recordKey(rowHeader, s.number, "")
	stated := map[string]bool{}
	for x, err := range r.store.scan(prefix, nil) {
		if err != nil {
			return err
		}
		h, err := decodeHeader(x.key, x.value)
		if err != nil {
			continue
		}
		key := string(x.key[len(prefix):])
		stated[key] = true
		records++
		if !h.purged {
			sum.Add(item(key, h.digest))
		}
		if o := made[key]; o != nil && o.header.digest != h.digest {
			delete(made, key)
		}
	}
	for key, o := range made {
		if !stated[key] {
			records++
			if !o.header.purged {
				sum.Add(item(key, o.header.digest))
			}
		}
	}
	if records == s.records && sum == s.sum {
		return nil
	}
	for key := range made {
		if !stated[key] {
			delete(made, key)
		}
	}
	return nil
}

// step is one change in the history of a record.
type step struct {
	row    *changeRow
	change *crdt.Change
	part   int
	at     place
}

// replaySteps makes a record from all its changes; ok is false if one is
// missing.
func replaySteps(key string, steps []step, folds []fold) (o *open, ok bool) {
	slices.SortFunc(steps, func(a, b step) int { return cmp.Compare(a.row.seq, b.row.seq) })
	o = &open{key: key, record: &crdt.Record{}, exists: true}
	var before place
	if isScopeKey(key) {
		folds = nil
	}
	for _, x := range steps {
		for len(folds) > 0 && folds[0].seq < x.row.seq {
			o.record.Fold(folds[0].floor, folds[0].rules(o.record))
			folds = folds[1:]
		}
		p, want := &x.change.Parts[x.part], x.row.parts[x.part]
		if want.before != before || x.row.husk() {
			return nil, false
		}
		if x.row.fate == Rejected {
			o.record.ApplyVoid(x.change, p, crdt.HashOf(x.row.change).Digest())
		} else {
			o.record.Apply(x.change, p, crdt.HashOf(x.row.change).Digest(), nil)
		}
		if o.record.Digest() != want.digest {
			return nil, false
		}
		before = x.at
		o.header.last, o.header.lastSeq = x.at, x.row.seq
		o.header.digest = want.digest
		o.header.tail += tailWeight(len(x.row.change), len(x.change.Parts))
	}
	for _, f := range folds {
		o.record.Fold(f.floor, f.rules(o.record))
	}
	o.header.digest, o.header.purged, o.header.folded = o.record.Digest(), o.record.IsPurged(), o.record.Floor() != nil
	return o, true
}
