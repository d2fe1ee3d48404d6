package proptest_test

import (
	"errors"
	"testing"
	"time"

	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/merge"
	"github.com/concord-crdt/concord/proptest"
	"github.com/concord-crdt/concord/proptest/fleet"
	"github.com/concord-crdt/concord/proptest/scenario"
)

// nameable are the fields that scenario files have words for.
func nameable() *merge.Policy {
	return &merge.Policy{Collections: map[string]merge.Collection{"named": {Fields: map[string]merge.FieldRule{
		"r": {Type: crdt.TypeRegister, Of: merge.Integer},
		"c": {Type: crdt.TypeCounter},
		"s": {Type: crdt.TypeSet, Of: merge.String},
		"t": {Type: crdt.TypeText},
		"l": {Type: crdt.TypeList},
		"m": {Type: crdt.TypeMap, Of: merge.Integer},
	}}}}
}

func replay(t *testing.T, file []byte) scenario.Report {
	t.Helper()
	f, err := scenario.Parse("found.json", file)
	if err != nil {
		t.Fatalf("%v\n%s", err, file)
	}
	began := time.Now()
	return scenario.Runner{Opener: fleet.Opener{Dir: t.TempDir()}, Elapsed: func() time.Duration { return time.Since(began) }}.File(f)
}

// What the kit plays in memory, whole replicas play alike: a history written as a
// scenario ends as the specification says.
func TestHistoriesReplayOnWholeReplicas(t *testing.T) {
	records, err := proptest.Records(nameable(), nil, "named")
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(4) {
		file, without := proptest.RandomScenario(records, seed)
		if without != "" {
			t.Fatal(without)
		}
		if report := replay(t, file); report.Err() != nil || report.Count(scenario.Skipped) > 0 {
			t.Errorf("seed %d: %v\n%s", seed, report, file)
		}
	}
}

// A counter-example fails again when it is replayed.
func TestCounterExampleReplays(t *testing.T) {
	records, err := proptest.Records(nameable(), nil, "named")
	if err != nil {
		t.Fatal(err)
	}
	records.Operations = records.Operations[:1] // counter.add
	records.Invariants = []proptest.Invariant[proptest.Document]{{
		Name: "never above three",
		Holds: func(d proptest.Document, _ []proptest.Event) error {
			if n, ok := d.Value("c").(int64); ok && n > 3 {
				return errors.New("too many")
			}
			return nil
		},
		Expect: func([]proptest.Event) scenario.Expect {
			return scenario.Expect{Values: scenario.Values{"counter:c": 3}}
		},
	}}
	found, ok := errors.AsType[*proptest.Failure](proptest.CheckView(records, proptest.Options{}))
	if !ok || found.Scenario == nil {
		t.Fatalf("got %v", found)
	}
	if report := replay(t, found.Scenario); report.Err() == nil {
		t.Errorf("%v\n%s", report, found.Scenario)
	}
}
