package crdt

import (
	"testing"

	"github.com/concord-crdt/concord/clock"
)

// TestReissueRenamesContents: what was decided, set or spent on what was made
// under a lost past is decided, set or spent on it under its new name.
func TestReissueRenamesContents(t *testing.T) {
	old, fresh := strictOrigin(1), strictOrigin(2)
	do := func(r *Record, n uint64, f func(e *RecordEditor)) *Change {
		e := r.Edit("r", EditOptions{Dot: clock.Dot{Origin: old, N: n}})
		f(e)
		p, ok, err := e.Part(false)
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		c := &Change{Dot: clock.Dot{Origin: old, N: n}, Stamp: clock.Stamp(n), Parts: []Part{p}}
		e.Commit(c, HashOf(c.Encode()).Digest())
		return c
	}
	var rec Record
	do(&rec, 1, func(e *RecordEditor) { e.List("steps").Append("a", "b") })
	lost, err := DecodeRecord(bytesOf(rec.Write))
	if err != nil {
		t.Fatal(err)
	}
	var proposed EntryID
	changes := []*Change{
		do(lost, 2, func(e *RecordEditor) {
			proposed, _ = e.Proposal("dose").Propose(5)
			e.List("steps").Append("c")
			e.Bounded("seats").Open(0, 10, 4)
		}),
		do(lost, 3, func(e *RecordEditor) {
			e.Proposal("dose").Decide(proposed, false)
			e.List("steps").Set(0, "A")
			e.List("steps").Set(2, "C")
			e.Bounded("seats").Add(2)
			e.Verdict(clock.Dot{Origin: old, N: 2}, true)
		}),
		do(lost, 4, func(e *RecordEditor) {
			e.Proposal("dose").Decide(proposed, true)
			e.Verdict(clock.Dot{Origin: old, N: 2}, false)
		}),
	}
	x := NewReissue(old, 1, fresh, func(string) (*Record, error) { return &rec, nil })
	for i, c := range changes {
		again, err := x.Change(c, uint64(i)+1)
		if err != nil {
			t.Fatal(err)
		}
		if again, err = DecodeChange(again.Encode()); err != nil {
			t.Fatal(err)
		}
		if err := rec.Check(again, &again.Parts[0]); err != nil {
			t.Fatal(err)
		}
		rec.Apply(again, &again.Parts[0], HashOf(again.Encode()).Digest(), nil)
	}
	if c, ok := rec.Field("dose", TypeProposal, DeleteWins).Accepted(); !ok || c.Value != int64(5) {
		t.Errorf("accepted: %v, %v", c.Value, ok)
	}
	verdicts := rec.Rulings()
	if len(verdicts) != 2 || verdicts[0].On != (clock.Dot{Origin: fresh, N: 1}) ||
		len(verdicts[1].Replaces) != 1 || verdicts[1].Replaces[0] != verdicts[0].ID {
		t.Errorf("verdicts %+v", verdicts)
	}
	got := rec.Field("steps", TypeList, DeleteWins).Values()
	if len(got) != 3 || got[0] != "A" || got[2] != "C" {
		t.Errorf("steps: %v", got)
	}
	seats := rec.Field("seats", TypeBounded, DeleteWins)
	if up, down := seats.Rights(fresh); seats.Bounded().Value.Int64() != 6 || up.Int64() != 4 || down.Int64() != 6 {
		t.Errorf("seats: %v, to go up %v and down %v", seats.Bounded().Value, up, down)
	}
}
