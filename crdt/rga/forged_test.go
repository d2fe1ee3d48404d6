package rga

import (
	"bytes"
	"flag"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
)

// forge writes a stored form at random: columns that mostly fit each other, of
// a history that need not be possible.
func forge(rnd *rand.Rand) (stored func(alive int) []byte, total int) {
	var table clock.Table
	var body codec.Writer
	origins := 1 + rnd.IntN(3)
	var ids []clock.Origin
	for i := range origins {
		ids = append(ids, testOrigin(i))
	}
	slices.SortFunc(ids, clock.Origin.Compare)
	body.Uvarint(uint64(origins))
	deletes := make([]int, origins)
	for i := range origins {
		deletes[i] = rnd.IntN(3)
		clock.WriteOrigin(&body, &table, ids[i])
		body.Uvarint(uint64(deletes[i]))
	}
	var flags []byte
	var cols [7]codec.Writer // origins, lengths, places, order, between, deletions, targets
	chains := make([]int, origins)
	n := 1 + rnd.IntN(7)
	for i := range n {
		size := 1 + rnd.IntN(4)
		left := byte(rnd.IntN(4))
		if i == 0 {
			left = leftNone
		}
		right := byte(rnd.IntN(4))
		f := byte(size)<<sizeShift | left<<leftShift | right<<rightShift
		if rnd.IntN(3) == 0 && left != leftNone && left != leftInside {
			f |= runContinues
		} else {
			o := rnd.IntN(origins)
			chains[o]++
			if origins > 1 {
				cols[0].Uvarint(uint64(o))
			}
		}
		flags = append(flags, f)
		switch left {
		case leftEarlier:
			cols[2].Uvarint(uint64(rnd.IntN(2)))
		case leftInside:
			cols[2].Uvarint(uint64(rnd.IntN(2)))
			cols[2].Uvarint(uint64(rnd.IntN(2)))
		}
		if right == rightLater {
			cols[2].Uvarint(uint64(rnd.IntN(3)))
		}
		total += size
	}
	for o := range origins {
		left := deletes[o]
		expected := 0
		for _, at := range rnd.Perm(chains[o]) {
			cols[3].Varint(int64(at - expected))
			expected = at + 1
			k := rnd.IntN(left + 1)
			cols[4].Uvarint(uint64(k))
			left -= k
		}
		for range deletes[o] {
			size := 1 + rnd.IntN(3)
			v := uint64(size) << 1
			if size > 1 && rnd.IntN(2) == 0 {
				v |= 1
			}
			cols[5].Uvarint(v)
			cols[6].Varint(int64(rnd.IntN(7) - 3))
		}
	}
	body.Uvarint(uint64(n))
	body.Raw(flags)
	for i := range cols {
		body.Blob(cols[i].Bytes())
	}
	body.Raw([]byte{0, 0}) // nothing was dropped
	return func(alive int) []byte {
		var w codec.Writer
		w.Byte(storedVersion)
		table.Write(&w)
		w.Raw(body.Bytes())
		w.Blob(bytes.Repeat([]byte("a"), alive))
		w.Blob(bytes.Repeat([]byte("d"), total-alive))
		return w.Bytes()
	}, total
}

var forgeries = flag.Int("rga.forgeries", 20_000, "random stored forms of TestForgedStored")

// TestForgedStored reads histories that cannot have happened, in which elements
// depend on each other in circles, and uses what comes of them.
func TestForgedStored(t *testing.T) {
	read, whole := 0, 0
	for seed := range uint64(some(*forgeries)) {
		rnd := rand.New(rand.NewPCG(seed, 12))
		stored, total := forge(rnd)
		for alive := range total + 1 {
			b := stored(alive)
			r := codec.NewReader(b)
			text := ReadText(r)
			if r.Close() != nil {
				continue
			}
			read++
			if again := encode(text); !bytes.Equal(again, b) {
				t.Fatalf("seed %d: read %x, wrote %x", seed, b, again)
			}
			joined := NewText()
			if joined.Join(text, nil) == nil && bytes.Equal(encode(joined), b) {
				whole++ // possible after all
			}
			joined.check(t)
			use(t, &text.sequence, func(h Handle) {
				if err := text.Insert(h, text.Len()/2, "é", nil); err != nil {
					t.Fatal(err)
				}
			})
			reload(t, text)
		}
	}
	t.Logf("%d read, %d of them possible", read, whole)
	if read < some(100) || whole == read || whole == 0 {
		t.Fatal("too few for a test")
	}
}
