package codec_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/concord-crdt/concord/codec"
)

func TestReaderReadsWhatWriterWrote(t *testing.T) {
	var w codec.Writer
	w.Byte(7)
	w.Bool(true)
	w.Bool(false)
	for _, v := range []uint64{0, 127, 128, math.MaxUint64} {
		w.Uvarint(v)
	}
	for _, v := range []int64{0, -1, 63, -64, 64, math.MinInt64, math.MaxInt64} {
		w.Varint(v)
	}
	w.Uint32(0x01020304)
	w.Uint64(0x0102030405060708)
	w.Raw([]byte{9, 8})
	w.Blob([]byte("blob"))
	w.String("grüße")
	w.Uvarint(2)
	w.Checksum(1)

	r := codec.NewReader(w.Bytes())
	expect := func(name string, got, want any) {
		t.Helper()
		if got != want {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
	expect("byte", r.Byte(), byte(7))
	expect("true", r.Bool(), true)
	expect("false", r.Bool(), false)
	for _, want := range []uint64{0, 127, 128, math.MaxUint64} {
		expect("uvarint", r.Uvarint(), want)
	}
	for _, want := range []int64{0, -1, 63, -64, 64, math.MinInt64, math.MaxInt64} {
		expect("varint", r.Varint(), want)
	}
	expect("uint32", r.Uint32(), uint32(0x01020304))
	expect("uint64", r.Uint64(), uint64(0x0102030405060708))
	expect("raw", string(r.Raw(2)), "\x09\x08")
	expect("blob", string(r.Blob("blob", 4)), "blob")
	expect("string", r.String("string", 7), "grüße")
	expect("uvarint max", r.UvarintMax("number", 2), uint64(2))
	expect("remaining", r.Remaining(), 4)
	expect("offset", r.Offset(), w.Len()-4)
	r.Checksum(1)
	expect("close", r.Close(), error(nil))
}

func TestReaderRefuses(t *testing.T) {
	type R = codec.Reader
	tests := []struct {
		name   string
		input  string
		read   func(*R)
		want   error
		offset int
	}{
		{"byte of nothing", "", func(r *R) { r.Byte() }, codec.ErrTruncated, 0},
		{"bool above 1", "\x01\x02", func(r *R) { r.Bool(); r.Bool() }, codec.ErrNotCanonical, 1},
		{"uvarint of nothing", "", func(r *R) { r.Uvarint() }, codec.ErrTruncated, 0},
		{"uvarint cut", "\x80", func(r *R) { r.Uvarint() }, codec.ErrTruncated, 0},
		{"uvarint overlong zero", "\x80\x00", func(r *R) { r.Uvarint() }, codec.ErrNotCanonical, 0},
		{"uvarint overlong one", "\x81\x80\x00", func(r *R) { r.Uvarint() }, codec.ErrNotCanonical, 0},
		{"uvarint of 65 bits", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", func(r *R) { r.Uvarint() }, codec.ErrMalformed, 0},
		{"uvarint of 11 bytes", strings.Repeat("\x80", 10) + "\x01", func(r *R) { r.Uvarint() }, codec.ErrMalformed, 0},
		{"varint overlong", "\x80\x00", func(r *R) { r.Varint() }, codec.ErrNotCanonical, 0},
		{"uvarint above max", "\x05\x06", func(r *R) { r.Byte(); r.UvarintMax("n", 5) }, codec.ErrLimit, 1},
		{"uint32 cut", "\x00\x00\x00", func(r *R) { r.Uint32() }, codec.ErrTruncated, 0},
		{"uint64 cut", "\x00\x00\x00\x00\x00\x00\x00", func(r *R) { r.Uint64() }, codec.ErrTruncated, 0},
		{"raw beyond", "ab", func(r *R) { r.Raw(3) }, codec.ErrTruncated, 0},
		{"raw of negative size", "ab", func(r *R) { r.Raw(-1) }, codec.ErrTruncated, 0},
		{"blob above max", "\x03abc", func(r *R) { r.Blob("b", 2) }, codec.ErrLimit, 0},
		{"blob beyond", "\x04abc", func(r *R) { r.Blob("b", 9) }, codec.ErrTruncated, 0},
		{"blob of 2^63", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", func(r *R) { r.Blob("b", math.MaxInt) }, codec.ErrLimit, 0},
		{"blob under a negative max", "\x01a", func(r *R) { r.Blob("b", -1) }, codec.ErrLimit, 0},
		{"string not UTF-8", "\x01\xff", func(r *R) { r.String("s", 9) }, codec.ErrMalformed, 0},
		{"string with surrogate", "\x03\xed\xa0\x80", func(r *R) { r.String("s", 9) }, codec.ErrMalformed, 0},
		{"count above max", "\x03abc", func(r *R) { r.Count("c", 2, 1) }, codec.ErrLimit, 0},
		{"count beyond", "\x03abcde", func(r *R) { r.Count("c", 9, 2) }, codec.ErrTruncated, 0},
		{"checksum cut", "abc", func(r *R) { r.Checksum(0) }, codec.ErrTruncated, 0},
		{"checksum wrong", "abcde", func(r *R) { r.Byte(); r.Checksum(0) }, codec.ErrChecksum, 1},
		{"checksum from ahead", "abcde", func(r *R) { r.Checksum(1) }, codec.ErrMalformed, 0},
		{"checksum from before", "abcde", func(r *R) { r.Checksum(-1) }, codec.ErrMalformed, 0},
		{"trailing", "ab", func(r *R) { r.Byte() }, codec.ErrTrailing, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := codec.NewReader([]byte(tt.input))
			tt.read(r)
			err := r.Close()
			if !errors.Is(err, tt.want) {
				t.Fatalf("got error %v, want %v", err, tt.want)
			}
			at, ok := errors.AsType[*codec.DecodeError](err)
			if !ok || at.Offset != tt.offset {
				t.Errorf("got %#v, want a DecodeError at %d", err, tt.offset)
			}
			if r.Remaining() != 0 {
				t.Errorf("%d bytes remain after an error", r.Remaining())
			}
		})
	}
}

func TestReaderKeepsTheFirstError(t *testing.T) {
	r := codec.NewReader([]byte("\x02abcdefghijklmnop"))
	r.Bool()
	first := r.Err()
	if !errors.Is(first, codec.ErrNotCanonical) {
		t.Fatalf("got %v", first)
	}
	offset := r.Offset()
	r.Fail("more", codec.ErrLimit)
	r.Checksum(0)
	if r.Byte() != 0 || r.Bool() || r.Uvarint() != 0 || r.Varint() != 0 || r.Uint32() != 0 || r.Uint64() != 0 ||
		r.Raw(1) != nil || r.Blob("b", 9) != nil || r.String("s", 9) != "" || r.Count("c", 9, 0) != 0 ||
		r.UvarintMax("n", 99) != 0 {
		t.Error("a getter returned something after the error")
	}
	u, b, d := r.UintColumn("u", 9), r.BoolColumn("b", 9), r.DeltaColumn("d", 9)
	s, l := r.StringColumn("s", 9, 9), r.BlobColumn("l", 9, 9)
	if u.Len()+b.Len()+d.Len()+s.Len()+l.Len() != 0 || r.BatchHeader().Scheme != 0 {
		t.Error("a column or header is not empty after the error")
	}
	if r.Err() != first || r.Close() != first || r.Offset() != offset {
		t.Error("the first error or its place was lost")
	}
}

func TestReaderFailWithoutErrorDoesNothing(t *testing.T) {
	r := codec.NewReader([]byte{1})
	r.Fail("nothing", nil)
	if r.Err() != nil || r.Byte() != 1 || r.Close() != nil {
		t.Error("Fail(nil) changed the reader")
	}
}

func TestReaderResultsCannotReachBeyondThemselves(t *testing.T) {
	input := []byte("\x01a\x01bcc")
	r := codec.NewReader(input)
	_ = append(r.Blob("b", 9), 'X')
	_ = append(r.Raw(1), 'X')
	if string(input) != "\x01a\x01bcc" {
		t.Errorf("appending to a result changed the input: %q", input)
	}
}

func TestWriterReusesItsBuffer(t *testing.T) {
	w := codec.NewWriter([]byte("old content"))
	if w.Len() != 0 {
		t.Fatalf("a new writer holds %d bytes", w.Len())
	}
	w.Byte(1)
	first := &w.Bytes()[0]
	w.Reset()
	w.Byte(2)
	if &w.Bytes()[0] != first || w.Len() != 1 {
		t.Error("Reset did not keep the buffer")
	}
}

func TestErrorsSayWhatWhereAndWhy(t *testing.T) {
	tests := []struct {
		err  error
		want string
	}{
		{
			&codec.DecodeError{What: "heads", Offset: 17, Err: codec.ErrTruncated},
			"codec: heads at byte 17: input is truncated",
		},
		{
			&codec.DecodeError{What: "heads", Offset: 17, Err: &codec.LimitError{What: "heads", Got: 9, Max: 8}},
			"codec: heads at byte 17: 9 is above the limit of 8",
		},
		{
			&codec.DecodeError{What: "frame", Err: &codec.VersionError{What: "frame", Got: 2, Max: 1}},
			"codec: frame at byte 0: format version 2 is unknown (the latest known is 1)",
		},
		{&codec.DecodeError{What: "x"}, "codec: x at byte 0: unknown reason"},
		{&codec.LimitError{What: "key", Got: 513, Max: 512}, "codec: key: 513 is above the limit of 512"},
		{&codec.VersionError{What: "hello", Got: 2, Max: 1}, "codec: hello: format version 2 is unknown (the latest known is 1)"},
	}
	for _, tt := range tests {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}
