package codec

import "iter"

// A column holds the values that one field has in many rows, side by side,
// where neighbours are often equal or evenly spaced. The Writer has a method
// for each kind of column, and the Reader one of the same name that checks the
// whole column and returns a cursor over it.
//
// The numbers of a column stand in blocks. A block is a signed varint k and
// then either, for k of at least 2, one value that repeats k times, or, for k
// below 0, -k values of which no two neighbours are equal. A value that repeats
// belongs to a run, all that lies between two runs to one block: so there is
// one encoding of each column, and a column without any repetition costs one or
// two bytes more than its values.

// UintColumn writes v as a count and blocks. O(len(v)).
func (w *Writer) UintColumn(v []uint64) {
	w.blocks(len(v), func(i int) uint64 { return v[i] })
}

// DeltaColumn writes v as the column of its differences, the first of them
// from 0, so that evenly spaced values are one run. O(len(v)).
func (w *Writer) DeltaColumn(v []int64) {
	w.blocks(len(v), func(i int) uint64 {
		if i == 0 {
			return zigzag(v[0])
		}
		return zigzag(v[i] - v[i-1]) // wraps around, and back when read
	})
}

// BoolColumn writes v as a count and the lengths of its runs, in turn of false
// and of true. The first length is 0 if v starts with true. O(len(v)).
func (w *Writer) BoolColumn(v []bool) {
	w.Uvarint(uint64(len(v)))
	turn := false
	for i := 0; i < len(v); turn = !turn {
		start := i
		for i < len(v) && v[i] == turn {
			i++
		}
		w.Uvarint(uint64(i - start))
	}
}

// blocks writes the n values of at, which is called with 0 to n-1 and may be
// called twice or more for each.
func (w *Writer) blocks(n int, at func(int) uint64) {
	w.Uvarint(uint64(n))
	for i := 0; i < n; {
		v := at(i)
		end := i + 1
		for end < n && at(end) == v {
			end++
		}
		if end-i > 1 {
			w.Varint(int64(end - i))
			w.Uvarint(v)
			i = end
			continue
		}
		last := v // of the values known to stand alone; at(end) differs from it
		for end < n {
			next := at(end)
			if next == last {
				end-- // the value before starts a run
				break
			}
			last = next
			end++
		}
		w.Varint(-int64(end - i))
		for ; i < end; i++ {
			w.Uvarint(at(i))
		}
	}
}

// UintColumn reads a column of at most max numbers. It checks all of it, in
// O(bytes) and without allocating; reading from the result cannot fail.
//
// Errors are recorded in r, and the result is then empty.
func (r *Reader) UintColumn(what string, max int) UintColumn {
	n := r.Count(what, max, 0)
	start := r.off
	var c columnCheck
	for left := n; left > 0 && r.err == nil; {
		left -= c.block(r, what, left)
	}
	if r.err != nil {
		return UintColumn{}
	}
	return UintColumn{blocks: Reader{buf: r.buf[start:r.off:r.off]}, total: n, left: n}
}

// columnCheck is what a check remembers of the blocks before.
type columnCheck struct {
	started bool
	single  bool // the block before held values that do not repeat
	last    uint64
}

// block checks one block of at most left values and returns how many it has.
func (c *columnCheck) block(r *Reader, what string, left int) int {
	start := r.off
	k := r.Varint()
	n := k
	if k < 0 {
		n = -k
	}
	switch {
	case r.err != nil:
	case k == 0 || k == 1 || k < 0 && c.single:
		r.failAt(start, what, ErrNotCanonical)
	case n < 0 || n > int64(left):
		r.failAt(start, what, ErrMalformed)
	}
	values := n
	if k > 0 {
		values = 1
	}
	for ; values > 0 && r.err == nil; values-- {
		at := r.off
		v := r.uvarint(what)
		if c.started && v == c.last {
			r.failAt(at, what, ErrNotCanonical)
		}
		c.started, c.last = true, v
	}
	c.single = k < 0
	return int(n)
}

// UintColumn is a cursor over a column of numbers that was checked.
//
// Next is O(1), and nothing is expanded: a column takes the memory of its
// encoding. The cursor reads from the input of the Reader that it came from.
//
// A copy of it is a second cursor at the same place. Not safe for concurrent
// use. The zero value is empty.
type UintColumn struct {
	blocks Reader
	total  int
	left   int    // values to come
	block  int    // values to come in this block
	repeat bool   // this block is a run of value
	value  uint64 // the value of the run
}

// Len returns the number of values in the whole column.
func (c *UintColumn) Len() int { return c.total }

