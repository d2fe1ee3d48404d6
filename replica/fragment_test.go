package replica_test

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"testing"

	"github.com/concord-crdt/concord/replica"
	"github.com/concord-crdt/concord/replica/session"
)

// openPruned opens a replica that keeps next to nothing of settled history; the
// one named a is the steward.
func openPruned(t testing.TB, dir, name string) *replica.Replica {
	return openStore(t, filepath.Join(dir, name), replica.Options{Actor: name, Policy: wardPolicy, Steward: name == "a", HistoryBytes: 1})
}

// pruned counts the changes in the history of a record, and says whether it ends
// at one that is no longer kept.
func pruned(t testing.TB, r *replica.Replica, key string) (changes int, ends bool) {
	t.Helper()
	for info, err := range r.Collection("c").History(t.Context(), key) {
		if err != nil {
			t.Fatal(err)
		}
		if changes++; info.Pruned {
			ends = true
		}
	}
	return changes, ends
}

// ward is a steward and a member that know the same, with a settled past whose
// bytes the steward has dropped.
func ward(t testing.TB, dir string) (a, b *replica.Replica, want map[string]map[string]any) {
	t.Helper()
	a, b = openPruned(t, dir, "a"), openWard(t, dir, "b")
	want = map[string]map[string]any{}
	for i := range 40 {
		key := fmt.Sprintf("k%d", i%4)
		update(t, []*replica.Replica{a, b}[i%2], "c", key, func(p *replica.Record) error {
			p.Register("dose").Set(i)
			p.Text("note").Insert(0, fmt.Sprintf("line %d. ", i))
			return p.Stock("stock").Add(2)
		})
	}
	update(t, b, "c", "gone", func(p *replica.Record) error { return p.Register("x").Set("secret") })
	round(t, a, b)
	if err := a.Collection("c").Delete(t.Context(), "gone"); err != nil {
		t.Fatal(err)
	}
	round(t, a, b)
	if s := settle(t, a); s.Number == 0 {
		t.Fatalf("settled %+v", s)
	}
	for i := range 4 {
		key := fmt.Sprintf("k%d", i)
		want[key] = values(t, a, "c", key)
	}
	return a, b, want
}

