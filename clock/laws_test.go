package clock_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/concord-crdt/concord/clock"
	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"
)

// seed makes every run the same.
const seed = 20240101

// A history is what the generator makes and shrinks. Each number stands for a
// range of dots: of which of three origins, where it begins, and how long it is.
// The universe is small, so that ranges meet.
type history []uint16

const (
	numbers = 12 // dots of an origin
	longest = 3  // dots of a range
)

func (h history) ranges() []clock.Range {
	ranges := make([]clock.Range, len(h))
	for i, x := range h {
		from := 1 + uint64(x/3)%numbers
		to := min(numbers, from+uint64(x/(3*numbers))%longest)
		ranges[i] = clock.Range{Origin: []clock.Origin{oa, ob, oc}[x%3], From: from, To: to}
	}
	return ranges
}

func (h history) context() *clock.Context { return context(h.ranges()...) }

func (h history) vector() *clock.VersionVector {
	v := new(clock.VersionVector)
	for _, r := range h.ranges() {
		v.Advance(clock.Dot{Origin: r.Origin, N: r.To})
	}
	return v
}

// universe holds every dot that a history can have, one more of each origin, and
// dots that name nothing.
func universe() []clock.Dot {
	dots := []clock.Dot{{}}
	for _, o := range []clock.Origin{oa, ob, oc} {
		for n := range uint64(numbers + 2) {
			dots = append(dots, clock.Dot{Origin: o, N: n})
		}
	}
	return dots
}

// set is the specification: a set of dots, one by one.
type set map[clock.Dot]bool

func (s set) add(r clock.Range) {
	for n := r.From; n <= r.To; n++ {
		s[clock.Dot{Origin: r.Origin, N: n}] = true
	}
}

func (s set) covers(o set) bool {
	for d := range o {
		if !s[d] {
			return false
		}
	}
	return true
}

func (h history) set() set {
	s := make(set)
	for _, r := range h.ranges() {
		s.add(r)
	}
	return s
}

// law runs a law on random histories, a fixed number of times. The law returns
// an error that says how it was broken.
func law(t *testing.T, runs int, check func(a, b, c history) error) {
	t.Helper()
	if err := tryLaw(runs, check); err != nil {
		t.Error(err)
	}
}

// tryLaw returns how the law was broken, by the smallest histories found.
func tryLaw(runs int, check func(a, b, c history) error) error {
	parameters := gopter.DefaultTestParametersWithSeed(seed)
	parameters.MinSuccessfulTests = runs
	parameters.MaxSize = 12
	histories := gen.SliceOf(gen.UInt16())
	result := prop.ForAll(func(a, b, c []uint16) (string, error) {
		if err := check(a, b, c); err != nil {
			return fmt.Sprintf("%v\na: %v\nb: %v\nc: %v", err,
				history(a).ranges(), history(b).ranges(), history(c).ranges()), nil
		}
		return "", nil
	}, histories, histories, histories).Check(parameters)
	if result.Passed() {
		return nil
	}
	how := slices.Clone(result.Labels)
	if result.Error != nil {
		how = append(how, result.Error.Error())
	}
	return fmt.Errorf("seed %d, after %d runs: %s", seed, result.Succeeded, strings.Join(how, "\n"))
}

// lattice is a type under test: how it comes from a history, and what it does.
type lattice[T encoder] struct {
	of     func(history) T
	join   func(a, b T) T // a new value
	equal  func(a, b T) bool
	covers func(a, b T) bool
	set    func(history) set
	holds  func(T, clock.Dot) bool
}

func vectors() lattice[*clock.VersionVector] {
	return lattice[*clock.VersionVector]{
		of: history.vector,
		join: func(a, b *clock.VersionVector) *clock.VersionVector {
			j := a.Clone()
			j.Join(b)
			return &j
		},
		equal:  (*clock.VersionVector).Equal,
		covers: (*clock.VersionVector).Covers,
		set: func(h history) set {
			s := make(set)
			for _, r := range h.ranges() {
				s.add(clock.Range{Origin: r.Origin, From: 1, To: r.To})
			}
			return s
		},
		holds: (*clock.VersionVector).Contains,
	}
}

