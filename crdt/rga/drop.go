package rga

import (
	"slices"

	"github.com/concord-crdt/concord/clock"
)

// DropDeleted drops the content of the elements whose deletion is in cut: of
// each origin, the deletions with numbers up to that of the vector. The
// elements keep their ids and places. It returns how many lost their content.
//
// The visible sequence stays as it is. Two sequences that saw the same are
// equal afterwards only if the same was dropped in both: a cut is a decision
// that all replicas take alike. What a replica lacks, it gets without the
// content; see Gone of [Op].
//
// O(bytes + spans + deletions).
func (s *sequence) DropDeleted(cut *clock.VersionVector) int {
	var dropped targets
	for _, o := range s.origins {
		upTo := cut.Get(o.id)
		for _, r := range o.log {
			if uint64(r.seq) > upTo {
				break
			}
			if n := upTo - uint64(r.seq) + 1; n < uint64(r.size()) {
				r = r.prefix(uint32(n))
			}
			dropped = append(dropped, keyRange{r.target, r.target + key(r.size())})
		}
	}
	n := 0
	for _, r := range dropped.normal() {
		n += s.drop(r)
	}
	if n > 0 {
		s.repack()
	}
	return n
}

// drop marks elements as dropped, all of which are tombstones, and returns how
// many of them were not.
func (s *sequence) drop(r keyRange) (dropped int) {
	for k := r.first; k < r.behind; {
		p, _ := s.find(k)
		l := s.leaves[p.leaf]
		size := min(spanSize(l.word[p.span])-p.off, uint32(r.behind-k))
		k += key(size)
		if l.word[p.span]&spanGone == 0 {
			s.seek(p.leaf)
			s.bury(p.span, p.off, p.off+size)
			dropped += int(size)
		}
	}
	return dropped
}

// bury marks elements a to b-1 of span i of the cursor's leaf, tombstones with
// content, as dropped.
func (s *sequence) bury(i int, a, b uint32) {
	l := s.leaves[s.cur.leaf]
	s.cur.setSpan(l, i)
	n := spanSize(l.word[i])
	parts := 0
	if a > 0 {
		parts++
	}
	if b < n {
		parts++
	}
	i = s.room(i, parts)
	l = s.leaves[s.cur.leaf]
	if b < n {
		s.divide(l, i, b)
	}
	if a > 0 {
		s.divide(l, i, a)
		i++
	}
	l.word[i] |= spanGone
	s.cur.span, s.cur.spanBefore = 0, 0
	if i+1 < int(l.n) && l.word[i+1]&(spanDead|spanGone) == spanDead|spanGone && l.joins(i) {
		l.word[i] += spanSize(l.word[i+1])
		l.close(i+1, 1)
	}
	if i > 0 && l.word[i-1]&(spanDead|spanGone) == spanDead|spanGone && l.joins(i-1) {
		l.word[i-1] += spanSize(l.word[i])
		l.close(i, 1)
	}
}

// divide cuts span i in two behind its first off elements. There is room.
func (s *sequence) divide(l *leaf, i int, off uint32) {
	w := l.word[i]
	l.open(i+1, 1)
	k := l.first[i] + key(off)
	l.set(i+1, k, k-1, l.right[i], w&^(spanLen|spanLeft)|(spanSize(w)-off))
	l.word[i] = w&^spanLen | off
}

// repack makes the content of each origin anew, without what was dropped.
func (s *sequence) repack() {
	held := make([]targets, len(s.origins))
	for id := int32(0); id >= 0; id = s.leaves[id].next {
		l := s.leaves[id]
		for i := range int(l.n) {
			if w := l.word[i]; w&(spanDead|spanGone) != spanDead|spanGone {
				k := l.first[i]
				held[k>>32] = append(held[k>>32], keyRange{k, k + key(spanSize(w))})
			}
		}
	}
	for i, ranges := range held {
		c := &s.origins[i].content
		old := *c // to be read only: a builder must not be written to at another place
		*c = content{}
		for _, r := range ranges.normal() {
			seq, n := uint32(r.first), uint32(r.behind-r.first)
			if !s.list {
				text, utf16 := old.text(seq, n)
				c.addText(seq, text, int(n), int(utf16))
				continue
			}
			for j := range n {
				c.addValues(seq+j, [][]byte{[]byte(old.value(seq + j))})
			}
		}
	}
}

// Clone returns a text that is equal to t and shares nothing with it but
// content, which neither changes. Handles of t are not valid for it.
//
// O(spans), some 10 ns a span.
func (t *Text) Clone() *Text { return &Text{t.clone()} }

// Clone returns a list that is equal to l; see [Text.Clone].
func (l *List) Clone() *List { return &List{l.clone()} }

func (s *sequence) clone() sequence {
	c := sequence{list: s.list}
	c.tree = s.tree
	c.spare = nil
	leaves := make([]leaf, len(s.leaves))
	c.leaves = make([]*leaf, len(s.leaves))
	for i, l := range s.leaves {
		leaves[i] = *l
		c.leaves[i] = &leaves[i]
	}
	inners := make([]inner, len(s.inners))
	c.inners = make([]*inner, len(s.inners))
	for i, in := range s.inners {
		inners[i] = *in
		c.inners[i] = &inners[i]
	}
	c.origins = make([]*origin, len(s.origins))
	c.byID = make(map[clock.Origin]uint32, len(s.byID))
	for i, o := range s.origins {
		p := &origin{id: o.id, prefix: o.prefix, last: o.last, index: o.index.clone(), log: slices.Clone(o.log)}
		p.content.copy(&o.content)
		c.origins[i] = p
		c.byID[o.id] = uint32(i)
	}
	return c
}

func (x *index) clone() index {
	c := index{chunks: make([][]stretch, len(x.chunks))}
	for i, chunk := range x.chunks {
		c.chunks[i] = slices.Clone(chunk)
	}
	return c
}

// copy makes the empty c equal to d.
func (c *content) copy(d *content) {
	c.segs, c.ends = slices.Clone(d.segs), slices.Clone(d.ends)
	c.after, c.utf16 = d.after, d.utf16
	c.buf.WriteString(d.buf.String())
}
