package proptest_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/merge"
	"github.com/concord-crdt/concord/proptest"
)

// everyField is a collection with a field of each type that the kit edits.
func everyField() *merge.Policy {
	return &merge.Policy{
		Roles: []string{"doctor", "nurse"},
		Collections: map[string]merge.Collection{"all": {Fields: map[string]merge.FieldRule{
			"r": {Type: crdt.TypeRegister, Of: merge.Integer},
			"a": {Type: crdt.TypeRegister, Of: merge.String, Resolve: []merge.Step{merge.Authority("doctor", "nurse"), merge.Latest}},
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

// Concord's own records keep every law, field by field and all together.
func TestRecordsKeepEveryLaw(t *testing.T) {
	schema := everyField()
	all := schema.Collections["all"]
	for name, rule := range all.Fields {
		schema.Collections[name] = merge.Collection{Fields: map[string]merge.FieldRule{name: rule}}
	}
	for _, name := range slices.Sorted(maps.Keys(schema.Collections)) {
		records, err := proptest.Records(schema, name)
		if err != nil {
			t.Fatal(err)
		}
		histories := 6
		if name == "all" {
			histories = 25
		}
		t.Run(name+" of "+all.Fields[name].Type.String(), func(t *testing.T) {
			proptest.Run(t, records, proptest.Options{Histories: histories})
		})
	}
}
