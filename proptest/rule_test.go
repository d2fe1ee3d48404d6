package proptest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/merge"
)

// value is the number that a candidate writes.
func value(c *merge.Candidate) int64 { return c.Value.(int64) }

func TestSoundRulesKeepEveryLaw(t *testing.T) {
	roles := []string{"doctor", "nurse"}
	for _, p := range []Rule{
		{Name: "latest", Steps: []merge.Step{merge.Latest}, Complete: true},
		{Name: "authority", Steps: []merge.Step{merge.Authority(roles...), merge.Latest}, Roles: roles, Complete: true},
		{Name: "greatest", Key: func(c *merge.Candidate, _ *merge.Facts) merge.Key { return merge.KeyOf(merge.Int(value(c))) }, Complete: true},
		{Name: "in an order", Less: func(a, b *merge.Candidate) bool { return value(a) < value(b) }},
		{Name: "the greater of two", Fold: func(a, b merge.Candidate) merge.Candidate {
			if value(&a) > value(&b) {
				return a
			}
			return b
		}},
		{Name: "the sum", Show: func(set []merge.Candidate) any {
			sum := int64(0)
			for i := range set {
				sum += value(&set[i])
			}
			return sum
		}},
	} {
		t.Run(p.Name, func(t *testing.T) { RunRule(t, p, Options{}) })
	}
}

// TestRuleLawsHaveTeeth plants a fault for every law about rules.
func TestRuleLawsHaveTeeth(t *testing.T) {
	asked, highest, locale := int64(0), int64(0), "en"
	zones := []any{time.Date(2030, 1, 1, 23, 0, 0, 0, time.UTC), time.Date(2030, 1, 2, 1, 0, 0, 0, time.UTC)}
	tables := []any{map[string]any{"a": int64(1), "b": int64(2)}, map[string]any{"a": int64(2), "c": int64(1)}}
	planted := []struct {
		law  string
		rule Rule
	}{
		{"pure", Rule{Name: "counts how often it was asked", Show: func(set []merge.Candidate) any {
			asked++
			return set[int(asked)%len(set)].Value
		}}},
		{"pure", Rule{Name: "reads a zone", Values: zones, Show: func(set []merge.Candidate) any {
			day := 0
			for _, c := range set {
				day = max(day, c.Value.(time.Time).Day())
			}
			return day
		}}},
		{"pure", Rule{Name: "ranges over a map", Values: tables, Show: func(set []merge.Candidate) any {
			for name := range set[0].Value.(map[string]any) {
				return name
			}
			return nil
		}}},
		{"pure", Rule{Name: "sorts what it was given", Show: func(set []merge.Candidate) any {
			slices.SortFunc(set, func(a, b merge.Candidate) int { return int(value(&a) - value(&b)) })
			return set[0].Value
		}}},
		{"pure", Rule{Name: "reads a locale", Values: []any{"i", "y"},
			Show: func(set []merge.Candidate) any {
				if locale == "tr" {
					return strings.ToUpper(set[0].Value.(string)) + "̇"
				}
				return strings.ToUpper(set[0].Value.(string))
			},
			Surroundings: []Surrounding{{Name: "a Turkish locale", Enter: func() func() {
				locale = "tr"
				return func() { locale = "en" }
			}}}}},
		{"whole set", Rule{Name: "the first wins", Show: func(set []merge.Candidate) any { return set[0].Value }}},
		{"whole set", Rule{Name: "pairwise average", Fold: average}},
		{"fold", Rule{Name: "pairwise average", Fold: average}},
		{"key of the candidate", Rule{Name: "a key that counts", Key: func(*merge.Candidate, *merge.Facts) merge.Key {
			asked++
			return merge.KeyOf(merge.Int(asked))
		}}},
		{"key of the candidate", Rule{Name: "a key that remembers what it was asked", Key: func(c *merge.Candidate, _ *merge.Facts) merge.Key {
			highest = max(highest, value(c))
			return merge.KeyOf(merge.Int(value(c) - highest))
		}}},
		{"one order", Rule{Name: "rock, paper, scissors", Values: []any{"rock", "paper", "scissors"}, Less: func(a, b *merge.Candidate) bool {
			beats := map[any]any{"rock": "scissors", "scissors": "paper", "paper": "rock"}
			return beats[b.Value] == a.Value
		}}},
		{"one order", Rule{Name: "the newer, unless it is nearly as new", Less: func(a, b *merge.Candidate) bool {
			if apart := b.Stamp.Time().Sub(a.Stamp.Time()); apart.Abs() > time.Minute {
				return apart > 0
			}
			return value(a) < value(b)
		}}},
		{"complete", Rule{Name: "authority alone", Steps: []merge.Step{merge.Authority("doctor")}, Roles: []string{"doctor", "nurse"}, Complete: true}},
		{"complete", Rule{Name: "a key of the role", Roles: []string{"doctor", "nurse"}, Complete: true,
			Key: func(c *merge.Candidate, _ *merge.Facts) merge.Key { return merge.KeyOf(merge.Text(c.Role)) }}},
	}
	seen := map[string]bool{}
	for _, p := range planted {
		seen[p.law] = true
		t.Run(p.law+" sees "+p.rule.Name, func(t *testing.T) {
			if err := p.rule.prepare(); err != nil {
				t.Fatal(err)
			}
			for _, l := range p.rule.laws() {
				if l.name != p.law {
					continue
				}
				f, ok := errors.AsType[*Failure](l.search(&p.rule, Options{Histories: withinHistories}.withDefaults()))
				if !ok {
					t.Fatalf("%d sets found nothing", withinHistories)
				}
				t.Logf("found at set %d of %d, with %d candidates", f.History, withinHistories, len(f.Trace))
				if len(f.Trace) > 4 {
					t.Errorf("the simplest case has %d candidates:\n%v", len(f.Trace), f)
				}
			}
		})
	}
	for _, l := range (&Rule{}).laws() {
		if !seen[l.name] {
			t.Errorf("no broken rule shows that the law %q can fail", l.name)
		}
	}
}

