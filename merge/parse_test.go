package merge_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/concord-crdt/concord/merge"
	"github.com/google/go-cmp/cmp"
)

// hospital uses every key of the format. It has no finding.
const hospital = `policy: hospital
version: 3
roles: [chief, doctor, nurse, clerk, warehouse, sales]
activate: [chief]
windows:
  stocktake: [{from: 2030-01-01T08:00:00Z, to: 2030-01-01T12:00:00Z}, {from: 2030-02-01T08:00:00.5Z, to: 2030-02-01T12:00:00Z}]
collections:
  assignment:
    refs:
      driver: {collection: driver}
      route: {collection: driver, at: now}
    fields:
      driver:
        type: register
        of: string
        resolve: [{require: evidence.driver.certified && evidence.driver.hours_left >= record.hours}, {rank: '[evidence.driver.rating]'}, latest]
      hours: {type: register, of: integer}
      note: {type: register, of: string, resolve: [latest]}
      route: {type: register, of: string, resolve: [{go: length@1}, latest]}
      seats: {type: bounded, min: 0, max: 40, consistency: reserved}
  delivery:
    fields:
      events: {type: log, intent: {key: [package, action], window: 15m, conflict: [package]}}
  driver:
    fields:
      certified: {type: flag}
      hours_left: {type: register, of: integer}
      rating: {type: register, of: integer}
  medication:
    priority: critical
    partition: ward
    offline: write
    parent: {collection: patient, required: true}
    delete: update-wins
    staleness: 1h30m
    fields:
      allergies: {type: remove-set, of: string, consistency: causal}
      critical: {type: disable-flag, consistency: eventual}
      items: {type: map, of: counter, consistency: causal}
      plan: {type: text, consistency: causal, resolve: [merge], review: {from: 50000}}
      prescription:
        type: group
        of: {dose_mg: integer, unit: string, route: string}
        consistency: causal
        write: [doctor, nurse]
        resolve: [{authority: [doctor, nurse]}, seniority, latest]
        sticky: true
      status: {type: register, of: string, consistency: causal, resolve: [review]}
      tariff: {type: register, of: string, consistency: approved, resolve: [{approve: [chief]}]}
    constraints:
      - {name: daily maximum, must: record.prescription.dose_mg <= 4000, approve: [chief]}
      - name: unit
        must: record.prescription.unit in ['mg', 'ml', '']
        approve: [chief, doctor]
    detect: {near: 10m, immediate: record.critical, deferred: "true"}
  patient: {priority: high, offline: read}
  stock:
    priority: bulk
    fields:
      booked: {type: proposal, of: integer, consistency: approved, resolve: [{approve: [chief]}]}
      level: {type: stock, of: integer, recount: [warehouse]}
      shelf: {type: register, of: integer, resolve: [{window: stocktake, authority: [warehouse, sales]}, latest], quantity: true}
      total: {type: register, of: integer, quantity: false}
`

func parsed(t testing.TB, name, file string) *merge.Policy {
	t.Helper()
	p, findings := merge.ParsePolicy(name, []byte(file))
	for _, f := range findings {
		t.Errorf("%s: %v: %s; %s", f.Place(), f.Severity, f.Problem, f.Remedy)
	}
	if p == nil {
		t.FailNow()
	}
	return p
}

