package rga

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
)

// cpuTime returns the processor time of this process. It is nil where that is
// not known.
var cpuTime func() time.Duration

// measureEach runs f as the body of a benchmark and reports what one of its
// edits took: by the clock and, since machines are rarely idle, in processor
// time, the collector's included.
func measureEach(b *testing.B, edits int, f func()) {
	b.Helper()
	b.ReportAllocs()
	start := time.Duration(0)
	for b.Loop() {
		if start == 0 && cpuTime != nil {
			start = cpuTime()
		}
		f()
	}
	n := float64(b.N) * float64(edits)
	if edits > 1 {
		b.ReportMetric(float64(b.Elapsed())/n, "ns/edit")
	}
	if cpuTime != nil {
		b.ReportMetric(float64(cpuTime()-start)/n, "cpu-ns/edit")
	}
}

var sequentialTraces = []string{"automerge-paper.seq", "seph-blog1.seq", "rustcode.seq", "sveltecomponent.seq"}

// BenchmarkLocal replays recorded sessions, one edit after the other.
func BenchmarkLocal(b *testing.B) {
	for _, name := range sequentialTraces {
		b.Run(name, func(b *testing.B) {
			tr := needTrace(b, name)
			patches := tr.patches()
			measureEach(b, len(patches), func() {
				t := NewText()
				replay(b, t, t.Handle(testOrigin(0)), patches, nil)
			})
		})
	}
}

// BenchmarkLocalOps is BenchmarkLocal with the op of each edit.
func BenchmarkLocalOps(b *testing.B) {
	tr := needTrace(b, "automerge-paper.seq")
	patches := tr.patches()
	ops := make([]Op, 0, 8)
	measureEach(b, len(patches), func() {
		t := NewText()
		h := t.Handle(testOrigin(0))
		for i := range patches {
			ops = ops[:0]
			replay(b, t, h, patches[i:i+1], &ops)
		}
	})
}

// BenchmarkRemote applies recorded sessions at another replica, one op at a
// time.
func BenchmarkRemote(b *testing.B) {
	for _, name := range sequentialTraces {
		b.Run(name, func(b *testing.B) {
			tr := needTrace(b, name)
			patches := tr.patches()
			t := NewText()
			var ops []Op
			replay(b, t, t.Handle(testOrigin(0)), patches, &ops)
			measureEach(b, len(patches), func() { applyAll(b, ops) })
		})
	}
}

func applyAll(tb testing.TB, ops []Op) *Text {
	t := NewText()
	for i := range ops {
		if err := t.Apply(&ops[i], nil); err != nil {
			tb.Fatal(err)
		}
	}
	return t
}

// BenchmarkConcurrent merges recorded concurrent sessions, one op at a time.
func BenchmarkConcurrent(b *testing.B) {
	for _, name := range []string{"friendsforever.conc", "node_nodecc.conc"} {
		b.Run(name, func(b *testing.B) {
			tr := needTrace(b, name)
			ops := tr.merge(b)
			var t *Text
			measureEach(b, len(ops), func() { t = applyAll(b, ops) })
			if t.String() != tr.EndContent {
				b.Fatal("the text differs")
			}
		})
	}
}

// BenchmarkJoin takes whole sessions in one go.
func BenchmarkJoin(b *testing.B) {
	for _, name := range []string{"automerge-paper.seq", "friendsforever.conc", "node_nodecc.conc"} {
		b.Run(name, func(b *testing.B) {
			t := sessionText(b, name)
			measureEach(b, 1, func() {
				if err := NewText().Join(t, nil); err != nil {
					b.Fatal(err)
				}
			})
		})
	}
}

// sessionText returns a text after a recorded session.
func sessionText(b *testing.B, name string) *Text {
	b.Helper()
	tr := needTrace(b, name)
	if tr.NumAgents > 0 {
		return applyAll(b, tr.merge(b))
	}
	t := NewText()
	replay(b, t, t.Handle(testOrigin(0)), tr.patches(), nil)
	return t
}

// BenchmarkSave stores texts.
func BenchmarkSave(b *testing.B) {
	for _, name := range append(sequentialTraces, "node_nodecc.conc") {
		b.Run(name, func(b *testing.B) {
			t := sessionText(b, name)
			var w codec.Writer
			measureEach(b, 1, func() {
				w.Reset()
				t.Write(&w)
			})
			b.ReportMetric(float64(w.Len()), "bytes")
		})
	}
}

// BenchmarkLoad reads texts that were stored, ready to be edited.
func BenchmarkLoad(b *testing.B) {
	for _, name := range append(sequentialTraces, "node_nodecc.conc") {
		b.Run(name, func(b *testing.B) {
			stored := encode(sessionText(b, name))
			var t *Text
			measureEach(b, 1, func() { t = ReadText(codec.NewReader(stored)) })
			b.ReportMetric(float64(t.MemoryBytes()), "heap-bytes")
		})
	}
}

