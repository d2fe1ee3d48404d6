package codec

import (
	"iter"
	"slices"
	"unicode/utf8"
)

// A dictionary column holds values that repeat anywhere: each distinct value
// once, in order of its bytes, then a column of numbers that point at them
// (see [Writer.UintColumn]). Every entry is pointed at, so there is one
// encoding of each column.

// StringColumn writes v as a dictionary and a column of places in it.
// [Reader.StringColumn] accepts it only if every string is valid UTF-8.
// O(n + d log d) for n values of which d differ.
func (w *Writer) StringColumn(v []string) { writeDictionary(w, v) }

// BlobColumn writes v as StringColumn does, without regard to UTF-8.
func (w *Writer) BlobColumn(v [][]byte) { writeDictionary(w, v) }

func writeDictionary[T string | []byte](w *Writer, v []T) {
	place := make(map[string]uint64)
	for _, s := range v {
		if _, ok := place[string(s)]; !ok {
			place[string(s)] = 0
		}
	}
	entries := make([]string, 0, len(place))
	for s := range place {
		entries = append(entries, s)
	}
	slices.Sort(entries)
	w.Uvarint(uint64(len(entries)))
	for i, s := range entries {
		place[s] = uint64(i)
		w.String(s)
	}
	places := make([]uint64, len(v))
	for i, s := range v {
		places[i] = place[string(s)]
	}
	w.UintColumn(places)
}

// StringColumn reads a column of at most max strings of at most maxBytes bytes
// each. It checks all of it, in O(bytes), and copies each distinct string
// once; reading from the result cannot fail.
//
// Errors are recorded in r, and the result is then empty.
func (r *Reader) StringColumn(what string, max, maxBytes int) StringColumn {
	start := r.off
	blobs := r.BlobColumn(what, max, maxBytes)
	entries := make([]string, len(blobs.entries))
	for i, b := range blobs.entries {
		if !utf8.Valid(b) {
			r.failAt(start, what, ErrMalformed)
			return StringColumn{}
		}
		entries[i] = string(b)
	}
	return StringColumn{entries: entries, places: blobs.places}
}

// BlobColumn reads a column of at most max blobs of at most maxBytes bytes
// each. The blobs are parts of the input. Otherwise it is as
// [Reader.StringColumn].
func (r *Reader) BlobColumn(what string, max, maxBytes int) BlobColumn {
	entries := make([][]byte, r.Count(what, max, 1))
	for i := range entries {
		at := r.off
		entries[i] = r.Blob(what, maxBytes)
		if r.err != nil {
			return BlobColumn{}
		}
		if i > 0 && string(entries[i-1]) >= string(entries[i]) {
			r.failAt(at, what, ErrNotCanonical)
			return BlobColumn{}
		}
	}
	at := r.off
	places := r.UintColumn(what, max)
	used, unused := make([]bool, len(entries)), len(entries)
	cursor := places
	for p, times := cursor.NextRun(); times > 0; p, times = cursor.NextRun() {
		if p >= uint64(len(entries)) {
			r.failAt(at, what, ErrMalformed)
			return BlobColumn{}
		}
		if !used[p] {
			used[p] = true
			unused--
		}
	}
	if unused > 0 {
		r.failAt(at, what, ErrNotCanonical)
	}
	if r.err != nil {
		return BlobColumn{}
	}
	return BlobColumn{entries: entries, places: places}
}

// StringColumn is a cursor over a column of strings, with the properties of
// [UintColumn].
type StringColumn struct {
	entries []string
	places  UintColumn
}

// Len returns the number of values in the whole column.
func (c *StringColumn) Len() int { return c.places.total }

// Next returns the next value, or false at the end.
func (c *StringColumn) Next() (string, bool) {
	p, ok := c.places.Next()
	if !ok {
		return "", false
	}
	return c.entries[p], true
}

// All returns the values from the cursor's place to the end, in order. It does
// not move the cursor.
func (c *StringColumn) All() iter.Seq[string] {
	return entriesAt(c.entries, c.places)
}

// BlobColumn is a cursor over a column of blobs, with the properties of
// [UintColumn]. The blobs are parts of the input, with no spare capacity.
type BlobColumn struct {
	entries [][]byte
	places  UintColumn
}

// Len returns the number of values in the whole column.
func (c *BlobColumn) Len() int { return c.places.total }

// Next returns the next value, or false at the end.
func (c *BlobColumn) Next() ([]byte, bool) {
	p, ok := c.places.Next()
	if !ok {
		return nil, false
	}
	return c.entries[p], true
}

// All returns the values from the cursor's place to the end, in order. It does
// not move the cursor.
func (c *BlobColumn) All() iter.Seq[[]byte] {
	return entriesAt(c.entries, c.places)
}

// entriesAt returns the entries that the rest of places points at.
func entriesAt[T any](entries []T, places UintColumn) iter.Seq[T] {
	return func(yield func(T) bool) {
		for p := range places.All() {
			if !yield(entries[p]) {
				return
			}
		}
	}
}
