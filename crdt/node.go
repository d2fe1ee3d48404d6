package crdt

import (
	"maps"
	"slices"

	"github.com/concord-crdt/concord/internal/planted"
)

// node is the state below one key. Which of its parts is used follows from the
// shape.
type node struct {
	shape   Shape
	entries []Entry // sorted by ID
	kept    []kept  // superseded by writes to a versioned field; sorted by ID
	kids    map[slot]*node
	grown   *grown
}

func newNode(k slot) *node {
	n := &node{shape: k.shape}
	if k.shape == Grown {
		n.grown = newGrown(k.Type)
	}
	return n
}

func (n *node) kid(k slot) *node {
	if n == nil {
		return nil
	}
	return n.kids[k]
}

// make returns the child under k, which comes to be when it is not there.
func (n *node) make(k slot) *node {
	c := n.kids[k]
	if c == nil {
		if n.kids == nil {
			n.kids = map[slot]*node{}
		}
		c = newNode(k)
		n.kids[k] = c
	}
	return c
}

func (n *node) sortedSlots() []slot {
	if n == nil {
		return nil
	}
	return slices.SortedFunc(maps.Keys(n.kids), slot.compare)
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
	if !planted.Is(planted.SumNotTaken) {
		s.sum.Sub(entryHash(n.entries[i]))
	}
	n.entries = slices.Delete(n.entries, i, i+1)
	return true
}

// walk visits n and everything below it, in no order.
func (n *node) walk(f func(*node)) {
	f(n)
	for _, c := range n.kids {
		c.walk(f)
	}
}

// empty reports whether nothing at all is kept below n: such a node is not
// state, only a trace of how this replica came to its state.
func (n *node) empty() bool {
	switch n.shape {
	case Entries:
		return len(n.entries)+len(n.kept) == 0
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
	raw map[EntryID]GrownEntry
	seq *sequence // nil unless the type is a text or a list
	// settled is what marks folded of a stock; nil for none.
	settled *stockBase
}

func newGrown(t Type) *grown {
	if t == TypeText || t == TypeSlots {
		return &grown{seq: newSequence(t == TypeSlots)}
	}
	return &grown{raw: map[EntryID]GrownEntry{}}
}

func (g *grown) empty() bool {
	if g.seq != nil {
		return g.seq.empty()
	}
	return len(g.raw) == 0 && g.settled == nil
}

func (g *grown) sortedRaw() []GrownEntry {
	es := make([]GrownEntry, 0, len(g.raw))
	for _, e := range g.raw {
		es = append(es, e)
	}
	slices.SortFunc(es, func(a, b GrownEntry) int { return a.ID.Compare(b.ID) })
	return es
}
