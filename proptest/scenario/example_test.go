package scenario_test

import (
	"fmt"
	"math/big"

	"github.com/concord-crdt/concord/proptest/scenario"
)

// A property test that found a counter-example writes it as a scenario, to be
// read by a person and run again by anybody.
func ExampleFormat() {
	text, err := scenario.Format(&scenario.File{Group: "found", Scenarios: []*scenario.Scenario{{
		ID:         "cnt-seed-7",
		Level:      scenario.Must,
		Title:      "an addition is not counted twice",
		Replicas:   []string{"A", "B"},
		PermuteIDs: true,
		Steps: []scenario.Step{
			{Do: "counter.add", On: "A", Obj: "c", By: big.NewInt(5)},
			{Do: "delta", On: "A", Name: "d"},
			{Do: "deliver", What: "d", To: "B", Times: 2},
			{Do: "sync_all"},
		},
		Expect: scenario.Expect{Converged: true, Values: scenario.Values{"counter:c": 5}},
	}}})
	if err != nil {
		fmt.Println(err)
	}
	fmt.Print(string(text))
	// Output:
	// {
	//  "group": "found",
	//  "scenarios": [
	//   {
	//    "id": "cnt-seed-7",
	//    "level": "must",
	//    "title": "an addition is not counted twice",
	//    "replicas": ["A", "B"],
	//    "permute_ids": true,
	//    "steps": [
	//     {"on": "A", "do": "counter.add", "obj": "c", "by": 5},
	//     {"on": "A", "do": "delta", "as": "d"},
	//     {"do": "deliver", "what": "d", "to": "B", "times": 2},
	//     {"do": "sync_all"}
	//    ],
	//    "expect": {"converged": true,
	//     "values": {"counter:c": 5}}
	//   }
	//  ]
	// }
}

// A file that is not understood is refused, with all its faults.
func ExampleParse() {
	_, err := scenario.Parse("mine.json", []byte(`{"group": "mine", "scenarios": [
 {"id": "m-1", "level": "must", "title": "two typos", "replicas": ["A"],
  "steps": [
   {"on": "A", "do": "set.ad", "obj": "s", "value": 1},
   {"on": "A", "do": "text.delete", "obj": "t", "at": 0}
  ],
  "expect": {"values": {"set:s": [1]}}}]}`))
	fmt.Println(err)
	// Output:
	// scenario: mine.json:4: m-1: step 1: unknown step "set.ad"; did you mean set.add?
	// scenario: mine.json:5: m-1: step 2: text.delete lacks "len"
}

// A runner drives any world and reports what held.
func ExampleRunner() {
	f, err := scenario.Parse("mine.json", []byte(`{"group": "mine", "scenarios": [
 {"id": "m-1", "level": "must", "title": "an added element wins", "replicas": ["A", "B"], "permute_ids": true,
  "steps": [
   {"on": "A", "do": "set.add", "obj": "s", "value": "x"},
   {"do": "sync_all"},
   {"on": "A", "do": "set.remove", "obj": "s", "value": "x"},
   {"on": "B", "do": "set.add", "obj": "s", "value": "x"},
   {"do": "sync_all"}
  ],
  "expect": {"converged": true, "values": {"set:s": ["x"]}}},
 {"id": "m-2", "level": "must", "title": "an operation can be taken back", "replicas": ["A"],
  "steps": [{"on": "A", "do": "undo"}], "expect": {}}]}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	report := scenario.Runner{Opener: &naiveOpener{}}.File(f)
	fmt.Print(report)
	fmt.Println("error:", report.Err())
	// Output:
	// pass mine m-1 (must): an added element wins
	// skip mine m-2 (must): an operation can be taken back
	//   step 1 (undo) needs undo, which is missing here
	// mine: 1 passed, 0 failed, 1 skipped
	// error: <nil>
}
