package crdt

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt/rga"
)

// ErrMissingElement means that a sequence's delta names elements that are not
// here yet. The change waits for them.
var ErrMissingElement = errors.New("crdt: delta names an element that is not here")

// text is the state of a text: the sequence, what of the set of deltas could
// not be placed yet, and which change each number of an origin belongs to.
type text struct {
	seq     *rga.Text
	pending []GrownEntry
	spans   map[clock.Origin][]dotSpan
}

// dotSpan says that the numbers of a sequence from seq on belong to change n;
// with each, every number belongs to a change of its own, counting up: then a
// person who types needs one span.
type dotSpan struct {
	seq  uint64
	n    uint64
	each bool
}

func newText() *text { return &text{seq: rga.NewText(), spans: map[clock.Origin][]dotSpan{}} }

func (t *text) empty() bool { return t.seq.NumElements() == 0 && len(t.pending) == 0 }

// note enters that the count numbers of d's origin from seq on are d's.
func (t *text) note(d clock.Dot, seq, count uint64) {
	s := t.spans[d.Origin]
	if k := len(s); k > 0 {
		last := &s[k-1]
		if last.seq >= seq {
			return // known
		}
		next := last.n + seq - last.seq
		if count == 1 && d.N == next && (last.each || seq == last.seq+1) {
			last.each = true
			return
		}
		if last.each && d.N == last.n && last.seq == seq {
			return
		}
	}
	t.spans[d.Origin] = append(s, dotSpan{seq: seq, n: d.N})
}

