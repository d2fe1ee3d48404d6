package crdt

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
)

// LogField writes a log of a record: entries that are appended and stay.
//
// All replicas show the same order: that of the effective stamps, then the
// entries' names. An entry never stands before one that its author had seen.
//
// Append is O(bytes of the entry), reading O(n log n) in the entries.
//
// Errors are the first one of the change: of [codec.AppendValue], or a
// [codec.ErrLimit] for an entry of more than 1 MiB.
//
// Comes from an [Editor] or a [MapField], and is of use until its change ends.
// Not safe for concurrent use.
//
// Source: our own, on a grow-only set: Shapiro et al., INRIA RR-7506, 2011.
type LogField struct{ at place }

// Append adds an entry, for ever: there is no removing it.
func (f LogField) Append(v any) error {
	n, p, err := f.at.open()
	if err != nil {
		return err
	}
	b, err := codec.AppendValue(nil, v)
	if err != nil {
		return f.at.ed.fail(f.at.path, err)
	}
	if len(b) > maxValueBytes {
		return f.at.ed.fail(f.at.path, &codec.LimitError{What: "value", Got: uint64(len(b)), Max: maxValueBytes})
	}
	f.at.ed.grow(n, p, b)
	return nil
}

// grownEntries lists the entries of a grown shape that count, in the order of
// effective stamps, then names.
func (f Field) grownEntries() []stampedEntry {
	if f.node == nil || f.node.grown == nil {
		return nil
	}
	es := make([]stampedEntry, 0, len(f.node.grown.raw))
	for _, e := range f.node.grown.raw {
		if m, ok := f.state.metas.get(e.ID.Dot); ok && f.counts(e.ID.Dot) {
			es = append(es, stampedEntry{e, m})
		}
	}
	sortStamped(es)
	return es
}

func sortStamped(es []stampedEntry) {
	slices.SortFunc(es, func(a, b stampedEntry) int {
		return cmp.Or(cmp.Compare(a.meta.Stamp, b.meta.Stamp), a.ID.Compare(b.ID))
	})
}

type stampedEntry struct {
	GrownEntry
	meta Meta
}

// Entries lists the entries of a log in its order, with who wrote each. O(n log n).
func (f Field) Entries() []Candidate {
	es := f.grownEntries()
	cs := make([]Candidate, 0, len(es))
	for _, e := range es {
		if v, err := codec.DecodeValue(e.Value); err == nil {
			cs = append(cs, Candidate{e.ID, v, e.meta})
		}
	}
	return cs
}

// check decides whether entries of a grown shape mean something for its type.
func (g *grown) check(t Type, entries []GrownEntry) error {
	switch t {
	case TypeText, TypeSlots:
		return g.checkSequence(entries, t == TypeSlots)
	case TypeLog, TypeStock, TypeProposal, TypeMark, TypeRestamp, TypeSeal, TypeVerdict, TypeEvidence:
		for _, e := range entries {
			if err := checkGrown(t, e); err != nil {
				return fmt.Errorf("entry %v: %w", e.ID, err)
			}
		}
	}
	return nil
}

func checkGrown(t Type, e GrownEntry) (err error) {
	if len(e.Origins) > 0 {
		return codec.ErrMalformed // these refer to none by position
	}
	switch t {
	case TypeLog:
		err = codec.CheckValue(e.Value)
	case TypeStock:
		_, err = readStock(e.Value)
	case TypeProposal:
		_, err = readProposal(e.Value)
	case TypeMark:
		_, err = DecodeMark(e.Value)
	case TypeRestamp:
		_, err = DecodeRestamp(e.Value)
	case TypeSeal:
		_, err = DecodeSeal(e.Value)
	case TypeVerdict:
		_, err = readVerdict(e.Value)
	case TypeEvidence:
		_, err = readEvidence(e.Value)
	}
	return err
}

func writeDotRaw(w *codec.Writer, id EntryID) {
	w.Raw(id.Dot.Origin.Replica[:])
	w.Uint64(id.Dot.Origin.Incarnation)
	w.Uvarint(id.Dot.N)
	w.Uvarint(uint64(id.Index))
}

func readDotRaw(r *codec.Reader) (id EntryID) {
	id.Dot.Origin = readOriginRaw(r)
	if id.Dot.N = r.Uvarint(); id.Dot.N == 0 {
		r.Fail("entry", codec.ErrMalformed) // names nothing
	}
	id.Index = uint32(r.UvarintMax("index", maxEntries))
	return id
}

func readOriginRaw(r *codec.Reader) (o clock.Origin) {
	copy(o.Replica[:], r.Raw(len(o.Replica)))
	o.Incarnation = r.Uint64()
	if o.IsZero() {
		r.Fail("origin", codec.ErrMalformed)
	}
	return o
}
