package replica

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/merge"
	"github.com/concord-crdt/concord/replica/session"
)

// isScopeKey tells records of scopes from those of users.
func isScopeKey(key string) bool { return key != "" && key[0] == 0 }

// decisionOf reads what a change decides about its scope.
func decisionOf(c *crdt.Change) crdt.Decision {
	if i, ok := partOf(c, crdt.ScopeKey); ok {
		return c.Parts[i].Decision()
	}
	return crdt.Decision{}
}

// floorFault says why a change cannot be applied at the floor of its scope: what
// it waits for, or that it is void. The caller holds r.mu.
func (r *Replica) floorFault(s *scope, c *crdt.Change) (needs []clock.Dot, code session.Code, err error) {
	cited := s.floor.Find(c.Floor)
	if d := c.Floor.Dot; !d.IsZero() && cited == 0 {
		if !s.applied.Contains(d) {
			return []clock.Dot{d}, session.CodeMissingHead, fmt.Errorf("waits for the settle mark of %v", d)
		}
		return nil, session.CodeInvalid, fmt.Errorf("it names %v as a settle mark of the scope, which it is not", d)
	}
	d := decisionOf(c)
	for _, x := range d.Restamps {
		var steward clock.ReplicaID
		if f := s.floor.At(cited); f != nil {
			steward = f.Mark.Steward
		}
		if err := x.Check(c.Dot, steward); err != nil {
			return nil, session.CodeInvalid, err
		}
	}
	switch {
	case len(d.Marks) > 1:
		return nil, session.CodeInvalid, errors.New("a change carries more than one settle mark")
	case len(d.Marks) == 1:
		return s.markFault(d.Marks[0], c)
	}
	return nil, session.CodeNone, nil
}

// markFault says what a settle mark waits for: the one before it, and its cut. A
// mark that does not continue the chain here waits too: two stewards wrote apart,
// and a person must say which of them it is.
func (s *scope) markFault(m *crdt.Mark, c *crdt.Change) ([]clock.Dot, session.Code, error) {
	if m.Number > s.floor.Number()+1 {
		return []clock.Dot{m.Before.Dot}, session.CodeMissingHead, fmt.Errorf("waits for settle mark %d", m.Number-1)
	}
	if _, err := s.floor.Raise(m, crdt.Ref{Dot: c.Dot}); err != nil {
		return nil, session.CodeFork, err
	}
	if needs := m.Missing(s.applied.Vector()); len(needs) > 0 {
		return needs, session.CodeMissingHead, fmt.Errorf("settle mark %d waits for %v, which lies in its cut", m.Number, needs[0])
	}
	return nil, session.CodeNone, nil
}

// decided takes what an applied change decides about its scope, and brings the
// records in memory to it. The rest follow as they are read, and by
// [Replica.settleRecords]. The caller holds r.mu.
func (r *Replica) decided(s *scope, c *crdt.Change, digest uint32) {
	d := decisionOf(c)
	r.sealed(s, d.Seals)
	if len(d.Marks)+len(d.Restamps) == 0 {
		return
	}
	for _, x := range d.Restamps {
		s.moved = s.moved.With(x, c.Dot)
	}
	for _, m := range d.Marks {
		if f, err := s.floor.Raise(m, crdt.Ref{Dot: c.Dot, Digest: digest}); err == nil { // markFault saw to it
			s.floor, s.after = f, ""
			r.folding = true
		}
	}
	for k, o := range r.cache.records {
		if k.scope == s.name {
			r.raise(s, o)
		}
	}
}

// raise brings a record to the floor of its scope. What that alters is written
// with the next group. The caller holds r.mu.
func (r *Replica) raise(s *scope, o *open) {
	if isScopeKey(o.key) {
		return
	}
	o.record.Restamp(s.moved)
	if o.record.Floor().Number() >= s.floor.Number() {
		return
	}
	o.record.FoldTo(s.floor, func(m *crdt.Mark) crdt.FoldRules { return r.foldRules(s, m)(o.record) })
	if !o.exists {
		return
	}
	digest := o.record.Digest()
	if !o.header.purged {
		s.sum.Sub(item(o.key, o.header.digest))
	}
	if !o.record.IsPurged() {
		s.sum.Add(item(o.key, digest))
	}
	o.header.digest, o.header.purged, o.header.folded = digest, o.record.IsPurged(), true
	r.seq++ // until it is written, the store has it otherwise
	o.header.lastSeq = r.seq
	s.status = nil
	r.touch(s)
	r.soil(s, o)
	r.cache.changed(cacheKey{s.name, o.key}, o, r.durable)
}

