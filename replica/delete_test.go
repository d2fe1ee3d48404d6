package replica_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/merge"
	"github.com/concord-crdt/concord/replica"
)

// pair opens two replicas with a policy for collection "c".
func pair(t testing.TB, wins crdt.DeletePolicy) (a, b *replica.Replica) {
	policy := merge.Policy{Collections: map[string]merge.Collection{"c": {Delete: wins}}}
	a = openStore(t, filepath.Join(t.TempDir(), "a"), replica.Options{Actor: "ana", Policy: policy})
	b = openStore(t, filepath.Join(t.TempDir(), "b"), replica.Options{Actor: "bo", Policy: policy})
	return a, b
}

func visible(t testing.TB, r *replica.Replica, key string) bool {
	t.Helper()
	_, err := r.Collection("c").View(context.Background(), key)
	if err != nil && !errors.Is(err, replica.ErrNotFound) {
		t.Fatal(err)
	}
	return err == nil
}

//concord:edge concurrent deletion
func TestDeletionAgainstConcurrentEdit(t *testing.T) {
	for _, x := range []struct {
		policy crdt.DeletePolicy
		want   bool
	}{{crdt.DeleteWins, false}, {crdt.UpdateWins, true}} {
		ctx := context.Background()
		a, b := pair(t, x.policy)
		update(t, a, "c", "k", func(p *replica.Record) error { return p.Register("x").Set(1) })
		exchange(t, a, b, replica.SyncOptions{})
		if err := a.Collection("c").Delete(ctx, "k"); err != nil {
			t.Fatal(err)
		}
		update(t, b, "c", "k", func(p *replica.Record) error { return p.Register("y").Set(2) })
		exchange(t, a, b, replica.SyncOptions{})
		for _, r := range []*replica.Replica{a, b} {
			if got := visible(t, r, "k"); got != x.want {
				t.Errorf("policy %v: visible is %v, want %v", x.policy, got, x.want)
			}
		}
		// The orphan is kept: a restore shows it.
		if x.policy == crdt.DeleteWins {
			if err := b.Collection("c").Restore(ctx, "k"); err != nil {
				t.Fatal(err)
			}
			for x, err := range b.Collection("c").History(ctx, "k") {
				if err != nil {
					t.Fatal(err)
				}
				if x.Author.Actor == "bo" && x.Patch == nil && len(x.Restore) != 1 {
					t.Errorf("change %v takes back %v, want the deletion", x.Dot, x.Restore)
				}
			}
			exchange(t, a, b, replica.SyncOptions{})
			if v := values(t, a, "c", "k"); v["x"] != int64(1) || v["y"] != int64(2) {
				t.Errorf("restored record shows %v", v)
			}
		}
	}
}

// TestRecordMadeAgainStartsAnew: what was typed and counted under the old birth
// is not shown under the new one.
//
//concord:edge deleted and made again
func TestRecordMadeAgainStartsAnew(t *testing.T) {
	ctx := context.Background()
	a, b := pair(t, crdt.DeleteWins)
	fill := func(r *replica.Record) error {
		r.Counter("n").Add(5)
		r.Set("s").Add("old")
		r.List("l").Append("old")
		r.Register("x").Set("old")
		return r.Text("t").Append("old")
	}
	update(t, a, "c", "k", fill)
	exchange(t, a, b, replica.SyncOptions{})
	if err := a.Collection("c").Delete(ctx, "k"); err != nil {
		t.Fatal(err)
	}
	if err := a.Collection("c").Delete(ctx, "k"); !errors.Is(err, replica.ErrNotFound) {
		t.Errorf("deleting twice: %v", err)
	}
	update(t, a, "c", "k", func(r *replica.Record) error {
		r.Counter("n").Add(1)
		r.Set("s").Add("new")
		r.List("l").Append("new")
		return r.Text("t").Append("new")
	})
	exchange(t, a, b, replica.SyncOptions{})
	for _, r := range []*replica.Replica{a, b} {
		v := values(t, r, "c", "k")
		if v["n"] != int64(1) || len(v["s"].([]any)) != 1 || v["t"] != "new" || len(v["l"].([]any)) != 1 || v["x"] != nil {
			t.Errorf("made again: %v", v)
		}
	}
}

// TestTwoTabletsMakeOneRecord: a deletion ends the births that it names, and no
// other.
//
//concord:edge one key made twice
func TestTwoTabletsMakeOneRecord(t *testing.T) {
	ctx := context.Background()
	a, b := pair(t, crdt.DeleteWins)
	update(t, a, "c", "k", func(p *replica.Record) error { return p.Set("s").Add("from a") })
	update(t, b, "c", "k", func(p *replica.Record) error { return p.Set("s").Add("from b") })
	if err := a.Collection("c").Delete(ctx, "k"); err != nil {
		t.Fatal(err)
	}
	exchange(t, a, b, replica.SyncOptions{})
	for _, r := range []*replica.Replica{a, b} {
		v := values(t, r, "c", "k")
		if s := v["s"].([]any); len(s) != 1 || s[0] != "from b" {
			t.Errorf("shows %v, want only what was written under b's birth", v)
		}
	}
}
