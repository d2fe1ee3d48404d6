package rga

import "github.com/concord-crdt/concord/clock"

// Apply takes an op of another replica, or one of its own that was lost. What
// of it is known already is skipped. The op is not retained or changed, but the
// text of it is copied.
//
// emit, if not nil, is called with each change of the visible sequence. It must
// not use the sequence.
//
// O(log spans) for an insertion where nothing was inserted concurrently; see
// Text and List for figures. A deletion is O(log spans) for each span that it
// meets.
//
// Errors are [ErrGap] (as *[GapError]) if numbers before the op or elements
// that it names are not known, [ErrOp] if it is invalid, [ErrUTF8], and
// [ErrLimit]. Nothing changes then.
func (s *sequence) Apply(op *Op, emit func(Edit)) error {
	if op.Seq == 0 || op.Len == 0 || op.Origin.IsZero() {
		return opError("it has no origin, number or length")
	}
	if op.Seq > MaxSeq || op.Len > MaxSeq || op.end() > MaxSeq {
		return ErrLimit
	}
	o, interned := s.lookup(op.Origin)
	known := uint64(0)
	if interned {
		known = uint64(s.origins[o].last)
	}
	if op.end() <= known {
		return nil
	}
	if op.Seq > known+1 {
		return &GapError{op.Origin, known, op.Seq - 1}
	}
	if !interned {
		if len(s.origins) >= MaxOrigins {
			return ErrLimit
		}
		o = uint32(len(s.origins)) // interned when all is checked
	}
	skip := uint32(known + 1 - op.Seq)
	switch op.Kind {
	case Insert:
		return s.applyInsert(op, o, skip, emit)
	case Delete:
		return s.applyDelete(op, o, skip, emit)
	}
	return opError("unknown kind")
}

// resolve returns the key of an element that an op of origin o names. The
// origin of the op may not be interned yet, if o is the next free number.
func (s *sequence) resolve(id ID, op *Op, o uint32) (key, error) {
	if id.IsZero() {
		return none, nil
	}
	n := o
	if id.Origin != op.Origin {
		var ok bool
		if n, ok = s.lookup(id.Origin); !ok {
			return 0, &GapError{id.Origin, 0, id.Seq}
		}
	}
	have := uint64(0)
	if int(n) < len(s.origins) {
		have = uint64(s.origins[n].last)
	}
	if id.Seq > have {
		if id.Origin == op.Origin && id.Seq >= op.Seq {
			return 0, opError("it names itself")
		}
		return 0, &GapError{id.Origin, have, id.Seq}
	}
	return keyOf(n, uint32(id.Seq)), nil
}

// applyInsert applies an insertion of which the first skip elements are known.
func (s *sequence) applyInsert(op *Op, o, skip uint32, emit func(Edit)) error {
	in, err := s.checkContent(op, skip)
	if err != nil {
		return err
	}
	if op.Extend {
		return s.applyExtend(op, o, skip, in, emit)
	}
	left, err := s.resolve(op.Left, op, o)
	if err != nil {
		return err
	}
	right, err := s.resolve(op.Right, op, o)
	if err != nil {
		return err
	}
	k := keyOf(o, uint32(op.Seq)+skip)
	if skip > 0 {
		left = k - 1
		p, ok := s.find(left)
		if !ok || s.leaves[p.leaf].right[p.span] != right {
			return opError("it differs from what is known of it")
		}
	}
	n := uint32(op.Len) - skip
	if !s.fits(o, n, in.size) {
		return ErrLimit
	}
	fresh := int(o) == len(s.origins)
	if fresh {
		s.intern(op.Origin)
	}
	at, err := s.order(k, left, right)
	if err != nil {
		if fresh {
			s.forget(o)
		}
		return err
	}
	s.put(at, k, left, right, n, in, emit)
	return nil
}

// fits reports whether n more elements of an origin, which may not be interned
// yet, and so many bytes stay within the limits.
func (s *sequence) fits(o, n uint32, size int) bool {
	if int(o) < len(s.origins) {
		size += s.origins[o].buf.Len()
	}
	return size <= MaxContent && uint64(s.total.items)+uint64(n) <= MaxElements
}

// applyExtend applies an insertion that goes on with the run before it.
func (s *sequence) applyExtend(op *Op, o, skip uint32, in incoming, emit func(Edit)) error {
	if op.Seq == 1 || !op.Left.IsZero() || !op.Right.IsZero() {
		return opError("it extends no run")
	}
	n := uint32(op.Len) - skip
	k := keyOf(o, uint32(op.Seq)+skip)
	at, ok := s.find(k - 1)
	if !ok {
		return opError("it extends no run")
	}
	if !s.fits(o, n, in.size) {
		return ErrLimit
	}
	at.off++
	l := s.leaves[at.leaf]
	right := l.right[at.span]
	// Mostly the run is still the neighbour of its Right.
	next := none
	switch {
	case at.off < spanSize(l.word[at.span]):
		next = l.first[at.span] + key(at.off)
	case at.span+1 < int(l.n):
		next = l.first[at.span+1]
	case l.next >= 0:
		next = s.leaves[l.next].first[0]
	}
	if next != right {
		var err error
		if at, err = s.order(k, k-1, right); err != nil {
			return err
		}
	}
	s.put(at, k, k-1, right, n, in, emit)
	return nil
}

// incoming is the content of an insertion, checked.
type incoming struct {
	text   string
	values [][]byte
	size   int // bytes
	utf16  int
	word   uint32 // spanWide, or spanDead and spanGone
}

