package codec_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/concord-crdt/concord/codec"
)

// note is a message with a field of every type. Version 1 had only the title.
type note struct {
	Title   string
	Done    bool
	Offset  int64
	Mark    uint64
	Share   float64
	Data    []byte
	At      time.Time
	Tags    []string
	Payload any
}

func (n *note) Kind() string    { return "note" }
func (n *note) Version() uint64 { return 2 }

func (n *note) WriteFields(w *codec.FieldWriter, version uint64) {
	w.String(n.Title)
	if version == 1 {
		return
	}
	w.Bool(n.Done)
	w.Int(n.Offset)
	w.Uint(n.Mark)
	w.Float(n.Share)
	w.Bytes(n.Data)
	w.Time(n.At)
	w.List(len(n.Tags))
	for _, tag := range n.Tags {
		w.String(tag)
	}
	w.Value(n.Payload)
}

func (n *note) ReadFields(r *codec.FieldReader, version uint64) {
	*n = note{Title: r.String("title", 64)}
	if version == 1 {
		return
	}
	n.Done = r.Bool("done")
	n.Offset = r.Int("offset")
	n.Mark = r.Uint("mark")
	n.Share = r.Float("share")
	n.Data = r.Bytes("data", 1<<10)
	n.At = r.Time("at")
	for range r.List("tags", 100) {
		n.Tags = append(n.Tags, r.String("tag", 32))
	}
	n.Payload = r.Value("payload", 1<<10)
}

func fullNote() *note {
	return &note{
		Title: "Visit", Done: true, Offset: math.MinInt64, Mark: math.MaxUint64, Share: 0.25,
		Data: []byte{1, 2}, At: utc(1_700_000_000, 123), Tags: []string{"a", "b"},
		Payload: map[string]any{"dose": int64(5)},
	}
}

// script is a message whose fields are given by functions.
type script struct {
	kind    string
	version uint64
	write   func(*codec.FieldWriter)
	read    func(*codec.FieldReader)
}

func (s script) Kind() string                               { return s.kind }
func (s script) Version() uint64                            { return s.version }
func (s script) WriteFields(w *codec.FieldWriter, _ uint64) { s.write(w) }
func (s script) ReadFields(r *codec.FieldReader, _ uint64)  { s.read(r) }

// envelope returns an envelope whose elements between the first and the last
// are the given bytes, with a correct checksum.
func envelope(t testing.TB, elements string) []byte {
	t.Helper()
	front := append([]byte("\x95\xa7concord"), unhex(t, elements)...)
	sum := crc32.Checksum(front, crc32.MakeTable(crc32.Castagnoli))
	return binary.BigEndian.AppendUint32(append(front, 0xc4, 4), sum)
}

const maxNoteBytes = 4 << 10

