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
