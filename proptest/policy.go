package proptest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/merge"
	"github.com/concord-crdt/concord/proptest/scenario"
)

// UndecidedError is a case that a decision matrix leaves open: concurrent writes
// of one field, by authors of two roles, between which no step decides.
type UndecidedError struct {
	Collection, Field string
	Roles             [2]string
}

// Error says which case, and what to do.
func (e *UndecidedError) Error() string {
	return fmt.Sprintf("proptest: %s.%s: nothing decides between %s and %s, so the greater entry wins; end the steps with latest, earliest or review",
		e.Collection, e.Field, role(e.Roles[0]), role(e.Roles[1]))
}

func role(name string) string {
	if name == "" {
		return "an author without a role"
	}
	return "a " + name
}

// CheckPolicy checks the rules of every register, group and map of a policy, as
// [CheckRule] does, with candidates by each role that may write the field; and
// that the decision matrix is complete: for each pair of these roles, and each
// order of their writes, something decides that the policy's owner chose.
//
// It returns nil, or all of these, joined: [*UndecidedError] for a case that is
// left open, [*Failure] for a rule that breaks a law, and the findings of
// [merge.Policy.Compile] that are errors. Functions that the policy names and
// functions lacks are left out of the rules, as everywhere.
//
// It is O(fields · (roles² + [Options.Histories])).
func CheckPolicy(p *merge.Policy, functions merge.Functions, o Options) error {
	if err := o.Validate(); err != nil {
		return err
	}
	o = o.withDefaults()
	compiled, findings := p.Compile(functions)
	if err := findings.Err(); err != nil || p == nil {
		return err
	}
	var faults []error
	for _, collection := range slices.Sorted(maps.Keys(p.Collections)) {
		rules, err := compiled.Collection(collection)
		if err != nil {
			faults = append(faults, fmt.Errorf("proptest: %w", err))
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(rules.Collection().Fields)) {
			faults = append(faults, checkField(collection, name, rules.Field(name), p.Roles, o))
		}
	}
	return errors.Join(faults...)
}

func checkField(collection, name string, f *merge.FieldRules, roles []string, o Options) error {
	rule := f.Rule()
	switch rule.Type {
	case crdt.TypeRegister, crdt.TypeGroup, crdt.TypeMap:
	default:
		return nil
	}
	writers := rule.Write
	if len(writers) == 0 {
		writers = slices.Concat(roles, []string{""})
	}
	var faults []error
	for i, a := range writers {
		for _, b := range writers[i:] {
			if !decides(f, a, b) {
				faults = append(faults, &UndecidedError{collection, name, [2]string{a, b}})
			}
		}
	}
	r := Rule{Name: collection + "." + name, Roles: writers, compiled: f}
	for v := range 9 {
		r.Values = append(r.Values, example(rule, v))
	}
	return errors.Join(append(faults, r.check(o))...)
}

// example is the n-th value that a field may have.
func example(rule *merge.FieldRule, n int) any {
	if rule.Type != crdt.TypeGroup {
		return exampleOf(rule.Of, n)
	}
	group := map[string]any{}
	for name, kind := range rule.Members {
		group[name] = exampleOf(kind, n)
	}
	return group
}

func exampleOf(k merge.Kind, n int) any {
	switch k {
	case merge.String:
		return string(rune('a' + n))
	case merge.Boolean:
		return n%2 == 1
	case merge.Float:
		return float64(n) + 0.5
	case merge.Timestamp:
		return scenario.Start.Add(time.Duration(n) * time.Hour)
	}
	return int64(n)
}

// decides reports whether a rule chooses between writes of two roles, whichever is
// the later and whichever has the greater entry.
func decides(f *merge.FieldRules, a, b string) bool {
	for order := range 4 {
		set := []merge.Candidate{
			{Value: example(f.Rule(), 0), Actor: "a", Role: a},
			{Value: example(f.Rule(), 1), Actor: "b", Role: b},
		}
		set[order&1].Stamp = clock.NewStamp(scenario.Start, 0)
		set[1-order&1].Stamp = clock.NewStamp(scenario.Start.Add(time.Hour), 0)
		for i := range set {
			set[i].Entry.Dot = clock.Dot{Origin: newReplica(i ^ order>>1).Origin(), N: 1}
		}
		if f.Resolve(set, nil).By == merge.ByEntry {
			return false
		}
	}
	return true
}
