package crdt

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt/rga"
)

// Deltas of sequences: the ops of a change as one entry of a grown shape, and how
// entries find their place.

// ErrMissingElement means that a sequence's delta names elements that are not
// here yet. The change waits for them.
var ErrMissingElement = errors.New("crdt: delta names an element that is not here")

// decoded is the entry that was checked last, so that it need not be decoded
// again to be applied. It is no part of the state.
type decoded struct {
	entry GrownEntry
	ops   []rga.Op
}

// encodeOps writes the ops of one change. The author's own origin is number
// zero of the table and is not listed.
func encodeOps(id EntryID, ops []rga.Op) GrownEntry {
	var t clock.Table
	t.Number(id.Dot.Origin)
	w := codec.NewWriter(make([]byte, 0, 16))
	rga.WriteOps(w, &t, ops)
	e := GrownEntry{ID: id, Value: w.Bytes()}
	for n := 1; n < t.Len(); n++ {
		o, _ := t.Origin(uint32(n))
		e.Origins = append(e.Origins, o)
	}
	return e
}

// decodeOps reads what encodeOps wrote, and checks that the ops are the
// author's and follow each other.
func decodeOps(e GrownEntry, list bool) ([]rga.Op, error) {
	var t clock.Table
	t.Number(e.ID.Dot.Origin)
	r := codec.NewReader(e.Value)
	for i, o := range e.Origins {
		if t.Number(o) != uint32(i+1) {
			r.Fail("origins", codec.ErrNotCanonical)
		}
	}
	ops := rga.ReadOps(r, &t, list)
	t.CheckUse(r)
	for i := range ops {
		for _, v := range ops[i].Values {
			r.Fail("value", codec.CheckValue(v))
		}
	}
	if err := r.Close(); err != nil {
		return nil, err
	}
	for i := range ops {
		// Content that is gone is for the transfer of whole states: an author has
		// what he writes.
		if ops[i].Gone || ops[i].Origin != e.ID.Dot.Origin || i > 0 && ops[i].Seq != ops[i-1].Seq+ops[i-1].Len {
			return nil, fmt.Errorf("crdt: sequence delta: %w", codec.ErrMalformed)
		}
	}
	if len(ops) == 0 {
		return nil, fmt.Errorf("crdt: sequence delta: %w", codec.ErrNotCanonical)
	}
	return ops, nil
}

// checkSequence decides whether entries can be placed: malformed ones never, and those
// that name what is not here not yet.
func (g *grown) checkSequence(entries []GrownEntry, list bool) error {
	var seq engine
	if g != nil {
		seq = g.seq.engine
	}
	for _, e := range entries {
		ops, err := decodeOps(e, list)
		if err != nil {
			return err
		}
		if err := placeable(seq, ops); err != nil {
			return err
		}
		if g != nil {
			g.seq.checked = decoded{e, ops}
		}
	}
	return nil
}

// decode reads the ops of an entry that is to be placed.
func (t *sequence) decode(e GrownEntry) ([]rga.Op, error) {
	c := t.checked
	t.checked = decoded{}
	if c.ops != nil && c.entry.ID == e.ID && bytes.Equal(c.entry.Value, e.Value) && slices.Equal(c.entry.Origins, e.Origins) {
		return c.ops, nil
	}
	return decodeOps(e, t.list)
}

func placeable(seq engine, ops []rga.Op) error {
	last := func(o clock.Origin) uint64 {
		if seq == nil {
			return 0
		}
		return seq.Last(o)
	}
	for i := range ops {
		op := &ops[i]
		if i == 0 && op.Seq > last(op.Origin)+1 {
			return fmt.Errorf("number %d of %v before it: %w", op.Seq-1, op.Origin, ErrMissingElement)
		}
		for _, id := range []rga.ID{op.Left, op.Right, targetEnd(op)} {
			if !id.IsZero() && id.Seq > last(id.Origin) && !(id.Origin == op.Origin && id.Seq < op.Seq) {
				return fmt.Errorf("%v: %w", id, ErrMissingElement)
			}
		}
	}
	return nil
}

func targetEnd(op *rga.Op) rga.ID {
	if op.Target.IsZero() {
		return op.Target
	}
	return rga.ID{Origin: op.Target.Origin, Seq: op.Target.Seq + op.Len - 1}
}

// place applies the ops of one entry. What is invalid about an op (numbers
// that are no elements, content that does not fit) follows from what it names,
// so it and the rest of the entry are void on every replica alike.
func (t *sequence) place(e GrownEntry, ops []rga.Op, emit func(rga.Edit)) {
	first, count := ops[0].Seq, uint64(0)
	for i := range ops {
		if err := t.Apply(&ops[i], emit); err != nil {
			break
		}
		count += ops[i].Len
	}
	if count > 0 {
		t.note(e.ID.Dot, first, count)
	}
}

// add takes entries of a grown shape and tells how a text changed by them.
func (g *grown) add(entries []GrownEntry, tell bool) (edits []rga.Edit) {
	if g.seq == nil {
		for _, e := range entries {
			g.raw[e.ID] = e
		}
		return nil
	}
	var emit func(rga.Edit)
	if tell {
		emit = func(e rga.Edit) { edits = append(edits, e) }
	}
	g.seq.take(entries, emit)
	return edits
}

// take places entries, those that waited for them too, and keeps the rest. What
// waits is looked at only after something was placed, so deltas that come in
// reverse cost no more than in order.
func (t *sequence) take(entries []GrownEntry, emit func(rga.Edit)) {
	placed := false
	for _, e := range entries {
		if t.try(e, emit) {
			placed = true
			continue
		}
		i, found := slices.BinarySearchFunc(t.pending, e.ID, func(p GrownEntry, id EntryID) int { return p.ID.Compare(id) })
		if !found {
			t.pending = slices.Insert(t.pending, i, e)
		}
	}
	if placed {
		t.retry(emit)
	}
}

// retry places what can be placed by now of what waits.
func (t *sequence) retry(emit func(rga.Edit)) {
	for before := -1; before != len(t.pending); {
		before = len(t.pending)
		t.pending = slices.DeleteFunc(t.pending, func(e GrownEntry) bool { return t.try(e, emit) })
	}
}

// try places an entry unless what it names is not here; one that does not
// decode, which Check refuses before it comes here, is done with.
func (t *sequence) try(e GrownEntry, emit func(rga.Edit)) bool {
	ops, err := t.decode(e)
	if err != nil {
		return true
	}
	if placeable(t.engine, ops) != nil {
		return false
	}
	t.place(e, ops, emit)
	return true
}
