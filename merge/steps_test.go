package merge_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/merge"
	"github.com/google/go-cmp/cmp"
)

// theRule compiles the rule of the field f, with other fields beside it.
func theRule(t testing.TB, lines string, functions merge.Functions) *merge.FieldRules {
	t.Helper()
	return theCollection(t, "c: {fields: {f: "+lines+`, hours: {type: register, of: integer}, when: {type: register, of: timestamp},
    tags: {type: set, of: string}, stock: {type: counter}, on: {type: flag}, remarks: {type: text}, price: {type: register, of: float},
    events: {type: log}, items: {type: map, of: counter}, free: {type: register}, dose: {type: group, of: {mg: integer, unit: string}},
    driver: {type: register, of: string}, now: {type: register, of: string}},
    refs: {driver: driver, now: {collection: driver, at: now}}}`, functions).Field("f")
}

func theCollection(t testing.TB, lines string, functions merge.Functions) *merge.CollectionRules {
	t.Helper()
	p := quietly(t, []byte(`policy: p
version: 1
roles: [chief, doctor, nurse, clerk]
windows: {shift: [{from: 2030-01-01T12:00:00Z, to: 2030-01-01T12:10:00Z}, {from: 2030-01-01T13:00:00Z, to: 2030-01-01T13:10:00Z}]}
collections:
  driver: {fields: {certified: {type: flag}, rating: {type: register, of: integer}, home: {type: group, of: {town: string}}}}
  `+lines+"\n"))
	rules, findings := p.Compile(functions)
	if err := findings.Err(); err != nil {
		t.Fatal(err)
	}
	c, err := rules.Collection("c")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// who is a candidate, by role, minute and value.
func who(n int, role string, minute int, value any) merge.Candidate {
	return merge.Candidate{Value: value, Role: role, Actor: fmt.Sprint(role, n), Stamp: at(minute), Entry: entryOf(n)}
}

func entryOf(n int) crdt.EntryID {
	return crdt.EntryID{Dot: clock.Dot{Origin: clock.Origin{Replica: clock.ReplicaID{byte(n)}, Incarnation: 1}, N: 1}}
}

func with(c merge.Candidate, edit func(c *merge.Candidate)) merge.Candidate {
	edit(&c)
	return c
}

func TestSteps(t *testing.T) {
	length := merge.Functions{"length@1": func(c *merge.Candidate, _ *merge.Facts) merge.Key {
		return merge.KeyOf(merge.Int(int64(len(c.Value.(string)))))
	}}
	senior := func(n int64) func(*merge.Candidate) { return func(c *merge.Candidate) { c.Seniority = n } }
	verdict := func(v crdt.Verdict) func(*merge.Candidate) { return func(c *merge.Candidate) { c.Verdict = v } }
	rated := func(certified bool, rating int64) func(*merge.Candidate) {
		return func(c *merge.Candidate) {
			c.Evidence = map[string]map[string]any{"driver": {"certified": certified, "rating": rating}}
		}
	}
	a, b, c := who(1, "doctor", 1, "a"), who(2, "nurse", 2, "bb"), who(3, "clerk", 3, "c")
	set := []merge.Candidate{a, b, c}
	none := merge.Resolution{Winner: -1, By: merge.ByStep}
	tests := []struct {
		name, rule string
		set        []merge.Candidate
		want       merge.Resolution
	}{
		{"nothing", "{type: register}", nil, merge.Resolution{Winner: -1, Step: -1}},
		{"default", "{type: register}", set, merge.Resolution{Winner: 2, By: merge.ByStep}},
		{"earliest", "{type: register, resolve: [earliest]}", set, merge.Resolution{Winner: 0, By: merge.ByStep}},
		{"authority", "{type: register, resolve: [{authority: [nurse]}, latest]}", set, merge.Resolution{Winner: 1, By: merge.ByStep}},
		{"authority that nobody has", "{type: register, resolve: [{authority: [chief]}, latest]}", set, merge.Resolution{Winner: 2, By: merge.ByStep, Step: 1}},
		{"seniority", "{type: register, resolve: [seniority, latest]}", []merge.Candidate{a, with(b, senior(3)), with(c, senior(2))}, merge.Resolution{Winner: 1, By: merge.ByStep}},
		{"seniority within a role", "{type: register, resolve: [{authority: [doctor]}, seniority, latest]}",
			[]merge.Candidate{with(a, senior(1)), with(b, senior(9)), with(who(4, "doctor", 0, "d"), senior(2))}, merge.Resolution{Winner: 2, By: merge.ByStep, Step: 1}},
		{"within a window", "{type: register, resolve: [{window: shift, authority: [doctor]}, latest]}", set, merge.Resolution{Winner: 0, By: merge.ByStep}},
		{"one outside", "{type: register, resolve: [{window: shift, authority: [doctor]}, latest]}",
			[]merge.Candidate{a, b, who(3, "clerk", 10, "c")}, merge.Resolution{Winner: 2, By: merge.ByStep, Step: 1}},
		{"in two intervals", "{type: register, resolve: [{window: shift, authority: [doctor]}, latest]}",
			[]merge.Candidate{a, who(3, "clerk", 60, "c")}, merge.Resolution{Winner: 1, By: merge.ByStep, Step: 1}},
		{"at its first and last moment", "{type: register, resolve: [{window: shift, authority: [doctor]}, latest]}",
			[]merge.Candidate{who(1, "doctor", 0, "a"), with(who(2, "nurse", 0, "b"), func(c *merge.Candidate) { c.Stamp = at(10) - 1 })}, merge.Resolution{Winner: 0, By: merge.ByStep}},
		{"require", "{type: register, of: string, resolve: [{require: 'size(candidate.value) == 1'}, latest]}", set, merge.Resolution{Winner: 2, By: merge.ByStep, Step: 1}},
		{"require leaves one", "{type: register, of: string, resolve: [{require: 'size(candidate.value) == 2'}, latest]}", set, merge.Resolution{Winner: 1, By: merge.ByStep}},
		{"require leaves none", "{type: register, of: string, resolve: [{require: 'candidate.value == \"\"'}, latest]}", set,
			merge.Resolution{Winner: -1, By: merge.ByStep, Unresolved: true}},
		{"require of a sole one", "{type: register, of: string, resolve: [{require: 'candidate.value == \"\"'}, latest]}", set[:1],
			merge.Resolution{Winner: -1, By: merge.ByStep, Unresolved: true}},
		{"require that a sole one meets", "{type: register, of: string, resolve: [{require: 'candidate.value == \"a\"'}, latest]}", set[:1],
			merge.Resolution{Winner: 0, By: merge.BySole, Step: -1}},
		{"require after the decision", "{type: register, of: string, resolve: [{authority: [nurse]}, {require: 'candidate.value == \"a\"'}, latest]}", set,
			merge.Resolution{Winner: -1, By: merge.ByStep, Step: 1, Unresolved: true}},
		{"rank", "{type: register, of: string, resolve: [{rank: 'size(candidate.value)'}, latest]}", set, merge.Resolution{Winner: 1, By: merge.ByStep}},
		{"rank of evidence", "{type: register, of: string, resolve: [{require: evidence.driver.certified}, {rank: '[evidence.driver.rating]'}, latest]}",
			[]merge.Candidate{with(a, rated(true, 2)), with(b, rated(true, 4)), with(c, rated(false, 9))}, merge.Resolution{Winner: 1, By: merge.ByStep, Step: 1}},
		{"no evidence", "{type: register, of: string, resolve: [{require: evidence.driver.certified}, latest]}", set, merge.Resolution{Winner: -1, By: merge.ByStep, Unresolved: true}},
		{"go", "{type: register, of: string, resolve: [{go: length@1}, latest]}", set, merge.Resolution{Winner: 1, By: merge.ByStep}},
		{"go that is not here", "{type: register, of: string, resolve: [{go: length@2}, latest]}", set, merge.Resolution{Winner: 2, By: merge.ByStep, Step: 1, Provisional: true}},
		{"review", "{type: register, resolve: [{authority: [doctor, nurse]}, review]}", []merge.Candidate{a, who(2, "doctor", 5, "b"), c},
			merge.Resolution{Winner: 1, By: merge.ByStep, Step: 1, Review: true}},
		{"review of what is decided", "{type: register, resolve: [{authority: [doctor, nurse]}, review]}", set, merge.Resolution{Winner: 0, By: merge.ByStep}},
		{"review of a sole one", "{type: register, resolve: [review]}", set[:1], merge.Resolution{Winner: 0, By: merge.BySole, Step: -1}},
		{"no approval", "{type: register, consistency: approved, resolve: [{approve: [chief]}]}", []merge.Candidate{a, with(b, verdict(crdt.Declined))},
			with2(none, func(r *merge.Resolution) { r.Open = true })},
		{"no approval of a sole one", "{type: register, consistency: approved, resolve: [{approve: [chief]}]}", set[:1],
			with2(none, func(r *merge.Resolution) { r.Open = true })},
		{"two approved", "{type: register, consistency: approved, resolve: [{approve: [chief]}]}",
			[]merge.Candidate{with(a, verdict(crdt.Approved)), with(b, verdict(crdt.Approved)), c}, merge.Resolution{Winner: 1, By: merge.ByStep}},
		{"one approved", "{type: register, consistency: approved, resolve: [{approve: [chief]}]}",
			[]merge.Candidate{with(a, verdict(crdt.Approved)), b, c}, merge.Resolution{Winner: 0, By: merge.ByStep}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rule := theRule(t, tt.rule, length)
			if got := rule.Resolve(tt.set, nil); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
			if got := rule.Explain(tt.set, nil).Resolution; got != tt.want {
				t.Errorf("explained as %+v, want %+v", got, tt.want)
			}
			for _, order := range permutations(len(tt.set)) {
				if len(tt.set) == 0 {
					break
				}
				shuffled := make([]merge.Candidate, len(order))
				for i, from := range order {
					shuffled[i] = tt.set[from]
				}
				got := rule.Resolve(shuffled, nil)
				if (got.Winner < 0) != (tt.want.Winner < 0) || got.Winner >= 0 && shuffled[got.Winner].Entry != tt.set[tt.want.Winner].Entry {
					t.Errorf("order %v: got %+v", order, got)
				}
			}
		})
	}
}

