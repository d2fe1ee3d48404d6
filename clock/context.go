package clock

import (
	"iter"
	"math"
	"slices"

	"github.com/concord-crdt/concord/codec"
)

// MaxRanges is how many ranges beyond the vector a context that is read may
// have for each origin.
const MaxRanges = 64

// Context is a set of dots with few holes: a version vector, and ranges beyond
// it, which become part of the vector as the holes before them fill.
//
// Within a scope the changes of an origin travel in the order of their dots, so
// holes come only from what waits. The set of contexts is a lattice under Join,
// and two contexts tell exactly what each side lacks ([Context.Missing]).
//
// With n origins and r ranges beyond: Contains, Last, and Add where it raises a
// known origin are O(log n + log r), Add elsewhere O(n+r). Join, Covers, Equal,
// Missing and iteration are O(n+r) of both sides together. A range takes 40
// bytes. Contains, Covers, Equal and Count allocate nothing.
//
// Safe for concurrent reading only. The zero value is empty. Assigning a context
// shares its memory: use Clone.
//
// Source: Almeida, Shoker and Baquero, "Delta State Replicated Data Types",
// JPDC 111, 2018 (causal contexts); Malkhi and Terry, "Concise Version Vectors
// in WinFS", DISC 2005 (exceptions to a vector).
type Context struct {
	vector VersionVector
	// beyond is sorted by origin, then From. No range touches or overlaps
	// another, or what the vector has of its origin: before each lies a hole.
	beyond []Range
}

// ContextOf returns the context with the dots of v, of which it makes a copy.
func ContextOf(v VersionVector) Context { return Context{vector: v.Clone()} }

// Add adds d and reports whether it is new. A dot that names nothing is not.
func (c *Context) Add(d Dot) bool {
	if d.N == 0 || c.Contains(d) {
		return false
	}
	c.AddRange(Range{d.Origin, d.N, d.N})
	return true
}

// AddRange adds the dots of r.
func (c *Context) AddRange(r Range) {
	r.From = max(r.From, 1)
	n := c.vector.Get(r.Origin)
	if r.From > r.To || r.To <= n {
		return
	}
	// Ranges i to j-1 touch or overlap r, and become part of it.
	i := c.search(&r.Origin, r.From-1)
	j := i
	for ; j < len(c.beyond) && c.beyond[j].Origin == r.Origin && c.beyond[j].From-1 <= r.To; j++ {
		r.From = min(r.From, c.beyond[j].From)
		r.To = max(r.To, c.beyond[j].To)
	}
	if r.From-1 <= n {
		c.vector.Set(r.Origin, r.To)
		c.beyond = slices.Delete(c.beyond, i, j)
		return
	}
	c.beyond = slices.Replace(c.beyond, i, j, r)
}

// Contains reports whether d is in the set. A dot that names nothing is not.
func (c *Context) Contains(d Dot) bool {
	if c.vector.Contains(d) {
		return true
	}
	if len(c.beyond) == 0 {
		return false
	}
	i := c.search(&d.Origin, d.N)
	return i < len(c.beyond) && c.beyond[i].Contains(d)
}

// Covers reports whether c contains all dots of o.
func (c *Context) Covers(o *Context) bool {
	if !c.vector.Covers(&o.vector) {
		return false
	}
	// A range of o lies in the vector, or in one range of c: between two ranges
	// of c is a hole.
	j := 0
	for _, r := range o.beyond {
		j = skipBefore(c.beyond, j, &r.Origin, r.From)
		if j < len(c.beyond) && c.beyond[j].Origin == r.Origin &&
			c.beyond[j].From <= r.From && r.To <= c.beyond[j].To {
			continue
		}
		if r.To > c.vector.Get(r.Origin) {
			return false
		}
	}
	return true
}

// Equal reports whether c and o contain the same dots.
func (c *Context) Equal(o *Context) bool {
	return c.vector.Equal(&o.vector) && slices.Equal(c.beyond, o.beyond)
}

// Join adds all dots of o to c.
func (c *Context) Join(o *Context) {
	c.vector.Join(&o.vector)
	if len(o.beyond) > 0 {
		c.beyond = union(c.beyond, o.beyond)
	}
	// What the vector reaches now becomes part of it.
	kept := c.beyond[:0]
	for _, r := range c.beyond {
		switch n := c.vector.Get(r.Origin); {
		case r.To <= n:
		case r.From-1 <= n:
			c.vector.Set(r.Origin, r.To)
		default:
			kept = append(kept, r)
		}
	}
	c.beyond = kept
}

