package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"

	"github.com/concord-crdt/concord/replica"
)

// openEngine opens the engine with the options that package replica gives it.
func openEngine(b *testing.B, synced bool) *badger.DB {
	b.Helper()
	o := badger.DefaultOptions(filepath.Join(b.TempDir(), "engine")).
		WithLogger(nil).
		WithSyncWrites(synced).
		WithMetricsEnabled(false).
		WithDetectConflicts(false).
		WithNumVersionsToKeep(1).
		WithMemTableSize(16 << 20).WithNumMemtables(2).
		WithNumLevelZeroTables(2).WithNumLevelZeroTablesStall(4).WithNumCompactors(2).
		WithBaseTableSize(1 << 20).WithBaseLevelSize(4 << 20).
		WithValueLogFileSize(16 << 20).WithValueThreshold(1 << 20).
		WithCompression(0).WithBlockCacheSize(0).WithIndexCacheSize(0)
	db, err := badger.Open(o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := db.Close(); err != nil {
			b.Error(err)
		}
	})
	return db
}

func openReplica(b *testing.B, synced bool) *replica.Replica {
	b.Helper()
	o := replica.Options{Actor: "bench", Durability: replica.Relaxed}
	if synced {
		o.Durability = replica.Synced
	}
	r, err := replica.Open(filepath.Join(b.TempDir(), "replica"), o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := r.Close(); err != nil {
			b.Error(err)
		}
	})
	return r
}

// item is a record of five fields: 210 bytes as JSON.
type item struct {
	Title   string `json:"title"`
	Done    bool   `json:"done"`
	Owner   string `json:"owner"`
	Updated int64  `json:"updated"`
	Note    string `json:"note"`
}

func makeItem(i int) item {
	return item{
		Title: fmt.Sprintf("item number %d of the list", i), Done: i%2 == 0, Owner: fmt.Sprintf("user-%04d", i%10_000),
		Updated: 1_700_000_000_000 + int64(i)*1013,
		Note:    fmt.Sprintf("%-90d", i*7919) + "it is what people write",
	}
}

// itemKey has 23 bytes.
func itemKey(i int) string { return fmt.Sprintf("record/%016d", i) }

func (x *item) write(p *replica.Record) error {
	return errors.Join(
		p.Register("title").Set(x.Title), p.Register("done").Set(x.Done), p.Register("owner").Set(x.Owner),
		p.Register("updated").Set(x.Updated), p.Register("note").Set(x.Note))
}

// writeEngine writes records in one transaction of the engine.
func writeEngine(b *testing.B, db *badger.DB, from, count int) {
	t := db.NewTransaction(true)
	defer t.Discard()
	for i := from; i < from+count; i++ {
		x := makeItem(i)
		v, err := json.Marshal(&x)
		if err != nil {
			b.Fatal(err)
		}
		if err := t.SetEntry(badger.NewEntry([]byte(itemKey(i)), v)); err != nil {
			b.Fatal(err)
		}
	}
	if err := t.Commit(); err != nil {
		b.Fatal(err)
	}
}

// writeReplica writes records in one change.
func writeReplica(b *testing.B, r *replica.Replica, from, count int) {
	ctx := context.Background()
	if count == 1 {
		x := makeItem(from)
		if err := r.Collection("items").Update(ctx, itemKey(from), x.write); err != nil {
			b.Fatal(err)
		}
		return
	}
	err := r.Transact(ctx, "items", func(tx *replica.Tx) error {
		for i := from; i < from+count; i++ {
			p, err := tx.Record(itemKey(i))
			if err != nil {
				return err
			}
			x := makeItem(i)
			if err := x.write(p); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}

// BenchmarkCommit writes new records, by turns as a transaction of the engine
// and as a change of a replica, and reports the time of each for a record, and
// how many times the engine's a change takes (x-engine). Both encode their
// records in it. Taking turns lets a slow moment of the disk hit both.
func BenchmarkCommit(b *testing.B) {
	for _, synced := range []bool{true, false} {
		for _, records := range []int{1, 100} {
			name := map[bool]string{true: "synced", false: "relaxed"}[synced]
			b.Run(fmt.Sprintf("durability=%s/records=%d", name, records), func(b *testing.B) {
				benchmarkCommit(b, synced, records)
			})
		}
	}
}

func benchmarkCommit(b *testing.B, synced bool, records int) {
	db, r := openEngine(b, synced), openReplica(b, synced)
	writeEngine(b, db, 0, records)
	writeReplica(b, r, 0, records)
	checkCommit(b, db, r, records-1)
	var engine, own time.Duration
	n := records
	for b.Loop() {
		start := time.Now()
		writeEngine(b, db, n, records)
		between := time.Now()
		writeReplica(b, r, n, records)
		own += time.Since(between)
		engine += between.Sub(start)
		n += records
	}
	checkCommit(b, db, r, n-1)
	written := float64(n - records)
	b.ReportMetric(0, "ns/op") // of both: says nothing
	b.ReportMetric(float64(engine.Nanoseconds())/written, "engine-ns/record")
	b.ReportMetric(float64(own.Nanoseconds())/written, "ns/record")
	b.ReportMetric(float64(own)/float64(engine), "x-engine")
}

// checkCommit reads a record back from both.
func checkCommit(b *testing.B, db *badger.DB, r *replica.Replica, i int) {
	b.Helper()
	var got item
	err := db.View(func(t *badger.Txn) error {
		e, err := t.Get([]byte(itemKey(i)))
		if err != nil {
			return err
		}
		return e.Value(func(v []byte) error { return json.Unmarshal(v, &got) })
	})
	if want := makeItem(i); err != nil || got != want {
		b.Fatalf("engine: record %d is %+v, %v; want %+v", i, got, err, want)
	}
	v, err := r.Collection("items").View(context.Background(), itemKey(i))
	if err != nil {
		b.Fatal(err)
	}
	m := v.Values()
	if want := makeItem(i); m["title"] != want.Title || m["updated"] != want.Updated || m["note"] != want.Note {
		b.Fatalf("replica: record %d is %v; want %+v", i, m, want)
	}
}

// BenchmarkUpdate is the replica's part of BenchmarkCommit alone, with what it
// allocates.
func BenchmarkUpdate(b *testing.B) {
	for _, records := range []int{1, 100} {
		b.Run(fmt.Sprintf("durability=relaxed/records=%d", records), func(b *testing.B) {
			r := openReplica(b, false)
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				writeReplica(b, r, n, records)
				n += records
			}
		})
	}
}

func TestItemWeighsWhatItSays(t *testing.T) {
	x := makeItem(1234)
	v, err := json.Marshal(&x)
	if err != nil || len(v) < 200 || len(v) > 220 || len(itemKey(1234)) != 23 {
		t.Errorf("record of %d bytes under a key of %d, %v; want 210 and 23", len(v), len(itemKey(1234)), err)
	}
}
