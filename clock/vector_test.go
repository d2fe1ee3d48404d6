package clock_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
)

func TestVersionVectorSetAndAdvance(t *testing.T) {
	var v clock.VersionVector
	check(t, "empty", v.IsEmpty(), true)
	v.Set(ob, 0)
	v.Advance(clock.Dot{Origin: ob})
	check(t, "empty after nothing", v.IsEmpty(), true)

	v.Advance(clock.Dot{Origin: oc, N: 3})
	v.Advance(clock.Dot{Origin: oa, N: 2})
	v.Set(ob, 7)
	check(t, "filled", v.String(), "{0a000000…/9:2 0b000000…/1:7 0b000000…/2:3}")
	check(t, "Len", v.Len(), 3)

	v.Advance(clock.Dot{Origin: ob, N: 4})
	check(t, "advanced to less", v.Get(ob), uint64(7))
	v.Advance(clock.Dot{Origin: ob})
	check(t, "advanced to nothing", v.Get(ob), uint64(7))
	v.Set(ob, 4)
	check(t, "set to less", v.Get(ob), uint64(4))
	v.Set(ob, 0)
	check(t, "removed", v.String(), "{0a000000…/9:2 0b000000…/2:3}")
	check(t, "Get of the removed", v.Get(ob), uint64(0))
}

func TestVersionVectorContains(t *testing.T) {
	v := vector(2, 0, 1<<64-1)
	for _, c := range []struct {
		d    clock.Dot
		want bool
	}{
		{clock.Dot{Origin: oa, N: 0}, false},
		{clock.Dot{Origin: oa, N: 1}, true},
		{clock.Dot{Origin: oa, N: 2}, true},
		{clock.Dot{Origin: oa, N: 3}, false},
		{clock.Dot{Origin: ob, N: 0}, false},
		{clock.Dot{Origin: ob, N: 1}, false},
		{clock.Dot{Origin: oc, N: 1<<64 - 1}, true},
		{clock.Dot{}, false},
	} {
		check(t, "Contains "+c.d.String(), v.Contains(c.d), c.want)
	}
}

func TestVersionVectorCompare(t *testing.T) {
	for _, c := range []struct {
		a, b *clock.VersionVector
		want clock.Ordering
	}{
		{vector(0, 0, 0), vector(0, 0, 0), clock.Equal},
		{vector(1, 2, 3), vector(1, 2, 3), clock.Equal},
		{vector(0, 0, 0), vector(0, 1, 0), clock.Before},
		{vector(1, 0, 0), vector(1, 1, 0), clock.Before},
		{vector(0, 0, 1), vector(1, 0, 1), clock.Before},
		{vector(1, 1, 1), vector(1, 2, 1), clock.Before},
		{vector(1, 0, 0), vector(0, 1, 0), clock.Concurrent},
		{vector(2, 1, 0), vector(1, 2, 0), clock.Concurrent},
		{vector(2, 1, 0), vector(1, 1, 1), clock.Concurrent},
		{vector(0, 0, 1), vector(1, 0, 0), clock.Concurrent},
	} {
		back := c.want
		switch c.want {
		case clock.Before:
			back = clock.After
		case clock.After:
			back = clock.Before
		}
		what := fmt.Sprintf("%v to %v", c.a, c.b)
		check(t, what, c.a.Compare(c.b), c.want)
		check(t, what+", reversed", c.b.Compare(c.a), back)
		check(t, what+", covers", c.a.Covers(c.b), c.want == clock.After || c.want == clock.Equal)
		check(t, what+", equal", c.a.Equal(c.b), c.want == clock.Equal)
	}
	check(t, "name", fmt.Sprint(clock.Equal, clock.Before, clock.After, clock.Concurrent, clock.Ordering(9)),
		"equal before after concurrent ordering 9")
}

func TestVersionVectorJoinAndMeet(t *testing.T) {
	for _, c := range []struct{ a, b, join, meet *clock.VersionVector }{
		{vector(0, 0, 0), vector(1, 2, 3), vector(1, 2, 3), vector(0, 0, 0)},
		{vector(1, 0, 3), vector(0, 2, 0), vector(1, 2, 3), vector(0, 0, 0)},
		{vector(0, 0, 3), vector(1, 2, 1), vector(1, 2, 3), vector(0, 0, 1)},
		{vector(5, 2, 0), vector(1, 9, 1), vector(5, 9, 1), vector(1, 2, 0)},
	} {
		for _, swap := range []bool{false, true} {
			a, b := c.a, c.b
			if swap {
				a, b = b, a
			}
			join, meet := a.Clone(), a.Clone()
			join.Join(b)
			meet.Meet(b)
			check(t, fmt.Sprintf("%v join %v", a, b), join.String(), c.join.String())
			check(t, fmt.Sprintf("%v meet %v", a, b), meet.String(), c.meet.String())
		}
	}
	v := vector(1, 2, 3)
	v.Join(v)
	v.Meet(v)
	check(t, "with itself", v.String(), vector(1, 2, 3).String())
}

