package proptest_test

import (
	"errors"
	"fmt"
	"strings"

	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/merge"
	"github.com/concord-crdt/concord/proptest"
	"github.com/concord-crdt/concord/proptest/scenario"
)

// What must hold of a record, whatever happens: no item of a cart is lost. A
// cart that is a set keeps it. One that is a register does not: of two carts
// that were filled apart, one is shown.
func ExampleRecords() {
	policy := &merge.Policy{Collections: map[string]merge.Collection{
		"cart":  {Fields: map[string]merge.FieldRule{"items": {Type: crdt.TypeSet, Of: merge.String}}},
		"order": {Fields: map[string]merge.FieldRule{"items": {Type: crdt.TypeRegister, Of: merge.String}}},
	}}
	notLost := proptest.Invariant[proptest.Document]{
		Name: "no item is lost",
		Holds: func(d proptest.Document, seen []proptest.Event) error {
			shown := fmt.Sprint(d.Value("items"))
			for _, e := range seen {
				item := fmt.Sprint(e.Args[0])
				known := false // to somebody who did something about it
				for _, o := range seen {
					known = known || o.Saw(e)
				}
				if e.Op != "items.remove" && !known && !strings.Contains(shown, item) {
					return fmt.Errorf("%s is lost", item)
				}
			}
			return nil
		},
		Expect: func(all []proptest.Event) scenario.Expect {
			var x scenario.Expect
			for _, e := range all {
				x.Predicates = append(x.Predicates, scenario.Predicate{
					Kind: scenario.Contains, Read: scenario.Key{Kind: scenario.KindRegister, Object: "items"}.String(), Value: e.Args[0],
				})
			}
			return x
		},
	}
	for _, collection := range []string{"cart", "order"} {
		records, err := proptest.Records(policy, nil, collection)
		if err != nil {
			fmt.Println(err)
			return
		}
		records.Invariants = append(records.Invariants, notLost)
		err = proptest.CheckView(records, proptest.Options{Histories: 50})
		fmt.Printf("%s: %v\n", collection, err)
		if lost, ok := errors.AsType[*proptest.Failure](err); ok {
			fmt.Println(string(lost.Scenario))
		}
	}
	// Output:
	// cart: <nil>
	// order: proptest: order breaks "no item is lost": it holds of every state that can be reached
	//    1  B  items.set "a"   (change 1)               shows {"items":"a"}
	//    2  A  items.set "b"   (change 2)               shows {"items":"b"}
	//    3  A  gets change 1 of B                       shows {"items":"a"}
	//   it does not hold of A: b is lost
	//     A: {"items":"a"}
	//   seed 20300101, history 2, made simpler 18 times
	// {
	//  "group": "found",
	//  "scenarios": [
	//   {
	//    "id": "order-no-item-is-lost-2",
	//    "level": "must",
	//    "title": "no item is lost: it holds of every state that can be reached",
	//    "source": "package proptest: order, seed 20300101, history 2",
	//    "replicas": ["A", "B", "C"],
	//    "note": "Found: it does not hold of A: b is lost",
	//    "steps": [
	//     {"on": "B", "do": "register.set", "obj": "items", "value": "a"},
	//     {"on": "B", "do": "delta", "as": "change-1", "own": true},
	//     {"on": "A", "do": "register.set", "obj": "items", "value": "b"},
	//     {"on": "A", "do": "delta", "as": "change-2", "own": true},
	//     {"do": "merge_orders"},
	//     {"do": "sync_all"}
	//    ],
	//    "expect": {"converged": true,
	//     "predicates": [{"read": "register:items", "kind": "contains", "value": "a"}, {"read": "register:items", "kind": "contains", "value": "b"}]}
	//   }
	//  ]
	// }
}
