package crdt_test

import (
	"fmt"
	"testing"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
)

// typist is a device that does one thing over and over, for benchmarks.
type typist struct {
	*device
	stamp clock.Stamp
}

func newTypist(n byte) *typist {
	return &typist{newDevice(n), clock.NewStamp(begin, 0)}
}

// change is all that a local change costs apart from the disk.
func (y *typist) change(b testing.TB, do func(*crdt.RecordEditor)) (*crdt.Change, []byte) {
	e := y.record.Edit("r", crdt.EditOptions{Dot: y.next()})
	do(e)
	part, _, err := e.Part(false)
	if err != nil {
		b.Fatal(err)
	}
	y.stamp = y.stamp.Next()
	c := &crdt.Change{Dot: y.next(), Stamp: y.stamp, Author: crdt.Author{Actor: "ana"}, Parts: []crdt.Part{part}}
	encoded := c.Encode()
	e.Commit(c, crdt.HashOf(encoded).Digest())
	y.n++
	return c, encoded
}

var edits = []struct {
	name string
	do   func(e *crdt.RecordEditor, i int)
}{
	{"register", func(e *crdt.RecordEditor, i int) { e.Register("dose").Set(i) }},
	{"counter", func(e *crdt.RecordEditor, i int) { e.Counter("visits").Add(1) }},
	{"keystroke", func(e *crdt.RecordEditor, i int) { e.Text("note").Append("x") }},
}

// written100k is a typist with a text of 100,000 runes, typed in lines.
func written100k(b testing.TB) *typist {
	y := newTypist(1)
	for range 1000 {
		y.change(b, func(e *crdt.RecordEditor) {
			e.Text("note").Append(fmt.Sprintf("%-99d\n", y.n))
		})
	}
	return y
}

func BenchmarkLocalChange(b *testing.B) {
	for _, x := range edits {
		b.Run(x.name, func(b *testing.B) {
			y := written100k(b)
			b.ReportAllocs()
			bytes := 0
			i := 0
			for b.Loop() {
				i++
				_, encoded := y.change(b, func(e *crdt.RecordEditor) { x.do(e, i) })
				bytes += len(encoded)
				y.record.Digest()
			}
			b.ReportMetric(float64(bytes)/float64(i), "wire-B/op")
		})
	}
}

func BenchmarkRemoteApply(b *testing.B) {
	for _, x := range edits {
		b.Run(x.name, func(b *testing.B) {
			y := written100k(b)
			reader := newTypist(2)
			reader.record = clone(b, y.record)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				b.StopTimer()
				i++
				_, encoded := y.change(b, func(e *crdt.RecordEditor) { x.do(e, i) })
				b.StartTimer()
				c, err := crdt.DecodeChange(encoded)
				if err != nil {
					b.Fatal(err)
				}
				p := &c.Parts[0]
				if len(reader.record.Missing(p)) > 0 || reader.record.Check(c, p) != nil ||
					!reader.record.Apply(c, p, crdt.HashOf(encoded).Digest(), nil) {
					b.Fatal("not applied")
				}
				reader.record.Digest()
			}
			if y.record.Digest() != reader.record.Digest() {
				b.Fatal("the two differ")
			}
		})
	}
}

func BenchmarkDigest(b *testing.B) {
	for _, writers := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			r := &crdt.Record{}
			for n := range writers {
				y := newTypist(byte(n + 1))
				y.record = r
				y.change(b, func(e *crdt.RecordEditor) { e.Counter("n").Add(1) })
			}
			b.ReportAllocs()
			for b.Loop() {
				r.Digest()
			}
		})
	}
}

func BenchmarkStored(b *testing.B) {
	y := written100k(b)
	stored := write(y.record)
	b.Run("save", func(b *testing.B) {
		b.ReportAllocs()
		b.ReportMetric(float64(len(stored)), "stored-B")
		for b.Loop() {
			write(y.record)
		}
	})
	b.Run("load", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := crdt.DecodeRecord(stored); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkManyElements adds n elements to one set in one change.
func BenchmarkManyElements(b *testing.B) {
	for _, n := range []int{1000, 10_000} {
		b.Run(fmt.Sprintf("elems=%d", n), func(b *testing.B) {
			for b.Loop() {
				y := newTypist(1)
				y.change(b, func(e *crdt.RecordEditor) {
					for i := range n {
						e.Set("s").Add((i * 7919) % n)
					}
				})
			}
		})
	}
}
