package scenario_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-crdt/concord/proptest/scenario"
)

// TestNaiveWorldOnPublicFiles runs every scenario of the repository. The naive
// world passes most and fails where it must; what it lacks is skipped.
func TestNaiveWorldOnPublicFiles(t *testing.T) {
	fails := map[string]string{
		"txt-05": `got  "axb"`,             // interleaves a run that two replicas built backwards
		"txt-13": `got  "LOG\nb3\na3\nb2`,  // the same, at line level
		"txt-15": `want "ayxb"`,            // is no FugueMax
		"reg-05": `got  "future"`,          // believes any clock
		"cnt-09": "at expect: what must h", // numbers operations again after a restore
		"rst-02": "at expect: what must h", // the same
		"rst-03": "at expect: what must h", // the same
	}
	skips := map[string]string{
		"lst-05": "needs list.move", "lst-09": "needs list.move", "lst-13": "needs list.move",
		"txt-49": "needs undo", "txt-50": "needs anchors",
		"reg-10": "step 4 (inject_hlc) needs inject_hlc",
		"syn-06": "step 5 (kill_during) needs kill_during", "syn-09": "step 8 (gc) needs gc",
		"syn-10": "step 1 (bulk_put)", "syn-11": "step 1 (bulk_put)", "syn-12": "step 5 (open_again)",
		"syn-13": "step 1 (crash_loop)", "syn-14": "step 5 (disk_full)",
	}
	for name, data := range sources(t) {
		f := parse(t, name, data)
		opener := &naiveOpener{}
		for _, result := range (scenario.Runner{Opener: opener}).File(f).Results {
			want, part := scenario.Passed, ""
			if text, ok := fails[result.ID]; ok {
				want, part = scenario.Failed, text
			} else if text, ok := skips[result.ID]; ok {
				want, part = scenario.Skipped, text
			} else if strings.HasPrefix(f.Group, "rules") {
				want, part = scenario.Skipped, "needs rules"
			} else if f.Group == "richtext" {
				want, part = scenario.Skipped, "needs marks"
			}
			if result.Outcome != want || !strings.Contains(result.String(), part) {
				t.Errorf("want %s with %q, got\n%s", want, part, result)
			}
		}
		if slices.ContainsFunc(opener.opened, func(w *naiveWorld) bool { return !w.closed }) {
			t.Errorf("%s: a world was not closed", name)
		}
	}
}

// run runs one scenario of the naive world with planted faults.
func run(t *testing.T, data []byte, faults ...string) scenario.Result {
	t.Helper()
	return runWith(t, &naiveOpener{faults: faults}, data)
}

func runWith(t *testing.T, opener scenario.Opener, data []byte) scenario.Result {
	t.Helper()
	return scenario.Runner{Opener: opener}.Scenario(parse(t, "f.json", data).Scenarios[0])
}

const add = `{"on": "A", "do": "counter.add", "obj": "c", "by": 1}`

