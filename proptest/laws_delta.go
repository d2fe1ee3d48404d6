package proptest

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
)

func deltaLaws[S, D any]() []law[S, D] {
	noDeltas := func(t *Type[S, D]) string { return missing(t.JoinDelta == nil, "JoinDelta") }
	noBoth := func(t *Type[S, D]) string { return missing(t.Join == nil || t.JoinDelta == nil, "Join or JoinDelta") }
	return []law[S, D]{
		{name: "delta", means: "joining the delta of an operation does what the operation did",
			group: deltas, lacks: noDeltas, check: deltaIsMutation[S, D]},
		{name: "delivered twice", means: "a delta that comes again changes nothing, whatever was done since",
			group: deltas, lacks: noDeltas, check: deliveredTwice[S, D]},
		{name: "any order", means: "the order in which deltas come does not matter",
			group: deltas, lacks: noDeltas, check: anyOrder[S, D]},
		{name: "deltas are states", means: "all deltas bring what all states bring",
			group: deltas, lacks: noBoth, check: deltasAreStates[S, D]},
		{name: "gaps", means: "two replicas that took a part of the deltas each have the whole once they join",
			group: deltas, lacks: func(t *Type[S, D]) string {
				if t.Causal {
					return "deltas that come in any order"
				}
				return noBoth(t)
			}, check: gaps[S, D]},
	}
}

func deltaIsMutation[S, D any](r *run[S, D]) error {
	for i, s := range r.h.steps {
		if s.kind != operate {
			continue
		}
		after, err := r.play(i + 1)
		if err != nil {
			return err
		}
		if _, ok := after.event(s.id); !ok {
			continue
		}
		before, err := r.twin(i)
		if err != nil {
			return err
		}
		d, err := after.delta(s.id)
		if err != nil {
			return err
		}
		name := after.replicas[s.on].Name
		if err := before.t.JoinDelta(&before.states[s.on], d); err != nil {
			return &fault{problem: fmt.Sprintf("a copy of %s refuses the delta of its last operation: %v", name, err)}
		}
		if err := after.same("the last operation and its delta differ", name+" by the operation", after.states[s.on],
			name+" by the delta", before.states[s.on]); err != nil {
			return err
		}
	}
	return nil
}

func deliveredTwice[S, D any](r *run[S, D]) error {
	w, before, err := r.pair()
	if err != nil {
		return err
	}
	for to := range r.h.replicas {
		for _, id := range w.all() {
			if w.has[to]&(1<<id) == 0 {
				continue
			}
			if err := w.give(to, id); err != nil {
				return err
			}
			name := w.replicas[to].Name
			if err := w.same(fmt.Sprintf("%s is changed by a delta that it has", name),
				name, w.states[to], name+" before", before.states[to]); err != nil {
				return err
			}
		}
	}
	return nil
}

// anyOrder compares every order of up to four deltas, and a few of more, with
// the order in which they were made.
func anyOrder[S, D any](r *run[S, D]) error {
	twin, err := r.twin(len(r.h.steps))
	if err != nil {
		return err
	}
	for order := range r.orders(twin) {
		w, err := r.play(len(r.h.steps))
		if err != nil {
			return err
		}
		x, y := r.h.replicas, r.h.replicas+1
		if err := w.giveAll(x, w.all()); err != nil {
			return err
		}
		if err := w.giveAll(y, order); err != nil {
			return err
		}
		if err := w.same("two orders of the same deltas differ", w.replicas[x].Name, w.states[x], w.replicas[y].Name, w.states[y]); err != nil {
			return err
		}
	}
	return nil
}

// orders lists orders of all deltas.
func (r *run[S, D]) orders(w *world[S, D]) iter.Seq[[]int] {
	ids := w.all()
	if len(ids) <= 4 {
		return permutations(ids)
	}
	shuffled := slices.Clone(ids)
	shuffle(shuffled, r.h.salt)
	return slices.Values([][]int{w.reversed(), w.rotated(len(ids) / 2), shuffled})
}

// shuffle puts ids into an order that a number picks.
func shuffle(ids []int, salt uint64) {
	rand.New(rand.NewPCG(salt, 2)).Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
}

func deltasAreStates[S, D any](r *run[S, D]) error {
	w, err := r.play(len(r.h.steps))
	if err != nil {
		return err
	}
	x, y := r.h.replicas, r.h.replicas+1
	if err := w.giveAll(x, w.all()); err != nil {
		return err
	}
	for from := range r.h.replicas {
		if err := w.join(y, w, from); err != nil {
			return err
		}
	}
	return w.same("all deltas and all states differ", w.replicas[x].Name+", by deltas", w.states[x], w.replicas[y].Name+", by states", w.states[y])
}

func gaps[S, D any](r *run[S, D]) error {
	w, err := r.play(len(r.h.steps))
	if err != nil {
		return err
	}
	x, y, z := r.h.replicas, r.h.replicas+1, r.h.replicas+2
	for i, id := range w.all() {
		to := x
		if (uint64(i)^r.h.salt)&1 != 0 {
			to = y
		}
		if err := w.give(to, id); err != nil {
			return err
		}
	}
	if err := w.join(x, w, y); err != nil {
		return err
	}
	if err := w.giveAll(z, w.all()); err != nil {
		return err
	}
	return w.same("the two parts are not the whole", w.replicas[x].Name+", by parts", w.states[x], w.replicas[z].Name, w.states[z])
}
