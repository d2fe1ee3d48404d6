package rga

import (
	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
)

// The stored form, version 1. Numbers are varints; a column is a length and
// that many bytes; there is one encoding of each state.
//
//	version, table of origins                 only in Write
//	number of origins, then of each, in canonical order:
//	    the origin, how many runs of deletions it made
//	number of runs, flags
//	columns: origins, lengths, places, order, between, deletions, targets
//	dropped, dropped alive
//	columns: content of visible elements, content of tombstones
//
// A run is a maximal row of neighbouring elements with consecutive numbers,
// each the Left of the next, with one Right: deleted or not. Runs are in the
// order of the sequence. Each has a byte of flags:
//
//	bit 0     it goes on where the run of its Left ended: its origin is that
//	          of Left, its first number the next one
//	bits 1-2  Left is: 0 the last element of the run before, 1 none, 2 the
//	          last element of an earlier run, 3 an element inside of an
//	          earlier run
//	bits 3-4  Right is: 0 the Right of the run of Left, or of the run before
//	          if Left is none; 1 none; 2 the first element of the next run;
//	          3 that of a later one. The first that applies.
//	bits 5-7  the length, or 0 if it is above 7 and stands in lengths, less 8
//
// origins has the index of the origin of each run without bit 0, if there are
// two or more. places has, for each run in turn, what the flags leave open: for
// 2 how many runs back beyond the one before, less one; for 3 how many back
// beyond the one before, and how far from its last element, less one; and for a
// later Right how many runs ahead beyond the next one, less one. So every Left
// is before and every Right behind its run, whatever the bytes are.
//
// The rest is in the order in which it was written, origin by origin. A chain
// is a run without bit 0 and those that go on from it. order has for each chain
// where it starts, as an index among the chains of its origin in the order of
// the sequence, less the one expected, which is the one behind the chain before.
// between has how many runs of deletions come before it, after the chain before.
// This gives all elements and deletions their numbers, without holes.
//
// deletions has for each run of them its length, times 2, plus 1 if it is
// reverse. targets has where the first element that it deletes is in the
// sequence, less the place expected, which is that of the last element that
// the same origin inserted or deleted before. (Of a run of deletions that is
// taken to be as many places off as it is long.)
//
// dropped says of the targets of deletions, in the order of the sequence,
// whether their content was dropped, as lengths of what was not and what was in
// turn; dropped alive says it of the other elements. The content of the rest
// stands in two columns: the UTF-8 of the runes, or the lengths of values and
// then their bytes.
const storedVersion = 1

const (
	runContinues  = 1 << 0
	leftShift     = 1
	leftBefore    = 0
	leftNone      = 1
	leftEarlier   = 2
	leftInside    = 3
	rightShift    = 3
	rightSame     = 0
	rightNone     = 1
	rightNext     = 2
	rightLater    = 3
	sizeShift     = 5
	maxInlineSize = 7
)

// Write writes the whole state: equal states give equal bytes. The content of
// tombstones is kept, unless it was dropped.
//
// O(bytes + spans), some 400 ns a span (BenchmarkSave). Meanwhile it takes some
// 60 bytes a span, beside the bytes that are written, twice.
func (s *sequence) Write(w *codec.Writer) {
	var t clock.Table
	var body codec.Writer
	s.WriteBody(&body, &t)
	w.Byte(storedVersion)
	t.Write(w)
	w.Raw(body.Bytes())
}

// WriteBody is Write with a table that others use too, and which stands before
// all of them.
func (s *sequence) WriteBody(w *codec.Writer, t *clock.Table) {
	e := encoder{s: s, order: s.byOrigin()}
	e.rank = make([]uint32, len(s.origins))
	w.Uvarint(uint64(len(e.order)))
	for i, o := range e.order {
		e.rank[o] = uint32(i)
		clock.WriteOrigin(w, t, s.origins[o].id)
		w.Uvarint(uint64(len(s.origins[o].log)))
	}
	e.collect()
	w.Uvarint(uint64(len(e.runs)))
	e.writeRuns(w)
	e.writeHistory(w)
	e.writeContent(w)
}

