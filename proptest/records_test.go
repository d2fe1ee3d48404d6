package proptest_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/merge"
	"github.com/concord-crdt/concord/proptest"
)

// underRace is set when the race detector is on.
var underRace bool

// everyField is a collection with a field of each type that the kit edits.
func everyField() *merge.Policy {
	return &merge.Policy{
		Roles: []string{"doctor", "nurse"},
		Collections: map[string]merge.Collection{"all": {Fields: map[string]merge.FieldRule{
			"r": {Type: crdt.TypeRegister, Of: merge.Integer},
			"a": {Type: crdt.TypeRegister, Of: merge.String, Resolve: []merge.Step{merge.Authority("doctor", "nurse"), merge.Latest}},
			"q": {Type: crdt.TypeRegister, Of: merge.Integer, Resolve: []merge.Step{merge.Rank("candidate.value"), merge.Latest}},
			"w": {Type: crdt.TypeRegister, Of: merge.Integer, Resolve: []merge.Step{merge.Go("least", 1), merge.Latest}},
			"y": {Type: crdt.TypeRegister, Of: merge.Integer, Sticky: true, Resolve: []merge.Step{merge.Authority("doctor", "nurse"), merge.Latest}},
			"c": {Type: crdt.TypeCounter},
			"s": {Type: crdt.TypeSet, Of: merge.String},
			"v": {Type: crdt.TypeRemoveSet, Of: merge.String},
			"f": {Type: crdt.TypeFlag},
			"d": {Type: crdt.TypeDisableFlag},
			"g": {Type: crdt.TypeGroup},
			"o": {Type: crdt.TypeLog, Of: merge.String},
			"t": {Type: crdt.TypeText},
			"l": {Type: crdt.TypeList},
			"k": {Type: crdt.TypeStock},
			"b": {Type: crdt.TypeBounded},
			"p": {Type: crdt.TypeProposal, Of: merge.Integer},
			"m": {Type: crdt.TypeMap, Of: merge.Integer},
		}}},
	}
}

// functions are the rules of everyField that are written in Go.
var functions = merge.Functions{
	merge.FunctionName("least", 1): func(c *merge.Candidate, _ *merge.Facts) merge.Key {
		n, _ := c.Value.(int64)
		return merge.KeyOf(merge.Int(-n))
	},
}

// Concord's own records keep every law, field by field and all together.
func TestRecordsKeepEveryLaw(t *testing.T) {
	policy := everyField()
	all := policy.Collections["all"]
	for name, rule := range all.Fields {
		policy.Collections[name] = merge.Collection{Fields: map[string]merge.FieldRule{name: rule}}
	}
	for _, name := range slices.Sorted(maps.Keys(policy.Collections)) {
		records, err := proptest.Records(policy, functions, name)
		if err != nil {
			t.Fatal(err)
		}
		histories := 6
		if name == "all" {
			histories = 25
		}
		if underRace {
			histories = 3
		}
		t.Run(name+" of "+all.Fields[name].Type.String(), func(t *testing.T) {
			proptest.Run(t, records, proptest.Options{Histories: histories})
		})
	}
}
