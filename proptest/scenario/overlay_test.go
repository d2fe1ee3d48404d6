package scenario_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-crdt/concord/proptest/scenario"
)

// policyOpener opens worlds whose replicas answer everything about records from
// a table, and write down what is written.
type policyOpener struct {
	naiveOpener
	answers answers
	writes  []string
	wall    []string
	refuse  bool
}

type answers struct {
	view        map[string]map[string]any
	visible     map[string]bool
	overlay     scenario.Overlay
	explain     string
	provisional bool
	without     string
}

func (*policyOpener) Capabilities() []scenario.Capability {
	return []scenario.Capability{scenario.CanRule}
}

func (o *policyOpener) Open(s scenario.Setup) (scenario.World, error) {
	w, err := o.naiveOpener.Open(s)
	if s.Policy != nil {
		o.writes = append(o.writes, fmt.Sprintf("open json=%v %s", s.Policy.JSON, s.Policy.Text))
	}
	return policyWorld{naiveWorld: w.(*naiveWorld), o: o}, err
}

type policyWorld struct {
	*naiveWorld
	o *policyOpener
}

func (w policyWorld) Replica(name string) scenario.Replica {
	return policyReplica{naive: w.replicas[name], o: w.o, name: name}
}

type policyReplica struct {
	*naive
	o    *policyOpener
	name string
}

var _ scenario.PolicyReplica = policyReplica{}

func (r policyReplica) write(a scenario.Author, format string, args ...any) (scenario.Change, error) {
	if r.o.refuse {
		return "", errors.New("not entitled")
	}
	r.o.writes = append(r.o.writes, fmt.Sprintf("%s: ", r.name)+fmt.Sprintf(format, args...)+fmt.Sprintf(" by %v", a))
	return scenario.Change(fmt.Sprintf("w%d", len(r.o.writes))), nil
}

func (r policyReplica) SetWall(t time.Time) {
	if !t.Equal(scenario.Start) {
		r.o.wall = append(r.o.wall, r.name+" "+t.Format(time.TimeOnly))
	}
}

func (r policyReplica) Edit(a scenario.Author, e scenario.Edit) (scenario.Change, error) {
	return r.write(a, "edit %s %s %v %T%v", e.Record, e.Field, e.Path, e.Op, e.Op)
}

func (r policyReplica) Create(a scenario.Author, record, parent string) (scenario.Change, error) {
	return r.write(a, "create %s under %q", record, parent)
}

func (r policyReplica) Delete(a scenario.Author, record string) (scenario.Change, error) {
	return r.write(a, "delete %s", record)
}

func (r policyReplica) Resolve(a scenario.Author, d scenario.Resolution) (scenario.Change, error) {
	return r.write(a, "resolve %v", d)
}

func (r policyReplica) Decide(a scenario.Author, v scenario.Verdict) (scenario.Change, error) {
	return r.write(a, "decide %+v", v)
}

func (r policyReplica) Activate(a scenario.Author, p scenario.Policy) (scenario.Change, error) {
	return r.write(a, "activate json=%v %s", p.JSON, p.Text)
}

func (r policyReplica) BulkCreate(a scenario.Author, b scenario.Bulk) error {
	_, err := r.write(a, "bulk %+v", b)
	return err
}

func (r policyReplica) Token(a scenario.Author, record string) (scenario.Token, error) {
	return "seen:" + record, nil
}

func (r policyReplica) View(record string) (map[string]any, error) {
	return r.o.answers.view[record], nil
}

func (r policyReplica) Visible(record string) (bool, error) { return r.o.answers.visible[record], nil }

func (r policyReplica) VisibleIn(collection string) (int, error) {
	n := 0
	for record, visible := range r.o.answers.visible {
		if visible && strings.HasPrefix(record, collection+"/") {
			n++
		}
	}
	return n, nil
}

func (r policyReplica) Overlay() (scenario.Overlay, error)           { return r.o.answers.overlay, nil }
func (r policyReplica) Explain(record, field string) (string, error) { return r.o.answers.explain, nil }
func (r policyReplica) Provisional() (bool, error)                   { return r.o.answers.provisional, nil }
func (r policyReplica) DigestWithoutPolicy() (string, error)         { return r.o.answers.without, nil }

