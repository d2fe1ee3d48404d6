package replica_test

import (
	"testing"

	"github.com/concord-crdt/concord/replica"
)

// TestPurgedTextStaysAway deletes a record with a text, settles that, and makes the
// record anew: nothing of the old text comes back, whatever is settled then.
func TestPurgedTextStaysAway(t *testing.T) {
	dir := t.TempDir()
	a, b := openWard(t, dir, "a"), openWard(t, dir, "b")
	write := func(p *replica.Record) error { return p.Text("notes").Insert(0, "old") }
	update(t, a, "c", "k", write)
	if err := a.Collection("c").Delete(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	round(t, a, b)
	settle(t, a)
	update(t, a, "c", "k", func(p *replica.Record) error { return p.Register("dose").Set(1) })
	round(t, a, b)
	settle(t, a)
	round(t, a, b)
	want := map[string]map[string]any{"k": {"dose": int64(1)}}
	sameViews(t, want, a, b)
	update(t, b, "c", "k", func(p *replica.Record) error { return p.Text("notes").Insert(0, "new") })
	round(t, a, b)
	settle(t, a)
	round(t, a, b)
	want["k"]["notes"] = "new"
	sameViews(t, want, a, b)
	again := openWard(t, dir, "fresh")
	exchange(t, b, again, replica.SyncOptions{})
	sameViews(t, want, a, again)
}

// TestNotLateAfterRestart reads a record again that was made after a mark, by one
// who knew of the mark.
func TestNotLateAfterRestart(t *testing.T) {
	dir := t.TempDir()
	a, b := openWard(t, dir, "a"), openWard(t, dir, "b")
	update(t, a, "c", "before", func(p *replica.Record) error { return p.Register("dose").Set(1) })
	round(t, a, b)
	if s := settle(t, a, a.Origin().Replica); s.Number != 1 {
		t.Fatalf("settled %+v", s)
	}
	round(t, a, b)
	update(t, b, "c", "after", func(p *replica.Record) error { return p.Register("dose").Set(2) })
	for range 2 {
		v, err := b.Collection("c").View(t.Context(), "after")
		if err != nil {
			t.Fatal(err)
		}
		if dose, ok := v.Field("dose"); !ok || len(dose.Candidates) != 1 || dose.Candidates[0].Late {
			t.Errorf("shows %+v", dose)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		b = openWard(t, dir, "b")
	}
}
