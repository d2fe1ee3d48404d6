package crdt

import (
	"fmt"

	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt/rga"
)

// ListField edits a list of a record: values in an order.
//
// Runs that are inserted at one place at the same time stay whole, one after
// the other. Set replaces the value of an element and keeps the element: an
// insertion beside it, or a second Set, finds it; of concurrent Sets the latest
// stamp is shown. Deleting an element ends it, whatever is set at the same time.
//
// Insert costs what it costs a text, Delete O(log n) for each element, in the runs
// of the list; Set is O(log n + concurrent Sets), Values O(n log n) in the
// elements.
//
// Errors are the first one of the change: [rga.ErrRange] for a position outside of
// the list, those of [codec.AppendValue] for a value.
//
// Comes from an [Editor] or a [MapField], and is of use until its change ends.
// Not safe for concurrent use.
//
// Source: Weidner and Kleppmann, "The Art of the Fugue", 2023, for the order;
// Kleppmann, "Moving Elements in List CRDTs", PaPoC 2020, for values apart from
// places.
type ListField struct{ at place }

var slotsKey = slotOf("", TypeSlots)

func (f ListField) slots() place { return f.at.below(slotsKey) }

func (f ListField) list() *rga.List {
	n := f.slots().look()
	if n == nil {
		return rga.NewList()
	}
	return n.grown.seq.engine.(*rga.List)
}

// Insert inserts values before element pos, or at the end if pos is Len.
func (f ListField) Insert(pos int, values ...any) error {
	if len(values) == 0 {
		return f.at.ed.err
	}
	var bs [][]byte
	for _, v := range values {
		b, err := codec.AppendValue(nil, v)
		if err != nil {
			return f.at.ed.fail(f.at.path, err)
		}
		bs = append(bs, b)
	}
	t, err := f.slots().openSequence()
	if err != nil {
		return err
	}
	if err := f.list().Insert(t.handle, pos, bs, nil); err != nil {
		return f.at.ed.fail(f.at.path, fmt.Errorf("insert at %d of %d: %w", pos, f.Len(), err))
	}
	return nil
}

// Append inserts values at the end.
func (f ListField) Append(values ...any) error { return f.Insert(f.Len(), values...) }

// Delete deletes n elements from pos on, seen or not. Deleting none changes
// nothing.
func (f ListField) Delete(pos, n int) error {
	if n == 0 {
		return f.at.ed.err
	}
	l := f.list()
	if pos < 0 || n < 0 || pos+n > l.Len() {
		return f.at.ed.fail(f.at.path, fmt.Errorf("delete %d at %d of %d: %w", n, pos, l.Len(), rga.ErrRange))
	}
	for i := pos; i < pos+n; i++ {
		if id, ok := l.IDAt(i); ok {
			if err := f.at.below(itemKey(id)).clear(); err != nil {
				return err
			}
		}
	}
	t, err := f.slots().openSequence()
	if err != nil {
		return err
	}
	if err := t.node.grown.seq.Delete(t.handle, pos, n, nil); err != nil {
		return f.at.ed.fail(f.at.path, fmt.Errorf("delete %d at %d of %d: %w", n, pos, f.Len(), err))
	}
	return nil
}

// Set replaces the value of element pos.
func (f ListField) Set(pos int, v any) error {
	id, ok := f.list().IDAt(pos)
	if !ok {
		return f.at.ed.fail(f.at.path, fmt.Errorf("set %d of %d: %w", pos, f.Len(), rga.ErrRange))
	}
	return RegisterField{f.at.below(itemKey(id))}.Set(v)
}

// Len is the number of elements, as the list is now.
func (f ListField) Len() int { return f.list().Len() }

// Values lists the elements, as the list is now.
func (f ListField) Values() []any {
	return Field{state: f.at.ed.state, node: f.at.look()}.Values()
}

// itemKey names the value that was set on an element.
func itemKey(id rga.ID) slot {
	w := codec.NewWriter(make([]byte, 0, 28))
	w.Raw(id.Origin.Replica[:])
	w.Uint64(id.Origin.Incarnation)
	w.Uvarint(id.Seq)
	return slotOf(string(w.Bytes()), TypeItem)
}

func parseElementName(s string) (id rga.ID, err error) {
	r := codec.NewReader([]byte(s))
	id.Origin, id.Seq = readOriginRaw(r), r.Uvarint()
	if id.Seq == 0 && r.Err() == nil {
		r.Fail("element", codec.ErrMalformed)
	}
	return id, r.Close()
}

// Values lists the elements of a list. O(n log n) in its elements.
func (f Field) Values() []any {
	vs := []any{}
	slots := f.node.kid(slotsKey)
	if slots == nil {
		return vs
	}
	for id, b := range slots.grown.seq.values(f) {
		item := f
		item.node = f.node.kid(itemKey(id))
		if c, ok := item.Latest(); ok {
			vs = append(vs, c.Value)
		} else if v, err := codec.DecodeValue(b); err == nil {
			vs = append(vs, v)
		}
	}
	return vs
}

// Latest is the sibling of a register that last-write-wins shows; ok is false if
// there is none. O(siblings).
func (f Field) Latest() (best Candidate, ok bool) {
	for _, c := range f.Candidates() {
		if !ok || best.Before(c) {
			best, ok = c, true
		}
	}
	return best, ok
}
