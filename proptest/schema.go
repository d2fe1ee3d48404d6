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

// CheckSchema reports every case that the rules of a policy leave open: for each
// register, group or map, each pair of roles that may write it, and each order of
// their writes. The errors are of type [*UndecidedError] and those of
// [merge.Policy.Validate], joined.
//
// It is O(fields · roles²).
func CheckSchema(s *merge.Policy) error {
	faults := []error{s.Validate().Err()}
	for _, collection := range slices.Sorted(maps.Keys(s.Collections)) {
		fields := s.Collections[collection].Fields
		for _, name := range slices.Sorted(maps.Keys(fields)) {
			rule := fields[name]
			switch rule.Type {
			case crdt.TypeRegister, crdt.TypeGroup, crdt.TypeMap:
			default:
				continue
			}
			rules, findings := merge.CompileRule(rule, nil)
			if findings.Err() != nil {
				continue // it is among the findings of the whole
			}
			roles := rule.Write
			if len(roles) == 0 {
				roles = slices.Concat(s.Roles, []string{""})
			}
			for i, a := range roles {
				for _, b := range roles[i:] {
					if !decides(rules, a, b) {
						faults = append(faults, &UndecidedError{collection, name, [2]string{a, b}})
					}
				}
			}
		}
	}
	return errors.Join(faults...)
}

// decides reports whether a rule chooses between writes of two roles, whichever is
// the later and whichever has the greater entry.
func decides(rules *merge.FieldRules, a, b string) bool {
	for order := range 4 {
		set := []merge.Candidate{{Value: int64(1), Actor: "a", Role: a}, {Value: int64(2), Actor: "b", Role: b}}
		set[order&1].Stamp = clock.NewStamp(scenario.Start, 0)
		set[1-order&1].Stamp = clock.NewStamp(scenario.Start.Add(time.Hour), 0)
		for i := range set {
			set[i].Entry.Dot = clock.Dot{Origin: newReplica(i ^ order>>1).Origin(), N: 1}
		}
		if rules.Resolve(set, nil).By == merge.ByEntry {
			return false
		}
	}
	return true
}
