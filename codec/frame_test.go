package codec_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"runtime"
	"slices"
	"testing"
	"testing/iotest"

	"github.com/concord-crdt/concord/codec"
)

// sealed appends the checksum to the front of a frame.
func sealed(front string) []byte {
	sum := crc32.Checksum([]byte(front), crc32.MakeTable(crc32.Castagnoli))
	return binary.BigEndian.AppendUint32([]byte(front), sum)
}

func someFrames() []codec.Frame {
	return []codec.Frame{
		{Type: 1, Body: []byte{}},
		{Type: 2, Flags: codec.FlagIgnorable, Body: []byte("hello")},
		{Type: 255, Flags: 0x0f, Body: bytes.Repeat([]byte("x"), 300)},
		{Type: 3, Body: make([]byte, codec.DefaultFrameLimit)},
		{Type: 4, Body: []byte{0}},
	}
}

func encodeFrames(frames []codec.Frame) []byte {
	var b []byte
	for _, f := range frames {
		b = codec.AppendFrame(b, f)
	}
	return b
}

func TestFrameBytes(t *testing.T) {
	got := codec.AppendFrame([]byte("before"), codec.Frame{Type: 7, Flags: 0xf1, Body: []byte("ab")})
	want := append([]byte("before"), sealed("\x02\x07\x11ab")...)
	if !bytes.Equal(got, want) {
		t.Errorf("got %x, want %x", got, want)
	}
}

func sameFrames(a, b []codec.Frame) bool {
	return slices.EqualFunc(a, b, func(a, b codec.Frame) bool {
		return a.Type == b.Type && a.Flags == b.Flags && bytes.Equal(a.Body, b.Body)
	})
}

// drain collects copies of all complete frames.
func drain(t *testing.T, r *codec.FrameReader, got []codec.Frame) []codec.Frame {
	t.Helper()
	for {
		f, ok, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return got
		}
		f.Body = append([]byte{}, f.Body...)
		got = append(got, f)
	}
}

func TestFramesArriveAtEverySplit(t *testing.T) {
	want := someFrames()
	stream := encodeFrames(want)
	for _, size := range []int{1, 2, 3, 5, 7, 64, 1000, 4096, 65535, 1 << 20} {
		r := codec.NewFrameReader(0)
		var got []codec.Frame
		for piece := range bytesChunks(stream, size) {
			for len(piece) > 0 {
				n := r.Feed(piece)
				if n == 0 {
					t.Fatal("Feed took nothing after all frames were fetched")
				}
				piece = piece[n:]
				got = drain(t, r, got)
			}
		}
		if err := r.Close(); err != nil || r.Buffered() != 0 {
			t.Errorf("pieces of %d: close: %v, %d bytes left", size, err, r.Buffered())
		}
		if !sameFrames(want, got) {
			t.Errorf("pieces of %d: got %d other frames", size, len(got))
		}
	}
}

func bytesChunks(b []byte, size int) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(b) > 0 {
			n := min(size, len(b))
			if !yield(b[:n]) {
				return
			}
			b = b[n:]
		}
	}
}

func TestFrameReaderBoundsItsBuffer(t *testing.T) {
	const limit = 10
	r := codec.NewFrameReader(limit)
	frame := codec.AppendFrame(nil, codec.Frame{Type: 1, Body: make([]byte, limit)})
	stream := bytes.Repeat(frame, 100)
	if n := r.Feed(stream); n < len(frame) || n > 2*len(frame) {
		t.Errorf("took %d bytes under a limit of %d", n, limit)
	}
	r.Next()
	before := r.Buffered()
	if n := r.Feed(stream); n != len(frame) {
		t.Errorf("took %d bytes with %d buffered", n, before)
	}
}