// union merges two sorted lists of ranges into a new one, in which ranges that
// touched or overlapped are one.
func union(a, b []Range) []Range {
	merged := make([]Range, 0, len(a)+len(b))
	for len(a) > 0 || len(b) > 0 {
		from := &a
		if len(a) == 0 || len(b) > 0 && beginsBefore(&b[0], &a[0]) {
			from = &b
		}
		r := (*from)[0]
		*from = (*from)[1:]
		if last := len(merged) - 1; last >= 0 && merged[last].Origin == r.Origin && r.From-1 <= merged[last].To {
			merged[last].To = max(merged[last].To, r.To)
			continue
		}
		merged = append(merged, r)
	}
	return merged
}

// Clone returns a copy that shares nothing with c.
func (c *Context) Clone() Context {
	return Context{vector: c.vector.Clone(), beyond: slices.Clone(c.beyond)}
}

// Vector returns the part without holes: per origin all dots from the first up
// to the first hole. It belongs to c and must not be changed, and changes with
// c; clone it to keep it.
func (c *Context) Vector() *VersionVector { return &c.vector }

// Last returns the greatest number of o in the set, whatever holes there are
// before it, or 0 if the set has no dot of o.
func (c *Context) Last(o Origin) uint64 {
	if i := c.search(&o, math.MaxUint64); i < len(c.beyond) && c.beyond[i].Origin == o {
		return c.beyond[i].To
	} else if i > 0 && c.beyond[i-1].Origin == o {
		return c.beyond[i-1].To
	}
	return c.vector.Get(o)
}

// Ranges yields all dots of the set as ranges, in canonical order. No two of
// them touch or overlap. The context must not be changed meanwhile.
func (c *Context) Ranges() iter.Seq[Range] {
	return func(yield func(Range) bool) {
		j := 0
		for i := range c.vector.entries {
			e := &c.vector.entries[i]
			for ; j < len(c.beyond) && compareOrigins(&c.beyond[j].Origin, &e.origin) < 0; j++ {
				if !yield(c.beyond[j]) {
					return
				}
			}
			if !yield(Range{e.origin, 1, e.n}) {
				return
			}
		}
		for ; j < len(c.beyond); j++ {
			if !yield(c.beyond[j]) {
				return
			}
		}
	}
}

// NumRanges returns the number of ranges beyond the vector, of all origins.
func (c *Context) NumRanges() int { return len(c.beyond) }

// NumRangesOf returns the number of ranges of o beyond the vector. Who adds
// dots that arrive out of order keeps it within [MaxRanges].
func (c *Context) NumRangesOf(o Origin) int {
	first := c.search(&o, 0)
	i := first
	for i < len(c.beyond) && c.beyond[i].Origin == o {
		i++
	}
	return i - first
}

// Missing returns the dots that o has and c lacks, in canonical order. No two
// ranges touch or overlap, and the slice belongs to the caller. It is nil
// exactly when c covers o.
func (c *Context) Missing(o *Context) []Range {
	var missing []Range
	i, j := 0, 0
	for r := range o.Ranges() {
		i = seek(c.vector.entries, i, &r.Origin)
		if i < len(c.vector.entries) && c.vector.entries[i].origin == r.Origin {
			n := c.vector.entries[i].n
			if r.To <= n {
				continue
			}
			r.From = max(r.From, n+1)
		}
		// Cut out of r what the ranges of c hold; the rest follows the last one.
		j = skipBefore(c.beyond, j, &r.Origin, r.From)
		whole := false
		for k := j; k < len(c.beyond) && c.beyond[k].Origin == r.Origin && c.beyond[k].From <= r.To; k++ {
			held := c.beyond[k]
			if r.From < held.From {
				missing = append(missing, Range{r.Origin, r.From, held.From - 1})
			}
			if whole = r.To <= held.To; whole {
				break
			}
			r.From = held.To + 1
		}
		if !whole {
			missing = append(missing, r)
		}
	}
	return missing
}

// Count returns the number of dots in the set, or the greatest uint64 if there
// are more.
func (c *Context) Count() uint64 {
	var sum uint64
	for r := range c.Ranges() {
		n := r.Len()
		if sum > math.MaxUint64-n {
			return math.MaxUint64
		}
		sum += n
	}
	return sum
}

