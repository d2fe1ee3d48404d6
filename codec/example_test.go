package codec_test

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/concord-crdt/concord/codec"
)

// A type writes itself through a Writer, and reads itself through a Reader with
// the limits that it sets. The error is looked at once, at the end.
func Example() {
	var w codec.Writer
	w.Uvarint(2)
	w.String("ward-3")
	w.String("ward-4")
	w.Checksum(0)
	fmt.Printf("%d bytes\n", w.Len())

	r := codec.NewReader(w.Bytes())
	var wards []string
	for range r.Count("wards", 100, 1) {
		wards = append(wards, r.String("ward", 32))
	}
	r.Checksum(0)
	fmt.Println(wards, r.Close())
	// Output:
	// 19 bytes
	// [ward-3 ward-4] <nil>
}

// A hostile length costs nothing, and the error says where it stands.
func ExampleReader() {
	r := codec.NewReader([]byte("\x05hello\xff\xff\xff\xff\x0f"))
	fmt.Println(r.String("greeting", 16))
	fmt.Println(r.Blob("payload", 1<<20))
	fmt.Println(r.Close())
	fmt.Println(errors.Is(r.Err(), codec.ErrLimit))
	// Output:
	// hello
	// []
	// codec: payload at byte 6: 4294967295 is above the limit of 1048576
	// true
}

// Equal values have equal bytes, and values of different types different ones.
func ExampleAppendValue() {
	for _, v := range []any{1, uint8(1), 1.0, "1", map[string]any{"b": 2, "a": 1}} {
		b, err := codec.AppendValue(nil, v)
		fmt.Printf("%x %v\n", b, err)
	}
	// Output:
	// 01 <nil>
	// 01 <nil>
	// cb3ff0000000000000 <nil>
	// a131 <nil>
	// 82a16101a16202 <nil>
}

func ExampleDecodeValue() {
	v, err := codec.DecodeValue([]byte("\x82\xa1a\x01\xa1b\x92\xc3\xc0"))
	fmt.Println(v, err)

	_, err = codec.DecodeValue([]byte("\xcc\x01")) // 1, in two bytes
	fmt.Println(err)
	// Output:
	// map[a:1 b:[true <nil>]] <nil>
	// codec: integer at byte 0: encoding is not canonical
}

// Columns of a table are written one after the other, and read side by side.
func ExampleWriter_UintColumn() {
	var w codec.Writer
	w.UintColumn([]uint64{3, 3, 3, 4})
	w.DeltaColumn([]int64{1000, 1001, 1002, 1003})
	w.StringColumn([]string{"open", "open", "open", "done"})
	fmt.Printf("%d bytes\n", w.Len())

	r := codec.NewReader(w.Bytes())
	wards := r.UintColumn("wards", 1000)
	numbers := r.DeltaColumn("numbers", 1000)
	states := r.StringColumn("states", 1000, 16)
	if err := r.Close(); err != nil {
		fmt.Println(err)
		return
	}
	for ward := range wards.All() {
		number, _ := numbers.Next()
		state, _ := states.Next()
		fmt.Println(ward, number, state)
	}
	// Output:
	// 27 bytes
	// 3 1000 open
	// 3 1001 open
	// 3 1002 open
	// 4 1003 done
}

// A FrameReader takes a stream in pieces as they arrive.
func ExampleFrameReader() {
	stream := codec.AppendFrame(nil, codec.Frame{Type: 1, Body: []byte("hello")})
	stream = codec.AppendFrame(stream, codec.Frame{Type: 99, Flags: codec.FlagIgnorable})

	fr := codec.NewFrameReader(codec.DefaultFrameLimit)
	for _, piece := range [][]byte{stream[:4], stream[4:14], stream[14:]} {
		for len(piece) > 0 {
			piece = piece[fr.Feed(piece):]
			for {
				f, ok, err := fr.Next()
				if err != nil {
					fmt.Println(err)
					return
				}
				if !ok {
					break
				}
				fmt.Printf("type %d, %q, ignorable: %v\n", f.Type, f.Body, f.Ignorable())
			}
		}
	}
	fmt.Println(fr.Close())
	// Output:
	// type 1, "hello", ignorable: false
	// type 99, "", ignorable: true
	// <nil>
}

func ExampleFrames() {
	stream := codec.AppendFrame(nil, codec.Frame{Type: 1, Body: []byte("hello")})
	stream = append(stream, "\x09cut off"...)
	for f, err := range codec.Frames(bytes.NewReader(stream), 0) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("type %d, %q\n", f.Type, f.Body)
	}
	// Output:
	// type 1, "hello"
	// codec: frame at byte 12: input is truncated
}

// settings is a side file. Version 2 added the tags.
type settings struct {
	Device string
	Tags   []string
}

func (s *settings) Kind() string    { return "settings" }
func (s *settings) Version() uint64 { return 2 }

func (s *settings) WriteFields(w *codec.FieldWriter, version uint64) {
	w.String(s.Device)
	if version >= 2 {
		w.List(len(s.Tags))
		for _, tag := range s.Tags {
			w.String(tag)
		}
	}
}

func (s *settings) ReadFields(r *codec.FieldReader, version uint64) {
	s.Device = r.String("device", 64)
	if version >= 2 {
		for range r.List("tags", 100) {
			s.Tags = append(s.Tags, r.String("tag", 32))
		}
	}
}

func ExampleDecodeEnvelope() {
	const maxBytes = 1 << 10
	s := &settings{Device: "tablet-7", Tags: []string{"night"}}

	b, _ := codec.AppendEnvelope(nil, s)
	var now settings
	fmt.Println(codec.DecodeEnvelope(b, &now, maxBytes), now)

	b, _ = codec.AppendEnvelopeVersion(nil, s, 1) // as an older program wrote it
	var old settings
	fmt.Println(codec.DecodeEnvelope(b, &old, maxBytes), old)

	b[12] ^= 1
	fmt.Println(codec.DecodeEnvelope(b, new(settings), maxBytes))
	// Output:
	// <nil> {tablet-7 [night]}
	// <nil> {tablet-7 []}
	// codec: envelope at byte 31: checksum does not match
}

// A header of a scheme that this build does not know passes through unchanged.
func ExampleBatchHeader() {
	var w codec.Writer
	w.BatchHeader(codec.BatchHeader{})
	fmt.Printf("unsigned: %x\n", w.Bytes())

	r := codec.NewReader([]byte("\x63\x03key\x00\x03sig"))
	h := r.BatchHeader()
	fmt.Printf("scheme %d by %q: %v\n", h.Scheme, h.Signer, r.Close())
	// Output:
	// unsigned: 00
	// scheme 99 by "key": <nil>
}
