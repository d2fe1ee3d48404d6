package replica_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-crdt/concord/replica"
	"github.com/concord-crdt/concord/replica/session"
)

// openStore opens a replica in a directory of its own and closes it at the end.
func openStore(t testing.TB, dir string, o replica.Options) *replica.Replica {
	t.Helper()
	o.Durability = replica.Relaxed
	r, err := replica.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil && !errors.Is(err, replica.ErrClosed) {
			t.Error(err)
		}
	})
	return r
}

// exchange runs one session between two replicas over a pipe in memory.
func exchange(t testing.TB, a, b *replica.Replica, o replica.SyncOptions) (ra, rb session.Report) {
	t.Helper()
	ca, cb := net.Pipe()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		var err error
		rb, err = b.SyncConn(ctx, cb, replica.SyncOptions{})
		done <- err
	}()
	ra, err := a.SyncConn(ctx, ca, o)
	if err != nil {
		t.Fatalf("session: %v", err)
	}
	if err := <-done; err != nil {
		t.Fatalf("session, other side: %v", err)
	}
	return ra, rb
}

func values(t testing.TB, r *replica.Replica, coll, key string) map[string]any {
	t.Helper()
	v, err := r.Collection(coll).View(context.Background(), key)
	if err != nil {
		t.Fatal(err)
	}
	return v.Values()
}