func TestRecordStepsReachTheWorld(t *testing.T) {
	for _, tt := range []struct{ steps, want string }{
		{`{"on": "A", "do": "record.create", "record": "a/1", "parent": "b/1", "actor": "ann", "role": "nurse", "seniority": 3, "intent": "admit"}`,
			`A: create a/1 under "b/1" by {ann nurse 3 admit <nil>}`},
		{`{"on": "A", "do": "record.delete", "record": "a/1"}`, `A: delete a/1 by {  0  <nil>}`},
		{`{"on": "A", "do": "record.set", "record": "a/1", "field": "f", "value": 1}`, `A: edit a/1 f [] scenario.RegisterSet{1} by {  0  <nil>}`},
		{`{"on": "A", "do": "read", "record": "a/1", "as": "form"}, {"on": "A", "do": "record.set", "record": "a/1", "field": "f", "value": 1, "seen": "form"}`,
			`A: edit a/1 f [] scenario.RegisterSet{1} by {  0  seen:a/1}`},
		{`{"on": "A", "do": "record.edit", "record": "a/1", "field": "f", "op": "map.counter_add", "path": ["milk"], "by": 2}`,
			`A: edit a/1 f [milk] scenario.CounterAdd{2} by {  0  <nil>}`},
		{`{"on": "A", "do": "record.edit", "record": "a/1", "field": "note", "op": "text.insert", "pos": "end", "text": "!"}`,
			`A: edit a/1 note [] scenario.TextInsert{4 ! } by {  0  <nil>}`},
		{`{"on": "A", "do": "record.edit", "record": "a/1", "field": "f", "op": "counter.transfer", "to": "B", "by": 2}`,
			`A: edit a/1 f [] scenario.CounterTransfer{B 2} by {  0  <nil>}`},
		{`{"on": "A", "do": "event.append", "record": "a/1", "field": "f", "value": "e"}`, `A: edit a/1 f [] scenario.LogAppend{e} by {  0  <nil>}`},
		{`{"on": "A", "do": "stock.add", "record": "a/1", "field": "f", "by": -3}`, `A: edit a/1 f [] scenario.StockAdd{-3} by {  0  <nil>}`},
		{`{"on": "A", "do": "stock.recount", "record": "a/1", "field": "f", "value": 9, "as_of": "2030-01-01T10:04:00Z"}`,
			`A: edit a/1 f [] scenario.StockRecount{9 2030-01-01 10:04:00 +0000 UTC} by {  0  <nil>}`},
		{`{"on": "A", "do": "resolve", "record": "a/1", "field": "f", "custom": "x"}`, `A: resolve {a/1 f x true} by {  0  <nil>}`},
		{`{"on": "A", "do": "record.set", "record": "a/1", "field": "f", "value": 1, "label": "w"}, {"on": "B", "do": "verdict", "record": "a/1", "of": "w", "decision": "approve"}`,
			`B: decide {Record:a/1 Of:w1 Intent: Approve:true} by {  0  <nil>}`},
		{`{"on": "A", "do": "record.delete", "record": "a/1", "intent": "sold"}, {"on": "B", "do": "verdict", "record": "a/1", "of": "sold", "decision": "reject"}`,
			`B: decide {Record:a/1 Of: Intent:sold Approve:false} by {  0  <nil>}`},
		{`{"on": "A", "do": "policy.activate", "policy": {"policy": "p", "version": 2}}`, `A: activate json=true {"policy": "p", "version": 2} by {  0  <nil>}`},
		{`{"on": "A", "do": "bulk_create", "collection": "a", "records": 5, "bytes_each": 6, "bad": [2], "parents": ["b/1", "b/2"]}`,
			`A: bulk {Collection:a Records:5 BytesEach:6 Bad:[2] Parents:[b/1 b/2]} by {  0  <nil>}`},
	} {
		t.Run(tt.want, func(t *testing.T) {
			o := &policyOpener{answers: answers{view: map[string]map[string]any{"a/1": {"note": "four"}}}}
			if r := runWith(t, o, whole(tt.steps, `{"values": {"record:a/1": {"note": "four"}}}`, "")); r.Outcome != scenario.Passed {
				t.Fatal(r)
			}
			if diff := cmp.Diff(tt.want, o.writes[len(o.writes)-1]); diff != "" {
				t.Errorf("the last write (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTimeOfAWriteMovesTheClock(t *testing.T) {
	o := &policyOpener{}
	runWith(t, o, whole(`{"on": "B", "do": "record.delete", "record": "a/1", "at": "2030-01-01T10:03:00Z"}, {"on": "B", "do": "clock", "advance_ms": 1000}`, `{"converged": true}`, ""))
	if diff := cmp.Diff([]string{"B 10:03:00", "B 10:03:01"}, o.wall); diff != "" {
		t.Errorf("clocks (-want +got):\n%s", diff)
	}
}

func TestPolicyIsThereFromTheStart(t *testing.T) {
	for policy, want := range map[string]string{
		`{"policy": "p", "version": 1}`: `open json=true {"policy": "p", "version": 1}`,
		`"policy: p\n"`:                 "open json=false policy: p\n",
	} {
		o := &policyOpener{answers: answers{visible: map[string]bool{"a/1": true, "a/2": false, "b/1": true}}}
		r := runWith(t, o, whole("", `{"count": {"a": 1}}`, `"policy": `+policy+`, `))
		if r.Outcome != scenario.Passed || o.writes[0] != want {
			t.Errorf("got %q, want %q; %s", o.writes, want, r)
		}
	}
}

func TestRefusedWrites(t *testing.T) {
	for flag, pass := range map[string]bool{``: false, `, "may_fail": true`: true, `, "expect_error": true`: true} {
		r := runWith(t, &policyOpener{refuse: true}, whole(`{"on": "A", "do": "record.delete", "record": "a/1"`+flag+`}`, `{"converged": true}`, ""))
		if (r.Outcome == scenario.Passed) != pass {
			t.Errorf("with%q: %s", flag, r)
		}
	}
}

// TestOverlayExpectations holds each key against answers that fit and that do
// not: want is empty for those that fit.
func TestOverlayExpectations(t *testing.T) {
	at := time.Date(2030, 1, 1, 10, 0, 0, 0, time.UTC)
	held := scenario.Overlay{Held: []scenario.Item{{Record: "a/1", Field: "dose", Change: "w1"}}}
	conflicts := scenario.Overlay{Conflicts: []scenario.Conflict{
		{Record: "a/1", Field: "dose", Kind: "technical", Severity: "deferred", Candidates: []any{"5", "7"}},
		{Record: "a/1", Kind: "business", Severity: "immediate"},
	}}
	witnesses := scenario.Overlay{Witnesses: []scenario.Witness{
		{Record: "a/1", Field: "log", Count: 2}, {Record: "b/1", Field: "log", Count: 1}, {Record: "a/1", Field: "log", Count: 1},
	}}
	overruled := scenario.Overlay{Overruled: []scenario.Overruled{
		{Record: "a/1", Field: "dose", Value: "7", Role: "nurse", Actor: "nurse@B", At: at, Change: "w1"},
	}}
	for _, tt := range []struct {
		expect  string
		answers answers
		want    string
	}{
		{`{"held": []}`, answers{}, ""},
		{`{"held": []}`, answers{overlay: held}, "A held\n      got  [a/1.dose by w1]\n      want []"},
		{`{"held": ["a/1"]}`, answers{overlay: held}, ""},
		{`{"held": ["a/1.dose"]}`, answers{overlay: held}, ""},
		{`{"held": ["w"]}`, answers{overlay: held}, ""},
		{`{"held": ["w", "a/2"]}`, answers{overlay: held}, "want [w, a/2]"},
		{`{"review": ["a/1"], "unresolved": [], "waiting": [], "rejected": []}`, answers{overlay: held}, "A review\n      got  []\n      want [a/1]"},

		{`{"conflicts": []}`, answers{overlay: conflicts}, "A conflicts"},
		{`{"conflicts": [{"record": "a/1"}, {"kind": "technical"}]}`, answers{overlay: conflicts}, ""},
		{`{"conflicts": [{"kind": "technical", "candidates": 2}, {"severity": "immediate", "candidates": 0}]}`, answers{overlay: conflicts}, ""},
		{`{"conflicts": [{"candidates": ["7", "5"]}, {}]}`, answers{overlay: conflicts}, ""},
		{`{"conflicts": [{"kind": "technical"}, {"kind": "technical"}]}`, answers{overlay: conflicts}, `want [{"kind": "technical"}, {"kind": "technical"}]`},
		{`{"conflicts": [{}]}`, answers{overlay: conflicts}, "A conflicts"},

		{`{"witnesses": [{"record": "a/1", "field": "log", "count": 2}, {"record": "a/1", "field": "log", "count": 1}, {"record": "b/1", "field": "log", "count": 1}]}`,
			answers{overlay: witnesses}, ""},
		{`{"witnesses": [{"record": "a/1", "field": "log", "count": 1}, {"record": "a/1", "field": "log", "count": 2}, {"record": "b/1", "field": "log", "count": 1}]}`,
			answers{overlay: witnesses}, "A witnesses of a/1.log\n      got  [2 1]\n      want [1 2]"},
		{`{"witnesses": []}`, answers{overlay: witnesses}, "witnesses of b/1.log"},

		{`{"overruled": [{"record": "a/1", "field": "dose", "value": "7", "role": "nurse", "actor": "nurse@B", "at": "2030-01-01T10:00:00Z"}]}`, answers{overlay: overruled}, ""},
		{`{"overruled": [{"record": "a/1", "label": "w"}]}`, answers{overlay: overruled}, ""},
		{`{"overruled": [{"record": "a/1", "value": 7}]}`, answers{overlay: overruled}, `want {"record": "a/1", "value": 7}`},
		{`{"overruled": [{"record": "a/1", "role": "doctor"}]}`, answers{overlay: overruled}, "A overruled"},
		{`{"overruled": [{"record": "a/1", "at": "2030-01-01T10:00:01Z"}]}`, answers{overlay: overruled}, "A overruled"},

		{`{"visible": ["a/1"], "hidden": ["a/2"]}`, answers{visible: map[string]bool{"a/1": true}}, ""},
		{`{"visible": ["a/1"]}`, answers{}, "A a/1\n      got  hidden\n      want visible"},
		{`{"hidden": ["a/1"]}`, answers{visible: map[string]bool{"a/1": true}}, "got  visible\n      want hidden"},
		{`{"explain": [{"record": "a/1", "field": "dose", "step": "latest"}]}`, answers{explain: "latest"}, ""},
		{`{"explain": [{"record": "a/1", "field": "dose", "step": "latest"}]}`, answers{explain: "authority"}, "A explain a/1.dose\n      got  authority\n      want latest"},
		{`{"provisional": []}`, answers{}, ""},
		{`{"provisional": ["A"]}`, answers{provisional: true}, "B provisional\n      got  true\n      want false"},
		{`{"on": ["A"], "provisional": ["A"]}`, answers{provisional: true}, ""},
		{`{"digest_equal_without_policy": true}`, answers{without: "map[] 0"}, ""},
		{`{"digest_equal_without_policy": true}`, answers{without: "other"}, "want other, as without it"},

		{`{"values": {"record:a/1": {"dose": "5", "gone": null, "tags": ["y", "x"]}}}`,
			answers{view: map[string]map[string]any{"a/1": {"dose": "5", "more": 1, "tags": scenario.Set{"x", "y"}}}}, ""},
		{`{"values": {"record:a/1": {"dose": 5}}}`, answers{view: map[string]map[string]any{"a/1": {"dose": "5"}}}, `want {"dose": 5}`},
		{`{"values": {"record:a/1": {"dose": 5}}}`, answers{}, `got  {"dose": null}`},
		{`{"predicates": [{"read": "record:a/1.plan", "kind": "count", "value": "a", "n": 2}]}`,
			answers{view: map[string]map[string]any{"a/1": {"plan": "abca"}}}, ""},
		{`{"values": {"record:a/1": {"dose": 5}}}`, answers{view: map[string]map[string]any{"a/1": {"dose": struct{}{}}}}, "the world returned a struct {}"},
	} {
		t.Run(tt.expect, func(t *testing.T) {
			o := &policyOpener{answers: tt.answers}
			r := runWith(t, o, whole(`{"on": "A", "do": "record.set", "record": "a/1", "field": "dose", "value": 1, "label": "w"}`, tt.expect, ""))
			if (r.Outcome == scenario.Passed) != (tt.want == "") || !strings.Contains(r.String(), tt.want) {
				t.Errorf("want %q, got\n%s", tt.want, r)
			}
		})
	}
}