func contexts() lattice[*clock.Context] {
	return lattice[*clock.Context]{
		of: history.context,
		join: func(a, b *clock.Context) *clock.Context {
			j := a.Clone()
			j.Join(b)
			return &j
		},
		equal:  (*clock.Context).Equal,
		covers: (*clock.Context).Covers,
		set:    history.set,
		holds:  (*clock.Context).Contains,
	}
}

// laws returns the laws of a join, and its specification.
func (l lattice[T]) laws() map[string]func(a, b, c history) error {
	same := func(what string, x, y T) error {
		if !l.equal(x, y) || !l.equal(y, x) || !bytes.Equal(encode(x), encode(y)) {
			return fmt.Errorf("%s: %v is not %v", what, x, y)
		}
		return nil
	}
	return map[string]func(a, b, c history) error{
		"idempotent": func(a, b, _ history) error {
			x, y := l.of(a), l.of(b)
			j := l.join(x, y)
			return errors.Join(same("a∨a = a", l.join(x, x), x), same("(a∨b)∨b = a∨b", l.join(j, y), j))
		},
		"commutative": func(a, b, _ history) error {
			x, y := l.of(a), l.of(b)
			return same("a∨b = b∨a", l.join(x, y), l.join(y, x))
		},
		"associative": func(a, b, c history) error {
			x, y, z := l.of(a), l.of(b), l.of(c)
			return same("(a∨b)∨c = a∨(b∨c)", l.join(l.join(x, y), z), l.join(x, l.join(y, z)))
		},
		"union": func(a, b, _ history) error {
			x, y := l.of(a), l.of(b)
			j, p, q := l.join(x, y), l.set(a), l.set(b)
			for _, d := range universe() {
				if got, want := l.holds(j, d), p[d] || q[d]; got != want {
					return fmt.Errorf("%v in %v, joined of %v and %v: %v, want %v", d, j, x, y, got, want)
				}
			}
			return same("a∨b is made of both histories", j, l.of(append(append(history{}, a...), b...)))
		},
		"order": func(a, b, _ history) error {
			x, y := l.of(a), l.of(b)
			if !l.covers(l.join(x, y), x) || !l.covers(l.join(x, y), y) {
				return errors.New("a∨b does not cover both")
			}
			if got, want := l.covers(x, y), l.set(a).covers(l.set(b)); got != want {
				return fmt.Errorf("%v covers %v: %v, want %v", x, y, got, want)
			}
			if l.covers(x, y) != l.equal(l.join(x, y), x) {
				return errors.New("a covers b is not a∨b = a")
			}
			if l.equal(x, y) != (l.covers(x, y) && l.covers(y, x)) {
				return errors.New("a = b is not that each covers the other")
			}
			return nil
		},
	}
}

func TestJoinLaws(t *testing.T) {
	for name, holds := range vectors().laws() {
		t.Run("VersionVector/"+name, func(t *testing.T) { law(t, 500, holds) })
	}
	for name, holds := range contexts().laws() {
		t.Run("Context/"+name, func(t *testing.T) { law(t, 500, holds) })
	}
}