// BenchmarkPeek reads the visible part of a text that was stored.
func BenchmarkPeek(b *testing.B) {
	stored := encode(sessionText(b, "automerge-paper.seq"))
	measureEach(b, 1, func() { PeekText(codec.NewReader(stored)) })
}

// BenchmarkString reads a text.
func BenchmarkString(b *testing.B) {
	t := sessionText(b, "automerge-paper.seq")
	measureEach(b, 1, func() {
		if len(t.String()) == 0 {
			b.Fatal("empty")
		}
	})
}

// BenchmarkRandomPlace inserts single runes, and deletes one in five, at random
// places of texts that were made that way.
func BenchmarkRandomPlace(b *testing.B) {
	for _, size := range []int{10_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprintf("spans=%d", size), func(b *testing.B) {
			rnd := rand.New(rand.NewPCG(1, 3))
			t := NewText()
			h := t.Handle(testOrigin(0))
			edit := func() {
				var err error
				if n := t.Len(); n > 10 && rnd.IntN(5) == 0 {
					err = t.Delete(h, rnd.IntN(n), 1, nil)
				} else {
					err = t.Insert(h, rnd.IntN(n+1), "x", nil)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
			for t.NumElements() < size {
				edit()
			}
			measureEach(b, 1, edit)
		})
	}
}

// siblings returns a text and ops that n origins each made on it, at one place.
func siblings(tb testing.TB, n int) (*Text, []Op) {
	tb.Helper()
	base := NewText()
	var ops []Op
	if err := base.Insert(base.Handle(testOrigin(0)), 0, "ab", &ops); err != nil {
		tb.Fatal(err)
	}
	for i := range n {
		o := clock.Origin{Incarnation: 1}
		binary.LittleEndian.PutUint64(o.Replica[:], uint64(i+1)*0x9e3779b97f4a7c15)
		ops = append(ops, Op{
			Kind: Insert, Origin: o, Seq: 1, Len: 1, Text: "x",
			Left: ID{testOrigin(0), 1}, Right: ID{testOrigin(0), 2},
		})
	}
	return base, ops
}

// BenchmarkSiblings applies insertions that thousands of replicas made at one
// place, not knowing of each other.
func BenchmarkSiblings(b *testing.B) {
	_, ops := siblings(b, 10_000)
	measureEach(b, len(ops), func() { applyAll(b, ops) })
}

// BenchmarkBackwards joins what two replicas each typed backwards, jumping
// about within: each rune is a sibling of those of the other replica.
func BenchmarkBackwards(b *testing.B) {
	_, ops := siblings(b, 0)
	for origin := 1; origin <= 2; origin++ {
		right := ID{testOrigin(0), 2}
		for seq := uint64(1); seq <= 10_000; seq += 2 {
			o := testOrigin(origin)
			ops = append(ops, Op{Kind: Insert, Origin: o, Seq: seq, Len: 2, Text: "x\n", Left: ID{testOrigin(0), 1}, Right: right})
			right = ID{o, seq}
		}
	}
	measureEach(b, len(ops), func() { applyAll(b, ops) })
}

// BenchmarkPaste inserts a megabyte.
func BenchmarkPaste(b *testing.B) {
	text := string(make([]byte, 1<<20))
	b.SetBytes(1 << 20)
	for b.Loop() {
		t := NewText()
		if err := t.Insert(t.Handle(testOrigin(0)), 0, text, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPosition finds elements by id, and ids by position, all over a text.
func BenchmarkPosition(b *testing.B) {
	t := sessionText(b, "automerge-paper.seq")
	rnd := rand.New(rand.NewPCG(1, 4))
	ids := make([]ID, 1000)
	for i := range ids {
		ids[i], _ = t.IDAt(rnd.IntN(t.Len()))
	}
	b.Run("of id", func(b *testing.B) {
		i := 0
		for b.Loop() {
			if _, _, err := t.Position(ids[i%1000]); err != nil {
				b.Fatal(err)
			}
			i++
		}
	})
	b.Run("id at", func(b *testing.B) {
		i := 0
		for b.Loop() {
			t.IDAt(i * 7919 % t.Len())
			i++
		}
	})
}

// BenchmarkWire writes and reads the op of a keystroke.
func BenchmarkWire(b *testing.B) {
	op := []Op{{Kind: Insert, Origin: testOrigin(0), Seq: 200_000, Len: 1, Extend: true, Text: "x"}}
	var w codec.Writer
	var t clock.Table
	b.ReportAllocs()
	for b.Loop() {
		w.Reset()
		WriteOps(&w, &t, op)
		if got := ReadOps(codec.NewReader(w.Bytes()), &t, false); len(got) != 1 {
			b.Fatal("lost")
		}
	}
	b.ReportMetric(float64(w.Len()), "bytes")
}
