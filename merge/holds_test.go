package merge_test

import (
	"testing"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/merge"
	"github.com/google/go-cmp/cmp"
)

// bank holds what takes a day's sum over 10,000, wardLimit a dose over 4,000, and
// tariffs wait for a supervisor.
var (
	bank = ruled(`account: {fields: {sent: {type: counter}, memo: {type: register, of: string}},
    constraints: [{name: daily-limit, must: record.sent <= 10000, approve: [supervisor]}]}`)
	wardLimit = ruled(`medication: {fields: {dose: {type: register, of: integer, resolve: [{authority: [doctor, nurse]}, latest]},
      note: {type: register, of: string}},
    constraints: [{name: daily-maximum, must: record.dose <= 4000, approve: [chief]}]}`)
	tariffs = ruled(`tariff: {fields: {class: {type: register, of: string, consistency: approved, resolve: [{approve: [supervisor]}]},
      memo: {type: register, of: string}}}`)
)

// ruled are the rules of the only collection in lines of a policy.
func ruled(lines string) *merge.CollectionRules {
	p, findings := merge.ParsePolicy("test.yaml", []byte("policy: p\nversion: 1\nroles: [chief, supervisor, doctor, nurse, teller, clerk]\ncollections:\n  "+lines+"\n"))
	if err := findings.Err(); err != nil {
		panic(err)
	}
	rules, findings := p.Compile(nil)
	if err := findings.Err(); err != nil {
		panic(err)
	}
	for name := range p.Collections {
		c, err := rules.Collection(name)
		if err != nil {
			panic(err)
		}
		return c
	}
	panic("no collection")
}

// keeping is a device whose fields keep what the rules ask for.
func keeping(id byte) *device {
	d := newDevice(id)
	d.versioned = true
	return d
}

func (d *device) add(t testing.TB, who crdt.Author, minute int, by int64) []byte {
	t.Helper()
	return d.write(t, who, at(minute), nil, func(e *crdt.RecordEditor) { _ = e.Counter("sent").Add(by) })
}

// decide gives a verdict on the change of another device.
func (d *device) decide(t testing.TB, c *merge.CollectionRules, who crdt.Author, minute int, on clock.Dot, approve bool) []byte {
	t.Helper()
	return d.write(t, who, at(minute), nil, func(e *crdt.RecordEditor) {
		if err := c.Decide(e, &d.rec, on, approve, who.Role); err != nil {
			t.Fatal(err)
		}
	})
}

func dotOf(t testing.TB, change []byte) clock.Dot {
	t.Helper()
	c, err := crdt.DecodeChange(change)
	if err != nil {
		t.Fatal(err)
	}
	return c.Dot
}

// shows is what everyone is to see, whatever came first.
type shows struct {
	values map[string]any
	held   []clock.Dot
}

func everyOrder(t *testing.T, c *merge.CollectionRules, changes [][]byte, want shows) {
	t.Helper()
	for _, order := range permutations(len(changes)) {
		d := inOrder(t, changes, order)
		v := merge.View(&d.rec, c)
		if diff := cmp.Diff(want.values, v.Values()); diff != "" {
			t.Fatalf("order %v (-want +got):\n%s", order, diff)
		}
		var held []clock.Dot
		for _, h := range v.Held {
			held = append(held, h.Change)
		}
		if diff := cmp.Diff(want.held, held); diff != "" {
			t.Fatalf("order %v: held (-want +got):\n%s", order, diff)
		}
	}
}

var (
	teller     = by("t-1", "teller")
	supervisor = by("s-1", "supervisor")
)

func TestHeldCounter(t *testing.T) {
	a, b := keeping(1), keeping(2)
	t1, t2 := a.add(t, teller, 0, 6000), b.add(t, teller, 5, 6000)
	two := dotOf(t, t2)
	everyOrder(t, bank, [][]byte{t1, t2}, shows{map[string]any{"sent": int64(6000)}, []clock.Dot{two}})

	// It fits again once something is taken back; what is held stays so.
	a.receive(t, t2)
	back := a.add(t, teller, 6, -3000)
	everyOrder(t, bank, [][]byte{t1, t2, back}, shows{map[string]any{"sent": int64(3000)}, []clock.Dot{two}})

	approve := a.decide(t, bank, supervisor, 7, two, true)
	everyOrder(t, bank, [][]byte{t1, t2, back, approve}, shows{map[string]any{"sent": int64(9000)}, nil})
}

// Two supervisors decide differently while apart.
func TestRejectionBeatsApproval(t *testing.T) {
	a, b := keeping(1), keeping(2)
	t1, t2 := a.add(t, teller, 0, 6000), b.add(t, teller, 5, 6000)
	a.receive(t, t2)
	b.receive(t, t1)
	yes, no := a.decide(t, bank, supervisor, 9, dotOf(t, t2), true), b.decide(t, bank, supervisor, 8, dotOf(t, t2), false)
	everyOrder(t, bank, [][]byte{t1, t2, yes, no}, shows{map[string]any{"sent": int64(6000)}, nil})

	// Whoever saw both decides anew.
	a.receive(t, no)
	again := a.decide(t, bank, supervisor, 10, dotOf(t, t2), true)
	everyOrder(t, bank, [][]byte{t1, t2, yes, no, again}, shows{map[string]any{"sent": int64(12000)}, nil})
}

