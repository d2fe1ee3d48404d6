package codec

import (
	"bytes"
	"io"
	"math"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/vmihailenco/msgpack/v5"
)

// maxPooledBytes is the largest buffer that is kept for the next envelope.
const maxPooledBytes = 64 << 10

// FieldWriter writes the fields of a [Message], in order, each as one
// MessagePack value.
//
// It keeps the first error: a string that is not UTF-8, NaN, a time outside
// the years 0 to 9999, a value that [AppendValue] refuses, or one given to
// Fail. Encoding the envelope then fails with it.
//
// It is valid during the call of WriteFields that receives it, and not safe for
// concurrent use.
type FieldWriter struct {
	enc *msgpack.Encoder // writes to out
	out byteSink
	err error
}

// byteSink is the buffer behind an encoder.
type byteSink struct{ buf []byte }

var _ interface {
	io.Writer
	io.ByteWriter
} = (*byteSink)(nil)

func (s *byteSink) Write(b []byte) (int, error) {
	s.buf = append(s.buf, b...)
	return len(b), nil
}

func (s *byteSink) WriteByte(b byte) error {
	s.buf = append(s.buf, b)
	return nil
}

var fieldWriters = sync.Pool{New: func() any {
	w := new(FieldWriter)
	w.enc = msgpack.NewEncoder(&w.out)
	w.enc.UseCompactInts(true)
	return w
}}

// release empties w and gives it back for reuse.
func (w *FieldWriter) release() {
	if cap(w.out.buf) > maxPooledBytes {
		w.out.buf = nil
	}
	w.out.buf, w.err = w.out.buf[:0], nil
	fieldWriters.Put(w)
}

// Fail makes the encoding of the envelope fail with err, if it is the first
// error and not nil.
func (w *FieldWriter) Fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

// Bool writes a truth value.
func (w *FieldWriter) Bool(v bool) { w.Fail(w.enc.EncodeBool(v)) }

// Int writes an integer. Int and Uint write the same bytes for the same number.
func (w *FieldWriter) Int(v int64) { w.Fail(w.enc.EncodeInt(v)) }

// Uint writes an integer of the full range of 64 bits.
func (w *FieldWriter) Uint(v uint64) { w.Fail(w.enc.EncodeUint(v)) }

// Float writes a floating-point number; NaN is an error.
func (w *FieldWriter) Float(v float64) { w.Value(v) }

// String writes a string of valid UTF-8.
func (w *FieldWriter) String(v string) {
	if !utf8.ValidString(v) {
		w.Value(v) // records the error
		return
	}
	w.Fail(w.enc.EncodeString(v))
}

// Bytes writes b; nil is written as empty.
func (w *FieldWriter) Bytes(b []byte) {
	w.Fail(w.enc.EncodeBytesLen(len(b)))
	w.out.buf = append(w.out.buf, b...)
}

// Time writes t to the millisecond, as [AppendValue] does.
func (w *FieldWriter) Time(t time.Time) { w.Value(t) }

// List announces a list: the next n values belong to it. Lists may be nested.
func (w *FieldWriter) List(n int) { w.Fail(w.enc.EncodeArrayLen(n)) }

// Value writes what [AppendValue] accepts.
func (w *FieldWriter) Value(v any) {
	buf, err := AppendValue(w.out.buf, v)
	w.out.buf = buf
	w.Fail(err)
}

// FieldReader reads the fields of a [Message], in order. The methods are those
// of [FieldWriter], with a name for errors, and a limit where there is a length.
//
// It keeps the first error, a *[DecodeError] with the offset in the envelope:
// after it every method returns a zero value. A field of another type than the
// one asked for is [ErrMalformed], a field beyond the last is [ErrTruncated].
//
// It is valid during the call of ReadFields that receives it, and not safe for
// concurrent use.
type FieldReader struct {
	dec    *msgpack.Decoder // reads from in
	in     bytes.Reader
	fields []byte // all of them; in is at some place there
	base   int    // the offset of fields in the envelope
	err    error
}

var fieldReaders = sync.Pool{New: func() any {
	r := new(FieldReader)
	r.dec = msgpack.NewDecoder(&r.in)
	return r
}}

// reset makes r read fields, which stand at offset base of the envelope. They
// must have been checked: the decoder believes their lengths.
func (r *FieldReader) reset(fields []byte, base int) {
	r.in.Reset(fields)
	r.fields, r.base, r.err = fields, base, nil
}

// release gives r back for reuse, unless its decoder may hold a large buffer.
func (r *FieldReader) release() {
	if len(r.fields) <= maxPooledBytes {
		r.reset(nil, 0)
		fieldReaders.Put(r)
	}
}

// close returns the first error, or one if fields remain.
func (r *FieldReader) close() error {
	if r.in.Len() > 0 {
		r.Fail("fields", ErrTrailing)
	}
	return r.err
}

