package replica

import (
	"bytes"
	"encoding/hex"
	"errors"
	"slices"
	"testing"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt"
)

// Rows have one encoding each, and the limits of what is in them.

var rowKey = []byte("key")

//concord:edge limits
func TestLimitsAreThoseOfTheFormat(t *testing.T) {
	if maxKeyBytes != crdt.MaxKeyBytes {
		t.Errorf("keys of %d bytes, of the format %d", maxKeyBytes, crdt.MaxKeyBytes)
	}
	row := func(parts int) []byte {
		return (&changeRow{fate: Applied, parts: make([]partRow, parts), change: []byte{1}}).encode(rowKey)
	}
	if _, err := decodeChangeRow(rowKey, row(crdt.MaxParts)); err != nil {
		t.Error(err)
	}
	if _, err := decodeChangeRow(rowKey, row(crdt.MaxParts+1)); !errors.Is(err, codec.ErrLimit) {
		t.Errorf("%d parts: %v", crdt.MaxParts+1, err)
	}
}

//concord:edge hostile bytes
func TestChangeRowsThatMeanNothing(t *testing.T) {
	for _, c := range []struct {
		name string
		row  changeRow
		want error
	}{
		{"applied", changeRow{fate: Applied, parts: []partRow{{before: place{1, 2}}}, change: []byte{1}}, nil},
		{"waiting", changeRow{fate: Waiting, change: []byte{1}}, nil},
		{"no fate", changeRow{change: []byte{1}}, codec.ErrMalformed},
		{"another fate", changeRow{fate: 4, change: []byte{1}}, codec.ErrMalformed},
		{"waiting, and applied to a record", changeRow{fate: Waiting, parts: make([]partRow, 1), change: []byte{1}}, codec.ErrMalformed},
		{"no change", changeRow{fate: Applied}, codec.ErrMalformed},
		{"no change before, of some origin", changeRow{fate: Applied, parts: []partRow{{before: place{1, 0}}}, change: []byte{1}}, codec.ErrNotCanonical},
	} {
		if _, err := decodeChangeRow(rowKey, c.row.encode(rowKey)); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
	for _, f := range []Fate{0, Applied, 4} {
		if _, err := decodeFateRow(rowKey, (&fateRow{fate: f}).encode(rowKey)); !errors.Is(err, codec.ErrMalformed) {
			t.Errorf("a fate row of fate %d: %v", f, err)
		}
	}
}

func TestHeaderRowHasOneEncoding(t *testing.T) {
	a, b := goldenOrigin(1), goldenOrigin(2)
	heads := []clock.Dot{{Origin: a, N: 3}, {Origin: b, N: 4}}
	header := func(origins []clock.Origin, heads []clock.Dot) []byte {
		w, body := codec.NewWriter(nil), codec.NewWriter(nil)
		w.Byte(rowVersion)
		w.Bool(true)
		w.Raw(make([]byte, 16))
		for range 6 {
			w.Uvarint(1)
		}
		var t clock.Table
		for _, o := range origins {
			t.Number(o)
		}
		var v clock.VersionVector
		for _, d := range heads {
			v.Advance(d)
		}
		v.Write(body, &t)
		writeDots(body, &t, heads)
		writeDots(body, &t, nil)
		t.Write(w)
		w.Raw(body.Bytes())
		return seal(w, rowKey)
	}
	back := slices.Clone(heads)
	slices.Reverse(back)
	for _, c := range []struct {
		name  string
		bytes []byte
		want  error
	}{
		{"as it is written", header([]clock.Origin{a, b}, heads), nil},
		{"origins out of order", header([]clock.Origin{b, a}, heads), codec.ErrNotCanonical},
		{"origin that is not used", header([]clock.Origin{a, b, goldenOrigin(3)}, heads), codec.ErrNotCanonical},
		{"origin of zeros", header([]clock.Origin{a, b, {}}, heads), codec.ErrMalformed},
		{"heads out of order", header([]clock.Origin{a, b}, back), codec.ErrNotCanonical},
		{"a head twice", header([]clock.Origin{a}, []clock.Dot{heads[0], heads[0]}), codec.ErrNotCanonical},
	} {
		h, err := decodeHeader(rowKey, c.bytes)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
		if err == nil && !bytes.Equal(h.encode(rowKey), c.bytes) {
			t.Errorf("%s: %x is written as %x", c.name, c.bytes, h.encode(rowKey))
		}
	}
}

// FuzzRows decodes rows under a checksum that is right. What is accepted must
// come out the same when it is encoded again.
//
//concord:edge hostile bytes
func FuzzRows(f *testing.F) {
	formats := []string{"change row", "header row", "fate row", "sum row", "repair row"}
	for _, v := range goldenVectors(f) {
		if i := slices.Index(formats, v.Format); i >= 0 {
			b, err := hex.DecodeString(v.Bytes)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(uint8(i), b[:len(b)-4])
		}
	}
	f.Fuzz(func(t *testing.T, format uint8, body []byte) {
		w := codec.NewWriter(nil)
		w.Raw(body)
		value := seal(w, rowKey)
		again, err := recoders[formats[int(format)%len(formats)]](rowKey, value)
		if err == nil && !bytes.Equal(again, value) {
			t.Fatalf("%x was accepted and is written as %x", value, again)
		}
	})
}
