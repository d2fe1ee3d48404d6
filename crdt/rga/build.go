package rga

import (
	"cmp"
	"slices"
	"unicode/utf8"

	"github.com/concord-crdt/concord/codec"
)

// piece is what becomes a span: a part of a run that has one state.
type piece struct {
	first   key
	run     int32
	word    uint32
	content int32 // where its content starts: of a text in bytes, of a list in values
	size    int32 // the length of its content in bytes
	utf16   int32
}

// cut cuts the runs where what is deleted starts and ends, into pieces in the
// order of the sequence.
func (d *decoder) cut() {
	// By key, where the ranges of a run start.
	from := make([]int32, len(d.runs))
	i := 0
	for _, r := range d.byKey {
		for i < len(d.deleted) && d.deleted[i].behind <= d.runs[r].first {
			i++
		}
		from[r] = int32(i)
	}
	d.pieces = make([]piece, 0, len(d.runs)+2*len(d.deleted))
	for i := range d.runs {
		r := &d.runs[i]
		k, end := r.first, r.first+key(r.n)
		for j := int(from[i]); k < end; j++ {
			if j == len(d.deleted) || d.deleted[j].first >= end {
				d.pieces = append(d.pieces, piece{first: k, run: int32(i), word: uint32(end - k)})
				break
			}
			if t := d.deleted[j]; t.first > k {
				d.pieces = append(d.pieces, piece{first: k, run: int32(i), word: uint32(t.first - k)})
				k = t.first
			}
			behind := min(d.deleted[j].behind, end)
			d.pieces = append(d.pieces, piece{first: k, run: int32(i), word: spanDead | uint32(behind-k)})
			k = behind
		}
	}
}

// readContent reads which content was dropped, and gives each piece the rest.
func (d *decoder) readContent() {
	droppedDead, droppedAlive := d.readAlternation("dropped"), d.readAlternation("dropped alive")
	if d.r.Err() != nil {
		return
	}
	d.cutDropped(droppedDead, droppedAlive)
	alive, dead := d.readContents("content"), d.readContents("content of tombstones")
	if d.r.Err() != nil {
		return
	}
	for i := range d.pieces {
		p := &d.pieces[i]
		ok := true
		switch {
		case p.word&spanDead == 0:
			ok = alive.take(p)
		case p.word&spanGone == 0:
			ok = dead.take(p)
		}
		if !ok {
			d.fail("content", codec.ErrMalformed)
			return
		}
	}
	if !alive.empty() || !dead.empty() {
		d.fail("content", codec.ErrMalformed)
		return
	}
	d.store(alive, dead)
}

// readAlternation reads lengths of runs of false and true in turn.
func (d *decoder) readAlternation(what string) []uint64 {
	n := d.r.Count(what, MaxElements, 1)
	if n%2 != 0 {
		d.fail(what, codec.ErrNotCanonical)
	}
	lengths := make([]uint64, n)
	for i := range lengths {
		if lengths[i] = d.r.UvarintMax(what, MaxElements); lengths[i] == 0 && i > 0 {
			d.fail(what, codec.ErrNotCanonical)
		}
	}
	return lengths
}

// cutDropped marks the pieces whose content was dropped, cutting them where it
// starts and ends.
func (d *decoder) cutDropped(dead, alive []uint64) {
	if len(dead) == 0 && len(alive) == 0 {
		return
	}
	cut := make([]piece, 0, len(d.pieces)+len(dead)+len(alive))
	next := func(lengths *[]uint64, dropped *bool, n uint32) (size uint32) {
		for len(*lengths) > 0 && (*lengths)[0] == 0 {
			*lengths, *dropped = (*lengths)[1:], !*dropped
		}
		if len(*lengths) == 0 {
			return n
		}
		size = uint32(min(uint64(n), (*lengths)[0]))
		(*lengths)[0] -= uint64(size)
		return size
	}
	var deadDropped, aliveDropped bool
	for _, p := range d.pieces {
		for n := spanSize(p.word); n > 0; {
			var size uint32
			q := p
			q.word = p.word &^ spanLen
			dropped := &aliveDropped
			if p.word&spanDead != 0 {
				dropped = &deadDropped
				size = next(&dead, dropped, n)
			} else {
				size = next(&alive, dropped, n)
			}
			if *dropped {
				q.word |= spanDead | spanGone
			}
			q.word |= size
			// What is dropped alive and what is dropped dead are one span.
			if k := len(cut); k > 0 && cut[k-1].run == q.run && cut[k-1].word&^spanLen == q.word&^spanLen {
				cut[k-1].word += size
			} else {
				cut = append(cut, q)
			}
			p.first += key(size)
			n -= size
		}
	}
	for _, rest := range [][]uint64{dead, alive} {
		for _, n := range rest {
			if n > 0 {
				d.fail("dropped", codec.ErrMalformed) // more than there is
			}
		}
	}
	d.pieces = cut
}

// contents are what the pieces of one kind contain, one after the other.
type contents struct {
	text  string
	at    int
	list  bool
	ends  []uint32 // of the values in text
	value int
	ascii bool
}

