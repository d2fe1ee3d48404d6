package rga

import (
	"cmp"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/internal/planted"
)

// sequence is the engine: the elements in order, what is known of each origin,
// and the content. [Text] and [List] are it, with their own ways in and out.
type sequence struct {
	tree
	origins []*origin // by interned number
	byID    map[clock.Origin]uint32
	recent  [2]uint32 // origins that were looked up last
	list    bool      // the content is values, else runes
}

// origin is what a sequence knows of an origin.
type origin struct {
	id     clock.Origin
	prefix uint64 // the first bytes of the id, to compare by
	last   uint32 // all numbers up to it are known
	index  index
	log    deleteLog
	content
}

func newSequence(list bool) sequence {
	s := sequence{list: list}
	s.init()
	return s
}

// Handle is an origin in one sequence. It saves local edits a look-up.
//
// A handle is valid for the sequence that gave it out and for no other, nor for
// a clone. The zero value is none: edits with it return [ErrHandle].
type Handle struct{ n uint32 } // interned number + 1

// Handle returns the handle of an origin. Until the origin has written, that
// does not change the state. The zero origin has no handle: edits with it
// return [ErrHandle].
//
// O(1), about 30 ns.
func (s *sequence) Handle(o clock.Origin) Handle {
	if o.IsZero() {
		return Handle{}
	}
	if n, ok := s.lookup(o); ok {
		return Handle{n + 1}
	}
	if len(s.origins) >= MaxOrigins {
		return Handle{}
	}
	return Handle{s.intern(o) + 1}
}

// lookup returns the number of an origin that is interned.
func (s *sequence) lookup(o clock.Origin) (uint32, bool) {
	for _, n := range s.recent {
		if int(n) < len(s.origins) && s.origins[n].id == o {
			return n, true
		}
	}
	n, ok := s.byID[o]
	if ok {
		s.recent[1], s.recent[0] = s.recent[0], n
	}
	return n, ok
}

// intern adds an origin that is not there yet.
func (s *sequence) intern(o clock.Origin) uint32 {
	if s.byID == nil {
		s.byID = make(map[clock.Origin]uint32)
	}
	n := uint32(len(s.origins))
	s.origins = append(s.origins, &origin{id: o, prefix: prefixOf(o)})
	s.byID[o] = n
	return n
}

// forget takes the origin back that was interned last.
func (s *sequence) forget(n uint32) {
	delete(s.byID, s.origins[n].id)
	s.origins = s.origins[:n]
}

// prefixOf returns the first eight bytes of an id as a number of the same
// order.
func prefixOf(o clock.Origin) (p uint64) {
	for _, b := range o.Replica[:8] {
		p = p<<8 | uint64(b)
	}
	return p
}

// compareOrigins compares two interned origins by their ids.
func (s *sequence) compareOrigins(a, b uint32) int {
	if a == b {
		return 0
	}
	x, y := s.origins[a], s.origins[b]
	if x.prefix != y.prefix {
		return cmp.Compare(x.prefix, y.prefix)
	}
	return x.id.Compare(y.id)
}

// before reports whether the id of element a is smaller than that of b: by
// origin, then number.
func (s *sequence) before(a, b key) bool {
	if c := s.compareOrigins(uint32(a>>32), uint32(b>>32)); c != 0 && !planted.Is(planted.TieByNumber) {
		return c < 0
	}
	if planted.Is(planted.TieByNumber) {
		return a < b
	}
	return uint32(a) < uint32(b)
}

// Version returns what the sequence has seen: for each origin that wrote to it
// the last number.
//
// O(o log o) for o origins, and allocates.
func (s *sequence) Version() clock.VersionVector {
	var v clock.VersionVector
	for _, o := range s.byOrigin() { // in order, so that each is appended
		v.Set(s.origins[o].id, uint64(s.origins[o].last))
	}
	return v
}

// Last returns the last number of an origin that the sequence has seen, or 0.
func (s *sequence) Last(o clock.Origin) uint64 {
	if n, ok := s.byID[o]; ok {
		return uint64(s.origins[n].last)
	}
	return 0
}

// Len returns the number of visible elements: the runes of a text, the values
// of a list. O(1).
func (s *sequence) Len() int { return int(s.total.vis) }

// NumElements returns the number of elements, tombstones included. O(1).
func (s *sequence) NumElements() int { return int(s.total.items) }

// NumSpans returns in how many spans the elements are held: what the memory
// and the cost of a search depend on. O(spans/32).
func (s *sequence) NumSpans() int {
	n := 0
	for _, l := range s.leaves {
		n += int(l.n)
	}
	return n
}