func TestTwoDevicesEditApartAndAgree(t *testing.T) {
	ctx := context.Background()
	a := openStore(t, filepath.Join(t.TempDir(), "a"), replica.Options{Actor: "ana", Role: "nurse"})
	b := openStore(t, filepath.Join(t.TempDir(), "b"), replica.Options{Actor: "bo", Role: "doctor"})
	err := a.Collection("patients").Update(ctx, "bed-7", func(p *replica.Record) error {
		p.Register("name").Set("Ida")
		p.Set("allergies").Add("latex")
		p.Counter("doses").Add(1)
		return p.Text("note").Append("slept well")
	})
	if err != nil {
		t.Fatal(err)
	}
	exchange(t, a, b, replica.SyncOptions{})
	for i, r := range []*replica.Replica{a, b} {
		err := r.Collection("patients").Update(ctx, "bed-7", func(p *replica.Record) error {
			p.Set("allergies").Add(fmt.Sprintf("nuts-%d", i))
			p.Counter("doses").Add(int64(i + 1))
			return p.Text("note").Insert(0, fmt.Sprintf("(%d) ", i))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	ra, _ := exchange(t, a, b, replica.SyncOptions{})
	t.Logf("%+v", ra)
	got, want := values(t, a, "patients", "bed-7"), values(t, b, "patients", "bed-7")
	if d := cmp.Diff(want, got); d != "" {
		t.Fatalf("views differ (-b +a):\n%s", d)
	}
	if got["doses"] != int64(4) {
		t.Errorf("doses = %v, want 4", got["doses"])
	}
	ra, _ = exchange(t, a, b, replica.SyncOptions{})
	t.Logf("nothing to do: %+v", ra)
}

func TestReopenKeepsEverything(t *testing.T) {
	ctx := context.Background()
	dir := filepath.Join(t.TempDir(), "a")
	a := openStore(t, dir, replica.Options{Actor: "ana"})
	for i := range 300 {
		if err := a.Collection("notes").Update(ctx, "n", func(p *replica.Record) error {
			p.Counter("edits").Add(1)
			p.Register("last").Set(i)
			return p.Text("body").Append(fmt.Sprintf("line %d, with some text to make it weigh something\n", i))
		}); err != nil {
			t.Fatal(err)
		}
	}
	want := values(t, a, "notes", "n")
	origin := a.Origin()
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	a = openStore(t, dir, replica.Options{Actor: "ana"})
	if d := cmp.Diff(want, values(t, a, "notes", "n")); d != "" {
		t.Fatalf("after reopening (-before +after):\n%s", d)
	}
	if a.Origin() != origin {
		t.Errorf("origin is %v, was %v", a.Origin(), origin)
	}
	n := 0
	for _, err := range a.Collection("notes").History(ctx, "n") {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != 300 {
		t.Errorf("history has %d changes, want 300", n)
	}
}

//concord:fault a change that fails
func TestFailedUpdateChangesNothing(t *testing.T) {
	ctx := context.Background()
	a := openStore(t, filepath.Join(t.TempDir(), "a"), replica.Options{})
	c := a.Collection("notes")
	if err := c.Update(ctx, "n", func(p *replica.Record) error {
		p.Register("title").Set("one")
		p.Set("tags").Add("x")
		return p.Text("body").Append("hello")
	}); err != nil {
		t.Fatal(err)
	}
	want, _ := c.View(ctx, "n")
	boom := errors.New("boom")
	if err := c.Update(ctx, "n", func(p *replica.Record) error {
		p.Register("title").Set("two")
		p.Set("tags").Remove("x")
		p.Counter("n").Add(3)
		p.Text("body").Insert(2, "XX")
		p.Text("body").Delete(0, 1)
		return boom
	}); !errors.Is(err, boom) {
		t.Fatalf("error is %v", err)
	}
	if err := c.Update(ctx, "n", func(p *replica.Record) error {
		p.Register("title").Set("three")
		p.Text("body").Insert(99, "out of range") // not looked at: the change fails all the same
		return nil
	}); err == nil {
		t.Fatal("an edit out of range was accepted")
	}
	got, _ := c.View(ctx, "n")
	if d := cmp.Diff(want.Values(), got.Values()); d != "" {
		t.Fatalf("after failed updates (-before +after):\n%s", d)
	}
	if got.Version.String() != want.Version.String() {
		t.Error("the version moved")
	}
	if err := c.Update(ctx, "n", func(p *replica.Record) error { return p.Text("body").Append("!") }); err != nil {
		t.Fatal(err)
	}
	if v := values(t, a, "notes", "n"); v["body"] != "hello!" {
		t.Errorf("body = %q", v["body"])
	}
}

//concord:edge two processes on one store
func TestSecondOpenIsRefusedByName(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a")
	openStore(t, dir, replica.Options{})
	_, err := replica.Open(dir, replica.Options{})
	locked, ok := errors.AsType[*replica.LockedError](err)
	if !ok || locked.PID == 0 {
		t.Fatalf("error is %v, want one that names the process", err)
	}
}

// TestChangeOverMoreRecordsThanTheCacheHolds: a change keeps what it opened.
//
//concord:edge a small cache
func TestChangeOverMoreRecordsThanTheCacheHolds(t *testing.T) {
	ctx := context.Background()
	a := openStore(t, filepath.Join(t.TempDir(), "a"), replica.Options{CacheBytes: 1})
	for round := range 3 {
		err := a.Transact(ctx, "c", func(tx *replica.Tx) error {
			for i := range 50 {
				p, err := tx.Record(fmt.Sprint(i))
				if err != nil {
					return err
				}
				p.Counter("n").Add(1)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 50 {
			if got := values(t, a, "c", fmt.Sprint(i))["n"]; got != int64(round+1) {
				t.Fatalf("record %d shows %v in round %d", i, got, round)
			}
		}
	}
}

// TestPanicInEditLeavesTheReplicaUsable: whoever recovers can go on.
//
//concord:fault a panic in the caller's code
func TestPanicInEditLeavesTheReplicaUsable(t *testing.T) {
	a := openStore(t, filepath.Join(t.TempDir(), "a"), replica.Options{})
	func() {
		defer func() { recover() }()
		a.Collection("c").Update(context.Background(), "k", func(p *replica.Record) error {
			p.Register("x").Set(1)
			panic("a bug in the application")
		})
	}()
	update(t, a, "c", "k", func(p *replica.Record) error { return p.Register("y").Set(2) })
	if v := values(t, a, "c", "k"); v["x"] != nil || v["y"] != int64(2) {
		t.Errorf("shows %v", v)
	}
}

// TestAuthorThatNoPeerCouldReadIsRefused before it is made, not after.
//
//concord:edge limits
func TestAuthorThatNoPeerCouldReadIsRefused(t *testing.T) {
	a := openStore(t, filepath.Join(t.TempDir(), "a"), replica.Options{})
	for _, as := range []string{strings.Repeat("x", 257), "\xff"} {
		err := a.Collection("c").Update(context.Background(), "k", func(p *replica.Record) error {
			return p.As(as, "nurse").Register("x").Set(1)
		})
		if err == nil {
			t.Errorf("actor %.10q was accepted", as)
		}
	}
	if _, err := a.Collection("c").View(context.Background(), "k"); !errors.Is(err, replica.ErrNotFound) {
		t.Errorf("after refused changes the view gives %v", err)
	}
}
