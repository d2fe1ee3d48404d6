package proptest

import (
	"slices"

	"github.com/concord-crdt/concord/proptest/scenario"
)

// law is something that holds of every history of a type.
type law[S, D any] struct {
	name  string
	means string
	group group
	// lacks names what the type does not have and the law is about; empty if the
	// law applies.
	lacks func(t *Type[S, D]) string
	// widen adds steps to the histories that the law looks at.
	widen func(s *shape)
	check func(r *run[S, D]) error
	// expect, when not nil, is the law in the words of a scenario file.
	expect func(all []Event) scenario.Expect
}

// timesAsked is how often a function is asked the same, to find out whether it
// is one: a map of two keys is ranged over in one order half of the time.
const timesAsked = 10

// group is the laws that one of the Check functions looks at.
type group uint8

const (
	lattice group = iota
	deltas
	roundTrip
	views
)

// run is one law on one history.
type run[S, D any] struct {
	t     *Type[S, D]
	h     *history
	told  *[]string // nil when nobody asks
	stats *stats
}

// stats are what a whole check saw.
type stats struct {
	done    map[string]int
	refusal map[string]error
}

// begin makes the world whose story is told, before its first step.
func (r *run[S, D]) begin() *world[S, D] {
	w := newWorld(r.t, r.h.replicas)
	if r.told != nil {
		*r.told = nil
	}
	w.told = r.told
	return w
}

// play takes the world whose story is told through the first steps.
func (r *run[S, D]) play(upTo int) (*world[S, D], error) {
	w := r.begin()
	for i := range r.h.steps[:upTo] {
		if err := w.do(&r.h.steps[i]); err != nil {
			return w, err
		}
	}
	r.count(w)
	return w, nil
}

func (r *run[S, D]) count(w *world[S, D]) {
	for op, n := range w.done {
		r.stats.done[op] += n
	}
	for op, err := range w.refusal {
		r.stats.refusal[op] = err
	}
}

// twin is the same world once more: a copy, for what the law would alter.
func (r *run[S, D]) twin(upTo int) (*world[S, D], error) { return play(r.t, r.h, upTo) }

// pair is the world whose story is told and its twin, at the end.
func (r *run[S, D]) pair() (w, twin *world[S, D], err error) {
	if twin, err = r.twin(len(r.h.steps)); err != nil {
		return nil, nil, err
	}
	w, err = r.play(len(r.h.steps))
	return w, twin, err
}

// same compares two states and what they show.
func (w *world[S, D]) same(problem, whoseA string, a S, whoseB string, b S) error {
	equal := w.equal(a, b)
	if w.t.View == nil {
		if equal {
			return nil
		}
		return &fault{problem: problem + ": the states differ"}
	}
	x, y := render(w.t.View(a)), render(w.t.View(b))
	if equal && x == y {
		return nil
	}
	if x == y {
		problem += ": the states differ, though they show the same"
		if w.t.Encode != nil {
			x, y = x+", encoded "+renderBytes(w.t.Encode(a)), y+", encoded "+renderBytes(w.t.Encode(b))
		}
	}
	return &fault{problem, []Side{{whoseA, x}, {whoseB, y}}}
}

// numbers lists the replicas of the history.
func (w *world[S, D]) numbers(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}

// rotated is an order of delivery for each replica: all ids, beginning at
// another one.
func (w *world[S, D]) rotated(to int) []int {
	ids := w.all()
	if len(ids) == 0 {
		return nil
	}
	k := to % len(ids)
	return slices.Concat(ids[k:], ids[:k])
}

// reversed is the order of delivery that has the last first.
func (w *world[S, D]) reversed() []int {
	ids := w.all()
	slices.Reverse(ids)
	return ids
}

func missing(lacks bool, what string) string {
	if lacks {
		return what
	}
	return ""
}

// nothing is what a law lacks that applies to every type.
func nothing[S, D any](*Type[S, D]) string { return "" }
