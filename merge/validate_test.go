package merge_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/merge"
	"github.com/google/go-cmp/cmp"
)

func TestValidate(t *testing.T) {
	if err := ward().Validate().Err(); err != nil {
		t.Errorf("a sound policy: %v", err)
	}
	for name, p := range map[string]*merge.Policy{"nil": nil, "zero": {}} {
		if findings := p.Validate(); len(findings) > 0 {
			t.Errorf("%s: %v", name, findings.Err())
		}
	}
}

// told writes findings in short.
func told(findings merge.Findings) string {
	var lines []string
	for _, f := range findings {
		lines = append(lines, fmt.Sprintf("%v %s: %s", f.Severity, f.Path, f.Problem))
	}
	return strings.Join(lines, "\n")
}

// What is wrong with a field, or looks it.
func TestFindingsOfFields(t *testing.T) {
	tests := []struct{ name, field, want string }{
		{"sound", "{type: register, of: string, resolve: [{authority: [doctor]}, latest]}", ""},
		{"kind of a text", "{type: text, of: string}", "error of: a text is not of a kind, and it says string"},
		{"kind of a counter", "{type: counter, of: string}", "error of: a counter counts integers, and it says string"},
		{"type of a register", "{type: register, of: counter}", "error of: a register is not of a type, and it says counter"},
		{"fields of a register", "{type: register, of: {a: integer}}", "error of: a register has no fields"},
		{"group of one kind", "{type: group, of: integer}", "warning : the group does not say what its fields are, so no expression can read them\nerror of: a group is of fields, and one kind is given"},
		{"bounds of a counter", "{type: counter, min: 0}", "error min: a counter has no min"},
		{"no bounds", "{type: bounded}", "warning : the bounded counter has no bounds"},
		{"bounds reversed", "{type: bounded, min: 3, max: 1}", "error max: max 1 is less than min 3"},
		{"recount of a counter", "{type: counter, recount: [nurse]}", "error recount: a counter has no recount"},
		{"intent of a set", "{type: set, intent: {key: [a], window: 1m}}", "error intent: a set has no intent"},
		{"intent without a key", "{type: log, intent: {window: 1m}}", "error intent: no fields make two reports one fact"},
		{"intent without a window", "{type: log, intent: {key: [a]}}", "error intent.window: without a window nothing is a further witness"},
		{"conflict of one fact", "{type: log, intent: {key: [a], window: 1m, conflict: [a]}}", "warning intent.conflict: reports that agree in these agree in the key, so they are one fact and never a conflict"},
		{"intent twice", "{type: log, intent: {key: [a, a], window: 1m}}", `error intent.key[1]: "a" is there twice`},
		{"review of a flag", "{type: flag, review: {from: 50000}}", "error review: a flag has no review"},
		{"reserved text", "{type: text, consistency: reserved}", "error consistency: nothing of a text can be reserved"},
		{"lease", "{type: register, consistency: reserved}", ""},
		{"approved by nobody", "{type: register, consistency: approved}", "error consistency: writes count once they are approved, and no step says by whom"},
		{"approved and unsaid", "{type: register, resolve: [{approve: [chief]}]}", "warning consistency: proposals wait for a verdict, and the level of consistency is left to the default"},
		{"approved and eventual", "{type: register, consistency: eventual, resolve: [{approve: [chief]}]}", "error consistency: proposals wait for a verdict, and that is not eventual"},
		{"proposal of nobody's", "{type: proposal}", "warning : nothing says who may approve a proposal"},
		{"proposal by stamp", "{type: proposal, resolve: [latest]}", "error resolve[0]: of a proposal counts what was approved"},
		{"text by stamp", "{type: text, resolve: [latest]}", "error resolve[0]: a text joins by itself, and there is nothing to resolve"},
		{"merged register", "{type: register, resolve: [merge]}", "error resolve[0]: two values of a register cannot be merged"},
		{"approval below a map", "{type: map, of: string, consistency: approved, resolve: [{approve: [chief]}]}", "error resolve[0]: what is below a map cannot wait for a verdict"},
		{"two ends", "{type: register, resolve: [latest, earliest]}", "error resolve[1]: it has no say: latest, before it, always decides"},
		{"no end", "{type: register, resolve: [{authority: [doctor]}]}", "warning resolve: what these steps leave is decided by the names of replicas"},
		{"one step twice", "{type: register, resolve: [seniority, seniority, latest]}", "warning resolve[1]: the step is there twice, and the second has no say"},
		{"unknown window", "{type: register, resolve: [{window: night, authority: [doctor]}, latest]}", `error resolve[0].window: there is no window "night"`},
		{"window without roles", "{type: register, resolve: [{window: shift}, latest]}", "error resolve[0].authority: authority names no roles"},
		{"authority without a right", "{type: register, write: [doctor], resolve: [{authority: [nurse, doctor]}, latest]}", `warning resolve[0].authority[0]: "nurse" has authority over the field, and may not write it`},
		{"several writers", "{type: register, write: [doctor, nurse]}", "warning : the roles doctor, nurse may write it, and no rule says whose counts"},
		{"sticky counter", "{type: counter, sticky: true}", "error sticky: a counter joins by itself, and no rank binds its writers"},
		{"sticky for nothing", "{type: register, sticky: true, resolve: [latest]}", "warning sticky: the latest write is shown with and without it"},
		{"quantity", "{type: register, of: integer, quantity: true}", "error : it is a quantity, and of two writes the later would win"},
		{"quantity below a map", "{type: map, of: integer, quantity: true, resolve: [latest]}", "error : it is a quantity, and of two writes the later would win"},
		{"quantity, resolved by window", "{type: register, of: integer, quantity: true, resolve: [{window: shift, authority: [doctor]}, latest]}", ""},
		{"quantity that counts", "{type: counter, quantity: true}", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, findings := merge.ParsePolicy("", []byte("policy: p\nversion: 1\nroles: [chief, doctor, nurse]\n"+
				"windows: {shift: [{from: 2030-01-01T12:00:00Z, to: 2030-01-01T12:10:00Z}]}\ncollections: {c: {fields: {f: "+tt.field+"}}}\n"))
			for _, f := range findings {
				f.Path = strings.TrimPrefix(strings.TrimPrefix(f.Path, "collections.c.fields.f"), ".")
				if f.Line == 0 || f.Remedy == "" {
					t.Errorf("without a place or a way out: %+v", f)
				}
			}
			if diff := cmp.Diff(tt.want, told(findings)); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

// Names tell what counts. Only integers in registers that overwrite each other
// are suspected.
func TestQuantitiesByName(t *testing.T) {
	tests := []struct {
		name, rule string
		want       bool
	}{
		{"stock", "{type: register, of: integer}", true},
		{"on-hand", "{type: register, of: integer, resolve: [latest]}", true},
		{"account_balance", "{type: register, of: integer}", true},
		{"Quantity", "{type: register, of: integer}", true},
		{"stock", "{type: register, of: integer, quantity: false}", false},
		{"stock", "{type: register, of: integer, resolve: [{authority: [doctor]}, latest]}", false},
		{"stock", "{type: register, of: string}", false},
		{"stock", "{type: stock}", false},
		{"stockholder", "{type: register, of: integer}", false},
		{"level_of_care", "{type: register, of: integer}", false},
	}
	for _, tt := range tests {
		_, findings := merge.ParsePolicy("", []byte("policy: p\nversion: 1\nroles: [doctor]\ncollections: {c: {fields: {"+tt.name+": "+tt.rule+"}}}\n"))
		if got := findings.Err() != nil && strings.Contains(findings.Err().Error(), "looks like a quantity"); got != tt.want || !got && len(findings) > 0 {
			t.Errorf("%s: %s: got %v", tt.name, tt.rule, told(findings))
		}
	}
}

// What is wrong between the parts of a policy.
func TestFindingsOfCollections(t *testing.T) {
	tests := []struct{ name, policy, want string }{
		{"roles", "roles: [a, a, '']", "error roles[1]: role \"a\" is there twice\nerror roles[2]: role \"\": the name is empty"},
		{"activation", "activate: [b]", `error activate[0]: "b" is no role`},
		{"windows", "windows: {w: [{from: 2030-01-01T12:00:00Z, to: 2030-01-01T11:00:00Z}, {from: 2030-01-01T00:00:00.0001Z, to: 2030-01-03T00:00:00Z}, {from: 2030-01-02T00:00:00Z, to: 2030-01-04T00:00:00Z}]}",
			"error windows.w[0]: the interval ends at 2030-01-01T11:00:00Z, before it begins\n" +
				"error windows.w[1]: stamps count milliseconds, and the interval is finer\n" +
				"warning windows.w[1]: it overlaps interval 1\n" +
				"warning windows.w[2]: it overlaps interval 2"},
		{"parent that is not there", "collections: {a: {parent: b}}", `error collections.a.parent: there is no collection "b"`},
		{"parent offline", "collections: {a: {parent: b}, b: {offline: none}}", `warning collections.a.parent: records are written offline, and their parents in "b" are not kept on devices`},
		{"parents all round", "collections: {a: {parent: {collection: b, required: true}}, b: {parent: {collection: a, required: true}}}",
			"error collections.a.parent: parents are required all the way round from \"a\" to itself, so no record is ever shown\n" +
				"error collections.b.parent: parents are required all the way round from \"b\" to itself, so no record is ever shown"},
		{"tree", "collections: {a: {parent: a}}", ""},
		{"references", "collections: {a: {refs: {x: b, y: a}, fields: {y: {type: counter}}}}",
			"error collections.a.refs.x: there is no collection \"b\"\nerror collections.a.refs.x: there is no field \"x\" to hold the key\nerror collections.a.refs.y: the field \"y\" cannot hold a key"},
		{"constraints", "collections: {a: {fields: {n: {type: counter}}, constraints: [{name: x, must: record.n > 1}, {name: x, must: 'true', approve: [b]}, {must: record.n, approve: [r]}]}}",
			"error collections.a.constraints[2].must: it gives an integer, not a boolean\n" +
				"warning collections.a.constraints[0]: nobody may approve what breaks it\n" +
				"error collections.a.constraints[1].name: the constraint \"x\" is there twice\n" +
				"error collections.a.constraints[1].approve[0]: \"b\" is no role\n" +
				"error collections.a.constraints[1].must: it reads no field of the record\n" +
				"error collections.a.constraints[2].name: constraint \"\": the name is empty"},
		{"detection", "collections: {a: {fields: {n: {type: flag}}, detect: {near: 1m, immediate: \"record.n && candidates.exists(c, c.role == 'r')\", deferred: record.m}}}",
			"error collections.a.detect.deferred: undefined field 'm'"},
		{"rules that read each other", "collections: {a: {fields: {x: {type: register, of: integer, resolve: [{rank: candidate.value + record.y}, latest]}, y: {type: register, of: integer, resolve: [{rank: candidate.value + record.z}, latest]}, z: {type: register, of: integer, resolve: [{require: record.x == 0}, latest]}}}}",
			"error collections.a.fields.x.resolve: the rules of x, y, z read each other, so none can begin"},
		{"mixed levels", "collections: {a: {fields: {balance: {type: bounded, min: 0, consistency: reserved}, limit: {type: register, of: integer, consistency: eventual}, owner: {type: register, of: string}, seat: {type: register, of: string, consistency: reserved, resolve: [{rank: '[candidate.actor, string(record.limit)]'}, latest]}}, constraints: [{name: k, must: record.balance <= record.limit, approve: [r]}, {name: l, must: record.owner != '' || record.balance == 0, approve: [r]}]}}",
			"error collections.a.constraints[0].must: the constraint \"k\" ties \"balance\", which is reserved, to \"limit\", which is eventual: it can break unseen\n" +
				"error collections.a.fields.seat.resolve[0].rank: the rule ties \"seat\", which is reserved, to \"limit\", which is eventual: it can break unseen"},
		{"critical", "collections: {a: {priority: critical, fields: {x: {type: counter}, y: {type: counter, consistency: eventual}}}}",
			"warning collections.a: the collection is critical, and the level of consistency is left to the default for x"},
		{"names", "collections: {a/b: {partition: c/d, fields: {'': {type: flag}}}}",
			"error collections.a/b: collection \"a/b\": a name has no slash in it\nerror collections.a/b.partition: partition \"c/d\": a name has no slash in it\nerror collections.a/b.fields[\"\"]: field \"\": the name is empty"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := "policy: p\nversion: 1\n"
			if !strings.HasPrefix(tt.policy, "roles") {
				file += "roles: [r]\n"
			}
			_, parsed := merge.ParsePolicy("", []byte(file+tt.policy+"\n"))
			got := strings.Split(told(parsed), "\n")
			want := strings.Split(tt.want, "\n")
			if diff := cmp.Diff(sorted(want), sorted(got)); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

func sorted(lines []string) map[string]int {
	m := map[string]int{}
	for _, l := range lines {
		m[l]++
	}
	return m
}

// A policy that was written in Go is held to the same, with paths for places.
func TestValidateOfGo(t *testing.T) {
	p := &merge.Policy{
		Name: "p/q", Version: 1, Roles: []string{"doctor"},
		Windows: map[string][]merge.Interval{"none": nil, "odd": {{From: noon.Time().Add(1), To: noon.Time()}}},
		Collections: map[string]merge.Collection{"a": {
			Priority: 7, Offline: 9, Delete: 9, Staleness: -time.Second,
			Parent: merge.Parent{Required: true},
			Refs:   map[string]merge.Reference{"r": {Collection: "a", At: 9}},
			Detect: merge.Detection{Near: -1},
			Fields: map[string]merge.FieldRule{
				"\xff":     {Type: crdt.TypeRegister},
				"dose":     {Type: crdt.TypeRegister, Of: 77, Consistency: 9, Quantity: 9, Resolve: []merge.Step{{}, {Do: 99}, {Do: merge.StepLatest, Expr: "x"}}},
				"go":       {Type: crdt.TypeRegister, Resolve: []merge.Step{merge.Go("a@b", 0), merge.Authority(), merge.Latest}},
				"map":      {Type: crdt.TypeMap, Below: crdt.TypePresence, Of: merge.String},
				"presence": {Type: crdt.TypePresence},
				"r":        {Type: crdt.TypeRegister, Of: merge.String},
				"text":     {Type: crdt.TypeText, Review: 2_000_000, Members: map[string]merge.Kind{"x": merge.Integer}},
			},
		}},
	}
	want := []string{
		`error policy: policy "p/q": a name has no slash in it`,
		`error windows.none: the window has no intervals`,
		`error windows.odd[0]: the interval ends at 2030-01-01T12:00:00Z, before it begins`,
		`error windows.odd[0]: stamps count milliseconds, and the interval is finer`,
		`error collections.a.priority: unknown priority(7)`,
		`error collections.a.offline: unknown offline(9)`,
		`error collections.a.delete: unknown policy of deletion 9`,
		`error collections.a.staleness: -1s is before now`,
		`error collections.a.detect.near: -1ns is before now`,
		`error collections.a.parent: a parent is required, and no collection is named`,
		`error collections.a.refs.r.at: unknown at(9)`,
		`error collections.a.fields.dose.of: it is of the unknown kind(77)`,
		`error collections.a.fields.dose.quantity: neither true nor false`,
		`error collections.a.fields.dose.consistency: unknown consistency(9)`,
		`error collections.a.fields.dose.resolve[0]: it is no step`,
		`error collections.a.fields.dose.resolve[1]: it is no step`,
		`error collections.a.fields.dose.resolve[2]: latest is given what it does not take`,
		`error collections.a.fields.go.resolve[0].go: "a@b@0" names no function`,
		`error collections.a.fields.go.resolve[1].authority: authority names no roles`,
		`error collections.a.fields.map.of: it is of the unknown type presence`,
		`error collections.a.fields.presence.type: it has the unknown type presence`,
		`error collections.a.fields.text.of: a text has no fields`,
		`error collections.a.fields.text.review: 2000000 parts per million are more than the whole`,
		"error collections.a.fields.\xff: field \"\\xff\": the name is not valid UTF-8",
	}
	findings := p.Validate()
	if diff := cmp.Diff(want, strings.Split(told(findings), "\n")); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	if f, ok := errors.AsType[*merge.Finding](findings.Err()); !ok || !strings.HasPrefix(f.Error(), "merge: policy: ") {
		t.Errorf("got %v", f)
	}
	if rules, findings := p.Compile(nil); rules != nil || findings.Err() == nil {
		t.Error("compiled")
	}
}

// Fields whose every write must stay until it is settled.
func TestVersioned(t *testing.T) {
	file := `
policy: p
version: 1
roles: [chief]
collections:
  plain: {fields: {read: {type: counter}}}
  c:
    fields:
      plain: {type: register, of: integer}
      read: {type: counter}
      sticky: {type: register, sticky: true, resolve: [{authority: [chief]}, latest]}
      required: {type: register, resolve: [{require: record.plain == 1}, latest]}
      ranked: {type: register, resolve: [{rank: candidate.actor}, latest]}
      go: {type: register, resolve: [{go: length@1}, latest]}
      approved: {type: register, consistency: approved, resolve: [{approve: [chief]}]}
      reviewed: {type: text, review: {from: 50000}}
      asked: {type: register, resolve: [review]}
      stock: {type: stock}
      log: {type: log}
      proposal: {type: proposal, resolve: [{approve: [chief]}]}
      senior: {type: register, resolve: [seniority, latest]}
  whole:
    fields: {read: {type: counter}, other: {type: register}}
    constraints: [{name: k, must: record.read < 10, approve: [chief]}]
`
	p := quietly(t, []byte(file))
	rules, _ := p.Compile(nil)
	c, err := rules.Collection("c")
	if err != nil {
		t.Fatal(err)
	}
	for name := range p.Collections["c"].Fields {
		want := !strings.Contains("asked senior plain read", name)
		if got := p.Versioned("c", name); got != want || c.Field(name).Versioned() != got {
			t.Errorf("%s: got %v and %v, want %v", name, got, c.Field(name).Versioned(), want)
		}
	}
	// A change that breaks a constraint is held whole, undeclared fields too.
	whole, _ := rules.Collection("whole")
	for _, name := range []string{"read", "other", "undeclared"} {
		if !p.Versioned("whole", name) || !whole.Field(name).Versioned() {
			t.Errorf("%s in a collection with constraints is not versioned", name)
		}
	}
	var none *merge.Policy
	if p.Versioned("plain", "read") || p.Versioned("c", "nothing") || p.Versioned("nothing", "f") || none.Versioned("c", "f") {
		t.Error("versioned without a rule")
	}
	if diff := cmp.Diff([]string{"length@1"}, rules.Missing()); diff != "" {
		t.Errorf("missing (-want +got):\n%s", diff)
	}
}

// The rules of no policy, and of collections that are not there.
func TestRulesOfNothing(t *testing.T) {
	var none *merge.Rules
	c, err := none.Collection("any")
	if err != nil || c.Field("x").Declared() || c.Collection().Priority != merge.Normal || none.Missing() != nil || none.Policy().Name != "" {
		t.Errorf("got %+v, %v", c, err)
	}
	if _, err := none.Collection("a/b"); !errors.Is(err, merge.ErrKey) {
		t.Errorf("got %v", err)
	}
	rules, _ := ward().Compile(nil)
	if _, err := rules.Collection("stock"); !errors.Is(err, merge.ErrUnknownCollection) {
		t.Errorf("got %v", err)
	}
	if rules.Policy().Name != "ward" {
		t.Errorf("got %+v", rules.Policy())
	}
	var nothing *merge.CollectionRules
	if _, err := nothing.Constraint(0, nil); err == nil || nothing.Field("x").Rule().Type != 0 {
		t.Error("rules of nothing")
	}
	if _, findings := merge.CompileRule(merge.FieldRule{Type: crdt.TypeText, Resolve: []merge.Step{merge.Latest}}, nil); findings.Err() == nil {
		t.Error("a text was resolved")
	}
	if diff := cmp.Diff([]string{"chief"}, ward().Activators()); diff != "" {
		t.Errorf("activators (-want +got):\n%s", diff)
	}
}
