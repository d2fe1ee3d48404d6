package replica_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/replica"
)

func appendLine(t *testing.T, r *replica.Replica, line string) {
	t.Helper()
	err := r.Collection("notes").Update(context.Background(), "n", func(p *replica.Record) error {
		return p.Text("body").Append(line)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// upTo is the version that covers the first n changes of a replica.
func upTo(r *replica.Replica, n uint64) *clock.VersionVector {
	var v clock.VersionVector
	v.Set(r.Origin(), n)
	return &v
}

// What a peer sent waits until it is taken, in the order of its author, and
// passes through to others meanwhile. A reopened replica has the rest in its
// inbox again.
func TestInboxHoldsUntilTaken(t *testing.T) {
	ctx := context.Background()
	dir := filepath.Join(t.TempDir(), "b")
	a := openStore(t, filepath.Join(t.TempDir(), "a"), replica.Options{Actor: "ana"})
	b := openStore(t, dir, replica.Options{Actor: "bo", Inbox: true})
	c := openStore(t, filepath.Join(t.TempDir(), "c"), replica.Options{Actor: "cy"})
	for _, line := range []string{"one ", "two ", "three "} {
		appendLine(t, a, line)
	}
	ra, _ := exchange(t, a, b, replica.SyncOptions{})
	if got := ra.Sent.Verdicts.Waiting; got != 3 {
		t.Fatalf("b lets %d changes wait, want 3", got)
	}
	if _, err := b.Collection("notes").View(ctx, "n"); !errors.Is(err, replica.ErrNotFound) {
		t.Fatalf("the record shows before it is taken: %v", err)
	}
	exchange(t, b, c, replica.SyncOptions{})
	if d := cmp.Diff("one two three ", values(t, c, "notes", "n")["body"]); d != "" {
		t.Fatalf("what b passed on (-want +got):\n%s", d)
	}
	if err := b.Take(ctx, "notes", upTo(a, 2)); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff("one two ", values(t, b, "notes", "n")["body"]); d != "" {
		t.Fatalf("after taking two (-want +got):\n%s", d)
	}
	appendLine(t, b, "mine ")
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = openStore(t, dir, replica.Options{Actor: "bo", Inbox: true})
	if d := cmp.Diff("one two mine ", values(t, b, "notes", "n")["body"]); d != "" {
		t.Fatalf("reopened (-want +got):\n%s", d)
	}
	if err := b.TakeAll(ctx); err != nil {
		t.Fatal(err)
	}
	exchange(t, b, a, replica.SyncOptions{})
	if d := cmp.Diff(values(t, a, "notes", "n"), values(t, b, "notes", "n")); d != "" {
		t.Fatalf("in the end (-a +b):\n%s", d)
	}
}

// Take waits for what has not arrived yet, and ends with its context.
func TestTakeWaitsForArrival(t *testing.T) {
	a := openStore(t, filepath.Join(t.TempDir(), "a"), replica.Options{Actor: "ana"})
	b := openStore(t, filepath.Join(t.TempDir(), "b"), replica.Options{Actor: "bo", Inbox: true})
	appendLine(t, a, "one ")
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	if err := b.Take(cancelled, "notes", upTo(a, 1)); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want the context's error", err)
	}
	done := make(chan error, 1)
	go func() { done <- b.Take(context.Background(), "notes", upTo(a, 1)) }()
	exchange(t, a, b, replica.SyncOptions{})
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff("one ", values(t, b, "notes", "n")["body"]); d != "" {
		t.Errorf("text (-want +got):\n%s", d)
	}
	if err := b.Take(context.Background(), "none", &clock.VersionVector{}); err != nil {
		t.Errorf("take nothing of a scope that is not here: %v", err)
	}
}