func average(a, b merge.Candidate) merge.Candidate {
	a.Value = (value(&a) + value(&b)) / 2
	return a
}

func TestPolicyWithOpenCases(t *testing.T) {
	policy := func(steps ...merge.Step) *merge.Policy {
		return &merge.Policy{Roles: []string{"doctor", "nurse", "clerk"}, Collections: map[string]merge.Collection{
			"medication": {Fields: map[string]merge.FieldRule{
				"dose": {Type: crdt.TypeRegister, Of: merge.Integer, Resolve: steps, Write: []string{"doctor", "nurse"}},
				"note": {Type: crdt.TypeText},
			}},
		}}
	}
	for _, steps := range [][]merge.Step{
		nil,
		{merge.Authority("doctor", "nurse"), merge.Latest},
		{merge.Authority("doctor", "nurse"), merge.Review},
		{merge.Approve("doctor")},
		{merge.Require("candidate.value < 5"), merge.Rank("candidate.value"), merge.Earliest},
	} {
		if err := CheckPolicy(policy(steps...), nil, Options{}); err != nil {
			t.Errorf("%v: got %v, want none", steps, err)
		}
	}
	err := CheckPolicy(policy(merge.Authority("doctor", "nurse")), nil, Options{})
	open, ok := errors.AsType[*UndecidedError](err)
	if !ok || open.Collection != "medication" || open.Field != "dose" || open.Roles != [2]string{"doctor", "doctor"} {
		t.Fatalf("got %v", err)
	}
	if n := strings.Count(err.Error(), "nothing decides"); n != 2 {
		t.Errorf("got %d open cases, want 2: two doctors, two nurses\n%v", n, err)
	}
}

func ExampleCheckPolicy() {
	fmt.Println(CheckPolicy(&merge.Policy{
		Roles: []string{"doctor", "nurse"},
		Collections: map[string]merge.Collection{"medication": {Fields: map[string]merge.FieldRule{
			"dose": {Type: crdt.TypeRegister, Write: []string{"doctor", "nurse"}, Resolve: []merge.Step{merge.Authority("doctor", "nurse")}},
		}}},
	}, nil, Options{}))
	// Output:
	// proptest: medication.dose: nothing decides between a doctor and a doctor, so the greater entry wins; end the steps with latest, earliest or review
	// proptest: medication.dose: nothing decides between a nurse and a nurse, so the greater entry wins; end the steps with latest, earliest or review
}
