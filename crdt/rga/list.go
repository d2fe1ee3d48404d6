package rga

import "iter"

// List is a sequence of opaque values.
//
// What concurrency does to it, and its costs, are those of [Text], with values
// in place of runes. A value cannot be changed in place or moved; deleting and
// inserting makes a new element.
//
// Not safe for concurrent use, except that methods that only read may run
// together. Make one with NewList.
type List struct{ sequence }

// NewList returns an empty list.
func NewList() *List { return &List{newSequence(true)} }

// Insert inserts values before element pos, or at the end if pos is Len. The
// values are copied.
//
// The op that was made is appended to ops unless it is nil; it shares the
// memory of values. No values make none.
//
// Errors are [ErrHandle], [ErrRange] and [ErrLimit]; nothing changes then.
func (l *List) Insert(h Handle, pos int, values [][]byte, ops *[]Op) error {
	if h.n == 0 || int(h.n) > len(l.origins) {
		return ErrHandle
	}
	size := l.origins[h.n-1].buf.Len()
	for _, v := range values {
		if size += len(v); size > MaxContent {
			return ErrLimit
		}
	}
	if len(values) > MaxSeq {
		return ErrLimit
	}
	if len(values) == 0 {
		if pos < 0 || pos > l.Len() {
			return ErrRange
		}
		return nil
	}
	in, err := l.insert(h, pos, uint32(len(values)), 0, sums{vis: uint32(len(values))})
	if err != nil {
		return err
	}
	l.origins[h.n-1].addValues(uint32(in.first), values)
	if ops != nil {
		op := l.insertOp(in, len(values))
		op.Values = values
		*ops = append(*ops, op)
	}
	return nil
}

// Join adds what other has and l lacks; see [Text.Join].
func (l *List) Join(other *List, emit func(Edit)) error {
	return l.join(&other.sequence, emit)
}

// At returns a copy of the value at position pos, or false if there is none.
func (l *List) At(pos int) ([]byte, bool) {
	if pos < 0 || pos >= l.Len() {
		return nil, false
	}
	p := l.visibleAt(uint32(pos))
	k := l.leaves[p.leaf].first[p.span] + key(p.off)
	return []byte(l.origins[k>>32].value(uint32(k))), true
}

// Values yields copies of the values from position from to position to-1, in
// order. Positions outside of the list are moved to its ends. The list must not
// be changed meanwhile.
func (l *List) Values(from, to int) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for k, n := range l.visible(from, to) {
			for i := range n {
				if !yield([]byte(l.origins[k>>32].value(uint32(k) + i))) {
					return
				}
			}
		}
	}
}
