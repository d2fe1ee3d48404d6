package crdt

import (
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt/rga"
	"github.com/concord-crdt/concord/internal/planted"
)

// State is a causal composition of shapes: a tree of nodes under one causal
// context. Join is the least upper bound of the lattice and knows shapes, not
// types: an entry is kept if both sides have it, or if the side without it has
// not covered its name. Within a [Record] the context is exactly a version
// vector, because changes are applied after their heads; a state that took
// deltas in any order has ranges beyond it.
//
// Join costs O(entries and changes on both sides).
//
// Not safe for concurrent use. The zero value is empty.
//
// Source: Almeida, Shoker and Baquero, "Delta State Replicated Data Types",
// Journal of Parallel and Distributed Computing 111, 2018.
type State struct {
	context clock.Context
	floor   *Floor // what its cut covers and is not here is gone
	moved   *Restamps
	removed map[clock.Dot][]uint32 // entries removed by name while their dot is not covered; sorted
	root    node
	metas   metaTable
	sum     Sum // over the live entries of removable shapes
}

// Event tells what a join or an applied change did at one node: which entries
// came and went, or how the text or list there changed. The values of elements of a
// set are in the last key of Path. What it points at must not be modified.
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
	if s.Contains(id.Dot) {
		return true
	}
	_, ok := slices.BinarySearch(s.removed[id.Dot], id.Index)
	return ok
}

// remember notes a removal by name of something that is not here yet.
func (s *State) remember(id EntryID) {
	if s.Contains(id.Dot) {
		return
	}
	if s.removed == nil {
		s.removed = map[clock.Dot][]uint32{}
	}
	names := s.removed[id.Dot]
	if i, found := slices.BinarySearch(names, id.Index); !found {
		s.removed[id.Dot] = slices.Insert(names, i, id.Index)
	}
}

// apply joins the delta of one change. A dot that is covered changes nothing.
func (s *State) apply(d clock.Dot, from uint64, m Meta, p *Patch, l *listener) bool {
	if s.Contains(d) {
		return false
	}
	s.root.shape = Keyed
	if p != nil {
		s.applyPatch(d, &s.root, p, l)
	}
	s.enter(d, from, m)
	return true
}

// enter counts the change d as applied, and all of its origin from number from
// on. Absence says from now on what the names of its removed entries said.
func (s *State) enter(d clock.Dot, from uint64, m Meta) {
	s.context.AddRange(clock.Range{Origin: d.Origin, From: from, To: d.N})
	delete(s.removed, d)
	s.metas.add(d, m)
}

func (s *State) applyPatch(d clock.Dot, n *node, p *Patch, l *listener) {
	switch p.Shape {
	case Versioned:
		var ev Event
		for _, id := range p.Remove {
			if e, moved := n.setAside(s, id, d); moved {
				ev.Removed = append(ev.Removed, e)
			}
		}
		s.addEntries(n, p.Add, &ev)
		l.tell(ev)
	case Entries:
		var ev Event
		for _, id := range p.Remove {
			if i, found := n.find(id); found {
				ev.Removed = append(ev.Removed, n.entries[i])
				n.remove(s, id)
			} else if !n.drop(id) {
				s.remember(id)
			}
		}
		if planted.Is(planted.WidenedRemoval) && len(p.Remove) > 0 {
			for _, e := range slices.Clone(n.entries) {
				n.remove(s, e.ID)
			}
		}
		s.addEntries(n, p.Add, &ev)
		l.tell(ev)
	case Grown:
		l.tell(Event{Edits: n.grown.add(p.Grow, l != nil)})
	case Keyed:
		for _, c := range p.Kids {
			l.enter(c.Key)
			s.applyPatch(d, n.make(c.slot()), c.Patch, l)
			l.leave()
		}
	}
}

func (s *State) addEntries(n *node, es []Entry, ev *Event) {
	for _, e := range es {
		if planted.Is(planted.LoserDropped) && len(n.entries) > 0 && e.ID.Compare(n.entries[len(n.entries)-1].ID) < 0 {
			continue
		}
		if !s.covers(e.ID) && n.insert(s, e) {
			ev.Added = append(ev.Added, e)
		}
	}
}

