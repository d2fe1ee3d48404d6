package clock_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/google/go-cmp/cmp"
)

const most = 1<<64 - 1 // the greatest number of a dot

// span is a range of oa.
func span(from, to uint64) clock.Range { return clock.Range{Origin: oa, From: from, To: to} }

// in makes r a range of o.
func in(o clock.Origin, r clock.Range) clock.Range {
	r.Origin = o
	return r
}

func TestContextFillsHoles(t *testing.T) {
	c := new(clock.Context)
	for _, step := range []struct {
		add    clock.Range
		want   string
		beyond int
	}{
		{span(0, 0), "{}", 0},
		{span(3, 2), "{}", 0},
		{span(4, 4), "{0a000000…/9:4}", 1},
		{span(8, 9), "{0a000000…/9:4 0a000000…/9:8-9}", 2},
		{span(6, 6), "{0a000000…/9:4 0a000000…/9:6 0a000000…/9:8-9}", 3},
		{span(6, 8), "{0a000000…/9:4 0a000000…/9:6-9}", 2},
		{span(1, 1), "{0a000000…/9:1 0a000000…/9:4 0a000000…/9:6-9}", 2},
		{span(0, 2), "{0a000000…/9:1-2 0a000000…/9:4 0a000000…/9:6-9}", 2},
		{span(3, 3), "{0a000000…/9:1-4 0a000000…/9:6-9}", 1},
		{span(12, 13), "{0a000000…/9:1-4 0a000000…/9:6-9 0a000000…/9:12-13}", 2},
		{span(5, 11), "{0a000000…/9:1-13}", 0},
		{span(2, 9), "{0a000000…/9:1-13}", 0},
		{span(15, most), "{0a000000…/9:1-13 0a000000…/9:15-18446744073709551615}", 1},
		{span(most, most), "{0a000000…/9:1-13 0a000000…/9:15-18446744073709551615}", 1},
		{in(ob, span(2, 2)), "{0a000000…/9:1-13 0a000000…/9:15-18446744073709551615 0b000000…/1:2}", 2},
		{span(14, 14), "{0a000000…/9:1-18446744073709551615 0b000000…/1:2}", 1},
		{span(1, most), "{0a000000…/9:1-18446744073709551615 0b000000…/1:2}", 1},
	} {
		c.AddRange(step.add)
		check(t, "after "+step.add.String(), c.String(), step.want)
		check(t, "ranges beyond after "+step.add.String(), c.NumRanges(), step.beyond)
	}
}

func TestContextAdd(t *testing.T) {
	var c clock.Context
	for _, step := range []struct {
		n    uint64
		want bool
	}{{0, false}, {2, true}, {2, false}, {1, true}, {1, false}, {2, false}, {4, true}, {4, false}, {3, true}, {most, true}} {
		check(t, fmt.Sprintf("Add %d", step.n), c.Add(clock.Dot{Origin: oa, N: step.n}), step.want)
	}
	check(t, "sum", c.String(), "{0a000000…/9:1-4 0a000000…/9:18446744073709551615}")
}

func TestContextQueries(t *testing.T) {
	c := context(span(1, 3), span(5, 5), span(8, 9), in(ob, span(4, 4)), in(oc, span(1, 2)))
	check(t, "Vector", c.Vector().String(), vector(3, 0, 2).String())
	check(t, "Count", c.Count(), uint64(9))
	for o, want := range map[clock.Origin]struct {
		last   uint64
		ranges int
	}{oa: {9, 2}, ob: {4, 1}, oc: {2, 0}, {}: {0, 0}, {Replica: clock.ReplicaID{0xff}}: {0, 0}} {
		check(t, "Last of "+o.String(), c.Last(o), want.last)
		check(t, "NumRangesOf "+o.String(), c.NumRangesOf(o), want.ranges)
	}
	var one clock.Context
	one.AddRange(span(7, most))
	check(t, "Last at the top", one.Last(oa), uint64(most))
	check(t, "Last of another", one.Last(ob), uint64(0))

	one.AddRange(in(ob, span(7, most)))
	check(t, "Count beyond 64 bits", one.Count(), uint64(most))

	var all []clock.Range
	for r := range c.Ranges() {
		all = append(all, r)
	}
	for n := range all {
		var some []clock.Range
		for r := range c.Ranges() {
			if some = append(some, r); len(some) > n {
				break
			}
		}
		if diff := cmp.Diff(all[:n+1], some); diff != "" {
			t.Errorf("Ranges, left after %d (-want +got):\n%s", n+1, diff)
		}
	}
}

