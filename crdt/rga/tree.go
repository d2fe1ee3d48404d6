package rga

import "unsafe"

// inner is a node above the leaves: its children and the totals of each. Nodes
// are named by numbers, leaves and inner nodes apart, so that the memory of the
// tree holds no pointers for the garbage collector to follow.
type inner struct {
	child [fanOut]int32
	vis   [fanOut]uint32
	items [fanOut]uint32
	utf16 [fanOut]uint32
	bytes [fanOut]uint32

	n      int32
	parent int32 // or -1
}

func (in *inner) set(i int, id int32, s sums) {
	in.child[i], in.vis[i], in.items[i], in.utf16[i], in.bytes[i] = id, s.vis, s.items, s.utf16, s.bytes
}

func (in *inner) sum() (s sums) {
	for i := range in.n {
		s.vis += in.vis[i]
		s.items += in.items[i]
		s.utf16 += in.utf16[i]
		s.bytes += in.bytes[i]
	}
	return s
}

// slot returns the place of a child.
func (in *inner) slot(id int32) int {
	for i, c := range in.child[:in.n] {
		if c == id {
			return i
		}
	}
	return 0 // not reached: every node is a child of its parent
}

func (in *inner) insert(i int, id int32, s sums) {
	n := int(in.n)
	copy(in.child[i+1:n+1], in.child[i:n])
	copy(in.vis[i+1:n+1], in.vis[i:n])
	copy(in.items[i+1:n+1], in.items[i:n])
	copy(in.utf16[i+1:n+1], in.utf16[i:n])
	copy(in.bytes[i+1:n+1], in.bytes[i:n])
	in.n++
	in.set(i, id, s)
}

// tree is a B+tree of spans in the order of the sequence. All leaves have the
// same depth; they are linked both ways.
type tree struct {
	leaves []*leaf // by number; leaf 0 is the first of the sequence
	inners []*inner
	root   int32 // leaf 0 if height is 0, else an inner node
	height int   // levels of inner nodes
	last   int32 // the last leaf of the sequence
	total  sums
	cur    cursor
	spare  []leaf // allocated, not in use yet
}

// cursor is where the last edit was: a leaf, the way to it, what lies before
// it, and a span in it. Typing stays there and searches nothing.
type cursor struct {
	leaf int32
	node [maxHeight]int32 // from the parent of the leaf up to the root
	slot [maxHeight]int32

	// What is visible before the leaf, in elements, and the excess of UTF-16
	// units and bytes.
	vis, utf16, bytes uint32

	span       int    // a span of the leaf, or its number of spans
	spanBefore uint32 // visible elements before that span, in the leaf

	// The excess of the spans before another one, which is not behind the one
	// edited last, so that an edit there does not change it.
	excessSpan int
	excess     sums
}

func (t *tree) init() {
	t.leaves = append(t.leaves, &leaf{parent: -1, next: -1, prev: -1})
}

func (t *tree) newLeaf() int32 {
	if len(t.spare) == 0 {
		t.spare = make([]leaf, min(16, 1+len(t.leaves)/4))
	}
	l := &t.spare[0]
	t.spare = t.spare[1:]
	t.leaves = append(t.leaves, l)
	return int32(len(t.leaves) - 1)
}

// seek moves the cursor to a leaf.
func (t *tree) seek(id int32) {
	c := &t.cur
	if c.leaf == id {
		return
	}
	c.leaf, c.span, c.spanBefore = id, 0, 0
	c.excessSpan, c.excess = 0, sums{}
	c.vis, c.utf16, c.bytes = 0, 0, 0
	wide := t.total.bytes != 0
	child, p := id, t.leaves[id].parent
	for level := 0; p >= 0; level++ {
		in := t.inners[p]
		s := in.slot(child)
		c.node[level], c.slot[level] = p, int32(s)
		for _, n := range in.vis[:s] {
			c.vis += n
		}
		if wide {
			for i := range s {
				c.utf16 += in.utf16[i]
				c.bytes += in.bytes[i]
			}
		}
		child, p = p, in.parent
	}
}

// seekVisible moves the cursor to visible element n, which exists, and returns
// its span and its place in it.
func (t *tree) seekVisible(n uint32) (i int, off uint32) {
	c := &t.cur
	l := t.leaves[c.leaf]
	if n-c.vis >= l.sum.vis {
		t.descend(n)
		l = t.leaves[c.leaf]
	}
	n -= c.vis
	if n < c.spanBefore {
		c.span, c.spanBefore = 0, 0
	}
	for {
		v := spanVisible(l.word[c.span])
		if n-c.spanBefore < v {
			return c.span, n - c.spanBefore
		}
		c.spanBefore += v
		c.span++
	}
}