func TestEnvelopeRoundTrip(t *testing.T) {
	for _, want := range []*note{fullNote(), {Data: []byte{}}} {
		b, err := codec.AppendEnvelope([]byte("before"), want)
		if err != nil {
			t.Fatal(err)
		}
		b, _ = bytes.CutPrefix(b, []byte("before"))
		kind, version, err := codec.PeekEnvelope(b)
		if kind != "note" || version != 2 || err != nil {
			t.Errorf("peek: got %q, %d, %v", kind, version, err)
		}
		got := new(note)
		if err := codec.DecodeEnvelope(b, got, maxNoteBytes); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
}

func TestEnvelopeBytes(t *testing.T) {
	got, err := codec.AppendEnvelopeVersion(nil, &note{Title: "x"}, 1)
	if err != nil {
		t.Fatal(err)
	}
	if want := envelope(t, "a46e6f7465 01 91a178"); !bytes.Equal(got, want) {
		t.Errorf("got %x, want %x", got, want)
	}
}

// Any MessagePack tool can show an envelope.
func TestEnvelopesAreMessagePack(t *testing.T) {
	b, err := codec.AppendEnvelope(nil, fullNote())
	if err != nil {
		t.Fatal(err)
	}
	var list []any
	if err := msgpack.Unmarshal(b, &list); err != nil {
		t.Fatal(err)
	}
	if len(list) != 5 || list[0] != "concord" || list[1] != "note" {
		t.Errorf("got %v", list)
	}
}

func TestEnvelopeOfAnEarlierVersion(t *testing.T) {
	b, err := codec.AppendEnvelopeVersion(nil, fullNote(), 1)
	if err != nil {
		t.Fatal(err)
	}
	got := new(note)
	if err := codec.DecodeEnvelope(b, got, maxNoteBytes); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&note{Title: "Visit"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestAppendEnvelopeRefuses(t *testing.T) {
	write := func(f func(*codec.FieldWriter)) script { return script{kind: "k", version: 1, write: f} }
	mine := errors.New("mine")
	isValue := func(err error) bool { _, ok := errors.AsType[*codec.ValueError](err); return ok }
	is := func(want error) func(error) bool { return func(err error) bool { return errors.Is(err, want) } }
	tests := []struct {
		name string
		m    codec.Message
		want func(error) bool
	}{
		{"no kind", script{version: 1}, isValue},
		{"long kind", script{kind: strings.Repeat("k", 65), version: 1}, isValue},
		{"kind not UTF-8", script{kind: "\xff", version: 1}, isValue},
		{"no version", script{kind: "k"}, isValue},
		{"version above int64", script{kind: "k", version: math.MaxUint64}, isValue},
		{"string not UTF-8", write(func(w *codec.FieldWriter) { w.String("\xff") }), isValue},
		{"NaN", write(func(w *codec.FieldWriter) { w.Float(math.NaN()) }), isValue},
		{"time", write(func(w *codec.FieldWriter) { w.Time(time.Unix(1<<50, 0)) }), isValue},
		{"value", write(func(w *codec.FieldWriter) { w.Value(struct{}{}); w.Value(1) }), isValue},
		{"list too short", write(func(w *codec.FieldWriter) { w.List(2); w.Int(1) }), isValue},
		{"own error", write(func(w *codec.FieldWriter) { w.Fail(mine); w.String("\xff") }), is(mine)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := codec.AppendEnvelope([]byte("before"), tt.m)
			if !tt.want(err) || string(got) != "before" {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
	for _, version := range []uint64{0, 3} {
		_, err := codec.AppendEnvelopeVersion(nil, &note{}, version)
		if !errors.Is(err, codec.ErrVersion) {
			t.Errorf("version %d: got %v", version, err)
		}
	}
}

// An encoder that failed is clean when it is used again.
func TestEnvelopeEncodersStartClean(t *testing.T) {
	want, err := codec.AppendEnvelope(nil, fullNote())
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		bad := fullNote()
		bad.Payload = func() {}
		if _, err := codec.AppendEnvelope(nil, bad); err == nil {
			t.Fatal("a function was encoded")
		}
		got, err := codec.AppendEnvelope(nil, fullNote())
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("got %x, %v", got, err)
		}
	}
}

func TestDecodeEnvelopeRefuses(t *testing.T) {
	good, err := codec.AppendEnvelope(nil, fullNote())
	if err != nil {
		t.Fatal(err)
	}
	damaged := bytes.Clone(good)
	damaged[20] ^= 1
	tests := []struct {
		name string
		in   []byte
		want error
	}{
		{"nothing", nil, codec.ErrTruncated},
		{"something else", []byte("{\"json\": 1}"), codec.ErrMalformed},
		{"cut in the head", good[:5], codec.ErrTruncated},
		{"cut after the head", good[:15], codec.ErrTruncated},
		{"cut", good[:len(good)-1], codec.ErrChecksum},
		{"damaged", damaged, codec.ErrChecksum},
		{"more", append(bytes.Clone(good), 0), codec.ErrChecksum},
		{"too long", make([]byte, maxNoteBytes+1), codec.ErrLimit},
		{"kind empty", envelope(t, "a0 01 90"), codec.ErrMalformed},
		{"kind a number", envelope(t, "01 01 90"), codec.ErrMalformed},
		{"kind not UTF-8", envelope(t, "a1ff 01 90"), codec.ErrMalformed},
		{"kind of 65", envelope(t, "d941"+strings.Repeat("61", 65)+"0190"), codec.ErrLimit},
		{"other kind", envelope(t, "a16b 01 90"), codec.ErrMalformed},
		{"version 0", envelope(t, "a46e6f7465 00 90"), codec.ErrMalformed},
		{"version negative", envelope(t, "a46e6f7465 ff 90"), codec.ErrMalformed},
		{"version 2^63", envelope(t, "a46e6f7465 cf8000000000000000 90"), codec.ErrMalformed},
		{"version a string", envelope(t, "a46e6f7465 a131 90"), codec.ErrMalformed},
		{"version in two bytes", envelope(t, "a46e6f7465 cc01 91a178"), codec.ErrNotCanonical},
		{"version later", envelope(t, "a46e6f7465 03 90"), codec.ErrVersion},
		{"fields not a list", envelope(t, "a46e6f7465 01 a178"), codec.ErrMalformed},
		{"no fields", envelope(t, "a46e6f7465 01 90"), codec.ErrTruncated},
		{"one field too many", envelope(t, "a46e6f7465 01 92a17801"), codec.ErrTrailing},
		{"field of another type", envelope(t, "a46e6f7465 01 9101"), codec.ErrMalformed},
		{"field too long", envelope(t, "a46e6f7465 01 91d941"+strings.Repeat("61", 65)), codec.ErrLimit},
		{"field not UTF-8", envelope(t, "a46e6f7465 01 91a1ff"), codec.ErrMalformed},
		{"field in long form", envelope(t, "a46e6f7465 01 91d90178"), codec.ErrNotCanonical},
		{"list in long form", envelope(t, "a46e6f7465 01 dc0001a178"), codec.ErrNotCanonical},
		{"element too many", envelope(t, "a46e6f7465 01 91a178 c0"), codec.ErrMalformed},
		{"element missing", envelope(t, "a46e6f7465 01"), codec.ErrMalformed},
		{"deep nesting", envelope(t, "a46e6f7465 01"+strings.Repeat("91", 1000)+"90"), codec.ErrLimit},
		{"list of 4 G", envelope(t, "a46e6f7465 01 ddffffffff"), codec.ErrTruncated},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := codec.DecodeEnvelope(tt.in, new(note), maxNoteBytes); !errors.Is(err, tt.want) {
				t.Errorf("got error %v, want %v", err, tt.want)
			}
		})
	}
	var kind *codec.KindError
	if err := codec.DecodeEnvelope(envelope(t, "a16b 01 90"), new(note), 100); !errors.As(err, &kind) ||
		kind.Error() != `codec: envelope holds "k", not "note"` {
		t.Errorf("got %v", err)
	}
}

func TestFieldReaderRefuses(t *testing.T) {
	mine := errors.New("mine")
	tests := []struct {
		name   string
		fields string
		read   func(*codec.FieldReader)
		want   error
	}{
		{"bool from a number", "01", func(r *codec.FieldReader) { r.Bool("f") }, codec.ErrMalformed},
		{"bool from nil", "c0", func(r *codec.FieldReader) { r.Bool("f") }, codec.ErrMalformed},
		{"int from a float", "cb3ff0000000000000", func(r *codec.FieldReader) { r.Int("f") }, codec.ErrMalformed},
		{"int from nil", "c0", func(r *codec.FieldReader) { r.Int("f") }, codec.ErrMalformed},
		{"int above int64", "cfffffffffffffffff", func(r *codec.FieldReader) { r.Int("f") }, codec.ErrLimit},
		{"uint below 0", "ff", func(r *codec.FieldReader) { r.Uint("f") }, codec.ErrMalformed},
		{"uint from a string", "a131", func(r *codec.FieldReader) { r.Uint("f") }, codec.ErrMalformed},
		{"float from an int", "01", func(r *codec.FieldReader) { r.Float("f") }, codec.ErrMalformed},
		{"string from bytes", "c40131", func(r *codec.FieldReader) { r.String("f", 9) }, codec.ErrMalformed},
		{"string from nil", "c0", func(r *codec.FieldReader) { r.String("f", 9) }, codec.ErrMalformed},
		{"string above max", "a26161", func(r *codec.FieldReader) { r.String("f", 1) }, codec.ErrLimit},
		{"bytes from a string", "a131", func(r *codec.FieldReader) { r.Bytes("f", 9) }, codec.ErrMalformed},
		{"bytes above max", "c4026161", func(r *codec.FieldReader) { r.Bytes("f", 1) }, codec.ErrLimit},
		{"time from an int", "01", func(r *codec.FieldReader) { r.Time("f") }, codec.ErrMalformed},
		{"list from a map", "80", func(r *codec.FieldReader) { r.List("f", 9) }, codec.ErrMalformed},
		{"list above max", "920101", func(r *codec.FieldReader) { r.List("f", 1) }, codec.ErrLimit},
		{"list under a negative max", "9101", func(r *codec.FieldReader) { r.List("f", -1) }, codec.ErrLimit},
		{"value above max", "a26161", func(r *codec.FieldReader) { r.Value("f", 2) }, codec.ErrLimit},
		{"value with a large integer", "91cfffffffffffffffff", func(r *codec.FieldReader) { r.Value("f", 99) }, codec.ErrLimit},
		{"field beyond the last", "01", func(r *codec.FieldReader) { r.Int("f"); r.Int("g") }, codec.ErrTruncated},
		{"value beyond the last", "01", func(r *codec.FieldReader) { r.Int("f"); r.Value("g", 9) }, codec.ErrTruncated},
		{"own error", "01", func(r *codec.FieldReader) { r.Int("f"); r.Fail("f", nil); r.Fail("f", mine) }, mine},
		{"first error stays", "01", func(r *codec.FieldReader) { r.Bool("f"); r.Fail("f", mine) }, codec.ErrMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			write := func(w *codec.FieldWriter) { w.Int(1) }
			m := script{kind: "k", version: 1, write: write, read: tt.read}
			err := codec.DecodeEnvelope(envelope(t, "a16b 01 91"+tt.fields), m, 100)
			if !errors.Is(err, tt.want) {
				t.Fatalf("got error %v, want %v", err, tt.want)
			}
			if at, ok := errors.AsType[*codec.DecodeError](err); !ok || at.Offset < 13 {
				t.Errorf("got %v, without its place in the envelope", err)
			}
		})
	}
}

func TestFieldReaderIsEmptyAfterAnError(t *testing.T) {
	b := envelope(t, "a16b 01 9101")
	read := func(r *codec.FieldReader) {
		r.Fail("field", codec.ErrLimit)
		if r.Err() == nil || r.Bool("f") || r.Int("f") != 0 || r.Uint("f") != 0 || r.Float("f") != 0 ||
			r.String("f", 9) != "" || r.Bytes("f", 9) != nil || !r.Time("f").IsZero() || r.List("f", 9) != 0 ||
			r.Value("f", 9) != nil {
			t.Error("a getter returned something after the error")
		}
	}
	if err := codec.DecodeEnvelope(b, script{kind: "k", version: 1, read: read}, 100); !errors.Is(err, codec.ErrLimit) {
		t.Errorf("got %v", err)
	}
}

// A message that reads more leniently than it writes cannot make two encodings
// of one content pass.
func TestDecodeEnvelopeComparesTheEncoding(t *testing.T) {
	b := envelope(t, "a16b 01 9107")
	m := script{
		kind: "k", version: 1,
		read:  func(r *codec.FieldReader) { r.Int("ignored") },
		write: func(w *codec.FieldWriter) { w.Int(8) },
	}
	err := codec.DecodeEnvelope(b, m, 100)
	if at, ok := errors.AsType[*codec.DecodeError](err); !errors.Is(err, codec.ErrNotCanonical) || !ok || at.Offset != 13 {
		t.Errorf("got %v", err)
	}
}