// String returns a form for people: all ranges in canonical order, as in
// {0a1b2c3d…/9f:1-7 0a1b2c3d…/9f:9}.
func (c *Context) String() string {
	b := []byte{'{'}
	for r := range c.Ranges() {
		if len(b) > 1 {
			b = append(b, ' ')
		}
		b = r.appendTo(b)
	}
	return string(append(b, '}'))
}

// search returns the index of the first range beyond the vector that ends at or
// after number n of o.
func (c *Context) search(o *Origin, n uint64) int {
	lo, hi := 0, len(c.beyond)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if endsBefore(&c.beyond[mid], o, n) {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// skipBefore returns the first index from i on of a range that ends at or after
// number n of o.
func skipBefore(ranges []Range, i int, o *Origin, n uint64) int {
	for i < len(ranges) && endsBefore(&ranges[i], o, n) {
		i++
	}
	return i
}

// endsBefore reports whether all of r lies before number n of o.
func endsBefore(r *Range, o *Origin, n uint64) bool {
	c := compareOrigins(&r.Origin, o)
	return c < 0 || c == 0 && r.To < n
}

// beginsBefore reports whether r is before s in canonical order.
func beginsBefore(r, s *Range) bool {
	c := compareOrigins(&r.Origin, &s.Origin)
	return c < 0 || c == 0 && r.From < s.From
}

// Write writes the vector, then the number of origins with ranges beyond it,
// and for each its number in t, to which it is added if needed, the number of
// its ranges, and for each of these the length of the hole before it and its own
// length, both less one.
//
// O(n+r), some 2 to 6 bytes an origin and as much a range, without the table. A
// context beyond [MaxOrigins] or [MaxRanges] is written, and refused by readers.
func (c *Context) Write(w *codec.Writer, t *Table) {
	c.vector.Write(w, t)
	origins := 0
	for i := range c.beyond {
		if i == 0 || c.beyond[i].Origin != c.beyond[i-1].Origin {
			origins++
		}
	}
	w.Uvarint(uint64(origins))
	for i := 0; i < len(c.beyond); {
		o := c.beyond[i].Origin
		count := c.NumRangesOf(o)
		WriteOrigin(w, t, o)
		w.Uvarint(uint64(count))
		end := c.vector.Get(o)
		for _, r := range c.beyond[i : i+count] {
			w.Uvarint(r.From - end - 2)
			w.Uvarint(r.To - r.From)
			end = r.To
		}
		i += count
	}
}

// ReadContext reads what [Context.Write] wrote. After an error the context is
// empty.
//
// More than [MaxOrigins] origins, or more than [MaxRanges] ranges of one, are a
// [codec.ErrLimit]; origins out of order or twice, or without a range, are
// [codec.ErrNotCanonical]; an origin that is not in t, and numbers that leave 64
// bits, are [codec.ErrMalformed]. Ranges that touch, overlap or are out of order
// cannot be written down at all.
func ReadContext(r *codec.Reader, t *Table) Context {
	c := Context{vector: ReadVersionVector(r, t)}
	total := c.vector.Len()
	var before Origin
	for i := range r.Count("origins with ranges", MaxOrigins, 4) {
		o := ReadOrigin(r, t)
		if i > 0 && before.Compare(o) >= 0 {
			r.Fail("origins with ranges", codec.ErrNotCanonical)
		}
		before = o
		end := c.vector.Get(o)
		if end == 0 {
			total++
		}
		c.readRanges(r, o, end)
		if total > MaxOrigins {
			r.Fail("context", &codec.LimitError{What: "context", Got: uint64(total), Max: MaxOrigins})
		}
		if r.Err() != nil {
			return Context{}
		}
	}
	if r.Err() != nil {
		return Context{}
	}
	return c
}

// readRanges reads the ranges of o, which follow number end.
func (c *Context) readRanges(r *codec.Reader, o Origin, end uint64) {
	count := r.Count("ranges", MaxRanges, 2)
	if count == 0 {
		r.Fail("ranges", codec.ErrNotCanonical)
	}
	for range count {
		hole, length := r.Uvarint(), r.Uvarint()
		room := math.MaxUint64 - end // numbers above end
		if room < 2 || hole > room-2 || length > room-2-hole {
			r.Fail("range", codec.ErrMalformed)
			return
		}
		from := end + 2 + hole
		end = from + length
		c.beyond = append(c.beyond, Range{o, from, end})
	}
}
