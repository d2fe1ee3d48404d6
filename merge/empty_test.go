package merge_test

import (
	"testing"

	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/merge"
)

// A set that a map was given comes to be empty, and is there on every replica,
// however the state came to it.
func TestEmptyContainerIsThere(t *testing.T) {
	d := newDevice(1)
	b := d.write(t, nurse, at(0), nil, func(e *crdt.RecordEditor) { e.Map("plan").Set("skipped") })
	c := d.write(t, nurse, at(1), nil, func(e *crdt.RecordEditor) { _ = e.Map("plan").Set("skipped").Add(1) })
	x := d.write(t, nurse, at(2), nil, func(e *crdt.RecordEditor) { _ = e.Map("plan").Set("skipped").Remove(1) })
	byChanges := inOrder(t, [][]byte{b, c, x}, []int{0, 1, 2})
	whole := new(crdt.Record)
	whole.Join(&byChanges.rec, nil)
	if whole.Digest() != byChanges.rec.Digest() {
		t.Fatal("another state")
	}
	want := render(merge.View(&byChanges.rec, nil))
	for name, rec := range map[string]*crdt.Record{"joined whole": whole, "the author": &d.rec} {
		if got := render(merge.View(rec, nil)); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
		}
	}
	if f, ok := merge.View(whole, nil).Values()["plan"]; !ok {
		t.Errorf("no plan: %v", f)
	}
}