// A verdict of a role that may not give one is data, and does not count.
func TestVerdictOfAnotherRole(t *testing.T) {
	a, b := keeping(1), keeping(2)
	t1, t2 := a.add(t, teller, 0, 6000), b.add(t, teller, 5, 6000)
	a.receive(t, t2)
	two := dotOf(t, t2)
	a.write(t, teller, at(6), nil, func(e *crdt.RecordEditor) {
		if err := bank.Decide(e, &a.rec, two, true, "teller"); err == nil {
			t.Error("a teller may decide")
		}
	})
	no := a.decide(t, bank, supervisor, 7, two, false)
	b.receive(t, t1, no)
	// Past the check, and in place of the supervisor's.
	yes := b.write(t, teller, at(8), nil, func(e *crdt.RecordEditor) { _ = e.Verdict(two, true) })
	everyOrder(t, bank, [][]byte{t1, t2, no, yes}, shows{map[string]any{"sent": int64(6000)}, nil})
}

// The dose that a held one replaced is shown, until a correction ends the hold.
func TestHeldCorrection(t *testing.T) {
	a, b := keeping(1), keeping(2)
	five := a.set(t, doctor, at(0), 500)
	b.receive(t, five)
	nine := b.write(t, nurse, at(3), nil, func(e *crdt.RecordEditor) {
		_ = e.Register("dose").Set(9000)
		_ = e.Register("note").Set("more")
	})
	nineDot := dotOf(t, nine)
	everyOrder(t, wardLimit, [][]byte{five, nine}, shows{map[string]any{"dose": int64(500)}, []clock.Dot{nineDot}})

	a.receive(t, nine)
	three := a.set(t, doctor, at(5), 3000)
	everyOrder(t, wardLimit, [][]byte{five, nine, three}, shows{map[string]any{"dose": int64(3000), "note": "more"}, nil})
}

// A held write that another held one replaced does not come back by itself, and
// what it replaced does.
func TestHeldUponHeld(t *testing.T) {
	a, b := keeping(1), keeping(2)
	five := a.set(t, doctor, at(0), 500)
	b.receive(t, five)
	nine := b.set(t, nurse, at(3), 9000)
	eight := b.set(t, nurse, at(4), 8000)
	everyOrder(t, wardLimit, [][]byte{five, nine, eight}, shows{map[string]any{"dose": int64(500)}, []clock.Dot{dotOf(t, eight)}})
	a.receive(t, nine, eight)
	no := a.decide(t, wardLimit, chief, 5, dotOf(t, eight), false)
	everyOrder(t, wardLimit, [][]byte{five, nine, eight, no}, shows{map[string]any{"dose": int64(500)}, nil})
}

func TestApprovedField(t *testing.T) {
	a, b := keeping(1), keeping(2)
	class := func(d *device, minute int, v string) []byte {
		return d.write(t, by("c-1", "clerk"), at(minute), nil, func(e *crdt.RecordEditor) { _ = e.Register("class").Set(v) })
	}
	p := class(a, 0, "B")
	everyOrder(t, tariffs, [][]byte{p}, shows{map[string]any{}, []clock.Dot{dotOf(t, p)}})
	b.receive(t, p)
	yes := b.decide(t, tariffs, supervisor, 1, dotOf(t, p), true)
	everyOrder(t, tariffs, [][]byte{p, yes}, shows{map[string]any{"class": "B"}, nil})
	a.receive(t, yes)
	q := class(a, 2, "C")
	everyOrder(t, tariffs, [][]byte{p, yes, q}, shows{map[string]any{"class": "B"}, []clock.Dot{dotOf(t, q)}})
	b.receive(t, q)
	no := b.decide(t, tariffs, supervisor, 3, dotOf(t, q), false)
	everyOrder(t, tariffs, [][]byte{p, yes, q, no}, shows{map[string]any{"class": "B"}, nil})
	for i, want := range [][]clock.Dot{{dotOf(t, p)}, nil, {dotOf(t, q)}, {dotOf(t, q)}} {
		d := inOrder(t, [][]byte{p, yes, q, no}[:i+1], []int{0, 1, 2, 3}[:i+1])
		if diff := cmp.Diff(want, merge.HeldAt(&d.rec, tariffs, nil)); diff != "" {
			t.Errorf("after %d changes (-want +got):\n%s", i+1, diff)
		}
	}
}

// Who holds what at a cut is the same where later changes are here.
func TestHeldAtCut(t *testing.T) {
	a, b := keeping(1), keeping(2)
	five := a.set(t, doctor, at(0), 500)
	b.receive(t, five)
	nine := b.set(t, nurse, at(3), 9000)
	a.receive(t, nine)
	cut := a.rec.Vector().Clone()
	want := merge.HeldAt(&a.rec, wardLimit, nil)
	if len(want) != 1 {
		t.Fatalf("held %v", want)
	}
	yes := a.decide(t, wardLimit, chief, 4, dotOf(t, nine), true)
	three := a.set(t, doctor, at(5), 3000)
	gone := a.remove(t, doctor, at(6), crdt.DeleteWins)
	for i := range 4 {
		d := inOrder(t, [][]byte{five, nine, yes, three, gone}[:i+2], []int{0, 1, 2, 3, 4}[:i+2])
		if diff := cmp.Diff(want, merge.HeldAt(&d.rec, wardLimit, &cut)); diff != "" {
			t.Errorf("with %d later changes (-want +got):\n%s", i, diff)
		}
	}
}
