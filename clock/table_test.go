package clock_test

import (
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
)

func TestTableNumbers(t *testing.T) {
	// Both as a list and as a map, and again after a reset.
	var table clock.Table
	for _, count := range []int{0, 3, 8, 9, 40, 5} {
		table.Reset()
		check(t, "Len after Reset", table.Len(), 0)
		for round := range 2 {
			for i := range count {
				o := clock.Origin{Replica: clock.ReplicaID{byte(i / 2)}, Incarnation: uint64(i) + 1}
				if _, known := table.Lookup(o); known != (round == 1) {
					t.Errorf("round %d: Lookup knows %v: %v", round, o, known)
				}
				check(t, "Number", table.Number(o), uint32(i))
				got, ok := table.Origin(uint32(i))
				check(t, "Origin", got, o)
				check(t, "Origin is there", ok, true)
			}
		}
		check(t, "Len", table.Len(), count)
		_, ok := table.Origin(uint32(count))
		check(t, "Origin after the last", ok, false)
		_, ok = table.Origin(math.MaxUint32)
		check(t, "Origin far after the last", ok, false)
		_, ok = table.Lookup(oa)
		check(t, "Lookup of another", ok, false)

		var w codec.Writer
		table.Write(&w)
		r := codec.NewReader(w.Bytes())
		read := clock.ReadTable(r, count)
		var again codec.Writer
		read.Write(&again)
		if err := r.Close(); err != nil || !slices.Equal(w.Bytes(), again.Bytes()) {
			t.Errorf("%d origins: %v, written again %x, want %x", count, err, again.Bytes(), w.Bytes())
		}
	}
}

func TestTableSharesReplicaIDs(t *testing.T) {
	var table clock.Table
	for _, o := range []clock.Origin{oa, ob, oc} {
		table.Number(o)
	}
	var w codec.Writer
	table.Write(&w)
	check(t, "bytes", w.Len(), 1+25+25+9)
}

func TestReadTableRefuses(t *testing.T) {
	write := func(f func(*codec.Writer)) []byte {
		var w codec.Writer
		f(&w)
		return w.Bytes()
	}
	entry := func(w *codec.Writer, same bool, o clock.Origin) {
		w.Bool(same)
		if !same {
			w.Raw(o.Replica[:])
		}
		w.Uint64(o.Incarnation)
	}
	for _, c := range []struct {
		name  string
		bytes []byte
		want  error
	}{
		{"nothing", nil, codec.ErrTruncated},
		{"above the caller's limit", write(func(w *codec.Writer) {
			w.Uvarint(4)
			w.Raw(make([]byte, 200))
		}), codec.ErrLimit},
		{"huge", write(func(w *codec.Writer) { w.Uvarint(math.MaxUint64) }), codec.ErrLimit},
		{"not there", write(func(w *codec.Writer) { w.Uvarint(3) }), codec.ErrTruncated},
		{"cut", write(func(w *codec.Writer) {
			w.Uvarint(1)
			w.Bool(false)
			w.Raw(make([]byte, 10))
		}), codec.ErrTruncated},
		{"first is the one before", write(func(w *codec.Writer) {
			w.Uvarint(1)
			entry(w, true, oa)
		}), codec.ErrNotCanonical},
		{"flag missing", write(func(w *codec.Writer) {
			w.Uvarint(2)
			entry(w, false, ob)
			entry(w, false, oc)
		}), codec.ErrNotCanonical},
		{"flag of another value", write(func(w *codec.Writer) {
			w.Uvarint(1)
			w.Byte(2)
			w.Raw(make([]byte, 24))
		}), codec.ErrNotCanonical},
		{"twice in a row", write(func(w *codec.Writer) {
			w.Uvarint(2)
			entry(w, false, ob)
			entry(w, true, ob)
		}), codec.ErrNotCanonical},
		{"twice", write(func(w *codec.Writer) {
			w.Uvarint(3)
			entry(w, false, ob)
			entry(w, false, oa)
			entry(w, false, ob)
		}), codec.ErrNotCanonical},
		{"no origin", write(func(w *codec.Writer) {
			w.Uvarint(2)
			entry(w, false, ob)
			entry(w, false, clock.Origin{})
		}), codec.ErrMalformed},
	} {
		r := codec.NewReader(c.bytes)
		got := clock.ReadTable(r, 3)
		if !errors.Is(r.Err(), c.want) || got.Len() != 0 {
			t.Errorf("%s: got %d origins, %v, want %v", c.name, got.Len(), r.Err(), c.want)
		}
	}
}

func TestTableCheckUse(t *testing.T) {
	for _, c := range []struct {
		name string
		read []uint64
		want error
	}{
		{"in order", []uint64{0, 1, 0, 2, 1}, nil},
		{"out of order", []uint64{0, 2, 1}, codec.ErrNotCanonical},
		{"begins with another", []uint64{1, 0, 1, 2}, codec.ErrNotCanonical},
		{"one not used", []uint64{0, 1, 1}, codec.ErrNotCanonical},
		{"none used", nil, codec.ErrNotCanonical},
	} {
		var table clock.Table
		for _, o := range []clock.Origin{oa, ob, oc} {
			table.Number(o)
		}
		var w codec.Writer
		for _, n := range c.read {
			w.Uvarint(n)
		}
		r := codec.NewReader(w.Bytes())
		for range c.read {
			clock.ReadOrigin(r, &table)
		}
		table.CheckUse(r)
		if !errors.Is(r.Close(), c.want) {
			t.Errorf("%s: got %v, want %v", c.name, r.Err(), c.want)
		}
		table.Reset()
		r = codec.NewReader(nil)
		if table.CheckUse(r); r.Err() != nil {
			t.Errorf("%s: empty again: %v", c.name, r.Err())
		}
	}
}

func TestDotEncoding(t *testing.T) {
	var w codec.Writer
	var table clock.Table
	dots := []clock.Dot{{Origin: oc, N: 1}, {Origin: oa, N: 1<<64 - 1}, {Origin: oc, N: 300}}
	for _, d := range dots {
		clock.WriteDot(&w, &table, d)
	}
	r := codec.NewReader(w.Bytes())
	for _, d := range dots {
		check(t, "dot", clock.ReadDot(r, &table), d)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}

	w.Reset()
	clock.WriteDot(&w, &table, clock.Dot{Origin: oa})
	r = codec.NewReader(w.Bytes())
	check(t, "dot that names nothing", clock.ReadDot(r, &table), clock.Dot{})
	if !errors.Is(r.Err(), codec.ErrNotCanonical) {
		t.Errorf("dot that names nothing: %v", r.Err())
	}
	r = codec.NewReader([]byte{0})
	check(t, "cut dot", clock.ReadDot(r, &table), clock.Dot{})
	if !errors.Is(r.Err(), codec.ErrTruncated) {
		t.Errorf("cut dot: %v", r.Err())
	}
}
