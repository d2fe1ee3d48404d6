package scenario_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-crdt/concord/proptest/scenario"
)

const folder = "../../testdata/scenarios"

// sources returns the scenario files of the repository, by file name.
func sources(t testing.TB) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scenarios in %s: %v", folder, err)
	}
	files := map[string][]byte{}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(path)] = data
	}
	return files
}

func parse(t testing.TB, name string, data []byte) *scenario.File {
	t.Helper()
	f, err := scenario.Parse(name, data)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestFilesSurviveTheWriter reads every file, writes it and reads it again: the
// writer loses nothing, adds nothing, and has one form for one meaning.
func TestFilesSurviveTheWriter(t *testing.T) {
	for name, data := range sources(t) {
		t.Run(name, func(t *testing.T) {
			f := parse(t, name, data)
			text, err := scenario.Format(f)
			if err != nil {
				t.Fatal(err)
			}
			if want, got := plain(t, data), plain(t, text); !cmp.Equal(want, got) {
				t.Errorf("the writer changed the content (-want +got):\n%s", cmp.Diff(want, got))
			}
			again := parse(t, name, text)
			if diff := cmp.Diff(f, again, cmp.Comparer(equalBig), cmp.AllowUnexported(scenario.Position{})); diff != "" {
				t.Errorf("read again (-want +got):\n%s", diff)
			}
			twice, err := scenario.Format(again)
			if err != nil || string(twice) != string(text) {
				t.Errorf("written twice, the text differs; error %v", err)
			}
		})
	}
}

func equalBig(a, b *big.Int) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Cmp(b) == 0
}

