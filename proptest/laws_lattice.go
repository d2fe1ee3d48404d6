package proptest

import (
	"bytes"
	"fmt"
)

func latticeLaws[S, D any]() []law[S, D] {
	noJoin := func(t *Type[S, D]) string { return missing(t.Join == nil, "Join") }
	return []law[S, D]{
		{name: "idempotent", means: "joining what is there already changes nothing",
			group: lattice, lacks: noJoin, check: idempotent[S, D]},
		{name: "commutative", means: "a joined with b is b joined with a",
			group: lattice, lacks: noJoin, check: commutative[S, D]},
		{name: "associative", means: "(a joined with b) joined with c is a joined with (b joined with c)",
			group: lattice, lacks: noJoin, check: associative[S, D]},
		{name: "monotone", means: "a state that comes back after it was built upon changes nothing",
			group: lattice, lacks: noJoin, check: monotone[S, D]},
		{name: "apart", means: "what one replica does shows on no other, and alters no delta that was handed out",
			group: lattice, lacks: func(t *Type[S, D]) string { return missing(t.View == nil && t.Encode == nil, "View") }, check: apart[S, D]},
		{name: "refused", means: "an operation that is refused, or changes nothing, changes nothing",
			group: lattice, lacks: nothing[S, D], check: refusedChangesNothing[S, D]},
	}
}

func idempotent[S, D any](r *run[S, D]) error {
	for a := range r.h.replicas {
		for b := range r.h.replicas {
			w, twin, err := r.pair()
			if err != nil {
				return err
			}
			name, other := w.replicas[a].Name, w.replicas[b].Name
			if a == b {
				if err := w.join(a, twin, a); err != nil {
					return err
				}
				w.tell(a, "joins a copy of its own state")
				if twin, err = r.twin(len(r.h.steps)); err != nil {
					return err
				}
			} else {
				for _, x := range []*world[S, D]{w, w, twin} {
					if err := x.join(a, x, b); err != nil {
						return err
					}
				}
			}
			if err := w.same(fmt.Sprintf("%s is changed by a state of %s that it has", name, other),
				name, w.states[a], name+" before", twin.states[a]); err != nil {
				return err
			}
		}
	}
	return nil
}

func commutative[S, D any](r *run[S, D]) error {
	for a := range r.h.replicas {
		for b := range a {
			w, twin, err := r.pair()
			if err != nil {
				return err
			}
			if err := w.join(a, twin, b); err != nil {
				return err
			}
			if twin, err = r.twin(len(r.h.steps)); err != nil {
				return err
			}
			if err := w.join(b, twin, a); err != nil {
				return err
			}
			x, y := w.replicas[a].Name, w.replicas[b].Name
			w.say("%s and %s join the states that the other had", x, y)
			if err := w.same("the two joins differ", x+" joined with "+y, w.states[a], y+" joined with "+x, w.states[b]); err != nil {
				return err
			}
		}
	}
	return nil
}

func associative[S, D any](r *run[S, D]) error {
	n := r.h.replicas
	for a := range n {
		for b := range n {
			for c := range n {
				if a == b || b == c || a == c {
					continue
				}
				left, right, err := r.pair()
				if err != nil {
					return err
				}
				for _, from := range []int{b, c} {
					if err := left.join(a, left, from); err != nil {
						return err
					}
				}
				if err := right.join(b, right, c); err != nil {
					return err
				}
				if err := right.join(a, right, b); err != nil {
					return err
				}
				x, y, z := left.replicas[a].Name, left.replicas[b].Name, left.replicas[c].Name
				if err := left.same(fmt.Sprintf("it matters which of %s, %s and %s are joined first", x, y, z),
					fmt.Sprintf("(%s %s) %s", x, y, z), left.states[a], fmt.Sprintf("%s (%s %s)", x, y, z), right.states[a]); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func monotone[S, D any](r *run[S, D]) error {
	for i := range r.h.steps {
		on := r.h.steps[i].on
		if on < 0 {
			continue
		}
		old, err := r.twin(i)
		if err != nil {
			return err
		}
		before, err := r.twin(i + 1)
		if err != nil {
			return err
		}
		w, err := r.play(i + 1)
		if err != nil {
			return err
		}
		if err := w.join(on, old, on); err != nil {
			return err
		}
		name := w.replicas[on].Name
		w.tell(on, "joins the state that it had before")
		if err := w.same("an earlier state takes something back", name, w.states[on], name+" before that join", before.states[on]); err != nil {
			return err
		}
	}
	return nil
}

// apart hands deltas and states over as they are in memory, and looks at all
// replicas after each step of one.
func apart[S, D any](r *run[S, D]) error {
	w := r.begin()
	w.raw = true
	check := func(on int, act func() error) error {
		before := make([]string, len(w.replicas))
		for i := range before {
			before[i] = w.print(i)
		}
		if err := act(); err != nil {
			return err
		}
		for i := range before {
			if after := w.print(i); i != on && after != before[i] {
				return &fault{fmt.Sprintf("%s changed, and had no part in the last step", w.replicas[i].Name),
					[]Side{{w.replicas[i].Name, after}, {w.replicas[i].Name + " before", before[i]}}}
			}
		}
		for id, b := range w.wire {
			if e, _ := w.event(id); !bytes.Equal(w.t.EncodeDelta(w.deltas[id]), b) {
				return &fault{problem: fmt.Sprintf("the delta of change %d is another one since the last step", e.number)}
			}
		}
		return nil
	}
	for i := range r.h.steps {
		s := &r.h.steps[i]
		if err := check(s.on, func() error { return w.do(s) }); err != nil {
			return err
		}
	}
	// One replica gets everything, and goes on.
	x := r.h.replicas
	if err := check(x, func() error {
		if err := w.giveAll(x, w.all()); err != nil {
			return err
		}
		for from := range x {
			if err := w.join(x, w, from); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return err
	}
	for op := range w.t.Operations {
		for v := range uint64(2) {
			id := nextID(w.events)
			if id >= maxSteps {
				return nil
			}
			s := &step{kind: operate, on: x, op: op, id: id, draws: []uint64{v, v, v, v}}
			if err := check(x, func() error { return w.do(s) }); err != nil {
				return err
			}
		}
	}
	return nil
}

// nextID is one that no event has.
func nextID(events []Event) int {
	id := 0
	for _, e := range events {
		id = max(id, e.id+1)
	}
	return id
}

func refusedChangesNothing[S, D any](r *run[S, D]) error {
	for i, s := range r.h.steps {
		if s.kind != operate {
			continue
		}
		after, err := r.play(i + 1)
		if err != nil {
			return err
		}
		if _, ok := after.event(s.id); ok {
			continue
		}
		before, err := r.twin(i)
		if err != nil {
			return err
		}
		name := after.replicas[s.on].Name
		if err := after.same("the last operation changed something", name, after.states[s.on], name+" before", before.states[s.on]); err != nil {
			return err
		}
	}
	return nil
}
