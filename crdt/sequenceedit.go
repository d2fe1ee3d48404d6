package crdt

import (
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt/rga"
)

// clearSequence deletes the elements that the actor saw.
func (p place) clearSequence() error {
	t, err := p.openSequence()
	if err != nil {
		return err
	}
	seq, ed := t.node.grown.seq, p.ed
	from, to := 0, seq.Len()
	for pos := to; ed.seen != nil && pos > 0 && err == nil; pos-- {
		id, _ := seq.IDAt(pos - 1)
		own := id.Origin == ed.dot.Origin && id.Seq > t.from
		if from = pos - 1; own || ed.seen.Contains(seq.dot(id)) {
			continue
		}
		if to > pos {
			err = seq.Delete(t.handle, pos, to-pos, nil)
		}
		to = from
	}
	if err == nil && to > from {
		err = seq.Delete(t.handle, from, to-from, nil)
	}
	if err != nil {
		return ed.fail(p.path, err)
	}
	return nil
}

// seqEdit is a text or list that the present change edits.
type seqEdit struct {
	node   *node
	patch  *Patch
	handle rga.Handle
	from   uint64 // the author's last number before the change
}

// openSequence opens the text or list at p for writing.
func (p place) openSequence() (*seqEdit, error) {
	n, patch, err := p.open()
	if err != nil {
		return nil, err
	}
	ed := p.ed
	for _, t := range ed.sequences {
		if t.node == n {
			return t, nil
		}
	}
	seq := n.grown.seq
	t := &ed.first.edit
	if ed.sequences == nil {
		ed.sequences = ed.first.list[:0]
	} else {
		t = &seqEdit{}
	}
	*t = seqEdit{node: n, patch: patch, handle: seq.Handle(ed.dot.Origin), from: seq.Last(ed.dot.Origin)}
	ed.sequences = append(ed.sequences, t)
	return t, nil
}

// finish encodes what the change did to the text.
func (t *seqEdit) finish(e *Editor) {
	txt := t.node.grown.seq
	ops := txt.Delta(t.handle, t.from, nil)
	if len(ops) == 0 {
		return
	}
	txt.note(e.dot, t.from+1, txt.Last(e.dot.Origin)-t.from)
	t.patch.Grow = append(t.patch.Grow, encodeOps(e.name(), ops))
}

// undo makes the sequence again from all that it had before. It costs what the
// text weighs, and is for changes that failed.
func (t *seqEdit) undo(o clock.Origin) {
	txt := t.node.grown.seq
	if txt.Last(o) == t.from {
		return
	}
	seq := newEngine(txt.list)
	for op := range txt.OpsSince(&clock.VersionVector{}) {
		if op.Origin == o && op.Seq > t.from {
			continue
		}
		if op.Origin == o && op.Seq+op.Len-1 > t.from {
			op = prefix(op, t.from-op.Seq+1)
		}
		_ = seq.Apply(&op, nil) // it applied once
	}
	txt.engine = seq
	spans := slices.DeleteFunc(txt.spans[o], func(s dotSpan) bool { return s.seq > t.from })
	if k := len(spans); k > 0 && spans[k-1].seq == t.from {
		spans[k-1].each = false
	}
	if txt.spans[o] = spans; len(spans) == 0 {
		delete(txt.spans, o)
	}
}

// prefix is the first n numbers of an op.
func prefix(op rga.Op, n uint64) rga.Op {
	if op.Kind == rga.Delete && op.Reverse {
		op.Target.Seq += op.Len - n
	}
	if op.Text != "" {
		op.Text = string([]rune(op.Text)[:n])
	}
	if op.Values != nil {
		op.Values = op.Values[:n]
	}
	op.Len = n
	op.Reverse = op.Reverse && n > 1
	return op
}
