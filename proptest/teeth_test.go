package proptest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// within is how many histories a law may need to see a fault.
const withinHistories = 1000

func TestSoundTypesKeepEveryLaw(t *testing.T) {
	t.Run("tally", func(t *testing.T) { Run(t, tallies(), Options{Histories: 40}) })
	t.Run("tags", func(t *testing.T) { Run(t, tagSets(), Options{Histories: 40}) })
	t.Run("cell", func(t *testing.T) { Run(t, cells(), Options{Histories: 40}) })
	t.Run("whole states only", func(t *testing.T) {
		whole := tallies()
		whole.JoinDelta, whole.EncodeDelta, whole.DecodeDelta = nil, nil, nil
		Run(t, whole, Options{Histories: 40})
	})
	t.Run("deltas only, causes first", func(t *testing.T) {
		causal := logs()
		causal.Causal, causal.Join = true, nil
		causal.JoinDelta = takeInOrder
		Run(t, causal, Options{Histories: 40})
	})
}

// planted is a broken type, and the law that must see its fault.
type planted struct {
	name, law string
	search    func(law string) (*Failure, error)
}

// broken alters a sound type.
func broken[S, D any](name, law string, t Type[S, D], alter func(t *Type[S, D])) planted {
	return planted{name, law, func(law string) (*Failure, error) {
		t.Name = name
		alter(&t)
		if err := t.validate(); err != nil {
			return nil, err
		}
		for l := range laws(&t) {
			if l.name != law {
				continue
			}
			if what := l.lacks(&t); what != "" {
				return nil, fmt.Errorf("the type has no %s", what)
			}
			err := l.search(&t, Options{Histories: withinHistories}.withDefaults(), newStats())
			f, ok := errors.AsType[*Failure](err)
			if !ok {
				return nil, fmt.Errorf("%d histories found nothing: %w", withinHistories, errors.Join(err))
			}
			return f, nil
		}
		return nil, errors.New("no such law")
	}}
}

// TestLawsHaveTeeth plants a fault for every law, and wants it found by that law
// and told in a few lines.
func TestLawsHaveTeeth(t *testing.T) {
	all := slices.Concat(brokenJoins(), brokenDeltas(), brokenBytes(), brokenViews())
	seen := map[string]bool{}
	for _, p := range all {
		seen[p.law] = true
		t.Run(p.law+" sees "+p.name, func(t *testing.T) {
			f, err := p.search(p.law)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("found at history %d of %d, in %d lines", f.History, withinHistories, len(f.Trace))
			if len(f.Trace) > 12 {
				t.Errorf("the shortest history has %d lines:\n%v", len(f.Trace), f)
			}
			if f.Problem == "" || strings.Contains(f.Problem, "something other than the history") {
				t.Errorf("got %v", f)
			}
		})
	}
	sound := tagSets()
	for l := range laws(&sound) {
		if !seen[l.name] {
			t.Errorf("no broken type shows that the law %q can fail", l.name)
		}
	}
}

// A type that is not a function of its history is found out, and told as such.
func TestHiddenInputIsToldAsSuch(t *testing.T) {
	hidden := tallies()
	calls := 0
	hidden.Operations[0].Do = func(t *tally, c *Call) (tally, error) {
		calls++
		(*t)[c.Name] += calls
		return tally{c.Name: (*t)[c.Name]}, nil
	}
	if err := CheckLattice(hidden, Options{}); err == nil {
		t.Error("a type that counts its calls passes")
	}
}

// An operation that is always refused teaches nothing, and the check says so.
func TestVacuousOperationIsReported(t *testing.T) {
	never := tagSets()
	refusal := errors.New("never")
	never.Operations[1].Do = func(*tags, *Call) (tags, error) { return tags{}, refusal }
	never.Specification = nil
	err := CheckLattice(never, Options{Histories: 20})
	if !errors.Is(err, ErrVacuous) || !errors.Is(err, refusal) {
		t.Errorf("got %v, want an error that wraps ErrVacuous and the refusal", err)
	}
}

func TestDescriptionsAndOptionsAreChecked(t *testing.T) {
	if err := Check(Type[int, int]{Name: "nothing"}, Options{Steps: 65, Replicas: 1, Histories: -1}); err == nil {
		t.Error("an empty description passes")
	} else if n := strings.Count(err.Error(), "\n") + 1; n != 7 {
		t.Errorf("got %d faults, want all 7:\n%v", n, err)
	}
	bare := cells()
	bare.Encode, bare.Decode = nil, nil
	if err := CheckRoundTrip(bare, Options{}); err == nil {
		t.Error("laws about encodings pass for a type without any")
	}
	if err := CheckRule(Rule{Name: "none"}, Options{}); err == nil {
		t.Error("an empty rule passes")
	}
}

// The same options find the same counter-example, and another seed may find
// another.
func TestSearchIsAFunctionOfItsOptions(t *testing.T) {
	wrong := tallies()
	wrong.Join = func(t *tally, o tally) error { return addAll(*t, o) }
	first := CheckLattice(wrong, Options{Seed: 7})
	again := CheckLattice(wrong, Options{Seed: 7})
	if first == nil || first.Error() != again.Error() {
		t.Errorf("got\n%v\nand then\n%v", first, again)
	}
	raw, ok := errors.AsType[*Failure](CheckLattice(wrong, Options{Seed: 7, DisableShrinking: true}))
	if !ok || raw.Shrinks != 0 {
		t.Errorf("got %v, want a counter-example that was not shrunk", raw)
	}
}

func addAll(t, o tally) error {
	for name, n := range o {
		t[name] += n
	}
	return nil
}
