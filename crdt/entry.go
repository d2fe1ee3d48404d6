package crdt

import (
	"cmp"
	"fmt"

	"github.com/concord-crdt/concord/clock"
)

// EntryID names an entry for ever: the dot of the change that made it, and its
// place among the entries of that change.
type EntryID struct {
	Dot   clock.Dot
	Index uint32
}

// Compare orders entries canonically: by origin bytes, incarnation, n, index.
func (e EntryID) Compare(o EntryID) int {
	if c := e.Dot.Compare(o.Dot); c != 0 {
		return c
	}
	return cmp.Compare(e.Index, o.Index)
}

// IsZero reports whether e names nothing: whether its dot does.
func (e EntryID) IsZero() bool { return e.Dot.IsZero() }

// String is the dot and the index, for people.
func (e EntryID) String() string { return fmt.Sprintf("%v.%d", e.Dot, e.Index) }

// Entry is one removable element of state: a name and the bytes under it.
// Value must not be modified.
type Entry struct {
	ID    EntryID
	Value []byte
}

// GrownEntry is an element of a grown shape: it is never removed. Origins are
// the origins that its bytes refer to by position, kept apart so that a peer
// that cannot read the bytes can still store and forward them.
type GrownEntry struct {
	ID      EntryID
	Origins []clock.Origin
	Value   []byte
}