// dot names the change that gave out a number.
func (t *text) dot(id rga.ID) clock.Dot {
	s := t.spans[id.Origin]
	i, found := slices.BinarySearchFunc(s, id.Seq, func(s dotSpan, seq uint64) int {
		if s.seq <= seq {
			return -1
		}
		return 1
	})
	if !found && i == 0 {
		return clock.Dot{}
	}
	x := s[i-1]
	if x.each {
		x.n += id.Seq - x.seq
	}
	return clock.Dot{Origin: id.Origin, N: x.n}
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
func decodeOps(e GrownEntry) ([]rga.Op, error) {
	var t clock.Table
	t.Number(e.ID.Dot.Origin)
	for _, o := range e.Origins {
		t.Number(o)
	}
	r := codec.NewReader(e.Value)
	ops := rga.ReadOps(r, &t, false)
	if err := r.Close(); err != nil {
		return nil, err
	}
	for i := range ops {
		if ops[i].Origin != e.ID.Dot.Origin || i > 0 && ops[i].Seq != ops[i-1].Seq+ops[i-1].Len {
			return nil, fmt.Errorf("crdt: text delta: %w", codec.ErrMalformed)
		}
	}
	if len(ops) == 0 {
		return nil, fmt.Errorf("crdt: text delta: %w", codec.ErrNotCanonical)
	}
	return ops, nil
}

// check decides whether entries can be placed: malformed ones never, and those
// that name what is not here not yet.
func (g *grown) checkText(entries []GrownEntry) error {
	var seq *rga.Text
	if g != nil {
		seq = g.text.seq
	}
	for _, e := range entries {
		ops, err := decodeOps(e)
		if err != nil {
			return err
		}
		if err := placeable(seq, ops); err != nil {
			return err
		}
	}
	return nil
}

func placeable(seq *rga.Text, ops []rga.Op) error {
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
func (t *text) place(e GrownEntry, ops []rga.Op, emit func(rga.Edit)) {
	first, count := ops[0].Seq, uint64(0)
	for i := range ops {
		if err := t.seq.Apply(&ops[i], emit); err != nil {
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
	if g.text == nil {
		for _, e := range entries {
			g.raw[e.ID] = e
		}
		return nil
	}
	var emit func(rga.Edit)
	if tell {
		emit = func(e rga.Edit) { edits = append(edits, e) }
	}
	g.text.take(entries, emit)
	return edits
}

// take places entries, those that waited for them too, and keeps the rest.
func (t *text) take(entries []GrownEntry, emit func(rga.Edit)) {
	waiting := append(t.pending, entries...)
	t.pending = nil
	for again := true; again; {
		again = false
		waiting = slices.DeleteFunc(waiting, func(e GrownEntry) bool {
			ops, err := decodeOps(e)
			if err != nil {
				return true // refused by Check before it comes here
			}
			if placeable(t.seq, ops) != nil {
				return false
			}
			t.place(e, ops, emit)
			again = true
			return true
		})
		again = again && len(waiting) > 0
	}
	slices.SortFunc(waiting, func(a, b GrownEntry) int { return a.ID.Compare(b.ID) })
	t.pending = slices.CompactFunc(waiting, func(a, b GrownEntry) bool { return a.ID == b.ID })
}

// join takes over what another state of the same shape has.
func (g *grown) join(o *grown, tell bool) (edits []rga.Edit) {
	if g.text == nil || o.text == nil {
		return g.add(o.sortedRaw(), tell)
	}
	var emit func(rga.Edit)
	if tell {
		emit = func(e rga.Edit) { edits = append(edits, e) }
	}
	// Both are causally closed, so no op of o can lack what it names; an
	// invalid one never entered o.
	_ = g.text.seq.Join(o.text.seq, emit)
	for origin, spans := range o.text.spans {
		have := uint64(0)
		if mine := g.text.spans[origin]; len(mine) > 0 {
			have = mine[len(mine)-1].seq
		}
		if last := spans[len(spans)-1]; last.seq > have || last.each {
			// One's spans are a prefix of the other's.
			if uint64(len(spans)) >= uint64(len(g.text.spans[origin])) {
				g.text.spans[origin] = slices.Clone(spans)
			}
		}
	}
	g.text.take(o.text.pending, emit)
	return edits
}

// string is the content, without what was typed under births that are deleted.
func (t *text) string(f Field) string {
	if f.rec == nil {
		return t.seq.String()
	}
	var b strings.Builder
	pos := 0
	for _, c := range t.seq.String() {
		if id, ok := t.seq.IDAt(pos); ok && f.counts(t.dot(id)) {
			b.WriteRune(c)
		}
		pos++
	}
	return b.String()
}

// TextField edits a text of a record.
//
// Every concurrent insertion stays, each run whole: runs that were typed at one
// place never interleave, forwards or backwards. A deletion removes what its
// author saw. Positions count Unicode code points of the text as it is now,
// with the edits of this change.
//
// An edit beside the one before costs O(1), elsewhere O(log n) in the runs of
// the text.
//
// Source: Weidner and Kleppmann, "The Art of the Fugue", 2023 (FugueMax).
type TextField struct{ at place }

// textEdit is a text that the present change edits.
type textEdit struct {
	node   *node
	patch  *Patch
	handle rga.Handle
	from   uint64 // the author's last number before the change
}

func (f TextField) open() (*textEdit, error) {
	n, p, err := f.at.open()
	if err != nil {
		return nil, err
	}
	ed := f.at.ed
	for _, t := range ed.texts {
		if t.node == n {
			return t, nil
		}
	}
	seq := n.grown.text.seq
	t := &textEdit{node: n, patch: p, handle: seq.Handle(ed.dot.Origin), from: seq.Last(ed.dot.Origin)}
	ed.texts = append(ed.texts, t)
	return t, nil
}

// finish encodes what the change did to the text.
func (t *textEdit) finish(e *Editor) {
	txt := t.node.grown.text
	ops := txt.seq.Delta(t.handle, t.from, nil)
	if len(ops) == 0 {
		return
	}
	txt.note(e.dot, t.from+1, txt.seq.Last(e.dot.Origin)-t.from)
	t.patch.Grow = append(t.patch.Grow, encodeOps(e.name(), ops))
}

// undo makes the sequence again from all that it had before. It costs what the
// text weighs, and is for changes that failed.
func (t *textEdit) undo(o clock.Origin) {
	txt := t.node.grown.text
	if txt.seq.Last(o) == t.from {
		return
	}
	seq := rga.NewText()
	for op := range txt.seq.OpsSince(&clock.VersionVector{}) {
		if op.Origin == o && op.Seq > t.from {
			continue
		}
		if op.Origin == o && op.Seq+op.Len-1 > t.from {
			op = prefix(op, t.from-op.Seq+1)
		}
		_ = seq.Apply(&op, nil) // it applied once
	}
	txt.seq = seq
	txt.spans[o] = slices.DeleteFunc(txt.spans[o], func(s dotSpan) bool { return s.seq > t.from })
}

// prefix is the first n numbers of an op.
func prefix(op rga.Op, n uint64) rga.Op {
	if op.Kind == rga.Delete && op.Reverse {
		op.Target.Seq += op.Len - n
	}
	if op.Text != "" {
		op.Text = string([]rune(op.Text)[:n])
	}
	op.Len = n
	op.Reverse = op.Reverse && n > 1
	return op
}

// Insert inserts s before code point pos. s must be valid UTF-8.
func (f TextField) Insert(pos int, s string) error {
	if s == "" {
		return f.at.ed.err
	}
	t, err := f.open()
	if err != nil {
		return err
	}
	if err := t.node.grown.text.seq.Insert(t.handle, pos, s, nil); err != nil {
		return f.at.ed.fail(f.at.path, fmt.Errorf("insert at %d of %d: %w", pos, f.Len(), err))
	}
	return nil
}

// Append inserts s at the end.
func (f TextField) Append(s string) error { return f.Insert(f.Len(), s) }

// Delete deletes n code points from pos on.
func (f TextField) Delete(pos, n int) error {
	if n == 0 {
		return f.at.ed.err
	}
	t, err := f.open()
	if err != nil {
		return err
	}
	if err := t.node.grown.text.seq.Delete(t.handle, pos, n, nil); err != nil {
		return f.at.ed.fail(f.at.path, fmt.Errorf("delete %d at %d of %d: %w", n, pos, f.Len(), err))
	}
	return nil
}

// Replace deletes n code points from pos on and inserts s there.
func (f TextField) Replace(pos, n int, s string) error {
	if err := f.Delete(pos, n); err != nil {
		return err
	}
	return f.Insert(pos, s)
}

// Len is the length in code points.
func (f TextField) Len() int {
	n := f.at.look()
	if n == nil {
		return 0
	}
	return n.grown.text.seq.Len()
}

// String is the content.
func (f TextField) String() string {
	n := f.at.look()
	if n == nil {
		return ""
	}
	return n.grown.text.seq.String()
}
