package rga

import (
	"math/bits"
	"strings"
	"unicode/utf8"
)

// content holds what one origin inserted, by number: the UTF-8 of its runes
// one after the other, or the bytes of its values.
//
// Nothing that was written is ever overwritten, so parts of it may be handed
// out as strings without copying.
type content struct {
	buf  strings.Builder
	segs []segment
	// after is the number behind the last element that is held.
	after uint32
	utf16 uint32 // UTF-16 length of buf, in a text
	// ends has, in a list, the end of each value in buf.
	ends []uint32
}

// segment is where a stretch of elements with consecutive numbers starts. In
// a text it is either ASCII, and as long as it happens to be, or wide, and at
// most wideRunes long, so that finding a rune in it is a short walk.
type segment struct {
	seq uint32
	// off is the start in buf; in a list, the index into ends. The top bit is
	// set if the segment is wide.
	off   uint32
	utf16 uint32 // length of buf before the segment, in UTF-16 units
}

const wideBit = 1 << 31

func (s *segment) wide() bool    { return s.off&wideBit != 0 }
func (s *segment) start() uint32 { return s.off &^ wideBit }

// measure returns the length of s in runes and UTF-16 units, or false if it is
// not valid UTF-8.
func measure(s string) (runes, utf16 int, ok bool) {
	if len(s) == 1 {
		return 1, 1, s[0] < utf8.RuneSelf
	}
	if !utf8.ValidString(s) {
		return 0, 0, false
	}
	runes = utf8.RuneCountInString(s)
	if runes == len(s) {
		return runes, runes, true
	}
	return runes, runes + astral(s), true
}

// astral returns how many runes of valid s lie outside of the basic plane, and
// so take two UTF-16 units: those with a lead byte of 0xF0 or above.
func astral(s string) int {
	n := 0
	for i := 0; i < len(s); i++ {
		if s[i] >= 0xF0 {
			n++
		}
	}
	return n
}

// runeAt returns the byte offset of rune n of s, which has at least n.
func runeAt(s string, n int) int {
	i := 0
	for ; n > 0; n-- {
		c := s[i]
		if c < utf8.RuneSelf {
			i++
			continue
		}
		i += bits.LeadingZeros8(^c) // the lead byte of valid UTF-8 has its length
	}
	return i
}

// addText appends runes with numbers from seq on, which are above all before.
func (c *content) addText(seq uint32, s string, runes, utf16 int) {
	if runes == len(s) { // all ASCII
		c.addASCII(seq, s)
		return
	}
	c.buf.Grow(len(s))
	for len(s) > 0 {
		n := 0 // bytes of ASCII at the start
		for n < len(s) && s[n] < utf8.RuneSelf {
			n++
		}
		if n >= wideRunes || n == len(s) {
			c.addASCII(seq, s[:n])
			seq += uint32(n)
			s = s[n:]
			continue
		}
		room := c.roomInWide(seq)
		if room == 0 {
			c.segs = append(c.segs, segment{seq, uint32(c.buf.Len()) | wideBit, c.utf16})
			room = wideRunes
		}
		n = 0
		var count uint32
		for n < len(s) && count < room {
			_, size := utf8.DecodeRuneInString(s[n:])
			n += size
			count++
		}
		c.buf.WriteString(s[:n])
		c.utf16 += count + uint32(astral(s[:n]))
		seq += count
		c.after = seq
		s = s[n:]
	}
}

// roomInWide returns how many runes from number seq on the last segment can
// take, if it is wide.
func (c *content) roomInWide(seq uint32) uint32 {
	if len(c.segs) == 0 || c.after != seq {
		return 0
	}
	last := &c.segs[len(c.segs)-1]
	if !last.wide() || seq-last.seq >= wideRunes {
		return 0
	}
	return wideRunes - (seq - last.seq)
}

func (c *content) addASCII(seq uint32, s string) {
	n := uint32(len(s))
	if c.roomInWide(seq) < n && !c.inASCII(seq) {
		c.segs = append(c.segs, segment{seq, uint32(c.buf.Len()), c.utf16})
	}
	c.buf.WriteString(s)
	c.utf16 += n
	c.after = seq + n
}

// inASCII reports whether number seq goes on with an ASCII segment.
func (c *content) inASCII(seq uint32) bool {
	return c.after == seq && len(c.segs) > 0 && !c.segs[len(c.segs)-1].wide()
}

// addValues appends values with numbers from seq on.
func (c *content) addValues(seq uint32, values [][]byte) {
	if c.after != seq || len(c.segs) == 0 {
		c.segs = append(c.segs, segment{seq: seq, off: uint32(len(c.ends))})
	}
	for _, v := range values {
		c.buf.Write(v)
		c.ends = append(c.ends, uint32(c.buf.Len()))
	}
	c.after = seq + uint32(len(values))
}

// segmentOf returns the index of the segment that has number seq.
func (c *content) segmentOf(seq uint32) int {
	lo, hi := 0, len(c.segs)
	if hi > 0 && c.segs[hi-1].seq <= seq {
		return hi - 1
	}
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if c.segs[mid].seq <= seq {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo - 1
}

// locate returns where rune seq starts in buf, in bytes and UTF-16 units.
func (c *content) locate(seq uint32) (off, utf16 uint32) {
	s := &c.segs[c.segmentOf(seq)]
	n := seq - s.seq
	off, utf16 = s.start()+n, s.utf16+n
	if !s.wide() {
		return off, utf16
	}
	text := c.buf.String()[s.start():]
	w := uint32(runeAt(text, int(n)))
	return s.start() + w, utf16 + uint32(astral(text[:w]))
}

// text returns the runes with numbers seq to seq+n-1, all of which are held,
// and their length in UTF-16 units.
func (c *content) text(seq, n uint32) (s string, utf16 uint32) {
	if i := c.segmentOf(seq); !c.segs[i].wide() && (i+1 == len(c.segs) || seq+n <= c.segs[i+1].seq) {
		off := c.segs[i].start() + seq - c.segs[i].seq
		return c.buf.String()[off : off+n], n
	}
	off, u := c.locate(seq)
	last, v := c.locate(seq + n - 1)
	all := c.buf.String()
	size := uint32(runeAt(all[last:], 1))
	v++
	if size == utf8.UTFMax {
		v++
	}
	return all[off : last+size], v - u
}

// size returns the length of the runes with numbers seq to seq+n-1, all of
// which are held, in bytes and in UTF-16 units.
func (c *content) size(seq, n uint32) (size, utf16 uint32) {
	i := c.segmentOf(seq)
	s := &c.segs[i]
	if i+1 < len(c.segs) && seq+n > c.segs[i+1].seq {
		text, utf16 := c.text(seq, n)
		return uint32(len(text)), utf16
	}
	if !s.wide() {
		return n, n
	}
	text := c.buf.String()[s.start():]
	text = text[runeAt(text, int(seq-s.seq)):]
	size = uint32(runeAt(text, int(n)))
	return size, n + uint32(astral(text[:size]))
}

// value returns the bytes of the value with number seq, as a string that
// shares their memory.
func (c *content) value(seq uint32) string {
	s := &c.segs[c.segmentOf(seq)]
	i := s.off + seq - s.seq
	start := uint32(0)
	if i > 0 {
		start = c.ends[i-1]
	}
	return c.buf.String()[start:c.ends[i]]
}

// memory returns the bytes held.
func (c *content) memory() int { return c.buf.Cap() + 12*cap(c.segs) + 4*cap(c.ends) }
