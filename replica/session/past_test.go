package session

import (
	"fmt"
	"testing"

	"github.com/concord-crdt/concord/clock"
)

// TestRestored restores a replica from a copy, has it write on, and brings it
// together with a peer that remembers more.
//
//concord:fault a directory put back
func TestRestored(t *testing.T) {
	for _, c := range []struct {
		name                string
		before, lost, after int // changes before the copy, after it, and after the restore
		common              uint64
		reissue             bool
	}{
		{"nothing lost", 10, 0, 0, 0, false},
		{"nothing lost, written on", 10, 0, 5, 0, false},
		{"tail missing", 10, 5, 0, 10, true},
		{"tail missing, written on less", 10, 5, 3, 10, true},
		{"tail missing, written on as much", 10, 5, 5, 10, true},
		{"tail missing, written on more", 10, 5, 9, 10, true},
		{"one missing, one written", 10, 1, 1, 10, true},
		{"all missing", 0, 7, 0, 0, true},
		{"all missing, written on", 0, 7, 9, 0, true},
		{"long history", 3000, 1500, 700, 3000, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := newFake('a'), newFake('b')
			a.writeMany("s", c.before)
			b.writeMany("s", 4)
			copied := a.clone()
			for i := range c.lost {
				a.write("s", fmt.Sprintf("lost/%d", i), "ann")
			}
			mustSync(t, a, b, Config{}, Config{})
			old := a.self

			r := copied
			for i := range c.after {
				r.write("s", fmt.Sprintf("after/%d", i), "ann")
			}
			rr, _ := mustSync(t, r, b, Config{}, Config{})
			mustEqual(t, r, b)
			if got := len(r.reissues) == 1; got != c.reissue {
				t.Fatalf("reissues: %+v", r.reissues)
			}
			if !c.reissue {
				if r.self != old || len(rr.Reissued) != 0 {
					t.Fatalf("self %v, report %+v", r.self, rr)
				}
				return
			}
			want := ReissueChanges{"s", old, c.common}
			if r.reissues[0] != want || len(rr.Reissued) != 1 || rr.Reissued[0] != (Reissued{"s", old, c.common, r.self}) || rr.Self != r.self {
				t.Errorf("reissued %+v, want %+v; report %+v", r.reissues, want, rr)
			}
			if r.self == old {
				t.Error("goes on under the old name")
			}
			if got, want := r.has("s", old), c.before+c.lost; got != want {
				t.Errorf("%d changes under the old name, want %d", got, want)
			}
			if got := b.has("s", r.self); got != c.after {
				t.Errorf("%d changes under the new name, want %d", got, c.after)
			}
			r.write("s", "more", "ann")
			rr, _ = mustSync(t, r, b, Config{}, Config{})
			if len(rr.Reissued)+len(rr.Items)+len(rr.Alarms) > 0 {
				t.Errorf("the next session: %+v", rr)
			}
			mustEqual(t, r, b)
		})
	}
}

// TestRestoredIsNoDivergence restores a replica that then writes as much as it
// lost: both sides have the same clocks and other states, until it is repaired.
//
//concord:fault a directory put back
func TestRestoredIsNoDivergence(t *testing.T) {
	for _, d := range []Direction{Both, Push, Pull} {
		a, b := newFake('a'), newFake('b')
		a.writeMany("s", 5)
		r := a.clone()
		a.write("s", "lost", "ann")
		mustSync(t, a, b, Config{}, Config{})
		r.write("s", "after", "ann")
		rr, rb := mustSync(t, r, b, Config{Direction: d}, Config{})
		if len(r.reissues) != 1 || len(rr.Alarms)+len(rb.Alarms) > 0 {
			t.Errorf("%v: %d reissues, alarms %+v and %+v", d, len(r.reissues), rr.Alarms, rb.Alarms)
		}
	}
}

