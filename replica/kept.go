package replica

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/replica/session"
)

// keptRecords are the records that applied husks name: they cannot be made again
// from changes, and stay as they are where the rest of a scope is.
func keptRecords(rows []scopeRow) map[string]bool {
	kept := map[string]bool{}
	for _, x := range rows {
		if x.row.husk() && x.row.fate == Applied {
			for i := range x.change.Parts {
				kept[x.change.Parts[i].Key] = true
			}
		}
	}
	return kept
}

// marksIn is the chain of the marks in rows, as far as they are applied.
func marksIn(rows []scopeRow) (f *crdt.Floor) {
	for again := true; again; {
		again = false
		for _, x := range rows {
			if x.row.husk() || x.row.fate != Applied || x.unknown != nil {
				continue
			}
			for _, m := range decisionOf(x.change).Marks {
				if next, err := f.Raise(m, crdt.Ref{Dot: x.change.Dot, Digest: x.row.hash().Digest()}); err == nil {
					f, again = next, true
				}
			}
		}
	}
	return f
}

// keepRecords writes the records that husks name whole, so that they stand
// without any change row, and returns what they come to. It changes nothing that
// can be seen, and may be done again after a crash. [ErrCorrupt] if one of them is
// damaged. The caller holds r.mu, and nothing is staged.
func (r *Replica) keepRecords(s *scope, rows []scopeRow) (kept map[string]bool, t tally, err error) {
	if kept = keptRecords(rows); len(kept) == 0 {
		return kept, t, nil
	}
	if f := marksIn(rows); f.Number() > s.marks().Number() {
		s.known = f
	}
	for _, key := range slices.Sorted(maps.Keys(kept)) {
		o, err := r.record(s, s.name, key)
		if err != nil {
			return nil, t, err
		}
		if !o.exists {
			return nil, t, &CorruptError{Row: "header", Key: recordKey(rowHeader, s.number, key), Scope: s.name, Record: key, Err: errMissing}
		}
		r.seq++
		o.header.last, o.header.lastSeq, o.header.folded = place{}, r.seq, true
		var g group
		r.writeRecord(&g, s, o)
		if err := r.store.commit([]group{g}); err != nil {
			return nil, t, err
		}
		r.durable = r.seq
		t.records++
		if !o.header.purged {
			t.sum.Add(item(key, o.header.digest))
		}
	}
	return kept, t, nil
}

// pastPruned is the last change of an own origin that need not be made again: what
// is a husk is settled everywhere, and stays. [ErrPruned] if one that must be has
// touched a record that cannot be shown without it. The caller holds r.mu.
func (r *Replica) pastPruned(s *scope, o clock.Origin, common uint64) (uint64, error) {
	rows, err := r.scopeRows(s)
	if err != nil {
		return 0, err
	}
	kept := keptRecords(rows)
	if len(kept) == 0 {
		return common, nil
	}
	for _, x := range rows {
		if x.row.husk() && x.change.Dot.Origin == o {
			common = max(common, x.change.Dot.N)
		}
	}
	for _, x := range rows {
		if x.change.Dot.Origin != o || x.change.Dot.N <= common {
			continue
		}
		for i := range x.change.Parts {
			if key := x.change.Parts[i].Key; kept[key] {
				return 0, fmt.Errorf("change %v of record %q: %w; set the directory aside and begin from a peer", x.change.Dot, key, ErrPruned)
			}
		}
	}
	return common, nil
}

// ofKept reports whether a derived row belongs to a record that stays.
func ofKept(kept map[string]bool, key []byte) bool {
	switch key[0] {
	case rowHeader:
		return kept[string(key[5:])]
	case rowSnapshot:
		r := codec.NewReader(key)
		r.Byte()
		r.Uint32()
		name := r.Raw(int(min(r.Uint32(), maxKeyBytes)))
		return r.Err() == nil && kept[string(name)]
	}
	return false
}

// keepHusk counts a husk as applied, where a scope is made anew: the records that
// it names were kept. Its row stays as it is.
func (s *scope) keepHusk(x scopeRow) error {
	d := x.change.Dot
	if crdt.Chain(s.chain(d.Origin), x.row.hash()) != x.row.chain {
		return fmt.Errorf("change %v does not follow the one before it", d)
	}
	s.stored.Advance(d)
	s.chains[d.Origin] = x.row.chain
	s.applied.Add(d)
	s.waiting.met(d, &s.applied)
	s.maxed = max(s.maxed, s.moved.Correct(d, x.change.Stamp, nil))
	return nil
}

// healHusk takes a husk in the place of a damaged change, whose bytes the peer no
// longer has: if the records that had its effect are whole. The caller holds r.mu.
func (r *Replica) healHusk(s *scope, in *session.Incoming) (session.Verdict, error) {
	if _, waits := s.waiting.changes[in.Dot]; waits {
		return r.heal(s, in), nil
	}
	for i := range in.Change.Parts {
		o, err := r.record(s, s.name, in.Change.Parts[i].Key)
		if err != nil && !errors.Is(err, ErrCorrupt) {
			return session.Verdict{}, err
		}
		if err != nil || !o.record.Contains(in.Dot) {
			return refused(session.CodePruned, "record %q is damaged here, and needs the change itself from a peer that keeps it", in.Change.Parts[i].Key), nil
		}
	}
	return r.heal(s, in), nil
}
