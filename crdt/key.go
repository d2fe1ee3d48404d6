package crdt

import (
	"cmp"
	"fmt"
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
)

func (s Shape) String() string {
	switch s {
	case Entries:
		return "entries"
	case Keyed:
		return "keyed"
	case Grown:
		return "grown"
	}
	return fmt.Sprintf("shape(%d)", uint8(s))
}

// Type is the tag of a data type. Two types under one field name are two
// fields. Tags of later versions are carried, joined and forwarded unread.
type Type uint8

// The tags are part of the format: they are never renumbered.
const (
	TypeElement  Type = 0 // an element of a set, below the set's node
	TypeRegister Type = 1
	TypeCounter  Type = 2
	TypeSet      Type = 3
	TypeMap      Type = 4
	TypeText     Type = 5
	TypePresence Type = 127 // marks that a map's key is there though empty
)

var typeNames = map[Type]string{
	TypeRegister: "register", TypeCounter: "counter", TypeSet: "set",
	TypeMap: "map", TypeText: "text", TypePresence: "presence", TypeElement: "element",
}

// String is the type's name, or its number when this version does not know it.
func (t Type) String() string {
	if s, ok := typeNames[t]; ok {
		return s
	}
	return fmt.Sprintf("type(%d)", uint8(t))
}

// ParseType is the inverse of [Type.String] for the types of this version that
// a field may have.
func ParseType(s string) (Type, error) {
	for t, n := range typeNames {
		if n == s && t != TypePresence && t != TypeElement {
			return t, nil
		}
	}
	return 0, fmt.Errorf("crdt: unknown type %q (known: register, counter, set, map, text)", s)
}

// shape returns the shape that a known type has, and whether it is known.
func (t Type) shape() (Shape, bool) {
	switch t {
	case TypeElement, TypePresence, TypeRegister, TypeCounter:
		return Entries, true
	case TypeSet, TypeMap:
		return Keyed, true
	case TypeText:
		return Grown, true
	}
	return 0, false
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