// TestRunnerCatchesPlantedFaults shows that each check of the runner can fail,
// and that the same history passes without the fault.
func TestRunnerCatchesPlantedFaults(t *testing.T) {
	for _, tt := range []struct{ fault, steps, expect, want string }{
		{"doubles what comes twice", add + `, {"on": "A", "do": "delta", "as": "d"}, {"do": "deliver", "what": "d", "to": "B"}`,
			`{"values": {"counter:c": 1}}`, "the same message, delivered again, changed the replica"},
		{"last arrival wins", `{"on": "A", "do": "register.set", "obj": "r", "value": "a"},
			{"on": "B", "do": "register.set", "obj": "r", "value": "b"}, {"do": "merge_orders"}`,
			`{"shape": {"register:r": 1}}`, "the order in which states are joined shows"},
		{"last arrival wins", `{"on": "A", "do": "register.set", "obj": "r", "value": "a"},
			{"on": "B", "do": "register.set", "obj": "r", "value": "b"}, {"do": "sync_all"}`,
			`{"converged": true, "shape": {"register:r": 1}}`, `want "b", as on A`},
		{"sync flows back", `{"on": "B", "do": "set.add", "obj": "s", "value": 1}, {"do": "sync", "from": "A", "to": "B"}`,
			`{"on": ["A"], "values": {"set:s": []}}`, "the sync changed its source"},
		{"sync never settles", `{"do": "sync_all"}`, `{"converged": true}`, "replicas still learn something new after 14 rounds"},
		{"takes damaged bytes", add + `, {"on": "A", "do": "delta", "as": "d"}, {"do": "deliver_corrupt", "what": "d", "to": "B", "truncate": "each length"}`,
			`{"on": ["B"], "values": {"counter:c": 0}}`, "cut to 0 of 9 bytes: the message was accepted"},
		{"refuses without a type", add + `, {"on": "A", "do": "delta", "as": "d"}, {"do": "deliver_corrupt", "what": "d", "to": "B", "flips": "each bit"}`,
			`{"on": ["B"], "values": {"counter:c": 0}}`, "bit 0 of byte 0 flipped: refused, but not by a typed error"},
		{"takes later versions", add + `, {"on": "A", "do": "snapshot", "as": "d"}, {"do": "deliver_version", "what": "d", "to": "B", "version": "+2"}`,
			`{"on": ["B"], "values": {"counter:c": 0}}`, "a format +2 versions later: the message was accepted"},
		{"a restart forgets", add + `, {"on": "A", "do": "restart"}`,
			`{"on": ["A"], "values": {"counter:c": 1}}`, "the restart changed the replica"},
		{"errors leave traces", `{"on": "A", "do": "text.delete", "obj": "t", "at": 0, "len": 1, "may_fail": true}`,
			`{"on": ["A"], "values": {"text:t": ""}}`, "an operation that returned an error changed the replica"},
		{"panics", `{"on": "A", "do": "set.add", "obj": "s", "value": 1}`, `{"on": ["A"], "values": {"set:s": [1]}}`, "panic: planted"},
		{"no digest", `{"do": "sync_all"}`, `{"converged": true}`, "digest: planted"},
	} {
		t.Run(tt.fault, func(t *testing.T) {
			data := whole(tt.steps, tt.expect, "")
			if tt.want != `want "b", as on A` {
				if r := run(t, data); r.Outcome != scenario.Passed {
					t.Errorf("without the fault:\n%s", r)
				}
			}
			if r := run(t, data, tt.fault); r.Outcome != scenario.Failed || !strings.Contains(r.String(), tt.want) {
				t.Errorf("with the fault, want %q, got:\n%s", tt.want, r)
			}
		})
	}
}

