package replica_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/merge"
	"github.com/concord-crdt/concord/replica"
)

// wardPolicy has one field that is versioned.
var wardPolicy = merge.Policy{
	Roles: []string{"doctor", "nurse"},
	Collections: map[string]merge.Collection{"c": {Delete: crdt.UpdateWins, Fields: map[string]merge.FieldRule{
		"dose":  {Type: crdt.TypeRegister, Of: merge.Integer, Sticky: true, Resolve: []merge.Step{merge.Authority("doctor", "nurse"), merge.Latest}},
		"stock": {Type: crdt.TypeStock, Of: merge.Integer},
	}}}}

// openWard opens a replica; the one named a is the steward.
func openWard(t testing.TB, dir, name string) *replica.Replica {
	return openStore(t, filepath.Join(dir, name), replica.Options{Actor: name, Policy: wardPolicy, Steward: name == "a"})
}

func settle(t testing.TB, r *replica.Replica, members ...clock.ReplicaID) replica.Settled {
	t.Helper()
	s, err := r.Settle(t.Context(), "c", members...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// round lets the first meet all others, twice: all know all then, and the first
// knows that they do.
func round(t testing.TB, rs ...*replica.Replica) {
	t.Helper()
	for range 3 {
		for _, r := range rs[1:] {
			exchange(t, rs[0], r, replica.SyncOptions{})
		}
	}
}

func sameViews(t testing.TB, want map[string]map[string]any, rs ...*replica.Replica) {
	t.Helper()
	for i, r := range rs {
		got := map[string]map[string]any{}
		for v, err := range r.Collection("c").All(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			got[v.Key] = v.Values()
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("replica %d (-want +got):\n%s", i, diff)
		}
		if rep, err := r.Verify(t.Context(), nil); err != nil || !rep.OK() {
			t.Errorf("replica %d: %v, %v", i, rep.Damage, err)
		}
		for key := range want {
			if a, b := digest(t, rs[0], "c", key), digest(t, r, "c", key); a != b {
				t.Errorf("replica %d: record %s has another digest", i, key)
			}
		}
	}
}

// TestSettleForgetsOnEveryReplica follows a mark from the steward to a device
// that comes back with work of its own, and to one that comes new.
func TestSettleForgetsOnEveryReplica(t *testing.T) {
	dir := t.TempDir()
	a, b, c := openWard(t, dir, "a"), openWard(t, dir, "b"), openWard(t, dir, "c")
	for i := range 50 {
		update(t, a, "c", "k", func(p *replica.Record) error {
			p.Register("dose").Set(i)
			return p.Stock("stock").Add(2)
		})
	}
	update(t, b, "c", "gone", func(p *replica.Record) error { return p.Register("x").Set("secret") })
	round(t, a, b, c)
	if err := b.Collection("c").Delete(t.Context(), "gone"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Settle(t.Context(), "c"); !errors.Is(err, replica.ErrNotSteward) {
		t.Errorf("settled by another than the steward: %v", err)
	}
	round(t, a, b, c)
	before := recordBytes(t, a, "k")
	update(t, c, "c", "k", func(p *replica.Record) error { return p.Stock("stock").Add(5) }) // unknown to the others

	first := settle(t, a)
	if first.Number != 1 {
		t.Fatalf("settled %+v", first)
	}
	if after := recordBytes(t, a, "k"); after > before/4 {
		t.Errorf("50 settled writes take %d bytes, and took %d", after, before)
	}
	round(t, a, b, c)
	want := map[string]map[string]any{"k": {"dose": int64(49), "stock": int64(105)}}
	fresh := openWard(t, dir, "fresh")
	exchange(t, b, fresh, replica.SyncOptions{})
	sameViews(t, want, a, b, c, fresh)

	// A second mark goes on where the first ended.
	update(t, b, "c", "k", func(p *replica.Record) error { return p.Register("dose").Set(7) })
	round(t, a, b, c, fresh)
	if second := settle(t, a); second.Number != 2 {
		t.Errorf("settled %+v", second)
	}
	if again := settle(t, a); again.Number != 0 {
		t.Errorf("settled %+v where nothing is new", again)
	}
	round(t, a, b, c, fresh)
	want["k"]["dose"] = int64(7)
	sameViews(t, want, a, b, c, fresh)

	// All of it is there after a restart.
	for _, r := range []*replica.Replica{a, b} {
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	a, b = openWard(t, dir, "a"), openWard(t, dir, "b")
	sameViews(t, want, a, b, c, fresh)
	update(t, b, "c", "k", func(p *replica.Record) error { return p.Register("dose").Set(8) })
	round(t, a, b, c, fresh)
	want["k"]["dose"] = int64(8)
	sameViews(t, want, a, b, c, fresh)
}

func recordBytes(t testing.TB, r *replica.Replica, key string) int {
	t.Helper()
	b, err := r.Collection("c").State(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return len(b)
}

// TestMemberThatIsAwayHoldsUpTheMark: without its acknowledgement nothing is
// forgotten, and Settle says who is missing.
//
//concord:edge long offline
func TestMemberThatIsAwayHoldsUpTheMark(t *testing.T) {
	dir := t.TempDir()
	a, b, c := openWard(t, dir, "a"), openWard(t, dir, "b"), openWard(t, dir, "c")
	update(t, c, "c", "k", func(p *replica.Record) error { return p.Register("dose").Set(1) })
	exchange(t, b, c, replica.SyncOptions{}) // a hears of c through b
	exchange(t, a, b, replica.SyncOptions{})
	s := settle(t, a)
	if diff := cmp.Diff([]clock.ReplicaID{c.Origin().Replica}, s.Missing); s.Number != 0 || diff != "" {
		t.Errorf("settled %d, missing (-want +got):\n%s", s.Number, diff)
	}
	exchange(t, a, b, replica.SyncOptions{})
	if s := settle(t, a, a.Origin().Replica, b.Origin().Replica); s.Number != 1 {
		t.Errorf("settled %+v without the one that is left out", s)
	}
	// It comes back with an edit that it made before it heard of the mark.
	update(t, c, "c", "k", func(p *replica.Record) error { return p.Register("dose").Set(2) })
	round(t, a, b, c)
	sameViews(t, map[string]map[string]any{"k": {"dose": int64(2)}}, a, b, c)
}

// TestFoldIsTakenUpAfterItWasCut settles more records than one batch holds, from
// a store that was closed in between.
//
//concord:fault a process that ends anywhere
func TestFoldIsTakenUpAfterItWasCut(t *testing.T) {
	dir := t.TempDir()
	a, b := openWard(t, dir, "a"), openWard(t, dir, "b")
	want := map[string]map[string]any{}
	for i := range 300 {
		key := fmt.Sprintf("k%03d", i)
		for dose := range 2 {
			update(t, a, "c", key, func(p *replica.Record) error { return p.Register("dose").Set(dose) })
		}
		want[key] = map[string]any{"dose": int64(1)}
	}
	round(t, a, b)
	if s := settle(t, a); s.Number != 1 {
		t.Fatalf("settled %+v", s)
	}
	exchange(t, a, b, replica.SyncOptions{})
	sameViews(t, want, a, b)
}

// TestRestampLetsInWhatWaits: a device whose clock was a year ahead puts its
// changes right, and nobody waits a year.
//
//concord:fault a clock that is wrong
func TestRestampLetsInWhatWaits(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	wrong := true
	wall := func() time.Time { return now }
	a := openStore(t, filepath.Join(t.TempDir(), "a"), replica.Options{Wall: func() time.Time {
		if wrong {
			return now.AddDate(1, 0, 0)
		}
		return now
	}})
	b := openStore(t, filepath.Join(t.TempDir(), "b"), replica.Options{Wall: wall})
	update(t, a, "notes", "n", func(p *replica.Record) error { return p.Register("x").Set("future") })
	exchange(t, a, b, replica.SyncOptions{})
	if q := quarantined(t, b); len(q) != 1 {
		t.Fatalf("quarantine %v", q)
	}
	wrong = false
	year := now.AddDate(1, 0, 0).Sub(now)
	old := a.Origin()
	if err := a.Restamp(t.Context(), "notes", crdt.Restamp{Origin: old, From: 1, To: 1, Back: year}); err != nil {
		t.Fatal(err)
	}
	if err := b.Restamp(t.Context(), "notes", crdt.Restamp{Origin: old, From: 1, To: 1, Back: year}); !errors.Is(err, crdt.ErrRestamp) {
		t.Errorf("restamped by another: %v", err)
	}
	if a.Origin() == old {
		t.Error("it goes on as the incarnation whose clock is a year ahead")
	}
	exchange(t, a, b, replica.SyncOptions{})
	if q := quarantined(t, b); len(q) != 0 {
		t.Errorf("still waits: %v", q)
	}
	if got := values(t, b, "notes", "n")["x"]; got != "future" {
		t.Errorf("shows %v", got)
	}
	update(t, a, "notes", "n", func(p *replica.Record) error { return p.Counter("n").Add(1) }) // of the right time
	exchange(t, a, b, replica.SyncOptions{})
	update(t, b, "notes", "n", func(p *replica.Record) error { return p.Register("x").Set("now") })
	exchange(t, a, b, replica.SyncOptions{})
	for _, r := range []*replica.Replica{a, b} {
		if got := values(t, r, "notes", "n")["x"]; got != "now" {
			t.Errorf("shows %v", got)
		}
	}
}

func quarantined(t testing.TB, r *replica.Replica) (list []replica.Quarantined) {
	t.Helper()
	for q, err := range r.Quarantine(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, q)
	}
	return list
}
