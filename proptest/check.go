package proptest

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// ErrVacuous means that no history did what an operation is there to do, so
// nothing was learnt of it.
var ErrVacuous = errors.New("proptest: an operation never changed anything")

// enough histories, for each operation, for it to be strange that it was never
// done.
const enough = 10

// CheckLattice checks what makes states a lattice: idempotent, commutative,
// associative, monotone, apart, refused. See [Check] for the errors.
func CheckLattice[S, D any](t Type[S, D], o Options) error { return check(&t, o, lattice) }

// CheckDelta checks what makes deltas small states of the same lattice: delta,
// delivered twice, any order, deltas are states, gaps. See [Check] for the
// errors.
func CheckDelta[S, D any](t Type[S, D], o Options) error { return check(&t, o, deltas) }

// CheckRoundTrip checks encodings: canonical, decoded, restart, damage, delta
// bytes. See [Check] for the errors.
func CheckRoundTrip[S, D any](t Type[S, D], o Options) error { return check(&t, o, roundTrip) }

// CheckView checks what is shown: convergence, equal views, compaction,
// specification, and each of the type's invariants. See [Check] for the errors.
func CheckView[S, D any](t Type[S, D], o Options) error { return check(&t, o, views) }

// Check checks every law that applies to a type, each on histories of its own.
//
// It returns nil, or a [*Failure] for each law that is broken, joined in the
// order of the laws: the first is the one to look at first. Other errors say
// what is wrong with the description or the options; one that wraps [ErrVacuous]
// names the operations that never did anything.
//
// A law costs some 2 to 60 plays of a history, of up to [Options.Steps] steps
// each, for each of [Options.Histories] histories. All of them together take a
// small type about a second (BenchmarkCheck).
func Check[S, D any](t Type[S, D], o Options) error {
	return check(&t, o, lattice, deltas, roundTrip, views)
}

// Run is [Check] with a subtest for each law. Laws about what the type does not
// have are skipped, with the reason.
func Run[S, D any](tb *testing.T, t Type[S, D], o Options) {
	tb.Helper()
	if err := errors.Join(t.validate(), o.Validate()); err != nil {
		tb.Fatal(err)
	}
	o = o.withDefaults()
	s := newStats()
	for l := range laws(&t) {
		tb.Run(l.name, func(tb *testing.T) {
			if what := l.lacks(&t); what != "" {
				tb.Skipf("the type has no %s", what)
			}
			report(tb, l.search(&t, o, s))
		})
	}
	tb.Logf("seed %d, %d histories for each law", o.Seed, o.Histories)
	if err := s.vacuous(t.operations(), o); err != nil && !tb.Failed() {
		tb.Error(err)
	}
}

// report fails a test by what a law found, and gives the scenario to keep.
func report(tb *testing.T, err error) {
	tb.Helper()
	if err == nil {
		return
	}
	tb.Error(err)
	if f, ok := errors.AsType[*Failure](err); ok && f.Scenario != nil {
		tb.Logf("to see it again, run this file with concord scenario run:\n%s", f.Scenario)
	}
}

// laws lists the laws of all groups, and an invariant each of the type's.
func laws[S, D any](t *Type[S, D]) iter.Seq[law[S, D]] {
	return func(yield func(law[S, D]) bool) {
		for _, l := range slices.Concat(latticeLaws[S, D](), deltaLaws[S, D](), byteLaws[S, D](), viewLaws[S, D]()) {
			if !yield(l) {
				return
			}
		}
		for _, v := range t.Invariants {
			if !yield(invariantLaw[S, D](v)) {
				return
			}
		}
	}
}

func check[S, D any](t *Type[S, D], o Options, groups ...group) error {
	if err := errors.Join(t.validate(), o.Validate()); err != nil {
		return err
	}
	o = o.withDefaults()
	s := newStats()
	var faults []error
	applied, lacking := 0, ""
	for l := range laws(t) {
		if !slices.Contains(groups, l.group) {
			continue
		}
		if what := l.lacks(t); what != "" {
			lacking = what
			continue
		}
		applied++
		if err := l.search(t, o, s); err != nil {
			faults = append(faults, err)
		}
	}
	switch {
	case applied == 0:
		return fmt.Errorf("proptest: type %q: none of these laws applies; it has no %s", t.Name, lacking)
	case len(faults) > 0:
		return errors.Join(faults...)
	}
	return s.vacuous(t.operations(), o)
}

func newStats() *stats { return &stats{map[string]int{}, map[string]error{}} }

// vacuous names the operations that were never done.
func (s *stats) vacuous(operations []string, o Options) error {
	if o.Histories < enough*len(operations) || len(s.done)+len(s.refusal) == 0 {
		return nil
	}
	var faults []error
	for _, name := range operations {
		if s.done[name] > 0 {
			continue
		}
		err := fmt.Errorf("%w: %q, in %d histories", ErrVacuous, name, o.Histories)
		if refusal := s.refusal[name]; refusal != nil {
			err = fmt.Errorf("%w; it was refused: %w", err, refusal)
		}
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}

func (t *Type[S, D]) operations() []string {
	names := map[string]bool{}
	for _, op := range t.Operations {
		names[op.Name] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// shape is what histories for a law may hold.
func (l *law[S, D]) shape(t *Type[S, D], o Options) *shape {
	s := &shape{replicas: o.Replicas, steps: o.Steps, deltas: t.JoinDelta != nil, states: t.Join != nil}
	for _, op := range t.Operations {
		s.weights = append(s.weights, max(1, op.Weight))
	}
	if l.widen != nil {
		l.widen(s)
	}
	return s
}

// search looks for a history that breaks the law.
func (l *law[S, D]) search(t *Type[S, D], o Options, s *stats) error {
	shape := l.shape(t, o)
	f := search(o, func(r *rand.Rand) *history { return shape.draw(r) }, (*history).simpler, func(h *history) error {
		return l.check(&run[S, D]{t: t, h: h, stats: s})
	})
	if f == nil {
		return nil
	}
	if f.example == nil {
		return fmt.Errorf("proptest: %s: %w", l.name, f.err)
	}
	return l.failure(t, o, f)
}

// failure plays the counter-example once more, and writes down what happens.
func (l *law[S, D]) failure(t *Type[S, D], o Options, f *found[*history]) error {
	out := &Failure{Subject: t.Name, Law: l.name, Means: l.means, Seed: o.Seed, History: f.tried, Shrinks: f.shrinks}
	r := &run[S, D]{t: t, h: f.example, told: &out.Trace, stats: newStats()}
	err := guarded(func(*history) error { return l.check(r) }, f.example)
	if err == nil { // the type is not a function of its history
		err = fmt.Errorf("%w; played once more it holds, so something other than the history has a say", f.err)
	}
	if x, ok := errors.AsType[*fault](err); ok {
		out.Problem, out.Sides = x.problem, x.sides
	} else {
		out.Problem = err.Error()
	}
	out.Scenario, out.NoScenario = l.scenario(t, out, f.example)
	return out
}
