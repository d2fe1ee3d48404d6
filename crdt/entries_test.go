package crdt_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
)

func TestEntriesAsTheyWereWritten(t *testing.T) {
	a, b := newDevice(1), newDevice(2)
	counted := clock.NewStamp(begin.Add(-time.Hour), 0)
	var proposal crdt.EntryID
	a.edit(t, nil, func(e *crdt.RecordEditor) {
		e.Stock("stock").Add(5)
		e.Bounded("seats").Open(0, 40, 30)
		proposal, _ = e.Proposal("dose").Propose(7)
	})
	a.edit(t, nil, func(e *crdt.RecordEditor) {
		e.Stock("stock").Recount(12, counted)
		e.Bounded("seats").Add(-4)
		e.Bounded("seats").Transfer(b.origin, 3)
		e.Proposal("dose").Decide(proposal, true)
	})
	a.edit(t, nil, func(e *crdt.RecordEditor) { e.Proposal("dose").Decide(proposal, false) })
	field := func(name string, k crdt.Type) crdt.Field { return a.record.Field(name, k, crdt.DeleteWins) }
	var moves []any
	for _, m := range field("stock", crdt.TypeStock).Movements() {
		moves = append(moves, m.Value, m.Recount, m.AsOf)
	}
	if diff := cmp.Diff([]any{int64(5), false, clock.Stamp(0), int64(12), true, counted}, moves); diff != "" {
		t.Errorf("movements:\n%s", diff)
	}
	var verdicts []any
	for _, v := range field("dose", crdt.TypeProposal).GivenVerdicts() {
		verdicts = append(verdicts, v.Value, v.Of == proposal)
	}
	if diff := cmp.Diff([]any{true, true, false, true}, verdicts); diff != "" {
		t.Errorf("verdicts:\n%s", diff)
	}
	seats := field("seats", crdt.TypeBounded).Ledgers()
	if len(seats) != 1 {
		t.Fatalf("%d ledgers, want 1", len(seats))
	}
	want := crdt.Ledger{Origin: a.origin, Opening: seats[0].Opening, Down: 4, Given: []crdt.Gift{{To: b.origin, Up: 3}}}
	if diff := cmp.Diff(want, seats[0]); diff != "" || seats[0].Opening.Dot.N != 1 {
		t.Errorf("ledger:\n%s", diff)
	}
}