func TestContextMissing(t *testing.T) {
	for _, c := range []struct {
		name     string
		have, of *clock.Context
		want     []clock.Range
	}{
		{"nothing of nothing", context(), context(), nil},
		{"all", context(), context(span(1, 3), in(oc, span(2, 2))), []clock.Range{span(1, 3), in(oc, span(2, 2))}},
		{"nothing of something", context(span(1, 3), span(7, 7)), context(span(1, 2), span(7, 7)), nil},
		{"the end", context(span(1, 3)), context(span(1, 9)), []clock.Range{span(4, 9)}},
		{"holes", context(span(1, 2), span(4, 5), span(8, 8)), context(span(1, 9)),
			[]clock.Range{span(3, 3), span(6, 7), span(9, 9)}},
		{"one range over several", context(span(5, 5)), context(span(3, 3), span(5, 6), span(8, 8)),
			[]clock.Range{span(3, 3), span(6, 6), span(8, 8)}},
		{"several ranges in one", context(span(3, 8)), context(span(2, 4), span(6, 6), span(8, 9)),
			[]clock.Range{span(2, 2), span(9, 9)}},
		{"of other origins", context(in(ob, span(1, 5)), in(ob, span(9, 9))), context(span(2, 2), in(oc, span(1, 1))),
			[]clock.Range{span(2, 2), in(oc, span(1, 1))}},
		{"up to the top", context(span(4, 4)), context(span(1, most)), []clock.Range{span(1, 3), span(5, most)}},
		{"at the top", context(span(1, 4), span(9, most)), context(span(3, most)), []clock.Range{span(5, 8)}},
	} {
		got := c.have.Missing(c.of)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
		check(t, c.name+": Covers", c.have.Covers(c.of), len(c.want) == 0)
	}
}

func TestContextSharesNothing(t *testing.T) {
	c := context(span(1, 3), span(5, 5))
	clone := c.Clone()
	of := clock.ContextOf(*c.Vector())
	var joined clock.Context
	joined.Join(c)
	c.AddRange(span(4, 4))
	c.AddRange(in(ob, span(1, 1)))
	check(t, "clone", clone.String(), "{0a000000…/9:1-3 0a000000…/9:5}")
	check(t, "of a vector", of.String(), "{0a000000…/9:1-3}")
	check(t, "joined", joined.String(), "{0a000000…/9:1-3 0a000000…/9:5}")
	c.Join(c)
	check(t, "with itself", c.String(), "{0a000000…/9:1-5 0b000000…/1:1}")
}

func TestContextAllocatesNothing(t *testing.T) {
	c := context(span(1, 3), span(5, 5), span(8, 9), in(oc, span(1, 2)))
	u := context(span(1, 3), span(8, 9))
	v := context(span(1, 2))
	got := testing.AllocsPerRun(100, func() {
		c.Add(clock.Dot{Origin: oa, N: 2})
		c.Contains(clock.Dot{Origin: oa, N: 8})
		c.Covers(u)
		c.Equal(u)
		c.Count()
		c.Missing(u)
		c.Join(v)
	})
	check(t, "allocations", got, 0.0)
}

func TestReadContextRefuses(t *testing.T) {
	// The vector of each: oa up to 3. Then the origins with ranges.
	for _, c := range []struct {
		name    string
		origins int
		body    []uint64
		want    error
	}{
		{"truncated", 1, nil, codec.ErrTruncated},
		{"origins that are not there", 1, []uint64{2, 0, 1, 0, 0}, codec.ErrTruncated},
		{"too many origins", 1, []uint64{clock.MaxOrigins + 1}, codec.ErrLimit},
		{"unknown origin", 1, []uint64{1, 1, 1, 0, 0}, codec.ErrMalformed},
		{"no range", 1, []uint64{1, 0, 0, 0, 0}, codec.ErrNotCanonical},
		{"too many ranges", 1, []uint64{1, 0, clock.MaxRanges + 1, 0, 0}, codec.ErrLimit},
		{"ranges that are not there", 1, []uint64{1, 0, 2, 0, 0, 0}, codec.ErrTruncated},
		{"origin twice", 1, []uint64{2, 0, 1, 0, 0, 0, 1, 0, 0}, codec.ErrNotCanonical},
		{"origins out of order", 2, []uint64{2, 1, 1, 0, 0, 0, 1, 0, 0}, codec.ErrNotCanonical},
		{"hole beyond the top", 1, []uint64{1, 0, 1, most - 4, 0}, codec.ErrMalformed},
		{"range beyond the top", 1, []uint64{1, 0, 1, 0, most - 4}, codec.ErrMalformed},
		{"range beyond the top by a sum", 1, []uint64{1, 0, 1, most - 10, 6}, codec.ErrMalformed},
		{"range after the top", 1, []uint64{1, 0, 2, 0, most - 5, 0, 0}, codec.ErrMalformed},
		{"trailing byte", 1, []uint64{1, 0, 1, 0, 0, 0}, codec.ErrTrailing},
	} {
		var table clock.Table
		for i := range c.origins {
			table.Number([]clock.Origin{oa, ob}[i])
		}
		var w codec.Writer
		table.Write(&w)
		for _, n := range append([]uint64{1, 0, 3}, c.body...) {
			w.Uvarint(n)
		}
		if got, err := decodeContext(w.Bytes()); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, %v, want %v", c.name, &got, err, c.want)
		} else if c.want != codec.ErrTrailing && got.Count() != 0 {
			t.Errorf("%s: got %v after the error", c.name, &got)
		}
	}
}

