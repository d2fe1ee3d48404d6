package replica_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/concord-crdt/concord/replica"
)

func BenchmarkUpdate(b *testing.B) {
	for _, d := range []replica.Durability{replica.Relaxed, replica.Synced} {
		b.Run(fmt.Sprintf("durability=%d", d), func(b *testing.B) {
			r, err := replica.Open(filepath.Join(b.TempDir(), "a"), replica.Options{Durability: d})
			if err != nil {
				b.Fatal(err)
			}
			defer r.Close()
			c := r.Collection("notes")
			ctx := context.Background()
			i := 0
			b.ReportAllocs()
			for b.Loop() {
				i++
				if err := c.Update(ctx, fmt.Sprintf("n%08d", i), func(p *replica.Record) error {
					return p.Register("title").Set("some title of a record that weighs about two hundred bytes")
				}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkColdSync fetches the whole history of one text that was typed one
// change a keystroke.
func BenchmarkColdSync(b *testing.B) {
	ctx := context.Background()
	a := openStore(b, filepath.Join(b.TempDir(), "a"), replica.Options{})
	const n = 5000
	for i := range n {
		if err := a.Collection("notes").Update(ctx, "n", func(p *replica.Record) error {
			t := p.Text("body")
			return t.Insert(max(0, t.Len()-i%7), "x")
		}); err != nil {
			b.Fatal(err)
		}
	}
	b.ResetTimer()
	for b.Loop() {
		r := openStore(b, filepath.Join(b.TempDir(), "b"), replica.Options{})
		exchange(b, r, a, replica.SyncOptions{})
		r.Close()
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/n, "µs/change")
}

// BenchmarkColdSyncOfMany fetches a record that two replicas wrote by turns, each
// change upon the one of the other before: whoever reads one origin's history
// first has nothing to apply it to.
func BenchmarkColdSyncOfMany(b *testing.B) {
	a := openStore(b, "", replica.Options{DisableDisk: true})
	c := openStore(b, "", replica.Options{DisableDisk: true})
	const n = 2000
	for i := range n / 4 {
		for _, r := range []*replica.Replica{a, c} {
			for range 2 {
				update(b, r, "notes", "n", func(p *replica.Record) error { return p.Register("title").Set(i) })
			}
			exchange(b, a, c, replica.SyncOptions{})
		}
	}
	var waited uint64
	b.ResetTimer()
	for b.Loop() {
		r := openStore(b, "", replica.Options{DisableDisk: true})
		got, _ := exchange(b, r, a, replica.SyncOptions{})
		waited = got.Received.Verdicts.Waiting
		r.Close()
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/n, "µs/change")
	b.ReportMetric(float64(waited), "waiting")
}

// BenchmarkNothingToDo holds sessions between replicas that have the same in many
// scopes.
func BenchmarkNothingToDo(b *testing.B) {
	a := openStore(b, "", replica.Options{DisableDisk: true})
	c := openStore(b, "", replica.Options{DisableDisk: true})
	const scopes = 1000
	for i := range scopes {
		update(b, a, fmt.Sprintf("c%d", i), "k", func(p *replica.Record) error { return p.Register("x").Set(i) })
	}
	exchange(b, a, c, replica.SyncOptions{})
	b.ReportAllocs()
	for b.Loop() {
		exchange(b, a, c, replica.SyncOptions{})
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/scopes, "µs/scope")
}
