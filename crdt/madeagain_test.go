package crdt_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-crdt/concord/crdt"
)

// TestRecordMadeAgainHasNoFieldsOfBefore: what went with a deleted birth is not
// shown, not even empty. A text that was emptied since is.
func TestRecordMadeAgainHasNoFieldsOfBefore(t *testing.T) {
	a, b := newDevice(1), newDevice(2)
	s := newSteward(a, a, b)
	all := []*crdt.Change{
		a.edit(t, nil, func(e *crdt.RecordEditor) {
			e.Text("text").Append("old")
			e.Text("emptied").Append("old")
			e.List("list").Append("old")
			e.Log("log").Append("old")
			e.Stock("stock").Add(5)
			e.Proposal("proposal").Propose("old")
			e.Register("register").Set("old")
			e.Map("map").Log("log").Append("old")
		}),
		a.edit(t, nil, func(e *crdt.RecordEditor) {
			e.Text("emptied").Delete(0, 3)
			e.Text("both").Append("old")
		}),
		a.delete(t),
		a.edit(t, nil, func(e *crdt.RecordEditor) { e.Register("x").Set(1) }),
		a.edit(t, nil, func(e *crdt.RecordEditor) { e.Text("both").Append("new") }),
		a.edit(t, nil, func(e *crdt.RecordEditor) { e.Text("both").Delete(0, 3) }),
	}
	b.receive(t, all...)
	names := func(r *crdt.Record) (names []string) {
		for f := range r.Fields(crdt.DeleteWins) {
			names = append(names, f.Name())
		}
		return names
	}
	want := []string{"both", "x"}
	check := func(when string) {
		t.Helper()
		for _, d := range []*device{a, b} {
			if diff := cmp.Diff(want, names(d.record)); diff != "" {
				t.Errorf("%s, %s:\n%s", when, d.name, diff)
			}
		}
	}
	check("made again")
	s.hear(0)
	s.hear(1)
	m, ok := s.write(t)
	if !ok {
		t.Fatal("there is nothing to settle")
	}
	b.mark(t, m)
	check("settled")
}
