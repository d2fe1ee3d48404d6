package codec_test

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/concord-crdt/concord/codec"
)

func BenchmarkWriter(b *testing.B) {
	var w codec.Writer
	b.ReportAllocs()
	for b.Loop() {
		w.Reset()
		writeRow(&w)
	}
	b.ReportMetric(float64(w.Len()), "wire-B")
}

// writeRow writes something like the row of a change: ten numbers, a key, an
// id, a value and a checksum.
func writeRow(w *codec.Writer) {
	for i := range uint64(10) {
		w.Uvarint(i * 100)
	}
	w.String("visits/ward-3/2026-01-01")
	w.Raw(make([]byte, 16))
	w.Uint64(1 << 60)
	w.Blob([]byte("value of a field"))
	w.Checksum(0)
}

func BenchmarkReader(b *testing.B) {
	var w codec.Writer
	writeRow(&w)
	row := w.Bytes()
	read := func() (sum uint64, err error) {
		r := codec.NewReader(row)
		for range 10 {
			sum += r.Uvarint()
		}
		sum += uint64(len(r.Blob("key", 512)))
		r.Raw(16)
		r.Uint64()
		sum += uint64(len(r.Blob("value", 1<<20)))
		r.Checksum(0)
		return sum, r.Close()
	}
	if sum, err := read(); sum != 4540 || err != nil {
		b.Fatal(sum, err)
	}
	b.ReportAllocs()
	for b.Loop() {
		read()
	}
}

var benchValues = []struct {
	name string
	v    any
}{
	{"int", int64(1234567)},
	{"string", "a field of some thirty letters"},
	{"time", time.UnixMilli(1_700_000_000_123).UTC()},
	{"map", map[string]any{
		"dose": int64(5), "unit": "mg", "given": true, "by": "nurse-7",
		"at": time.UnixMilli(1_700_000_000_123).UTC(), "notes": []any{"after lunch", "with water"},
	}},
	{"deep", nestedList(codec.MaxDepth)},
}

func BenchmarkAppendValue(b *testing.B) {
	for _, bb := range benchValues {
		b.Run(bb.name, func(b *testing.B) {
			buf, err := codec.AppendValue(nil, bb.v)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				buf, _ = codec.AppendValue(buf[:0], bb.v)
			}
			b.ReportMetric(float64(len(buf)), "wire-B")
		})
	}
	b.Run("string from a variable", func(b *testing.B) {
		var buf []byte
		text := fmt.Sprint("a field of some ", "thirty letters")
		b.ReportAllocs()
		for b.Loop() {
			buf, _ = codec.AppendValue(buf[:0], text)
		}
	})
}

// BenchmarkMsgpack is the library behind envelopes on the same values, for
// comparison. It checks neither form nor lengths.
func BenchmarkMsgpack(b *testing.B) {
	v := benchValues[3].v
	var buf bytes.Buffer
	enc := msgpack.NewEncoder(&buf)
	enc.UseCompactInts(true)
	enc.SetSortMapKeys(true)
	if err := enc.Encode(v); err != nil {
		b.Fatal(err)
	}
	encoded := bytes.Clone(buf.Bytes())
	b.Run("append/map", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			buf.Reset()
			enc.Encode(v)
		}
	})
	b.Run("decode/map", func(b *testing.B) {
		in := bytes.NewReader(encoded)
		dec := msgpack.NewDecoder(in)
		b.ReportAllocs()
		for b.Loop() {
			in.Reset(encoded)
			dec.DecodeInterface()
		}
	})
}

func BenchmarkCheckValue(b *testing.B) {
	for _, bb := range benchValues {
		b.Run(bb.name, func(b *testing.B) {
			buf, err := codec.AppendValue(nil, bb.v)
			if err != nil {
				b.Fatal(err)
			}
			if err := codec.CheckValue(buf); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.SetBytes(int64(len(buf)))
			for b.Loop() {
				codec.CheckValue(buf)
			}
		})
	}
}

func BenchmarkDecodeValue(b *testing.B) {
	for _, bb := range benchValues {
		b.Run(bb.name, func(b *testing.B) {
			buf, err := codec.AppendValue(nil, bb.v)
			if err != nil {
				b.Fatal(err)
			}
			if v, err := codec.DecodeValue(buf); err != nil || !reflect.DeepEqual(v, bb.v) {
				b.Fatal(v, err)
			}
			b.ReportAllocs()
			for b.Loop() {
				codec.DecodeValue(buf)
			}
		})
	}
}

