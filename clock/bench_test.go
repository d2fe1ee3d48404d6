package clock_test

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
)

var sizes = []int{1, 5, 200, 2000}

// origins returns n origins with ids like real ones, in canonical order.
func origins(n int) []clock.Origin {
	os := make([]clock.Origin, n)
	for i := range os {
		sum := sha256.Sum256(fmt.Appendf(nil, "device %d", i))
		copy(os[i].Replica[:], sum[:])
		os[i].Incarnation = codec.NewReader(sum[16:]).Uint64()
	}
	slices.SortFunc(os, clock.Origin.Compare)
	return os
}

// benchVector returns a vector in which origin i has number first+i%1000.
func benchVector(os []clock.Origin, first uint64) *clock.VersionVector {
	v := new(clock.VersionVector)
	for i, o := range os {
		v.Set(o, first+uint64(i%1000))
	}
	return v
}

func BenchmarkVersionVector(b *testing.B) {
	for _, n := range sizes {
		os := origins(n)
		v, u := benchVector(os, 1), benchVector(os, 2)
		few := benchVector(os[n/2:n/2+1], 1)
		run := func(name string, f func(b *testing.B)) {
			b.Run(fmt.Sprintf("%s/origins=%d", name, n), func(b *testing.B) {
				b.ReportAllocs()
				f(b)
			})
		}
		run("Get", func(b *testing.B) {
			i := 0
			for b.Loop() {
				if v.Get(os[i]) == 0 {
					b.Fatal("not there")
				}
				if i++; i == n {
					i = 0
				}
			}
		})
		run("Compare", func(b *testing.B) {
			for b.Loop() {
				if v.Compare(u) != clock.Before {
					b.Fatal("not before")
				}
			}
		})
		run("Covers", func(b *testing.B) {
			for b.Loop() {
				if !u.Covers(v) {
					b.Fatal("does not cover")
				}
			}
		})
		run("CoversOne", func(b *testing.B) {
			for b.Loop() {
				if !u.Covers(few) {
					b.Fatal("does not cover")
				}
			}
		})
		run("JoinKnown", func(b *testing.B) {
			for b.Loop() {
				v.Join(u)
			}
		})
		run("Build", func(b *testing.B) {
			for b.Loop() {
				if benchVector(os, 1).Len() != n {
					b.Fatal("not whole")
				}
			}
		})
		run("Write", func(b *testing.B) {
			var w codec.Writer
			var t clock.Table
			for b.Loop() {
				w.Reset()
				t.Reset()
				v.Write(&w, &t)
			}
			b.ReportMetric(float64(w.Len()), "wire-B")
		})
		run("Read", func(b *testing.B) {
			bytes := encode(v)
			for b.Loop() {
				r := codec.NewReader(bytes)
				read := clock.ReadVersionVector(r, clock.ReadTable(r, n))
				if r.Close() != nil || read.Len() != n {
					b.Fatal(r.Err())
				}
			}
			b.ReportMetric(float64(len(bytes)), "wire-B")
		})
	}
}

// Each tenth origin has a hole.
func benchContext(os []clock.Origin, last uint64) *clock.Context {
	c := clock.ContextOf(*benchVector(os, 1))
	for i := 0; i < len(os); i += 10 {
		c.AddRange(clock.Range{Origin: os[i], From: 2000, To: last})
	}
	return &c
}

func BenchmarkContext(b *testing.B) {
	for _, n := range sizes {
		os := origins(n)
		here, there := benchContext(os, 2000), benchContext(os, 2001)
		lacking := (n + 9) / 10
		run := func(name string, f func(b *testing.B)) {
			b.Run(fmt.Sprintf("%s/origins=%d", name, n), func(b *testing.B) {
				b.ReportAllocs()
				f(b)
			})
		}
		run("Contains", func(b *testing.B) {
			i := 0
			for b.Loop() {
				if !here.Contains(clock.Dot{Origin: os[i], N: 1}) {
					b.Fatal("not there")
				}
				if i++; i == n {
					i = 0
				}
			}
		})
		run("AddNext", func(b *testing.B) {
			c := here.Clone()
			d := clock.Dot{Origin: os[n-1], N: c.Last(os[n-1])}
			for b.Loop() {
				d.N++
				c.Add(d)
			}
		})
		run("Covers", func(b *testing.B) {
			for b.Loop() {
				if !there.Covers(here) {
					b.Fatal("does not cover")
				}
			}
		})
		run("Missing", func(b *testing.B) {
			for b.Loop() {
				if got := here.Missing(there); len(got) != lacking {
					b.Fatal(got)
				}
			}
		})
		run("Join", func(b *testing.B) {
			c := here.Clone()
			for b.Loop() {
				c.Join(there)
			}
		})
		run("Read", func(b *testing.B) {
			bytes := encode(here)
			for b.Loop() {
				r := codec.NewReader(bytes)
				clock.ReadContext(r, clock.ReadTable(r, n))
				if err := r.Close(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(bytes)), "wire-B")
		})
	}
}

func BenchmarkTable(b *testing.B) {
	for _, n := range []int{1, 5, 8, 9, 200, 2000} {
		os := origins(n)
		b.Run(fmt.Sprintf("Number/origins=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			var t clock.Table
			for _, o := range os {
				t.Number(o)
			}
			i := 0
			for b.Loop() {
				if t.Number(os[i]) != uint32(i) {
					b.Fatal("another number")
				}
				if i++; i == n {
					i = 0
				}
			}
		})
	}
}

func BenchmarkHLC(b *testing.B) {
	at := time.Date(2030, 1, 1, 8, 0, 0, 0, time.UTC)
	for name, wall := range map[string]func() time.Time{
		"wall=stands": func() time.Time { return at },
		"wall=system": time.Now,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			writes := 0
			c := clock.NewHLC(wall, 0, func(clock.Stamp) error { writes++; return nil })
			for b.Loop() {
				if _, err := c.Now(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(writes)*1e6/float64(b.N), "writes/M")
		})
	}
}