// plain decodes JSON without meaning.
func plain(t *testing.T, data []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// TestEveryStepIsWritten holds one step of each kind against its canonical line.
func TestEveryStepIsWritten(t *testing.T) {
	lines := []string{
		`{"on": "A", "do": "text.insert", "obj": "t", "at": "end", "text": ""}`,
		`{"on": "A", "do": "text.insert", "obj": "t", "at": 0, "text_repeat": {"s": "ab", "n": 3}, "unit": "utf16"}`,
		`{"on": "A", "do": "text.type", "obj": "t", "at": "mid", "text": "xyz", "dir": "backward"}`,
		`{"on": "A", "do": "text.insert_bytes", "obj": "t", "at": 0, "hex": "61ff"}`,
		`{"on": "A", "do": "text.delete", "obj": "t", "at": 2, "len": 5, "may_fail": true}`,
		`{"on": "A", "do": "text.mark", "obj": "t", "from": 0, "to": 7, "mark": "color", "value": null}`,
		`{"on": "A", "do": "anchor", "obj": "t", "at": 5, "bias": "before", "as": "k"}`,
		`{"on": "A", "do": "undo"}`,
		`{"on": "A", "do": "list.insert", "obj": "l", "at": 0, "values": [1, 1.0, "1", null]}`,
		`{"on": "A", "do": "list.delete", "obj": "l", "at": 0, "len": 1}`,
		`{"on": "A", "do": "list.set", "obj": "l", "at": 0, "value": true}`,
		`{"on": "A", "do": "list.move", "obj": "l", "from": 2, "to": 0}`,
		`{"on": "A", "do": "set.add", "obj": "s", "value": "x"}`,
		`{"on": "A", "do": "set.remove", "obj": "s", "value": "x"}`,
		`{"on": "A", "do": "map.new", "path": ["m", "k"]}`,
		`{"on": "A", "do": "map.set", "path": ["m", "", "k"], "value": {"a": [1, 2]}}`,
		`{"on": "A", "do": "map.delete", "path": ["m", "k"]}`,
		`{"on": "A", "do": "map.counter_add", "path": ["m", "k"], "by": -3}`,
		`{"on": "A", "do": "map.text_insert", "path": ["m", "k"], "at": 0, "text": "x"}`,
		`{"on": "A", "do": "field.create", "path": ["m", "k"], "type": "counter", "by": 0}`,
		`{"on": "A", "do": "field.create", "path": ["m", "k"], "type": "text", "text": "x"}`,
		`{"on": "A", "do": "counter.add", "obj": "c", "by": "123456789012345678901234567890"}`,
		`{"on": "A", "do": "counter.reset", "obj": "c"}`,
		`{"on": "A", "do": "register.set", "obj": "r", "value": null}`,
		`{"on": "A", "do": "register.clear", "obj": "r"}`,
		`{"on": "A", "do": "mv.set", "obj": "r", "value": "x"}`,
		`{"do": "clock", "set": "2030-01-01T00:00:00Z"}`,
		`{"on": "A", "do": "clock", "advance_ms": 0}`,
		`{"do": "inject_hlc", "to": "A", "wall": "max"}`,
		`{"do": "sync", "from": "A", "to": "B", "may_fail": true}`,
		`{"do": "sync_all"}`,
		`{"do": "partition", "groups": [["A"], ["B"]]}`,
		`{"do": "heal"}`,
		`{"on": "A", "do": "delta", "as": "d", "own": true}`,
		`{"on": "A", "do": "snapshot", "as": "s"}`,
		`{"do": "deliver", "what": "d", "to": "B", "times": 2}`,
		`{"do": "deliver_corrupt", "what": "d", "to": "B", "flips": "each bit", "truncate": "each length"}`,
		`{"do": "deliver_version", "what": "d", "to": "B", "version": "+1"}`,
		`{"on": "A", "do": "restart"}`,
		`{"on": "A", "do": "restore", "from": "s"}`,
		`{"do": "merge_orders"}`,
		`{"on": "A", "do": "require", "values": {"text:t": "ab"}}`,
		`{"do": "check", "expect": {"on": ["A"], "any_of": [{"mv:r": []}], "hidden": ["a/1"], "held": []}}`,
		`{"do": "repeat", "times": 2, "steps": []}`,

		`{"on": "A", "do": "read", "record": "a/1", "as": "form", "actor": "nurse", "role": "nurse"}`,
		`{"on": "A", "do": "record.create", "record": "a/1", "parent": "b/1", "intent": "open", "label": "w"}`,
		`{"on": "A", "do": "record.delete", "record": "a/1", "expect_error": true}`,
		`{"on": "A", "do": "record.set", "record": "a/1", "field": "f", "value": {"x": 1}, "seniority": 7, "at": "2030-01-01T10:00:00.5Z", "seen": "form"}`,
		`{"on": "A", "do": "record.edit", "record": "a/1", "field": "f", "op": "text.insert", "pos": "end", "text": "x", "at": "2030-01-01T10:00:00Z"}`,
		`{"on": "A", "do": "record.edit", "record": "a/1", "field": "f", "op": "map.counter_add", "path": ["milk"], "by": 2}`,
		`{"on": "A", "do": "record.edit", "record": "a/1", "field": "f", "op": "counter.transfer", "to": "B", "by": 5}`,
		`{"on": "A", "do": "record.edit", "record": "a/1", "field": "f", "op": "set.add", "value": "x", "path": ["inner"]}`,
		`{"on": "A", "do": "event.append", "record": "a/1", "field": "f", "value": {"package": "P1"}}`,
		`{"on": "A", "do": "stock.add", "record": "a/1", "field": "f", "by": -3}`,
		`{"on": "A", "do": "stock.recount", "record": "a/1", "field": "f", "value": 90, "as_of": "2030-01-01T10:04:00Z"}`,
		`{"on": "A", "do": "resolve", "record": "a/1", "field": "f", "choose": null}`,
		`{"on": "A", "do": "resolve", "record": "a/1", "field": "f", "custom": "x"}`,
		`{"on": "A", "do": "verdict", "record": "a/1", "of": "w", "decision": "reject"}`,
		`{"on": "A", "do": "policy.activate", "policy": {"policy": "p", "version": 2}}`,
		`{"on": "A", "do": "policy.activate", "policy": "policy: p\nversion: 3\n"}`,
		`{"on": "A", "do": "bulk_create", "collection": "a", "records": 50, "bytes_each": 60, "bad": [17], "parents": ["b/1"]}`,

		`{"on": "A", "do": "bulk_put", "obj": "m", "records": 5000, "bytes_each": 400}`,
		`{"on": "A", "do": "touch", "obj": "m", "n": 10}`,
		`{"do": "measure_sync", "from": "A", "to": "B"}`,
		`{"do": "sync_with_drops", "from": "A", "to": "B", "drop_after": ["10%", "41.5%"]}`,
		`{"do": "sync_stepwise", "from": "A", "to": "B", "check_each_chunk": ["progress"], "after": "40%", "then": [{"do": "heal"}]}`,
		`{"do": "sync_with_budget", "from": "A", "to": "B", "fits": "critical"}`,
		`{"on": "B", "do": "kill_during", "what": "import", "from": "A", "points": "every write batch border"}`,
		`{"on": "A", "do": "crash_loop", "times": 100, "op": {"do": "counter.add", "obj": "c", "by": 1}}`,
		`{"on": "A", "do": "open_again", "expect_error": true}`,
		`{"on": "A", "do": "disk_full"}`,
		`{"on": "A", "do": "disk_free"}`,
		`{"on": "A", "do": "gc"}`,
	}
	s := parse(t, "lines", file(strings.Join(lines, ",\n"))).Scenarios[0]
	for i, want := range lines {
		if got := s.Steps[i].String(); got != want {
			t.Errorf("step %d is written\n%s, want\n%s", i+1, got, want)
		}
	}
}

// file wraps steps into a file of one scenario.
func file(steps string) []byte { return whole(steps, `{"converged": true}`, "") }

func whole(steps, expect, more string) []byte {
	return fmt.Appendf(nil, `{"group": "g", "scenarios": [
{"id": "x-1", "level": "must", "title": "t", "replicas": ["A", "B"], %s"steps": [
%s
],
"expect": %s}]}`, more, steps, expect)
}

func TestFaultsSayWhereAndWhatToDo(t *testing.T) {
	for _, tt := range []struct {
		name, file string
		want       []string // parts of the message
	}{
		{"unknown step", `{"on": "A", "do": "text.instert"}`,
			[]string{"f.json:3: x-1: step 1:", `unknown step "text.instert"`, "did you mean text.insert?"}},
		{"no name", `{"on": "A"}`, []string{"the step has no name", `add "do"`}},
		{"unknown key", `{"do": "sync_all"}, {"on": "A", "do": "undo", "after": 1}`,
			[]string{"step 2:", `undo has no parameter "after"`, "use one of actor, at, expect_error"}},
		{"missing key", `{"on": "A", "do": "text.delete", "obj": "t", "at": 0}`, []string{`text.delete lacks "len"`}},
		{"nobody acts", `{"do": "counter.reset", "obj": "c"}`, []string{`counter.reset lacks "on"`, "name the replica that acts"}},
		{"unknown replica", `{"do": "sync", "from": "A", "to": "C"}`,
			[]string{`to names "C", which is no replica of the scenario`}},
		{"both of two", `{"on": "A", "do": "text.insert", "obj": "t", "at": 0, "text": "x", "text_repeat": {"s": "x", "n": 1}}`,
			[]string{"text.insert has 2 of [text text_repeat]", "give exactly one"}},
		{"none of two", `{"do": "clock"}`, []string{"clock has 0 of [advance_ms set]"}},
		{"wrong type", `{"on": "A", "do": "text.delete", "obj": "t", "at": 0, "len": "1"}`, []string{"len must be a number, but is a string"}},
		{"negative", `{"on": "A", "do": "text.delete", "obj": "t", "at": 0, "len": -1}`, []string{"len must lie between 0 and"}},
		{"no position", `{"on": "A", "do": "text.delete", "obj": "t", "at": "start", "len": 1}`, []string{`write a number, "end" or "mid"`}},
		{"no time", `{"do": "clock", "set": "yesterday"}`, []string{"write it as 2030-01-01T10:00:00Z"}},
		{"no word", `{"on": "A", "do": "text.type", "obj": "t", "at": 0, "text": "x", "dir": "forwards"}`,
			[]string{`dir is "forwards"`, "did you mean forward?"}},
		{"no hex", `{"on": "A", "do": "text.insert_bytes", "obj": "t", "at": 0, "hex": "6"}`, []string{"hexadecimal digits"}},
		{"no share", `{"do": "sync_with_drops", "from": "A", "to": "B", "drop_after": ["10"]}`, []string{`write a share such as "40%"`}},
		{"no version", `{"do": "delta", "on": "A", "as": "d"}, {"do": "deliver_version", "what": "d", "to": "B", "version": "1"}`,
			[]string{"step 2:", `"+1"`}},
		{"no record", `{"on": "A", "do": "record.create", "record": "patient"}`, []string{"write collection/key"}},
		{"number too large", `{"on": "A", "do": "set.add", "obj": "s", "value": 92233720368547758070}`,
			[]string{"does not fit into 64 bits; write it as a string"}},
		{"transfer alone", `{"on": "A", "do": "counter.transfer", "obj": "c", "to": "B", "by": 1}`, []string{"record.edit"}},
		{"unknown operation", `{"on": "A", "do": "record.edit", "record": "a/1", "field": "f", "op": "text.insrt"}`,
			[]string{`unknown operation "text.insrt"`, "text.insert"}},
		{"obj inside a record", `{"on": "A", "do": "record.edit", "record": "a/1", "field": "f", "op": "set.add", "obj": "s", "value": 1}`,
			[]string{`record.edit set.add has no parameter "obj"`}},
		{"content of another type", `{"on": "A", "do": "field.create", "path": ["m", "k"], "type": "counter", "text": "x"}`,
			[]string{`a counter takes "by", a text takes "text"`}},
		{"nothing corrupt", `{"do": "delta", "on": "A", "as": "d"}, {"do": "deliver_corrupt", "what": "d", "to": "B"}`,
			[]string{"nothing is corrupted"}},
		{"empty check", `{"do": "check", "expect": {"on": ["A"]}}`, []string{"the check expects nothing"}},
		{"two groups", `{"do": "partition", "groups": [["A"], ["A", "B"]]}`, []string{"A is in two groups"}},
		{"both flags", `{"on": "A", "do": "undo", "may_fail": true, "expect_error": true}`, []string{"exclude each other"}},
		{"undeclared message", `{"do": "deliver", "what": "d", "to": "B"}`,
			[]string{`"d" names nothing that an earlier step declares`, "name a delta or snapshot"}},
		{"snapshot of another", `{"on": "A", "do": "snapshot", "as": "s"}, {"on": "B", "do": "restore", "from": "s"}`,
			[]string{"step 2:", "name a snapshot of B"}},
		{"undeclared token", `{"on": "A", "do": "record.set", "record": "a/1", "field": "f", "value": 1, "seen": "form"}`,
			[]string{"take a version token with a read step"}},
		{"undeclared label", `{"on": "A", "do": "verdict", "record": "a/1", "of": "w", "decision": "approve"}`,
			[]string{"label or the intent"}},
		{"inside a repeat", `{"do": "repeat", "times": 2, "steps": [{"do": "heal"}, {"do": "hael"}]}`,
			[]string{"step 1.2:", "did you mean heal?"}},
		{"loop of no edit", `{"on": "A", "do": "crash_loop", "times": 2, "op": {"do": "heal"}}`, []string{"op is heal, which edits nothing"}},
	} {
		t.Run(tt.name, func(t *testing.T) { wantFault(t, file(tt.file), tt.want) })
	}
}

func TestFaultsOfExpectations(t *testing.T) {
	for _, tt := range []struct {
		name, expect string
		want         []string
	}{
		{"unknown key", `{"converges": true}`, []string{"f.json:5: x-1: expect:", `has no key "converges"`, "did you mean converged?"}},
		{"unknown kind", `{"values": {"txt:t": "x"}}`, []string{`"txt:t" reads a type that is none of text, spans`}},
		{"no kind", `{"values": {"t": "x"}}`, []string{"not of the form type:object"}},
		{"value of another type", `{"values": {"text:t": 1}}`, []string{"text:t must be a string, but is a number"}},
		{"empty values", `{"values": {}}`, []string{"name what is read"}},
		{"record without key", `{"values": {"record:a": {}}}`, []string{"record:collection/key"}},
		{"predicate without field", `{"predicates": [{"read": "record:a/1", "kind": "well_formed"}]}`, []string{"record:collection/key.field"}},
		{"predicate without value", `{"predicates": [{"read": "text:t", "kind": "contains"}]}`, []string{"needs a value"}},
		{"predicate with value", `{"predicates": [{"read": "text:t", "kind": "well_formed", "value": 1}]}`, []string{"has no value"}},
		{"count without n", `{"predicates": [{"read": "text:t", "kind": "count", "value": "x"}]}`, []string{"n goes with the kind count"}},
		{"order of no list", `{"predicates": [{"read": "text:t", "kind": "order", "value": "x"}]}`, []string{"is a list"}},
		{"too many words", `{"predicates": [{"read": "text:t", "kind": "permutation", "value": [` + strings.Repeat(`"a", `, 20) + `"a"]}]}`,
			[]string{"more than 20 parts of a text"}},
		{"undeclared anchor", `{"anchors": {"k": 3}}`, []string{"name it with an anchor step"}},
		{"undeclared label", `{"held": ["w"]}`, []string{"the label of a step"}},
		{"null overruled", `{"overruled": [{"record": "a/1", "value": null}]}`, []string{"name the write by its label"}},
		{"severity", `{"conflicts": [{"severity": "high"}]}`, []string{"use one of none, auto, deferred, immediate"}},
	} {
		t.Run(tt.name, func(t *testing.T) { wantFault(t, whole("", tt.expect, ""), tt.want) })
	}
}

func TestFaultsOfFiles(t *testing.T) {
	for _, tt := range []struct {
		name, file string
		want       []string
	}{
		{"no JSON", `{"group": }`, []string{"f.json: line 1", "not JSON"}},
		{"two values", `{} {}`, []string{"more than one JSON value"}},
		{"cut off", `{"group": "g"`, []string{"unexpected EOF"}},
		{"no UTF-8", "{\"group\": \"\xff\"}", []string{"save it as UTF-8"}},
		{"duplicate key", `{"group": "a", "group": "b"}`, []string{`key "group" stands twice`}},
		{"deep", strings.Repeat("[", 100_000), []string{"nested deeper than 200 levels"}},
		{"unknown key", `{"group": "g", "scenarios": [], "scenario": []}`, []string{"did you mean scenarios?"}},
		{"missing key", `{"group": "g"}`, []string{`lacks "scenarios"`}},
		{"bad level", strings.ReplaceAll(string(file("")), "must", "may"), []string{`level is "may"`, "use one of must, should"}},
		{"unknown need", string(whole("", "{}", `"needs": ["mark"], `)), []string{`needs[0] is "mark"`, "did you mean marks?"}},
		{"budget", string(whole("", "{}", `"budget": {"state_bytes": 1}, `)), []string{`budget has no key "state_bytes"`, "state_bytes_max"}},
		{"replica twice", strings.ReplaceAll(string(file("")), `"B"]`, `"A"]`), []string{"a replica is named twice"}},
		{"id twice", `{"group": "g", "scenarios": [` + strings.Repeat(
			`{"id": "a", "level": "must", "title": "t", "replicas": ["A"], "steps": [], "expect": {}},`, 1) +
			`{"id": "a", "level": "must", "title": "t", "replicas": ["A"], "steps": [], "expect": {}}]}`,
			[]string{`two scenarios have the id "a"`}},
	} {
		t.Run(tt.name, func(t *testing.T) { wantFault(t, []byte(tt.file), tt.want) })
	}
}

func wantFault(t *testing.T, data []byte, parts []string) {
	t.Helper()
	f, err := scenario.Parse("f.json", data)
	if err == nil {
		t.Fatalf("accepted: %+v", f)
	}
	if fault := new(scenario.Fault); !errors.As(err, &fault) {
		t.Errorf("the error is a %T, want a *Fault in it", err)
	}
	for _, part := range append(slices.Clone(parts), "scenario: f.json") {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q lacks %q", err, part)
		}
	}
}

