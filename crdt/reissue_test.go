package crdt_test

import (
	"testing"

	"github.com/concord-crdt/concord/crdt"
)

// TestReissueOfTypingWithinText has a restored device go on with a run that it
// had begun before, with text of another behind it. The run's first part keeps
// its name; what was typed since must stand behind it under the new one.
func TestReissueOfTypingWithinText(t *testing.T) {
	other, a := newDevice(2), newDevice(1)
	before := other.edit(t, nil, func(e *crdt.RecordEditor) { e.Text("note").Append("[]") })
	a.receive(t, before)
	common := a.edit(t, nil, func(e *crdt.RecordEditor) { e.Text("note").Insert(1, "one") })
	lost := []*crdt.Change{
		a.edit(t, nil, func(e *crdt.RecordEditor) { e.Text("note").Insert(4, " two") }),
		a.edit(t, nil, func(e *crdt.RecordEditor) { e.Text("note").Delete(2, 3) }), // of both parts
		a.edit(t, nil, func(e *crdt.RecordEditor) { e.Text("note").Insert(5, "!") }),
	}
	want(t, "note at a", written(a, "note"), "[otwo!]")

	fresh := newDevice(1)
	fresh.origin.Incarnation = 7
	fresh.receive(t, before, common)
	other.receive(t, common)
	again := crdt.NewReissue(a.origin, 1, fresh.origin, func(string) (*crdt.Record, error) { return fresh.record, nil })
	for i, c := range lost {
		x, err := again.Change(c, uint64(i+1))
		if err != nil {
			t.Fatal(err)
		}
		fresh.receive(t, x)
		other.receive(t, x)
	}
	want(t, "note at the restored device", written(fresh, "note"), "[otwo!]")
	want(t, "note at the other", written(other, "note"), "[otwo!]")
}