func with2(r merge.Resolution, edit func(*merge.Resolution)) merge.Resolution {
	edit(&r)
	return r
}

// A write that another superseded takes no part, unless the field is sticky:
// rank then binds later writers too.
func TestSticky(t *testing.T) {
	doctor, nurse := who(2, "doctor", 1, "5mg"), who(1, "nurse", 2, "7mg")
	doctor.SupersededBy = []clock.Dot{nurse.Entry.Dot}
	set := []merge.Candidate{doctor, nurse}
	const rule = "{type: register, of: string, resolve: [{authority: [doctor, nurse]}"
	tests := []struct {
		name, rule string
		want       merge.Resolution
	}{
		{"informed correction", rule + ", latest]}", merge.Resolution{Winner: 1, By: merge.BySole, Step: -1}},
		{"sticky", rule + ", latest], sticky: true}", merge.Resolution{Winner: 0, By: merge.ByStep}},
		{"a tie", "{type: register, of: string, resolve: [{authority: [chief]}], sticky: true}", merge.Resolution{Winner: 1, By: merge.ByEntry}},
	}
	for _, tt := range tests {
		if got := theRule(t, tt.rule, nil).Resolve(set, nil); got != tt.want {
			t.Errorf("%s: got %+v, want %+v", tt.name, got, tt.want)
		}
	}
	// By way of a write that the first step leaves out: the chief's second counts.
	again := []merge.Candidate{who(9, "chief", 1, "a"), who(2, "nurse", 2, "b"), who(1, "chief", 3, "c")}
	again[0].SupersededBy, again[1].SupersededBy = []clock.Dot{again[1].Entry.Dot}, []clock.Dot{again[2].Entry.Dot}
	if got := theRule(t, tests[2].rule, nil).Resolve(again, nil); got.Winner != 2 {
		t.Errorf("by way of another: got %+v", got)
	}
	// Two writes that name each other are of no honest making; all stay.
	nurse.SupersededBy = []clock.Dot{doctor.Entry.Dot}
	if got := theRule(t, rule+", latest]}", nil).Resolve([]merge.Candidate{doctor, nurse}, nil); got.Winner != 0 {
		t.Errorf("a ring: got %+v", got)
	}
}