// MemoryBytes returns about how much memory the sequence takes, content
// included. O(spans/32 + origins).
func (s *sequence) MemoryBytes() int {
	const perOrigin = 200 + 48 // struct, map entry
	n := s.tree.memory() + perOrigin*cap(s.origins)
	for i := range s.origins {
		o := s.origins[i]
		n += o.index.memory() + 16*cap(o.log) + o.content.memory()
	}
	return n
}

// RightOf returns what an element has to its right since it was inserted: what
// its op, or the one that the op extends, gave as Right. It is zero for the end of
// the sequence, and for what is no element. O(log n).
func (s *sequence) RightOf(id ID) ID {
	n, ok := s.lookup(id.Origin)
	if !ok || id.Seq > MaxSeq {
		return ID{}
	}
	p, ok := s.find(keyOf(n, uint32(id.Seq)))
	if !ok {
		return ID{}
	}
	return s.id(s.leaves[p.leaf].right[p.span])
}

// id returns the external name of an element.
func (s *sequence) id(k key) ID {
	if k == none {
		return ID{}
	}
	return ID{s.origins[k>>32].id, uint64(uint32(k))}
}

// place is where an element is: a leaf, a span in it, and how many elements of
// the span come before.
type place struct {
	leaf int32
	span int
	off  uint32
}

// find returns the place of an element. ok is false if there is none of that
// name; the origin must be interned.
func (s *sequence) find(k key) (p place, ok bool) {
	if c := &s.cur; c.leaf >= 0 {
		l := s.leaves[c.leaf]
		if c.span < int(l.n) {
			if d := k - l.first[c.span]; d < key(spanSize(l.word[c.span])) {
				return place{c.leaf, c.span, uint32(d)}, true
			}
		}
	}
	o := s.origins[k>>32]
	if seq := uint32(k); seq == 0 || seq > o.last {
		return place{}, false
	}
	id, ok := o.index.find(uint32(k))
	if !ok {
		return place{}, false
	}
	i, off, ok := s.leaves[id].find(k)
	return place{id, i, off}, ok
}

// precedes reports whether p comes before q.
func (s *sequence) precedes(p, q place) bool {
	if p.leaf != q.leaf {
		return s.leafBefore(p.leaf, q.leaf)
	}
	return p.span < q.span || p.span == q.span && p.off < q.off
}

// room makes sure that k more spans fit into the cursor's leaf, splitting it if
// need be, and returns the index that span i has then. The cursor is moved to
// the leaf of that span, with its span set to it.
func (s *sequence) room(i, k int) int {
	c := &s.cur
	l := s.leaves[c.leaf]
	if int(l.n)+k <= leafSpans {
		return i
	}
	at := leafSpans / 2
	if i >= int(l.n)-1 {
		at = int(l.n) - 1 // text is written at its end: leave full leaves behind
	}
	c.setSpan(l, i)
	rightID := s.newLeaf()
	r := s.leaves[rightID]
	n := copy(r.first[:], l.first[at:l.n])
	copy(r.word[:], l.word[at:l.n])
	copy(r.left[:], l.left[at:l.n])
	copy(r.right[:], l.right[at:l.n])
	r.n, l.n = int32(n), int32(at)
	r.parent, r.prev, r.next = -1, c.leaf, l.next
	if l.next >= 0 {
		s.leaves[l.next].prev = rightID
	} else {
		s.last = rightID
	}
	l.next = rightID
	for j := range n {
		first := r.first[j]
		from := uint32(first)
		o := s.origins[first>>32]
		to := from + spanSize(r.word[j])
		// Numbers of deletions go with the elements before them.
		if end := o.log.endOfRunAt(to); end > to {
			to = end
		}
		o.index.move(from, to, to > o.last, rightID)
		r.sum.add(s.spanSums(r, j))
	}
	l.sum.add(r.sum.minus())
	leftID := c.leaf
	s.addChild(0, leftID, rightID, l.sum, r.sum)
	span, before := c.span, c.spanBefore
	c.leaf = -1
	if i < at {
		s.seek(leftID)
	} else {
		s.seek(rightID)
		span, before, i = span-at, before-l.sum.vis, i-at
	}
	c.span, c.spanBefore = span, before
	c.excessSpan, c.excess = 0, sums{}
	return i
}

// spanSums returns the totals of span i.
func (s *sequence) spanSums(l *leaf, i int) sums {
	w := l.word[i]
	n := spanSize(w)
	d := s.units(l.first[i], n, w)
	d.items = n
	return d
}

// units returns what n elements from k on, in the state of word w, count as
// visible.
func (s *sequence) units(k key, n, w uint32) (d sums) {
	if w&spanDead != 0 {
		return d
	}
	d.vis = n
	if w&spanWide != 0 {
		size, utf16 := s.origins[k>>32].size(uint32(k), n)
		d.utf16, d.bytes = utf16-n, size-n
	}
	return d
}

