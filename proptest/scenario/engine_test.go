package scenario_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-crdt/concord/proptest/scenario"
)

// engineOpener opens worlds that claim and implement all that is optional, and
// write down how they are called.
type engineOpener struct {
	naiveOpener
	calls  []string
	refuse string // the call that returns an error
}

func (*engineOpener) Capabilities() []scenario.Capability { return scenario.AllCapabilities() }

func (o *engineOpener) Open(s scenario.Setup) (scenario.World, error) {
	w, err := o.naiveOpener.Open(s)
	return &engineWorld{naiveWorld: w.(*naiveWorld), o: o}, err
}

func (o *engineOpener) call(format string, args ...any) error {
	line := fmt.Sprintf(format, args...)
	o.calls = append(o.calls, line)
	if o.refuse != "" && strings.HasPrefix(line, o.refuse) {
		return errors.New("refused")
	}
	return nil
}

type engineWorld struct {
	*naiveWorld
	o *engineOpener
}

var (
	_ scenario.Partitioner   = (*engineWorld)(nil)
	_ scenario.ClockPoisoner = (*engineWorld)(nil)
	_ scenario.Meter         = (*engineWorld)(nil)
	_ scenario.Dropper       = (*engineWorld)(nil)
	_ scenario.Stepper       = (*engineWorld)(nil)
	_ scenario.Crasher       = (*engineWorld)(nil)
	_ scenario.Locker        = (*engineWorld)(nil)
	_ scenario.DiskFiller    = (*engineWorld)(nil)
	_ scenario.Collector     = (*engineWorld)(nil)
	_ scenario.Versioner     = (*naiveWorld)(nil)
	_ scenario.Durable       = (*naive)(nil)
	_ scenario.Undoer        = engineReplica{}
	_ scenario.Anchorer      = engineReplica{}
	_ scenario.Measurer      = engineReplica{}
	_ scenario.BulkReplica   = engineReplica{}
)

func (w *engineWorld) Replica(name string) scenario.Replica {
	return engineReplica{naive: w.replicas[name], o: w.o, name: name}
}

func (w *engineWorld) Sync(from, to string) (int, error) {
	if err := w.o.call("sync %s %s", from, to); err != nil {
		return 0, err
	}
	return w.naiveWorld.Sync(from, to)
}

func (w *engineWorld) Partition(groups [][]string) error { return w.o.call("partition %v", groups) }
func (w *engineWorld) Heal() error                       { return w.o.call("heal") }
func (w *engineWorld) Poison(to string) error            { return w.o.call("poison %s", to) }

func (w *engineWorld) MeasureSync(from, to string) (scenario.SyncCost, error) {
	return scenario.SyncCost{Bytes: 30, FullBytes: 100, RoundTrips: 3, Changes: 7}, w.o.call("measure %s %s", from, to)
}

func (w *engineWorld) SyncWithDrops(from, to string, after []scenario.Percent) error {
	return w.o.call("drops %s %s %v", from, to, after)
}

func (w *engineWorld) SyncStepwise(from, to string, checks []string, after scenario.Percent, then func() error) error {
	if err := w.o.call("stepwise %s %s %v %v", from, to, checks, after); err != nil {
		return nil // ends before its time
	}
	return then()
}

func (w *engineWorld) SyncWithBudget(from, to, class string) error {
	return w.o.call("budget %s %s %s", from, to, class)
}

func (w *engineWorld) KillDuring(what, on, from, points string) error {
	return w.o.call("kill %s %s %s %s", what, on, from, points)
}

func (w *engineWorld) CrashLoop(on string, times int, e scenario.Edit) error {
	return w.o.call("crash %s %d %s %v", on, times, e.Field, e.Op)
}

func (w *engineWorld) OpenAgain(on string) error { return w.o.call("open %s", on) }
func (w *engineWorld) FillDisk(on string) error  { return w.o.call("fill %s", on) }
func (w *engineWorld) FreeDisk(on string) error  { return w.o.call("free %s", on) }
func (w *engineWorld) Collect(on string) error   { return w.o.call("collect %s", on) }

type engineReplica struct {
	*naive
	o    *engineOpener
	name string
}

func (r engineReplica) Undo() error { return r.o.call("undo %s", r.name) }

func (r engineReplica) Anchor(t scenario.Target, pos int, unit, bias string) (scenario.Anchor, error) {
	return pos, r.o.call("anchor %s %d %s %s", t.Field, pos, unit, bias)
}

func (r engineReplica) Position(a scenario.Anchor) (int, error) { return a.(int) + 1, nil }

func (r engineReplica) Len(t scenario.Target, unit string) (int, error) {
	return 8, r.o.call("len %s %s", t.Field, unit)
}

func (r engineReplica) BulkPut(object string, records, bytesEach int) error {
	return r.o.call("bulk %s %d %d", object, records, bytesEach)
}

func (r engineReplica) Touch(object string, n int) error { return r.o.call("touch %s %d", object, n) }

func (r engineReplica) Edit(a scenario.Author, e scenario.Edit) (scenario.Change, error) {
	switch op := e.Op.(type) {
	case scenario.TextMark:
		return "", r.o.call("mark %s %v", e.Field, op)
	case scenario.ListMove:
		return "", r.o.call("move %s %v", e.Field, op)
	}
	return r.naive.Edit(a, e)
}

