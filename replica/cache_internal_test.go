package replica

import (
	"fmt"
	"testing"

	"github.com/concord-crdt/concord/crdt"
)

// TestCacheStaysWithinItsBudget fills a cache many times over; what is not
// durable yet, and what was just put, stays.
func TestCacheStaysWithinItsBudget(t *testing.T) {
	c := newCache(100 * 1024)
	for i := range 5000 {
		o := &open{key: fmt.Sprint(i), record: &crdt.Record{}}
		o.header.lastSeq = uint64(i)
		durable := uint64(max(0, i-20))
		c.put(cacheKey{"s", o.key}, o, durable)
		if c.get(cacheKey{"s", o.key}) == nil {
			t.Fatalf("record %d is gone right after it was put", i)
		}
		for j := max(0, i-19); j <= i; j++ {
			if c.records[cacheKey{"s", fmt.Sprint(j)}] == nil {
				t.Fatalf("record %d was given up before it was durable", j)
			}
		}
		if len(c.records) != len(c.ring) || c.taken > c.budget+25*1024 {
			t.Fatalf("%d records, %d in the ring, %d bytes taken", len(c.records), len(c.ring), c.taken)
		}
	}
	c.clear()
	if c.taken != 0 || len(c.records) != 0 {
		t.Error("something is left after clear")
	}
}

// BenchmarkCacheOfOneBatch puts records that cannot be given up yet, as many as a
// scope has that is made again.
func BenchmarkCacheOfOneBatch(b *testing.B) {
	const records = 20_000
	keys := make([]cacheKey, records)
	for i := range keys {
		keys[i] = cacheKey{"c", fmt.Sprint(i)}
	}
	for b.Loop() {
		c := newCache(1 << 20)
		for _, k := range keys {
			c.put(k, &open{header: header{lastSeq: 2}}, 1)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/records, "ns/record")
}
