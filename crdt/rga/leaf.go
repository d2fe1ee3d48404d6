package rga

// A key names an element inside one sequence: the interned number of its
// origin in the upper half, its number in the lower. The keys of a run are
// consecutive. Keys are compared only to tell elements apart: the order of
// origins is that of their ids, never that of their interned numbers.
type key = uint64

// none is no element: the start or the end of the sequence.
const none key = 1<<64 - 1

func keyOf(origin, seq uint32) key { return key(origin)<<32 | key(seq) }

// Each span has a word with its length and, above it, what its elements have
// in common.
const (
	spanDead = 1 << 31 // tombstones
	// spanGone says of tombstones that the content was dropped; spanWide says
	// of visible runes that some may be more than one byte. They share a bit,
	// since the units of what nobody sees do not matter.
	spanGone = 1 << 30
	spanWide = 1 << 30
	// spanLeft says that something may have been inserted between the first
	// element and its Left, in the order's terms that it may have a left child
	// (see place.go). If it is not set, nothing was.
	spanLeft = 1 << 29
	spanLen  = 1<<29 - 1
)

// leaf is a node at the bottom of the tree: neighbouring spans, each of them 28
// bytes. It holds no pointers.
type leaf struct {
	first [leafSpans]key    // the first element of each span
	word  [leafSpans]uint32 // its length and state
	left  [leafSpans]key    // Left of the first element
	right [leafSpans]key    // Right of all elements

	n          int32
	parent     int32 // inner node, or -1
	next, prev int32 // leaves, or -1
	sum        sums
}

// sums are the totals of a subtree.
type sums struct {
	vis   uint32 // visible elements
	items uint32 // elements
	// Of the visible runes, the UTF-16 units and the bytes beyond one each:
	// zero for ASCII, so that most edits leave them alone.
	utf16 uint32
	bytes uint32
}

func (s *sums) add(d sums) {
	s.vis += d.vis
	s.items += d.items
	s.utf16 += d.utf16
	s.bytes += d.bytes
}

// minus returns d with the signs changed: sums are taken modulo 2³².
func (s sums) minus() sums { return sums{-s.vis, -s.items, -s.utf16, -s.bytes} }

func spanSize(word uint32) uint32 { return word & spanLen }

// spanVisible returns the number of visible elements, without branching.
func spanVisible(word uint32) uint32 { return word & spanLen &^ uint32(int32(word)>>31) }

// leftOf returns the Left of element off of span i.
func (l *leaf) leftOf(i int, off uint32) key {
	if off > 0 {
		return l.first[i] + key(off) - 1
	}
	return l.left[i]
}

// find returns the span that has element k.
func (l *leaf) find(k key) (i int, off uint32, ok bool) {
	for i, first := range l.first[:l.n] {
		if d := k - first; d < key(spanSize(l.word[i])) {
			return i, uint32(d), true
		}
	}
	return 0, 0, false
}

// visibleBefore returns the number of visible elements before span i.
func (l *leaf) visibleBefore(i int) uint32 {
	n := uint32(0)
	for _, w := range l.word[:i] {
		n += spanVisible(w)
	}
	return n
}

// joins reports whether span i+1 goes on where span i ends, so that they are
// one span if their states are equal.
func (l *leaf) joins(i int) bool {
	last := l.first[i] + key(spanSize(l.word[i])) - 1
	return l.first[i+1] == last+1 && l.left[i+1] == last && l.right[i+1] == l.right[i]
}

// open makes room for k spans before span i.
func (l *leaf) open(i, k int) {
	n := int(l.n)
	copy(l.first[i+k:n+k], l.first[i:n])
	copy(l.word[i+k:n+k], l.word[i:n])
	copy(l.left[i+k:n+k], l.left[i:n])
	copy(l.right[i+k:n+k], l.right[i:n])
	l.n += int32(k)
}

// close takes k spans out, from span i on.
func (l *leaf) close(i, k int) {
	n := int(l.n)
	copy(l.first[i:], l.first[i+k:n])
	copy(l.word[i:], l.word[i+k:n])
	copy(l.left[i:], l.left[i+k:n])
	copy(l.right[i:], l.right[i+k:n])
	l.n -= int32(k)
}

func (l *leaf) set(i int, first, left, right key, word uint32) {
	l.first[i], l.word[i], l.left[i], l.right[i] = first, word, left, right
}
