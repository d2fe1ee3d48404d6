package merge_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/merge"
	"github.com/google/go-cmp/cmp"
	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"
)

// seed makes every run the same.
const seed = 20300101

// forAll checks a law on what the generators make, and shrinks what breaks it.
func forAll(t *testing.T, name string, runs, size int, law func(xs []uint16) error) {
	t.Helper()
	params := gopter.DefaultTestParametersWithSeed(seed)
	params.MinSuccessfulTests, params.MaxSize = runs, size
	properties := gopter.NewProperties(params)
	properties.Property(name, prop.ForAll(func(xs []uint16) (string, error) {
		return "", law(xs)
	}, gen.SliceOf(gen.UInt16())))
	properties.TestingRun(t)
}

var roles = []string{"chief", "doctor", "nurse", "clerk"}

// candidateSet reads a set of candidates out of numbers: roles and stamps are
// few, so that ties are many. Entries are unique, and the set is canonical.
func candidateSet(xs []uint16) []merge.Candidate {
	set := make([]merge.Candidate, len(xs))
	for i, x := range xs {
		set[i] = merge.Candidate{
			Value: int64(i), Actor: fmt.Sprint(x % 7), Role: roles[x%4], Stamp: noon + clock.Stamp(x/4%5),
			Entry: crdt.EntryID{Dot: clock.Dot{
				Origin: clock.Origin{Replica: clock.ReplicaID{byte(x / 20)}, Incarnation: 1}, N: uint64(1 + i)}, Index: uint32(x % 3)},
		}
	}
	slices.SortFunc(set, func(a, b merge.Candidate) int { return a.Compare(&b) })
	return set
}

// A resolver names the winner of a set. The laws are about any of them.
type resolver func(set []merge.Candidate) crdt.EntryID

// lawOfOrder: the winner does not depend on the order of the candidates.
func lawOfOrder(r resolver, set []merge.Candidate) error {
	want := r(slices.Clone(set))
	shuffled := slices.Clone(set)
	for i := range shuffled {
		j := (i*7 + 3) % len(shuffled)
		shuffled[i], shuffled[j] = shuffled[j], shuffled[i]
		if got := r(slices.Clone(shuffled)); got != want {
			return fmt.Errorf("in another order %v wins, not %v", got, want)
		}
	}
	slices.Reverse(shuffled)
	if got := r(shuffled); got != want {
		return fmt.Errorf("in reverse %v wins, not %v", got, want)
	}
	return nil
}

// lawOfLosers: taking a loser away does not change the winner. With two left,
// this says that the winner beats each of the others alone.
func lawOfLosers(r resolver, set []merge.Candidate) error {
	want := r(slices.Clone(set))
	for i := range set {
		if set[i].Entry == want {
			continue
		}
		rest := slices.Delete(slices.Clone(set), i, i+1)
		if got := r(rest); got != want {
			return fmt.Errorf("without %v, %v wins, not %v", set[i].Entry, got, want)
		}
	}
	return nil
}

// lawOfCycles: no three candidates beat each other in a ring.
func lawOfCycles(r resolver, set []merge.Candidate) error {
	beats := func(a, b merge.Candidate) bool { return r([]merge.Candidate{a, b}) == a.Entry }
	for i, a := range set {
		for j, b := range set {
			for k, c := range set {
				if i != j && j != k && i != k && beats(a, b) && beats(b, c) && beats(c, a) {
					return fmt.Errorf("%v beats %v beats %v beats the first", a.Entry, b.Entry, c.Entry)
				}
			}
		}
	}
	return nil
}

func laws(r resolver, set []merge.Candidate) error {
	if len(set) == 0 {
		return nil
	}
	return errors.Join(lawOfOrder(r, set), lawOfLosers(r, set), lawOfCycles(r, set))
}

// someRules nests a few steps in every order, with and without an end that
// always decides.
func someRules() (rules []resolver) {
	narrow := []merge.Step{merge.Authority("doctor", "nurse"), merge.Authority("clerk"), merge.Seniority,
		merge.Window("noon", "nurse"), merge.Rank("[candidate.actor]"), merge.Rank("candidate.value"), merge.Go("even", 1)}
	for i, first := range narrow {
		for _, second := range append(slices.Delete(slices.Clone(narrow), i, i+1), merge.Step{}) {
			for _, last := range []merge.Step{merge.Latest, merge.Earliest, merge.Review, {}} {
				rule := slices.DeleteFunc([]merge.Step{first, second, last}, func(s merge.Step) bool { return s.Do == merge.StepNone })
				rules = append(rules, byRule(merge.FieldRule{Type: crdt.TypeRegister, Of: merge.Integer, Resolve: rule}))
			}
		}
	}
	return append(rules, byRule(merge.FieldRule{Type: crdt.TypeRegister}))
}

// byRule is the resolver of a rule of any sort, with a window and a function
// to refer to.
func byRule(r merge.FieldRule) resolver {
	p := merge.Policy{Name: "laws", Version: 1, Roles: roles,
		Windows:     map[string][]merge.Interval{"noon": {{From: noon.Time(), To: noon.Time().Add(time.Millisecond)}}},
		Collections: map[string]merge.Collection{"c": {Fields: map[string]merge.FieldRule{"f": r}}}}
	rules, findings := p.Compile(merge.Functions{"even@1": func(c *merge.Candidate, _ *merge.Facts) merge.Key {
		return merge.KeyOf(merge.Bool(c.Value.(int64)%2 == 0))
	}})
	if err := findings.Err(); err != nil {
		panic(err)
	}
	c, err := rules.Collection("c")
	if err != nil {
		panic(err)
	}
	return func(set []merge.Candidate) crdt.EntryID {
		return set[c.Field("f").Resolve(set, nil).Winner].Entry
	}
}

