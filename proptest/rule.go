package proptest

import (
	"errors"
	"fmt"
	"testing"

	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/merge"
)

// Rule describes a merge rule: what decides between the candidates of a
// register. It has one of Steps, Key, Less, Fold and Show.
//
// Only Steps and Key make rules that converge by their form. The others are how
// conflict handlers are written elsewhere; the laws find out whether one happens
// to be sound.
type Rule struct {
	Name string

	// Steps are those of a policy. They may name any roles, and the functions of
	// Functions.
	Steps     []merge.Step
	Functions merge.Functions
	// Key gives a candidate its key; the greatest wins, ties go to the greater
	// entry. It follows from the candidate and the facts.
	Key merge.Function
	// Less reports whether b is to be preferred to a.
	Less func(a, b *merge.Candidate) bool
	// Fold makes one candidate of two, as they come.
	Fold func(a, b merge.Candidate) merge.Candidate
	// Show gives what is shown for candidates that come in any order.
	Show func(set []merge.Candidate) any

	// Values and Roles are what candidates are drawn from. Without any, values are
	// numbers and there is one role.
	Values []any
	Roles  []string
	// Draw, when not nil, makes a candidate. Its entry is set afterwards.
	Draw func(c *Call) merge.Candidate
	// Facts are what Steps and Key may read beside the candidates.
	Facts *merge.Facts

	// Complete asks that a rule of Steps or Key leaves nothing to the entry: of
	// two candidates with different values, written at different times, it says
	// which wins.
	Complete bool
	// Surroundings are what the rule must not notice.
	Surroundings []Surrounding
	// Invariants are what must hold of whatever is shown.
	Invariants []RuleInvariant

	compiled *merge.FieldRules // Steps
}

// Surrounding is something of the device that a rule must not notice: a locale,
// a time zone, a configuration. The rule is asked within it and without.
type Surrounding struct {
	Name string
	// Enter sets it up, and returns what takes it down.
	Enter func() (leave func())
}

// RuleInvariant is something that must hold of a rule: "a nurse never overrules a
// doctor".
type RuleInvariant struct {
	Name string
	// Holds returns what is wrong with showing a value for the candidates, nil if
	// nothing is.
	Holds func(set []merge.Candidate, shown any) error
}

// show is what the rule shows for candidates as they come.
func (r *Rule) show(set []merge.Candidate) any {
	if len(set) == 0 {
		return nil
	}
	switch {
	case r.Show != nil:
		return r.Show(set)
	case r.Key != nil:
		return set[r.greatest(set)].Value
	case r.Less != nil:
		best := &set[0]
		for i := range set {
			if r.Less(best, &set[i]) {
				best = &set[i]
			}
		}
		return best.Value
	case r.Fold != nil:
		one := set[0]
		for _, c := range set[1:] {
			one = r.Fold(one, c)
		}
		return one.Value
	}
	if i := r.compiled.Resolve(set, r.Facts).Winner; i >= 0 {
		return set[i].Value
	}
	return nil // undecided: nothing is shown
}

// key is what Key gives. No facts are a record of which nothing is known.
func (r *Rule) key(c *merge.Candidate) merge.Key {
	facts := r.Facts
	if facts == nil {
		facts = &merge.Facts{}
	}
	return r.Key(c, facts)
}

func (r *Rule) greatest(set []merge.Candidate) int {
	best := 0
	for i := range set {
		d := r.key(&set[i]).Compare(r.key(&set[best]))
		if d > 0 || d == 0 && set[i].Compare(&set[best]) > 0 {
			best = i
		}
	}
	return best
}

// prepare finds what is wrong with the description, and makes it ready.
func (r *Rule) prepare() error {
	var faults []error
	fault := func(broken bool, format string, args ...any) {
		if broken {
			faults = append(faults, fmt.Errorf("proptest: rule %q: "+format, append([]any{r.Name}, args...)...))
		}
	}
	n := 0
	for _, is := range []bool{r.Steps != nil || r.compiled != nil, r.Key != nil, r.Less != nil, r.Fold != nil, r.Show != nil} {
		if is {
			n++
		}
	}
	fault(n != 1, "it has %d of Steps, Key, Less, Fold and Show; give one", n)
	if r.Steps != nil {
		compiled, findings := merge.CompileRule(merge.FieldRule{Type: crdt.TypeRegister, Resolve: r.Steps}, r.Functions)
		err := findings.Err()
		fault(err != nil, "%w", err)
		r.compiled = compiled
	}
	fault(r.Complete && r.compiled == nil && r.Key == nil, "Complete is about Steps or a Key")
	for _, v := range r.Invariants {
		fault(v.Holds == nil, "invariant %q has no Holds", v.Name)
	}
	for _, s := range r.Surroundings {
		fault(s.Enter == nil, "surrounding %q has no Enter", s.Name)
	}
	return errors.Join(faults...)
}

// CheckRule checks that a rule shows one thing for one set of candidates: pure,
// whole set, key of the candidate, one order, fold, complete, and each of the
// rule's invariants.
//
// It returns nil, or a [*Failure] for each law that is broken, joined. Other
// errors say what is wrong with the description or the options. Of the options,
// Histories is the number of candidate sets for each law.
//
// A law asks the rule some 10 to 200 times for each set of up to five candidates.
func CheckRule(r Rule, o Options) error {
	if err := errors.Join(r.prepare(), o.Validate()); err != nil {
		return err
	}
	return r.check(o.withDefaults())
}

func (r *Rule) check(o Options) error {
	var faults []error
	for _, l := range r.laws() {
		if l.applies {
			faults = append(faults, l.search(r, o))
		}
	}
	return errors.Join(faults...)
}

// RunRule is [CheckRule] with a subtest for each law.
func RunRule(tb *testing.T, r Rule, o Options) {
	tb.Helper()
	if err := errors.Join(r.prepare(), o.Validate()); err != nil {
		tb.Fatal(err)
	}
	o = o.withDefaults()
	for _, l := range r.laws() {
		if !l.applies {
			continue
		}
		tb.Run(l.name, func(tb *testing.T) {
			report(tb, l.search(&r, o))
		})
	}
}
