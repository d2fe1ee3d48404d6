package crdt

import (
	"iter"
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/internal/planted"
)

// A versioned field is one that a rule reads: its state is every write, whole,
// until a settle mark. A write names what it supersedes, and what is superseded
// moves beside the entries that count, with the names of the changes that
// superseded it. So a rule that holds a write back still has the value that the
// write replaced, and every replica has the same one, whatever came first.
//
// Joining such a field is the union of all writes and of all names; what was
// removed by a plain write, or folded at a mark, is gone as any entry is.

// kept is a superseded entry of a versioned field.
type kept struct {
	Entry
	by []clock.Dot // the changes that superseded it; sorted, not empty
}

// all yields the entries of a node, then those that are kept.
func (n *node) all() iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for _, e := range n.entries {
			if !yield(e) {
				return
			}
		}
		for i := range n.kept {
			if !yield(n.kept[i].Entry) {
				return
			}
		}
	}
}

func (n *node) findKept(id EntryID) (int, bool) {
	return slices.BinarySearchFunc(n.kept, id, func(k kept, id EntryID) int { return k.ID.Compare(id) })
}

// keep notes that change d superseded e.
func (n *node) keep(e Entry, by ...clock.Dot) {
	i, found := n.findKept(e.ID)
	if !found {
		n.kept = slices.Insert(n.kept, i, kept{Entry: e})
	}
	for _, d := range by {
		n.kept[i].by = insertDot(slices.Clip(n.kept[i].by), d)
	}
}

// unkeep takes back that change d superseded an entry, and reports whether
// nobody else did: the entry is then no longer kept.
func (n *node) unkeep(id EntryID, d clock.Dot) bool {
	i, found := n.findKept(id)
	if !found {
		return false
	}
	n.kept[i].by = slices.DeleteFunc(slices.Clone(n.kept[i].by), func(x clock.Dot) bool { return x == d })
	if len(n.kept[i].by) > 0 {
		return false
	}
	n.drop(id)
	return true
}

// drop removes a kept entry for good.
func (n *node) drop(id EntryID) bool {
	i, found := n.findKept(id)
	if found {
		n.kept = slices.Delete(n.kept, i, i+1)
	}
	return found
}

// setAside moves an entry that change d superseded to the kept ones.
func (n *node) setAside(s *State, id EntryID, d clock.Dot) (e Entry, moved bool) {
	if i, found := n.find(id); found {
		e = n.entries[i]
		n.remove(s, id)
		n.keep(e, d)
		return e, true
	}
	if i, found := n.findKept(id); found {
		n.keep(n.kept[i].Entry, d)
	}
	return Entry{}, false
}

// joinKept joins the kept entries of b, whose state is o, to those of a. It
// runs before the entries are joined.
func (s *State) joinKept(a, b *node, o *State, ev *Event) {
	a.kept = slices.DeleteFunc(a.kept, func(k kept) bool {
		_, there := b.find(k.ID)
		if !there {
			_, there = b.findKept(k.ID)
		}
		return !there && o.covers(k.ID)
	})
	for _, k := range b.kept {
		if _, found := a.findKept(k.ID); found && !planted.Is(planted.SupersedersLost) {
			a.keep(k.Entry, k.by...)
		} else if _, found := a.find(k.ID); found {
			a.remove(s, k.ID)
			a.keep(k.Entry, k.by...)
			ev.Removed = append(ev.Removed, k.Entry)
		} else if !s.covers(k.ID) {
			a.keep(k.Entry, k.by...)
		}
	}
}

// Write is one write to a register, a group or another leaf of a versioned
// field. SupersededBy names the changes that superseded it, in canonical order;
// it is empty for one that counts, and must not be modified.
type Write struct {
	Candidate
	SupersededBy []clock.Dot
}

// Writes lists every write to a register or a group that is kept, in canonical
// order: the siblings, and in a versioned field what they superseded since the
// last settle mark. O(writes).
func (f Field) Writes() []Write {
	if f.node == nil {
		return nil
	}
	ws := make([]Write, 0, len(f.node.entries)+len(f.node.kept))
	for _, e := range f.node.entries {
		if c, ok := f.candidate(e); ok && f.counts(e.ID.Dot) {
			ws = append(ws, Write{Candidate: c})
		}
	}
	for _, k := range f.node.kept {
		if c, ok := f.candidate(k.Entry); ok && f.counts(k.ID.Dot) {
			ws = append(ws, Write{c, k.by})
		}
	}
	slices.SortFunc(ws, func(a, b Write) int { return a.ID.Compare(b.ID) })
	return ws
}

// standing tells which changes supersede something for a reader: those that are
// not left out, and of the others those that one of them has superseded in turn.
// Whoever corrects a write that is held back does not bring back what it
// replaced.
func (n *node) standing(left func(clock.Dot) bool) func(clock.Dot) bool {
	over := map[clock.Dot]bool{}
	stands := func(d clock.Dot) bool { return !left(d) || over[d] }
	for more := true; more; {
		more = false
		for _, k := range n.kept {
			if d := k.ID.Dot; !stands(d) && slices.ContainsFunc(k.by, stands) {
				over[d], more = true, true
			}
		}
	}
	return stands
}

// Without reads the field as if some changes had not been made: their entries
// are not there, and what nobody else superseded, directly or by superseding
// them, is there again. Elements of texts and lists that they inserted are left
// out, and what they alone deleted is there again.
//
// In a field that is not versioned, superseded values are gone, and only the
// entries of these changes are left out. O(1), and what reading costs then.
func (f Field) Without(left func(clock.Dot) bool) Field {
	f.left = left
	return f
}

// At reads the field as it was at v, as far as it is versioned; see
// [Field.Without]. v must cover the last settle mark.
func (f Field) At(v *clock.VersionVector) Field {
	return f.Without(func(d clock.Dot) bool { return !v.Contains(d) })
}

// entries are the ones of a node that count for a reader, in canonical order.
func (f Field) entries(n *node) []Entry {
	if n == nil || f.rec == nil && f.left == nil {
		if n == nil {
			return nil
		}
		return n.entries
	}
	es := make([]Entry, 0, len(n.entries))
	for _, e := range n.entries {
		if f.counts(e.ID.Dot) {
			es = append(es, e)
		}
	}
	if f.left == nil || len(n.kept) == 0 {
		return es
	}
	stands := n.standing(f.left)
	for _, k := range n.kept {
		if f.counts(k.ID.Dot) && !slices.ContainsFunc(k.by, stands) {
			es = append(es, k.Entry)
		}
	}
	slices.SortFunc(es, func(a, b Entry) int { return a.ID.Compare(b.ID) })
	return es
}
