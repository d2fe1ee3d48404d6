package crdt

import (
	"cmp"
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/internal/planted"
)

// base is what a record keeps of the changes that it no longer knows one by
// one, because a settle mark folded them.
type base struct {
	// births of every change without a meta of its own: those that were live at
	// the first mark, without those that later ones ended.
	births []clock.Dot
	edits  clock.VersionVector // per origin its last change that edits under one of them
	top    clock.Stamp         // the greatest stamp
	held   []clock.Dot         // changes that were held back, and stay so until a verdict; sorted
	void   *Floor              // the mark before the first one that left a birth: what it covers is dead
}

// FoldRules is what the policy that a mark names says of one record. The zero
// value is the policy of a record without rules.
type FoldRules struct {
	Delete DeletePolicy
	// Held names the changes inside the cut that a rule holds back there,
	// sorted; nil means none.
	Held []clock.Dot
	// Keep names superseded entries of versioned fields that go on to count, since
	// a rule shows them all the same.
	Keep []EntryID
}

// Floor is the chain of marks that the record is folded by.
func (r *Record) Floor() *Floor { return r.floor }

// Held lists the changes that were held back when the last mark folded them, in
// canonical order. The slice must not be modified.
func (r *Record) Held() []clock.Dot {
	if r.base == nil {
		return nil
	}
	return r.base.held
}

// Late reports whether a change of the record came after a settle mark without
// having seen it, and is not folded by a later one yet.
func (r *Record) Late(d clock.Dot) bool {
	row, ok := r.metas.peek(d)
	return ok && !r.floor.Covers(d) && r.floor.Late(d, row.said.mark)
}

// IsPurged reports whether nothing of the record is left that counts: no birth
// and no change that is not folded.
func (r *Record) IsPurged() bool {
	return len(r.born) == 0 && r.context.Vector().IsEmpty() && r.context.NumRanges() == 0
}

// IsEmpty reports whether the record keeps nothing at all.
func (r *Record) IsEmpty() bool { return r.IsPurged() && r.root.empty() }

// Fold takes the next mark of the scope: f's chain must continue the record's
// floor, and the record must have applied all of its changes that lie in the
// cut. Folding drops what the cut makes dead: superseded values, births that
// were deleted and what was written under them alone, decided deletions, and
// what nobody needs to know any more of single changes.
//
// All replicas fold alike: what is kept is a function of the changes inside the
// cut and of the rules, and changes outside it stay as they are. If no birth
// inside the cut is live, the record forgets everything that lies in the cut.
//
// Fold is O(changes and entries of the record).
func (r *Record) Fold(f *Floor, rules FoldRules) {
	cut := &f.Mark.Cut
	if r.touches(cut) && !planted.Is(planted.StampsNotFrozen) {
		r.stamp(cut) // which freezes
	}
	r.floor = f
	if !r.touches(cut) {
		return
	}
	settled := func(d clock.Dot) bool { return cut.Contains(d) }
	live := r.liveAt(cut, rules.Delete)
	for _, b := range slices.Clone(r.born) {
		if settled(b) && !slices.Contains(live, b) {
			r.unbear(b)
			r.mixed = true
		}
	}
	for d := range r.deletions {
		if settled(d) {
			delete(r.deletions, d)
		}
	}
	for d := range r.restores {
		if settled(d) {
			delete(r.restores, d)
		}
	}
	dead := func(d clock.Dot) bool {
		return settled(d) && !slices.ContainsFunc(r.birthsOf(d), func(b clock.Dot) bool { return slices.Contains(live, b) })
	}
	held := rules.Held
	if r.base != nil {
		for _, d := range r.base.held {
			held = insertDot(slices.Clip(held), d)
		}
	}
	r.foldNode(slotOf("", TypeMap), &r.root, &folding{settled: settled, dead: dead, held: held, keep: rules.Keep, none: len(live) == 0})
	if len(live) == 0 {
		r.forget(cut)
		r.stamp(nil)
		return
	}
	b := &base{births: live, held: slices.DeleteFunc(slices.Clone(held), dead), void: f.before}
	if r.base != nil {
		b.void = r.base.void
		b.edits, b.top = r.base.edits.Clone(), r.base.top
		b.births = slices.DeleteFunc(slices.Clone(r.base.births), func(d clock.Dot) bool { return !slices.Contains(live, d) })
	}
	for o, rows := range r.metas.origins {
		for i := range rows {
			if d := (clock.Dot{Origin: o, N: rows[i].n}); settled(d) {
				b.top = max(b.top, rows[i].stamp)
				if rows[i].edits && slices.ContainsFunc(rows[i].said.births, func(d clock.Dot) bool { return slices.Contains(b.births, d) }) {
					b.edits.Advance(d)
				}
			}
		}
	}
	r.base = b
	needed := r.named()
	r.metas.forget(func(d clock.Dot, row *metaRow) bool {
		return settled(d) && !needed[d] && r.sharesBirths(row)
	}, settled)
	r.stamp(nil)
}