func TestSteps(t *testing.T) {
	for _, tt := range []struct{ name, steps, expect, want string }{
		{"typed forward", `{"on": "A", "do": "text.type", "obj": "t", "at": 0, "text": "añ😀", "dir": "forward"}`, `{"on": ["A"], "values": {"text:t": "añ😀", "text_len:t": 3}}`, ""},
		{"typed forward in UTF-16", `{"on": "A", "do": "text.type", "obj": "t", "at": 0, "text": "😀b", "dir": "forward", "unit": "utf16"}`, `{"on": ["A"], "values": {"text:t": "😀b"}}`, ""},
		{"typed backward", `{"on": "A", "do": "text.type", "obj": "t", "at": 0, "text": "abc", "dir": "backward"}`, `{"on": ["A"], "values": {"text:t": "abc"}}`, ""},
		{"hash", `{"on": "A", "do": "text.insert", "obj": "t", "at": 0, "text": "abc"}`,
			`{"on": ["A"], "values": {"text_sha256:t": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}}`, ""},
		{"end and middle", `{"on": "A", "do": "text.insert", "obj": "t", "at": "end", "text_repeat": {"s": "ab", "n": 2}},
			{"on": "A", "do": "text.insert", "obj": "t", "at": "mid", "text": "|"}, {"on": "A", "do": "text.insert", "obj": "t", "at": "end", "text": "."}`,
			`{"on": ["A"], "values": {"text:t": "ab|ab."}}`, ""},
		{"end of a list", `{"on": "A", "do": "list.insert", "obj": "l", "at": "end", "values": [1, 2]}, {"on": "A", "do": "list.insert", "obj": "l", "at": "end", "values": [3]}`,
			`{"on": ["A"], "values": {"list:l": [1, 2, 3]}}`, ""},
		{"end of a nested text", `{"on": "A", "do": "map.text_insert", "path": ["m", "k"], "at": "end", "text": "ab"},
			{"on": "A", "do": "map.text_insert", "path": ["m", "k"], "at": "end", "text": "c"}`, `{"on": ["A"], "values": {"map:m": {"k": "abc"}}, "count": {"m": 1}}`, ""},
		{"rounds", `{"do": "repeat", "times": 2, "steps": [{"on": "A", "do": "set.add", "obj": "s", "value": "x{i}"},
			{"do": "repeat", "times": 2, "steps": [{"on": "A", "do": "map.set", "path": ["m", "k{i}"], "value": ["v{i}"]}]},
			{"do": "check", "expect": {"on": ["A"], "predicates": [{"read": "set:s", "kind": "contains", "value": "x0"}]}}]}`,
			`{"on": ["A"], "values": {"set:s": ["x1", "x0"], "map:m": {"k0": ["v0"], "k1": ["v1"]}}}`, ""},
		{"check fails in a round", `{"do": "repeat", "times": 5, "steps": [` + add + `, {"do": "check", "expect": {"on": ["A"], "values": {"counter:c": "1"}}}]}`,
			`{}`, "at 1[1].2 "},
		{"large numbers", `{"on": "A", "do": "counter.add", "obj": "c", "by": "9223372036854775807"}, ` + add,
			`{"on": ["A"], "values": {"counter:c": "9223372036854775808"}}`, ""},
		{"types differ", `{"on": "A", "do": "register.set", "obj": "r", "value": 1}`, `{"on": ["A"], "values": {"register:r": 1.0}}`, "want 1.0"},
		{"clocks stand", `{"on": "B", "do": "clock", "advance_ms": 1}, {"on": "B", "do": "register.set", "obj": "r", "value": "b"},
			{"on": "A", "do": "register.set", "obj": "r", "value": "a"}, {"do": "sync_all"}`, `{"converged": true, "values": {"register:r": "b"}}`, ""},
		{"all clocks", `{"do": "clock", "set": "2031-01-01T00:00:00Z"}, {"on": "B", "do": "clock", "advance_ms": -1}, {"on": "B", "do": "register.set", "obj": "r", "value": "b"},
			{"on": "A", "do": "register.set", "obj": "r", "value": "a"}, {"do": "sync_all"}`, `{"converged": true, "values": {"register:r": "a"}}`, ""},
		{"partition", `{"do": "partition", "groups": [["A"], ["B"]]}, ` + add + `, {"do": "sync", "from": "A", "to": "B"}, {"do": "sync_all"},
			{"do": "check", "expect": {"on": ["B"], "values": {"counter:c": 0}}}, {"do": "heal"}, {"do": "sync_all"}`, `{"converged": true, "values": {"counter:c": 1}}`, ""},
		{"own changes only", `{"on": "B", "do": "counter.add", "obj": "c", "by": 5}, {"do": "sync", "from": "B", "to": "A"}, ` + add + `,
			{"on": "A", "do": "delta", "as": "own", "own": true}, {"on": "A", "do": "delta", "as": "none"}, {"do": "merge_orders"}`,
			`{"on": ["A"], "values": {"counter:c": 6}}`, ""},
		{"error that must come", `{"on": "A", "do": "text.delete", "obj": "t", "at": 0, "len": 1, "expect_error": true}`, `{"on": ["A"], "values": {"text:t": ""}}`, ""},
		{"error that does not come", `{"on": "A", "do": "undo", "label": "x"}, ` + strings.Replace(add, `}`, `, "expect_error": true}`, 1), `{}`, "needs undo"},
		{"no error where one must be", strings.Replace(add, `}`, `, "expect_error": true}`, 1), `{}`, "it must return an error, and returned none"},
		{"error that must not come", `{"on": "A", "do": "text.delete", "obj": "t", "at": 0, "len": 1}`, `{}`, "beyond the end"},
		{"typing that fails half-way", `{"on": "A", "do": "text.type", "obj": "t", "at": 0, "text": "ab", "dir": "forward", "unit": "utf16", "may_fail": true}`, `{}`, ""},
		{"no result fits", add, `{"on": ["A"], "any_of": [{"counter:c": 2}, {"counter:c": 3}]}`, "want 2\n        or 3"},
		{"reads what cannot be read", add, `{"on": ["A"], "shape": {"text:t": 1, "map:m": 1}, "count": {"m": 1}}`, "got  0\n      want 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := run(t, whole(tt.steps, tt.expect, ""))
			if (r.Outcome == scenario.Passed) != (tt.want == "") || !strings.Contains(r.String(), tt.want) {
				t.Errorf("want %q, got\n%s", tt.want, r)
			}
		})
	}
}

