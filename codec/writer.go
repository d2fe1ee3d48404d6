package codec

import (
	"encoding/binary"
	"hash/crc32"
)

// castagnoli is the polynomial of every checksum in this package (CRC32C).
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Writer appends canonical encodings to a buffer: for each value there is one
// sequence of bytes, the one that [Reader] accepts.
//
// Every method is O(bytes written), amortised; the buffer grows as by append.
// Writing cannot fail.
//
// Not safe for concurrent use. The zero value is empty and ready.
type Writer struct {
	buf []byte
}

// NewWriter returns an empty Writer that uses the capacity of buf and
// overwrites its content. The Writer owns buf from then on.
func NewWriter(buf []byte) *Writer { return &Writer{buf: buf[:0]} }

// Bytes returns what was written. The slice is valid until the next call of a
// method that writes or resets.
func (w *Writer) Bytes() []byte { return w.buf }

// Len returns the number of bytes written.
func (w *Writer) Len() int { return len(w.buf) }

// Reset forgets what was written and keeps the buffer for reuse.
func (w *Writer) Reset() { w.buf = w.buf[:0] }

// Byte writes one byte.
func (w *Writer) Byte(b byte) { w.buf = append(w.buf, b) }

// Bool writes one byte, 0 or 1.
func (w *Writer) Bool(b bool) {
	if b {
		w.buf = append(w.buf, 1)
		return
	}
	w.buf = append(w.buf, 0)
}

// Uvarint writes v in base 128, least significant group first, in the fewest
// bytes: 1 below 128, at most 10.
func (w *Writer) Uvarint(v uint64) { w.buf = binary.AppendUvarint(w.buf, v) }

// Varint writes v as the unsigned varint of its zigzag form (0, -1, 1, -2, …),
// so that numbers near zero are short whatever their sign.
func (w *Writer) Varint(v int64) { w.buf = binary.AppendVarint(w.buf, v) }

// Uint32 writes v in 4 bytes, most significant first, so that the order of the
// bytes is the order of the numbers.
func (w *Writer) Uint32(v uint32) { w.buf = binary.BigEndian.AppendUint32(w.buf, v) }

// Uint64 writes v in 8 bytes, most significant first.
func (w *Writer) Uint64(v uint64) { w.buf = binary.BigEndian.AppendUint64(w.buf, v) }

// Raw writes b without a length. The format must fix its size.
func (w *Writer) Raw(b []byte) { w.buf = append(w.buf, b...) }

// Blob writes the length of b as a varint, then b.
func (w *Writer) Blob(b []byte) {
	w.buf = binary.AppendUvarint(w.buf, uint64(len(b)))
	w.buf = append(w.buf, b...)
}

// String writes the length of s in bytes as a varint, then s. [Reader.String]
// accepts it only if it is valid UTF-8; use Blob for anything else.
func (w *Writer) String(s string) {
	w.buf = binary.AppendUvarint(w.buf, uint64(len(s)))
	w.buf = append(w.buf, s...)
}

// Checksum writes the CRC32C of everything written since offset from, in 4
// bytes. It finds damage, not forgery.
func (w *Writer) Checksum(from int) {
	w.Uint32(crc32.Checksum(w.buf[from:], castagnoli))
}