// TestAllFaultsAreReported looks for two faults of one file.
func TestAllFaultsAreReported(t *testing.T) {
	_, err := scenario.Parse("f.json", file(`{"do": "hael"}, {"do": "sync"}`))
	wantAll := []string{"did you mean heal?", `sync lacks "from"`, `sync lacks "to"`}
	for _, want := range wantAll {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v lacks %q", err, want)
		}
	}
}

// TestBuiltScenariosAreChecked: what was never a file is held to the same rules.
func TestBuiltScenariosAreChecked(t *testing.T) {
	s := &scenario.Scenario{ID: "b-1", Level: scenario.Must, Title: "built", Replicas: []string{"A"},
		Steps: []scenario.Step{
			{Do: "counter.add", On: "A", Obj: "c", By: big.NewInt(2)},
			{Do: "clock", Set: time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC)},
		},
		Expect: scenario.Expect{Values: scenario.Values{"counter:c": 2}}}
	if err := s.Validate(); err != nil {
		t.Errorf("a good one: %v", err)
	}
	s.Steps[0].On = "Z"
	if err := s.Validate(); err == nil || !strings.Contains(err.Error(), "no replica of the scenario") {
		t.Errorf("got %v, want a fault about replica Z", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, data := range sources(f) {
		if len(data) < 6_000 {
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		first, err := scenario.Parse("fuzz", data)
		if err != nil {
			return
		}
		text, err := scenario.Format(first)
		if err != nil {
			t.Fatalf("accepted, but not written: %v", err)
		}
		again, err := scenario.Format(parse(t, "fuzz", text))
		if err != nil || string(again) != string(text) {
			t.Fatalf("written again as\n%s\nerror %v, after\n%s", again, err, text)
		}
	})
}