// descend moves the cursor to the leaf of visible element n.
func (t *tree) descend(n uint32) {
	c := &t.cur
	c.vis, c.utf16, c.bytes = 0, 0, 0
	c.span, c.spanBefore = 0, 0
	c.excessSpan, c.excess = 0, sums{}
	wide := t.total.bytes != 0
	id := t.root
	for level := t.height - 1; level >= 0; level-- {
		in := t.inners[id]
		s := 0
		for left := n - c.vis; left >= in.vis[s]; s++ {
			left -= in.vis[s]
			c.vis += in.vis[s]
		}
		if wide {
			for i := range s {
				c.utf16 += in.utf16[i]
				c.bytes += in.bytes[i]
			}
		}
		c.node[level], c.slot[level] = id, int32(s)
		id = in.child[s]
	}
	c.leaf = id
}

// setSpan notes that the cursor is at span i of its leaf, which may be edited.
func (c *cursor) setSpan(l *leaf, i int) {
	if i < c.excessSpan {
		c.excessSpan, c.excess = 0, sums{}
	}
	if i < c.span {
		c.span, c.spanBefore = 0, 0
	}
	for ; c.span < i; c.span++ {
		c.spanBefore += spanVisible(l.word[c.span])
	}
}

// bubble adds d to the totals of the cursor's leaf and of all above it.
func (t *tree) bubble(d sums) {
	c := &t.cur
	t.leaves[c.leaf].sum.add(d)
	t.total.add(d)
	for level := range t.height {
		in, s := t.inners[c.node[level]], c.slot[level]
		in.vis[s] += d.vis
		in.items[s] += d.items
		if d.bytes != 0 {
			in.utf16[s] += d.utf16
			in.bytes[s] += d.bytes
		}
	}
}

// addChild puts a new node, right, behind its neighbour left, of the given
// level (0 are the leaves), after what left had was shared between the two. It
// invalidates the way of the cursor.
func (t *tree) addChild(level int, left, right int32, ls, rs sums) {
	for ; ; level++ {
		p := t.parentOf(level, left)
		if p < 0 {
			t.growUp(level, left, right, ls, rs)
			return
		}
		in := t.inners[p]
		s := in.slot(left)
		in.set(s, left, ls)
		if in.n < fanOut {
			in.insert(s+1, right, rs)
			t.setParent(level, right, p)
			return
		}
		q, half := t.splitInner(level, p)
		if s+1 > half {
			t.inners[q].insert(s+1-half, right, rs)
			t.setParent(level, right, q)
		} else {
			in.insert(s+1, right, rs)
			t.setParent(level, right, p)
		}
		left, right, ls, rs = p, q, in.sum(), t.inners[q].sum()
	}
}

// growUp puts a new root above two nodes of a level.
func (t *tree) growUp(level int, left, right int32, ls, rs sums) {
	root := int32(len(t.inners))
	in := &inner{n: 2, parent: -1}
	t.inners = append(t.inners, in)
	in.set(0, left, ls)
	in.set(1, right, rs)
	t.setParent(level, left, root)
	t.setParent(level, right, root)
	t.root, t.height = root, t.height+1
}

// splitInner moves the upper half of a full node of level+1 to a new one.
func (t *tree) splitInner(level int, p int32) (q int32, half int) {
	const mid = fanOut / 2
	in, right := t.inners[p], &inner{parent: -1}
	q = int32(len(t.inners))
	t.inners = append(t.inners, right)
	copy(right.child[:], in.child[mid:])
	copy(right.vis[:], in.vis[mid:])
	copy(right.items[:], in.items[mid:])
	copy(right.utf16[:], in.utf16[mid:])
	copy(right.bytes[:], in.bytes[mid:])
	right.n, in.n = fanOut-mid, mid
	for _, id := range right.child[:right.n] {
		t.setParent(level, id, q)
	}
	return q, mid
}

func (t *tree) parentOf(level int, id int32) int32 {
	if level == 0 {
		return t.leaves[id].parent
	}
	return t.inners[id].parent
}

func (t *tree) setParent(level int, id, parent int32) {
	if level == 0 {
		t.leaves[id].parent = parent
		return
	}
	t.inners[id].parent = parent
}

// leafBefore reports whether leaf a comes before leaf b in the sequence. They
// differ.
func (t *tree) leafBefore(a, b int32) bool {
	pa, pb := t.leaves[a].parent, t.leaves[b].parent
	for pa != pb {
		a, b = pa, pb
		pa, pb = t.inners[a].parent, t.inners[b].parent
	}
	in := t.inners[pa]
	for _, id := range in.child[:in.n] {
		if id == a {
			return true
		}
		if id == b {
			return false
		}
	}
	return false // not reached
}

// memory returns the bytes held.
func (t *tree) memory() int {
	return (len(t.leaves)+len(t.spare))*int(unsafe.Sizeof(leaf{})) + 8*cap(t.leaves) +
		len(t.inners)*int(unsafe.Sizeof(inner{})) + 8*cap(t.inners)
}
