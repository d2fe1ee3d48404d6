package rga

// The order is FugueMax. In its terms the elements form a tree: an element is
// a left child of its Right if that one is a descendant of its Left, else it is
// a right child of its Left, and the sequence is the tree in order. Left
// siblings are ordered by id; right siblings by their Right, the one further to
// the right first, then by id. So what was typed at one place in one go, in
// either direction, is one branch, and nothing else gets between.
//
// No tree is kept. Between Left and Right there is nothing when both are known
// to the author only, which is nearly always; else a scan over the spans
// between them finds the same place.
//
// Which of the two cases an insertion is follows from its Right alone: it is a
// left child if Left of that element is its own Left. (If Right is a descendant
// of Left and the two were neighbours, then Right is the first in order below
// Left, hence the first right child of Left or a left descendant of it, and
// all of these have the same Left.)

// order returns where an insertion k between left and right goes: before
// element off of a span, which may be the end of a leaf. Left and right are
// known elements, or none.
//
// An insertion is refused with [ErrOp] if no author can have seen left and
// right side by side: if either is the Left or Right of the other, directly or
// not, through an element between them. With such insertions out of the way the
// result does not depend on the order of arrival.
//
// O(log spans) if nothing was inserted at the place concurrently. Else O(spans
// of the branches that are siblings of the new one), 10 to 50 ns each.
func (s *sequence) order(k, left, right key) (place, error) {
	var leftAt place // behind left
	if left == none {
		leftAt = place{}
	} else {
		p, ok := s.find(left)
		if !ok {
			return place{}, opError("Left is no element")
		}
		leftAt = place{p.leaf, p.span, p.off + 1}
	}
	next, nextAt, more := s.elementAt(leftAt)
	if !more || next == right {
		if right != next {
			return place{}, opError("Right is before Left")
		}
		if right != none && nextAt.off == 0 {
			s.noteLeftChild(nextAt, left)
		}
		return leftAt, nil
	}
	rightAt := place{leaf: -1}
	if right != none {
		var ok bool
		if rightAt, ok = s.find(right); !ok {
			return place{}, opError("Right is no element")
		}
		if s.precedes(rightAt, nextAt) {
			return place{}, opError("Right is before Left")
		}
	}
	if err := s.checkNeighbours(left, right, leftAt, rightAt); err != nil {
		return place{}, err
	}
	if right != none && s.leaves[rightAt.leaf].leftOf(rightAt.span, rightAt.off) == left {
		return s.orderLeft(k, left, right, nextAt, rightAt), nil
	}
	return s.orderRight(k, left, right, leftAt, nextAt, rightAt), nil
}

// elementAt returns the element at p, which may be at the end of a span or a
// leaf, and where it is. more is false at the end of the sequence.
func (s *sequence) elementAt(p place) (k key, at place, more bool) {
	l := s.leaves[p.leaf]
	for p.span < int(l.n) {
		if p.off < spanSize(l.word[p.span]) {
			return l.first[p.span] + key(p.off), p, true
		}
		p.span, p.off = p.span+1, 0
	}
	if l.next < 0 {
		return none, p, false
	}
	p = place{leaf: l.next}
	return s.leaves[p.leaf].first[0], p, true
}

// noteLeftChild notes that something is about to be inserted between left and
// the span at p, if it is a left child of that span.
func (s *sequence) noteLeftChild(p place, left key) {
	if l := s.leaves[p.leaf]; l.left[p.span] == left {
		l.word[p.span] |= spanLeft
	}
}

// checkNeighbours checks that left and right, between which there are other
// elements, can have been neighbours: that nothing on which either depends is
// between them. Of what an element depends on, its own Left and Right are the
// nearest, so it is enough to look at those.
func (s *sequence) checkNeighbours(left, right key, leftAt, rightAt place) error {
	if left != none {
		if r := s.leaves[leftAt.leaf].right[leftAt.span]; r != right && r != none {
			rAt, ok := s.find(r)
			if right == none || !ok || s.precedes(rAt, rightAt) {
				return opError("Left depends on what is before Right")
			}
		}
	}
	if right != none {
		if l := s.leaves[rightAt.leaf].leftOf(rightAt.span, rightAt.off); l != left && l != none {
			lAt, ok := s.find(l)
			if left == none || !ok || !s.precedes(lAt, leftAt) {
				return opError("Right depends on what is behind Left")
			}
		}
	}
	return nil
}

// orderLeft finds the place of a left child of right: among the other left
// children of right, by id, going backwards from right. Between its left
// children and right lie only their branches.
func (s *sequence) orderLeft(k, left, right key, nextAt, rightAt place) place {
	dest := rightAt
	l := s.leaves[rightAt.leaf]
	if l.word[rightAt.span]&spanLeft == 0 {
		l.word[rightAt.span] |= spanLeft
		return dest
	}
	siblings := 0
	for at := rightAt; s.precedes(nextAt, at); {
		at = s.spanBefore(at, nextAt)
		l := s.leaves[at.leaf]
		if l.leftOf(at.span, at.off) != left {
			continue // a descendant of what comes before
		}
		r := l.right[at.span]
		if r == right { // a left child of right
			if s.before(l.first[at.span]+key(at.off), k) {
				break
			}
			if siblings++; siblings >= manySiblings {
				at = s.skipBack(at, k, left, right)
			}
			dest = at
			continue
		}
		// The element has the same Left. If it is a left descendant of the
		// sibling before which dest is, its Right lies in that branch. If not,
		// it belongs to something before all left children of right.
		if r == none {
			break
		}
		rAt, ok := s.find(r)
		if !ok || s.precedes(rAt, dest) || !s.precedes(rAt, rightAt) {
			break
		}
		dest = at
	}
	return dest
}

