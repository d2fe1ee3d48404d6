package rga

import "iter"

// visibleAt returns the place of visible element n, which exists. Unlike
// seekVisible it leaves the cursor where it is.
func (s *sequence) visibleAt(n uint32) place {
	id := s.cur.leaf
	if l := s.leaves[id]; n-s.cur.vis < l.sum.vis {
		n -= s.cur.vis
	} else {
		id = s.root
		for range s.height {
			in := s.inners[id]
			i := 0
			for ; n >= in.vis[i]; i++ {
				n -= in.vis[i]
			}
			id = in.child[i]
		}
	}
	l := s.leaves[id]
	i := 0
	for v := spanVisible(l.word[0]); n >= v; v = spanVisible(l.word[i]) {
		n -= v
		i++
	}
	return place{id, i, n}
}

// visible yields the visible elements from position from to position to-1, in
// runs: the first element and how many.
func (s *sequence) visible(from, to int) iter.Seq2[key, uint32] {
	return func(yield func(key, uint32) bool) {
		from, to := max(from, 0), min(to, s.Len())
		if from >= to {
			return
		}
		left := uint32(to - from)
		p := s.visibleAt(uint32(from))
		for id := p.leaf; id >= 0 && left > 0; p = (place{}) {
			l := s.leaves[id]
			for i := p.span; i < int(l.n) && left > 0; i++ {
				n := spanVisible(l.word[i])
				if n == 0 {
					continue
				}
				n = min(n-p.off, left)
				if !yield(l.first[i]+key(p.off), n) {
					return
				}
				left -= n
				p.off = 0
			}
			id = l.next
		}
	}
}

// IDAt returns the id of the visible element at position pos, or false if
// there is none. O(log spans).
func (s *sequence) IDAt(pos int) (ID, bool) {
	if pos < 0 || pos >= s.Len() {
		return ID{}, false
	}
	p := s.visibleAt(uint32(pos))
	return s.id(s.leaves[p.leaf].first[p.span] + key(p.off)), true
}

// Runs yields the visible elements from position from to position to-1, as the
// id of the first of a run and how many with consecutive numbers follow each
// other: who wrote what. Positions outside of the sequence are moved to its
// ends. The sequence must not be changed meanwhile.
func (s *sequence) Runs(from, to int) iter.Seq2[ID, int] {
	return func(yield func(ID, int) bool) {
		first, n := none, uint32(0)
		for k, size := range s.visible(from, to) {
			if n > 0 && k == first+key(n) {
				n += size
				continue
			}
			if n > 0 && !yield(s.id(first), int(n)) {
				return
			}
			first, n = k, size
		}
		if n > 0 {
			yield(s.id(first), int(n))
		}
	}
}

// Position returns how many visible elements come before an element, and
// whether it is visible itself: so a tombstone stands where it would show
// again. [ErrUnknown] if there is no such element. O(log spans), some 100 ns.
func (s *sequence) Position(id ID) (pos int, visible bool, err error) {
	n, ok := s.byID[id.Origin]
	if !ok || id.Seq > MaxSeq {
		return 0, false, ErrUnknown
	}
	p, ok := s.find(keyOf(n, uint32(id.Seq)))
	if !ok {
		return 0, false, ErrUnknown
	}
	l := s.leaves[p.leaf]
	before := l.visibleBefore(p.span)
	if visible = l.word[p.span]&spanDead == 0; visible {
		before += p.off
	}
	child, up := p.leaf, l.parent
	for up >= 0 {
		in := s.inners[up]
		for _, n := range in.vis[:in.slot(child)] {
			before += n
		}
		child, up = up, in.parent
	}
	return int(before), visible, nil
}

// totalsBefore returns the totals of what comes before a place, in all units.
func (s *sequence) totalsBefore(p place) (d sums) {
	l := s.leaves[p.leaf]
	for i := range p.span {
		d.add(s.spanSums(l, i))
	}
	if p.off > 0 {
		d.add(s.units(l.first[p.span], p.off, l.word[p.span]))
		d.items += p.off
	}
	child, up := p.leaf, l.parent
	for up >= 0 {
		in := s.inners[up]
		for i := range in.slot(child) {
			d.vis += in.vis[i]
			d.items += in.items[i]
			d.utf16 += in.utf16[i]
			d.bytes += in.bytes[i]
		}
		child, up = up, in.parent
	}
	return d
}
