package replica

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
)

// TestReopenedCacheGivesUpRecords: what the store holds when it is opened is
// durable, so records that were only read may leave memory.
//
//concord:edge a small cache
func TestReopenedCacheGivesUpRecords(t *testing.T) {
	ctx := context.Background()
	dir := filepath.Join(t.TempDir(), "a")
	for range 2 {
		r, err := Open(dir, Options{Durability: Relaxed, CacheBytes: 64 << 10})
		if err != nil {
			t.Fatal(err)
		}
		c := r.Collection("c")
		for i := range 300 {
			if _, err := c.View(ctx, fmt.Sprint(i)); err == nil {
				continue
			}
			if err := c.Update(ctx, fmt.Sprint(i), func(p *Record) error { return p.Counter("n").Add(1) }); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(r.cache.records); n > 100 {
			t.Errorf("%d records are kept, the budget is for some 50", n)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
