package crdt_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// The broken types. Each passes some laws, and each must fail in the one that
// forbids its fault.

// adding is a counter whose join adds.
type adding struct{ total int }

func (a *adding) mutate(r *rand.Rand) (any, error) { a.total++; return 1, nil }
func (a *adding) join(d any) error                 { a.total += d.(int); return nil }
func (a *adding) joinAll(o lattice)                { a.total += o.(*adding).total }
func (a *adding) digest() string                   { return fmt.Sprint(a.total) }
func (a *adding) value() string                    { return a.digest() }

// dotless is a set whose removals name elements and not their additions.
type dotless struct{ there map[int]bool }

type dotlessDelta struct {
	v   int
	add bool
}

func (s *dotless) mutate(r *rand.Rand) (any, error) {
	d := dotlessDelta{r.IntN(2), r.IntN(2) == 0}
	return d, s.join(d)
}

func (s *dotless) join(d any) error {
	s.there[d.(dotlessDelta).v] = d.(dotlessDelta).add
	return nil
}

func (s *dotless) joinAll(o lattice) {
	for v, add := range o.(*dotless).there {
		s.there[v] = add
	}
}
func (s *dotless) digest() string { return fmt.Sprint(s.there) }
func (s *dotless) value() string  { return s.digest() }

// lastArrival is a register that shows what came last.
type lastArrival struct{ v int }

func (x *lastArrival) mutate(r *rand.Rand) (any, error) { x.v = r.IntN(99); return x.v, nil }
func (x *lastArrival) join(d any) error                 { x.v = d.(int); return nil }
func (x *lastArrival) joinAll(o lattice)                { x.v = o.(*lastArrival).v }
func (x *lastArrival) digest() string                   { return fmt.Sprint(x.v) }
func (x *lastArrival) value() string                    { return x.digest() }

// byStamp is a register that drops the loser at the join, by a stamp that may
// be wrong, and lets a write that saw a value win whatever the stamps.
type byStamp struct {
	v, stamp int
	skew     int
}

type byStampDelta struct{ v, stamp, sawStamp int }

func (x *byStamp) mutate(r *rand.Rand) (any, error) {
	d := byStampDelta{r.IntN(99), r.IntN(9) + x.skew, x.stamp}
	x.v, x.stamp = d.v, d.stamp
	return d, nil
}

func (x *byStamp) join(d any) error {
	if d := d.(byStampDelta); d.sawStamp == x.stamp || d.stamp > x.stamp {
		x.v, x.stamp = d.v, d.stamp
	}
	return nil
}

func (x *byStamp) joinAll(o lattice) {
	if o := o.(*byStamp); o.stamp > x.stamp {
		x.v, x.stamp = o.v, o.stamp
	}
}
func (x *byStamp) digest() string { return fmt.Sprint(x.v, x.stamp) }
func (x *byStamp) value() string  { return x.digest() }

// keepsLeft is a set whose join forgets what only the other side has when it
// has something itself: it is idempotent, and commutes with nothing.
type keepsLeft struct{ v string }

func (x *keepsLeft) mutate(r *rand.Rand) (any, error) {
	x.v = string(rune('a' + r.IntN(9)))
	return x.v, nil
}

func (x *keepsLeft) join(d any) error {
	if x.v == "" {
		x.v = d.(string)
	}
	return nil
}
func (x *keepsLeft) joinAll(o lattice) { _ = x.join(o.(*keepsLeft).v) }
func (x *keepsLeft) digest() string    { return x.v }
func (x *keepsLeft) value() string     { return x.v }

// averaging is commutative and not associative.
type averaging struct{ v float64 }

func (x *averaging) mutate(r *rand.Rand) (any, error) { x.v = float64(r.IntN(99)); return x.v, nil }
func (x *averaging) join(d any) error                 { x.v = (x.v + d.(float64)) / 2; return nil }
func (x *averaging) joinAll(o lattice)                { _ = x.join(o.(*averaging).v) }
func (x *averaging) digest() string                   { return fmt.Sprint(x.v) }
func (x *averaging) value() string                    { return x.digest() }

func TestLawsCatchBrokenTypes(t *testing.T) {
	broken := []struct {
		name   string
		fresh  func(n byte) lattice
		caught []string
	}{
		{"join that adds", func(byte) lattice { return &adding{} }, []string{"idempotent", "delta is state"}},
		{"removal without dots", func(byte) lattice { return &dotless{map[int]bool{}} }, []string{"commutative", "delta is state"}},
		{"last arrival wins", func(byte) lattice { return &lastArrival{} }, []string{"commutative", "delta is state"}},
		{"join drops the loser by its stamp", func(n byte) lattice { return &byStamp{skew: int(n)} }, []string{"delta is state"}},
		{"join keeps the left", func(byte) lattice { return &keepsLeft{} }, []string{"commutative", "delta is state"}},
		{"join that averages", func(byte) lattice { return &averaging{} }, []string{"associative"}},
	}
	caught := map[string]bool{}
	for _, b := range broken {
		for _, name := range b.caught {
			i := slices.IndexFunc(laws, func(l law) bool { return l.name == name })
			var err error
			for seed := uint64(0); seed < 200 && err == nil; seed++ {
				err = laws[i].check(b.fresh, rand.New(rand.NewPCG(seed, 1)))
			}
			if caught[name] = errors.Is(err, errLaw) || caught[name]; !errors.Is(err, errLaw) {
				t.Errorf("%s: the law %q does not see it: %v", b.name, name, err)
			}
		}
	}
	for _, l := range laws[:4] {
		if !caught[l.name] {
			t.Errorf("no broken type shows that the law %q can fail", l.name)
		}
	}
}
