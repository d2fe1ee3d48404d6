package codec

import (
	"bytes"
	"encoding/binary"
	"math"
	"time"
	"unicode/utf8"
)

// kind is what the head of an encoded value announces.
type kind uint8

const (
	kindNil kind = iota
	kindBool
	kindInt
	kindWide // an integer above the range of int64, which fields may hold and values may not
	kindFloat
	kindString
	kindBytes
	kindTime
	kindList
	kindMap
)

// head is the first part of an encoded value: everything up to the content of
// a string or of bytes, and up to the elements of a list or map.
type head struct {
	kind kind
	nsec uint32 // of a time
	n    int    // bytes of content, or number of elements (pairs in a map)
	bits uint64 // of a bool, integer or float, or the seconds of a time
}

// CheckValue reports whether b is exactly one value in its canonical form, the
// form that [AppendValue] writes. It returns nil, or a *[DecodeError].
//
// O(len(b)) in time. It does not recurse. It allocates nothing up to a nesting
// of 8, and at most 12 KiB beyond (BenchmarkCheckValue/deep).
func CheckValue(b []byte) error {
	r := Reader{buf: b}
	r.checkValue(false)
	return r.Close()
}

// checkValue reads one value, whatever it holds, and fails where it is not
// canonical. Integers above the range of int64 pass only if wide is set.
func (r *Reader) checkValue(wide bool) {
	h, _ := r.checkHead(wide)
	if r.err == nil && h.open() {
		r.checkNested(h, wide)
	}
}

// checkHead reads the head of a value, and the content of a string or of
// bytes, which it returns.
func (r *Reader) checkHead(wide bool) (head, []byte) {
	start := r.off
	h := r.valueHead()
	var content []byte
	switch h.kind {
	case kindWide:
		if !wide {
			r.failAt(start, "integer", &LimitError{What: "integer", Got: h.bits, Max: math.MaxInt64})
		}
	case kindString:
		content = r.take("string", h.n)
		if !utf8.Valid(content) {
			r.failAt(start, "string", ErrMalformed)
		}
	case kindBytes:
		content = r.take("bytes", h.n)
	}
	return h, content
}

// level is a list or map in which a check is.
type level struct {
	left  int    // elements still to come; in a map keys and values each count
	isMap bool   // if so, an even number left means that a key is next
	key   []byte // the last key, nil before the first
}

// nested returns the level that h opens.
func (h head) nested() level {
	if h.kind == kindMap {
		return level{left: 2 * h.n, isMap: true}
	}
	return level{left: h.n}
}

// open reports whether h is a list or map with elements to come.
func (h head) open() bool { return (h.kind == kindList || h.kind == kindMap) && h.n > 0 }

// checkNested reads the elements of the list or map that h opened.
func (r *Reader) checkNested(h head, wide bool) {
	var shallow [8]level // most values are no deeper than this
	stack := append(shallow[:0], h.nested())
	for len(stack) > 0 {
		top := &stack[len(stack)-1]
		if top.left == 0 {
			stack = stack[:len(stack)-1]
			continue
		}
		start := r.off
		h, content := r.checkHead(wide)
		if r.err == nil && top.isMap && top.left%2 == 0 {
			switch {
			case h.kind != kindString:
				r.failAt(start, "map key", ErrMalformed)
			case top.key != nil && bytes.Compare(top.key, content) >= 0:
				r.failAt(start, "map key", ErrNotCanonical)
			}
			top.key = content
		}
		top.left--
		if (h.kind == kindList || h.kind == kindMap) && len(stack) == MaxDepth {
			r.failAt(start, "nesting", &LimitError{What: "nesting", Got: MaxDepth + 1, Max: MaxDepth})
		}
		if r.err != nil {
			return
		}
		if h.open() {
			stack = append(stack, h.nested())
		}
	}
}

