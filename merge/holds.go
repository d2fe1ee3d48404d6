package merge

import (
	"cmp"
	"maps"
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
)

// holding is what a look at a record leaves out, by rule: changes that break a
// constraint or that were turned down, whole; and writes that nobody approved, of
// their field alone.
type holding struct {
	left   map[clock.Dot]bool
	turned map[clock.Dot]bool             // of those left out: by a verdict
	why    map[clock.Dot][]int            // the constraints that hold a change
	apart  map[string]map[clock.Dot]bool  // by field: writes without an approval
	voted  map[string]map[clock.Dot]bool  // of these: turned down
	open   map[string]map[clock.Dot]bool  // all writes that ask for an approval
	moves  map[clock.Dot]*move            // what constraints are asked about
	writes map[string][]crdt.Contribution // by field, of all that anything is held in
}

// move is an unsettled change to what constraints read.
type move struct {
	dot    clock.Dot
	stamp  clock.Stamp
	fields []string
}

// hides gives the changes that a field is read without.
func (h *holding) hides(field string) func(clock.Dot) bool {
	apart := h.apart[field]
	switch {
	case len(h.left) == 0 && len(apart) == 0:
		return nil
	case len(apart) == 0:
		return func(d clock.Dot) bool { return h.left[d] }
	}
	return func(d clock.Dot) bool { return h.left[d] || apart[d] }
}

// asks reports whether a change is one that constraint i is asked about.
func (v *viewing) asks(i int, m *move) bool {
	return slices.ContainsFunc(m.fields, func(f string) bool { return v.rules.constraints[i].feeds[f] })
}

// sees reports whether a change lies in what is looked at.
func (v *viewing) sees(d clock.Dot) bool { return v.cut == nil || v.cut.Contains(d) }

// hold works out what is left out. It is a function of the changes that the look
// sees and of the rules.
func (v *viewing) hold() {
	if v.plain || len(v.rules.approvals) == 0 && len(v.rules.constraints) == 0 && len(v.rec.Held()) == 0 {
		return
	}
	v.holds = holding{left: map[clock.Dot]bool{}, turned: map[clock.Dot]bool{}, why: map[clock.Dot][]int{},
		apart: map[string]map[clock.Dot]bool{}, voted: map[string]map[clock.Dot]bool{}, open: map[string]map[clock.Dot]bool{},
		writes: map[string][]crdt.Contribution{}}
	v.holdProposed()
	v.collectMoves()
	v.turnDown()
	if len(v.holds.moves) > 0 {
		v.judge()
	}
}

// written lists what the changes that the look sees did to a field, where births
// are live.
func (v *viewing) written(name string) []crdt.Contribution {
	if cs, ok := v.holds.writes[name]; ok {
		return cs
	}
	l := lens{viewing: v}
	cs := l.lookUp(name)[0].Contributions()
	cs = slices.DeleteFunc(cs, func(c crdt.Contribution) bool { return !c.Live || !v.sees(c.ID.Dot) })
	if v.holds.writes == nil {
		v.holds.writes = map[string][]crdt.Contribution{}
	}
	v.holds.writes[name] = cs
	return cs
}

// unsettled reports whether a change may be held: no mark has folded it, or it was
// held when one did.
func (v *viewing) unsettled(d clock.Dot) bool {
	_, held := slices.BinarySearchFunc(v.rec.Held(), d, clock.Dot.Compare)
	return held || !v.rec.Floor().Covers(d)
}

// holdProposed leaves out the writes of fields that ask for an approval, until
// there is one.
func (v *viewing) holdProposed() {
	for _, name := range v.rules.approvals {
		s := v.rules.Field(name).approval()
		apart, voted, open := map[clock.Dot]bool{}, map[clock.Dot]bool{}, map[clock.Dot]bool{}
		for _, c := range v.written(name) {
			d := c.ID.Dot
			if open[d] || !v.unsettled(d) {
				continue
			}
			open[d] = true
			switch v.tally(d, s.Roles, true) {
			case crdt.Open:
				apart[d] = true
			case crdt.Declined:
				apart[d], voted[d] = true, true
			}
		}
		v.holds.apart[name], v.holds.voted[name], v.holds.open[name] = apart, voted, open
	}
}

// collectMoves finds the changes that constraints are asked about.
func (v *viewing) collectMoves() {
	v.holds.moves = map[clock.Dot]*move{}
	names := map[string]bool{}
	for i := range v.rules.constraints {
		maps.Copy(names, v.rules.constraints[i].feeds)
	}
	for _, name := range sortedNames(names) {
		for _, c := range v.written(name) {
			d := c.ID.Dot
			if v.holds.apart[name][d] || !v.unsettled(d) {
				continue
			}
			m := v.holds.moves[d]
			if m == nil {
				m = &move{dot: d, stamp: c.Meta.Stamp}
				v.holds.moves[d] = m
			}
			if !slices.Contains(m.fields, name) {
				m.fields = append(m.fields, name)
			}
		}
	}
}

