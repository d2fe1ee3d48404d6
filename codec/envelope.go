package codec

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"reflect"
	"strings"
	"unicode/utf8"
)

// Message is a structure that travels in an envelope.
//
// An envelope is for what is written once in a while and read by other
// versions of the program, or by other programs: the hello of a session, side
// files, exports, reports. It names what it holds, has a version and a
// checksum, and every MessagePack tool can show it. That costs some 25 bytes
// and a second pass. What is written for each change or stored in each row
// goes through [Writer] and [Reader] directly, where the place in the store or
// the type of the frame says what it is.
//
// An implementation is a pointer type with a method set like this:
//
//	func (h *Hello) Kind() string    { return "hello" }
//	func (h *Hello) Version() uint64 { return 2 }
//
//	func (h *Hello) WriteFields(w *codec.FieldWriter, version uint64) {
//		w.String(h.Name)
//		if version >= 2 {
//			w.Uint(h.Credits)
//		}
//	}
//
//	func (h *Hello) ReadFields(r *codec.FieldReader, version uint64) {
//		h.Name = r.String("name", 64)
//		if version >= 2 {
//			h.Credits = r.Uint("credits")
//		}
//	}
type Message interface {
	// Kind names the structure, in 1 to 64 bytes of UTF-8. It never changes.
	Kind() string
	// Version is the latest version of the fields that this build knows, from
	// 1 up.
	Version() uint64
	// WriteFields writes the fields of the given version, which is at most
	// Version. It must be able to write every version that ReadFields accepts.
	WriteFields(w *FieldWriter, version uint64)
	// ReadFields reads what WriteFields wrote with the same version. It refuses
	// a version too old for it by r.Fail. It may replace fields of the receiver
	// that it does not read.
	ReadFields(r *FieldReader, version uint64)
}

// An envelope is one MessagePack list of five elements:
//
//	"concord" | kind | version | list of fields | 4 bytes: CRC32C of the elements before
//
// each in the canonical form of values, except that integers may use all 64 bits.
// The outer form is the same for every version of every kind.
const (
	envelopeStart = "\x95\xa7concord" // a list of five, and its first element
	envelopeEnd   = "\xc4\x04"        // the head of the last
	maxKindBytes  = 64
)

// AppendEnvelope appends an envelope with m, in its latest version, to dst.
//
// It is O(bytes written). Encoders and their buffers are reused. On error dst
// is returned as it was.
//
// Errors: those that the fields caused (see [FieldWriter]), and a *[ValueError]
// if Kind or Version is outside its range.
func AppendEnvelope(dst []byte, m Message) ([]byte, error) {
	return AppendEnvelopeVersion(dst, m, m.Version())
}

// AppendEnvelopeVersion is [AppendEnvelope] in an earlier version of the
// fields, for a peer that does not know the latest one. A version that m does
// not know is a *[VersionError].
func AppendEnvelopeVersion(dst []byte, m Message, version uint64) ([]byte, error) {
	kind := m.Kind()
	if len(kind) == 0 || len(kind) > maxKindBytes || !utf8.ValidString(kind) {
		return dst, messageError(m, "its kind is not 1 to 64 bytes of UTF-8")
	}
	if m.Version() == 0 || m.Version() > math.MaxInt64 {
		return dst, messageError(m, "its version is not a positive int64")
	}
	if version == 0 || version > m.Version() {
		return dst, &VersionError{What: kind, Got: version, Max: m.Version()}
	}
	w := fieldWriters.Get().(*FieldWriter)
	defer w.release()
	m.WriteFields(w, version)
	if w.err != nil {
		return dst, fmt.Errorf("codec: envelope %s: %w", kind, w.err)
	}
	count, err := countFields(w.out.buf)
	if err != nil {
		return dst, messageError(m, "its fields do not form complete lists: "+reason(err))
	}
	start := len(dst)
	out := append(dst, envelopeStart...)
	out, _ = appendString(out, kind) // was checked
	out = appendInt(out, int64(version))
	out, err = appendCount(out, count, codeFixArray, codeArray16, "fields")
	if err != nil {
		return dst, err
	}
	out = append(out, w.out.buf...)
	sum := crc32.Checksum(out[start:], castagnoli)
	return binary.BigEndian.AppendUint32(append(out, envelopeEnd...), sum), nil
}

func messageError(m Message, reason string) error {
	return &ValueError{Type: reflect.TypeOf(m).String(), Reason: reason}
}

// countFields returns the number of complete values that b consists of.
func countFields(b []byte) (int, error) {
	r := Reader{buf: b}
	n := 0
	for ; r.Remaining() > 0; n++ {
		r.checkValue(true)
	}
	return n, r.err
}

// KindError reports an envelope that holds something else than what was asked
// for. It matches [ErrMalformed].
type KindError struct {
	Got, Want string
}

// Error returns a message with both kinds.
func (e *KindError) Error() string {
	return fmt.Sprintf("codec: envelope holds %q, not %q", e.Got, e.Want)
}