// valueHead reads the head of a value. It accepts the canonical form alone,
// and a number of elements only if what remains can hold them.
func (r *Reader) valueHead() head {
	start := r.off
	c := r.Byte()
	if r.err != nil {
		return head{}
	}
	switch {
	case c < codeFixMap, c >= codeNegative:
		return head{kind: kindInt, bits: uint64(int64(int8(c)))}
	case c < codeFixArray:
		return r.elements(start, kindMap, uint64(c&0x0f))
	case c < codeFixString:
		return r.elements(start, kindList, uint64(c&0x0f))
	case c < codeNil:
		return head{kind: kindString, n: int(c & 0x1f)}
	}
	switch c {
	case codeNil:
		return head{kind: kindNil}
	case codeFalse, codeTrue:
		return head{kind: kindBool, bits: uint64(c & 1)}
	case codeFloat64:
		return r.floatHead(start)
	case codeUint8, codeUint16, codeUint32, codeUint64:
		return r.uintHead(start, c-codeUint8)
	case codeInt8, codeInt16, codeInt32, codeInt64:
		return r.negativeHead(start, c-codeInt8)
	case codeString8, codeString16, codeString32:
		least := [...]uint64{1 << 5, 1 << 8, 1 << 16}
		return r.content(start, kindString, c-codeString8, least[c-codeString8])
	case codeBin8, codeBin16, codeBin32:
		least := [...]uint64{0, 1 << 8, 1 << 16}
		return r.content(start, kindBytes, c-codeBin8, least[c-codeBin8])
	case codeArray16, codeArray32, codeMap16, codeMap32:
		return r.wideElements(start, c)
	case codeFixExt4, codeFixExt8, codeExt8:
		return r.timeHead(start, c)
	}
	r.failAt(start, "value", ErrMalformed)
	return head{}
}

// number reads an unsigned number of 1<<log bytes.
func (r *Reader) number(log byte) uint64 {
	b := r.take("value", 1<<log)
	if b == nil {
		return 0
	}
	switch log {
	case 0:
		return uint64(b[0])
	case 1:
		return uint64(binary.BigEndian.Uint16(b))
	case 2:
		return uint64(binary.BigEndian.Uint32(b))
	}
	return binary.BigEndian.Uint64(b)
}

func (r *Reader) uintHead(start int, log byte) head {
	u := r.number(log)
	least := [...]uint64{1 << 7, 1 << 8, 1 << 16, 1 << 32}
	switch {
	case r.err != nil:
	case u < least[log]:
		r.failAt(start, "integer", ErrNotCanonical)
	case u > math.MaxInt64:
		return head{kind: kindWide, bits: u}
	}
	return head{kind: kindInt, bits: u}
}

func (r *Reader) negativeHead(start int, log byte) head {
	shift := 64 - 8<<log
	i := int64(r.number(log)<<shift) >> shift
	most := [...]int64{-1<<5 - 1, math.MinInt8 - 1, math.MinInt16 - 1, math.MinInt32 - 1}
	if r.err == nil && i > most[log] {
		r.failAt(start, "integer", ErrNotCanonical)
	}
	return head{kind: kindInt, bits: uint64(i)}
}

func (r *Reader) floatHead(start int) head {
	u := r.number(3)
	if f := math.Float64frombits(u); r.err == nil && (math.IsNaN(f) || f == 0 && u != 0) {
		r.failAt(start, "float", ErrNotCanonical)
	}
	return head{kind: kindFloat, bits: u}
}

func (r *Reader) content(start int, k kind, log byte, least uint64) head {
	n := r.number(log)
	switch {
	case r.err != nil:
	case n < least:
		r.failAt(start, "length", ErrNotCanonical)
	case n > uint64(len(r.buf)-r.off):
		r.failAt(start, "length", ErrTruncated)
	default:
		return head{kind: k, n: int(n)}
	}
	return head{}
}

