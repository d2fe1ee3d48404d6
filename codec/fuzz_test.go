package codec_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"iter"
	"math"
	"slices"
	"testing"

	"github.com/concord-crdt/concord/codec"
)

// Every decoder must refuse its input with an error of a known class, or accept
// it and encode what it read to the same bytes. A recode decodes b and returns
// the second encoding.
type recode func(b []byte) ([]byte, error)

// recodeWith makes a recode of a Reader method and a Writer method.
func recodeWith(copy func(*codec.Reader, *codec.Writer)) recode {
	return func(b []byte) ([]byte, error) {
		r := codec.NewReader(b)
		var w codec.Writer
		copy(r, &w)
		return w.Bytes(), r.Close()
	}
}

var recoders = map[string]recode{
	"Value": func(b []byte) ([]byte, error) {
		v, err := codec.DecodeValue(b)
		if err != nil {
			return nil, err
		}
		return codec.AppendValue(nil, v)
	},
	"UintColumn": recodeWith(func(r *codec.Reader, w *codec.Writer) {
		c := r.UintColumn("column", maxRows)
		w.UintColumn(slices.Collect(c.All()))
	}),
	"DeltaColumn": recodeWith(func(r *codec.Reader, w *codec.Writer) {
		c := r.DeltaColumn("column", maxRows)
		w.DeltaColumn(slices.Collect(c.All()))
	}),
	"BoolColumn": recodeWith(func(r *codec.Reader, w *codec.Writer) {
		c := r.BoolColumn("column", maxRows)
		w.BoolColumn(slices.Collect(c.All()))
	}),
	"StringColumn": recodeWith(func(r *codec.Reader, w *codec.Writer) {
		c := r.StringColumn("column", maxRows, maxCellBytes)
		w.StringColumn(slices.Collect(c.All()))
	}),
	"BlobColumn": recodeWith(func(r *codec.Reader, w *codec.Writer) {
		c := r.BlobColumn("column", maxRows, maxCellBytes)
		w.BlobColumn(slices.Collect(c.All()))
	}),
	"BatchHeader": recodeWith(func(r *codec.Reader, w *codec.Writer) {
		w.BatchHeader(r.BatchHeader())
	}),
	"Envelope": func(b []byte) ([]byte, error) {
		m := new(note)
		if err := codec.DecodeEnvelope(b, m, maxNoteBytes); err != nil {
			return nil, err
		}
		_, version, err := codec.PeekEnvelope(b)
		if err != nil {
			return nil, err
		}
		return codec.AppendEnvelopeVersion(nil, m, version)
	},
	"Frame": func(b []byte) ([]byte, error) {
		var again []byte
		for f, err := range codec.Frames(bytes.NewReader(b), maxCellBytes) {
			if err != nil {
				return nil, err
			}
			again = codec.AppendFrame(again, f)
		}
		return again, nil
	},
}

// checkRecode fails if recode breaks its promise on b.
func checkRecode(t testing.TB, recode recode, b []byte) (accepted bool) {
	t.Helper()
	before := bytes.Clone(b)
	again, err := recode(b)
	if !bytes.Equal(b, before) {
		t.Fatalf("the decoder changed its input %x to %x", before, b)
	}
	if err != nil {
		checkClass(t, err)
		return false
	}
	if !bytes.Equal(again, b) {
		t.Fatalf("%x was accepted, and encoded as %x", b, again)
	}
	return true
}

func checkClass(t testing.TB, err error) {
	t.Helper()
	for _, class := range []error{
		codec.ErrTruncated, codec.ErrLimit, codec.ErrNotCanonical, codec.ErrChecksum,
		codec.ErrVersion, codec.ErrTrailing, codec.ErrMalformed,
	} {
		if errors.Is(err, class) {
			return
		}
	}
	t.Fatalf("the error %v is of no class", err)
}

// withSum returns b with the checksum that makes the end of b valid, if b is
// long enough: without it a fuzzer sees little but wrong checksums.
func withSum(b []byte, tailBytes int) []byte {
	if len(b) < 4+tailBytes {
		return b
	}
	front := b[:len(b)-4]
	sum := crc32.Checksum(front[:len(front)-tailBytes], crc32.MakeTable(crc32.Castagnoli))
	return binary.BigEndian.AppendUint32(bytes.Clone(front), sum)
}

