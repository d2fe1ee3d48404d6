package merge

import (
	"cmp"
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
)

// past is the vector of a change: all of the record that its author's replica had
// applied, and the change itself. What settle marks folded is in the past of all.
//
// O(unsettled changes in the past).
func (v *viewing) past(of clock.Dot) clock.VersionVector {
	var vv clock.VersionVector
	if f := v.rec.Floor(); f != nil {
		vv = f.Mark.Cut.Clone()
	}
	seen := map[clock.Dot]bool{}
	for todo := []clock.Dot{of}; len(todo) > 0; {
		d := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[d] || d != of && v.rec.Floor().Covers(d) {
			continue
		}
		seen[d] = true
		vv.Advance(d)
		if m, ok := v.rec.Meta(d); ok {
			todo = append(todo, m.Heads...)
		}
	}
	return vv
}

// tip is a change with its past.
type tip struct {
	change clock.Dot
	past   clock.VersionVector
}

// tips are those among changes that no other of them has in its past, in canonical
// order.
func (v *viewing) tips(changes []clock.Dot) []tip {
	type stamped struct {
		dot   clock.Dot
		stamp clock.Stamp
	}
	order := make([]stamped, 0, len(changes))
	for _, d := range changes {
		m, _ := v.rec.Meta(d)
		order = append(order, stamped{d, m.Stamp})
	}
	// A change is stamped above all in its past.
	slices.SortFunc(order, func(a, b stamped) int {
		return cmp.Or(cmp.Compare(b.stamp, a.stamp), b.dot.Compare(a.dot))
	})
	var tips []tip
	for _, x := range order {
		if !slices.ContainsFunc(tips, func(t tip) bool { return t.past.Contains(x.dot) }) {
			tips = append(tips, tip{x.dot, v.past(x.dot)})
		}
	}
	slices.Reverse(tips)
	return tips
}

// ancestor is what all of them have in their past.
func ancestor(tips []tip) clock.VersionVector {
	vv := tips[0].past.Clone()
	for i := range tips[1:] {
		vv.Meet(&tips[i+1].past)
	}
	return vv
}

// ancestorOf is the common ancestor of candidates.
func (v *viewing) ancestorOf(cs []Candidate) clock.VersionVector {
	tips := make([]tip, len(cs))
	for i := range cs {
		tips[i] = tip{cs[i].Entry.Dot, v.past(cs[i].Entry.Dot)}
	}
	return ancestor(tips)
}

// baseOf is the value of a register or group at the common ancestor of candidates,
// as far as it is kept and but for what is held: the latest there. Nil if there
// is none.
func (v *viewing) baseOf(f crdt.Field, cs []Candidate, left func(clock.Dot) bool) any {
	at := v.ancestorOf(cs)
	var base *crdt.Candidate
	for _, c := range f.Without(func(d clock.Dot) bool { return !at.Contains(d) || left != nil && left(d) }).Candidates() {
		if base == nil || base.Before(c) {
			base = &c
		}
	}
	if base == nil {
		return nil
	}
	return base.Value
}