// A file, its canonical form and the Go value are one policy.
func TestPolicyRoundTrip(t *testing.T) {
	p := parsed(t, "hospital.yaml", hospital)
	canonical := p.YAML()
	again := parsed(t, "canonical.yaml", string(canonical))
	if diff := cmp.Diff(p, again); diff != "" {
		t.Errorf("read, written and read (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(string(canonical), string(again.YAML())); diff != "" {
		t.Errorf("written twice (-want +got):\n%s", diff)
	}
	if p.Digest() != again.Digest() {
		t.Error("another digest")
	}
	open := parsed(t, "open.yaml", string((&merge.Policy{}).YAML()))
	if diff := cmp.Diff(&merge.Policy{}, open); diff != "" {
		t.Errorf("no policy (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(ward(), quietly(t, ward().YAML())); diff != "" {
		t.Errorf("written in Go (-want +got):\n%s", diff)
	}
}

// quietly reads a policy that may have warnings.
func quietly(t testing.TB, file []byte) *merge.Policy {
	t.Helper()
	p, findings := merge.ParsePolicy("", file)
	if err := findings.Err(); err != nil {
		t.Fatal(err)
	}
	return p
}

// Every policy of the scenarios reads without errors, as JSON and as the YAML
// that is made of it, and compiles.
func TestPoliciesOfScenarios(t *testing.T) {
	b, err := os.ReadFile("../testdata/scenarios/rules.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Scenarios []struct {
			ID     string
			Policy json.RawMessage
			Steps  []struct{ Policy json.RawMessage }
		}
	}
	if err := json.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	n := 0
	check := func(id string, b []byte) {
		if len(b) == 0 {
			return
		}
		n++
		p := quietly(t, b)
		if diff := cmp.Diff(p, quietly(t, p.YAML())); diff != "" {
			t.Errorf("%s (-want +got):\n%s", id, diff)
		}
		var oneLine bytes.Buffer
		if err := json.Compact(&oneLine, b); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(p, quietly(t, oneLine.Bytes())); diff != "" {
			t.Errorf("%s in one line (-want +got):\n%s", id, diff)
		}
		if _, findings := p.Compile(nil); findings.Err() != nil {
			t.Errorf("%s: %v", id, findings.Err())
		}
	}
	for _, s := range file.Scenarios {
		check(s.ID, s.Policy)
		for _, step := range s.Steps {
			check(s.ID, step.Policy)
		}
	}
	if n < 20 {
		t.Errorf("%d policies found", n)
	}
}

// rest is a policy around the lines that a case is about, which begin in
// line 4.
func rest(lines string) string {
	return "policy: p\nversion: 1\nroles: [chief, doctor, nurse]\n" + lines
}

func field(rule string) string {
	return rest("collections:\n  c:\n    fields:\n      f: " + rule + "\n")
}

// What a file says wrongly is reported where it stands, with a way out.
func TestParseIsStrict(t *testing.T) {
	tests := []struct{ name, file, want string }{
		{"nothing", "", `p.yaml: error: the file is empty; begin with policy: NAME`},
		{"not YAML", "policy: [", `p.yaml:1:1: error: it is not YAML: did not find expected node content; look at the indentation, the brackets and the quotes there`},
		{"not UTF-8", "policy: \xff", `p.yaml: error: the file is not valid UTF-8; save it as UTF-8`},
		{"a list", "[a]", `p.yaml:1:1: error: it is a list, not a mapping; write it as KEY: VALUE`},
		{"two documents", rest("---\npolicy: q\n"), `p.yaml:4:1: error: a second document begins; one file is one version of a policy`},
		{"unknown key", rest("colections: {}\n"), `p.yaml:4:1: error: unknown key "colections"; did you mean collections?`},
		{"duplicate key", rest("roles: [a]\n"), `p.yaml:4:1: error: the key "roles" is there twice, first in line 3; keep one of them`},
		{"duplicate name", rest("collections:\n  c: {}\n  c: {}\n"), `p.yaml:6:3: error: the key "c" is there twice, first in line 5; keep one of them`},
		{"alias", rest("activate: &a [chief]\nwindows: *a\n"), `p.yaml:5:10: error: aliases are not taken; write it out`},
		{"number for text", rest("collections:\n  c: {partition: 7}\n"), `p.yaml:5:18: error: it is the number 7, not a text; put it in quotes if it is meant so`},
		{"text for number", "policy: p\nversion: one\n", `p.yaml:2:10: error: it is "one", not a whole number; write it in digits, without quotes`},
		{"version zero", "policy: p\nversion: 0\n", `p.yaml:2:10: error: 0 is no whole number from 1 to 9223372036854775807; write one in digits`},
		{"empty list", rest("activate: []\n"), `p.yaml:4:11: error: the list is empty; leave the key out, or list what is meant`},
		{"unknown type", field("{type: registr}"), `p.yaml:7:17: error: unknown type "registr"; did you mean register?`},
		{"unknown kind", field("{type: register, of: number}"), `p.yaml:7:31: error: unknown kind "number"; known here: any, string, integer, boolean, float, timestamp`},
		{"unknown step", field("{type: register, resolve: [lastest]}"), `p.yaml:7:37: error: unknown step "lastest"; did you mean latest?`},
		{"unknown key of a field", field("{type: register, resolv: [latest]}"), `p.yaml:7:27: error: unknown key "resolv"; did you mean resolve?`},
		{"two steps in one", field("{type: register, resolve: [{authority: [doctor], rank: '1'}]}"), `p.yaml:7:59: error: several steps in one; give each its own place in the list; only window goes with authority`},
		{"function without version", field("{type: register, resolve: [{go: length}, latest]}"), `p.yaml:7:42: error: "length" names no function; write NAME@VERSION, such as length@1`},
		{"no step", field("{type: register, resolve: []}"), `p.yaml:7:36: error: no step decides the field; say resolve: [latest], or leave it out for the default`},
		{"share", field("{type: text, review: {from: 5%}}"), `p.yaml:7:38: error: it is "5%", not a whole number; write it in digits, without quotes`},
		{"empty section", field("{type: text, review: {}}"), `p.yaml:7:31: error: it says nothing; leave the key out, or say some of from`},
		{"empty step", field("{type: register, resolve: [{}]}"), `p.yaml:7:37: error: it is no step; choose latest, earliest, authority, seniority, window, require, rank, go, merge, review or approve`},
		{"empty field", field(""), `p.yaml:7:9: error: it is nothing, not a mapping; write it as KEY: VALUE`},
		{"tag", field("!!map {type: !x register}"), `p.yaml:7:23: error: it is "register", not a text; put it in quotes if it is meant so`},
		{"merge key", rest("collections:\n  c: {<<: {offline: read}}\n"), `p.yaml:5:7: error: it is "<<", not a text; put it in quotes if it is meant so`},
		{"duration", rest("collections:\n  c: {staleness: 15}\n"), `p.yaml:5:18: error: it is the number 15, not a duration; write it with its unit, such as 15m or 36h`},
		{"time", rest("windows: {w: [{from: yesterday, to: 2030-01-01T00:00:00Z}]}\n"), `p.yaml:4:22: error: it is "yesterday", not a time; write it as 2030-01-01T08:00:00Z`},
		{"boolean", field("{type: register, sticky: yes please}"), `p.yaml:7:35: error: it is "yes please", neither true nor false; write true or false`},
		{"offline", rest("collections:\n  c: {offline: writes}\n"), `p.yaml:5:16: error: unknown offline mode "writes"; did you mean write?`},

		{"no type", field("{resolve: [latest]}"), `p.yaml:7:7: error: it has no type; choose one, such as register, group, counter, stock, set, map, list, log or text`},
		{"unknown role", field("{type: register, write: [docter]}"), `p.yaml:7:35: error: "docter" is no role; correct it, or add it to roles (chief, doctor, nurse)`},
		{"expression that does not type", field("{type: register, of: string, resolve: [{rank: candidate.value + 1}, latest]}"),
			`p.yaml:7:72: error: found no matching overload for '_+_' applied to '(string, int)'; the types do not go together; compare and compute with equal ones`},
		{"in quotes", field(`{type: register, of: string, resolve: [{require: "record.g > 1"}, latest]}`),
			`p.yaml:7:66: error: undefined field 'g'; declare it under fields, with its type; a rule reads its own field as candidate.value`},
		{"a quantity", field("{type: register, of: integer, quantity: true}"),
			`p.yaml:7:7: error: it is a quantity, and of two writes the later would win; make it a counter, a stock (deliveries, sales and recounts) or a bounded counter; or resolve it by window or authority first`},
		{"no name", "collections: {c: {}}", `p.yaml:1:1: warning: the policy has no name; say policy: NAME, so that its versions can be told from those of another
p.yaml:1:1: warning: the policy has no version; say version: 1, and count from there`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, findings := merge.ParsePolicy("p.yaml", []byte(tt.file))
			var got []string
			for _, f := range findings {
				place := f.Place()
				if f.Line == 0 {
					place = f.File
				}
				got = append(got, fmt.Sprintf("%s: %v: %s; %s", place, f.Severity, f.Problem, f.Remedy))
			}
			if diff := cmp.Diff(tt.want, strings.Join(got, "\n")); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
			if (p == nil) != (findings.Err() != nil) {
				t.Errorf("policy %v with %v", p, findings.Err())
			}
		})
	}
}