// checkContent checks the content of op and returns it without the first skip
// elements.
func (s *sequence) checkContent(op *Op, skip uint32) (in incoming, err error) {
	if op.Gone {
		if op.Text != "" || len(op.Values) != 0 {
			return in, opError("it has content and says that it has none")
		}
		in.word = spanDead | spanGone
		return in, nil
	}
	if s.list {
		if op.Text != "" || uint64(len(op.Values)) != op.Len {
			return in, opError("its length is not that of its values")
		}
		in.values = op.Values[skip:]
		for _, v := range in.values {
			if in.size += len(v); in.size > MaxContent {
				return in, ErrLimit
			}
		}
		return in, nil
	}
	runes, utf16, ok := measure(op.Text)
	if !ok {
		return in, ErrUTF8
	}
	if uint64(runes) != op.Len || len(op.Values) != 0 {
		return in, opError("its length is not that of its text")
	}
	in.text = op.Text
	if skip > 0 {
		cut := runeAt(op.Text, int(skip))
		in.text = op.Text[cut:]
		utf16 -= int(skip) + astral(op.Text[:cut])
		runes -= int(skip)
	}
	in.size, in.utf16 = len(in.text), utf16
	if in.size != runes {
		in.word = spanWide
	}
	return in, nil
}

// put adds n elements from k on at a place, with their content.
func (s *sequence) put(at place, k, left, right key, n uint32, in incoming, emit func(Edit)) {
	s.seek(at.leaf)
	var d sums
	if in.word&spanDead == 0 {
		d.vis = n
		if in.word&spanWide != 0 {
			d.utf16, d.bytes = uint32(in.utf16)-n, uint32(in.size)-n
		}
		if emit != nil {
			e := s.editAt(Insert, at, d)
			e.Text, e.Values = in.text, in.values
			emit(e)
		}
	}
	if l := s.leaves[at.leaf]; at.span < int(l.n) && at.off == spanSize(l.word[at.span]) {
		at.span, at.off = at.span+1, 0
	}
	s.putAt(at.span, at.off, k, left, right, in.word|n, d)
	o := s.origins[k>>32]
	o.last += n
	switch {
	case in.word&spanDead != 0:
	case s.list:
		o.addValues(uint32(k), in.values)
	default:
		o.addText(uint32(k), in.text, int(n), in.utf16)
	}
}

// editAt describes an edit at a place in the cursor's leaf, of the size d.
func (s *sequence) editAt(kind Kind, at place, d sums) Edit {
	c := &s.cur
	l := s.leaves[at.leaf]
	c.setSpan(l, at.span)
	pos := sums{vis: c.vis + c.spanBefore, utf16: c.utf16, bytes: c.bytes}
	if s.total.bytes != 0 {
		for ; c.excessSpan < at.span; c.excessSpan++ {
			if w := l.word[c.excessSpan]; w&(spanDead|spanWide) == spanWide {
				u := s.units(l.first[c.excessSpan], spanSize(w), w)
				c.excess.utf16 += u.utf16
				c.excess.bytes += u.bytes
			}
		}
		pos.utf16 += c.excess.utf16
		pos.bytes += c.excess.bytes
	}
	if at.off > 0 && l.word[at.span]&spanDead == 0 {
		pos.add(s.units(l.first[at.span], at.off, l.word[at.span]))
	}
	return Edit{
		Kind:     kind,
		Pos:      int(pos.vis),
		PosUTF16: int(pos.vis) + int(pos.utf16),
		PosByte:  int(pos.vis) + int(pos.bytes),
		Len:      int(d.vis),
		LenUTF16: int(d.vis) + int(d.utf16),
		LenByte:  int(d.vis) + int(d.bytes),
	}
}

// applyDelete applies a deletion of which the first skip deletions are known.
func (s *sequence) applyDelete(op *Op, o, skip uint32, emit func(Edit)) error {
	if op.Target.IsZero() || op.Reverse && op.Len == 1 {
		return opError("its target is not well-formed")
	}
	if op.Target.Seq > MaxSeq {
		return ErrLimit
	}
	last := ID{op.Target.Origin, op.Target.Seq + op.Len - 1}
	lastKey, err := s.resolve(last, op, o)
	if err != nil {
		return err
	}
	run := deleteRun{seq: uint32(op.Seq), n: uint32(op.Len), target: lastKey - key(op.Len) + 1}
	if op.Reverse {
		run.n |= reverseBit
	}
	if skip > 0 {
		run = run.suffix(skip)
	}
	target := s.origins[run.target>>32]
	seq := uint32(run.target)
	if run.size() == 1 {
		if _, ok := s.find(run.target); !ok {
			return opError("it deletes no element")
		}
	} else if target.log.overlaps(seq, seq+run.size()) {
		return opError("it deletes no element")
	}
	if int(o) == len(s.origins) {
		s.intern(op.Origin)
	}
	for k, end := run.target, run.target+key(run.size()); k < end; {
		p, ok := s.find(k)
		if !ok {
			break // not reached: all of them are elements
		}
		l := s.leaves[p.leaf]
		n := min(spanSize(l.word[p.span])-p.off, uint32(end-k))
		k += key(n)
		if l.word[p.span]&spanDead != 0 {
			continue
		}
		s.seek(p.leaf)
		if emit != nil {
			emit(s.editAt(Delete, p, s.units(l.first[p.span]+key(p.off), n, l.word[p.span])))
		}
		s.kill(p.span, p.off, p.off+n)
	}
	s.origins[o].log.add(run)
	s.origins[o].last += run.size()
	return nil
}

// Has reports whether the sequence has seen a number of an origin.
func (s *sequence) Has(o clock.Origin, seq uint64) bool { return seq > 0 && seq <= s.Last(o) }