// putAt puts new elements from k on into the cursor's leaf: before span i, or
// behind the first off elements of it. word is their length and state, d what
// they add.
func (s *sequence) putAt(i int, off uint32, k, left, right key, word uint32, d sums) {
	c := &s.cur
	l := s.leaves[c.leaf]
	n := spanSize(word)
	switch {
	case off > 0:
		c.setSpan(l, i)
		i = s.room(i, 2)
		l = s.leaves[c.leaf]
		w := l.word[i]
		l.open(i+1, 2)
		rest := w&^(spanLen|spanLeft) | (spanSize(w) - off)
		if right == l.first[i]+key(off) {
			rest |= spanLeft
		}
		l.set(i+2, l.first[i]+key(off), l.first[i]+key(off)-1, l.right[i], rest)
		l.word[i] = w&^spanLen | off
		l.set(i+1, k, left, right, word)
		c.setSpan(l, i+1)
	case i > 0 && s.extends(l, i-1, k, left, right, word):
		l.word[i-1] += n
		l.word[i-1] |= word & spanWide
		c.setSpan(l, i-1)
	default:
		c.setSpan(l, i)
		i = s.room(i, 1)
		l = s.leaves[c.leaf]
		l.open(i, 1)
		l.set(i, k, left, right, word)
	}
	s.origins[k>>32].index.add(uint32(k), c.leaf)
	d.items = n
	s.bubble(d)
}

// extends reports whether new elements from k on are part of span i of l, if
// they are put right behind it.
func (s *sequence) extends(l *leaf, i int, k, left, right key, word uint32) bool {
	w := l.word[i]
	if k-l.first[i] != key(spanSize(w)) || left != k-1 || right != l.right[i] {
		return false
	}
	// Visible ones join whether wide or not, tombstones only their like.
	return w&spanDead == word&spanDead && (w&spanDead == 0 || w&spanGone == word&spanGone)
}

// kill deletes elements a to b-1 of span i of the cursor's leaf, which is
// visible. They join the tombstones before and behind them: so backspacing
// through a word leaves one span.
func (s *sequence) kill(i int, a, b uint32) {
	c := &s.cur
	l := s.leaves[c.leaf]
	w := l.word[i]
	n := spanSize(w)
	d := s.units(l.first[i]+key(a), b-a, w).minus()
	c.setSpan(l, i)
	first := l.first[i] + key(a)
	joinPrev := a == 0 && i > 0 && isTombstone(l.word[i-1]) && l.joins(i-1)
	joinNext := b == n && i+1 < int(l.n) && isTombstone(l.word[i+1]) && l.joins(i)
	switch {
	case a == 0 && b == n:
		dead := w&spanLeft | spanDead | n
		switch {
		case joinPrev && joinNext:
			l.word[i-1] += n + spanSize(l.word[i+1])
			l.close(i, 2)
		case joinPrev:
			l.word[i-1] += n
			l.close(i, 1)
		case joinNext:
			l.word[i] = dead + spanSize(l.word[i+1])
			l.close(i+1, 1)
		default:
			l.word[i] = dead
		}
	case a == 0 && joinPrev:
		l.word[i-1] += b
		l.first[i] += key(b)
		l.left[i] = l.first[i] - 1
		l.word[i] = w&^(spanLen|spanLeft) | (n - b)
	case a == 0:
		i = s.room(i, 1)
		l = s.leaves[c.leaf]
		l.open(i, 1)
		l.set(i, first, l.left[i], l.right[i], w&spanLeft|spanDead|b)
		l.first[i+1] += key(b)
		l.left[i+1] = l.first[i+1] - 1
		l.word[i+1] = w&^(spanLen|spanLeft) | (n - b)
	case b == n && joinNext:
		l.word[i] = w&^spanLen | a
		l.first[i+1] = first
		l.left[i+1] = first - 1
		l.word[i+1] += n - a
	case b == n:
		i = s.room(i, 1)
		l = s.leaves[c.leaf]
		l.open(i+1, 1)
		l.word[i] = w&^spanLen | a
		l.set(i+1, first, first-1, l.right[i], spanDead|(n-a))
	default:
		i = s.room(i, 2)
		l = s.leaves[c.leaf]
		l.open(i+1, 2)
		l.word[i] = w&^spanLen | a
		l.set(i+1, first, first-1, l.right[i], spanDead|(b-a))
		behind := l.first[i] + key(b)
		l.set(i+2, behind, behind-1, l.right[i], w&^(spanLen|spanLeft)|(n-b))
	}
	s.bubble(d)
}

// isTombstone reports whether a span is deleted and has its content.
func isTombstone(word uint32) bool { return word&(spanDead|spanGone) == spanDead }
