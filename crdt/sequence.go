package crdt

import (
	"iter"
	"slices"
	"sort"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt/rga"
)

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
