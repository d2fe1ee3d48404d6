package proptest

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/merge"
)

// Policy describes a merge rule: what decides between the candidates of a
// register. It has one of Steps, Key, Less, Fold and Show.
//
// Only Steps and Key make rules that converge by their form. The others are how
// conflict handlers are written elsewhere; the laws find out whether one happens
// to be sound.
type Policy struct {
	Name string

	// Steps are those of a policy. They may name any roles.
	Steps []merge.Step
	// Key gives a candidate its key; the greatest wins, ties go to the greater
	// entry. It follows from the candidate alone, unless WholeSet says that it may
	// read set, which holds all candidates in canonical order.
	Key      func(c *merge.Candidate, set []merge.Candidate) merge.Key
	WholeSet bool
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

	// Complete asks that a rule of Steps or Key leaves nothing to the entry: of
	// two candidates with different values, written at different times, it says
	// which wins.
	Complete bool
	// Surroundings are what the rule must not notice.
	Surroundings []Surrounding
	// Invariants are what must hold of whatever is shown.
	Invariants []PolicyInvariant

	rules *merge.FieldRules // Steps, compiled
}

// Surrounding is something of the device that a rule must not notice: a locale,
// a time zone, a configuration. The rule is asked within it and without.
type Surrounding struct {
	Name string
	// Enter sets it up, and returns what takes it down.
	Enter func() (leave func())
}

// PolicyInvariant is something that must hold of a rule: "a nurse never overrules
// a doctor".
type PolicyInvariant struct {
	Name string
	// Holds returns what is wrong with showing a value for the candidates, nil if
	// nothing is.
	Holds func(set []merge.Candidate, shown any) error
}

// show is what the policy shows for candidates as they come.
func (p *Policy) show(set []merge.Candidate) any {
	if len(set) == 0 {
		return nil
	}
	switch {
	case p.Show != nil:
		return p.Show(set)
	case p.Key != nil:
		return set[p.greatest(set)].Value
	case p.Less != nil:
		best := &set[0]
		for i := range set {
			if p.Less(best, &set[i]) {
				best = &set[i]
			}
		}
		return best.Value
	case p.Fold != nil:
		one := set[0]
		for _, c := range set[1:] {
			one = p.Fold(one, c)
		}
		return one.Value
	}
	return set[p.rules.Resolve(set, nil).Winner].Value
}

// canonical is the set in the order in which a key may look at it.
func canonicalSet(set []merge.Candidate) []merge.Candidate {
	return slices.SortedFunc(slices.Values(set), func(a, b merge.Candidate) int { return a.Compare(&b) })
}

func (p *Policy) greatest(set []merge.Candidate) int {
	whole := canonicalSet(set)
	best := 0
	for i := range set {
		d := p.Key(&set[i], whole).Compare(p.Key(&set[best], whole))
		if d > 0 || d == 0 && set[i].Compare(&set[best]) > 0 {
			best = i
		}
	}
	return best
}

// validate finds what is wrong with the description, and makes it ready.
func (p *Policy) validate() error {
	var faults []error
	n := 0
	for _, is := range []bool{p.Steps != nil, p.Key != nil, p.Less != nil, p.Fold != nil, p.Show != nil} {
		if is {
			n++
		}
	}
	if n != 1 {
		faults = append(faults, fmt.Errorf("proptest: policy %q has %d of Steps, Key, Less, Fold and Show; give one", p.Name, n))
	}
	if p.Steps != nil {
		rules, findings := merge.CompileRule(merge.FieldRule{Type: crdt.TypeRegister, Resolve: p.Steps}, nil)
		if err := findings.Err(); err != nil {
			faults = append(faults, fmt.Errorf("proptest: policy %q: %w", p.Name, err))
		}
		p.rules = rules
	}
	if p.Complete && p.Steps == nil && p.Key == nil {
		faults = append(faults, fmt.Errorf("proptest: policy %q: Complete is about Steps or a Key", p.Name))
	}
	for _, v := range p.Invariants {
		if v.Holds == nil {
			faults = append(faults, fmt.Errorf("proptest: policy %q: invariant %q has no Holds", p.Name, v.Name))
		}
	}
	for _, s := range p.Surroundings {
		if s.Enter == nil {
			faults = append(faults, fmt.Errorf("proptest: policy %q: surrounding %q has no Enter", p.Name, s.Name))
		}
	}
	return errors.Join(faults...)
}

// CheckPolicy checks that a rule shows one thing for one set of candidates: pure,
// whole set, key of the candidate, one order, complete, and each of the policy's
// invariants.
//
// It returns nil, or a [*Failure] for each law that is broken, joined. Other
// errors say what is wrong with the description or the options. Of the options,
// Histories is the number of candidate sets for each law.
//
// A law asks the rule some 10 to 200 times for each set of up to five candidates.
func CheckPolicy(p Policy, o Options) error {
	if err := errors.Join(p.validate(), o.Validate()); err != nil {
		return err
	}
	o = o.withDefaults()
	var faults []error
	for _, l := range p.laws() {
		if l.applies {
			faults = append(faults, l.search(&p, o))
		}
	}
	return errors.Join(faults...)
}

// RunPolicy is [CheckPolicy] with a subtest for each law.
func RunPolicy(tb *testing.T, p Policy, o Options) {
	tb.Helper()
	if err := errors.Join(p.validate(), o.Validate()); err != nil {
		tb.Fatal(err)
	}
	o = o.withDefaults()
	for _, l := range p.laws() {
		if !l.applies {
			continue
		}
		tb.Run(l.name, func(tb *testing.T) {
			if err := l.search(&p, o); err != nil {
				tb.Error(err)
			}
		})
	}
}
