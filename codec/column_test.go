package codec_test

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/concord-crdt/concord/codec"
)

const (
	maxRows      = 1 << 20
	maxCellBytes = 1 << 10
)

func TestUintColumns(t *testing.T) {
	tests := []struct {
		name   string
		values []uint64
		bytes  string
	}{
		{"empty", nil, "00"},
		{"one value", []uint64{5}, "01 01 05"},
		{"a run", []uint64{5, 5, 5}, "03 06 05"},
		{"no run", []uint64{1, 2, 300}, "03 05 01 02 ac02"},
		{"run, single, run", []uint64{1, 1, 2, 3, 3}, "05 04 01 01 02 04 03"},
		{"two runs", []uint64{1, 1, 2, 2}, "04 04 01 04 02"},
		{"single, run, single", []uint64{9, 1, 1, 9}, "04 01 09 04 01 01 09"},
		{"alternating", []uint64{1, 2, 1, 2}, "04 07 01 02 01 02"},
		{"largest", []uint64{math.MaxUint64, math.MaxUint64}, "02 04 ffffffffffffffffff01"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var w codec.Writer
			w.UintColumn(tt.values)
			if got, want := w.Bytes(), unhex(t, tt.bytes); !slices.Equal(got, want) {
				t.Fatalf("got %x, want %x", got, want)
			}
			r := codec.NewReader(w.Bytes())
			c := r.UintColumn("column", maxRows)
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			if c.Len() != len(tt.values) {
				t.Errorf("got length %d", c.Len())
			}
			if got := slices.Collect(c.All()); !slices.Equal(got, tt.values) {
				t.Errorf("All gave %v", got)
			}
			runs := c
			var got []uint64
			for v, times := runs.NextRun(); times > 0; v, times = runs.NextRun() {
				got = append(got, slices.Repeat([]uint64{v}, times)...)
			}
			if !slices.Equal(got, tt.values) {
				t.Errorf("NextRun gave %v", got)
			}
			got = nil
			for v, ok := c.Next(); ok; v, ok = c.Next() {
				got = append(got, v)
			}
			if !slices.Equal(got, tt.values) {
				t.Errorf("Next gave %v", got)
			}
			if v, ok := c.Next(); ok || v != 0 {
				t.Errorf("Next after the end gave %d", v)
			}
		})
	}
}

func TestUintColumnCursors(t *testing.T) {
	var w codec.Writer
	w.UintColumn([]uint64{7, 7, 7, 8, 9})
	r := codec.NewReader(w.Bytes())
	c := r.UintColumn("column", maxRows)
	c.Next()
	other := c
	if v, times := c.NextRun(); v != 7 || times != 2 {
		t.Errorf("the rest of the run: got %d times %d", times, v)
	}
	if got := slices.Collect(other.All()); !slices.Equal(got, []uint64{7, 7, 8, 9}) {
		t.Errorf("a copy of the cursor moved: %v", got)
	}
	for v := range c.All() {
		if v != 8 {
			t.Errorf("got %d", v)
		}
		break
	}
	if v, _ := c.Next(); v != 8 {
		t.Errorf("All moved the cursor to %d", v)
	}
}