func TestVersionVectorSharesNothing(t *testing.T) {
	v := vector(1, 0, 3)
	var joined clock.VersionVector
	joined.Join(v)
	clone := v.Clone()
	v.Set(oa, 9)
	v.Set(ob, 9)
	check(t, "clone", clone.String(), vector(1, 0, 3).String())
	check(t, "joined", joined.String(), vector(1, 0, 3).String())
}

func TestVersionVectorAll(t *testing.T) {
	var got []clock.Dot
	for o, n := range vector(1, 2, 3).All() {
		got = append(got, clock.Dot{Origin: o, N: n})
		if len(got) == 2 {
			break
		}
	}
	check(t, "first two", fmt.Sprint(got), "[0a000000…/9:1 0b000000…/1:2]")
}

func TestVersionVectorAllocatesNothing(t *testing.T) {
	v, u := vector(1, 2, 3), vector(3, 2, 1)
	got := testing.AllocsPerRun(100, func() {
		v.Get(ob)
		v.Contains(clock.Dot{Origin: ob, N: 1})
		v.Compare(u)
		v.Covers(u)
		v.Advance(clock.Dot{Origin: ob, N: 3})
		v.Join(u)
		v.Meet(u)
	})
	check(t, "allocations", got, 0.0)
}

func TestReadVersionVectorRefuses(t *testing.T) {
	table := func(n int) func(*codec.Writer) {
		return func(w *codec.Writer) {
			var t clock.Table
			for i := range n {
				t.Number(clock.Origin{Replica: clock.ReplicaID{0, byte(i >> 8), byte(i)}, Incarnation: 1})
			}
			t.Write(w)
		}
	}
	for _, c := range []struct {
		name    string
		origins int
		body    []uint64
		want    error
	}{
		{"truncated count", 1, nil, codec.ErrTruncated},
		{"count without entries", 1, []uint64{1}, codec.ErrTruncated},
		{"huge count", 1, []uint64{1 << 62, 0, 1}, codec.ErrLimit},
		{"zero number", 1, []uint64{1, 0, 0}, codec.ErrNotCanonical},
		{"unknown origin", 1, []uint64{1, 1, 1}, codec.ErrMalformed},
		{"origin beyond 32 bits", 1, []uint64{1, 1 << 32, 1}, codec.ErrMalformed},
		{"out of order", 2, []uint64{2, 1, 1, 0, 1}, codec.ErrNotCanonical},
		{"twice", 1, []uint64{2, 0, 1, 0, 1}, codec.ErrNotCanonical},
		{"unused origin", 2, []uint64{1, 0, 1}, codec.ErrNotCanonical},
		{"trailing byte", 1, []uint64{1, 0, 1, 0}, codec.ErrTrailing},
	} {
		var w codec.Writer
		table(c.origins)(&w)
		for _, n := range c.body {
			w.Uvarint(n)
		}
		got, err := decodeVector(w.Bytes())
		if !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, %v, want %v", c.name, &got, err, c.want)
		}
	}
}

func TestVersionVectorAtTheLimit(t *testing.T) {
	var v clock.VersionVector
	for i := range clock.MaxOrigins {
		v.Set(clock.Origin{Incarnation: uint64(i) + 1}, 1)
	}
	got, err := decodeVector(encode(&v))
	if err != nil || !got.Equal(&v) {
		t.Errorf("at the limit: %d origins, %v", got.Len(), err)
	}
	c, err := decodeContext(encode(new(clock.ContextOf(v))))
	if err != nil || !c.Vector().Equal(&v) {
		t.Errorf("at the limit of a context: %d origins, %v", c.Vector().Len(), err)
	}
	v.Set(clock.Origin{Incarnation: clock.MaxOrigins + 1}, 1)
	var table clock.Table
	var w codec.Writer
	v.Write(&w, &table)
	r := codec.NewReader(w.Bytes())
	got = clock.ReadVersionVector(r, &table)
	if !errors.Is(r.Err(), codec.ErrLimit) || !got.IsEmpty() {
		t.Errorf("above the limit: %d origins, %v", got.Len(), r.Err())
	}
}