func (d *decoder) readContents(what string) *contents {
	c := &contents{list: d.s.list}
	if c.list {
		lengths := d.column(what)
		total := uint64(0)
		c.ends = make([]uint32, 0, lengths.Remaining())
		for lengths.Remaining() > 0 {
			total += lengths.UvarintMax(what, MaxContent)
			if total > MaxContent {
				d.fail(what, &codec.LimitError{What: what, Got: total, Max: MaxContent})
				return c
			}
			c.ends = append(c.ends, uint32(total))
		}
		d.fail(what, lengths.Close())
		c.text = string(d.r.Blob(what, MaxContent))
		if uint64(len(c.text)) != total {
			d.fail(what, codec.ErrMalformed)
		}
		return c
	}
	c.text = d.r.String(what, MaxContent)
	c.ascii = utf8.RuneCountInString(c.text) == len(c.text)
	return c
}

func (c *contents) empty() bool {
	if c.list {
		return c.value == len(c.ends)
	}
	return c.at == len(c.text)
}

// take gives the content of p to it, and reports whether there is enough.
func (c *contents) take(p *piece) bool {
	n := int(spanSize(p.word))
	switch {
	case c.list:
		if n > len(c.ends)-c.value {
			return false
		}
		p.content = int32(c.value)
		c.value += n
		return true
	case c.ascii:
		if n > len(c.text)-c.at {
			return false
		}
		p.content, p.size, p.utf16 = int32(c.at), int32(n), int32(n)
		c.at += n
		return true
	}
	start := c.at
	for i := 0; i < n; i++ {
		if c.at == len(c.text) {
			return false
		}
		c.at += runeAt(c.text[c.at:], 1)
	}
	text := c.text[start:c.at]
	p.content, p.size, p.utf16 = int32(start), int32(len(text)), int32(n+astral(text))
	if len(text) != n && p.word&spanDead == 0 {
		p.word |= spanWide
	}
	return true
}

// store puts the content of the pieces where their origins keep it, in the
// order of their numbers.
func (d *decoder) store(alive, dead *contents) {
	order := make([]int32, len(d.pieces))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int { return cmp.Compare(d.pieces[a].first, d.pieces[b].first) })
	for _, i := range order {
		p := &d.pieces[i]
		c := alive
		if p.word&spanDead != 0 {
			c = dead
		}
		if p.word&(spanDead|spanGone) == spanDead|spanGone {
			continue
		}
		o := d.s.origins[p.first>>32]
		seq, n := uint32(p.first), int(spanSize(p.word))
		if !c.list {
			o.addText(seq, c.text[p.content:p.content+p.size], n, int(p.utf16))
			continue
		}
		start := uint32(0)
		if p.content > 0 {
			start = c.ends[p.content-1]
		}
		values := make([][]byte, n)
		for j := range values {
			end := c.ends[int(p.content)+j]
			values[j] = []byte(c.text[start:end])
			start = end
		}
		o.addValues(seq, values)
	}
	d.byPiece = order
}

// How full the nodes of a tree are that was read: so that edits do not split
// each of them at once.
const (
	leafFill  = 24
	innerFill = 24
)

// build makes the tree of the pieces, from the leaves upwards.
func (d *decoder) build() {
	s := d.s
	hasLeft := make([]bool, len(d.runs)) // by run, whether it has a left child
	for i, right := range d.rights {
		if right >= 0 && d.runs[right].left == d.runs[i].left {
			hasLeft[right] = true
		}
	}
	leafOf := make([]int32, len(d.pieces))
	l := s.leaves[0]
	for i := range d.pieces {
		p := &d.pieces[i]
		r := &d.runs[p.run]
		if l.n == leafFill {
			id := s.newLeaf()
			l.next = id
			l = s.leaves[id]
			l.parent, l.prev, l.next = -1, id-1, -1
			s.last = id
		}
		left, word := p.first-1, p.word
		if p.first == r.first {
			left = r.left
			if hasLeft[p.run] {
				word |= spanLeft
			}
		}
		n := spanSize(word)
		l.set(int(l.n), p.first, left, r.right, word)
		l.n++
		l.sum.items += n
		if word&spanDead == 0 {
			l.sum.vis += n
			if word&spanWide != 0 {
				l.sum.utf16 += uint32(p.utf16) - n
				l.sum.bytes += uint32(p.size) - n
			}
		}
		leafOf[i] = s.last
	}
	for _, i := range d.byPiece {
		k := d.pieces[i].first
		s.origins[k>>32].index.add(uint32(k), leafOf[i])
	}
	s.buildInner()
}

// buildInner puts inner nodes above the leaves, which are numbered in order.
func (t *tree) buildInner() {
	ids := make([]int32, len(t.leaves))
	all := make([]sums, len(ids))
	for i, l := range t.leaves {
		ids[i], all[i] = int32(i), l.sum
		t.total.add(l.sum)
	}
	for level := 0; len(ids) > 1; level++ {
		nodes := (len(ids) + innerFill - 1) / innerFill
		if len(ids) <= fanOut {
			nodes = 1
		}
		// Each gets as many as the others, or one more.
		from := 0
		for j := range nodes {
			to := len(ids) * (j + 1) / nodes
			id := int32(len(t.inners))
			in := &inner{parent: -1}
			t.inners = append(t.inners, in)
			for i, child := range ids[from:to] {
				in.set(i, child, all[from+i])
				t.setParent(level, child, id)
			}
			in.n = int32(to - from)
			ids[j], all[j] = id, in.sum()
			from = to
		}
		ids, all = ids[:nodes], all[:nodes]
		t.root, t.height = ids[0], level+1
	}
	t.cur.leaf = -1
	t.seek(0)
}