// FoldTo folds by every mark of the chain f that the record is not folded by yet;
// rules gives those of each mark's policy.
func (r *Record) FoldTo(f *Floor, rules func(*Mark) FoldRules) {
	for n := r.floor.Number() + 1; n <= f.Number(); n++ {
		at := f.At(n)
		by := &at.Mark
		if planted.Is(planted.PolicyOfReader) {
			by = &f.Mark
		}
		r.Fold(at, rules(by))
	}
}

// voidBefore is the mark at which nothing of the record was live any more, below
// the first that found one of births live: none of these lies in its cut.
func (f *Floor) voidBefore(births []clock.Dot) *Floor {
	for ; f != nil && len(births) > 0; f = f.before {
		if !f.Covers(births[0]) {
			return f
		}
	}
	return nil
}

// touches reports whether the record has a change in the cut.
func (r *Record) touches(cut *clock.VersionVector) bool {
	for o := range r.context.Vector().All() {
		if cut.Get(o) > 0 {
			return true
		}
	}
	return false
}

// birthsOf gives the births under which a change was made.
func (r *Record) birthsOf(d clock.Dot) []clock.Dot {
	if row, ok := r.metas.peek(d); ok {
		return row.said.births
	}
	if r.base != nil && r.floor.Covers(d) && !r.base.void.Covers(d) {
		return r.base.births
	}
	return nil
}

// sharesBirths reports whether the base says of a change's births what its own
// row says.
func (r *Record) sharesBirths(row *metaRow) bool {
	var live []clock.Dot
	for _, b := range row.said.births {
		if slices.Contains(r.base.births, b) {
			live = append(live, b)
		}
	}
	return len(live) > 0 && slices.Equal(live, r.base.births)
}

// liveAt lists the births in a cut that nothing in the cut ended.
func (r *Record) liveAt(cut *clock.VersionVector, policy DeletePolicy) []clock.Dot {
	var live []clock.Dot
	for _, b := range r.born {
		if cut.Contains(b) && !r.endedIn(b, cut, policy) {
			live = append(live, b)
		}
	}
	return live
}

// endedIn reports whether a deletion ends birth b, as the changes in a cut have
// it; nil means all changes.
func (r *Record) endedIn(b clock.Dot, cut *clock.VersionVector, policy DeletePolicy) bool {
	for d, x := range r.deletions {
		if cut != nil && !cut.Contains(d) || r.restoredIn(d, cut) {
			continue
		}
		if !slices.ContainsFunc(x.Births, func(ref Ref) bool { return ref.Dot == b }) && !planted.Is(planted.WidenedDeletion) {
			continue
		}
		if policy == UpdateWins && r.editedBeside(b, &x.Seen, cut) {
			continue
		}
		return true
	}
	return false
}

// restoredIn reports whether someone took deletion d back.
func (r *Record) restoredIn(d clock.Dot, cut *clock.VersionVector) bool {
	for by, ds := range r.restores {
		if (cut == nil || cut.Contains(by) || planted.Is(planted.RestoresOfLater)) && slices.Contains(ds, d) {
			return true
		}
	}
	return false
}

// editedBeside reports whether an edit under birth b lies outside seen.
func (r *Record) editedBeside(b clock.Dot, seen, cut *clock.VersionVector) bool {
	if r.base != nil && slices.Contains(r.base.births, b) && !seen.Covers(&r.base.edits) {
		return true
	}
	for o, rows := range r.metas.origins {
		for i := len(rows) - 1; i >= 0 && rows[i].n > seen.Get(o); i-- {
			if planted.Is(planted.LastEditAlone) && i < len(rows)-1 {
				break
			}
			if cut != nil && rows[i].n > cut.Get(o) {
				continue
			}
			if rows[i].edits && slices.Contains(rows[i].said.births, b) {
				return true
			}
		}
	}
	return false
}

// unbear drops a birth that a settled deletion ended.
func (r *Record) unbear(d clock.Dot) {
	delete(r.births, d)
	r.born = slices.DeleteFunc(slices.Clone(r.born), func(b clock.Dot) bool { return b == d })
}

// forget drops all that the record knows of changes in a cut in which no birth
// is live.
func (r *Record) forget(cut *clock.VersionVector) {
	var context clock.Context
	for rg := range r.context.Ranges() {
		if rg.To > cut.Get(rg.Origin) {
			context.AddRange(rg)
		}
	}
	r.context = context
	r.heads = slices.DeleteFunc(slices.Clone(r.heads), cut.Contains)
	r.base = nil
	r.metas.forget(func(d clock.Dot, _ *metaRow) bool { return cut.Contains(d) }, cut.Contains)
}