// orderOpener remembers under which orders of ids it was opened.
type orderOpener struct {
	naiveOpener
	orders []string
}

func (o *orderOpener) Open(s scenario.Setup) (scenario.World, error) {
	o.orders = append(o.orders, strings.Join(s.Replicas, ""))
	return o.naiveOpener.Open(s)
}

func TestIDsAreAssignedInEveryOrder(t *testing.T) {
	names := func(n int) string {
		var list []string
		for i := range n {
			list = append(list, fmt.Sprintf("%q", string(rune('A'+i))))
		}
		return "[" + strings.Join(list, ", ") + "]"
	}
	for n, want := range map[int]int{1: 1, 2: 2, 3: 6, 4: 24, 5: 24, 12: 24} {
		data := strings.Replace(string(whole("", `{"converged": true}`, `"permute_ids": true, `)), `["A", "B"]`, names(n), 1)
		opener := &orderOpener{}
		r := runWith(t, opener, []byte(data))
		distinct := slices.Compact(slices.Sorted(slices.Values(opener.orders)))
		if r.Outcome != scenario.Passed || r.Runs != want || len(distinct) != want {
			t.Errorf("%d replicas: %d distinct orders in %d runs, want %d; %s", n, len(distinct), r.Runs, want, r)
		}
	}
	again := &orderOpener{}
	data := strings.Replace(string(whole("", `{"converged": true}`, `"permute_ids": true, `)), `["A", "B"]`, names(6), 1)
	runWith(t, again, []byte(data))
	once := again.orders
	again.orders = nil
	if runWith(t, again, []byte(data)); !cmp.Equal(once, again.orders) {
		t.Error("two runs take different samples")
	}
}

// TestRequireLeavesOutAssignments: reading x requires that A has the smaller id.
func TestRequireLeavesOutAssignments(t *testing.T) {
	steps := `{"on": "A", "do": "register.set", "obj": "r", "value": "a"}, {"on": "B", "do": "register.set", "obj": "r", "value": "b"},
		{"do": "sync_all"}, {"do": "require", "values": {"register:r": %q}}`
	r := run(t, whole(fmt.Sprintf(steps, "a"), `{"values": {"register:r": "a"}}`, `"permute_ids": true, `))
	if r.Outcome != scenario.Passed || r.Runs != 1 || r.Unfit != 1 {
		t.Errorf("want one run of two to apply, got %d and %d unfit:\n%s", r.Runs, r.Unfit, r)
	}
	r = run(t, whole(fmt.Sprintf(steps, "c"), `{"values": {"register:r": "a"}}`, `"permute_ids": true, `))
	if r.Outcome != scenario.Failed || !strings.Contains(r.String(), "hold under no assignment") {
		t.Errorf("want a failure where nothing applies, got\n%s", r)
	}
}

