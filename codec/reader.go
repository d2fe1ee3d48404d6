package codec

import (
	"encoding/binary"
	"hash/crc32"
	"unicode/utf8"

	"github.com/concord-crdt/concord/internal/planted"
)

// Reader reads what a [Writer] wrote, from bytes that nobody vouches for.
//
// It keeps the first error: after it every method returns a zero value and
// reads nothing, so a decoder may read a whole structure and look at Err or
// Close once. A loop over a count must still be bounded, which Count does. Only
// canonical input is accepted, so what was read and written again gives the
// same bytes.
//
// Every method is O(bytes read). Nothing is allocated before the length is
// known to lie within the caller's limit and within the input. Raw and Blob
// return parts of the input, String copies.
//
// Errors are of type *[DecodeError].
//
// Not safe for concurrent use. The zero value reads an empty input.
type Reader struct {
	buf []byte
	off int
	err error
}

// NewReader returns a Reader of b. The caller must not change b while the
// Reader, or anything that Raw or Blob returned, is in use.
func NewReader(b []byte) *Reader { return &Reader{buf: b} }

// Err returns the first error, or nil.
func (r *Reader) Err() error { return r.err }

// Offset returns how many bytes were read.
func (r *Reader) Offset() int { return r.off }

// Remaining returns how many bytes were not read yet. It is 0 after an error.
func (r *Reader) Remaining() int {
	if r.err != nil {
		return 0
	}
	return len(r.buf) - r.off
}

// Close returns the first error, or one that wraps [ErrTrailing] if bytes
// remain.
func (r *Reader) Close() error {
	if r.err == nil && r.off < len(r.buf) {
		r.Fail("end", ErrTrailing)
	}
	return r.err
}

// Fail records err as the first error, about what, at the present offset. It
// does nothing if there is an error already, or if err is nil. Decoders use it
// for what only they know: a value out of range, a wrong order.
func (r *Reader) Fail(what string, err error) { r.failAt(r.off, what, err) }

// failAt is kept out of line: errors are rare, and every getter calls it.
//
//go:noinline
func (r *Reader) failAt(offset int, what string, err error) {
	if r.err == nil && err != nil {
		r.err = &DecodeError{What: what, Offset: offset, Err: err}
	}
}

// take returns the next n bytes, or nil and a recorded error.
func (r *Reader) take(what string, n int) []byte {
	if r.err != nil {
		return nil
	}
	if n < 0 || n > len(r.buf)-r.off {
		r.Fail(what, ErrTruncated)
		return nil
	}
	b := r.buf[r.off : r.off+n : r.off+n]
	r.off += n
	return b
}

// Byte reads one byte.
func (r *Reader) Byte() byte {
	if r.err == nil && r.off < len(r.buf) {
		b := r.buf[r.off]
		r.off++
		return b
	}
	r.Fail("byte", ErrTruncated)
	return 0
}

// Bool reads one byte, which must be 0 or 1.
func (r *Reader) Bool() bool {
	b := r.Byte()
	if b > 1 {
		r.failAt(r.off-1, "bool", ErrNotCanonical)
	}
	return b == 1
}

// Uvarint reads an unsigned varint in its shortest form.
func (r *Reader) Uvarint() uint64 { return r.uvarint("uvarint") }

// Varint reads a signed varint (zigzag) in its shortest form.
func (r *Reader) Varint() int64 {
	u := r.uvarint("varint")
	return int64(u>>1) ^ -int64(u&1)
}

// UvarintMax reads an unsigned varint that must not exceed max.
func (r *Reader) UvarintMax(what string, max uint64) uint64 {
	start := r.off
	v := r.uvarint(what)
	if v > max {
		r.failAt(start, what, &LimitError{What: what, Got: v, Max: max})
		return 0
	}
	return v
}

func (r *Reader) uvarint(what string) uint64 {
	if r.err != nil {
		return 0
	}
	b := r.buf[r.off:]
	if len(b) > 0 && b[0] < 0x80 { // most numbers are small
		r.off++
		return uint64(b[0])
	}
	if len(b) > 1 && b[1] < 0x80 && b[1] > 0 {
		r.off += 2
		return uint64(b[0]&0x7f) | uint64(b[1])<<7
	}
	v, n := binary.Uvarint(b)
	switch {
	case n == 0:
		r.Fail(what, ErrTruncated)
		return 0
	case n < 0: // more than 64 bits
		r.Fail(what, ErrMalformed)
		return 0
	case b[n-1] == 0 && !planted.Is(planted.OverlongNumber): // a zero group on top: the same number has a shorter form
		r.Fail(what, ErrNotCanonical)
		return 0
	}
	r.off += n
	return v
}

// Uint32 reads 4 bytes, most significant first.
func (r *Reader) Uint32() uint32 {
	if b := r.take("uint32", 4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

// Uint64 reads 8 bytes, most significant first.
func (r *Reader) Uint64() uint64 {
	if b := r.take("uint64", 8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// Raw reads n bytes. The result is a part of the input, with no spare
// capacity; it is nil after an error.
func (r *Reader) Raw(n int) []byte { return r.take("raw bytes", n) }

// Blob reads a length and that many bytes. A length above max, or above what
// remains, is an error. The result is a part of the input, with no spare
// capacity; it is nil after an error.
func (r *Reader) Blob(what string, max int) []byte {
	start := r.off
	n := r.uvarint(what)
	if r.err != nil {
		return nil
	}
	if n > limit(max) {
		r.failAt(start, what, &LimitError{What: what, Got: n, Max: limit(max)})
		return nil
	}
	if n > uint64(len(r.buf)-r.off) {
		r.failAt(start, what, ErrTruncated)
		return nil
	}
	return r.take(what, int(n))
}

// String reads a length and that many bytes of valid UTF-8, within the same
// bounds as Blob. The result is a copy.
func (r *Reader) String(what string, max int) string {
	start := r.off
	b := r.Blob(what, max)
	if !utf8.Valid(b) {
		r.failAt(start, what, ErrMalformed)
		return ""
	}
	return string(b)
}

// Count reads the number of elements that follow, where each of them takes at
// least minBytesEach bytes. A number above max, or one that what remains cannot
// hold, is an error, so the caller may allocate by the result.
func (r *Reader) Count(what string, max, minBytesEach int) int {
	start := r.off
	n := r.uvarint(what)
	if r.err != nil {
		return 0
	}
	if n > limit(max) {
		r.failAt(start, what, &LimitError{What: what, Got: n, Max: limit(max)})
		return 0
	}
	if minBytesEach > 0 && n > uint64((len(r.buf)-r.off)/minBytesEach) {
		r.failAt(start, what, ErrTruncated)
		return 0
	}
	return int(n)
}

// Checksum reads 4 bytes and compares them with the CRC32C of the input from
// offset from up to here.
func (r *Reader) Checksum(from int) {
	end := r.off
	if r.err == nil && (from < 0 || from > end) {
		r.Fail("checksum", ErrMalformed)
	}
	b := r.take("checksum", 4)
	if b == nil {
		return
	}
	if binary.BigEndian.Uint32(b) != crc32.Checksum(r.buf[from:end], castagnoli) {
		r.failAt(end, "checksum", ErrChecksum)
	}
}

// limit returns max as an unsigned number; a negative limit admits nothing.
func limit(max int) uint64 {
	if max < 0 {
		return 0
	}
	return uint64(max)
}
