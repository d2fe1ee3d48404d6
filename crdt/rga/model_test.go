package rga

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/concord-crdt/concord/clock"
)

// model is FugueMax as the paper has it: an explicit tree of single elements.
// It shares nothing with the engine but the types of its interface.
type model struct {
	nodes map[ID]*node
	root  *node // stands for the start of the sequence
	seen  map[clock.Origin]uint64
}

type node struct {
	id          ID
	content     string
	left, right *node // origins; right nil is the end
	parent      *node
	deleted     bool
	kids        [2][]*node // left children, right children
}

func newModel() *model {
	return &model{nodes: map[ID]*node{}, root: &node{}, seen: map[clock.Origin]uint64{}}
}

func (m *model) get(id ID) *node {
	if id.IsZero() {
		return m.root
	}
	return m.nodes[id]
}

// walk returns all nodes in order, without the root.
func (m *model) walk() []*node {
	type frame struct {
		n    *node
		done bool
	}
	var order []*node
	stack := []frame{{m.root, false}}
	for len(stack) > 0 {
		f := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if f.done {
			if f.n != m.root {
				order = append(order, f.n)
			}
			continue
		}
		for _, c := range slices.Backward(f.n.kids[1]) {
			stack = append(stack, frame{c, false})
		}
		stack = append(stack, frame{f.n, true})
		for _, c := range slices.Backward(f.n.kids[0]) {
			stack = append(stack, frame{c, false})
		}
	}
	return order
}

func compareIDs(a, b ID) int {
	if c := a.Origin.Compare(b.Origin); c != 0 {
		return c
	}
	return cmp.Compare(a.Seq, b.Seq)
}

func (m *model) insert(id, left, right ID, content string) {
	n := &node{id: id, content: content, left: m.get(left)}
	if !right.IsZero() {
		n.right = m.get(right)
	}
	place := map[*node]int{}
	for i, x := range m.walk() {
		place[x] = i
	}
	rightPlace := func(x *node) int {
		if x.right == nil {
			return len(place)
		}
		return place[x.right]
	}
	descends := false
	for x := n.right; x != nil; x = x.parent {
		if x == n.left {
			descends = true
		}
	}
	var side int
	var order func(a, b *node) int
	if descends {
		n.parent, side = n.right, 0
		order = func(a, b *node) int { return compareIDs(a.id, b.id) }
	} else {
		n.parent, side = n.left, 1
		order = func(a, b *node) int {
			if c := cmp.Compare(rightPlace(b), rightPlace(a)); c != 0 {
				return c
			}
			return compareIDs(a.id, b.id)
		}
	}
	kids := n.parent.kids[side]
	i, _ := slices.BinarySearchFunc(kids, n, order)
	n.parent.kids[side] = slices.Insert(kids, i, n)
	m.nodes[id] = n
}

// apply applies an op whose dependencies are there.
func (m *model) apply(op *Op) {
	contents := slices.Collect(func(yield func(string) bool) {
		for _, r := range op.Text {
			if !yield(string(r)) {
				return
			}
		}
		for _, v := range op.Values {
			if !yield(string(v)) {
				return
			}
		}
	})
	left, right := op.Left, op.Right
	if op.Extend {
		left = ID{op.Origin, op.Seq - 1}
		if r := m.nodes[left].right; r != nil {
			right = r.id
		}
	}
	for i := range op.Len {
		id := ID{op.Origin, op.Seq + i}
		fresh := id.Seq > m.seen[op.Origin]
		if op.Kind == Delete {
			at := i
			if op.Reverse {
				at = op.Len - 1 - i
			}
			if fresh {
				m.nodes[ID{op.Target.Origin, op.Target.Seq + at}].deleted = true
			}
		} else if fresh {
			m.insert(id, left, right, contents[i])
		}
		left = id
		if fresh {
			m.seen[op.Origin] = id.Seq
		}
	}
}

func (m *model) text() string {
	s := ""
	for _, n := range m.walk() {
		if !n.deleted {
			s += n.content
		}
	}
	return s
}

