package proptest

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/prop"
)

// found is what a search came upon.
type found[T any] struct {
	example T // the simplest one
	err     error
	tried   int
	shrinks int
}

// search draws examples until one fails, and makes that simpler for as long as
// it fails. It returns nil if none does.
func search[T any](o Options, draw func(*rand.Rand) *T, simpler func(*T) iter.Seq[*T], check func(*T) error) *found[*T] {
	parameters := gopter.DefaultTestParametersWithSeed(o.Seed)
	parameters.MinSuccessfulTests = o.Histories
	shrinker := func(v any) gopter.Shrink {
		list := slices.Collect(simpler(v.(*T)))
		return func() (any, bool) {
			if len(list) == 0 {
				return nil, false
			}
			first := list[0]
			list = list[1:]
			return first, true
		}
	}
	if o.DisableShrinking {
		shrinker = gopter.NoShrinker
	}
	examples := func(p *gopter.GenParameters) *gopter.GenResult {
		return gopter.NewGenResult(draw(rand.New(rand.NewPCG(p.NextUint64(), 1))), shrinker)
	}
	var f *found[*T]
	tried := 0
	holds := func(v *T) bool {
		if f == nil {
			tried++
		}
		err := guarded(check, v)
		if err == nil {
			return true
		}
		if f == nil {
			f = &found[*T]{tried: tried, shrinks: -1}
		}
		f.example, f.err = v, err
		f.shrinks++
		return false
	}
	result := prop.ForAll(holds, examples).Check(parameters)
	if f == nil && !result.Passed() {
		f = &found[*T]{err: fmt.Errorf("the search itself: %s %v", result.Status, result.Error)}
	}
	return f
}

// guarded takes a panic for a failure.
func guarded[T any](check func(*T) error, v *T) (err error) {
	defer recovered(&err)
	return check(v)
}