// TestRepairsAreNoFaults: after a restore, or where clocks differ, a replica may
// change by itself.
func TestRepairsAreNoFaults(t *testing.T) {
	for _, before := range []string{
		`{"on": "A", "do": "snapshot", "as": "s"}, {"on": "A", "do": "restore", "from": "s"}`,
		`{"on": "B", "do": "clock", "advance_ms": 1}`,
	} {
		data := whole(before+`, {"on": "B", "do": "set.add", "obj": "s", "value": 1}, {"do": "sync", "from": "A", "to": "B"}`,
			`{"values": {"set:s": [1]}}`, "")
		if r := run(t, data, "sync flows back"); r.Outcome != scenario.Passed {
			t.Errorf("after %s:\n%s", before, r)
		}
	}
}

// TestMergeOrdersFoldsEverything counts the fresh replicas: one for each fold
// and for each part that several folds share.
func TestMergeOrdersFoldsEverything(t *testing.T) {
	for n, want := range map[int]int{1: 1, 2: 2, 3: 12 + 6, 4: 120 + 48 + 12} {
		var names []string
		for i := range n {
			names = append(names, fmt.Sprintf("%q", string(rune('A'+i))))
		}
		data := strings.Replace(string(whole(`{"do": "merge_orders"}`, `{}`, "")), `"A", "B"`, strings.Join(names, ", "), 1)
		opener := &naiveOpener{}
		if r := runWith(t, opener, []byte(data)); r.Outcome != scenario.Passed || opener.opened[0].fresh != want {
			t.Errorf("%d replicas: %d fresh ones, want %d; %s", n, opener.opened[0].fresh, want, r)
		}
		permuted := strings.Replace(data, `"steps"`, `"permute_ids": true, "steps"`, 1)
		opener = &naiveOpener{}
		if r := runWith(t, opener, []byte(permuted)); r.Outcome != scenario.Passed {
			t.Error(r)
		}
		if last := opener.opened[len(opener.opened)-1].fresh; n == 4 && (last < 24 || last > 3*24) {
			t.Errorf("four replicas, a later assignment: %d fresh replicas, want a sample", last)
		}
	}
}

func TestFailureTellsTheStory(t *testing.T) {
	r := run(t, whole(`{"do": "repeat", "times": 100, "steps": [`+add+`]}`, `{"values": {"counter:c": 100}}`, `"framework_expect": "one hundred", `))
	if f := r.Failure; f == nil || len(f.Trace) != 40 || f.Omitted != 60 || f.Trace[39] != "1[99].1 "+add || f.At != "expect" {
		t.Fatalf("got\n%s", r)
	}
	want := []scenario.Mismatch{{Replica: "B", What: "counter:c", Got: "0", Want: []string{"100"}}}
	if diff := cmp.Diff(want, r.Failure.Mismatches); diff != "" {
		t.Errorf("mismatches (-want +got):\n%s", diff)
	}
	for _, part := range []string{"fail  x-1 (must): t", "ids ascend: A, B", "expected of any implementation: one hundred", "60 steps, then"} {
		if !strings.Contains(r.String(), part) {
			t.Errorf("the story lacks %q:\n%s", part, r)
		}
	}
}

func TestLongTextsAreCutAroundTheirDifference(t *testing.T) {
	r := run(t, whole(`{"on": "A", "do": "text.insert", "obj": "t", "at": 0, "text_repeat": {"s": "ab", "n": 5000}},
		{"on": "A", "do": "text.insert", "obj": "t", "at": 7000, "text": "!"}`,
		`{"on": ["A"], "values": {"text:t": "`+strings.Repeat("ab", 5000)+`"}}`, ""))
	if text := r.String(); len(text) > 2000 || !strings.Contains(text, "(from character 6951) …") || !strings.Contains(text, "!ab") {
		t.Errorf("%d bytes:\n%.3000s", len(text), text)
	}
}

