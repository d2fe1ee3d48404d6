package clock

import "github.com/concord-crdt/concord/codec"

// Table gives origins small numbers, in the order of their first use.
//
// An origin takes 24 bytes and repeats in every dot; encodings name it by its
// number, and the table is written in front of what uses it. So the body is
// written first, to a [codec.Writer] of its own, which fills the table.
//
// Number and Lookup are O(1): some 20 ns up to eight origins, 50 ns above
// (BenchmarkTable). A table takes 24 bytes an origin, and above eight origins
// some 60 bytes more for each.
//
// Not safe for concurrent use, not even for reading: the first use of an origin
// by a decoder is noted (see [Table.CheckUse]). The zero value is empty and
// ready.
type Table struct {
	origins []Origin
	index   map[Origin]uint32 // nil until there were more than maxLinear origins

	used       int  // origins 0 to used-1 were read by a decoder
	outOfOrder bool // a decoder met a number above used
}

// maxLinear is how many origins are searched one by one before a map pays
// (BenchmarkTable).
const maxLinear = 8

// Number returns the number of o, which is added if it is not in the table.
func (t *Table) Number(o Origin) uint32 {
	if n, ok := t.Lookup(o); ok {
		return n
	}
	n := uint32(len(t.origins))
	t.origins = append(t.origins, o)
	switch {
	case t.index != nil:
		t.index[o] = n
	case len(t.origins) > maxLinear:
		t.index = make(map[Origin]uint32, 2*len(t.origins))
		for i, p := range t.origins {
			t.index[p] = uint32(i)
		}
	}
	return n
}

// Lookup returns the number of o, and whether o is in the table.
func (t *Table) Lookup(o Origin) (uint32, bool) {
	if t.index != nil {
		n, ok := t.index[o]
		return n, ok
	}
	for i := range t.origins {
		if t.origins[i] == o {
			return uint32(i), true
		}
	}
	return 0, false
}

// Origin returns the origin with number n, and whether there is one.
func (t *Table) Origin(n uint32) (Origin, bool) {
	if uint64(n) >= uint64(len(t.origins)) {
		return Origin{}, false
	}
	return t.origins[n], true
}

// Len returns the number of origins in the table.
func (t *Table) Len() int { return len(t.origins) }

// Reset empties the table and keeps its memory.
func (t *Table) Reset() {
	t.origins = t.origins[:0]
	clear(t.index)
	t.used, t.outOfOrder = 0, false
}

// Write writes the number of origins, then each of them in order of their
// numbers: a flag, the 16 bytes of the replica id unless the flag says that it
// is the one before, and the 8 bytes of the incarnation.
//
// O(n), 25 bytes an origin, 9 for a further incarnation of the same replica.
func (t *Table) Write(w *codec.Writer) {
	w.Uvarint(uint64(len(t.origins)))
	for i, o := range t.origins {
		same := i > 0 && o.Replica == t.origins[i-1].Replica
		w.Bool(same)
		if !same {
			w.Raw(o.Replica[:])
		}
		w.Uint64(o.Incarnation)
	}
}

// ReadTable reads what [Table.Write] wrote. It never returns nil; after an
// error the table is empty.
//
// More than max origins are a [codec.ErrLimit]. An origin that comes twice, or
// a flag that does not say what it should, is [codec.ErrNotCanonical]; the zero
// origin, which is none, is [codec.ErrMalformed]. O(n).
func ReadTable(r *codec.Reader, max int) *Table {
	t := new(Table)
	count := r.Count("origin table", max, 1+8)
	if count == 0 {
		return t
	}
	t.origins = make([]Origin, 0, count)
	if count > maxLinear {
		t.index = make(map[Origin]uint32, count)
	}
	var o Origin
	for i := range count {
		same := r.Bool()
		if same && i == 0 {
			r.Fail("origin table", codec.ErrNotCanonical)
		}
		if !same {
			before := o.Replica
			copy(o.Replica[:], r.Raw(len(o.Replica)))
			if i > 0 && o.Replica == before {
				r.Fail("origin table", codec.ErrNotCanonical)
			}
		}
		o.Incarnation = r.Uint64()
		if r.Err() != nil {
			return new(Table)
		}
		if o.IsZero() {
			r.Fail("origin table", codec.ErrMalformed)
			return new(Table)
		}
		if t.Number(o) != uint32(i) {
			r.Fail("origin table", codec.ErrNotCanonical)
			return new(Table)
		}
	}
	return t
}

// CheckUse records [codec.ErrNotCanonical] in r unless decoders met every origin
// of the table, and met them for the first time in the order of their numbers.
//
// Who reads a structure that has a table of its own calls it at the end. Without
// it one structure has many encodings, which differ in the order of the table or
// in origins that nothing uses.
func (t *Table) CheckUse(r *codec.Reader) {
	if t.outOfOrder || t.used != len(t.origins) {
		r.Fail("use of the origin table", codec.ErrNotCanonical)
	}
}

// WriteOrigin writes the number of o in t, to which o is added if needed.
func WriteOrigin(w *codec.Writer, t *Table, o Origin) { w.Uvarint(uint64(t.Number(o))) }

// ReadOrigin reads what [WriteOrigin] wrote. A number that is not in t is
// [codec.ErrMalformed].
func ReadOrigin(r *codec.Reader, t *Table) Origin {
	n := r.Uvarint()
	if r.Err() != nil {
		return Origin{}
	}
	if n >= uint64(len(t.origins)) {
		r.Fail("number of an origin", codec.ErrMalformed)
		return Origin{}
	}
	switch used := uint64(t.used); {
	case n == used:
		t.used++
	case n > used:
		t.outOfOrder = true
	}
	return t.origins[n]
}