func TestDeltaColumns(t *testing.T) {
	tests := []struct {
		name   string
		values []int64
		bytes  string
	}{
		{"empty", nil, "00"},
		{"even steps", []int64{10, 20, 30, 40}, "04 08 14"},
		{"start apart", []int64{1000, 1001, 1002}, "03 01 d00f 04 02"},
		{"constant", []int64{-3, -3, -3}, "03 01 05 04 00"},
		{"extremes", []int64{math.MinInt64, math.MaxInt64, 0}, "03 05 ffffffffffffffffff01 01 fdffffffffffffffff01"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var w codec.Writer
			w.DeltaColumn(tt.values)
			if got, want := w.Bytes(), unhex(t, tt.bytes); !slices.Equal(got, want) {
				t.Fatalf("got %x, want %x", got, want)
			}
			r := codec.NewReader(w.Bytes())
			c := r.DeltaColumn("column", maxRows)
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			if got := slices.Collect(c.All()); !slices.Equal(got, tt.values) || c.Len() != len(tt.values) {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestBoolColumns(t *testing.T) {
	tests := []struct {
		name   string
		values []bool
		bytes  string
	}{
		{"empty", nil, "00"},
		{"false", []bool{false}, "01 01"},
		{"true", []bool{true}, "01 00 01"},
		{"runs", []bool{false, false, true, false}, "04 02 01 01"},
		{"true first", []bool{true, true, false}, "03 00 02 01"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var w codec.Writer
			w.BoolColumn(tt.values)
			if got, want := w.Bytes(), unhex(t, tt.bytes); !slices.Equal(got, want) {
				t.Fatalf("got %x, want %x", got, want)
			}
			r := codec.NewReader(w.Bytes())
			c := r.BoolColumn("column", maxRows)
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			if got := slices.Collect(c.All()); !slices.Equal(got, tt.values) || c.Len() != len(tt.values) {
				t.Errorf("got %v", got)
			}
			var got []bool
			for v, times := c.NextRun(); times > 0; v, times = c.NextRun() {
				got = append(got, slices.Repeat([]bool{v}, times)...)
			}
			if !slices.Equal(got, tt.values) {
				t.Errorf("NextRun gave %v", got)
			}
		})
	}
}

func TestStringColumns(t *testing.T) {
	tests := []struct {
		name   string
		values []string
		bytes  string
	}{
		{"empty", nil, "00 00"},
		{"empty string", []string{""}, "01 00 01 01 00"},
		{"repeated", []string{"b", "a", "b", "b"}, "02 0161 0162 04 03 01 00 04 01"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var w codec.Writer
			w.StringColumn(tt.values)
			if got, want := w.Bytes(), unhex(t, tt.bytes); !slices.Equal(got, want) {
				t.Fatalf("got %x, want %x", got, want)
			}
			r := codec.NewReader(w.Bytes())
			c := r.StringColumn("column", maxRows, maxCellBytes)
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			if got := slices.Collect(c.All()); !slices.Equal(got, tt.values) || c.Len() != len(tt.values) {
				t.Errorf("got %v", got)
			}
			var got []string
			for v, ok := c.Next(); ok; v, ok = c.Next() {
				got = append(got, v)
			}
			if !slices.Equal(got, tt.values) {
				t.Errorf("Next gave %v", got)
			}
		})
	}
}

func TestBlobColumnsKeepAnyBytes(t *testing.T) {
	values := [][]byte{{0xff}, {}, {0xff}, {1, 2}}
	var w codec.Writer
	w.BlobColumn(values)
	r := codec.NewReader(w.Bytes())
	c := r.BlobColumn("column", maxRows, maxCellBytes)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if got := slices.Collect(c.All()); !slices.EqualFunc(got, values, slices.Equal) || c.Len() != 4 {
		t.Errorf("got %v", got)
	}
	first, _ := c.Next()
	_ = append(first, 'X')
	if again := slices.Collect(c.All()); !slices.EqualFunc(again, values[1:], slices.Equal) {
		t.Errorf("appending to a blob changed another: %v", again)
	}
}

func TestColumnsRefuse(t *testing.T) {
	type read = func(*codec.Reader)
	uints := func(r *codec.Reader) { r.UintColumn("column", 100) }
	deltas := func(r *codec.Reader) { r.DeltaColumn("column", 100) }
	bools := func(r *codec.Reader) { r.BoolColumn("column", 100) }
	texts := func(r *codec.Reader) { r.StringColumn("column", 100, 4) }
	blobs := func(r *codec.Reader) { r.BlobColumn("column", 100, 4) }
	tests := []struct {
		name  string
		read  read
		bytes string
		want  error
	}{
		{"uint: nothing", uints, "", codec.ErrTruncated},
		{"uint: count above max", uints, "65 ca01 00", codec.ErrLimit},
		{"uint: no blocks", uints, "02", codec.ErrTruncated},
		{"uint: empty block", uints, "01 00 01 05", codec.ErrNotCanonical},
		{"uint: run of one", uints, "01 02 05", codec.ErrNotCanonical},
		{"uint: run beyond the count", uints, "02 06 05", codec.ErrMalformed},
		{"uint: singles beyond the count", uints, "01 03 05 06", codec.ErrMalformed},
		{"uint: run of 2^62", uints, "02 ffffffffffffffff7f 05", codec.ErrMalformed},
		{"uint: -2^63 singles", uints, "02 ffffffffffffffffff01 05", codec.ErrMalformed},
		{"uint: runs that could be one", uints, "04 04 05 04 05", codec.ErrNotCanonical},
		{"uint: single and run that could be one", uints, "03 01 05 04 05", codec.ErrNotCanonical},
		{"uint: run and single that could be one", uints, "03 04 05 01 05", codec.ErrNotCanonical},
		{"uint: singles that could be a run", uints, "02 03 05 05", codec.ErrNotCanonical},
		{"uint: singles in two blocks", uints, "02 01 05 01 06", codec.ErrNotCanonical},
		{"uint: value cut", uints, "02 04 80", codec.ErrTruncated},
		{"uint: value overlong", uints, "02 04 8000", codec.ErrNotCanonical},
		{"uint: trailing", uints, "02 04 05 00", codec.ErrTrailing},
		{"delta: runs that could be one", deltas, "04 04 02 04 02", codec.ErrNotCanonical},
		{"bool: count above max", bools, "65 65", codec.ErrLimit},
		{"bool: run beyond the count", bools, "02 03", codec.ErrMalformed},
		{"bool: run of 2^64-1", bools, "02 ffffffffffffffffff01", codec.ErrMalformed},
		{"bool: two empty runs", bools, "02 00 00 02", codec.ErrNotCanonical},
		{"bool: empty run later", bools, "02 01 00 01", codec.ErrNotCanonical},
		{"bool: run missing", bools, "02 01", codec.ErrTruncated},
		{"string: more entries than rows may be", texts, "65 00", codec.ErrLimit},
		{"string: entries beyond the input", texts, "05 00", codec.ErrTruncated},
		{"string: entry too long", texts, "01 056162636465 01 01 00", codec.ErrLimit},
		{"string: entries out of order", texts, "02 0162 0161 02 03 00 01", codec.ErrNotCanonical},
		{"string: entry twice", texts, "02 0161 0161 02 03 00 01", codec.ErrNotCanonical},
		{"string: entry unused", texts, "02 0161 0162 01 01 00", codec.ErrNotCanonical},
		{"string: entry without rows", texts, "01 0161 00", codec.ErrNotCanonical},
		{"string: no such entry", texts, "01 0161 01 01 01", codec.ErrMalformed},
		{"string: rows without entry", texts, "00 01 01 00", codec.ErrMalformed},
		{"string: not UTF-8", texts, "01 01ff 01 01 00", codec.ErrMalformed},
		{"string: rows above max", texts, "01 0161 65 ca01 00", codec.ErrLimit},
		{"blob: entry unused", blobs, "02 0161 0162 01 01 00", codec.ErrNotCanonical},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := codec.NewReader(unhex(t, tt.bytes))
			tt.read(r)
			if err := r.Close(); !errors.Is(err, tt.want) {
				t.Errorf("got error %v, want %v", err, tt.want)
			}
		})
	}
}

// A run costs the same to check whatever its length.
func TestColumnsDoNotExpandRuns(t *testing.T) {
	var w codec.Writer
	w.Uvarint(math.MaxInt32)
	w.Varint(math.MaxInt32)
	w.Uvarint(1)
	var c codec.UintColumn
	n := testing.AllocsPerRun(100, func() {
		r := codec.NewReader(w.Bytes())
		c = r.UintColumn("column", math.MaxInt32)
	})
	if n != 0 || c.Len() != math.MaxInt32 {
		t.Errorf("%v allocations for %d rows", n, c.Len())
	}
	if v, times := c.NextRun(); v != 1 || times != math.MaxInt32 {
		t.Errorf("got %d times %d", times, v)
	}
}

func TestStringColumnSharesItsEntries(t *testing.T) {
	values := slices.Repeat([]string{strings.Repeat("x", 100)}, 1000)
	var w codec.Writer
	w.StringColumn(values)
	if w.Len() > 110 {
		t.Errorf("1000 equal strings of 100 bytes took %d bytes", w.Len())
	}
}
