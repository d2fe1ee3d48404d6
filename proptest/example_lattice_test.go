package proptest_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"github.com/concord-crdt/concord/proptest"
)

// visits counts visitors at several doors. It is a user's own type, and knows
// nothing of Concord.
type visits map[string]int

func (v visits) total() (n int) {
	for _, x := range v {
		n += x
	}
	return n
}

func (v visits) join(o visits) {
	for door, n := range o {
		v[door] = max(v[door], n)
	}
}

// visitsType describes visits to the kit.
func visitsType() proptest.Type[visits, visits] {
	return proptest.Type[visits, visits]{
		Name: "visits",
		New:  func(*proptest.Replica) visits { return visits{} },
		Operations: []proptest.Operation[visits, visits]{{
			Name: "enter",
			Do: func(v *visits, c *proptest.Call) (visits, error) {
				(*v)[c.Name] += 1 + c.Int(3)
				return visits{c.Name: (*v)[c.Name]}, nil
			},
		}},
		Join:      func(v *visits, o visits) error { v.join(o); return nil },
		JoinDelta: func(v *visits, d visits) error { v.join(d); return nil },
		Equal:     func(a, b visits) bool { return maps.Equal(a, b) },
		View:      func(v visits) any { return v.total() },
		Encode:    func(v visits) []byte { b, _ := json.Marshal(v); return b },
		Decode: func(_ *proptest.Replica, b []byte) (v visits, err error) {
			err = json.Unmarshal(b, &v)
			return v, err
		},
		// What all this is to mean, said once more and in another way.
		Specification: func(seen []proptest.Event) any {
			n := 0
			for _, e := range seen {
				n += 1 + e.Args[0].(int)
			}
			return n
		},
	}
}

// A type of one's own: a plain map and a few functions. The right one passes
// every law; one whose join adds is caught, with the shortest history that
// shows it.
func ExampleCheck() {
	fmt.Println("visits:", proptest.Check(visitsType(), proptest.Options{}))

	wrong := visitsType()
	wrong.Name = "visits that add"
	wrong.Join = func(v *visits, o visits) error {
		for door, n := range o {
			(*v)[door] += n
		}
		return nil
	}
	first, _ := errors.AsType[*proptest.Failure](proptest.CheckLattice(wrong, proptest.Options{}))
	fmt.Println(first)
	// Output:
	// visits: <nil>
	// proptest: visits that add breaks "idempotent": joining what is there already changes nothing
	//    1  A  enter 0   (change 1)                     shows 1
	//    2  A  joins a copy of its own state            shows 2
	//   A is changed by a state of A that it has
	//     A: 2
	//     A before: 1
	//   seed 20300101, history 1, made simpler 11 times
	//   no scenario file: the format has no words for "enter" of visits that add
}