type encoder struct {
	s     *sequence
	order []uint32 // origins in canonical order
	rank  []uint32 // the index in order, by origin

	runs  []run
	runOf []int32 // by number of span, the run that it is part of
	base  []int32 // by leaf, the number of its first span
}

// run is a row of elements as it is stored.
type run struct {
	first, left, right key
	n                  uint32
}

func (r *run) last() key { return r.first + key(r.n) - 1 }

// continues reports whether r goes on where the run of its Left ended.
func (r *run) continues() bool { return r.left != none && r.first == r.left+1 }

// collect joins spans to runs.
func (e *encoder) collect() {
	s := e.s
	spans := s.NumSpans()
	e.runs = make([]run, 0, spans)
	e.runOf = make([]int32, 0, spans)
	e.base = make([]int32, len(s.leaves))
	for id := int32(0); id >= 0; id = s.leaves[id].next {
		l := s.leaves[id]
		e.base[id] = int32(len(e.runOf))
		for i := range int(l.n) {
			first, n := l.first[i], spanSize(l.word[i])
			if k := len(e.runs); k > 0 {
				if r := &e.runs[k-1]; r.last()+1 == first && l.left[i] == first-1 && l.right[i] == r.right {
					r.n += n
					e.runOf = append(e.runOf, int32(k-1))
					continue
				}
			}
			e.runOf = append(e.runOf, int32(len(e.runs)))
			e.runs = append(e.runs, run{first, l.left[i], l.right[i], n})
		}
	}
}

// runIndex returns the run that has element k.
func (e *encoder) runIndex(k key) int {
	p, _ := e.s.find(k) // Left and Right are always there
	return int(e.runOf[int(e.base[p.leaf])+p.span])
}

func (e *encoder) writeRuns(w *codec.Writer) {
	var flags, origins, lengths, places codec.Writer
	for i := range e.runs {
		r := &e.runs[i]
		f := byte(0)
		same := i - 1 // the run whose Right this one probably has too
		switch {
		case i > 0 && r.left == e.runs[i-1].last():
			f |= leftBefore << leftShift
		case r.left == none:
			f |= leftNone << leftShift
		default:
			same = e.runIndex(r.left)
			back := uint64(i - 1 - same)
			if behind := e.runs[same].last() - r.left; behind == 0 {
				f |= leftEarlier << leftShift
				places.Uvarint(back - 1)
			} else {
				f |= leftInside << leftShift
				places.Uvarint(back)
				places.Uvarint(behind - 1)
			}
		}
		switch {
		case same >= 0 && r.right == e.runs[same].right:
			f |= rightSame << rightShift
		case r.right == none:
			f |= rightNone << rightShift
		case i+1 < len(e.runs) && r.right == e.runs[i+1].first:
			f |= rightNext << rightShift
		default:
			f |= rightLater << rightShift
			places.Uvarint(uint64(e.runIndex(r.right) - i - 2))
		}
		if r.continues() {
			f |= runContinues
		} else if len(e.order) > 1 {
			origins.Uvarint(uint64(e.rank[r.first>>32]))
		}
		if r.n <= maxInlineSize {
			f |= byte(r.n) << sizeShift
		} else {
			lengths.Uvarint(uint64(r.n - maxInlineSize - 1))
		}
		flags.Byte(f)
	}
	w.Raw(flags.Bytes())
	for _, c := range []*codec.Writer{&origins, &lengths, &places} {
		w.Blob(c.Bytes())
	}
}

