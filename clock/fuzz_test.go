package clock_test

import (
	"bytes"
	"testing"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
)

// What a decoder accepts, it has understood: written again it is the same bytes.

func FuzzReadVersionVector(f *testing.F) {
	for _, v := range []*clock.VersionVector{vector(0, 0, 0), vector(1, 0, 0), vector(7, 1<<64-1, 300)} {
		f.Add(encode(v))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := decodeVector(b)
		if err != nil {
			return
		}
		if again := encode(&v); !bytes.Equal(again, b) {
			t.Errorf("%x is read as %v, which is %x", b, &v, again)
		}
		var rebuilt clock.VersionVector
		for o, n := range v.All() {
			rebuilt.Advance(clock.Dot{Origin: o, N: n})
		}
		if !rebuilt.Equal(&v) || rebuilt.Compare(&v) != clock.Equal {
			t.Errorf("%v is not what it says: %v", &v, &rebuilt)
		}
	})
}

func FuzzReadContext(f *testing.F) {
	for _, c := range []*clock.Context{
		context(),
		context(span(1, 3)),
		context(span(1, 3), span(5, 5), span(7, most), in(oc, span(2, 9))),
		context(in(ob, span(4, 4)), in(oc, span(1, most))),
	} {
		f.Add(encode(c))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := decodeContext(b)
		if err != nil {
			return
		}
		if again := encode(&c); !bytes.Equal(again, b) {
			t.Errorf("%x is read as %v, which is %x", b, &c, again)
		}
		var rebuilt clock.Context
		for r := range c.Ranges() {
			rebuilt.AddRange(r)
			if c.NumRangesOf(r.Origin) > clock.MaxRanges {
				t.Errorf("%v has too many ranges", &c)
			}
		}
		if !rebuilt.Equal(&c) || c.Missing(&rebuilt) != nil {
			t.Errorf("%v is not what it says: %v", &c, &rebuilt)
		}
	})
}

func FuzzReadTable(f *testing.F) {
	var table clock.Table
	for _, o := range []clock.Origin{ob, oc, oa} {
		var w codec.Writer
		table.Number(o)
		table.Write(&w)
		f.Add(w.Bytes())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := codec.NewReader(b)
		table := clock.ReadTable(r, 100)
		if r.Close() != nil {
			return
		}
		var w codec.Writer
		table.Write(&w)
		if !bytes.Equal(w.Bytes(), b) {
			t.Errorf("%x is written again as %x", b, w.Bytes())
		}
	})
}

func FuzzReadDot(f *testing.F) {
	f.Add([]byte{0, 1})
	f.Add([]byte{2, 0x80, 0x01})
	f.Fuzz(func(t *testing.T, b []byte) {
		var table clock.Table
		for _, o := range []clock.Origin{oa, ob, oc} {
			table.Number(o)
		}
		r := codec.NewReader(b)
		d := clock.ReadDot(r, &table)
		if r.Close() != nil {
			return
		}
		var w codec.Writer
		clock.WriteDot(&w, &table, d)
		if !bytes.Equal(w.Bytes(), b) || d.IsZero() || table.Len() != 3 {
			t.Errorf("%x is read as %v, which is %x", b, d, w.Bytes())
		}
	})
}

func FuzzParseReplicaID(f *testing.F) {
	f.Add("0a1b2c3d0000000000000000000000ff")
	f.Add("0A1B2C3D0000000000000000000000FF")
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		id, err := clock.ParseReplicaID(s)
		if err != nil {
			return
		}
		if again, err := clock.ParseReplicaID(id.String()); again != id || err != nil {
			t.Errorf("%q is read as %v, and then as %v, %v", s, id, again, err)
		}
	})
}