// Err returns the first error, or nil.
func (r *FieldReader) Err() error { return r.err }

// Fail records err as the first error, about what, at the present offset. It
// does nothing if there is an error already, or if err is nil.
func (r *FieldReader) Fail(what string, err error) {
	if r.err == nil && err != nil {
		r.err = &DecodeError{What: what, Offset: r.base + len(r.fields) - r.in.Len(), Err: err}
	}
}

// head looks at the head of the next field, without reading it.
func (r *FieldReader) head(what string) head {
	if r.err != nil {
		return head{}
	}
	ahead := Reader{buf: r.fields[len(r.fields)-r.in.Len():]}
	h := ahead.valueHead()
	if e, ok := ahead.err.(*DecodeError); ok {
		r.Fail(what, e.Err)
	}
	return h
}

// is reports whether the next field is of the given kind, and holds at most
// most bytes or elements.
func (r *FieldReader) is(what string, want kind, most int) bool {
	h := r.head(what)
	switch {
	case r.err != nil:
	case h.kind != want:
		r.Fail(what, ErrMalformed)
	case uint64(h.n) > limit(most):
		r.Fail(what, &LimitError{What: what, Got: uint64(h.n), Max: limit(most)})
	}
	return r.err == nil
}

// read returns what a method of the decoder returned. The decoder fails only
// where the fields are not what the check before said they are.
func read[T any](r *FieldReader, what string, v T, err error) T {
	if err != nil {
		r.Fail(what, err)
		var zero T
		return zero
	}
	return v
}

// Bool reads a truth value.
func (r *FieldReader) Bool(what string) bool {
	if !r.is(what, kindBool, 0) {
		return false
	}
	v, err := r.dec.DecodeBool()
	return read(r, what, v, err)
}

// Int reads an integer. One above the range of int64 is a *[LimitError].
func (r *FieldReader) Int(what string) int64 {
	if h := r.head(what); r.err == nil && h.kind == kindWide {
		r.Fail(what, &LimitError{What: what, Got: h.bits, Max: math.MaxInt64})
	}
	if !r.is(what, kindInt, 0) {
		return 0
	}
	v, err := r.dec.DecodeInt64()
	return read(r, what, v, err)
}

// Uint reads an integer of the full range of 64 bits. A negative one is
// [ErrMalformed].
func (r *FieldReader) Uint(what string) uint64 {
	h := r.head(what)
	if r.err != nil {
		return 0
	}
	if h.kind != kindWide && (h.kind != kindInt || int64(h.bits) < 0) {
		r.Fail(what, ErrMalformed)
		return 0
	}
	v, err := r.dec.DecodeUint64()
	return read(r, what, v, err)
}

// Float reads a floating-point number.
func (r *FieldReader) Float(what string) float64 {
	if !r.is(what, kindFloat, 0) {
		return 0
	}
	v, err := r.dec.DecodeFloat64()
	return read(r, what, v, err)
}

// String reads a string of at most maxBytes bytes.
func (r *FieldReader) String(what string, maxBytes int) string {
	if !r.is(what, kindString, maxBytes) {
		return ""
	}
	v, err := r.dec.DecodeString()
	return read(r, what, v, err)
}

// Bytes reads at most maxBytes bytes. The result is a copy, and not nil unless
// there is an error.
func (r *FieldReader) Bytes(what string, maxBytes int) []byte {
	if !r.is(what, kindBytes, maxBytes) {
		return nil
	}
	v, err := r.dec.DecodeBytes()
	return read(r, what, v, err)
}

// Time reads a time, in UTC.
func (r *FieldReader) Time(what string) time.Time {
	if !r.is(what, kindTime, 0) {
		return time.Time{}
	}
	v, err := r.dec.DecodeTime()
	return read(r, what, v.UTC(), err)
}

// List reads the head of a list of at most max elements, which are the next
// values to read. The input holds at least as many bytes, so the caller may
// allocate by the result.
func (r *FieldReader) List(what string, max int) int {
	if !r.is(what, kindList, max) {
		return 0
	}
	v, err := r.dec.DecodeArrayLen()
	return read(r, what, v, err)
}

// Value reads a value of at most maxBytes encoded bytes, as [DecodeValue] does.
func (r *FieldReader) Value(what string, maxBytes int) any {
	if r.err != nil {
		return nil
	}
	ahead := Reader{buf: r.fields[len(r.fields)-r.in.Len():]}
	ahead.checkValue(false)
	if e, ok := ahead.err.(*DecodeError); ok {
		r.Fail(what, e.Err)
		return nil
	}
	if uint64(ahead.off) > limit(maxBytes) {
		r.Fail(what, &LimitError{What: what, Got: uint64(ahead.off), Max: limit(maxBytes)})
		return nil
	}
	_, err := r.in.Seek(int64(ahead.off), io.SeekCurrent)
	r.Fail(what, err)
	ahead.off = 0
	return ahead.build(ahead.knownHead())
}