// All inputs of up to four bytes over an alphabet of those that matter to some
// decoder, and of up to six over the smallest numbers.
func TestShortInputs(t *testing.T) {
	sets := []struct {
		alphabet string
		longest  int
	}{
		{"\x00\x01\x02\x05\x7f\x80\x81\x91\xa1\xc4\xcc\xff", 4},
		{"\x00\x01\x02\x03\x04", 6},
	}
	// Not those with a checksum, which no short input has right.
	for _, name := range []string{
		"Value", "UintColumn", "DeltaColumn", "BoolColumn", "StringColumn", "BlobColumn", "BatchHeader",
	} {
		accepted := 0
		for _, set := range sets {
			for size := range set.longest + 1 {
				for input := range wordsOf(set.alphabet, size) {
					if checkRecode(t, recoders[name], input) {
						accepted++
					}
				}
			}
		}
		if accepted < 10 {
			t.Errorf("%s: only %d inputs were accepted", name, accepted)
		}
	}
}

// wordsOf returns all words of the given size. Each is valid until the next.
func wordsOf(alphabet string, size int) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		word, digits := make([]byte, size), make([]int, size)
		for {
			for i, d := range digits {
				word[i] = alphabet[d]
			}
			if !yield(word) {
				return
			}
			i := 0
			for ; i < size; i++ {
				if digits[i]++; digits[i] < len(alphabet) {
					break
				}
				digits[i] = 0
			}
			if i == size {
				return
			}
		}
	}
}

func FuzzReader(f *testing.F) {
	var w codec.Writer
	w.Byte(1)
	w.Bool(true)
	w.Uvarint(300)
	w.Varint(-300)
	w.Uint32(1)
	w.Uint64(2)
	w.Blob([]byte("blob"))
	w.String("string")
	w.Uvarint(3)
	w.Raw([]byte("raw"))
	w.Checksum(0)
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, w.Bytes())
	f.Add([]byte{2, 2, 2}, []byte{0x80, 0x00, 0xff})
	f.Add([]byte{6, 7, 8}, bytes.Repeat([]byte{0xff}, 30))
	f.Fuzz(func(t *testing.T, program, input []byte) {
		n := 0 // the last count
		checkRecode(t, recodeWith(func(r *codec.Reader, w *codec.Writer) {
			for _, op := range program {
				if r.Err() != nil {
					return
				}
				switch op % 11 {
				case 0:
					w.Byte(r.Byte())
				case 1:
					w.Bool(r.Bool())
				case 2:
					w.Uvarint(r.Uvarint())
				case 3:
					w.Varint(r.Varint())
				case 4:
					w.Uint32(r.Uint32())
				case 5:
					w.Uint64(r.Uint64())
				case 6:
					w.Blob(r.Blob("blob", maxCellBytes))
				case 7:
					w.String(r.String("string", maxCellBytes))
				case 8:
					n = r.Count("count", maxCellBytes, 1)
					w.Uvarint(uint64(n))
				case 9:
					w.Raw(r.Raw(n))
				case 10:
					r.Checksum(0)
					if r.Err() == nil {
						w.Checksum(0)
					}
				}
			}
		}), input)
	})
}

func FuzzValue(f *testing.F) {
	for _, v := range values {
		if b, err := codec.AppendValue(nil, v.in); err == nil && len(b) < 100 {
			f.Add(b)
		}
	}
	f.Add(bytes.Repeat([]byte{0x91}, 200))
	f.Add([]byte("\x82\xa1a\xdd\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		accepted := checkRecode(t, recoders["Value"], b)
		if accepted != (codec.CheckValue(b) == nil) {
			t.Fatalf("CheckValue and DecodeValue differ on %x", b)
		}
	})
}

// fuzzColumn adds what write makes of some columns, and fuzzes the decoder.
func fuzzColumn(f *testing.F, name string, columns ...func(*codec.Writer)) {
	for _, write := range columns {
		var w codec.Writer
		write(&w)
		f.Add(w.Bytes())
	}
	f.Add([]byte{})
	f.Add([]byte{0x04, 0x04, 0x05, 0x04, 0x05})
	f.Add([]byte{0xff, 0xff, 0x3f, 0xfe, 0xff, 0x7f, 0x01})
	f.Fuzz(func(t *testing.T, b []byte) { checkRecode(t, recoders[name], b) })
}

