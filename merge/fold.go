package merge

import (
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
)

// FoldRules is what the rules say of a fold by a mark of the given cut: what they
// hold back from the state restricted to it, and what they show there though it was
// superseded. So a fold changes no view. The cut must cover the last settle mark.
//
// It is a function of the changes in the cut, and so the same on every replica
// that has them. It costs what [View] does.
func FoldRules(r *crdt.Record, c *CollectionRules, cut *clock.VersionVector) crdt.FoldRules {
	v := newViewing(r, c, nil)
	v.cut = cut
	v.hold()
	return crdt.FoldRules{Delete: v.policy(), Held: v.withheld(), Keep: v.stuck()}
}

// HeldAt lists the changes that rules hold back from the state restricted to a
// cut, or that a verdict turned down there: what [FoldRules] says of them. Nil stands
// for all that is there. In canonical order of dots.
func HeldAt(r *crdt.Record, c *CollectionRules, cut *clock.VersionVector) []clock.Dot {
	v := newViewing(r, c, nil)
	v.cut = cut
	v.hold()
	return v.withheld()
}

// withheld lists the changes that are left out and that no write which stands has
// replaced.
func (v *viewing) withheld() (held []clock.Dot) {
	for d, stands := range v.takingPart() {
		if v.holds.left[d] && stands {
			held = append(held, d)
		}
	}
	for name, apart := range v.holds.apart {
		ended := v.ended(name)
		for d := range apart {
			if !ended[d] {
				held = append(held, d)
			}
		}
	}
	for _, d := range v.rec.Held() {
		if v.holds.moves[d] == nil && v.sees(d) {
			held = append(held, d)
		}
	}
	slices.SortFunc(held, clock.Dot.Compare)
	return slices.Compact(held)
}

// stuck lists the writes of sticky fields that are shown though later ones
// superseded them.
func (v *viewing) stuck() (ids []crdt.EntryID) {
	l := &lens{viewing: v, shown: map[string]*FieldView{}, hidden: v.holds.hides}
	for _, name := range sortedNames(v.rules.fields) {
		if !v.rules.fields[name].rule.Sticky {
			continue
		}
		f := l.field(name)
		if f == nil {
			continue
		}
		walkFields([]FieldView{*f}, func(_ string, f *FieldView) {
			if w, ok := f.Winner(); ok && len(w.SupersededBy) > 0 {
				ids = append(ids, w.Entry)
			}
		})
	}
	slices.SortFunc(ids, crdt.EntryID.Compare)
	return ids
}