// loadFloor reads what is decided about a scope from the scope's record, and how
// far its records were brought to it.
func (r *Replica) loadFloor(s *scope) error {
	h, found, err := r.readHeader(s.number, crdt.ScopeKey)
	if err != nil || !found {
		return err
	}
	rec, err := rebuild(r.store, s, crdt.ScopeKey, h)
	if err != nil {
		return err
	}
	if s.floor, s.moved, err = rec.Decided(); err != nil {
		return &CorruptError{Row: "record", Key: recordKey(rowHeader, s.number, crdt.ScopeKey), Scope: s.name, Err: err}
	}
	if s.seals, err = rec.Sealed(); err != nil {
		return &CorruptError{Row: "record", Key: recordKey(rowHeader, s.number, crdt.ScopeKey), Scope: s.name, Err: err}
	}
	r.folding = true // unless all are settled
	key := settledKey(s.name)
	v, found, err := r.store.get(key)
	if err != nil || !found {
		return err
	}
	b, err := decodePlain("meta", key, v)
	if err != nil {
		return err
	}
	rd := codec.NewReader(b)
	s.settled = rd.Uvarint()
	if err := rd.Close(); err != nil {
		return &CorruptError{Row: "meta", Key: key, Scope: s.name, Err: err}
	}
	return nil
}

// settledKey is the row that says by which mark all records of a scope are
// folded.
func settledKey(scope string) []byte { return metaKey("settled/" + scope) }

func encodeNumber(n uint64) []byte {
	w := codec.NewWriter(nil)
	w.Uvarint(n)
	return w.Bytes()
}

// unsettled finds a scope whose records are not all brought to its floor, and
// the next keys to be. The caller holds r.mu.
func (r *Replica) unsettled() (*scope, []string, error) {
	if !r.folding {
		return nil, nil, nil
	}
	for _, name := range slices.Sorted(maps.Keys(r.scopes)) {
		s := r.scopes[name]
		if s.settled == s.floor.Number() {
			continue
		}
		prefix := recordKey(rowHeader, s.number, "")
		var keys []string
		for x, err := range r.store.scan(prefix, recordKey(rowHeader, s.number, s.after)) {
			if err != nil {
				return nil, nil, err
			}
			if key := string(x.key[len(prefix):]); key > s.after || s.after == "" {
				if keys = append(keys, key); len(keys) == settleBatch {
					break
				}
			}
		}
		return s, keys, nil
	}
	return nil, nil, nil
}

// settleBatch is how many records are folded while others wait.
const settleBatch = 128

// settleRecords brings every record of the scopes to their floors, some at a
// time, so that others read and write meanwhile. It goes on after a cut where it
// ended. The caller does not hold r.mu.
func (r *Replica) settleRecords() error {
	for {
		r.mu.Lock()
		s, keys, err := r.unsettled()
		if err != nil || s == nil {
			r.folding = r.folding && err != nil
			r.mu.Unlock()
			return err
		}
		for _, key := range keys {
			if _, err := r.record(s, s.name, key); err != nil && !errors.Is(err, ErrCorrupt) {
				r.mu.Unlock()
				return err
			}
		}
		if len(keys) < settleBatch {
			s.settled, s.after = s.floor.Number(), ""
			s.status = nil
			key := settledKey(s.name)
			r.stage(group{{key, encodePlain(key, encodeNumber(s.settled))}})
		} else {
			s.after = keys[len(keys)-1]
			r.stage(nil)
		}
		b := r.commits.current
		r.mu.Unlock()
		if err := r.await(b); err != nil {
			return err
		}
	}
}

// appliedToAll is the applied clock, without the marks by which not all records
// are folded yet: only then the fingerprint is that of the clock.
func (s *scope) appliedToAll() clock.Context {
	applied := s.applied.Clone()
	for f := s.floor; f.Number() > s.settled; f = s.floor.At(f.Number() - 1) {
		applied = without(&applied, f.Ref.Dot)
	}
	return applied
}

func without(c *clock.Context, d clock.Dot) (left clock.Context) {
	for rg := range c.Ranges() {
		if !rg.Contains(d) {
			left.AddRange(rg)
			continue
		}
		if d.N > rg.From {
			left.AddRange(clock.Range{Origin: d.Origin, From: rg.From, To: d.N - 1})
		}
		left.AddRange(clock.Range{Origin: d.Origin, From: d.N + 1, To: rg.To})
	}
	return left
}

// fold is a settle mark at its place in the order in which rows were entered.
type fold struct {
	seq   uint64
	floor *crdt.Floor
	rules func(*crdt.Record) crdt.FoldRules
}

// foldsOf lists the marks of a scope. The caller holds r.mu.
func (r *Replica) foldsOf(s *scope) (folds []fold, err error) {
	for n := uint64(1); n <= s.floor.Number(); n++ {
		f := s.floor.At(n)
		row, err := r.readChange(s.number, place{r.origins.numbers[f.Ref.Dot.Origin], f.Ref.Dot.N})
		if err != nil {
			return nil, err
		}
		folds = append(folds, fold{row.seq, f, r.foldRules(s, &f.Mark)})
	}
	return folds, nil
}

// foldRules are those of the policy that a mark names, for a record as it is
// before it is folded.
func (r *Replica) foldRules(s *scope, m *crdt.Mark) func(*crdt.Record) crdt.FoldRules {
	rules, err := r.rulesOf(m.Policy).Collection(collectionOf(s.name))
	if err != nil {
		rules = nil
	}
	return func(rec *crdt.Record) crdt.FoldRules {
		return merge.FoldRules(rec, rules, &m.Cut)
	}
}