// TestRestoredOneWay says that the check comes before any direction.
//
//concord:fault a directory put back
func TestRestoredOneWay(t *testing.T) {
	for _, d := range []Direction{Push, Pull} {
		a, b := newFake('a'), newFake('b')
		a.writeMany("s", 5)
		r := a.clone()
		a.writeMany("s", 3)
		mustSync(t, a, b, Config{}, Config{})
		r.write("s", "after", "ann")
		mustSync(t, r, b, Config{Direction: d}, Config{})
		if len(r.reissues) != 1 || r.reissues[0].Common != 5 {
			t.Errorf("%v: %+v", d, r.reissues)
		}
		if got := r.has("s", a.self); d == Pull && got != 8 || d == Push && got != 5 {
			t.Errorf("%v: %d changes under the old name", d, got)
		}
		mustSync(t, r, b, Config{}, Config{})
		mustEqual(t, r, b)
	}
}

// TestRestoredBoth restores both sides at once.
//
//concord:fault two directories put back
func TestRestoredBoth(t *testing.T) {
	a, b := newFake('a'), newFake('b')
	a.writeMany("s", 5)
	b.writeMany("s", 5)
	mustSync(t, a, b, Config{}, Config{})
	ra, rb := a.clone(), b.clone()
	a.writeMany("s", 5)
	b.writeMany("s", 5)
	mustSync(t, a, b, Config{}, Config{})
	// Each meets the other's later self, so each is found out.
	ra.write("s", "after a", "ann")
	rb.write("s", "after b", "ann")
	mustSync(t, ra, b, Config{}, Config{})
	mustSync(t, rb, a, Config{}, Config{})
	mustSync(t, ra, rb, Config{}, Config{})
	mustEqual(t, ra, rb)
	if len(ra.reissues) != 1 || len(rb.reissues) != 1 {
		t.Errorf("%v %v", ra.reissues, rb.reissues)
	}

	// Both have forgotten what the other one still has.
	a, b = newFake('a'), newFake('b')
	a.writeMany("s", 5)
	b.writeMany("s", 5)
	ra, rb = a.clone(), b.clone()
	a.writeMany("s", 5)
	b.writeMany("s", 5)
	mustSync(t, ra, b, Config{Direction: Pull}, Config{}) // ra has 10 of b
	mustSync(t, rb, a, Config{Direction: Pull}, Config{}) // rb has 10 of a
	ra.write("s", "x", "ann")
	mustSync(t, ra, rb, Config{}, Config{})
	mustEqual(t, ra, rb)
	if len(ra.reissues) != 1 || len(rb.reissues) != 1 || ra.reissues[0].Common != 5 || rb.reissues[0].Common != 5 {
		t.Errorf("%v %v", ra.reissues, rb.reissues)
	}
}

// TestRestoredSeveralScopes re-issues in each scope that needs it, under one
// new incarnation.
//
//concord:fault a directory put back
func TestRestoredSeveralScopes(t *testing.T) {
	a, b := newFake('a'), newFake('b')
	for i := range 4 {
		a.writeMany(fmt.Sprintf("s%d", i), 5)
	}
	r := a.clone()
	a.writeMany("s1", 2)
	a.writeMany("s3", 2)
	a.writeMany("new", 2)
	mustSync(t, a, b, Config{}, Config{})
	for i := range 4 {
		r.write(fmt.Sprintf("s%d", i), "after", "ann")
	}
	rr, _ := mustSync(t, r, b, Config{}, Config{})
	mustEqual(t, r, b)
	if len(rr.Alarms) > 0 || len(rr.Items) > 0 {
		t.Errorf("%+v", rr)
	}
	if rr.Reissued[0].Scope != "new" || rr.Reissued[0].Common != 0 {
		t.Errorf("%+v", rr.Reissued)
	}
}

// TestOldIncarnation says that the missing end of a finished incarnation is
// simply fetched.
//
//concord:fault a directory put back
func TestOldIncarnation(t *testing.T) {
	a, b := newFake('a'), newFake('b')
	a.writeMany("s", 5)
	short := a.clone()
	a.writeMany("s", 5)
	mustSync(t, a, b, Config{}, Config{})
	short.self = origin('a', 9) // it knows that it was restored
	short.write("s", "new", "ann")
	rs, _ := mustSync(t, short, b, Config{}, Config{})
	mustEqual(t, short, b)
	if len(rs.Reissued) > 0 || len(rs.Items) > 0 {
		t.Errorf("%+v", rs)
	}

	// A finished incarnation with another end is re-issued all the same.
	fork := a.clone()
	fork.self = origin('a', 10)
	fork.scopes["s"].rows[a.self] = fork.scopes["s"].rows[a.self][:7]
	fork.scopes["s"].recount()
	fork.scopes["s"].add(a.self, change(clock.Dot{Origin: a.self, N: 8}, "branch", "ann").Encode(), false)
	rf, _ := mustSync(t, fork, b, Config{}, Config{})
	if len(rf.Reissued) != 1 || rf.Reissued[0].Common != 7 {
		t.Errorf("%+v", rf.Reissued)
	}
	mustEqual(t, fork, b)
}

