package rga

import (
	"fmt"

	"github.com/concord-crdt/concord/clock"
)

// Limits of one sequence. They let the memory of a span be 28 bytes.
const (
	// MaxSeq is the highest number that an origin can give in one sequence.
	// A new incarnation of the replica starts again from 1.
	MaxSeq = 1<<29 - 1
	// MaxElements is how many elements a sequence can hold, tombstones
	// included.
	MaxElements = 1 << 30
	// MaxContent is how many bytes of content a sequence can hold for one
	// origin.
	MaxContent = 1<<31 - 1
	// MaxOrigins is how many origins can have written to a sequence.
	MaxOrigins = 1 << 20
)

// ID names an element: the origin that inserted it, and the number it gave it,
// from 1. The zero value names no element: as Left of an insertion the start
// of the sequence, as Right its end.
type ID struct {
	Origin clock.Origin
	Seq    uint64
}

// IsZero reports whether id names no element.
func (id ID) IsZero() bool { return id.Seq == 0 }

// String returns a short form for people, as in 0a1b2c3d…/9f:12.
func (id ID) String() string {
	if id.IsZero() {
		return "none"
	}
	return fmt.Sprintf("%v:%d", id.Origin, id.Seq)
}

// Kind says what an [Op] or an [Edit] does.
type Kind uint8

// The two kinds. The zero value is neither.
const (
	Insert Kind = 1 + iota
	Delete
)

// String returns the name of the kind in lower case.
func (k Kind) String() string {
	switch k {
	case Insert:
		return "insert"
	case Delete:
		return "delete"
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// Op is a run of insertions or deletions by one origin: what replicas exchange.
//
// It takes the numbers Seq to Seq+Len-1 of its origin. Of a run that is known
// in part, Apply takes the rest.
//
// An op that a sequence made shares the memory of its text with the sequence
// or the caller; nobody changes either.
type Op struct {
	Kind Kind
	// Extend says that an insertion goes on with the run of element Seq-1 of
	// the same origin: its Left is that element and its Right is the Right of
	// that element. Left and Right are then zero. It is what most keystrokes
	// are, and saves their bytes.
	Extend bool
	// Gone says that the content was dropped since the elements are deleted.
	// Text and Values are then empty, and the elements are tombstones from the
	// start. It belongs to the transfer of a state. No author makes such an op,
	// and whoever checks authors refuses it: a few bytes of it would fill a
	// sequence.
	Gone bool
	// Reverse says that of several elements the last is deleted first, as by
	// the backspace key. It matters where a part of a run is known. It is false
	// if Len is 1.
	Reverse bool

	Origin clock.Origin
	Seq    uint64 // number of the first element or deletion
	Len    uint64 // how many

	// Text is the content of an insertion into a [Text]: Len runes of valid
	// UTF-8.
	Text string
	// Values is the content of an insertion into a [List]: Len values.
	Values [][]byte

	// Left and Right are the elements between which the first element was
	// inserted: Left visible, Right the next one, visible or not. Each further
	// element has the one before it as Left, and the same Right.
	Left, Right ID
	// Target is the element with the lowest number of the Len consecutive ones
	// that a deletion deletes. Deleting what is deleted has no effect beyond
	// taking numbers.
	Target ID
}

// end returns the last number of the run. The caller has checked Seq and Len.
func (op *Op) end() uint64 { return op.Seq + op.Len - 1 }

// Edit is a change of the visible sequence, for whoever shows it: an editor
// applies the edits of an op one after the other, in the order in which they
// are reported.
//
// Positions are before the edit, and are given in three units: elements, and
// of a text UTF-16 code units (JavaScript, LSP) and UTF-8 bytes. In a list all
// three are elements.
type Edit struct {
	Kind               Kind
	Pos, Len           int // elements: runes of a text, values of a list
	PosUTF16, LenUTF16 int
	PosByte, LenByte   int
	Text               string   // what was inserted into a text
	Values             [][]byte // what was inserted into a list; not to be changed
}