func (r *Reader) wideElements(start int, c byte) head {
	k := kindList
	if c >= codeMap16 {
		k = kindMap
	}
	log, least := byte(1), uint64(1<<4)
	if c == codeArray32 || c == codeMap32 {
		log, least = 2, 1<<16
	}
	n := r.number(log)
	if r.err == nil && n < least {
		r.failAt(start, "length", ErrNotCanonical)
	}
	return r.elements(start, k, n)
}

func (r *Reader) elements(start int, k kind, n uint64) head {
	room := uint64(len(r.buf) - r.off)
	if k == kindMap {
		room /= 2
	}
	if r.err == nil && n > room {
		r.failAt(start, "length", ErrTruncated)
	}
	if r.err != nil {
		return head{}
	}
	return head{kind: k, n: int(n)}
}

func (r *Reader) timeHead(start int, c byte) head {
	if c == codeExt8 {
		if size := r.Byte(); r.err == nil && size != 12 {
			r.failAt(start, "extension", ErrMalformed)
		}
	}
	if ext := r.Byte(); r.err == nil && ext != extTimestamp {
		r.failAt(start, "extension", ErrMalformed)
	}
	var sec int64
	var nsec uint32
	canonical := true
	switch c {
	case codeFixExt4:
		sec = int64(r.number(2))
	case codeFixExt8:
		u := r.number(3)
		sec, nsec = int64(u&(1<<34-1)), uint32(u>>34)
		canonical = nsec != 0 || sec >= 1<<32
	case codeExt8:
		nsec = uint32(r.number(2))
		sec = int64(r.number(3))
		canonical = uint64(sec) >= 1<<34
	}
	switch {
	case r.err != nil:
	case !canonical || nsec%uint32(time.Millisecond) != 0:
		r.failAt(start, "time", ErrNotCanonical)
	case nsec >= uint32(time.Second) || sec < minTimeSeconds || sec > maxTimeSeconds:
		r.failAt(start, "time", ErrMalformed)
	}
	return head{kind: kindTime, bits: uint64(sec), nsec: nsec}
}

// DecodeValue returns the value that b encodes: nil, bool, int64, float64,
// string, []byte, time.Time in UTC, []any or map[string]any. Strings and bytes
// are copies.
//
// O(len(b)). The whole of b is checked as by [CheckValue] before anything is
// allocated, so lengths can be believed and nesting is at most [MaxDepth]. The
// result takes at most some 120 bytes for each byte of b, for many small maps
// (BenchmarkHostileValue): the limit that a caller sets on values is to allow
// for that.
//
// Errors are those of CheckValue.
func DecodeValue(b []byte) (any, error) {
	r := Reader{buf: b}
	h, content := r.checkHead(false)
	elements := r.off
	if r.err == nil && h.open() {
		r.checkNested(h, false)
	}
	if err := r.Close(); err != nil {
		return nil, err
	}
	r.off = elements
	return r.build(h, content), nil
}

// build returns the value that h heads in a checked input. The check bounds how
// deep it recurses.
func (r *Reader) build(h head, content []byte) any {
	switch h.kind {
	case kindBool:
		return h.bits == 1
	case kindInt:
		return int64(h.bits)
	case kindFloat:
		return math.Float64frombits(h.bits)
	case kindString:
		return string(content)
	case kindBytes:
		return append(make([]byte, 0, h.n), content...)
	case kindTime:
		return time.Unix(int64(h.bits), int64(h.nsec)).UTC()
	case kindList:
		list := make([]any, h.n)
		for i := range list {
			list[i] = r.build(r.knownHead())
		}
		return list
	case kindMap:
		m := make(map[string]any, h.n)
		for range h.n {
			_, key := r.knownHead()
			m[string(key)] = r.build(r.knownHead())
		}
		return m
	}
	return nil
}

// knownHead is checkHead for an input that was checked.
func (r *Reader) knownHead() (head, []byte) {
	h := r.valueHead()
	if h.kind == kindString || h.kind == kindBytes {
		return h, r.take("content", h.n)
	}
	return h, nil
}