// TestStaleStatus lets a store move on between its status and the peer's: no
// past was lost.
//
//concord:edge two sessions at once
func TestStaleStatus(t *testing.T) {
	a, b := newFake('a'), newFake('b')
	a.writeMany("s", 5)
	p := newPair(a, b, Config{}, Config{})
	p.a.core.Start(p.now)
	p.drain(p.a) // a has read its status: 5
	a.writeMany("s", 5)
	mustSync(t, a, b, Config{}, Config{}) // another session brings b to 10
	p.b.core.Start(p.now)
	p.drain(p.b)
	p.run()
	p.mustEnd(t)
	if len(a.reissues) != 0 {
		t.Errorf("%+v", a.reissues)
	}
	mustEqual(t, a, b)
}

// TestForkAtThirdParty has a third replica meet two histories under one name. It
// keeps the one that it has, and everything else goes on.
//
//concord:fault a fork
func TestForkAtThirdParty(t *testing.T) {
	a, b, c := newFake('a'), newFake('b'), newFake('c')
	a.writeMany("s", 5)
	a2 := a.clone()
	for i := range 4 {
		a.write("s", fmt.Sprintf("one/%d", i), "ann")
		a2.write("s", fmt.Sprintf("two/%d", i), "ann")
	}
	a2.write("s", "two/more", "ann")
	mustSync(t, a, b, Config{}, Config{})
	mustSync(t, a2, c, Config{}, Config{})
	b.writeMany("s", 3)
	c.writeMany("s", 3)
	rb, rc := mustSync(t, b, c, Config{}, Config{})
	if b.has("s", a.self) != 9 || c.has("s", a.self) != 10 {
		t.Error("a history was altered")
	}
	if b.has("s", c.self) != 3 || c.has("s", b.self) != 3 {
		t.Error("other origins must not be held up")
	}
	if len(rb.Alarms) != 1 || rb.Alarms[0].Kind != Fork || rb.Alarms[0].Dot != (clock.Dot{Origin: a.self, N: 10}) {
		t.Errorf("alarms %+v", rb.Alarms)
	}
	if rb.Received.Verdicts.Refused != 1 || rc.Sent.Verdicts.Refused != 1 || len(rc.Items) != 1 || rc.Items[0].Verdict.Code != CodeFork {
		t.Errorf("reports %+v\n%+v", rb, rc)
	}
}

// TestOwnHistoryFromOutside has a peer send changes under the name of the
// receiver itself.
//
//concord:fault a fork
func TestOwnHistoryFromOutside(t *testing.T) {
	a, b := newFake('a'), newFake('b')
	a.writeMany("s", 2)
	b.writeMany("s", 1)
	p := newPair(a, b, Config{}, Config{})
	p.start()
	for p.a.core.phase != PhaseTransfer {
		p.pump()
	}
	forged := a.clone()
	d := forged.write("s", "forged", "eve")
	batch, _ := forged.Changes("s", []clock.Range{{Origin: d.Origin, From: 3, To: 3}}, 1000)
	p.b.core.send.number++
	body, _, err := p.b.core.send.chunks.encode(p.b.core.send.number, "s", batch.Changes, func(clock.Dot) bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	p.b.core.write(frameChunk, 0, body)
	p.b.core.send.flight = append(p.b.core.send.flight,
		&outgoing{number: p.b.core.send.number, scope: p.b.core.scope("s"), changes: batch.Changes})
	p.run()
	if a.has("s", a.self) != 2 {
		t.Fatal("the own history was continued by another")
	}
	if r := p.b.closed.Report; r.Sent.Verdicts.Refused != 1 {
		t.Errorf("%+v", r.Sent)
	}
	if r := p.a.closed.Report; len(r.Alarms) != 1 || r.Alarms[0].Kind != Fork {
		t.Errorf("%+v", r.Alarms)
	}
}
