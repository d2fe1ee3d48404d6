package proptest

import (
	"errors"
	"fmt"
)

func viewLaws[S, D any]() []law[S, D] {
	noView := func(t *Type[S, D]) string { return missing(t.View == nil, "View") }
	return []law[S, D]{
		{name: "convergence", means: "replicas that took in the same are equal, and show the same",
			group: views, lacks: nothing[S, D], check: convergence[S, D]},
		{name: "equal views", means: "equal states show the same",
			group: views, lacks: noView, check: equalViews[S, D]},
		{name: "compaction", means: "compaction changes no view, now or later",
			group: views, widen: func(s *shape) { s.compacts = true }, lacks: func(t *Type[S, D]) string {
				if t.Compact == nil {
					return "Compact"
				}
				return noView(t)
			}, check: func(r *run[S, D]) error {
				return r.unnoticed(compact, func(w *world[S, D], on int, twin *world[S, D]) error {
					name := w.replicas[on].Name
					if x, y := w.view(on), twin.view(on); x != y {
						return &fault{"compaction shows", []Side{{name, x}, {name + " without it", y}}}
					}
					return nil
				})
			}},
		{name: "specification", means: "a state shows what its specification says of the same operations in one place",
			group: views, lacks: func(t *Type[S, D]) string {
				if t.Specification == nil {
					return "Specification"
				}
				return noView(t)
			}, check: specified[S, D]},
	}
}

// invariantLaw makes a law of one of the type's invariants.
func invariantLaw[S, D any](v Invariant[S]) law[S, D] {
	return law[S, D]{name: v.Name, means: "it holds of every state that can be reached",
		group: views, lacks: nothing[S, D], expect: v.Expect, check: func(r *run[S, D]) error {
			return r.everywhere(func(w *world[S, D], on int, seen []Event, closed bool) error {
				if !closed && !v.Gaps {
					return nil
				}
				err := v.Holds(w.states[on], seen)
				if err == nil {
					return nil
				}
				f := &fault{problem: fmt.Sprintf("it does not hold of %s: %v", w.replicas[on].Name, err)}
				if w.t.View != nil {
					f.sides = []Side{{w.replicas[on].Name, w.view(on)}}
				}
				return f
			})
		}}
}

// convergence lets all replicas get all deltas in orders of their own, and once
// more join all states.
func convergence[S, D any](r *run[S, D]) error {
	w, err := r.play(len(r.h.steps))
	if err != nil {
		return err
	}
	all := w.numbers(r.h.replicas)
	orders := []func(int) []int{w.rotated}
	if w.t.JoinDelta != nil {
		orders = append(orders, func(to int) []int {
			ids := w.reversed()
			shuffle(ids, r.h.salt+uint64(to))
			return ids
		})
	}
	for _, order := range orders {
		if w, err = r.play(len(r.h.steps)); err != nil {
			return err
		}
		if err := w.settle(all, order); err != nil {
			return err
		}
		if err := w.agree(all); err != nil {
			return err
		}
	}
	return nil
}

// agree wants one state and one view.
func (w *world[S, D]) agree(replicas []int) error {
	for _, i := range replicas[1:] {
		if err := w.same("they took in the same, and differ", w.replicas[replicas[0]].Name, w.states[replicas[0]],
			w.replicas[i].Name, w.states[i]); err != nil {
			return err
		}
	}
	return nil
}

func equalViews[S, D any](r *run[S, D]) error {
	return r.everywhere(func(w *world[S, D], on int, _ []Event, _ bool) error {
		first := w.view(on)
		for range timesAsked {
			if again := w.view(on); again != first {
				return &fault{"one state, two views", []Side{{w.replicas[on].Name, first}, {"asked again", again}}}
			}
		}
		for i := range w.states[:r.h.replicas] {
			if i == on || !w.equal(w.states[on], w.states[i]) {
				continue
			}
			if x, y := w.view(on), w.view(i); x != y {
				return &fault{"they are equal, and show different things", []Side{{w.replicas[on].Name, x}, {w.replicas[i].Name, y}}}
			}
		}
		return nil
	})
}

func specified[S, D any](r *run[S, D]) error {
	return r.everywhere(func(w *world[S, D], on int, seen []Event, closed bool) error {
		if !closed {
			return nil
		}
		name := w.replicas[on].Name
		if got, want := w.view(on), render(w.t.Specification(seen)); got != want {
			return &fault{name + " does not show what is specified", []Side{{name, got}, {"specified", want}}}
		}
		return nil
	})
}

// everywhere looks at every replica that something happened to, and at all of
// them once they have met.
func (r *run[S, D]) everywhere(look func(w *world[S, D], on int, seen []Event, closed bool) error) error {
	w := r.begin()
	at := func(on int) error {
		seen, closed := w.seen(on)
		return look(w, on, seen, closed)
	}
	for i := range r.h.steps {
		s := &r.h.steps[i]
		if err := w.do(s); err != nil {
			return err
		}
		if s.on >= 0 {
			if err := at(s.on); err != nil {
				return err
			}
		}
	}
	r.count(w)
	all := w.numbers(r.h.replicas)
	if w.t.JoinDelta == nil {
		if err := w.settle(all, w.rotated); err != nil {
			return err
		}
	}
	for _, on := range all {
		if err := w.settle([]int{on}, w.rotated); err != nil {
			return err
		}
		if err := at(on); err != nil {
			return err
		}
	}
	return nil
}

// unnoticed plays a history with steps of a kind and without, side by side. At
// the end all get what they miss, one more step of the kind, and then every delta
// once more.
func (r *run[S, D]) unnoticed(kind stepKind, look func(w *world[S, D], on int, twin *world[S, D]) error) error {
	w, twin := r.begin(), newWorld(r.t, r.h.replicas)
	twin.without = []stepKind{kind}
	for i := range r.h.steps {
		s := &r.h.steps[i]
		if err := errors.Join(w.do(s), twin.do(s)); err != nil {
			return err
		}
		if s.on >= 0 {
			if err := look(w, s.on, twin); err != nil {
				return err
			}
		}
	}
	all := w.numbers(r.h.replicas)
	if err := errors.Join(w.settle(all, w.rotated), twin.settle(all, twin.rotated)); err != nil {
		return err
	}
	for _, on := range all {
		if err := w.do(&step{kind: kind, on: on}); err != nil {
			return err
		}
		for _, id := range w.all() {
			if err := look(w, on, twin); err != nil {
				return err
			}
			if err := errors.Join(w.give(on, id), twin.give(on, id)); err != nil {
				return err
			}
		}
		if err := look(w, on, twin); err != nil {
			return err
		}
	}
	return nil
}