// Joins that are wrong in likely ways. The laws must find each of them.
func TestLawsHaveTeeth(t *testing.T) {
	type join = func(a, b *clock.Context) *clock.Context
	right := contexts().join
	for name, wrong := range map[string]join{
		"first only": func(a, _ *clock.Context) *clock.Context { return a },
		"last only":  func(_, b *clock.Context) *clock.Context { return b },
		"numbers are added": func(a, b *clock.Context) *clock.Context {
			v := a.Vector().Clone()
			for o, n := range b.Vector().All() {
				v.Set(o, v.Get(o)+n)
			}
			c := clock.ContextOf(v)
			return &c
		},
		"holes are closed": func(a, b *clock.Context) *clock.Context {
			j := right(a, b)
			for _, o := range []clock.Origin{oa, ob, oc} {
				j.AddRange(clock.Range{Origin: o, From: 1, To: j.Last(o)})
			}
			return j
		},
		"ranges beyond are lost": func(a, b *clock.Context) *clock.Context {
			c := clock.ContextOf(*right(a, b).Vector())
			return &c
		},
		"ranges end too late": func(a, b *clock.Context) *clock.Context {
			j := a.Clone()
			for r := range b.Ranges() {
				if r.From > 1 {
					r.To++
				}
				j.AddRange(r)
			}
			return &j
		},
		"common dots only": func(a, b *clock.Context) *clock.Context {
			j := new(clock.Context)
			for _, d := range universe() {
				if a.Contains(d) && b.Contains(d) {
					j.Add(d)
				}
			}
			return j
		},
	} {
		broken := contexts()
		broken.join = wrong
		var found []string
		for law, holds := range broken.laws() {
			if tryLaw(500, holds) != nil {
				found = append(found, law)
			}
		}
		if len(found) == 0 {
			t.Errorf("%s: no law is broken", name)
		}
	}
}

func TestCompareAgreesWithCovers(t *testing.T) {
	law(t, 2000, func(a, b, _ history) error {
		x, y := a.vector(), b.vector()
		want := clock.Concurrent
		switch covers, covered := x.Covers(y), y.Covers(x); {
		case covers && covered:
			want = clock.Equal
		case covers:
			want = clock.After
		case covered:
			want = clock.Before
		}
		if got := x.Compare(y); got != want {
			return fmt.Errorf("%v compared to %v: %v, want %v", x, y, got, want)
		}
		return nil
	})
}

func TestMeetLaws(t *testing.T) {
	meet := func(x, y *clock.VersionVector) *clock.VersionVector {
		m := x.Clone()
		m.Meet(y)
		return &m
	}
	join := vectors().join
	law(t, 1000, func(a, b, c history) error {
		x, y, z := a.vector(), b.vector(), c.vector()
		for _, e := range []struct {
			law         string
			left, right *clock.VersionVector
		}{
			{"a∧a = a", meet(x, x), x},
			{"a∧b = b∧a", meet(x, y), meet(y, x)},
			{"(a∧b)∧c = a∧(b∧c)", meet(meet(x, y), z), meet(x, meet(y, z))},
			{"a∨(a∧b) = a", join(x, meet(x, y)), x},
			{"a∧(a∨b) = a", meet(x, join(x, y)), x},
		} {
			if !e.left.Equal(e.right) {
				return fmt.Errorf("%s: %v is not %v", e.law, e.left, e.right)
			}
		}
		for _, d := range universe() {
			if meet(x, y).Contains(d) != (x.Contains(d) && y.Contains(d)) {
				return fmt.Errorf("%v in %v", d, meet(x, y))
			}
		}
		return nil
	})
}

// A context answers every question as a set of dots does, at every step of a
// history.
func TestContextIsASet(t *testing.T) {
	law(t, 500, func(a, b, _ history) error {
		c, want := new(clock.Context), make(set)
		for i, r := range append(a.ranges(), b.ranges()...) {
			if i%2 == 0 {
				c.AddRange(r)
				want.add(r)
			} else {
				d := clock.Dot{Origin: r.Origin, N: r.To}
				if c.Add(d) == want[d] {
					return fmt.Errorf("Add %v is new or not, wrongly", d)
				}
				want[d] = true
			}
			if err := sameSet(c, want); err != nil {
				return fmt.Errorf("step %d: %w", i, err)
			}
		}
		return nil
	})
}

