package crdt

import (
	"slices"

	"github.com/concord-crdt/concord/clock"
)

// node is the state below one key. Which of its parts is used follows from the
// shape.
type node struct {
	shape   Shape
	entries []Entry // sorted by ID
	kids    map[Key]*node
	grown   *grown
}

func newNode(s Shape, t Type) *node {
	n := &node{shape: s}
	if s == Grown {
		n.grown = newGrown(t)
	}
	return n
}

func (n *node) kid(k Key) *node {
	if n == nil {
		return nil
	}
	return n.kids[k]
}

func (n *node) put(k Key, c *node) {
	if n.kids == nil {
		n.kids = map[Key]*node{}
	}
	n.kids[k] = c
}

func (n *node) sortedKeys() []Key {
	if n == nil {
		return nil
	}
	ks := make([]Key, 0, len(n.kids))
	for k := range n.kids {
		ks = append(ks, k)
	}
	slices.SortFunc(ks, Key.Compare)
	return ks
}

func (n *node) find(id EntryID) (int, bool) {
	return slices.BinarySearchFunc(n.entries, id, func(e Entry, id EntryID) int { return e.ID.Compare(id) })
}

// insert and remove keep the sum of the state that the node belongs to.

func (n *node) insert(s *State, e Entry) bool {
	i, found := n.find(e.ID)
	if found {
		return false
	}
	n.entries = slices.Insert(n.entries, i, e)
	s.sum.Add(entryHash(e))
	return true
}

func (n *node) remove(s *State, id EntryID) bool {
	i, found := n.find(id)
	if !found {
		return false
	}
	s.sum.Sub(entryHash(n.entries[i]))
	n.entries = slices.Delete(n.entries, i, i+1)
	return true
}

// empty reports whether nothing at all is kept below n: such a node is not
// state, only a trace of how this replica came to its state.
func (n *node) empty() bool {
	switch n.shape {
	case Entries:
		return len(n.entries) == 0
	case Keyed:
		for _, c := range n.kids {
			if !c.empty() {
				return false
			}
		}
		return true
	default:
		return n.grown.empty()
	}
}

// grown is the state of a grown shape: entries kept as they are when the type
// is unknown, or the sequence that they describe.
type grown struct {
	raw  map[EntryID]GrownEntry
	text *text // nil unless the type is [TypeText]
}

func newGrown(t Type) *grown {
	if t == TypeText {
		return &grown{text: newText()}
	}
	return &grown{raw: map[EntryID]GrownEntry{}}
}

func (g *grown) empty() bool {
	if g.text != nil {
		return g.text.empty()
	}
	return len(g.raw) == 0
}

func (g *grown) sortedRaw() []GrownEntry {
	es := make([]GrownEntry, 0, len(g.raw))
	for _, e := range g.raw {
		es = append(es, e)
	}
	slices.SortFunc(es, func(a, b GrownEntry) int { return a.ID.Compare(b.ID) })
	return es
}

// dotsOf is used where a canonical list of entries is named by its dots.
func dotsOf(es []Entry) []clock.Dot {
	ds := make([]clock.Dot, 0, len(es))
	for _, e := range es {
		if len(ds) == 0 || ds[len(ds)-1] != e.ID.Dot {
			ds = append(ds, e.ID.Dot)
		}
	}
	return ds
}
