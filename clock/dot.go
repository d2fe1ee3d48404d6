package clock

import (
	"cmp"
	"strconv"

	"github.com/concord-crdt/concord/codec"
)

// Dot names one change: the n-th of its origin, counted from 1.
//
// A dot names one content for ever. Dots are comparable with ==. A dot whose
// number is 0 names nothing, and no set contains it.
type Dot struct {
	Origin Origin
	N      uint64
}

// Compare returns -1, 0 or +1: canonical order, by origin, then number. It says
// nothing about causality.
func (d Dot) Compare(e Dot) int {
	if c := d.Origin.Compare(e.Origin); c != 0 {
		return c
	}
	return cmp.Compare(d.N, e.N)
}

// IsZero reports whether d names nothing: whether its number is 0.
func (d Dot) IsZero() bool { return d.N == 0 }

// String returns a short form for people, as in 0a1b2c3d…/9f:7.
func (d Dot) String() string {
	return string(strconv.AppendUint(append(d.Origin.appendTo(nil), ':'), d.N, 10))
}

// WriteDot writes d as the number of its origin in t, to which the origin is
// added if needed, and its own number. A dot that names nothing has no
// encoding: [ReadDot] refuses what is written for it.
func WriteDot(w *codec.Writer, t *Table, d Dot) {
	WriteOrigin(w, t, d.Origin)
	w.Uvarint(d.N)
}

// ReadDot reads what [WriteDot] wrote. An origin that is not in t is
// [codec.ErrMalformed], the number 0 [codec.ErrNotCanonical].
func ReadDot(r *codec.Reader, t *Table) Dot {
	d := Dot{Origin: ReadOrigin(r, t), N: r.Uvarint()}
	if d.N == 0 {
		r.Fail("dot number", codec.ErrNotCanonical)
		return Dot{}
	}
	return d
}

// Range is the dots From to To of one origin, both included.
//
// A range with From above To is empty. From 0 means the same as From 1.
type Range struct {
	Origin   Origin
	From, To uint64
}

// Contains reports whether d lies in the range.
func (r Range) Contains(d Dot) bool {
	return d.Origin == r.Origin && d.N != 0 && r.From <= d.N && d.N <= r.To
}

// Len returns the number of dots in the range.
func (r Range) Len() uint64 {
	from := max(r.From, 1)
	if from > r.To {
		return 0
	}
	return r.To - from + 1
}

// String returns a short form for people, as in 0a1b2c3d…/9f:3-7, or
// 0a1b2c3d…/9f:3 for a range of one dot.
func (r Range) String() string { return string(r.appendTo(nil)) }

func (r Range) appendTo(b []byte) []byte {
	b = append(r.Origin.appendTo(b), ':')
	b = strconv.AppendUint(b, r.From, 10)
	if r.To != r.From {
		b = strconv.AppendUint(append(b, '-'), r.To, 10)
	}
	return b
}