// A function sees all that are left, in canonical order, and the facts.
func TestFunctionsSeeTheSet(t *testing.T) {
	rule := theRule(t, "{type: register, resolve: [{authority: [doctor, nurse]}, {go: first@1}, latest]}", merge.Functions{
		"first@1": func(c *merge.Candidate, f *merge.Facts) merge.Key {
			return merge.KeyOf(merge.Bool(f.Candidates[0].Entry == c.Entry && len(f.Candidates) == 2 && f.Base == "base"))
		},
	})
	set := []merge.Candidate{who(3, "nurse", 1, "c"), who(2, "doctor", 2, "b"), who(1, "doctor", 1, "a")}
	if got := rule.Resolve(set, facts()); got.Winner != 2 || got.Step != 1 {
		t.Errorf("got %+v", got)
	}
}

// Explain says whom each step was asked about, with the keys that it found.
func TestExplain(t *testing.T) {
	rule := theRule(t, "{type: register, of: string, resolve: [{authority: [doctor, nurse]}, {rank: '[size(candidate.value), 10 / (size(candidate.value) - 3)]'}, latest]}", nil)
	set := []merge.Candidate{who(1, "doctor", 1, "E11"), who(2, "doctor", 2, "E11.9"), who(3, "nurse", 3, "E11.65"), who(4, "doctor", 0, "E10.9")}
	x := rule.Explain(set, nil)
	var b strings.Builder
	for _, s := range x.Steps {
		fmt.Fprintf(&b, "%d %v\n", s.Index, s.Step.Do)
		for _, j := range s.Judgements {
			fmt.Fprintf(&b, "  %v %v %v %s\n", set[j.Candidate].Value, j.Key, j.Kept, j.Fault)
		}
	}
	want := `0 authority
  E11 (0) true 
  E11.9 (0) true 
  E11.65 (-1) false 
  E10.9 (0) true 
1 rank
  E11 () false merge: expression: division by zero
  E11.9 (5, 5) true 
  E10.9 (5, 5) true 
2 latest
  E11.9 (2030-01-01T12:02:00.000Z+0) true 
  E10.9 (2030-01-01T12:00:00.000Z+0) false 
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("explanation (-want +got):\n%s", diff)
	}
	if x.Winner != 1 || x.By != merge.ByStep || x.Step != 2 {
		t.Errorf("got %+v", x.Resolution)
	}
}

// What a nurse wrote after the doctor, and knowing it, is not shown in a sticky
// field; the doctor's next word is.
func TestViewOfStickyField(t *testing.T) {
	rules := theCollection(t, "c: {fields: {dose: {type: register, of: integer, resolve: [{authority: [doctor, nurse]}, latest], sticky: true}}}", nil)
	office, tablet := newDevice(1), newDevice(2)
	office.versioned, tablet.versioned = rules.Field("dose").Versioned(), rules.Field("dose").Versioned()
	five := office.set(t, doctor, at(1), 5)
	tablet.receive(t, five)
	seven := tablet.set(t, nurse, at(2), 7)
	office.receive(t, seven)
	three := office.set(t, doctor, at(3), 3)
	for _, tt := range []struct {
		changes    [][]byte
		want       int64
		candidates int
	}{{[][]byte{five}, 5, 1}, {[][]byte{five, seven}, 5, 2}, {[][]byte{five, seven, three}, 3, 3}} {
		for _, order := range permutations(len(tt.changes)) {
			d := inOrder(t, tt.changes, order)
			f, _ := merge.View(&d.rec, rules).Field("dose")
			if f.Value != tt.want || len(f.Candidates) != tt.candidates || f.Concurrent {
				t.Errorf("order %v: got %v of %d candidates, concurrent %v; want %d of %d", order, f.Value, len(f.Candidates), f.Concurrent, tt.want, tt.candidates)
			}
		}
	}
}

// A proposal shows the latest that was approved.
func TestViewOfProposals(t *testing.T) {
	d := newDevice(1)
	var first, second crdt.EntryID
	propose := func(v int) (id crdt.EntryID) {
		d.write(t, nurse, at(v), nil, func(e *crdt.RecordEditor) { id, _ = e.Proposal("f").Propose(v) })
		return id
	}
	first, second = propose(1), propose(2)
	decide := func(id crdt.EntryID, approve bool) {
		d.write(t, chief, at(10), nil, func(e *crdt.RecordEditor) { _ = e.Proposal("f").Decide(id, approve) })
	}
	rules := theCollection(t, "c: {fields: {f: {type: proposal, of: integer, consistency: approved, resolve: [{approve: [chief]}]}}}", nil)
	show := func(want any, open bool) {
		t.Helper()
		for _, r := range []*merge.CollectionRules{rules, nil} {
			f, _ := merge.View(&d.rec, r).Field("f")
			if f.Value != want || f.Resolution.Open != open || len(f.Candidates) != 2 {
				t.Errorf("got %v of %+v, want %v", f.Value, f.Resolution, want)
			}
		}
	}
	show(nil, true)
	decide(first, true)
	show(int64(1), false)
	decide(second, true)
	show(int64(2), false)
	decide(second, false)
	show(int64(1), false)
}

// A rule reads what other fields show, whatever the order of their names.
func TestRuleReadsOtherFields(t *testing.T) {
	rules := theCollection(t, `c:
    fields:
      a: {type: register, of: integer, resolve: [{require: candidate.value <= record.b}, latest]}
      b: {type: register, of: integer, resolve: [{rank: "[candidate.value * record.c]"}, latest]}
      c: {type: register, of: integer, resolve: [earliest]}`, nil)
	x, y := newDevice(1), newDevice(2)
	set := func(d *device, minute int, a, b, c int) []byte {
		return d.write(t, nurse, at(minute), nil, func(e *crdt.RecordEditor) {
			_ = e.Register("a").Set(a)
			_ = e.Register("b").Set(b)
			_ = e.Register("c").Set(c)
		})
	}
	one, two := set(x, 1, 4, 5, 1), set(y, 2, 6, 3, -1)
	for _, order := range permutations(2) {
		d := inOrder(t, [][]byte{one, two}, order)
		want := map[string]any{"a": int64(4), "b": int64(5), "c": int64(1)}
		v := merge.View(&d.rec, rules)
		if diff := cmp.Diff(want, v.Values()); diff != "" {
			t.Errorf("order %v (-want +got):\n%s", order, diff)
		}
		for _, f := range v.Fields {
			if got := rules.Field(f.Name).Explain(f.Candidates, v.Facts()); got.Resolution != f.Resolution || len(got.Steps) == 0 {
				t.Errorf("order %v: %s is explained as %+v, and shown by %+v", order, f.Name, got.Resolution, f.Resolution)
			}
		}
	}
}

// The first moment of the next hour is in no interval of the one before.
func TestIntervalsAreHalfOpen(t *testing.T) {
	rule := theRule(t, "{type: register, resolve: [{window: shift, authority: [doctor]}, latest]}", nil)
	for minute, want := range map[int]int{-1: 1, 0: 0, 9: 0, 10: 1, 59: 1, 60: 0, 69: 0, 70: 1} {
		stamp := clock.NewStamp(noon.Time().Add(time.Duration(minute)*time.Minute), 0)
		set := []merge.Candidate{who(1, "doctor", 0, "d"), who(2, "nurse", 0, "n")}
		set[0].Stamp, set[1].Stamp = stamp, stamp.Next()
		if got := rule.Resolve(set, nil).Winner; got != want {
			t.Errorf("minute %d: got %d, want %d", minute, got, want)
		}
	}
}
