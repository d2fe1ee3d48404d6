package crdt

import (
	"fmt"

	"github.com/concord-crdt/concord/codec"
)

// atTop stands for the parent of what lies at the top of a record.
const atTop = -1

// checkChild refuses a child that its parent cannot have, such as an element
// outside of a set. What a parent of a later version has below it is not known
// here, and passes.
func checkChild(parent int, k Key) error {
	x, known := types[k.Type]
	field := !known || !x.inner
	ok := true
	switch parent {
	case atTop:
		ok = field || k.Type == TypeMark || k.Type == TypeRestamp || k.Type == TypeSeal || k == verdictsSlot.Key || k == evidenceSlot.Key
	case int(TypeMap):
		ok = field || k.Type == TypePresence
	case int(TypeSet), int(TypeRemoveSet):
		ok = k.Type == TypeElement
	case int(TypeList):
		ok = k.Type == TypeItem || k == slotsKey.Key
	}
	if ok {
		return nil
	}
	where := "the top of a record"
	if parent != atTop {
		where = fmt.Sprintf("a %v", Type(parent))
	}
	return fmt.Errorf("crdt: %v below %s: %w", k.Type, where, codec.ErrMalformed)
}

// checkElement refuses an entry that says what no element of its set says: those
// of an add-wins set are empty, those of a remove-wins set are marks.
func checkElement(parent int, value []byte) error {
	ok := true
	switch parent {
	case int(TypeSet):
		ok = len(value) == 0
	case int(TypeRemoveSet):
		ok = isMark(value)
	}
	if !ok {
		return fmt.Errorf("crdt: element of a %v: %w", Type(parent), codec.ErrMalformed)
	}
	return nil
}

func isMark(value []byte) bool { return len(value) == 1 && value[0] <= marksAddition[0] }

// checkPresence refuses a mark of a type that cannot be there while empty. One
// of a later version passes.
func checkPresence(value []byte) error {
	if len(value) == 1 {
		t := Type(value[0])
		if _, known := types[t]; !known || t.isContainer() {
			return nil
		}
	}
	return fmt.Errorf("crdt: presence: %w", codec.ErrMalformed)
}

// checkNesting looks at what lies below a keyed patch: whether its children can
// be there, and what depends on where they are.
func (p *Patch) checkNesting(parent int) error {
	for _, c := range p.Kids {
		if err := checkChild(parent, c.Key); err != nil {
			return err
		}
		if c.Key.Type == TypeElement {
			for _, e := range c.Patch.Add {
				if err := checkElement(parent, e.Value); err != nil {
					return err
				}
			}
		}
		if err := c.Patch.checkNesting(int(c.Key.Type)); err != nil {
			return err
		}
	}
	return nil
}