// named are the changes whose metas are still asked for: those that entries,
// heads and births name.
func (r *Record) named() map[clock.Dot]bool {
	named := map[clock.Dot]bool{}
	for _, h := range r.heads {
		named[h] = true
	}
	for _, b := range r.born {
		named[b] = true
	}
	r.root.walk(func(n *node) {
		for e := range n.all() {
			named[e.ID.Dot] = true
		}
		if n.grown != nil {
			for id := range n.grown.raw {
				named[id.Dot] = true
			}
		}
	})
	return named
}

// Restamp takes the restamps of the scope. Effective stamps of unsettled changes
// follow them. O(unsettled changes) if the set is another than before.
func (r *Record) Restamp(moved *Restamps) {
	if r.moved != moved {
		r.moved = moved
		r.stamp(nil)
	}
}

// stamp works out the effective stamps of unsettled changes again: settled heads
// all count as the greatest stamp that was folded. With a cut only changes and
// restamps inside it are looked at.
func (r *Record) stamp(cut *clock.VersionVector) {
	type change struct {
		dot     clock.Dot
		row     *metaRow
		written clock.Stamp
		heads   []clock.Dot
	}
	var open []change
	for o, rows := range r.metas.origins {
		for i := range rows {
			d := clock.Dot{Origin: o, N: rows[i].n}
			if r.floor.Covers(d) || cut != nil && !cut.Contains(d) {
				continue
			}
			c := change{d, &rows[i], rows[i].stamp, expand(o, rows, i).Heads}
			if stamp, differs := r.metas.written[d]; differs {
				c.written = stamp
			}
			open = append(open, c)
		}
	}
	// Nearly causal, so that few rounds are needed.
	slices.SortFunc(open, func(a, b change) int {
		return cmp.Or(cmp.Compare(a.row.stamp, b.row.stamp), a.dot.Compare(b.dot))
	})
	for again := true; again; {
		again = false
		for _, c := range open {
			stamp := r.above(r.moved.Correct(c.dot, c.written, cut), c.heads)
			if again = again || stamp != c.row.stamp; stamp == c.row.stamp {
				continue
			}
			c.row.stamp = stamp
			if stamp == c.written {
				delete(r.metas.written, c.dot)
			} else {
				enter(&r.metas.written, c.dot, c.written)
			}
		}
	}
}

// above is the effective stamp of a change with these heads.
func (r *Record) above(s clock.Stamp, heads []clock.Dot) clock.Stamp {
	for _, h := range heads {
		if r.base != nil && r.floor.Covers(h) {
			if r.base.top >= s {
				s = r.base.top.Next()
			}
		} else if row, ok := r.metas.peek(h); ok && row.stamp >= s && !planted.Is(planted.StampBelowHeads) {
			s = row.stamp.Next()
		}
	}
	return s
}

// folding is one fold of a record's nodes.
type folding struct {
	settled func(clock.Dot) bool
	dead    func(clock.Dot) bool
	held    []clock.Dot
	keep    []EntryID
	none    bool // no birth in the cut is live
}

// foldNode folds everything at and below n.
func (r *Record) foldNode(k slot, n *node, x *folding) {
	switch n.shape {
	case Entries:
		for _, e := range slices.Clone(n.entries) {
			if x.dead(e.ID.Dot) {
				n.remove(&r.State, e.ID)
			}
		}
		n.foldKept(k.Type, x)
	case Grown:
		for id := range n.grown.raw {
			if x.dead(id.Dot) {
				delete(n.grown.raw, id)
			}
		}
		if k.Type == TypeStock {
			r.foldStock(n.grown, x)
		}
		if n.grown.seq != nil {
			n.grown.seq.dropDeleted(x.settled)
		}
	case Keyed:
		for _, k := range n.sortedSlots() {
			r.foldNode(k, n.kids[k], x)
		}
	}
}

// foldKept drops what settled changes superseded, but for what only held ones did
// and what their totals are told from.
func (n *node) foldKept(t Type, x *folding) {
	if t == TypeCounter && slices.ContainsFunc(n.entries, func(e Entry) bool { return n.runIsHeld(e, x.held) }) {
		return
	}
	stands := n.standing(func(d clock.Dot) bool { return !x.settled(d) || slices.Contains(x.held, d) })
	n.kept = slices.DeleteFunc(n.kept, func(k kept) bool {
		if slices.Contains(x.keep, k.ID) {
			return x.dead(k.ID.Dot)
		}
		return x.dead(k.ID.Dot) || slices.ContainsFunc(k.by, func(d clock.Dot) bool { return x.settled(d) && stands(d) })
	})
}

// runIsHeld reports whether one of the totals that led to e is a held change's.
func (n *node) runIsHeld(e Entry, held []clock.Dot) bool {
	for x := range n.all() {
		if slices.Contains(held, x.ID.Dot) && sameRun(x, e) {
			return true
		}
	}
	return false
}
