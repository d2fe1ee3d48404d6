package session

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt"
)

func TestChunkCoding(t *testing.T) {
	x, y := origin('x', 1), origin('y', 1)
	mixed := []Change{
		{Dot: clock.Dot{Origin: x, N: 4}, Before: crdt.Hash{1}},
		{Dot: clock.Dot{Origin: y, N: 1}},
		{Dot: clock.Dot{Origin: y, N: 2}},
		{Dot: clock.Dot{Origin: x, N: 5}},
		{Dot: clock.Dot{Origin: y, N: 3}},
	}
	total := 0
	for i := range mixed {
		c := change(mixed[i].Dot, fmt.Sprint("s/", i), "ann")
		c.Parts[0].Birth = nil
		c.Parts[0].Births = []crdt.Ref{{Dot: clock.Dot{Origin: y, N: 9}, Digest: 7}}
		c.Parts[0].Delete = &crdt.Deletion{Births: c.Parts[0].Births}
		mixed[i].Encoded = c.Encode()
		total += len(mixed[i].Encoded)
	}
	b, _, err := encodeChunk(12, "s", mixed)
	if err != nil {
		t.Fatal(err)
	}
	c, err := decodeChunk(b, total)
	if err != nil {
		t.Fatal(err)
	}
	if c.number != 12 || c.scope != "s" || c.bytes != total || len(c.runs) != 2 || c.runs[0] != (run{origin: x, first: 4, before: crdt.Hash{1}}) || c.runs[1] != (run{origin: y, first: 1}) {
		t.Errorf("%+v", c)
	}
	for i, it := range c.items {
		if it.dot != mixed[i].Dot || !bytes.Equal(it.encoded, mixed[i].Encoded) {
			t.Errorf("change %d: %v %x", i, it.dot, it.encoded)
		}
	}
	if _, err := decodeChunk(b, total-1); !errors.Is(err, codec.ErrLimit) {
		t.Errorf("above the limit: %v", err)
	}
	for n := range b {
		if _, err := decodeChunk(b[:n], total); err == nil {
			t.Errorf("cut to %d bytes: accepted", n)
		}
	}
}

// TestChunksNumberOrigins follows the numbers of origins over many chunks, until
// they start anew.
func TestChunksNumberOrigins(t *testing.T) {
	var w chunkWriter
	var r chunkReader
	next := map[clock.Origin]uint64{}
	sent := func(d clock.Dot) bool { return next[d.Origin] == d.N }
	anew, sizes := 0, map[bool]int{}
	for i := range 6000 {
		o := origin(byte(i%200), uint64(i%5000)/200+1)
		d := clock.Dot{Origin: o, N: next[o] + 1}
		encoded := change(d, "k", "ann").Encode()
		b, taken, err := w.encode(uint64(i), "s", []Change{{Dot: d, Encoded: encoded, Before: crdt.Hash{9}}}, sent)
		if err != nil || taken != 1 {
			t.Fatal(taken, err)
		}
		sizes[d.N > 1] = len(b)
		if w.table.Len() == 1 && i > 0 {
			anew++
		}
		next[o] = d.N
		c, err := r.decode(b, 1000)
		if err != nil {
			t.Fatal(err)
		}
		if c.items[0].dot != d || !bytes.Equal(c.items[0].encoded, encoded) || c.runs[0].continues != (d.N > 1) {
			t.Fatalf("%+v", c)
		}
		if w.table.Len() != r.table.Len() || r.table.Len() > tableOrigins+1 {
			t.Fatalf("%d and %d origins", w.table.Len(), r.table.Len())
		}
	}
	if anew != 1 {
		t.Errorf("the numbers started anew %d times", anew)
	}
}

// TestChunkOfManyOrigins is cut where it would name too many.
//
//concord:edge limits
func TestChunkOfManyOrigins(t *testing.T) {
	var changes []Change
	for i := range 30 {
		d := clock.Dot{Origin: origin('x', uint64(i)+1), N: 1}
		c := change(d, "k", "ann")
		c.Parts[0].Birth = nil
		var seen clock.VersionVector
		for n := range 900 {
			seen.Set(origin('y', uint64(1000*i+n)+1), 1)
		}
		ref := []crdt.Ref{{Dot: clock.Dot{Origin: d.Origin, N: 9}}}
		c.Parts[0].Births, c.Parts[0].Delete = ref, &crdt.Deletion{Births: ref, Seen: seen}
		changes = append(changes, Change{Dot: d, Encoded: c.Encode()})
	}
	var w chunkWriter
	var r chunkReader
	chunks := 0
	for len(changes) > 0 {
		b, taken, err := w.encode(1, "s", changes, func(clock.Dot) bool { return false })
		if err != nil || taken == 0 {
			t.Fatal(taken, err)
		}
		c, err := r.decode(b, 4<<20)
		if err != nil {
			t.Fatal(err)
		}
		for i, it := range c.items {
			if !bytes.Equal(it.encoded, changes[i].Encoded) {
				t.Fatalf("change %d differs", i)
			}
		}
		changes = changes[taken:]
		chunks++
	}
	if chunks < 3 {
		t.Errorf("%d chunks", chunks)
	}

	// The same through whole sessions.
	a, b := newFake('a'), newFake('b')
	for i := range 30 {
		for range 3 {
			a.writeSeen("s", 900, i)
		}
	}
	mustSync(t, a, b, Config{StartChunkBytes: 1 << 20, MostChunkBytes: 1 << 20}, Config{})
	mustEqual(t, a, b)
}

// TestContinuedRunAfterRefusal has a run go on from what was refused.
//
//concord:fault a store that refuses
func TestContinuedRunAfterRefusal(t *testing.T) {
	a := newFake('a')
	h := meetHostile(t, a, Config{})
	h.sayStatus()
	o := origin('x', 1)
	say := func(n uint64, actor string, sent bool) {
		h.number++
		d := clock.Dot{Origin: o, N: n}
		b, _, err := h.chunks.encode(h.number, "s", []Change{{Dot: d, Encoded: change(d, "k", actor).Encode()}}, func(clock.Dot) bool { return sent })
		if err != nil {
			t.Fatal(err)
		}
		h.say(frameChunk, 0, b)
	}
	say(1, "ann", false)
	say(2, "refuse", true)
	say(3, "ann", true)
	if got := h.a.core.report.Received.Verdicts; got != (Verdicts{Applied: 1, Refused: 2}) || a.has("s", o) != 1 {
		t.Errorf("%+v", got)
	}
	if i := h.a.core.report.Items[1]; i.Verdict.Code != CodeGap {
		t.Errorf("%+v", i)
	}
	say(2, "ann", true)
	if a.has("s", o) != 2 {
		t.Error("the run that goes on from what is there was not taken")
	}
}
