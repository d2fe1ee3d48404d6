package crdt

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Shape says how join treats a node. Join knows shapes and nothing else, so a
// peer that does not know a type still joins and forwards it.
type Shape uint8

const (
	// Entries are removable: an entry is kept if both sides have it, or if
	// the side without it has not covered its dot.
	Entries Shape = 1
	// Keyed is a map of shapes.
	Keyed Shape = 2
	// Grown is a set of entries that only grows.
	Grown Shape = 3
	// Versioned is how a patch writes entries of a versioned field: what it
	// supersedes is kept beside the entries that count, with the name of the
	// change, until a settle mark. The node that it is written to has the shape
	// Entries.
	Versioned Shape = 4
)

// state is the shape of the node that a patch of shape s is joined to.
func (s Shape) state() Shape {
	if s == Versioned {
		return Entries
	}
	return s
}

// String is the shape's name, or its number when this version does not know it.
func (s Shape) String() string {
	switch s {
	case Entries:
		return "entries"
	case Keyed:
		return "keyed"
	case Grown:
		return "grown"
	case Versioned:
		return "versioned"
	}
	return fmt.Sprintf("shape(%d)", uint8(s))
}

// Type is the tag of a data type. Two types under one field name are two
// fields. Tags of later versions are carried, joined and forwarded unread.
type Type uint8

// The tags are part of the format: they are never renumbered.
const (
	TypeElement     Type = 0 // an element of a set, below the set's node
	TypeRegister    Type = 1
	TypeCounter     Type = 2
	TypeSet         Type = 3 // add-wins
	TypeMap         Type = 4
	TypeText        Type = 5
	TypeGroup       Type = 6
	TypeFlag        Type = 7 // enable-wins
	TypeDisableFlag Type = 8 // disable-wins
	TypeRemoveSet   Type = 9 // remove-wins
	TypeList        Type = 10
	TypeLog         Type = 11
	TypeStock       Type = 12
	TypeBounded     Type = 13
	TypeProposal    Type = 14
	TypeMark        Type = 15 // settle marks, in the record of a scope
	TypeRestamp     Type = 16 // restamps, there too
	TypeSeal        Type = 17 // seals, there too
	TypeVerdict     Type = 18 // verdicts on changes of a record
	TypeEvidence    Type = 19 // what changes carry of other records

	TypeSlots    Type = 120 // the order of a list, below the list's node
	TypeItem     Type = 121 // the value that was set on an element of a list
	TypePresence Type = 127 // marks that a map's key is there though empty
)

// typeInfo is what the package knows of a type.
type typeInfo struct {
	name  string
	shape Shape
	inner bool // below another field, or beside those of an application: never one of these
}

var types = map[Type]typeInfo{
	TypeElement:     {"element", Entries, true},
	TypeRegister:    {"register", Entries, false},
	TypeCounter:     {"counter", Entries, false},
	TypeSet:         {"set", Keyed, false},
	TypeMap:         {"map", Keyed, false},
	TypeText:        {"text", Grown, false},
	TypeGroup:       {"group", Entries, false},
	TypeFlag:        {"flag", Entries, false},
	TypeDisableFlag: {"disable-flag", Entries, false},
	TypeRemoveSet:   {"remove-set", Keyed, false},
	TypeList:        {"list", Keyed, false},
	TypeLog:         {"log", Grown, false},
	TypeStock:       {"stock", Grown, false},
	TypeBounded:     {"bounded", Entries, false},
	TypeProposal:    {"proposal", Grown, false},
	TypeMark:        {"mark", Grown, true},
	TypeRestamp:     {"restamp", Grown, true},
	TypeSeal:        {"seal", Grown, true},
	TypeVerdict:     {"verdict", Grown, true},
	TypeEvidence:    {"evidence", Grown, true},
	TypeSlots:       {"slots", Grown, true},
	TypeItem:        {"item", Entries, true},
	TypePresence:    {"presence", Entries, true},
}

// String is the type's name, or its number when this version does not know it.
func (t Type) String() string {
	if x, ok := types[t]; ok {
		return x.name
	}
	return fmt.Sprintf("type(%d)", uint8(t))
}

// Known reports whether a field can have the type in this version.
func (t Type) Known() bool {
	x, ok := types[t]
	return ok && !x.inner
}

// ParseType is the inverse of [Type.String] for the types that a field may
// have.
func ParseType(s string) (Type, error) {
	var names []string
	for t, x := range types {
		if x.inner {
			continue
		}
		if x.name == s {
			return t, nil
		}
		names = append(names, x.name)
	}
	slices.Sort(names)
	return 0, fmt.Errorf("crdt: unknown type %q (known: %s)", s, strings.Join(names, ", "))
}

// shape returns the shape that a known type has, and whether it is known.
func (t Type) shape() (Shape, bool) {
	x, ok := types[t]
	return x.shape, ok
}

// Key addresses a child of a keyed node: a name and a type. The names of a
// set's elements are their canonical value bytes.
type Key struct {
	Name string
	Type Type
}

// Compare orders keys by name bytes, then by type tag.
func (k Key) Compare(o Key) int {
	if c := strings.Compare(k.Name, o.Name); c != 0 {
		return c
	}
	return cmp.Compare(k.Type, o.Type)
}

// slot addresses a child of a keyed node: a key and the shape under it. A type
// of this version has one shape; of a type of a later version two writers may
// use two, and they are two fields, or the order of arrival would decide which
// of them is kept.
type slot struct {
	Key
	shape Shape
}

// slotOf is the slot of a type of this version.
func slotOf(name string, t Type) slot {
	s, _ := t.shape()
	return slot{Key{name, t}, s}
}

func (s slot) compare(o slot) int {
	if c := s.Key.Compare(o.Key); c != 0 {
		return c
	}
	return cmp.Compare(s.shape, o.shape)
}
