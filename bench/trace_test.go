package bench

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/concord-crdt/concord/bench/trace"
	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/crdt/rga"
)

// openTrace reads a sequential recording from the folder that CONCORD_TRACES
// names; without the file the benchmark is skipped.
func openTrace(b *testing.B, name string) *trace.Trace {
	b.Helper()
	dir := os.Getenv("CONCORD_TRACES")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "traces")
	}
	path := filepath.Join(dir, name+".seq.json.gz")
	if _, err := os.Stat(path); err != nil {
		b.Skipf("no recording: %v; set CONCORD_TRACES", err)
	}
	t, err := trace.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	return t
}

// BenchmarkTrace replays recordings, each transaction by itself:
//
//   - sequence: the edits of the sequence engine alone, without a change;
//   - author: changes to a record, made, encoded and hashed;
//   - receiver: the same changes decoded, checked and applied to another record;
//   - memory: what that record keeps alive on the heap.
func BenchmarkTrace(b *testing.B) {
	for _, name := range []string{"automerge-paper", "seph-blog1", "rustcode", "sveltecomponent"} {
		b.Run("trace="+name, func(b *testing.B) {
			t := openTrace(b, name)
			sides := []struct {
				name string
				run  func(b *testing.B) func() string
			}{
				{"sequence", func(b *testing.B) func() string { return func() string { return editSequence(b, t) } }},
				{"author", func(b *testing.B) func() string {
					return func() string { r, _ := author(b, t); return textOf(r) }
				}},
				{"receiver", func(b *testing.B) func() string {
					_, changes := author(b, t)
					return func() string { return textOf(receive(b, changes)) }
				}},
			}
			for _, s := range sides {
				b.Run("side="+s.name, func(b *testing.B) {
					run := s.run(b)
					if run() != t.End {
						b.Fatal("another text in the end")
					}
					b.ReportAllocs()
					for b.Loop() {
						run()
					}
					b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(t.Txns)), "ns/txn")
				})
			}
			b.Run("memory", func(b *testing.B) {
				_, changes := author(b, t)
				live := uint64(0)
				for b.Loop() {
					live = liveBytes(func() any { return receive(b, changes) })
				}
				b.ReportMetric(float64(live), "live-B")
				b.ReportMetric(float64(live)/float64(len(t.Txns)), "live-B/txn")
			})
		})
	}
}

var origin = clock.Origin{Replica: clock.ReplicaID{1}, Incarnation: 1}

func editSequence(b *testing.B, t *trace.Trace) string {
	text := rga.NewText()
	h := text.Handle(origin)
	for i := range t.Txns {
		for _, p := range t.Txns[i].Patches {
			if err := text.Delete(h, p.Pos, p.Delete, nil); err != nil {
				b.Fatal(err)
			}
			if err := text.Insert(h, p.Pos, p.Insert, nil); err != nil {
				b.Fatal(err)
			}
		}
	}
	return text.String()
}

// author makes a change of each transaction.
func author(b *testing.B, t *trace.Trace) (r *crdt.Record, changes [][]byte) {
	r = &crdt.Record{}
	stamp := clock.NewStamp(time.Unix(1, 0), 0)
	changes = make([][]byte, 0, len(t.Txns))
	for i := range t.Txns {
		ed := r.Edit("text", crdt.EditOptions{Dot: clock.Dot{Origin: origin, N: uint64(len(changes) + 1)}})
		body := ed.Text("body")
		for _, p := range t.Txns[i].Patches {
			if err := body.Replace(p.Pos, p.Delete, p.Insert); err != nil {
				b.Fatal(err)
			}
		}
		part, changed, err := ed.Part(false)
		if err != nil {
			b.Fatal(err)
		}
		if !changed {
			continue
		}
		stamp = stamp.Next()
		c := &crdt.Change{Dot: clock.Dot{Origin: origin, N: uint64(len(changes) + 1)}, Stamp: stamp, Parts: []crdt.Part{part}}
		encoded := c.Encode()
		ed.Commit(c, crdt.HashOf(encoded).Digest())
		changes = append(changes, encoded)
	}
	return r, changes
}

// receive applies changes to a record that has nothing.
func receive(b *testing.B, changes [][]byte) *crdt.Record {
	r := &crdt.Record{}
	for _, encoded := range changes {
		c, err := crdt.DecodeChange(encoded)
		if err != nil {
			b.Fatal(err)
		}
		p := &c.Parts[0]
		if missing := r.Missing(p); len(missing) > 0 {
			b.Fatalf("change %v waits for %v", c.Dot, missing)
		}
		if err := r.Check(c, p); err != nil {
			b.Fatal(err)
		}
		r.Apply(c, p, crdt.HashOf(encoded).Digest(), nil)
	}
	return r
}

func textOf(r *crdt.Record) string {
	return r.Field("body", crdt.TypeText, crdt.DeleteWins).Text()
}

// liveBytes is what a value keeps alive on the heap.
func liveBytes(make func() any) uint64 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	v := make()
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(v)
	return after.HeapAlloc - min(before.HeapAlloc, after.HeapAlloc)
}