// Join takes over everything that o has. It is idempotent, commutative and
// associative. emit, when not nil, is told what changed at each node.
func (s *State) Join(o *State, emit func(Event)) {
	if s != o {
		s.join(o, &o.context, emit)
	}
}

// join is Join with a part of o's context.
func (s *State) join(o *State, theirs *clock.Context, emit func(Event)) {
	s.root.shape = Keyed
	s.joinNode(&s.root, &o.root, o, listen(emit))
	s.context.Join(theirs)
	for d, names := range o.removed {
		for _, i := range names {
			s.remember(EntryID{d, i})
		}
	}
	for d := range s.removed {
		if s.context.Contains(d) {
			delete(s.removed, d)
		}
	}
	s.metas.join(&o.metas, s.floor)
}

func (s *State) joinNode(a, b *node, o *State, l *listener) {
	switch a.shape {
	case Entries:
		var ev Event
		s.joinKept(a, b, o, &ev)
		a.entries = slices.DeleteFunc(a.entries, func(e Entry) bool {
			_, both := b.find(e.ID)
			if both || !o.covers(e.ID) || planted.Is(planted.JoinKeepsSuperseded) {
				return false
			}
			ev.Removed = append(ev.Removed, e)
			s.sum.Sub(entryHash(e))
			return true
		})
		s.addEntries(a, b.entries, &ev)
		l.tell(ev)
	case Grown:
		s.joinGrown(a.grown, b.grown, o)
		l.tell(Event{Edits: a.grown.join(b.grown, s.floor, l != nil)})
	case Keyed:
		for _, k := range b.sortedSlots() {
			if !b.kids[k].empty() {
				a.make(k)
			}
		}
		for _, k := range a.sortedSlots() {
			theirs := b.kid(k)
			if theirs == nil {
				theirs = newNode(k)
			}
			l.enter(k.Key)
			s.joinNode(a.kids[k], theirs, o, l)
			l.leave()
		}
	}
}

// Contains reports whether the change named d is part of the state, or was
// before a settle mark folded it. O(log n) for n writers.
func (s *State) Contains(d clock.Dot) bool {
	return s.context.Contains(d) || s.floor.Covers(d) && !planted.Is(planted.FloorNotInJoins)
}

// Vector is the contiguous part of the causal context. It must not be modified,
// and changes with the state; clone it to keep it.
func (s *State) Vector() *clock.VersionVector { return s.context.Vector() }

// Meta returns what the state remembers of a change, and whether it does. O(log n)
// for n changes of the origin.
func (s *State) Meta(d clock.Dot) (Meta, bool) { return s.metas.get(d) }

// Digest is a hash of the state's normal form: the causal context, the names
// removed ahead of their entries, and the live entries of removable shapes by
// name and content. Grown shapes are fixed by the context. Equal states have
// equal digests whatever their history, encoding or caches. O(writers).
func (s *State) Digest() Hash {
	w := codec.NewWriter(make([]byte, 0, 256))
	s.writeNormal(w)
	return HashOf(w.Bytes())
}

func (s *State) writeNormal(w *codec.Writer) {
	var t clock.Table
	for rg := range s.context.Ranges() {
		t.Number(rg.Origin)
	}
	t.Write(w)
	s.context.Write(w, &t)
	dots := sortedDots(s.removed)
	w.Uvarint(uint64(len(dots)))
	for _, d := range dots {
		writeFullDot(w, d)
		w.Uvarint(uint64(len(s.removed[d])))
		for _, i := range s.removed[d] {
			w.Uint32(i)
		}
	}
	s.sum.Write(w)
}

// writeFullDot writes a dot apart from any table, as hashes need it.
func writeFullDot(w *codec.Writer, d clock.Dot) {
	w.Raw(d.Origin.Replica[:])
	w.Uint64(d.Origin.Incarnation)
	w.Uint64(d.N)
}
