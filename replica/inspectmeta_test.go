package replica_test

import (
	"bytes"
	"errors"
	"path/filepath"
	"testing"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/replica"
	"github.com/concord-crdt/concord/replica/session"
)

func TestStoredRowsOfAnEncryptedStore(t *testing.T) {
	dir, key := filepath.Join(t.TempDir(), "s"), bytes.Repeat([]byte{7}, 32)
	r := openStore(t, dir, replica.Options{EncryptionKey: key})
	update(t, r, "c", "k", func(p *replica.Record) error { return p.Register("x").Set(1) })
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for x, err := range replica.StoredRows(t.Context(), dir, key) {
		if err != nil || x.Err != nil {
			t.Fatal(err, x.Err)
		}
		kinds[x.Kind]++
	}
	if kinds["change"] != 1 || kinds["header"] != 1 {
		t.Errorf("rows are %v", kinds)
	}
	if names, err := replica.StoredKeys(dir, key, "c/", 9); err != nil || len(names) != 1 {
		t.Errorf("keys are %v, %v", names, err)
	}
	for _, other := range [][]byte{nil, bytes.Repeat([]byte{8}, 32)} {
		for _, err := range replica.StoredRows(t.Context(), dir, other) {
			if !errors.Is(err, replica.ErrKey) {
				t.Errorf("with another key: %v, want ErrKey", err)
			}
		}
	}
}

// TestStoredRowsOfAScopeThatIsSettled shows what the steward's members said, and
// how far its records were brought.
func TestStoredRowsOfAScopeThatIsSettled(t *testing.T) {
	dir := t.TempDir()
	a, b := openWard(t, dir, "a"), openWard(t, dir, "b")
	update(t, a, "c", "k", func(p *replica.Record) error { return p.Register("dose").Set(5) })
	round(t, a, b)
	if s := settle(t, a); s.Number != 1 {
		t.Fatalf("settled %+v", s)
	}
	member := b.Origin().Replica
	if err := errors.Join(a.Close(), b.Close()); err != nil {
		t.Fatal(err)
	}
	acked, settled := clock.ReplicaID{}, uint64(0)
	for x, err := range replica.StoredRows(t.Context(), filepath.Join(dir, "a"), nil) {
		if err != nil || x.Err != nil {
			t.Fatal(err, x.Err)
		}
		if x.Meta == nil || x.Scope != "c" {
			continue
		}
		switch x.Meta.Name {
		case "ack":
			if acked = x.Meta.Member; len(x.Meta.Acknowledgements) == 0 {
				t.Error("nothing was acknowledged")
			}
		case "settled":
			settled = x.Meta.Settled
		}
	}
	if acked != member || settled != 1 {
		t.Errorf("%v acknowledged, settled to mark %d; want %v, 1", acked, settled, member)
	}
}

func TestQuarantineNamesTheInbox(t *testing.T) {
	a := openStore(t, filepath.Join(t.TempDir(), "a"), replica.Options{})
	b := openStore(t, filepath.Join(t.TempDir(), "b"), replica.Options{Inbox: true})
	update(t, a, "c", "k", func(p *replica.Record) error { return p.Register("x").Set(1) })
	exchange(t, a, b, replica.SyncOptions{})
	n := 0
	for q, err := range b.Quarantine(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; q.Code != session.CodeInbox || q.Fate != replica.Waiting || q.Reason == "" {
			t.Errorf("listed as %v, %v: %q", q.Fate, q.Code, q.Reason)
		}
	}
	if n != 1 {
		t.Errorf("%d changes are listed, want 1", n)
	}
}