func FuzzUintColumn(f *testing.F) {
	fuzzColumn(f, "UintColumn",
		func(w *codec.Writer) { w.UintColumn([]uint64{1, 1, 2, 3, 3, 3, math.MaxUint64}) },
		func(w *codec.Writer) { w.UintColumn(make([]uint64, 1000)) })
}

func FuzzDeltaColumn(f *testing.F) {
	fuzzColumn(f, "DeltaColumn",
		func(w *codec.Writer) { w.DeltaColumn([]int64{5, 10, 15, -7, math.MinInt64, math.MaxInt64}) })
}

func FuzzBoolColumn(f *testing.F) {
	fuzzColumn(f, "BoolColumn",
		func(w *codec.Writer) { w.BoolColumn([]bool{true, true, false, true}) },
		func(w *codec.Writer) { w.BoolColumn(make([]bool, 1000)) })
}

func FuzzStringColumn(f *testing.F) {
	fuzzColumn(f, "StringColumn",
		func(w *codec.Writer) { w.StringColumn([]string{"b", "a", "a", "ü", ""}) })
}

func FuzzBlobColumn(f *testing.F) {
	fuzzColumn(f, "BlobColumn",
		func(w *codec.Writer) { w.BlobColumn([][]byte{{1}, {0xff}, {1}, {}}) })
}

func FuzzBatchHeader(f *testing.F) {
	var w codec.Writer
	w.BatchHeader(codec.BatchHeader{Scheme: 1, Signer: []byte("signer"), Claims: []byte("claims"), Signature: []byte("sig")})
	f.Add(w.Bytes())
	f.Add([]byte{0})
	f.Add([]byte{9, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) { checkRecode(t, recoders["BatchHeader"], b) })
}

func FuzzEnvelope(f *testing.F) {
	for version := uint64(1); version <= 2; version++ {
		b, err := codec.AppendEnvelopeVersion(nil, fullNote(), version)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add(envelope(f, "a46e6f7465 01 91d90178"))
	f.Add(envelope(f, "a46e6f7465 09 90"))
	f.Fuzz(func(t *testing.T, b []byte) {
		checkRecode(t, recoders["Envelope"], b)
		checkRecode(t, recoders["Envelope"], withSum(b, 2))
		if _, _, err := codec.PeekEnvelope(b); err != nil {
			checkClass(t, err)
		}
	})
}

func FuzzFrame(f *testing.F) {
	f.Add(encodeFrames(someFrames()[:3]), uint8(3))
	f.Add(sealed("\x80\x00\x01\x10"), uint8(1))
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), uint8(1))
	f.Fuzz(func(t *testing.T, b []byte, split uint8) {
		b = withSum(b, 0)
		checkRecode(t, recoders["Frame"], b)

		// The same frames, and the same end, whatever the pieces.
		var whole, pieces []codec.Frame
		var wholeErr error
		for f, err := range codec.Frames(bytes.NewReader(b), maxCellBytes) {
			if wholeErr = err; err == nil {
				whole = append(whole, codec.Frame{Type: f.Type, Flags: f.Flags, Body: bytes.Clone(f.Body)})
			}
		}
		r := codec.NewFrameReader(maxCellBytes)
		var err error
		for piece := range bytesChunks(b, int(split)+1) {
			for len(piece) > 0 && err == nil {
				n := r.Feed(piece)
				if n == 0 {
					t.Fatal("Feed took nothing after all frames were fetched")
				}
				piece = piece[n:]
				for {
					f, ok, nextErr := r.Next()
					if err = nextErr; !ok {
						break
					}
					pieces = append(pieces, codec.Frame{Type: f.Type, Flags: f.Flags, Body: bytes.Clone(f.Body)})
				}
			}
		}
		err = r.Close()
		if !sameFrames(whole, pieces) || (err == nil) != (wholeErr == nil) || err != nil && err.Error() != wholeErr.Error() {
			t.Fatalf("whole: %d frames, %v; in pieces: %d frames, %v", len(whole), wholeErr, len(pieces), err)
		}
	})
}