// neighbours returns what an insertion at visible position pos names.
func (m *model) neighbours(pos int) (left, right ID) {
	order := m.walk()
	i, visible := 0, 0
	for visible < pos {
		if !order[i].deleted {
			visible++
			left = order[i].id
		}
		i++
	}
	if i < len(order) {
		right = order[i].id
	}
	return left, right
}

// elements returns the ids of a sequence in order, with a mark for tombstones.
func (s *sequence) elements() []string {
	var all []string
	for id := int32(0); id >= 0; id = s.leaves[id].next {
		l := s.leaves[id]
		for i := range int(l.n) {
			for off := range spanSize(l.word[i]) {
				e := s.id(l.first[i] + key(off)).String()
				if l.word[i]&spanDead != 0 {
					e += "†"
				}
				all = append(all, e)
			}
		}
	}
	return all
}

func (m *model) elements() []string {
	var all []string
	for _, n := range m.walk() {
		e := n.id.String()
		if n.deleted {
			e += "†"
		}
		all = append(all, e)
	}
	return all
}

// check verifies all invariants of the data structure.
func (s *sequence) check(tb testing.TB) {
	tb.Helper()
	fail := func(format string, args ...any) {
		tb.Helper()
		tb.Fatalf("invariant: "+format, args...)
	}
	held := make([]uint32, len(s.origins))
	prev := int32(-1)
	var total sums
	before := map[int32]sums{}
	id, leaves := int32(0), 0
	for ; id >= 0; id = s.leaves[id].next {
		l := s.leaves[id]
		leaves++
		before[id] = total
		if l.prev != prev {
			fail("leaf %d: prev is %d, not %d", id, l.prev, prev)
		}
		prev = id
		var sum sums
		for i := range int(l.n) {
			n := spanSize(l.word[i])
			if n == 0 {
				fail("empty span")
			}
			sum.add(s.spanSums(l, i))
			k := l.first[i]
			held[k>>32] += n
			for _, off := range []uint32{0, n - 1} {
				p, ok := s.find(k + key(off))
				if !ok || p != (place{id, i, off}) {
					fail("element %v is at %v, found at %v %v", s.id(k+key(off)), place{id, i, off}, p, ok)
				}
				leaf, ok := s.origins[k>>32].index.find(uint32(k) + off)
				if !ok || leaf != id {
					fail("index of %v", s.id(k+key(off)))
				}
			}
			if i > 0 && l.joins(i-1) && l.word[i-1]&^(spanLen|spanLeft) == l.word[i]&^(spanLen|spanLeft) {
				fail("spans %d and %d of leaf %d are one", i-1, i, id)
			}
			for _, r := range []key{l.left[i], l.right[i]} {
				if r == none {
					continue
				}
				if _, ok := s.find(r); !ok {
					fail("origin of %v is not there", s.id(k))
				}
			}
		}
		if sum != l.sum {
			fail("leaf %d: sum is %v, not %v", id, l.sum, sum)
		}
		if l.n == 0 && (s.height > 0 || total != sums{}) {
			fail("leaf %d is empty", id)
		}
		total.add(sum)
	}
	if prev != s.last || leaves != len(s.leaves) {
		fail("%d leaves are linked, of %d; the last is %d, not %d", leaves, len(s.leaves), prev, s.last)
	}
	if total != s.total {
		fail("total is %v, not %v", s.total, total)
	}
	for i := range s.origins {
		o := s.origins[i]
		deletes := uint32(0)
		for j, r := range o.log {
			deletes += r.size()
			if j > 0 && o.log[j-1].seq+o.log[j-1].size() > r.seq {
				fail("delete log")
			}
		}
		if held[i]+deletes != o.last {
			fail("origin %v: %d elements and %d deletes, last is %d", o.id, held[i], deletes, o.last)
		}
		var flat []stretch
		for _, c := range o.index.chunks {
			if len(c) == 0 || len(c) > chunkStretches {
				fail("index chunk of %d", len(c))
			}
			flat = append(flat, c...)
		}
		for j := 1; j < len(flat); j++ {
			if flat[j-1].seq >= flat[j].seq || flat[j-1].leaf == flat[j].leaf {
				fail("index: %v before %v", flat[j-1], flat[j])
			}
		}
	}
	if s.height > 0 {
		s.checkInner(fail, s.root, s.height-1, -1)
	} else if s.root != 0 {
		fail("root")
	}
	c := &s.cur
	child, p := c.leaf, s.leaves[c.leaf].parent
	for level := range s.height {
		if c.node[level] != p || int(c.slot[level]) != s.inners[p].slot(child) {
			fail("cursor")
		}
		child, p = p, s.inners[p].parent
	}
	b := before[c.leaf]
	if b.vis != c.vis || b.utf16 != c.utf16 || b.bytes != c.bytes {
		fail("cursor is behind %v %v %v, not %v", c.vis, c.utf16, c.bytes, b)
	}
	var excess sums
	for i := range min(c.excessSpan, int(s.leaves[c.leaf].n)) {
		d := s.spanSums(s.leaves[c.leaf], i)
		excess.utf16 += d.utf16
		excess.bytes += d.bytes
	}
	if excess != c.excess {
		fail("excess before span %d of the cursor's leaf is %v, not %v", c.excessSpan, c.excess, excess)
	}
	if l := s.leaves[c.leaf]; c.span > int(l.n) || l.visibleBefore(c.span) != c.spanBefore {
		fail("span of the cursor")
	}
}

