package rga

import (
	"unicode/utf8"

	"github.com/concord-crdt/concord/codec"
)

// piece is what becomes a span: a part of a run that has one state.
type piece struct {
	word    uint32
	content uint32 // where its content starts: of a text in bytes, of a list in values
	size    uint32 // the length of its content in bytes
}

func isGone(word uint32) bool { return word&(spanDead|spanGone) == spanDead|spanGone }

// cut cuts the runs where what is deleted starts and ends, into pieces in the
// order of the sequence.
func (d *decoder) cut() {
	from := make([]int32, len(d.runs)) // by run, the first range that may touch it
	cuts := 0
	i := 0
	for _, e := range d.byKey {
		for i < len(d.deleted) && d.deleted[i].behind <= e.key {
			i++
		}
		from[e.at] = int32(i)
		end := d.runs[e.at].last()
		for j := i; j < len(d.deleted) && d.deleted[j].first <= end; j++ {
			cuts += 2
		}
	}
	d.pieces = make([]piece, 0, len(d.runs)+cuts)
	d.pieceOf = make([]int32, len(d.runs)+1)
	for i := range d.runs {
		r := &d.runs[i]
		d.pieceOf[i] = int32(len(d.pieces))
		k, end := r.first, r.first+key(r.n)
		for j := int(from[i]); k < end; j++ {
			if j == len(d.deleted) || d.deleted[j].first >= end {
				d.pieces = append(d.pieces, piece{word: uint32(end - k)})
				break
			}
			if t := d.deleted[j].first; t > k {
				d.pieces = append(d.pieces, piece{word: uint32(t - k)})
				k = t
			}
			behind := min(d.deleted[j].behind, end)
			d.pieces = append(d.pieces, piece{word: spanDead | uint32(behind-k)})
			k = behind
		}
	}
	d.pieceOf[len(d.runs)] = int32(len(d.pieces))
}

