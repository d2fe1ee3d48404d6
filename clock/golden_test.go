package clock_test

import (
	"bytes"
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
)

// The file holds a name and the bytes of each line, of the first form of these
// encodings. No flag writes it: as long as the formats are not frozen it changes
// by hand, with the reason in the commit, and from then on never.
func TestGoldenVectors(t *testing.T) {
	values := map[string]encoder{
		"vector/empty":       vector(0, 0, 0),
		"vector/one":         vector(1, 0, 0),
		"vector/three":       vector(300, 1, 1<<64-1),
		"context/empty":      context(),
		"context/whole":      context(span(1, 5)),
		"context/ranges":     context(span(1, 3), span(5, 5), span(300, 1000)),
		"context/onlyranges": context(span(2, 2), in(oc, span(1<<40, 1<<40+9))),
		"context/top":        context(span(1, 9), in(ob, span(1, 2)), in(ob, span(1<<32, most))),
	}
	file, err := os.ReadFile("testdata/v1/clock.txt")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Fields(string(file))
	check(t, "vectors in the file", len(lines)/2, len(values))
	for i := 0; i+1 < len(lines); i += 2 {
		name := lines[i]
		want, err := hex.DecodeString(lines[i+1])
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		value := values[name]
		if value == nil {
			t.Errorf("%s: what is it?", name)
			continue
		}
		if got := encode(value); !bytes.Equal(got, want) {
			t.Errorf("%s: got %x, want %x", name, got, want)
		}
		var read encoder
		switch value.(type) {
		case *clock.VersionVector:
			var v clock.VersionVector
			v, err = decodeVector(want)
			read = &v
		case *clock.Context:
			var c clock.Context
			c, err = decodeContext(want)
			read = &c
		}
		if err != nil || !bytes.Equal(encode(read), want) {
			t.Errorf("%s: read as %v, %v", name, read, err)
		}
	}
}

// Cut anywhere, or with a byte changed, an encoding is refused or is another
// value; it is never read beyond its end.
func TestDamagedEncodings(t *testing.T) {
	whole := encode(context(span(1, 3), span(5, 5), in(oc, span(300, 1000))))
	for i := range whole {
		if c, err := decodeContext(whole[:i]); err == nil {
			t.Errorf("cut to %d bytes: %v", i, &c)
		}
		for bit := range 8 {
			damaged := bytes.Clone(whole)
			damaged[i] ^= 1 << bit
			r := codec.NewReader(damaged)
			table := clock.ReadTable(r, clock.MaxOrigins)
			c := clock.ReadContext(r, table)
			table.CheckUse(r)
			if r.Close() == nil && !bytes.Equal(encode(&c), damaged) {
				t.Errorf("byte %d, bit %d: %x is read as %v", i, bit, damaged, &c)
			}
		}
	}
}