func (s *sequence) checkInner(fail func(string, ...any), id int32, level int, parent int32) sums {
	in := s.inners[id]
	if in.parent != parent || in.n < 2 || in.n > fanOut {
		fail("inner node %d: %d children, parent %d, not %d", id, in.n, in.parent, parent)
	}
	for i := range in.n {
		var sum sums
		if level == 0 {
			l := s.leaves[in.child[i]]
			sum = l.sum
			if l.parent != id {
				fail("parent of leaf %d is %d, not %d", in.child[i], l.parent, id)
			}
		} else {
			sum = s.checkInner(fail, in.child[i], level-1, id)
		}
		if (sums{in.vis[i], in.items[i], in.utf16[i], in.bytes[i]}) != sum {
			fail("inner node %d: sums of child %d", id, i)
		}
	}
	return in.sum()
}

// mirror is an editor that shows a sequence and is told of its edits.
type mirror struct{ text string }

func (m *mirror) apply(tb testing.TB) func(Edit) {
	return func(e Edit) {
		tb.Helper()
		runes := []rune(m.text)
		before, behind := string(runes[:e.Pos]), string(runes[e.Pos:])
		if e.PosByte != len(before) || e.PosUTF16 != utf16Len(before) {
			tb.Fatalf("edit %+v of %q: its places do not agree", e, m.text)
		}
		changed := e.Text
		if e.Kind == Delete {
			changed = string([]rune(behind)[:e.Len])
			behind = behind[len(changed):]
		}
		if e.LenByte != len(changed) || e.LenUTF16 != utf16Len(changed) || e.Len != utf8.RuneCountInString(changed) {
			tb.Fatalf("edit %+v of %q: its lengths do not agree", e, m.text)
		}
		m.text = before + e.Text + behind
	}
}

func utf16Len(s string) int { return utf8.RuneCountInString(s) + astral(s) }

func testOrigin(n int) clock.Origin {
	// Ids that do not ascend, two incarnations of one replica among them.
	return clock.Origin{Replica: clock.ReplicaID{byte(n / 2 * 37 % 256), byte(n / 2)}, Incarnation: uint64(1000 - n)}
}

func describe(op *Op) string {
	if op.Kind == Delete {
		return fmt.Sprintf("%v:%d del %d of %v reverse=%v", op.Origin, op.Seq, op.Len, op.Target, op.Reverse)
	}
	return fmt.Sprintf("%v:%d ins %q%q between %v and %v extend=%v", op.Origin, op.Seq, op.Text, op.Values, op.Left, op.Right, op.Extend)
}