// Everything that is wrong is reported at once, in the order of the file.
func TestFindingsInOrder(t *testing.T) {
	_, findings := merge.ParsePolicy("p.yaml", []byte(field("{type: register, write: [a], resolve: [{authority: [b]}, latest, latest]}")))
	lines := []int{}
	for _, f := range findings {
		lines = append(lines, f.Line*1000+f.Column)
	}
	if diff := cmp.Diff([]int{7035, 7062, 7075}, lines); diff != "" {
		t.Errorf("places (-want +got):\n%s\n%v", diff, findings.Err())
	}
}

// JSON may be indented with tabs, and write characters in two halves.
func TestPolicyAsJSON(t *testing.T) {
	file := "{\n\t\"policy\": \"p \\ud83d\\ude00 \\u00e4 \\\\u00e4\",\n\t\"version\":1,\n\t\"collections\": {\"c\": {\"prioritty\": \"high\"}}\n}"
	_, findings := merge.ParsePolicy("p.json", []byte(file))
	if len(findings) != 1 || findings[0].Place() != "p.json:4:24" {
		t.Errorf("got %v", findings.Err())
	}
	p := quietly(t, []byte(strings.Replace(file, "prioritty", "priority", 1)))
	if p.Name != "p 😀 ä \\u00e4" || p.Priority("c") != merge.High {
		t.Errorf("got %+v", p)
	}
}

func FuzzParsePolicy(f *testing.F) {
	f.Add([]byte(hospital))
	f.Add([]byte(`{"policy":"p","version":1,"roles":["a"],"collections":{"c":{"fields":{"f":{"type":"register","resolve":[{"rank":"[candidate.actor]"},"latest"]}}}}}`))
	f.Add([]byte("policy: &a p\nversion: *a\n"))
	f.Add([]byte("collections:\n  c:\n    fields: {f: {type: group, of: {x: integer}, resolve: [{window: w, authority: [a]}]}}\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, findings := merge.ParsePolicy("f", b)
		if (p == nil) != (findings.Err() != nil) {
			t.Fatalf("policy %v with %v", p, findings.Err())
		}
		if p == nil {
			return
		}
		canonical := p.YAML()
		again, findings := merge.ParsePolicy("canonical", canonical)
		if again == nil {
			t.Fatalf("the canonical form is refused: %v\n%s", findings.Err(), canonical)
		}
		if !bytes.Equal(canonical, again.YAML()) || p.Digest() != again.Digest() {
			t.Fatalf("not one policy:\n%s\nand\n%s", canonical, again.YAML())
		}
	})
}