func sameSet(c *clock.Context, want set) error {
	if c.Count() != uint64(len(want)) {
		return fmt.Errorf("%v has %d dots, not %d", c, c.Count(), len(want))
	}
	last := make(map[clock.Origin]uint64)
	whole := make(map[clock.Origin]uint64)
	for _, d := range universe() {
		if c.Contains(d) != want[d] {
			return fmt.Errorf("%v contains %v: %v", c, d, c.Contains(d))
		}
		if want[d] {
			last[d.Origin] = d.N
			if whole[d.Origin] == d.N-1 {
				whole[d.Origin] = d.N
			}
		}
	}
	ofAll, beyond := make(map[clock.Origin]int), 0
	before := clock.Range{}
	for r := range c.Ranges() {
		if r.Len() == 0 || r.Origin.Compare(before.Origin) < 0 || r.Origin == before.Origin && r.From <= before.To+1 {
			return fmt.Errorf("%v after %v", r, before)
		}
		if r.From > 1 {
			beyond++
			ofAll[r.Origin]++
		}
		before = r
	}
	if c.NumRanges() != beyond {
		return fmt.Errorf("%v has %d ranges beyond, not %d", c, c.NumRanges(), beyond)
	}
	for _, o := range []clock.Origin{oa, ob, oc, {}} {
		if c.Last(o) != last[o] || c.Vector().Get(o) != whole[o] || c.NumRangesOf(o) != ofAll[o] {
			return fmt.Errorf("%v: of %v last %d, whole %d, ranges %d", c, o, c.Last(o), c.Vector().Get(o), c.NumRangesOf(o))
		}
	}
	b := encode(c)
	read, err := decodeContext(b)
	if err != nil || !read.Equal(c) || !bytes.Equal(encode(&read), b) {
		return fmt.Errorf("%v is read as %v: %w", c, &read, err)
	}
	return nil
}

// What is missing, no more and no less, makes up the difference.
func TestMissingIsTheDifference(t *testing.T) {
	law(t, 2000, func(a, b, _ history) error {
		x, y := a.context(), b.context()
		missing := x.Missing(y)
		joined := contexts().join(x, y)
		added := x.Clone()
		var sum uint64
		before := clock.Range{}
		for _, r := range missing {
			if r.Len() == 0 || r.Origin.Compare(before.Origin) < 0 || r.Origin == before.Origin && r.From <= before.To+1 {
				return fmt.Errorf("%v after %v", r, before)
			}
			before = r
			sum += r.Len()
			added.AddRange(r)
		}
		switch {
		case !added.Equal(joined):
			return fmt.Errorf("%v and missing %v make %v, not %v", x, missing, &added, joined)
		case x.Count()+sum != joined.Count():
			return fmt.Errorf("%v: missing %v are not all missing", x, missing)
		case (missing == nil) != x.Covers(y):
			return fmt.Errorf("%v covers %v: %v, missing %v", x, y, x.Covers(y), missing)
		}
		return nil
	})
}

// Whatever the wall clock, the disk and other clocks do, stamps rise, also over
// restarts, and the bound is durable before they pass it.
func TestHLCLaws(t *testing.T) {
	law(t, 1000, func(a, b, c history) error {
		d := &device{wall: noon}
		clk := d.open()
		var before, observed clock.Stamp
		for i, x := range append(append(a, b...), c...) {
			d.full = nil
			switch by := time.Duration(x/6) * time.Millisecond; x % 6 {
			case 0:
				d.wall = d.wall.Add(by * 1000)
			case 1:
				d.wall = d.wall.Add(-by * 100)
			case 2:
				d.wall = time.Unix(0, 0)
			case 3:
				// A restart begins at the bound, or at what was applied.
				clk = clock.NewHLC(d.now, max(d.bound, observed), d.persist)
			case 4:
				d.full = errors.New("disk full")
			case 5:
				observed = max(observed, before.Add(by)|0xffff)
				clk.Observe(observed)
			}
			s, err := clk.Now()
			if err != nil {
				if d.full == nil {
					return fmt.Errorf("step %d: %w", i, err)
				}
				continue
			}
			if s <= before || s <= observed || s > d.bound {
				return fmt.Errorf("step %d: %v after %v, observed %v, bound %v", i, s, before, observed, d.bound)
			}
			before = s
		}
		return nil
	})
}
