package crdt

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"sort"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt/rga"
)

// ErrMissingElement means that a sequence's delta names elements that are not
// here yet. The change waits for them.
var ErrMissingElement = errors.New("crdt: delta names an element that is not here")

// engine is what a text and a list have in common: both are an [rga.Text] or
// [rga.List] below.
type engine interface {
	Apply(op *rga.Op, emit func(rga.Edit)) error
	OpsSince(v *clock.VersionVector) iter.Seq[rga.Op]
	Delta(h rga.Handle, from uint64, ops []rga.Op) []rga.Op
	Delete(h rga.Handle, pos, n int, ops *[]rga.Op) error
	Handle(o clock.Origin) rga.Handle
	Last(o clock.Origin) uint64
	Len() int
	NumElements() int
	DropDeleted(cut *clock.VersionVector) int
	IDAt(pos int) (rga.ID, bool)
	RightOf(id rga.ID) rga.ID
	Write(w *codec.Writer)
	Altered(before, after rga.Counts) (length, deleted, inserted int)
}

// sequence is the state of a text or a list: the elements, what of the set of
// deltas could not be placed yet, and which change each number of an origin
// belongs to.
type sequence struct {
	engine
	list    bool
	pending []GrownEntry
	spans   map[clock.Origin][]dotSpan
	checked decoded
}

// decoded is the entry that was checked last, so that it need not be decoded
// again to be applied. It is no part of the state.
type decoded struct {
	entry GrownEntry
	ops   []rga.Op
}

// dotSpan says that the numbers of a sequence from seq on belong to change n;
// with each, every number belongs to a change of its own, counting up: then a
// person who types needs one span.
type dotSpan struct {
	seq  uint64
	n    uint64
	each bool
}

func newSequence(list bool) *sequence {
	return &sequence{engine: newEngine(list), list: list, spans: map[clock.Origin][]dotSpan{}}
}

func newEngine(list bool) engine {
	if list {
		return rga.NewList()
	}
	return rga.NewText()
}

func (t *sequence) empty() bool { return t.NumElements() == 0 && len(t.pending) == 0 }

// note enters that the count numbers of d's origin from seq on are d's.
func (t *sequence) note(d clock.Dot, seq, count uint64) {
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
func (t *sequence) dot(id rga.ID) clock.Dot {
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

// check decides whether entries can be placed: malformed ones never, and those
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

// join takes over what another state of the same shape has.
func (g *grown) join(o *grown, floor *Floor, tell bool) (edits []rga.Edit) {
	if g.seq == nil || o.seq == nil {
		for id, e := range o.raw {
			if !floor.Covers(id.Dot) {
				g.raw[id] = e
			}
		}
		return nil
	}
	var emit func(rga.Edit)
	if tell {
		emit = func(e rga.Edit) { edits = append(edits, e) }
	}
	// Both are causally closed, so no op of o can lack what it names; an
	// invalid one never entered o.
	v := g.seq.version()
	for op := range o.seq.OpsSince(&v) {
		_ = g.seq.Apply(&op, emit)
	}
	for origin, spans := range o.seq.spans {
		g.seq.joinSpans(origin, spans)
	}
	g.seq.take(o.seq.pending, emit)
	g.seq.retry(emit)
	return edits
}

// joinSpans takes over what another replica knows of an origin: one's spans are
// the beginning of the other's, but that the last one may go on.
func (t *sequence) joinSpans(o clock.Origin, theirs []dotSpan) {
	mine := t.spans[o]
	if len(theirs) > len(mine) {
		t.spans[o] = slices.Clone(theirs)
		return
	}
	if k := len(theirs); k > 0 && theirs[k-1].each {
		mine[k-1].each = true
	}
}

// version says what the sequence has of each origin.
func (t *sequence) version() clock.VersionVector {
	switch s := t.engine.(type) {
	case *rga.Text:
		return s.Version()
	case *rga.List:
		return s.Version()
	}
	return clock.VersionVector{}
}

// string is the content, without what changes did that do not count.
func (t *sequence) string(f Field) string {
	if f.rec == nil && f.left == nil {
		return t.engine.(*rga.Text).String()
	}
	return t.engine.(*rga.Text).Where(t.counting(f))
}

// values yields the elements of a list, without what changes did that do not
// count.
func (t *sequence) values(f Field) iter.Seq2[rga.ID, []byte] {
	l := t.engine.(*rga.List)
	if f.rec != nil || f.left != nil {
		return l.Where(t.counting(f))
	}
	return func(yield func(rga.ID, []byte) bool) {
		values, stop := iter.Pull(l.Values(0, l.Len()))
		defer stop()
		for id, n := range l.Runs(0, l.Len()) {
			for ; n > 0; n-- {
				b, ok := values()
				if !ok || !yield(id, b) {
					return
				}
				id.Seq++
			}
		}
	}
}

// counting tells which numbers of the sequence belong to changes that count.
func (t *sequence) counting(f Field) rga.Counts {
	return func(o clock.Origin, seq uint64) (bool, uint64) {
		s := t.spans[o]
		i, found := slices.BinarySearchFunc(s, seq, func(s dotSpan, seq uint64) int { return cmp.Compare(s.seq, seq) })
		if !found {
			i--
		}
		if i < 0 {
			return false, seq
		}
		x, upTo := s[i], uint64(math.MaxUint64)
		if i+1 < len(s) {
			upTo = s[i+1].seq - 1
		}
		if x.each {
			x.n += seq - x.seq
			upTo = seq
		}
		return f.counts(clock.Dot{Origin: o, N: x.n}), upTo
	}
}

// shows reports whether an element counts.
func (t *sequence) shows(f Field) bool {
	if f.rec == nil && f.left == nil {
		return t.Len() > 0
	}
	if l, ok := t.engine.(*rga.List); ok {
		for range l.Where(t.counting(f)) {
			return true
		}
		return false
	}
	return t.string(f) != ""
}

// grew reports whether a change that counts inserted something, whatever became
// of it.
func (t *sequence) grew(f Field) bool {
	for d := range t.authors() {
		if f.counts(d) {
			return true
		}
	}
	return false
}

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

// dropDeleted drops the content of elements whose deletion is settled.
func (t *sequence) dropDeleted(settled func(clock.Dot) bool) {
	var cut clock.VersionVector
	for o, spans := range t.spans {
		for i, s := range slices.Backward(spans) {
			if !settled(clock.Dot{Origin: o, N: s.n}) {
				continue
			}
			end := t.Last(o)
			if i+1 < len(spans) {
				end = spans[i+1].seq - 1
			}
			if s.each {
				n := sort.Search(int(end-s.seq), func(k int) bool { return !settled(clock.Dot{Origin: o, N: s.n + uint64(k) + 1}) })
				end = s.seq + uint64(n)
			}
			cut.Set(o, end)
			break
		}
	}
	t.DropDeleted(&cut)
}