// spanBefore returns the start of the span before p, but not before limit.
func (s *sequence) spanBefore(p, limit place) place {
	if p.span > 0 {
		p.span, p.off = p.span-1, 0
	} else {
		id := s.leaves[p.leaf].prev
		p = place{leaf: id, span: int(s.leaves[id].n) - 1}
	}
	if p.leaf == limit.leaf && p.span == limit.span {
		return limit
	}
	return p
}

// orderRight finds the place of a right child of left, going forwards from
// left.
func (s *sequence) orderRight(k, left, right key, leftAt, nextAt, rightAt place) place {
	dest, at := leftAt, nextAt
	siblings := 0
	behindRival := false // what was passed last goes behind k, unless a sibling that goes before it follows
	for {
		l := s.leaves[at.leaf]
		first := l.first[at.span] + key(at.off)
		if first == right {
			break
		}
		switch r := l.right[at.span]; {
		case l.leftOf(at.span, at.off) != left:
			if !s.isBehind(l.leftOf(at.span, at.off), leftAt, left) {
				return dest // not a descendant of left
			}
		case r == right:
			if s.before(k, first) {
				return dest
			}
			behindRival = false
			if siblings++; siblings >= manySiblings {
				at = s.skipAhead(at, k, left, right)
				l = s.leaves[at.leaf]
			}
		default:
			behindRival = s.rightPrecedes(r, right, rightAt)
		}
		end := place{at.leaf, at.span, spanSize(l.word[at.span])}
		if !behindRival {
			dest = end
		}
		var more bool
		if _, at, more = s.elementAt(end); !more {
			break
		}
	}
	return dest
}

// manySiblings is how many siblings a scan meets before it skips whole nodes.
// Siblings with the same Left and Right are ordered by id, so if the first span
// of a node is one on the same side of k as the present one, all between the
// two are on that side too. Thousands of replicas that each insert at one place
// thus cost a search each, not a scan.
const manySiblings = 4

// skipBack goes back from a sibling behind which k does not go, to one that is
// further back.
func (s *sequence) skipBack(at place, k, left, right key) place {
	id := at.leaf
	if !s.startsSibling(id, left, right) || s.before(s.leaves[id].first[0], k) {
		return at
	}
	for level := 0; ; level++ {
		p := s.parentOf(level, id)
		if p < 0 {
			break
		}
		in := s.inners[p]
		i := in.slot(id)
		for i > 0 {
			f := s.firstLeaf(level, in.child[i-1])
			if !s.startsSibling(f, left, right) || s.before(s.leaves[f].first[0], k) {
				break
			}
			i--
		}
		if id = in.child[i]; i > 0 {
			id = s.firstLeaf(level, id)
			break
		}
		id = p
		if s.parentOf(level+1, id) < 0 {
			id = s.firstLeaf(level+1, id)
			break
		}
	}
	return place{leaf: id}
}

// skipAhead goes ahead from a sibling before which k does not go, to one that
// is further ahead.
func (s *sequence) skipAhead(at place, k, left, right key) place {
	id := at.leaf
	for level := 0; ; level++ {
		p := s.parentOf(level, id)
		if p < 0 {
			return at
		}
		in := s.inners[p]
		i := in.slot(id)
		for i+1 < int(in.n) {
			f := s.firstLeaf(level, in.child[i+1])
			if !s.startsSibling(f, left, right) || !s.before(s.leaves[f].first[0], k) {
				return at
			}
			at = place{leaf: f}
			i++
		}
		id = p
	}
}

// startsSibling reports whether the first span of a leaf is between left and
// right as an insertion there.
func (s *sequence) startsSibling(id int32, left, right key) bool {
	l := s.leaves[id]
	return l.left[0] == left && l.right[0] == right
}

// firstLeaf returns the first leaf below a node of a level.
func (s *sequence) firstLeaf(level int, id int32) int32 {
	for ; level > 0; level-- {
		id = s.inners[id].child[0]
	}
	return id
}

// isBehind reports whether element k comes behind left, which ends at leftAt.
func (s *sequence) isBehind(k key, leftAt place, left key) bool {
	if k == none {
		return false
	}
	if left == none {
		return true
	}
	p, ok := s.find(k)
	return ok && !s.precedes(p, leftAt)
}

// rightPrecedes reports whether element r comes before right, which is at
// rightAt. The end of the sequence comes last.
func (s *sequence) rightPrecedes(r, right key, rightAt place) bool {
	if r == none {
		return false
	}
	if right == none {
		return true
	}
	p, ok := s.find(r)
	return ok && s.precedes(p, rightAt)
}