// TestOptionalStepsReachTheWorld gives every optional step once and looks at the
// call that it becomes.
func TestOptionalStepsReachTheWorld(t *testing.T) {
	for _, tt := range []struct{ steps, want string }{
		{`{"do": "partition", "groups": [["A"]]}`, "partition [[A] [B]]"},
		{`{"do": "heal"}`, "heal"},
		{`{"do": "inject_hlc", "to": "B", "wall": "max"}`, "poison B"},
		{`{"on": "A", "do": "undo"}`, "undo A"},
		{`{"on": "A", "do": "anchor", "obj": "t", "at": 3, "bias": "after", "as": "k"}`, "anchor t 3  after"},
		{`{"on": "A", "do": "anchor", "obj": "t", "at": "mid", "bias": "after", "as": "k", "unit": "utf16"}`, "len t utf16; anchor t 4 utf16 after"},
		{`{"on": "A", "do": "text.mark", "obj": "t", "from": 1, "to": 2, "mark": "bold", "value": true}`, "mark t {1 2 bold true }"},
		{`{"on": "A", "do": "list.move", "obj": "l", "from": 1, "to": 2}`, "move l {1 2}"},
		{`{"on": "A", "do": "bulk_put", "obj": "m", "records": 5, "bytes_each": 6}`, "bulk m 5 6"},
		{`{"on": "A", "do": "touch", "obj": "m", "n": 2}`, "touch m 2"},
		{`{"do": "measure_sync", "from": "A", "to": "B"}`, "measure A B"},
		{`{"do": "sync_with_drops", "from": "A", "to": "B", "drop_after": ["10%", "90%"]}`, "drops A B [10 90]"},
		{`{"do": "sync_stepwise", "from": "A", "to": "B", "check_each_chunk": ["progress"], "after": "40%", "then": [{"do": "heal"}]}`,
			"stepwise A B [progress] 40; heal"},
		{`{"do": "sync_with_budget", "from": "A", "to": "B", "fits": "high"}`, "budget A B high"},
		{`{"on": "A", "do": "kill_during", "what": "import", "from": "B", "points": "all"}`, "kill import A B all"},
		{`{"on": "A", "do": "crash_loop", "times": 9, "op": {"do": "register.set", "obj": "r", "value": 1}}`, "crash A 9 r {1}"},
		{`{"on": "A", "do": "disk_full"}`, "fill A"},
		{`{"on": "A", "do": "disk_free"}`, "free A"},
		{`{"on": "A", "do": "gc"}`, "collect A"},
	} {
		t.Run(tt.want, func(t *testing.T) {
			o := &engineOpener{}
			r := runWith(t, o, whole(tt.steps, `{"shape": {"text:t": 1}}`, ""))
			if r.Outcome != scenario.Passed {
				t.Error(r)
			}
			if diff := cmp.Diff(tt.want, strings.Join(o.calls, "; ")); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAnswersOfTheWorldCount(t *testing.T) {
	for _, tt := range []struct{ name, refuse, steps, expect, more, want string }{
		{"the second open is refused", "open", `{"on": "A", "do": "open_again", "expect_error": true}`, `{}`, "", ""},
		{"the second open succeeds", "", `{"on": "A", "do": "open_again", "expect_error": true}`, `{}`, "", "it must return an error"},
		{"sync across a partition fails", "sync A B", `{"do": "partition", "groups": [["A"], ["B"]]}, {"do": "sync", "from": "A", "to": "B"}`, `{}`, "", ""},
		{"sync across a partition succeeds", "", `{"do": "partition", "groups": [["A"], ["B"]]}, {"do": "sync", "from": "A", "to": "B"}`, `{}`, "",
			"a sync from A to B succeeded across the partition"},
		{"a poisoned delta is refused without a type", "poison", `{"do": "inject_hlc", "to": "A", "wall": "max"}`, `{}`, "", "not by a typed error"},
		{"then never runs", "stepwise", `{"do": "sync_stepwise", "from": "A", "to": "B", "after": "40%", "then": [{"do": "heal"}]}`, `{}`, "",
			"the steps under then never ran"},
		{"a step under then fails", "heal", `{"do": "sync_stepwise", "from": "A", "to": "B", "then": [{"do": "heal"}]}`, `{}`, "", "at 1.1 "},
		{"anchors", "", `{"on": "A", "do": "anchor", "obj": "t", "at": 3, "bias": "after", "as": "k"}`, `{"anchors": {"k": 5}}`, "", "A anchor k\n      got  4\n      want 5"},
		{"sync within budget", "", `{"do": "measure_sync", "from": "A", "to": "B"}`, `{}`,
			`"budget": {"bytes_max_fraction_of_full": 0.3, "round_trips_max": 3, "changes_max": 7}, `, ""},
		{"sync over budget", "", `{"do": "measure_sync", "from": "A", "to": "B"}`, `{}`, `"budget": {"round_trips_max": 2}, `, "round_trips is 3, the budget 2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := runWith(t, &engineOpener{refuse: tt.refuse}, whole(tt.steps, tt.expect, tt.more))
			if (r.Outcome == scenario.Passed) != (tt.want == "") || !strings.Contains(r.String(), tt.want) {
				t.Errorf("want %q, got\n%s", tt.want, r)
			}
		})
	}
}

// boaster claims everything and implements little.
type boaster struct{ naiveOpener }

func (*boaster) Capabilities() []scenario.Capability { return scenario.AllCapabilities() }

func TestEmptyClaimsAreFailures(t *testing.T) {
	for _, step := range []string{`{"on": "A", "do": "gc"}`, `{"on": "A", "do": "undo"}`, `{"do": "inject_hlc", "to": "A", "wall": "max"}`,
		`{"on": "A", "do": "record.create", "record": "a/1"}`} {
		r := runWith(t, &boaster{}, whole(step, `{}`, ""))
		if r.Outcome != scenario.Failed || !strings.Contains(r.Reason, "the world claims") {
			t.Errorf("%s: got\n%s", step, r)
		}
	}
}
