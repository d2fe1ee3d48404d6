package codec_test

import (
	"bytes"
	"encoding/hex"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/concord-crdt/concord/codec"
)

// goldenFile holds the encodings of the first format, one a line: the decoder
// that reads it, a name, and the bytes in hexadecimal. No flag writes it: as long
// as the formats are not frozen its lines change by hand, with the reason in the
// commit. From then on they never do, and a new format gets a file beside it.
const goldenFile = "testdata/v1/vectors.txt"

// goldenVectors makes the content of the golden file with today's writers.
func goldenVectors(t *testing.T) []string {
	t.Helper()
	var lines []string
	add := func(decoder, name string, b []byte, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		lines = append(lines, strings.Join([]string{decoder, strings.ReplaceAll(name, " ", "-"), hex.EncodeToString(b)}, " "))
	}
	write := func(decoder, name string, f func(*codec.Writer)) {
		t.Helper()
		var w codec.Writer
		f(&w)
		add(decoder, name, w.Bytes(), nil)
	}
	for _, v := range values {
		b, err := codec.AppendValue(nil, v.in)
		if len(b) < 64 {
			add("Value", v.name, b, err)
		}
	}
	write("UintColumn", "runs", func(w *codec.Writer) { w.UintColumn([]uint64{1, 1, 2, 3, 3, 3, math.MaxUint64}) })
	write("DeltaColumn", "steps", func(w *codec.Writer) { w.DeltaColumn([]int64{10, 20, 30, -5, math.MinInt64}) })
	write("BoolColumn", "runs", func(w *codec.Writer) { w.BoolColumn([]bool{true, true, false, true}) })
	write("StringColumn", "words", func(w *codec.Writer) { w.StringColumn([]string{"b", "", "ü", "b", "b"}) })
	write("BlobColumn", "bytes", func(w *codec.Writer) { w.BlobColumn([][]byte{{255}, {}, {255}}) })
	write("BatchHeader", "unsigned", func(w *codec.Writer) { w.BatchHeader(codec.BatchHeader{}) })
	write("BatchHeader", "signed", func(w *codec.Writer) {
		w.BatchHeader(codec.BatchHeader{Scheme: 1, Signer: []byte("key"), Claims: []byte{7}, Signature: []byte("sig")})
	})
	for version := uint64(1); version <= 2; version++ {
		b, err := codec.AppendEnvelopeVersion(nil, fullNote(), version)
		add("Envelope", "note", b, err)
	}
	add("Frame", "two", encodeFrames(someFrames()[:2]), nil)
	return lines
}

func TestGoldenVectors(t *testing.T) {
	file, err := os.ReadFile(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Split(strings.TrimSpace(string(file)), "\n")
	got := goldenVectors(t)
	for _, line := range got {
		if !slices.Contains(want, line) {
			t.Errorf("not in the golden file: %s", line)
		}
	}
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("no longer written: %s", line)
		}
		part := strings.Fields(line)
		b := unhex(t, part[2])
		again, err := recoders[part[0]](b)
		if err != nil || !bytes.Equal(again, b) {
			t.Errorf("%s: read, and encoded as %x (%v)", line, again, err)
		}
	}
}