// BenchmarkHostileValue gives the memory that a value takes in relation to its
// bytes, for the inputs that take most.
func BenchmarkHostileValue(b *testing.B) {
	const elements = 60_000
	inputs := map[string]string{
		"nils":       "\xc0",
		"lists":      "\x90",
		"maps":       "\x80",
		"small maps": "\x81\xa0\xc0",
		"numbers":    "\xcd\x01\x00",
	}
	for name, element := range inputs {
		b.Run(name, func(b *testing.B) {
			value := append([]byte{0xdc, elements >> 8, elements & 0xff}, bytes.Repeat([]byte(element), elements)...)
			if err := codec.CheckValue(value); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.SetBytes(int64(len(value)))
			for b.Loop() {
				codec.DecodeValue(value)
			}
		})
	}
}

func BenchmarkUintColumn(b *testing.B) {
	const rows = 10_000
	columns := map[string][]uint64{"runs": nil, "noise": nil}
	for i := range uint64(rows) {
		columns["runs"] = append(columns["runs"], i/50)
		columns["noise"] = append(columns["noise"], i*7919%1000)
	}
	for name, v := range columns {
		var w codec.Writer
		w.UintColumn(v)
		r := codec.NewReader(w.Bytes())
		c := r.UintColumn("column", rows)
		if got := slices.Collect(c.All()); r.Close() != nil || !slices.Equal(got, v) {
			b.Fatal(name)
		}
		b.Run(fmt.Sprintf("write/rows=%d/%s", rows, name), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				w.Reset()
				w.UintColumn(v)
			}
			b.ReportMetric(float64(w.Len()), "wire-B")
		})
		b.Run(fmt.Sprintf("check/rows=%d/%s", rows, name), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r := codec.NewReader(w.Bytes())
				r.UintColumn("column", rows)
			}
		})
		b.Run(fmt.Sprintf("read/rows=%d/%s", rows, name), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				cursor := c
				for _, ok := cursor.Next(); ok; _, ok = cursor.Next() {
				}
			}
		})
	}
}

func BenchmarkDeltaColumn(b *testing.B) {
	const rows = 10_000
	v := make([]int64, rows)
	for i := range v {
		v[i] = 1_700_000_000_000 + int64(i)*250 + int64(i%7)
	}
	var w codec.Writer
	b.ReportAllocs()
	for b.Loop() {
		w.Reset()
		w.DeltaColumn(v)
	}
	b.ReportMetric(float64(w.Len()), "wire-B")
}

func BenchmarkStringColumn(b *testing.B) {
	const rows = 10_000
	v := make([]string, rows)
	for i := range v {
		v[i] = fmt.Sprintf("ward-%d", i*7919%20)
	}
	var w codec.Writer
	w.StringColumn(v)
	b.Run(fmt.Sprintf("write/rows=%d/distinct=20", rows), func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			w.Reset()
			w.StringColumn(v)
		}
		b.ReportMetric(float64(w.Len()), "wire-B")
	})
	b.Run(fmt.Sprintf("read/rows=%d/distinct=20", rows), func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r := codec.NewReader(w.Bytes())
			c := r.StringColumn("column", rows, 100)
			for _, ok := c.Next(); ok; _, ok = c.Next() {
			}
		}
	})
}

func BenchmarkEnvelope(b *testing.B) {
	want := fullNote()
	buf, err := codec.AppendEnvelope(nil, want)
	if err != nil {
		b.Fatal(err)
	}
	got := new(note)
	if err := codec.DecodeEnvelope(buf, got, maxNoteBytes); err != nil || !reflect.DeepEqual(got, want) {
		b.Fatal(got, err)
	}
	b.Run("append", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			buf, _ = codec.AppendEnvelope(buf[:0], want)
		}
		b.ReportMetric(float64(len(buf)), "wire-B")
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			codec.DecodeEnvelope(buf, got, maxNoteBytes)
		}
	})
}

func BenchmarkFrame(b *testing.B) {
	for _, size := range []int{16, 1 << 10, 64 << 10} {
		frame := codec.Frame{Type: 1, Body: bytes.Repeat([]byte("x"), size)}
		buf := codec.AppendFrame(nil, frame)
		b.Run(fmt.Sprintf("append/body=%d", size), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(buf)))
			for b.Loop() {
				buf = codec.AppendFrame(buf[:0], frame)
			}
		})
		for _, piece := range []int{len(buf), 1400} {
			b.Run(fmt.Sprintf("read/body=%d/piece=%d", size, min(piece, len(buf))), func(b *testing.B) {
				r := codec.NewFrameReader(0)
				b.ReportAllocs()
				b.SetBytes(int64(len(buf)))
				for b.Loop() {
					for p := range bytesChunks(buf, piece) {
						r.Feed(p)
					}
					if f, ok, err := r.Next(); !ok || err != nil || len(f.Body) != size {
						b.Fatal(ok, err)
					}
				}
			})
			if len(buf) <= 1400 {
				break
			}
		}
	}
}