// Is reports whether target is [ErrMalformed].
func (e *KindError) Is(target error) bool { return target == ErrMalformed }

// PeekEnvelope returns what an envelope says it holds, so that the caller can
// choose the Message to decode it with. It reads the first bytes of b alone, in
// constant time, and verifies nothing else; kind and version may be unknown.
func PeekEnvelope(b []byte) (kind string, version uint64, err error) {
	r := Reader{buf: b}
	kind, version = r.envelopeHead()
	return kind, version, r.err
}

func (r *Reader) envelopeHead() (kind string, version uint64) {
	if !bytes.HasPrefix(r.buf, []byte(envelopeStart)) {
		err := ErrMalformed
		if strings.HasPrefix(envelopeStart, string(r.buf[:min(len(r.buf), len(envelopeStart))])) {
			err = ErrTruncated
		}
		r.Fail("envelope", err)
		return "", 0
	}
	r.off = len(envelopeStart)
	start := r.off
	h := r.valueHead()
	switch {
	case r.err != nil:
	case h.kind != kindString || h.n == 0:
		r.failAt(start, "envelope kind", ErrMalformed)
	case h.n > maxKindBytes:
		r.failAt(start, "envelope kind", &LimitError{What: "envelope kind", Got: uint64(h.n), Max: maxKindBytes})
	}
	if b := r.take("envelope kind", h.n); utf8.Valid(b) {
		kind = string(b)
	} else {
		r.failAt(start, "envelope kind", ErrMalformed)
	}
	start = r.off
	if h = r.valueHead(); r.err == nil && (h.kind != kindInt || int64(h.bits) <= 0) {
		r.failAt(start, "envelope version", ErrMalformed)
	}
	if r.err != nil {
		return "", 0
	}
	return kind, h.bits
}

// DecodeEnvelope decodes b, an envelope of at most maxBytes bytes, into m. The
// fields are read only after the checksum and the whole form were checked, so
// every length among them is true. What was accepted encodes to b again, in the
// version of b.
//
// It is O(len(b)), with two passes and one encoding. Decoders are reused.
//
// After an error the content of m is undefined. Errors: *[LimitError] above
// maxBytes; *[KindError] for another kind; *[VersionError] for a version above
// m.Version(); [ErrChecksum], [ErrTruncated], [ErrMalformed],
// [ErrNotCanonical] and [ErrTrailing] within a *[DecodeError]; and whatever
// ReadFields gave to Fail.
func DecodeEnvelope(b []byte, m Message, maxBytes int) error {
	if uint64(len(b)) > limit(maxBytes) {
		return &LimitError{What: "envelope", Got: uint64(len(b)), Max: limit(maxBytes)}
	}
	r := Reader{buf: b}
	kind, version := r.envelopeHead()
	first, end := r.envelopeBody()
	if err := r.Close(); err != nil {
		return err
	}
	if kind != m.Kind() {
		return &KindError{Got: kind, Want: m.Kind()}
	}
	if version > m.Version() {
		return &VersionError{What: kind, Got: version, Max: m.Version()}
	}
	fields := fieldReaders.Get().(*FieldReader)
	defer fields.release()
	fields.reset(b[first:end], first)
	m.ReadFields(fields, version)
	if err := fields.close(); err != nil {
		return fmt.Errorf("codec: envelope %s: %w", kind, err)
	}
	return checkEncoding(b, m, version)
}

// envelopeBody checks everything after the head, and returns where the fields
// start and end.
func (r *Reader) envelopeBody() (first, end int) {
	if r.err != nil {
		return 0, 0
	}
	// Damage is reported as such, whatever else it broke.
	if sum := len(r.buf) - checksumBytes; sum < r.off {
		r.Fail("envelope", ErrTruncated)
	} else if binary.BigEndian.Uint32(r.buf[sum:]) != crc32.Checksum(r.buf[:sum-len(envelopeEnd)], castagnoli) {
		r.failAt(sum, "envelope", ErrChecksum)
	}
	start := r.off
	h := r.valueHead()
	if r.err == nil && h.kind != kindList {
		r.failAt(start, "envelope fields", ErrMalformed)
	}
	first, r.off = r.off, start
	r.checkValue(true)
	end = r.off
	if tail := r.take("envelope checksum", len(envelopeEnd)); r.err == nil && string(tail) != envelopeEnd {
		r.failAt(end, "envelope checksum", ErrMalformed)
	}
	r.take("envelope checksum", checksumBytes)
	return first, end
}

// checkEncoding reports whether m, in the given version, encodes to b.
func checkEncoding(b []byte, m Message, version uint64) error {
	again, err := AppendEnvelopeVersion(make([]byte, 0, len(b)), m, version)
	if err != nil {
		return err
	}
	if !bytes.Equal(again, b) {
		return &DecodeError{What: "envelope " + m.Kind(), Offset: firstDifference(again, b), Err: ErrNotCanonical}
	}
	return nil
}

// firstDifference returns the first offset at which a and b differ, or the
// length of the shorter one.
func firstDifference(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}