// writeHistory writes in which order each origin inserted and deleted.
func (e *encoder) writeHistory(w *codec.Writer) {
	byKey := make([]keyed, len(e.runs))
	start := make([]uint32, len(e.runs))      // by run, the place of its first element
	chain := make([]int32, len(e.runs))       // its index among those of its origin
	chains := make([]int32, len(e.s.origins)) // how many there were
	at := uint32(0)
	for i := range e.runs {
		r := &e.runs[i]
		o := r.first >> 32
		byKey[i] = keyed{key(e.rank[o])<<32 | r.first&(1<<32-1), int32(i)}
		start[i] = at
		at += r.n
		chain[i] = chains[o]
		if !r.continues() {
			chains[o]++
		}
	}
	sortByKey(byKey)
	var order, between, deletions, targets codec.Writer
	for rank, o := range e.order {
		log := e.s.origins[o].log
		expected, last := int32(0), int64(0)
		upTo := func(seq uint32) (n uint64) {
			for ; len(log) > 0 && log[0].seq < seq; log = log[1:] {
				last = e.writeDeletion(&deletions, &targets, &log[0], start, last)
				n++
			}
			return n
		}
		for ; len(byKey) > 0 && byKey[0].key>>32 == key(rank); byKey = byKey[1:] {
			i := byKey[0].at
			if !e.runs[i].continues() {
				between.Uvarint(upTo(uint32(e.runs[i].first)))
				order.Varint(int64(chain[i] - expected))
				expected = chain[i] + 1
			}
			last = int64(start[i]) + int64(e.runs[i].n) - 1
		}
		upTo(MaxSeq + 1)
	}
	for _, c := range []*codec.Writer{&order, &between, &deletions, &targets} {
		w.Blob(c.Bytes())
	}
}

// writeDeletion writes a run of deletions, expected to start at the place
// last, and returns where it is taken to end.
func (e *encoder) writeDeletion(deletions, targets *codec.Writer, r *deleteRun, start []uint32, last int64) int64 {
	first := r.first()
	i := e.runIndex(first)
	at := int64(start[i]) + int64(first-e.runs[i].first)
	v := uint64(r.size()) << 1
	if r.reverse() {
		v |= 1
	}
	deletions.Uvarint(v)
	targets.Varint(at - last)
	return endOfDeletion(at, r)
}

// endOfDeletion returns the place at which a run of deletions that starts at
// another one is taken to end.
func endOfDeletion(at int64, r *deleteRun) int64 {
	if r.reverse() {
		return at - int64(r.size()) + 1
	}
	return at + int64(r.size()) - 1
}

// writeContent writes which content was dropped, and the rest of it.
func (e *encoder) writeContent(w *codec.Writer) {
	s := e.s
	deleted := s.targets()
	var droppedDead, droppedAlive alternation
	var alive, dead contentWriter
	for id := int32(0); id >= 0; id = s.leaves[id].next {
		l := s.leaves[id]
		for i := range int(l.n) {
			k, n, word := l.first[i], spanSize(l.word[i]), l.word[i]
			switch {
			case word&spanDead == 0:
				droppedAlive.add(n, false)
				alive.add(s, k, n)
			case word&spanGone == 0:
				droppedDead.add(n, false)
				dead.add(s, k, n)
			default:
				// Only here does it matter which elements are targets.
				for n > 0 {
					is, size := deleted.at(k, n)
					if is {
						droppedDead.add(size, true)
					} else {
						droppedAlive.add(size, true)
					}
					k += key(size)
					n -= size
				}
			}
		}
	}
	droppedDead.write(w)
	droppedAlive.write(w)
	alive.write(w, s.list)
	dead.write(w, s.list)
}

// alternation is a row of truth values as the lengths of its runs, false first.
// What ends it is false and has no length.
type alternation struct {
	lengths []uint64
	value   bool // of the run that is open
	open    uint64
}

func (a *alternation) add(n uint32, value bool) {
	if value != a.value {
		a.lengths = append(a.lengths, a.open)
		a.value, a.open = value, 0
	}
	a.open += uint64(n)
}

func (a *alternation) write(w *codec.Writer) {
	if a.value {
		a.lengths = append(a.lengths, a.open)
	}
	w.Uvarint(uint64(len(a.lengths)))
	for _, n := range a.lengths {
		w.Uvarint(n)
	}
}

// contentWriter gathers content in the order of the sequence.
type contentWriter struct {
	lengths, bytes codec.Writer
}

func (c *contentWriter) add(s *sequence, k key, n uint32) {
	o := s.origins[k>>32]
	if !s.list {
		text, _ := o.text(uint32(k), n)
		c.bytes.Raw([]byte(text))
		return
	}
	for i := range n {
		v := o.value(uint32(k) + i)
		c.lengths.Uvarint(uint64(len(v)))
		c.bytes.Raw([]byte(v))
	}
}

func (c *contentWriter) write(w *codec.Writer, list bool) {
	if list {
		w.Blob(c.lengths.Bytes())
	}
	w.Blob(c.bytes.Bytes())
}
