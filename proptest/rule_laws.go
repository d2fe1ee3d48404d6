package proptest

import (
	"errors"
	"fmt"

	"github.com/concord-crdt/concord/merge"
)

// ruleLaw is something that holds of every set of candidates.
type ruleLaw struct {
	name, means string
	applies     bool
	check       func(r *Rule, set []merge.Candidate) error
}

func (r *Rule) laws() []ruleLaw {
	laws := []ruleLaw{
		{"pure", "asked again, elsewhere, the rule shows the same, and it alters nothing", true, pure},
		{"whole set", "the order in which candidates come does not matter", true, wholeSet},
		{"key of the candidate", "a candidate has one key, whatever was asked before", r.Key != nil, keyOfCandidate},
		{"one order", "preferences have no cycle, and no two candidates are both or neither preferred", r.Less != nil, oneOrder},
		{"fold", "folding is idempotent, commutative and associative", r.Fold != nil, foldIsJoin},
		{"complete", "the rule leaves nothing to the entry", r.Complete, complete},
	}
	for _, v := range r.Invariants {
		laws = append(laws, ruleLaw{v.Name, "it holds of whatever is shown", true, func(r *Rule, set []merge.Candidate) error {
			shown := r.show(set)
			if err := v.Holds(set, shown); err != nil {
				return &fault{fmt.Sprintf("it does not hold: %v", err), []Side{{"shown", render(shown)}}}
			}
			return nil
		}})
	}
	return laws
}

func (l *ruleLaw) search(r *Rule, o Options) error {
	f := search(o, drawCase, (*ruleCase).simpler, func(c *ruleCase) error {
		return l.check(r, c.set(r))
	})
	if f == nil {
		return nil
	}
	if f.example == nil {
		return fmt.Errorf("proptest: %s: %w", l.name, f.err)
	}
	out := &Failure{Subject: r.Name, Law: l.name, Means: l.means, Problem: f.err.Error(), Seed: o.Seed, History: f.tried, Shrinks: f.shrinks,
		Trace: tellSet(f.example.set(r)), NoScenario: "a rule is checked on candidates, not on a history"}
	if x, ok := errors.AsType[*fault](f.err); ok {
		out.Problem, out.Sides = x.problem, x.sides
	}
	return out
}

func pure(r *Rule, set []merge.Candidate) error {
	before := render(set)
	want := render(r.show(set))
	ask := func(when string, set []merge.Candidate) error {
		got := render(r.show(set))
		if got != want {
			return &fault{"the rule shows two things for one set", []Side{{"at first", want}, {when, got}}}
		}
		return nil
	}
	for i := range timesAsked {
		if err := ask("asked again", otherwise(set, false)); err != nil {
			return err
		}
		if err := ask("with times of another zone, and other memory", otherwise(set, true)); err != nil {
			return err
		}
		// What it was asked in between must not show.
		r.show(set[i%len(set):])
	}
	for _, s := range r.Surroundings {
		if err := within(s, func() error { return ask("within "+s.Name, set) }); err != nil {
			return err
		}
	}
	if after := render(set); after != before {
		return &fault{"the rule altered the candidates", []Side{{"before", before}, {"after", after}}}
	}
	return nil
}

func within(s Surrounding, ask func() error) error {
	leave := s.Enter()
	if leave != nil {
		defer leave()
	}
	return ask()
}

func wholeSet(r *Rule, set []merge.Candidate) error {
	first := letters(set)
	want := render(r.show(set))
	for order := range orders(set) {
		if got := render(r.show(order)); got != want {
			return &fault{"the order of arrival shows", []Side{{"in order " + first, want}, {"in order " + letters(order), got}}}
		}
	}
	return nil
}

func keyOfCandidate(r *Rule, set []merge.Candidate) error {
	keys := make([]merge.Key, len(set))
	for i := range set {
		keys[i] = r.key(&set[i])
	}
	for i := len(set) - 1; i >= 0; i-- {
		c := set[i]
		if got := r.key(&c); got.Compare(keys[i]) != 0 {
			return &fault{"the key of " + letter(c) + " is not a function of it",
				[]Side{{"at first", keys[i].String()}, {"asked again, after others", got.String()}}}
		}
	}
	return nil
}

func oneOrder(r *Rule, set []merge.Candidate) error {
	less := func(i, j int) bool { return r.Less(&set[i], &set[j]) }
	for i := range set {
		if less(i, i) {
			return &fault{problem: letter(set[i]) + " is preferred to itself"}
		}
		for j := range i {
			a, b := letter(set[i]), letter(set[j])
			switch {
			case less(i, j) && less(j, i):
				return &fault{problem: fmt.Sprintf("%s is preferred to %s, and %s to %s", a, b, b, a)}
			case !less(i, j) && !less(j, i) && render(set[i].Value) != render(set[j].Value):
				return &fault{problem: fmt.Sprintf("neither of %s and %s is preferred, so the one that comes first is shown", b, a)}
			}
			for k := range set {
				if less(i, j) && less(j, k) && !less(i, k) {
					c := letter(set[k])
					return &fault{problem: fmt.Sprintf("%s is preferred to %s, %s to %s, and not %s to %s", b, a, c, b, c, a)}
				}
				if less(j, i) && less(i, k) && !less(j, k) {
					c := letter(set[k])
					return &fault{problem: fmt.Sprintf("%s is preferred to %s, %s to %s, and not %s to %s", a, b, c, a, c, b)}
				}
			}
		}
	}
	return nil
}

func foldIsJoin(r *Rule, set []merge.Candidate) error {
	value := func(c merge.Candidate) string { return render(c.Value) }
	differ := func(x, y string, a, b merge.Candidate) error {
		if value(a) == value(b) {
			return nil
		}
		return &fault{"two ways to fold differ", []Side{{x, value(a)}, {y, value(b)}}}
	}
	for _, a := range set {
		x := letter(a)
		if err := differ("("+x+" "+x+")", x, r.Fold(a, a), a); err != nil {
			return err
		}
		for _, b := range set {
			y := letter(b)
			if err := differ("("+x+" "+y+")", "("+y+" "+x+")", r.Fold(a, b), r.Fold(b, a)); err != nil {
				return err
			}
			for _, c := range set {
				z := letter(c)
				if err := differ("(("+x+" "+y+") "+z+")", "("+x+" ("+y+" "+z+"))", r.Fold(r.Fold(a, b), c), r.Fold(a, r.Fold(b, c))); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func complete(r *Rule, set []merge.Candidate) error {
	for i := range set {
		for j := range i {
			if set[i].Stamp == set[j].Stamp || render(set[i].Value) == render(set[j].Value) {
				continue
			}
			two := []merge.Candidate{set[j], set[i]}
			tie := r.Key != nil && r.key(&two[0]).Compare(r.key(&two[1])) == 0 ||
				r.Key == nil && r.compiled.Resolve(two, r.Facts).By == merge.ByEntry
			if tie {
				return &fault{problem: fmt.Sprintf("nothing decides between %s and %s: the greater entry wins, which nobody chose", letter(two[0]), letter(two[1]))}
			}
		}
	}
	return nil
}