// Next returns the next value, or false at the end.
func (c *UintColumn) Next() (uint64, bool) {
	if c.left == 0 {
		return 0, false
	}
	if c.block == 0 {
		c.open()
	}
	c.left--
	c.block--
	if c.repeat {
		return c.value, true
	}
	return c.blocks.Uvarint(), true
}

// NextRun returns the next value and how often it follows itself from here, or
// 0 times at the end. Two calls in a row never return the same value, unless
// Next was called in between.
func (c *UintColumn) NextRun() (value uint64, times int) {
	if c.left == 0 {
		return 0, 0
	}
	if c.block == 0 {
		c.open()
	}
	if !c.repeat {
		c.left--
		c.block--
		return c.blocks.Uvarint(), 1
	}
	times = c.block
	c.left -= times
	c.block = 0
	return c.value, times
}

// All returns the values from the cursor's place to the end, in order. It does
// not move the cursor.
func (c *UintColumn) All() iter.Seq[uint64] {
	cursor := *c
	return func(yield func(uint64) bool) {
		for at := cursor; ; {
			v, ok := at.Next()
			if !ok || !yield(v) {
				return
			}
		}
	}
}

func (c *UintColumn) open() {
	k := c.blocks.Varint()
	c.repeat = k > 0
	if c.repeat {
		c.block, c.value = int(k), c.blocks.Uvarint()
		return
	}
	c.block = int(-k)
}

// DeltaColumn reads a column of at most max numbers that was written as
// differences. Otherwise it is as [Reader.UintColumn].
func (r *Reader) DeltaColumn(what string, max int) DeltaColumn {
	return DeltaColumn{deltas: r.UintColumn(what, max)}
}

// DeltaColumn is a cursor over a column of numbers that is stored as
// differences, with the properties of [UintColumn].
type DeltaColumn struct {
	deltas UintColumn
	last   int64
}

// Len returns the number of values in the whole column.
func (c *DeltaColumn) Len() int { return c.deltas.total }

// Next returns the next value, or false at the end.
func (c *DeltaColumn) Next() (int64, bool) {
	d, ok := c.deltas.Next()
	if !ok {
		return 0, false
	}
	c.last += unzigzag(d)
	return c.last, true
}

// All returns the values from the cursor's place to the end, in order. It does
// not move the cursor.
func (c *DeltaColumn) All() iter.Seq[int64] {
	cursor := *c
	return func(yield func(int64) bool) {
		for at := cursor; ; {
			v, ok := at.Next()
			if !ok || !yield(v) {
				return
			}
		}
	}
}

// BoolColumn reads a column of at most max truth values. Otherwise it is as
// [Reader.UintColumn].
func (r *Reader) BoolColumn(what string, max int) BoolColumn {
	n := r.Count(what, max, 0)
	start := r.off
	for left, first := n, true; left > 0 && r.err == nil; first = false {
		at := r.off
		run := r.uvarint(what)
		switch {
		case r.err != nil:
		case run > uint64(left):
			r.failAt(at, what, ErrMalformed)
		case run == 0 && !first:
			r.failAt(at, what, ErrNotCanonical)
		}
		left -= int(run)
	}
	if r.err != nil {
		return BoolColumn{}
	}
	return BoolColumn{runs: Reader{buf: r.buf[start:r.off:r.off]}, total: n, left: n, turn: true}
}

// BoolColumn is a cursor over a column of truth values, with the properties of
// [UintColumn].
type BoolColumn struct {
	runs  Reader
	total int
	left  int  // values to come
	run   int  // values to come in this run
	turn  bool // the value of this run
}

// Len returns the number of values in the whole column.
func (c *BoolColumn) Len() int { return c.total }

// Next returns the next value, or false, false at the end.
func (c *BoolColumn) Next() (value, ok bool) {
	if c.left == 0 {
		return false, false
	}
	for c.run == 0 {
		c.run, c.turn = int(c.runs.Uvarint()), !c.turn
	}
	c.left--
	c.run--
	return c.turn, true
}

// NextRun returns the next value and how often it follows itself from here, or
// 0 times at the end.
func (c *BoolColumn) NextRun() (value bool, times int) {
	value, ok := c.Next()
	if !ok {
		return false, 0
	}
	times = c.run + 1
	c.left -= c.run
	c.run = 0
	return value, times
}

// All returns the values from the cursor's place to the end, in order. It does
// not move the cursor.
func (c *BoolColumn) All() iter.Seq[bool] {
	cursor := *c
	return func(yield func(bool) bool) {
		for at := cursor; ; {
			v, ok := at.Next()
			if !ok || !yield(v) {
				return
			}
		}
	}
}

func zigzag(v int64) uint64   { return uint64(v)<<1 ^ uint64(v>>63) }
func unzigzag(u uint64) int64 { return int64(u>>1) ^ -int64(u&1) }
