package rga

// insert puts n new elements of an origin before visible element pos, or at
// the end. It adds them to the tree only. wide is spanWide or 0, d what they
// add to the totals beyond their number.
func (s *sequence) insert(h Handle, pos int, n uint32, wide uint32, d sums) (op localInsert, err error) {
	if h.n == 0 || int(h.n) > len(s.origins) {
		return op, ErrHandle
	}
	if pos < 0 || pos > int(s.total.vis) {
		return op, ErrRange
	}
	o := h.n - 1
	known := s.origins[o].last
	if n > MaxSeq-known || uint64(s.total.items)+uint64(n) > MaxElements {
		return op, ErrLimit
	}
	k := keyOf(o, known+1)
	left, i, off := none, 0, uint32(0)
	if pos == 0 {
		s.seek(0)
	} else {
		i, off = s.seekVisible(uint32(pos) - 1)
		l := s.leaves[s.cur.leaf]
		left = l.first[i] + key(off)
		off++
		if off == spanSize(l.word[i]) {
			i, off = i+1, 0
		}
	}
	at := place{s.cur.leaf, i, off}
	right, nextAt, more := s.elementAt(at)
	op = localInsert{first: k, left: left, right: right}
	if left == k-1 {
		p, ok := s.find(left)
		op.extend = ok && s.leaves[p.leaf].right[p.span] == right
	}
	if more && nextAt.off == 0 && !op.extend {
		s.noteLeftChild(nextAt, left)
	}
	s.putAt(i, off, k, left, right, wide|n, d)
	s.origins[o].last += n
	return op, nil
}

// localInsert is what became of a local insertion.
type localInsert struct {
	first, left, right key
	extend             bool
}

func (s *sequence) insertOp(in localInsert, n int) Op {
	op := Op{
		Kind:   Insert,
		Origin: s.origins[in.first>>32].id,
		Seq:    uint64(uint32(in.first)),
		Len:    uint64(n),
		Extend: in.extend,
	}
	if !in.extend {
		op.Left, op.Right = s.id(in.left), s.id(in.right)
	}
	return op
}

// Delete deletes n visible elements from position pos on. Their tombstones
// stay.
//
// The ops that were made are appended to ops unless it is nil: one for each
// stretch of consecutive ids, which for a local text is mostly one.
//
// O(log spans + spans deleted). At the place of the edit before it a delete of
// one element takes some 100 ns and allocates nothing (BenchmarkLocal).
//
// Errors are [ErrHandle], [ErrRange], and [ErrLimit] when the origin has given
// its last number; nothing changes then.
func (s *sequence) Delete(h Handle, pos, n int, ops *[]Op) error {
	if h.n == 0 || int(h.n) > len(s.origins) {
		return ErrHandle
	}
	if pos < 0 || n < 0 || pos > s.Len() || n > s.Len()-pos {
		return ErrRange
	}
	o := s.origins[h.n-1]
	if n > int(MaxSeq-o.last) {
		return ErrLimit
	}
	from := o.last + 1
	for n > 0 {
		i, off := s.seekVisible(uint32(pos))
		l := s.leaves[s.cur.leaf]
		size := min(spanSize(l.word[i])-off, uint32(n))
		target := l.first[i] + key(off)
		s.kill(i, off, off+size)
		o.log.add(deleteRun{seq: o.last + 1, n: size, target: target})
		o.last += size
		n -= int(size)
	}
	if ops != nil && o.last >= from {
		*ops = s.appendDeletes(*ops, h.n-1, from, o.last)
	}
	return nil
}

// appendDeletes appends the deletions of an origin with numbers from to to,
// which are all deletions.
func (s *sequence) appendDeletes(ops []Op, o, from, to uint32) []Op {
	log := s.origins[o].log
	for i := log.search(from); from <= to; i++ {
		op := s.deleteOp(o, log[i], from, to)
		ops = append(ops, op)
		from += uint32(op.Len)
	}
	return ops
}

// deleteOp returns the part of a run with numbers from to to.
func (s *sequence) deleteOp(o uint32, r deleteRun, from, to uint32) Op {
	if r.seq < from {
		r = r.suffix(from - r.seq)
	}
	if n := to - r.seq + 1; n < r.size() {
		r = r.prefix(n)
	}
	return Op{
		Kind:    Delete,
		Origin:  s.origins[o].id,
		Seq:     uint64(r.seq),
		Len:     uint64(r.size()),
		Target:  s.id(r.target),
		Reverse: r.reverse(),
	}
}