// TestNewcomerAfterPruning takes records where changes are no longer kept, and
// can pass them on.
func TestNewcomerAfterPruning(t *testing.T) {
	dir := t.TempDir()
	a, b, want := ward(t, dir)
	if n, ends := pruned(t, a, "k0"); n != 1 || !ends {
		t.Errorf("%d changes in the history, end %v", n, ends)
	}
	sameViews(t, want, a)
	round(t, a, b)
	sameViews(t, want, a, b)
	fresh := openPruned(t, dir, "fresh")
	exchange(t, a, fresh, replica.SyncOptions{})
	sameViews(t, want, a, b, fresh)
	third := openWard(t, dir, "third")
	exchange(t, third, fresh, replica.SyncOptions{})
	sameViews(t, want, a, b, fresh, third)
	for i, r := range []*replica.Replica{b, third, fresh, a} {
		key := fmt.Sprintf("k%d", i)
		update(t, r, "c", key, func(p *replica.Record) error { return p.Stock("stock").Add(1) })
		want[key]["stock"] = want[key]["stock"].(int64) + 1
	}
	round(t, a, b, fresh, third)
	sameViews(t, want, a, b, fresh, third)
	if s := settle(t, a); s.Number != 2 {
		t.Errorf("settled %+v", s)
	}
	round(t, a, b, fresh, third)
	sameViews(t, want, a, b, fresh, third)
	last := openWard(t, dir, "last")
	exchange(t, a, last, replica.SyncOptions{})
	sameViews(t, want, a, last)
	for _, r := range []*replica.Replica{a, fresh, last} {
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	a, fresh, last = openPruned(t, dir, "a"), openPruned(t, dir, "fresh"), openWard(t, dir, "last")
	sameViews(t, want, a, b, fresh, third, last)
}

// TestDeviceBelowTheFloorComesBack with edits of its own, also to a record that
// is purged: they stay, and are late.
func TestDeviceBelowTheFloorComesBack(t *testing.T) {
	dir := t.TempDir()
	a, b := openPruned(t, dir, "a"), openWard(t, dir, "b")
	away := openWard(t, dir, "away")
	update(t, a, "c", "k", func(p *replica.Record) error { return p.Stock("stock").Add(1) })
	update(t, a, "c", "gone", func(p *replica.Record) error { return p.Register("x").Set("secret") })
	round(t, a, b, away)
	for range 20 {
		update(t, b, "c", "k", func(p *replica.Record) error { return p.Stock("stock").Add(1) })
	}
	if err := b.Collection("c").Delete(t.Context(), "gone"); err != nil {
		t.Fatal(err)
	}
	round(t, a, b)
	if s := settle(t, a, a.Origin().Replica, b.Origin().Replica); s.Number != 1 {
		t.Fatalf("settled %+v", s)
	}
	update(t, away, "c", "k", func(p *replica.Record) error { return p.Stock("stock").Add(100) })
	update(t, away, "c", "gone", func(p *replica.Record) error { return p.Register("x").Set("edited") })
	update(t, away, "c", "own", func(p *replica.Record) error { return p.Register("x").Set("kept") })
	ra, _ := exchange(t, a, away, replica.SyncOptions{})
	if len(ra.Alarms) > 0 || ra.Sent.Fragments == 0 {
		t.Errorf("alarms %v, %d bytes of fragments", ra.Alarms, ra.Sent.Fragments)
	}
	round(t, a, b, away)
	fresh := openWard(t, dir, "fresh")
	exchange(t, away, fresh, replica.SyncOptions{})
	want := map[string]map[string]any{"k": {"stock": int64(121)}, "own": {"x": "kept"}}
	sameViews(t, want, a, b, away, fresh)
	for _, r := range []*replica.Replica{a, b, away, fresh} {
		if q := quarantined(t, r); len(q) > 0 {
			t.Errorf("%d wait", len(q))
		}
	}
}

// TestCutWhileFragmentsTravel cuts a session after every few bytes: what came
// stays, nothing shows until all is here, and the rest comes in the end.
func TestCutWhileFragmentsTravel(t *testing.T) {
	a, _, want := ward(t, t.TempDir())
	small := replica.SyncOptions{Session: session.Config{StartChunkBytes: 256, LeastChunkBytes: 256, MostChunkBytes: 256}}
	for _, step := range []int{700, 900, 1300} {
		fresh := openStore(t, "", replica.Options{Policy: wardPolicy, DisableDisk: true})
		cuts, fragments := 0, uint64(0)
		for {
			ca, cb := net.Pipe()
			done := make(chan session.Report)
			go func() {
				rep, _ := fresh.SyncConn(context.Background(), &cutConn{cb, step}, small)
				done <- rep
			}()
			_, err := a.SyncConn(context.Background(), ca, small)
			rep := <-done
			fragments += rep.Received.Fragments
			if len(rep.Alarms) > 0 {
				t.Fatalf("cut %d: %+v", cuts, rep.Alarms)
			}
			if err == nil {
				break
			}
			shown := 0
			for range fresh.Collection("c").All(t.Context()) {
				shown++
			}
			if shown != 0 && shown != len(want) {
				t.Fatalf("cut %d: %d records are shown", cuts, shown)
			}
			if cuts++; cuts > 200 {
				t.Fatal("no progress over 200 cuts")
			}
		}
		weight := uint64(0)
		for key := range want {
			weight += uint64(recordBytes(t, a, key))
		}
		if cuts < 3 || fragments > 2*weight+4096 {
			t.Errorf("%d cuts, %d bytes of fragments for records of %d", cuts, fragments, weight)
		}
		sameViews(t, want, a, fresh)
	}
}

// TestCrashWhileFragmentsAreTakenOver ends the process after every group that is
// written.
func TestCrashWhileFragmentsAreTakenOver(t *testing.T) {
	a, _, want := ward(t, t.TempDir())
	o := replica.Options{Policy: wardPolicy, Durability: replica.Relaxed}
	whole := false
	for fuse := 0; !whole; fuse++ {
		m := newMapMedium(7)
		o.Medium = m
		fresh, err := replica.Open("fresh", o)
		if err != nil {
			t.Fatal(err)
		}
		m.fuse = fuse
		ca, cb := net.Pipe()
		done := make(chan error)
		go func() {
			_, err := fresh.SyncConn(t.Context(), cb, replica.SyncOptions{})
			done <- err
		}()
		a.SyncConn(t.Context(), ca, replica.SyncOptions{})
		whole = <-done == nil && m.fuse != 0
		fresh.Close()
		m.fuse = -1
		if fresh, err = replica.Open("fresh", o); err != nil {
			t.Fatalf("after %d groups: %v", fuse, err)
		}
		if rep, err := fresh.Verify(t.Context(), nil); err != nil || !rep.OK() {
			t.Fatalf("after %d groups: %v, %v", fuse, rep.Damage, err)
		}
		if ra, _ := exchange(t, a, fresh, replica.SyncOptions{}); len(ra.Alarms) > 0 {
			t.Fatalf("after %d groups: %+v", fuse, ra.Alarms)
		}
		sameViews(t, want, a, fresh)
		if err := fresh.Close(); err != nil {
			t.Fatal(err)
		}
		if fuse > 500 {
			t.Fatal("it never comes to an end")
		}
	}
}
