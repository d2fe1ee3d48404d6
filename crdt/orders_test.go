package crdt_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-crdt/concord/crdt"
)

// orders calls f with every order of 0 to n-1, until it returns false.
func orders(n int, f func(order []int) bool) {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	var permute func(k int) bool
	permute = func(k int) bool {
		if k == n {
			return f(order)
		}
		for i := k; i < n; i++ {
			order[k], order[i] = order[i], order[k]
			if !permute(k + 1) {
				return false
			}
			order[k], order[i] = order[i], order[k]
		}
		return true
	}
	permute(0)
}

// smallHistories are made so that in most orders some changes have to wait.
var smallHistories = map[string]func(t *testing.T) []*crdt.Change{
	"three writes of a register, one clock wrong": func(t *testing.T) []*crdt.Change {
		ds := devices(3)
		ds[1].wall = begin.AddDate(1, 0, 0)
		a1 := ds[0].set(t, "dose", 5)
		ds[1].receive(t, a1)
		b1 := ds[1].set(t, "dose", 6)
		c1 := ds[2].set(t, "dose", 7)
		ds[0].receive(t, b1, c1)
		a2 := ds[0].set(t, "dose", 8)
		return []*crdt.Change{a1, b1, c1, a2, ds[2].set(t, "dose", 9)}
	},
	"created twice, deleted, edited beside it, restored": func(t *testing.T) []*crdt.Change {
		ds := devices(4)
		a1, b1 := ds[0].set(t, "name", "Ida"), ds[1].set(t, "name", "Ada")
		ds[2].receive(t, a1)
		c1 := ds[2].delete(t)
		ds[0].receive(t, b1)
		a2 := ds[0].edit(t, nil, func(e *crdt.RecordEditor) { e.Counter("visits").Add(2) })
		ds[3].receive(t, a1, b1, c1)
		d1 := ds[3].delete(t)
		ds[1].receive(t, a1, c1)
		return []*crdt.Change{a1, b1, c1, a2, d1, ds[1].restore(t, c1)}
	},
	"a text typed at one place by three": func(t *testing.T) []*crdt.Change {
		ds := devices(3)
		a1 := ds[0].edit(t, nil, func(e *crdt.RecordEditor) { e.Text("note").Append("ab") })
		ds[1].receive(t, a1)
		ds[2].receive(t, a1)
		b1 := ds[1].edit(t, nil, func(e *crdt.RecordEditor) { e.Text("note").Insert(1, "XY") })
		c1 := ds[2].edit(t, nil, func(e *crdt.RecordEditor) { e.Text("note").Insert(1, "z") })
		b2 := ds[1].edit(t, nil, func(e *crdt.RecordEditor) { e.Text("note").Delete(0, 2) })
		ds[0].receive(t, c1)
		a2 := ds[0].edit(t, nil, func(e *crdt.RecordEditor) { e.Text("note").Insert(2, "!") })
		c2 := ds[2].edit(t, nil, func(e *crdt.RecordEditor) { e.Text("note").Append("?") })
		return []*crdt.Change{a1, b1, c1, b2, a2, c2}
	},
	"a set and a map, with removals that cross": func(t *testing.T) []*crdt.Change {
		ds := devices(5)
		a1 := ds[0].edit(t, nil, func(e *crdt.RecordEditor) {
			e.Set("tags").Add("x")
			e.Map("m").Map("k").Counter("n").Add(1)
		})
		for _, d := range ds[1:4] {
			d.receive(t, a1)
		}
		b1 := ds[1].edit(t, nil, func(e *crdt.RecordEditor) { e.Set("tags").Remove("x") })
		c1 := ds[2].edit(t, nil, func(e *crdt.RecordEditor) { e.Set("tags").Add("x") })
		d1 := ds[3].edit(t, nil, func(e *crdt.RecordEditor) { e.Map("m").Delete("k") })
		c2 := ds[2].edit(t, nil, func(e *crdt.RecordEditor) { e.Map("m").Map("k").Put("v", 1) })
		ds[4].receive(t, a1, b1, d1)
		e1 := ds[4].edit(t, nil, func(e *crdt.RecordEditor) { e.Map("m").Map("k").Counter("n").Add(5) })
		return []*crdt.Change{a1, b1, c1, d1, c2, e1}
	},
	"seven changes in chains": func(t *testing.T) []*crdt.Change {
		ds := devices(3)
		a1 := ds[0].edit(t, nil, func(e *crdt.RecordEditor) { e.Counter("n").Add(1) })
		a2 := ds[0].edit(t, nil, func(e *crdt.RecordEditor) { e.Counter("n").Add(2) })
		ds[1].receive(t, a1, a2)
		b1 := ds[1].edit(t, nil, func(e *crdt.RecordEditor) { e.Counter("n").Add(4); e.Log("log").Append("b") })
		b2 := ds[1].set(t, "r", 1)
		ds[2].receive(t, a1, a2, b1)
		c1 := ds[2].set(t, "r", 2)
		c2 := ds[2].edit(t, nil, func(e *crdt.RecordEditor) { e.List("l").Append(1, 2) })
		return []*crdt.Change{a1, a2, b1, b2, c1, c2, ds[2].delete(t)}
	},
}

func TestEveryOrderOfDeliveryEndsTheSame(t *testing.T) {
	for name, make := range smallHistories {
		t.Run(name, func(t *testing.T) {
			changes := make(t)
			want, waited, tried := "", 0, 0
			orders(len(changes), func(order []int) bool {
				d := newDevice(9)
				for _, i := range order {
					d.receive(t, changes[i])
					waited += len(d.waiting)
				}
				got := fmt.Sprintf("%d wait, %x %x", len(d.waiting), d.record.Digest(), write(d.record))
				if tried%16 == 0 { // what is shown follows from what is stored
					got += state(d.record)
				}
				if tried++; want == "" {
					want = got
				}
				got, want := got, want[:min(len(want), len(got))]
				if got != want {
					t.Errorf("order %v (-first +this):\n%s", order, cmp.Diff(want, got))
				}
				return got == want && !(underRace && tried >= 200 && waited > 0)
			})
			if waited == 0 {
				t.Error("in no order had a change to wait")
			}
			t.Logf("%d orders", tried)
		})
	}
}
