package crdt

import (
	"cmp"
	"slices"
)

// ScopeKey is the key of the record in which a scope keeps what is decided about
// the scope itself: settle marks, restamps and seals. It is never folded. No key of a
// user's record has a zero byte.
const ScopeKey = "\x00scope"

var (
	marksSlot    = slotOf("marks", TypeMark)
	restampsSlot = slotOf("restamps", TypeRestamp)
	sealsSlot    = slotOf("seals", TypeSeal)
)

// Settle writes a settle mark, in the record of a scope.
func (e *Editor) Settle(m *Mark) error {
	if err := m.Check(); err != nil {
		return e.fail([]slot{marksSlot}, err)
	}
	return e.decide(marksSlot, m.Encode())
}

// Restamp writes a restamp, in the record of a scope.
func (e *Editor) Restamp(x Restamp) error {
	if err := x.Check(e.dot, e.dot.Origin.Replica); err != nil {
		return e.fail([]slot{restampsSlot}, err)
	}
	return e.decide(restampsSlot, x.Encode())
}

// Seal writes a seal, in the record of a scope.
func (e *Editor) Seal(x Seal) error {
	if err := x.Check(e.dot, e.dot.Origin.Replica); err != nil {
		return e.fail([]slot{sealsSlot}, err)
	}
	return e.decide(sealsSlot, x.Encode())
}

func (e *Editor) decide(k slot, value []byte) error {
	n, p, err := place{ed: e, path: []slot{k}}.open()
	if err == nil {
		e.grow(n, p, value)
	}
	return err
}

// Decision is what a change decides about its scope.
type Decision struct {
	Marks    []*Mark
	Restamps []Restamp
	Seals    []Sealed
}

// Decision reads what a part decides, if it is one of the scope's record.
func (p *Part) Decision() (d Decision) {
	if p.Key != ScopeKey || p.Patch == nil {
		return d
	}
	for _, kid := range p.Patch.Kids {
		for _, e := range kid.Patch.Grow {
			switch kid.slot() {
			case marksSlot:
				if m, err := DecodeMark(e.Value); err == nil {
					d.Marks = append(d.Marks, m)
				}
			case restampsSlot:
				if x, err := DecodeRestamp(e.Value); err == nil {
					d.Restamps = append(d.Restamps, x)
				}
			case sealsSlot:
				if x, err := DecodeSeal(e.Value); err == nil {
					d.Seals = append(d.Seals, Sealed{x, e.ID})
				}
			}
		}
	}
	return d
}

// Decided reads what was decided about a scope from the scope's record: the
// chain of its marks and its restamps. The error wraps [ErrMark], [ErrMarkChain]
// or [ErrRestamp]. O(n log n) for n decisions.
func (r *Record) Decided() (f *Floor, moved *Restamps, err error) {
	if n := r.root.kid(restampsSlot); n != nil {
		for _, e := range n.grown.sortedRaw() {
			x, err := DecodeRestamp(e.Value)
			if err != nil {
				return nil, nil, err
			}
			moved = moved.With(x, e.ID.Dot)
		}
	}
	type carried struct {
		mark *Mark
		ref  Ref
	}
	var marks []carried
	if n := r.root.kid(marksSlot); n != nil {
		for _, e := range n.grown.sortedRaw() {
			m, err := DecodeMark(e.Value)
			if err != nil {
				return nil, nil, err
			}
			ref := Ref{Dot: e.ID.Dot}
			if row, ok := r.metas.peek(ref.Dot); ok {
				ref.Digest = row.digest
			}
			marks = append(marks, carried{m, ref})
		}
	}
	slices.SortFunc(marks, func(a, b carried) int { return cmp.Compare(a.mark.Number, b.mark.Number) })
	for _, x := range marks {
		if f, err = f.Raise(x.mark, x.ref); err != nil {
			return nil, nil, err
		}
	}
	return f, moved, nil
}

// Sealed reads the seals of a scope from the scope's record. The error is that
// of [DecodeSeal]. O(n log n) for n seals.
func (r *Record) Sealed() (s *Seals, err error) {
	if n := r.root.kid(sealsSlot); n != nil {
		for _, e := range n.grown.sortedRaw() {
			x, err := DecodeSeal(e.Value)
			if err != nil {
				return nil, err
			}
			s = s.With(Sealed{x, e.ID})
		}
	}
	return s, nil
}