// turnDown leaves out what somebody who may has rejected.
func (v *viewing) turnDown() {
	h := &v.holds
	for d, m := range h.moves {
		for i, k := range v.rules.collection.Constraints {
			if v.asks(i, m) && v.tally(d, k.Approve, false) == crdt.Declined {
				h.left[d], h.turned[d] = true, true
			}
		}
	}
}

// judge adds the changes that no other supersedes to the base, one by one in
// canonical order. One that breaks a constraint is held; what only held ones
// supersede takes part then, and all are judged anew, so that each is judged upon
// all that stands before it. What is held stays so: there is an end.
func (v *viewing) judge() {
	order := slices.SortedFunc(maps.Values(v.holds.moves), func(a, b *move) int {
		return cmp.Or(cmp.Compare(a.stamp, b.stamp), a.dot.Compare(b.dot))
	})
	for again := true; again; {
		again = false
		taking := v.takingPart()
		out := make(map[clock.Dot]bool, len(order))
		for _, m := range order {
			out[m.dot] = true
		}
		l := lens{viewing: v, shown: map[string]*FieldView{}}
		l.hidden = func(field string) func(clock.Dot) bool {
			apart := v.holds.apart[field]
			return func(d clock.Dot) bool { return out[d] || v.holds.left[d] || apart[d] }
		}
		l.run()
		for _, m := range order {
			if v.holds.left[m.dot] || !taking[m.dot] {
				continue
			}
			delete(out, m.dot)
			l.count(m, true)
			l.forget(m.fields)
			if broken := l.breaks(m); len(broken) > 0 {
				out[m.dot], v.holds.left[m.dot], v.holds.why[m.dot] = true, true, broken
				l.count(m, false)
				l.forget(m.fields)
				if again = v.brings(m); again {
					break
				}
			}
		}
	}
}

// forget makes the lens look again at what a write of some fields can alter.
func (l *lens) forget(fields []string) {
	for _, f := range fields {
		delete(l.shown, f)
		for _, fed := range l.rules.fed[f] {
			delete(l.shown, fed)
		}
	}
}

// breaks lists the constraints that do not hold once a change is there, and that
// nobody who may has lifted for it. What was held when a mark folded it stays so
// until somebody lifts a constraint for it.
func (l *lens) breaks(m *move) (broken []int) {
	_, held := slices.BinarySearchFunc(l.rec.Held(), m.dot, clock.Dot.Compare)
	var asked []int
	lifted := false
	for i := range l.rules.constraints {
		k := &l.rules.constraints[i]
		if !l.asks(i, m) {
			continue
		}
		if l.tally(m.dot, l.rules.collection.Constraints[i].Approve, false) == crdt.Approved {
			lifted = true
			continue
		}
		facts := *l.facts()
		facts.Evidence = l.referred(k.refs)
		asked = append(asked, i)
		if ok, _ := k.holds(&exprInputs{facts: &facts, now: -1}); !ok {
			broken = append(broken, i)
		}
	}
	if held && !lifted {
		return asked
	}
	return broken
}

// brings reports whether a change superseded anything that constraints read: if
// it is held, that takes part again.
func (v *viewing) brings(m *move) bool {
	for _, name := range m.fields {
		for _, c := range v.written(name) {
			if slices.Contains(c.SupersededBy, m.dot) {
				return true
			}
		}
	}
	return false
}

// takingPart tells which changes something of stands: it adds, removes, or no
// write that stands has superseded it.
func (v *viewing) takingPart() map[clock.Dot]bool {
	ended := map[string]map[clock.Dot]bool{}
	taking := make(map[clock.Dot]bool, len(v.holds.moves))
	for d, m := range v.holds.moves {
		for _, name := range m.fields {
			if ended[name] == nil {
				ended[name] = v.ended(name)
			}
			taking[d] = taking[d] || !ended[name][d]
		}
	}
	return taking
}

// ended are the changes of whose writes to a field nothing stands. What a held
// change superseded stands, unless somebody superseded the held one too.
func (v *viewing) ended(name string) map[clock.Dot]bool {
	return v.endedOf(v.written(name), v.holds.hides(name))
}

func (v *viewing) endedOf(cs []crdt.Contribution, left func(clock.Dot) bool) map[clock.Dot]bool {
	type place struct {
		node int
		dot  clock.Dot
	}
	order := make([]int, len(cs))
	for i := range order {
		order[i] = i
	}
	// Whoever superseded a write comes after it.
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(cs[b].Meta.Stamp, cs[a].Meta.Stamp), cs[b].ID.Compare(cs[a].ID))
	})
	over := map[place]bool{}
	stands := map[clock.Dot]bool{}
	for _, i := range order {
		c := &cs[i]
		gone := slices.ContainsFunc(c.SupersededBy, func(d clock.Dot) bool {
			return v.sees(d) && (left == nil || !left(d) || over[place{c.Node, d}])
		})
		if gone {
			over[place{c.Node, c.ID.Dot}] = true
		} else {
			stands[c.ID.Dot] = true
		}
	}
	ended := map[clock.Dot]bool{}
	for i := range cs {
		ended[cs[i].ID.Dot] = !stands[cs[i].ID.Dot]
	}
	return ended
}