// readContent reads which content was dropped, and gives each piece the rest.
func (d *decoder) readContent() {
	dropped := droppedCut{dead: d.readAlternation("dropped"), alive: d.readAlternation("dropped alive")}
	if d.r.Err() != nil {
		return
	}
	d.cutDropped(&dropped)
	alive, dead := d.readContents("content"), d.readContents("content of tombstones")
	if d.r.Err() != nil {
		return
	}
	for i := range d.pieces {
		p := &d.pieces[i]
		if isGone(p.word) {
			continue
		}
		c := alive
		if p.word&spanDead != 0 {
			c = dead
		}
		if !c.take(p) {
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

// alternationReader gives out runs of false and true in turn, false first and
// false for ever at the end.
type alternationReader struct {
	lengths []uint64
	value   bool
}

func (d *decoder) readAlternation(what string) alternationReader {
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
	return alternationReader{lengths: lengths}
}

// next returns the value of the next n or fewer.
func (a *alternationReader) next(n uint32) (value bool, size uint32) {
	for len(a.lengths) > 0 && a.lengths[0] == 0 {
		a.lengths, a.value = a.lengths[1:], !a.value
	}
	if len(a.lengths) == 0 {
		return a.value, n
	}
	size = uint32(min(uint64(n), a.lengths[0]))
	a.lengths[0] -= uint64(size)
	return a.value, size
}

// done reports whether all was given out, but for the end.
func (a *alternationReader) done() bool {
	return len(a.lengths) == 0 || len(a.lengths) == 1 && a.lengths[0] == 0
}

// droppedCut says which elements lost their content, of the deleted ones and
// of the others.
type droppedCut struct{ dead, alive alternationReader }

// cutDropped marks the pieces whose content was dropped, cutting them where it
// starts and ends.
func (d *decoder) cutDropped(dropped *droppedCut) {
	if len(dropped.dead.lengths) == 0 && len(dropped.alive.lengths) == 0 {
		return
	}
	cut := make([]piece, 0, len(d.pieces)+len(dropped.dead.lengths)+len(dropped.alive.lengths))
	for i := range d.runs {
		start := len(cut)
		pieces := d.pieces[d.pieceOf[i]:d.pieceOf[i+1]]
		d.pieceOf[i] = int32(start)
		for _, p := range pieces {
			from := &dropped.alive
			if p.word&spanDead != 0 {
				from = &dropped.dead
			}
			for n := spanSize(p.word); n > 0; {
				gone, size := from.next(n)
				state := p.word &^ spanLen
				if gone {
					state = spanDead | spanGone
				}
				// What was dropped dead and what was dropped alive are one span.
				if k := len(cut) - 1; k >= start && cut[k].word&^spanLen == state {
					cut[k].word += size
				} else {
					cut = append(cut, piece{word: state | size})
				}
				n -= size
			}
		}
	}
	d.pieceOf[len(d.runs)] = int32(len(cut))
	d.pieces = cut
	if !dropped.dead.done() || !dropped.alive.done() {
		d.fail("dropped", codec.ErrMalformed) // more than there is
	}
}

// contents are what the pieces of one kind contain, one after the other.
type contents struct {
	text  string
	at    int // of a text, in bytes; of a list, in values
	list  bool
	ends  []uint32 // of the values in text
	ascii bool
}

func (d *decoder) readContents(what string) *contents {
	c := &contents{list: d.s.list}
	if !c.list {
		c.text = d.r.String(what, MaxContent)
		c.ascii = utf8.RuneCountInString(c.text) == len(c.text)
		return c
	}
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

func (c *contents) empty() bool {
	if c.list {
		return c.at == len(c.ends)
	}
	return c.at == len(c.text)
}

// take gives the content of p to it, and reports whether there is enough.
func (c *contents) take(p *piece) bool {
	n := int(spanSize(p.word))
	p.content = uint32(c.at)
	if c.list || c.ascii {
		have := len(c.text)
		if c.list {
			have = len(c.ends)
		}
		if n > have-c.at {
			return false
		}
		p.size = uint32(n)
		c.at += n
		return true
	}
	rest := c.text[c.at:]
	i := 0
	for i < min(n, len(rest)) && rest[i] < utf8.RuneSelf {
		i++
	}
	for done := i; done < n; done++ {
		if i == len(rest) {
			return false
		}
		i += runeAt(rest[i:], 1)
	}
	c.at += i
	p.size = uint32(c.at) - p.content
	if p.size != uint32(n) && p.word&spanDead == 0 {
		p.word |= spanWide
	}
	return true
}

// values returns n values from the i-th on.
func (c *contents) values(i, n int) [][]byte {
	start := uint32(0)
	if i > 0 {
		start = c.ends[i-1]
	}
	values := make([][]byte, n)
	for j := range values {
		end := c.ends[i+j]
		values[j] = []byte(c.text[start:end])
		start = end
	}
	return values
}

// store puts the content of the pieces where their origins keep it, in the
// order of their numbers, and notes in which leaf each piece will be.
func (d *decoder) store(alive, dead *contents) {
	if len(d.s.origins) == 1 {
		o := d.s.origins[0]
		o.buf.Grow(len(alive.text) + len(dead.text))
		o.segs = make([]segment, 0, len(d.pieces)/2)
	}
	for _, e := range d.byKey {
		o := d.s.origins[e.key>>32]
		seq := uint32(e.key)
		for at := d.pieceOf[e.at]; at < d.pieceOf[e.at+1]; at++ {
			p := &d.pieces[at]
			n := spanSize(p.word)
			o.index.add(seq, at/leafFill)
			c := alive
			if p.word&spanDead != 0 {
				c = dead
			}
			switch {
			case isGone(p.word):
			case c.list:
				o.addValues(seq, c.values(int(p.content), int(n)))
			case p.size == n:
				o.addASCII(seq, c.text[p.content:p.content+n])
			default:
				text := c.text[p.content : p.content+p.size]
				o.addText(seq, text, int(n), int(n)+astral(text))
			}
			seq += n
		}
	}
	d.alive = alive
}

// How full the nodes of a tree are that was read: so that edits do not split
// each of them at once.
const (
	leafFill  = leafSpans * 3 / 4
	innerFill = fanOut * 3 / 4
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
	leaves := (len(d.pieces) + leafFill - 1) / leafFill
	s.grow(max(leaves-1, 0))
	l := s.leaves[0]
	for i := range d.runs {
		r := &d.runs[i]
		k, left := r.first, r.left
		for at := d.pieceOf[i]; at < d.pieceOf[i+1]; at++ {
			if l.n == leafFill {
				s.last = at / leafFill
				l = s.leaves[s.last]
			}
			p := &d.pieces[at]
			word, n := p.word, spanSize(p.word)
			if hasLeft[i] && k == r.first {
				word |= spanLeft
			}
			l.set(int(l.n), k, left, r.right, word)
			l.n++
			l.sum.items += n
			if word&spanDead == 0 {
				l.sum.vis += n
				if word&spanWide != 0 {
					l.sum.utf16 += uint32(astral(d.alive.text[p.content : p.content+p.size]))
					l.sum.bytes += p.size - n
				}
			}
			k += key(n)
			left = k - 1
		}
	}
	s.buildInner()
}

// grow adds n empty leaves, in order behind the one that is there.
func (t *tree) grow(n int) {
	all := make([]leaf, n)
	t.leaves = append(make([]*leaf, 0, 1+n+n/4), t.leaves[0])
	for i := range all {
		l := &all[i]
		l.parent, l.prev, l.next = -1, int32(i), int32(i)+2
		t.leaves = append(t.leaves, l)
	}
	if n > 0 {
		t.leaves[0].next = 1
		t.leaves[n].next = -1
	}
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