func TestLawsOfResolve(t *testing.T) {
	rules := someRules()
	forAll(t, "laws", 40, 9, func(xs []uint16) error {
		set := candidateSet(xs)
		for i, rule := range rules {
			if err := laws(rule, set); err != nil {
				return fmt.Errorf("rule %d: %w", i, err)
			}
		}
		return nil
	})
}

// Each law catches a rule that breaks it.
func TestLawsHaveTeeth(t *testing.T) {
	planted := []struct {
		name string
		rule resolver
		by   func(resolver, []merge.Candidate) error
	}{
		{"the last that arrived", func(set []merge.Candidate) crdt.EntryID { return set[len(set)-1].Entry }, lawOfOrder},
		{"ties by arrival", func(set []merge.Candidate) crdt.EntryID {
			return slices.MaxFunc(set, func(a, b merge.Candidate) int { return strings.Compare(b.Role, a.Role) }).Entry
		}, lawOfOrder},
		{"the middle one", func(set []merge.Candidate) crdt.EntryID {
			set = slices.SortedFunc(slices.Values(set), func(a, b merge.Candidate) int { return a.Compare(&b) })
			return set[len(set)/2].Entry
		}, lawOfLosers},
		// Doctor beats nurse, nurse beats clerk, clerk beats doctor.
		{"a comparator that goes in a ring", func(set []merge.Candidate) crdt.EntryID {
			set = slices.SortedFunc(slices.Values(set), func(a, b merge.Candidate) int { return a.Compare(&b) })
			best := set[0]
			for _, c := range set[1:] {
				a, b := slices.Index(roles, c.Role), slices.Index(roles, best.Role)
				if a != b && (a+1)%len(roles) == b || a == b || (a+2)%len(roles) == b && a > b {
					best = c
				}
			}
			return best.Entry
		}, lawOfCycles},
	}
	for _, p := range planted {
		t.Run(p.name, func(t *testing.T) {
			caught := false
			forAll(t, "search", 200, 9, func(xs []uint16) error {
				if set := candidateSet(xs); len(set) > 0 && p.by(p.rule, set) != nil {
					caught = true
				}
				return nil
			})
			if !caught {
				t.Error("the law never caught it")
			}
		})
	}
}

// The specification: sort by all that the rule says at once, take the last.
func TestResolveAgainstSpecification(t *testing.T) {
	rules := steps(merge.Authority("doctor", "nurse"), merge.Latest)
	forAll(t, "specification", 500, 40, func(xs []uint16) error {
		set := candidateSet(xs)
		got := rules.Resolve(set, nil)
		if len(set) == 0 {
			if got != (merge.Resolution{Winner: -1, By: merge.BySole, Step: -1}) {
				return fmt.Errorf("of nothing: %+v", got)
			}
			return nil
		}
		want := 0
		for i := range set {
			if specified(&set[i]) > specified(&set[want]) {
				want = i
			}
		}
		if got.Winner != want {
			return fmt.Errorf("got %d, want %d of %+v", got.Winner, want, set)
		}
		return nil
	})
}

// specified writes what the rule says of a candidate as text that sorts.
func specified(c *merge.Candidate) string {
	rank := map[string]int{"doctor": 2, "nurse": 1}[c.Role]
	return fmt.Sprintf("%d %020d %x %020d %020d %010d", rank, c.Stamp, c.Entry.Dot.Origin.Replica[:],
		c.Entry.Dot.Origin.Incarnation, c.Entry.Dot.N, c.Entry.Index)
}

// Who decided is said: the step that left one, or the entry after all steps.
func TestResolution(t *testing.T) {
	set := candidateSet([]uint16{
		1 /* doctor at 0 */, 1 + 4 /* doctor at 1 */, 2 + 8, /* nurse at 2 */
		1 + 4 + 20*5, /* doctor at 1 */
	})
	authority, clerks := merge.Authority("doctor"), merge.Authority("clerk")
	tests := []struct {
		name  string
		set   []merge.Candidate
		steps []merge.Step
		by    merge.Decider
		step  int
	}{
		{"sole", set[:1], []merge.Step{authority}, merge.BySole, -1},
		{"authority alone leaves a tie", set, []merge.Step{authority}, merge.ByEntry, 0},
		{"no step prefers anyone", set, []merge.Step{clerks}, merge.ByEntry, 0},
		{"default", set, nil, merge.ByStep, 0},
		{"second step", set[:3], []merge.Step{authority, merge.Earliest}, merge.ByStep, 1},
		{"no step prefers anyone, then latest", set[:3], []merge.Step{clerks, merge.Latest}, merge.ByStep, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := steps(tt.steps...).Resolve(tt.set, nil); got.By != tt.by || got.Step != tt.step {
				t.Errorf("got %+v, want %v at %d", got, tt.by, tt.step)
			}
		})
	}
}

// Resolve modifies neither the set nor its order.
func TestResolveLeavesTheSetAlone(t *testing.T) {
	set := candidateSet([]uint16{1, 2, 3, 101, 202})
	slices.Reverse(set)
	before := slices.Clone(set)
	steps(merge.Authority("nurse"), merge.Latest).Resolve(set, nil)
	if diff := cmp.Diff(before, set); diff != "" {
		t.Errorf("the set (-before +after):\n%s", diff)
	}
}