func TestLevelsAndBudgets(t *testing.T) {
	now := time.Duration(0)
	clock := func() time.Duration { now += 30 * time.Millisecond; return now }
	for _, tt := range []struct {
		name, budget string
		elapsed      func() time.Duration
		outcome      scenario.Outcome
		want         string
	}{
		{"within", `{"state_bytes_max": 1000, "wall_ms_max": 40}`, clock, scenario.Passed, "wall_ms 30 of 40 (must): ok"},
		{"over", `{"state_bytes_max": 8}`, nil, scenario.Failed, "state_bytes is 9, the budget 8"},
		{"over, and should", `{"state_bytes_max": 8, "level": "should"}`, nil, scenario.Passed, "state_bytes 9 of 8 (should): over budget"},
		{"not measured", `{"wall_ms_max": 1, "round_trips_max": 4}`, nil, scenario.Passed, "wall_ms 0 of 1 (must): not measured"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := parse(t, "f.json", whole(add, `{"on": ["A"], "values": {"counter:c": 1}}`, `"budget": `+tt.budget+`, `)).Scenarios[0]
			r := scenario.Runner{Opener: &naiveOpener{}, Elapsed: tt.elapsed}.Scenario(s)
			if r.Outcome != tt.outcome || !strings.Contains(r.String(), tt.want) {
				t.Errorf("want %s with %q, got\n%s", tt.outcome, tt.want, r)
			}
		})
	}
	f := parse(t, "f.json", whole("", `{"values": {"counter:c": 1}}`, ""))
	runner := scenario.Runner{Opener: &naiveOpener{}}
	if err := runner.File(f).Err(); err == nil || !strings.Contains(err.Error(), "x-1") {
		t.Errorf("a failed must: error %v, want one that names it", err)
	}
	f.Scenarios[0].Level = scenario.Should
	if report := runner.File(f); report.Err() != nil || report.Count(scenario.Failed) != 1 {
		t.Errorf("a failed should must be listed and be no error:\n%s", report)
	}
}

// A storer is a replica whose state weighs less than its messages.
type storer struct{ *naive }

func (storer) Stored() ([]byte, error) { return []byte("state"), nil }

type storerWorld struct{ *naiveWorld }

func (w storerWorld) Replica(name string) scenario.Replica { return storer{w.replicas[name]} }

type storerOpener struct{ naiveOpener }

func (o *storerOpener) Open(s scenario.Setup) (scenario.World, error) {
	w, err := o.naiveOpener.Open(s)
	return storerWorld{w.(*naiveWorld)}, err
}

func TestBudgetsOfStateWeighWhatIsStored(t *testing.T) {
	r := runWith(t, &storerOpener{}, whole(add, `{"on": ["A"], "values": {"counter:c": 1}}`, `"budget": {"state_bytes_max": 5}, `))
	if r.Outcome != scenario.Passed || !strings.Contains(r.String(), "state_bytes 5 of 5 (must): ok") {
		t.Errorf("got\n%s", r)
	}
}

func TestRunawayScenariosEnd(t *testing.T) {
	s := parse(t, "f.json", whole(`{"do": "repeat", "times": 1000000, "steps": [{"do": "repeat", "times": 1000000, "steps": [{"do": "heal"}]}]}`, `{}`, "")).Scenarios[0]
	r := scenario.Runner{Opener: &naiveOpener{}, MaxSteps: 1000}.Scenario(s)
	if r.Outcome != scenario.Failed || !strings.Contains(r.Reason, "more than 1000 steps") {
		t.Errorf("got\n%s", r)
	}
}