func TestFrameReaderRefuses(t *testing.T) {
	good := codec.AppendFrame(nil, codec.Frame{Type: 1, Body: []byte("ok")})
	flipped := codec.AppendFrame(nil, codec.Frame{Type: 1, Body: []byte("broken")})
	flipped[4] ^= 0x10
	tests := []struct {
		name   string
		stream string
		want   error
	}{
		{"damage", string(flipped), codec.ErrChecksum},
		{"above the limit", "\x65", codec.ErrLimit},
		{"far above the limit", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", codec.ErrLimit},
		{"length of more than 64 bits", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", codec.ErrMalformed},
		{"length without end", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", codec.ErrMalformed},
		{"overlong length", string(sealed("\x80\x00\x01\x10")), codec.ErrNotCanonical},
		{"later version", string(sealed("\x00\x01\x20")), codec.ErrVersion},
		{"no version", string(sealed("\x00\x01\x00")), codec.ErrVersion},
		{"zeros", string(make([]byte, 20)), codec.ErrChecksum},
		{"cut in the length", "\x80", codec.ErrTruncated},
		{"cut in the body", string(good[:4]), codec.ErrTruncated},
		{"cut in the checksum", string(good[:len(good)-1]), codec.ErrTruncated},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := codec.NewFrameReader(100)
			var err error
			for stream := append(bytes.Clone(good), tt.stream...); len(stream) > 0 && err == nil; {
				stream = stream[r.Feed(stream[:1]):]
				_, _, err = r.Next()
			}
			if closed := r.Close(); err == nil {
				err = closed
			} else if closed != err {
				t.Errorf("Close returned %v", closed)
			}
			if !errors.Is(err, tt.want) {
				t.Fatalf("got error %v, want %v", err, tt.want)
			}
			if at, ok := errors.AsType[*codec.DecodeError](err); !ok || at.Offset != len(good) {
				t.Errorf("got %v, want it at %d", err, len(good))
			}
			if _, ok, again := r.Next(); ok || again != err || r.Feed(good) != 0 {
				t.Error("the reader went on after an error")
			}
		})
	}
}

func TestFrameLimits(t *testing.T) {
	tests := []struct {
		limit, body int
		ok          bool
	}{
		{0, codec.DefaultFrameLimit, true},
		{0, codec.DefaultFrameLimit + 1, false},
		{-5, codec.DefaultFrameLimit, true},
		{1, 1, true},
		{1, 2, false},
		{codec.MaxFrameLimit, codec.MaxFrameLimit, true},
		{codec.MaxFrameLimit + 1, codec.MaxFrameLimit + 1, false},
	}
	for _, tt := range tests {
		r := codec.NewFrameReader(tt.limit)
		b := codec.AppendFrame(nil, codec.Frame{Body: make([]byte, tt.body)})
		b = b[r.Feed(b):]
		_, ok, err := r.Next()
		if ok != tt.ok || ok == errors.Is(err, codec.ErrLimit) || ok && len(b) > 0 {
			t.Errorf("limit %d, body of %d: got %v, %v", tt.limit, tt.body, ok, err)
		}
	}
}

// The buffer does not grow with the stream, whether all frames are fetched after
// each piece or one.
func TestFrameReaderReusesItsBuffer(t *testing.T) {
	const body, frames = 1000, 2000
	frame := codec.AppendFrame(nil, codec.Frame{Type: 1, Body: make([]byte, body)})
	stream := bytes.Repeat(frame, frames)
	for _, fetchAll := range []bool{true, false} {
		for _, piece := range []int{7, 1001, 5000} {
			r := codec.NewFrameReader(8 * body)
			got := 0
			allocated := allocatedBytes(func() {
				for rest := stream; len(rest) > 0 || r.Buffered() > 0; {
					rest = rest[r.Feed(rest[:min(piece, len(rest))]):]
					for {
						_, ok, err := r.Next()
						if err != nil {
							t.Fatal(err)
						}
						if !ok {
							break
						}
						got++
						if !fetchAll {
							break
						}
					}
				}
			})
			if got != frames || allocated > 64*body {
				t.Errorf("pieces of %d: %d frames, %d bytes allocated", piece, got, allocated)
			}
		}
	}
}

// allocatedBytes returns how many bytes f allocates.
func allocatedBytes(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestFrameReaderBelievesNoLength(t *testing.T) {
	head := []byte{0x80, 0x80, 0x40} // announces 1 MiB
	const readers = 100
	allocated := allocatedBytes(func() {
		for range readers {
			r := codec.NewFrameReader(codec.MaxFrameLimit)
			r.Feed(head)
			if _, ok, err := r.Next(); ok || err != nil {
				t.Fatal(ok, err)
			}
		}
	})
	if each := allocated / readers; each > 1024 {
		t.Errorf("an announced frame of 1 MiB allocates %d bytes", each)
	}
}

func TestFramesOfAStream(t *testing.T) {
	want := someFrames()
	stream := encodeFrames(want)
	readers := map[string]io.Reader{
		"whole":            bytes.NewReader(stream),
		"one byte a time":  iotest.OneByteReader(bytes.NewReader(stream)),
		"half reads":       iotest.HalfReader(bytes.NewReader(stream)),
		"data with EOF":    iotest.DataErrReader(bytes.NewReader(stream)),
		"empty reads, too": &hesitant{r: bytes.NewReader(stream)},
	}
	for name, stream := range readers {
		var got []codec.Frame
		for f, err := range codec.Frames(stream, 0) {
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			got = append(got, codec.Frame{Type: f.Type, Flags: f.Flags, Body: append([]byte{}, f.Body...)})
		}
		if !sameFrames(want, got) {
			t.Errorf("%s: got %d other frames", name, len(got))
		}
	}
}

// hesitant returns nothing at every other read.
type hesitant struct {
	r io.Reader
	n int
}

func (h *hesitant) Read(p []byte) (int, error) {
	if h.n++; h.n%2 == 1 {
		return 0, nil
	}
	return h.r.Read(p)
}

func TestFramesEndWithTheErrorOfTheStream(t *testing.T) {
	good := codec.AppendFrame(nil, codec.Frame{Type: 1})
	broken := errors.New("broken")
	tests := []struct {
		name   string
		stream io.Reader
		frames int
		want   error
	}{
		{"nothing", bytes.NewReader(nil), 0, nil},
		{"cut", bytes.NewReader(good[:3]), 0, codec.ErrTruncated},
		{"cut after one", bytes.NewReader(append(bytes.Clone(good), 9)), 1, codec.ErrTruncated},
		{"broken", io.MultiReader(bytes.NewReader(good), iotest.ErrReader(broken)), 1, broken},
		{"stuck", io.MultiReader(bytes.NewReader(good), stuck{}), 1, io.ErrNoProgress},
		{"damaged", bytes.NewReader(append(bytes.Clone(good), make([]byte, 7)...)), 1, codec.ErrChecksum},
	}
	for _, tt := range tests {
		frames := 0
		var last error
		for _, err := range codec.Frames(tt.stream, 0) {
			if last = err; err == nil {
				frames++
			}
		}
		if frames != tt.frames || !errors.Is(last, tt.want) {
			t.Errorf("%s: got %d frames and %v", tt.name, frames, last)
		}
	}
}

type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

func TestFramesStopWhenAsked(t *testing.T) {
	for range codec.Frames(bytes.NewReader(encodeFrames(someFrames())), 0) {
		return
	}
}

func TestIgnorable(t *testing.T) {
	if (codec.Frame{Flags: 0x0e}).Ignorable() || !(codec.Frame{Flags: 0x0f}).Ignorable() {
		t.Error("the ignorable flag is not the lowest bit")
	}
}
