package crdt

import (
	"crypto/sha256"
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt/rga"
)

// State is a causal composition of shapes: a tree of nodes under one causal
// context. Join is the least upper bound of the lattice and knows shapes, not
// types: an entry is kept if both sides have it, or if the side without it has
// not covered its name. Within a [Record] the context is exactly a version
// vector, because changes are applied after their heads; a state that took
// deltas in any order has ranges beyond it.
//
// Join costs O(entries on both sides), Apply what the delta weighs.
//
// Not safe for concurrent use. The zero value is empty.
//
// Source: Almeida, Shoker and Baquero, "Delta State Replicated Data Types",
// Journal of Parallel and Distributed Computing 111, 2018.
type State struct {
	context clock.Context
	removed map[EntryID]struct{} // removed by name, while their dots are not covered
	root    node
	metas   metaTable
	sum     Sum // over the live entries of removable shapes
}

// Event tells what a join or an edit changed at one node.
type Event struct {
	Path    []Key
	Added   []Entry
	Removed []Entry
	Edits   []rga.Edit // of a text, in order
}

// listener collects events; nil collects nothing.
type listener struct {
	path []Key
	emit func(Event)
}

func (l *listener) enter(k Key) {
	if l != nil {
		l.path = append(l.path, k)
	}
}

func (l *listener) leave() {
	if l != nil {
		l.path = l.path[:len(l.path)-1]
	}
}

func (l *listener) tell(e Event) {
	if l != nil && len(e.Added)+len(e.Removed)+len(e.Edits) > 0 {
		e.Path = slices.Clone(l.path)
		l.emit(e)
	}
}

func listen(emit func(Event)) *listener {
	if emit == nil {
		return nil
	}
	return &listener{emit: emit}
}

func (s *State) covers(id EntryID) bool {
	if s.context.Contains(id.Dot) {
		return true
	}
	_, ok := s.removed[id]
	return ok
}

// remember notes a removal by name of something that is not here yet.
func (s *State) remember(id EntryID) {
	if s.context.Contains(id.Dot) {
		return
	}
	if s.removed == nil {
		s.removed = map[EntryID]struct{}{}
	}
	s.removed[id] = struct{}{}
}

// settle drops the names that the context covers by now: absence says it.
func (s *State) settle() {
	for id := range s.removed {
		if s.context.Contains(id.Dot) {
			delete(s.removed, id)
		}
	}
}

// apply joins the delta of one change. A dot that is covered changes nothing.
func (s *State) apply(d clock.Dot, m Meta, p *Patch, l *listener) bool {
	if s.context.Contains(d) {
		return false
	}
	s.root.shape = Keyed
	if p != nil {
		s.applyPatch(&s.root, p, l)
	}
	s.context.Add(d)
	s.metas.add(d, m)
	if len(s.removed) > 0 {
		s.settle()
	}
	return true
}

func (s *State) applyPatch(n *node, p *Patch, l *listener) {
	switch p.Shape {
	case Entries:
		var ev Event
		for _, id := range p.Remove {
			if i, found := n.find(id); found {
				ev.Removed = append(ev.Removed, n.entries[i])
				n.remove(s, id)
			} else {
				s.remember(id)
			}
		}
		for _, e := range p.Add {
			if !s.covers(e.ID) && n.insert(s, e) {
				ev.Added = append(ev.Added, e)
			}
		}
		l.tell(ev)
	case Grown:
		l.tell(Event{Edits: n.grown.add(p.Grow, l != nil)})
	case Keyed:
		for _, c := range p.Kids {
			k := n.kid(c.Key)
			if k == nil {
				k = newNode(c.Patch.Shape, c.Key.Type)
				n.put(c.Key, k)
			}
			if k.shape != c.Patch.Shape {
				continue // refused by Check; a state never mixes shapes under one key
			}
			l.enter(c.Key)
			s.applyPatch(k, c.Patch, l)
			l.leave()
		}
	}
}

// fits reports whether the shapes of p agree with those that are here.
func (n *node) fits(p *Patch) bool {
	if n == nil {
		return true
	}
	if n.shape != p.Shape {
		return false
	}
	for _, c := range p.Kids {
		if !n.kid(c.Key).fits(c.Patch) {
			return false
		}
	}
	return true
}

// Join takes over everything that o has. It is idempotent, commutative and
// associative. emit, when not nil, is told what changed at each node.
func (s *State) Join(o *State, emit func(Event)) {
	if s == o {
		return
	}
	s.root.shape, o.root.shape = Keyed, Keyed
	s.joinNode(&s.root, &o.root, o, listen(emit))
	s.context.Join(&o.context)
	for id := range o.removed {
		s.remember(id)
	}
	s.settle()
	s.metas.join(&o.metas)
}

func (s *State) joinNode(a, b *node, o *State, l *listener) {
	switch a.shape {
	case Entries:
		var ev Event
		for i := 0; i < len(a.entries); {
			e := a.entries[i]
			if _, both := b.find(e.ID); !both && o.covers(e.ID) {
				ev.Removed = append(ev.Removed, e)
				a.remove(s, e.ID)
				continue
			}
			i++
		}
		for _, e := range b.entries {
			if !s.covers(e.ID) && a.insert(s, e) {
				ev.Added = append(ev.Added, e)
			}
		}
		l.tell(ev)
	case Grown:
		l.tell(Event{Edits: a.grown.join(b.grown, l != nil)})
	case Keyed:
		for _, k := range b.sortedKeys() {
			c := b.kids[k]
			if a.kid(k) == nil && !c.empty() {
				a.put(k, newNode(c.shape, k.Type))
			}
		}
		for _, k := range a.sortedKeys() {
			mine, theirs := a.kids[k], b.kid(k)
			if theirs == nil {
				theirs = newNode(mine.shape, k.Type)
			}
			if mine.shape != theirs.shape {
				continue
			}
			l.enter(k)
			s.joinNode(mine, theirs, o, l)
			l.leave()
		}
	}
}

// Contains reports whether the change named d is part of the state.
func (s *State) Contains(d clock.Dot) bool { return s.context.Contains(d) }

// Vector is the contiguous part of the causal context. It must not be modified.
func (s *State) Vector() *clock.VersionVector { return s.context.Vector() }

// Meta returns what the state remembers of a change.
func (s *State) Meta(d clock.Dot) (Meta, bool) { return s.metas.get(d) }

// Digest is a hash of the state's normal form: the causal context, the names
// removed ahead of their entries, and the live entries of removable shapes by
// name and content. Grown shapes are fixed by the context. Equal states have
// equal digests whatever their history, encoding or caches. O(writers).
func (s *State) Digest() Hash {
	w := codec.NewWriter(make([]byte, 0, 256))
	s.writeNormal(w)
	return hash16(w.Bytes())
}

func (s *State) writeNormal(w *codec.Writer) {
	var t clock.Table
	for rg := range s.context.Ranges() {
		t.Number(rg.Origin)
	}
	t.Write(w)
	s.context.Write(w, &t)
	ids := make([]EntryID, 0, len(s.removed))
	for id := range s.removed {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, EntryID.Compare)
	for _, id := range ids {
		w.String(id.String())
	}
	s.sum.Write(w)
}

func hash16(b []byte) (h Hash) {
	s := sha256.Sum256(b)
	copy(h[:], s[:])
	return h
}
