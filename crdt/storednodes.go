package crdt

import (
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
)

// Nodes in the stored form of a record: parents first, a zero byte behind the
// children of each.

func (n *node) write(w *codec.Writer, t *clock.Table, folded bool) {
	for _, k := range n.sortedSlots() {
		c := n.kids[k]
		if c.empty() {
			continue
		}
		shape := c.shape
		if len(c.kept) > 0 {
			shape = Versioned
		}
		w.Byte(byte(shape))
		w.String(k.Name)
		w.Byte(byte(k.Type))
		switch c.shape {
		case Entries:
			w.Uvarint(uint64(len(c.entries)))
			for _, e := range c.entries {
				writeEntry(w, t, e)
			}
			if shape == Versioned {
				w.Uvarint(uint64(len(c.kept)))
				for _, e := range c.kept {
					writeEntry(w, t, e.Entry)
					writeDots(w, t, e.by)
				}
			}
		case Grown:
			c.grown.write(w, t)
			if folded && k.Type == TypeStock {
				c.grown.settled.write(w)
			}
		case Keyed:
			c.write(w, t, folded)
		}
	}
	w.Byte(0)
}

func (r *Record) readNodes(rd *codec.Reader, t *clock.Table) {
	stack, parents := []*node{&r.root}, []int{atTop}
	for rd.Err() == nil {
		s := Shape(rd.Byte())
		if s == 0 {
			if stack, parents = stack[:len(stack)-1], parents[:len(parents)-1]; len(stack) == 0 {
				return
			}
			continue
		}
		k := readKey(rd)
		if s > Versioned || rd.Err() != nil {
			rd.Fail("shape", ErrUnknownShape)
			return
		}
		if want, known := k.Type.shape(); known && want != s.state() {
			rd.Fail("shape", codec.ErrMalformed)
			return
		}
		parent := parents[len(parents)-1]
		if err := checkChild(parent, k); err != nil {
			rd.Fail("field", err)
			return
		}
		c := stack[len(stack)-1].make(slot{k, s.state()})
		switch s {
		case Entries, Versioned:
			for range rd.Count("entries", maxStored, 4) {
				e, ok := r.readEntry(rd, t, parent, k.Type)
				if !ok || !c.insert(&r.State, e) {
					rd.Fail("entries", codec.ErrMalformed)
					return
				}
			}
			if s == Versioned && !r.readKept(rd, t, parent, k.Type, c) {
				return
			}
		case Grown:
			c.grown.read(rd, t)
			if r.floor != nil && k.Type == TypeStock {
				c.grown.settled = readStockBase(rd)
			}
			for _, e := range c.grown.raw {
				if _, known := r.metas.peek(e.ID.Dot); !known {
					rd.Fail("entry of an unknown change", codec.ErrMalformed)
				}
				rd.Fail("entry", c.grown.check(k.Type, []GrownEntry{e}))
			}
		case Keyed:
			if len(stack) > codec.MaxDepth {
				rd.Fail("nesting", &codec.LimitError{What: "nesting", Got: uint64(len(stack)), Max: codec.MaxDepth})
			}
			stack, parents = append(stack, c), append(parents, int(k.Type))
		}
	}
}

func writeEntry(w *codec.Writer, t *clock.Table, e Entry) {
	clock.WriteDot(w, t, e.ID.Dot)
	w.Uvarint(uint64(e.ID.Index))
	w.Blob(e.Value)
}

// readEntry reads an entry of a change that the record has.
func (r *Record) readEntry(rd *codec.Reader, t *clock.Table, parent int, typ Type) (Entry, bool) {
	e := Entry{ID: EntryID{clock.ReadDot(rd, t), uint32(rd.UvarintMax("index", maxEntries))}}
	e.Value = slices.Clone(rd.Blob("value", maxValueBytes))
	if rd.Err() != nil {
		return e, false
	}
	if _, known := r.metas.peek(e.ID.Dot); !known || !r.Contains(e.ID.Dot) {
		rd.Fail("entry of an unknown change", codec.ErrMalformed)
		return e, false
	}
	rd.Fail("entry", checkEntry(typ, e))
	if typ == TypeElement {
		rd.Fail("entry", checkElement(parent, e.Value))
	}
	return e, rd.Err() == nil
}

// readKept reads what writes to a versioned field superseded.
func (r *Record) readKept(rd *codec.Reader, t *clock.Table, parent int, typ Type, n *node) bool {
	for range rd.Count("kept entries", maxStored, 6) {
		e, ok := r.readEntry(rd, t, parent, typ)
		if !ok {
			return false
		}
		by := readDots(rd, t)
		_, counts := n.find(e.ID)
		if len(by) == 0 || counts || slices.ContainsFunc(by, func(d clock.Dot) bool { return !r.Contains(d) }) {
			rd.Fail("kept entry", codec.ErrMalformed)
			return false
		}
		n.keep(e, by...)
	}
	return rd.Err() == nil
}
