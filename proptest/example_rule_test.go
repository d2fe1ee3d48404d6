package proptest_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/concord-crdt/concord/merge"
	"github.com/concord-crdt/concord/proptest"
)

// A rule of one's own, as a key over candidates, is right by its form; a
// comparator that prefers the newer of two doses, and the smaller if both were
// written within a minute, has a cycle.
func ExampleCheckRule() {
	dose := func(c *merge.Candidate) int64 { return c.Value.(int64) }

	smallest := proptest.Rule{
		Name: "smallest dose",
		Key: func(c *merge.Candidate, _ *merge.Facts) merge.Key {
			return merge.KeyOf(merge.Int(-dose(c)))
		},
		Invariants: []proptest.RuleInvariant{{
			Name: "never above any dose that was asked for",
			Holds: func(set []merge.Candidate, shown any) error {
				for i := range set {
					if shown.(int64) > dose(&set[i]) {
						return fmt.Errorf("%v is above %v", shown, dose(&set[i]))
					}
				}
				return nil
			},
		}},
	}
	fmt.Println("smallest dose:", proptest.CheckRule(smallest, proptest.Options{}))

	newer := proptest.Rule{
		Name: "newer dose",
		Less: func(a, b *merge.Candidate) bool {
			apart := b.Stamp.Time().Sub(a.Stamp.Time())
			if apart.Abs() <= time.Minute && dose(a) != dose(b) {
				return dose(b) < dose(a)
			}
			return apart > 0
		},
	}
	cycle, _ := errors.AsType[*proptest.Failure](proptest.CheckRule(newer, proptest.Options{}))
	fmt.Println(cycle)
	// Output:
	// smallest dose: <nil>
	// proptest: newer dose breaks "whole set": the order in which candidates come does not matter
	//    1  A writes 1 at 00:01:00
	//    2  B writes 0 at 00:00:00
	//    3  C writes 2 at 00:02:00
	//   the order of arrival shows
	//     in order A B C: 2
	//     in order A C B: 0
	//   seed 20300101, history 1, made simpler 17 times
	//   no scenario file: a rule is checked on candidates, not on a history
}
