package rga

// ToUTF16 converts a rune position to a UTF-16 one: how many code units come
// before it. [ErrRange] if it is not from 0 to Len. O(log spans); O(1) in a
// text without runes that take two units.
func (t *Text) ToUTF16(pos int) (int, error) {
	if t.total.utf16 == 0 && pos >= 0 && pos <= t.Len() {
		return pos, nil
	}
	d, err := t.unitsBefore(pos)
	return pos + int(d.utf16), err
}

// ToByte converts a rune position to one in bytes of UTF-8; see ToUTF16.
func (t *Text) ToByte(pos int) (int, error) {
	d, err := t.unitsBefore(pos)
	return pos + int(d.bytes), err
}

// unitsBefore returns the totals of the runes before position pos.
func (t *Text) unitsBefore(pos int) (d sums, err error) {
	switch {
	case pos < 0 || pos > t.Len():
		return d, ErrRange
	case t.total.bytes == 0:
		return d, nil
	case pos == t.Len():
		return t.total, nil
	}
	return t.totalsBefore(t.visibleAt(uint32(pos))), nil
}

// FromUTF16 converts a UTF-16 position to a rune position. [ErrRange] if it is
// outside of the text or between the two units of one rune. O(log spans).
func (t *Text) FromUTF16(pos int) (int, error) { return t.from(pos, inUTF16) }

// FromByte converts a byte position to a rune position. [ErrRange] if it is
// outside of the text or inside of a rune. O(log spans).
func (t *Text) FromByte(pos int) (int, error) { return t.from(pos, inBytes) }

// unit is what positions are counted in, other than runes.
type unit uint8

const (
	inUTF16 unit = iota
	inBytes
)

// excess returns the part of d that counts.
func (u unit) excess(d sums) uint32 {
	if u == inUTF16 {
		return d.utf16
	}
	return d.bytes
}

func (t *Text) from(pos int, u unit) (int, error) {
	switch {
	case pos < 0 || pos > t.Len()+int(u.excess(t.total)):
		return 0, ErrRange
	case u.excess(t.total) == 0:
		return pos, nil
	case pos == t.Len()+int(u.excess(t.total)):
		return t.Len(), nil
	}
	left, runes := uint32(pos), uint32(0)
	id := t.root
	for range t.height {
		in := t.inners[id]
		excess := &in.utf16
		if u == inBytes {
			excess = &in.bytes
		}
		i := 0
		for n := in.vis[0] + excess[0]; left >= n; n = in.vis[i] + excess[i] {
			left -= n
			runes += in.vis[i]
			i++
		}
		id = in.child[i]
	}
	l := t.leaves[id]
	i := 0
	for {
		d := t.spanSums(l, i)
		n := d.vis + u.excess(d)
		if left < n {
			break
		}
		left -= n
		runes += d.vis
		i++
	}
	n, ok := left, true
	if l.word[i]&spanWide != 0 {
		n, ok = t.origins[l.first[i]>>32].runesIn(uint32(l.first[i]), left, u)
	}
	if !ok {
		return 0, ErrRange
	}
	return int(runes + n), nil
}

// runesIn returns how many of the runes from number seq on take n units. ok is
// false if that is inside of a rune.
func (c *content) runesIn(seq, n uint32, u unit) (runes uint32, ok bool) {
	off, utf16 := c.locate(seq)
	at := off + n
	if u == inUTF16 {
		at = utf16 + n
	}
	start := func(s *segment) uint32 {
		if u == inUTF16 {
			return s.utf16
		}
		return s.start()
	}
	lo, hi := 0, len(c.segs)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if start(&c.segs[mid]) <= at {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	s := &c.segs[lo-1]
	at -= start(s)
	runes = s.seq - seq // modulo 2³²: the segment may start before seq
	if !s.wide() {
		return runes + at, true
	}
	text := c.buf.String()[s.start():]
	for i := 0; at > 0; runes++ {
		size := uint32(runeAt(text[i:], 1))
		i += int(size)
		if u == inUTF16 {
			size = 1 + size/4
		}
		if size > at {
			return 0, false
		}
		at -= size
	}
	return runes, true
}