func TestContextAtTheLimits(t *testing.T) {
	var c clock.Context
	for i := range uint64(clock.MaxRanges) {
		c.AddRange(span(3+2*i, 3+2*i))
	}
	got, err := decodeContext(encode(&c))
	if err != nil || !got.Equal(&c) {
		t.Errorf("%d ranges: %v", c.NumRanges(), err)
	}
	c.AddRange(span(1000, most))
	if got, err := decodeContext(encode(&c)); !errors.Is(err, codec.ErrLimit) || got.NumRanges() != 0 {
		t.Errorf("%d ranges: got %d, %v", c.NumRanges(), got.NumRanges(), err)
	}

	// Origins of the vector and of the ranges together.
	var wide clock.Context
	for i := range uint64(clock.MaxOrigins) {
		wide.AddRange(clock.Range{Origin: clock.Origin{Incarnation: i + 1}, From: 1 + i%2, To: 5})
	}
	if got, err := decodeContext(encode(&wide)); err != nil || !got.Equal(&wide) {
		t.Errorf("%d origins: got %d dots, %v", clock.MaxOrigins, got.Count(), err)
	}
	wide.AddRange(clock.Range{Origin: oa, From: 2, To: 5})
	var w codec.Writer
	var table clock.Table
	wide.Write(&w, &table)
	r := codec.NewReader(w.Bytes())
	got = clock.ReadContext(r, &table)
	if !errors.Is(r.Err(), codec.ErrLimit) || got.Count() != 0 {
		t.Errorf("%d origins: got %d dots, %v", clock.MaxOrigins+1, got.Count(), r.Err())
	}
}

func TestContextAtTheEdges(t *testing.T) {
	for _, c := range []*clock.Context{
		context(span(most, most)),
		context(span(1, 3), span(most, most)),
		context(span(1, 3), span(most-1, most)),
		context(span(1, 3), span(5, most)),
		context(span(1, most-2), span(most, most)),
		context(span(1, most)),
		context(span(1, 3), span(5, most-2), span(most, most)),
	} {
		got, err := decodeContext(encode(c))
		if err != nil || !got.Equal(c) {
			t.Errorf("%v is read as %v, %v", c, &got, err)
		}
	}
}

// Whatever the order in which dots arrive, the set and its bytes are the same.
func TestContextInEveryOrder(t *testing.T) {
	dots := []clock.Dot{{Origin: oa, N: 1}, {Origin: oa, N: 2}, {Origin: oa, N: 3}, {Origin: oa, N: 5},
		{Origin: ob, N: 2}, {Origin: ob, N: 3}, {Origin: oc, N: 1}}
	var want []byte
	orders := 0
	for order := range permutations(dots) {
		var c clock.Context
		for i, d := range order {
			if !c.Add(d) || c.Count() != uint64(i+1) {
				t.Fatalf("order %v: %v is not new in %v", order, d, &c)
			}
		}
		got := encode(&c)
		if orders++; orders == 1 {
			want = got
		}
		if !slices.Equal(got, want) {
			t.Fatalf("order %v: got %v", order, &c)
		}
	}
	check(t, "orders", orders, 5040)
}

// permutations yields every order of xs, in one slice (Heap's algorithm).
func permutations[T any](xs []T) func(func([]T) bool) {
	return func(yield func([]T) bool) {
		xs, c := slices.Clone(xs), make([]int, len(xs))
		if !yield(xs) {
			return
		}
		for i := 1; i < len(xs); {
			if c[i] == i {
				c[i] = 0
				i++
				continue
			}
			j := 0
			if i%2 == 1 {
				j = c[i]
			}
			xs[i], xs[j] = xs[j], xs[i]
			if !yield(xs) {
				return
			}
			c[i]++
			i = 1
		}
	}
}
