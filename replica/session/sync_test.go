package session

import (
	"fmt"
	"testing"
	"time"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
)

func TestConverge(t *testing.T) {
	a, b := newFake('a'), newFake('b')
	a.writeMany("visits", 500)
	b.writeMany("visits", 3)
	b.writeMany("stock", 40)
	ra, rb := mustSync(t, a, b, Config{}, Config{})
	mustEqual(t, a, b)
	if got := ra.Sent.Verdicts; got != (Verdicts{Applied: 500}) {
		t.Errorf("verdicts on a's changes: %+v", got)
	}
	if got := rb.Sent.Verdicts; got != (Verdicts{Applied: 43}) {
		t.Errorf("verdicts on b's changes: %+v", got)
	}
	if ra.Received.Verdicts != rb.Sent.Verdicts || ra.Sent.Changes != rb.Received.Changes ||
		ra.Sent.Bytes != rb.Received.Bytes || ra.Sent.Frames != rb.Received.Frames || ra.Sent.Chunks != rb.Received.Chunks {
		t.Errorf("the two reports disagree:\n%+v\n%+v", ra, rb)
	}
	if !ra.CaughtUp || !rb.CaughtUp || ra.Peer.Origin != b.self || rb.Peer.Origin != a.self {
		t.Errorf("reports: %+v\n%+v", ra, rb)
	}
}

func TestNothingToDo(t *testing.T) {
	for _, scopes := range []int{0, 1, 200} {
		a, b := newFake('a'), newFake('b')
		a.self.Incarnation, b.self.Incarnation = 1<<63+1, 1<<63+2 // they are random
		for i := range scopes {
			a.writeMany(fmt.Sprintf("s%d", i), 3)
		}
		mustSync(t, a, b, Config{}, Config{})
		ra, rb := mustSync(t, a, b, Config{PolicyDigest: crdt.Hash{1}}, Config{PolicyDigest: crdt.Hash{1}})
		t.Logf("%d scopes: %d and %d bytes, %d round trip", scopes, ra.Sent.Bytes, rb.Sent.Bytes, ra.RoundTrips)
		if ra.Sent.Bytes > 150 || rb.Sent.Bytes > 150 || ra.RoundTrips != 1 || rb.RoundTrips != 1 || ra.Sent.Frames != 2 {
			t.Errorf("%d scopes: %+v and %+v", scopes, ra, rb)
		}
	}
}

func TestDirection(t *testing.T) {
	for _, c := range []struct {
		a, b     Direction
		toA, toB bool
	}{
		{Both, Both, true, true},
		{Pull, Both, true, false},
		{Push, Both, false, true},
		{Both, Pull, false, true},
		{Both, Push, true, false},
		{Pull, Push, true, false},
		{Push, Pull, false, true},
		{Pull, Pull, false, false},
		{Push, Push, false, false},
	} {
		t.Run(fmt.Sprintf("%v-%v", c.a, c.b), func(t *testing.T) {
			a, b := newFake('a'), newFake('b')
			a.writeMany("s", 5)
			b.writeMany("s", 7)
			ra, rb := mustSync(t, a, b, Config{Direction: c.a}, Config{Direction: c.b})
			if got := a.has("s", b.self) == 7; got != c.toA {
				t.Errorf("b's changes at a: %v", got)
			}
			if got := b.has("s", a.self) == 5; got != c.toB {
				t.Errorf("a's changes at b: %v", got)
			}
			if !ra.CaughtUp || !rb.CaughtUp {
				t.Error("not caught up")
			}
		})
	}
}

func TestScopesWished(t *testing.T) {
	fill := func() (*fakeStore, *fakeStore) {
		a, b := newFake('a'), newFake('b')
		for _, s := range []string{"visits", "visits/ward-3", "visitors", "stock"} {
			a.writeMany(s, 2)
		}
		b.writeMany("staff", 1)
		return a, b
	}
	a, b := fill()
	mustSync(t, a, b, Config{}, Config{Scopes: []string{"visits"}})
	if b.has("visits", a.self) != 2 || b.has("visits/ward-3", a.self) != 2 || b.has("visitors", a.self) != 0 || b.has("stock", a.self) != 0 {
		t.Error("b did not get the wished scopes and no others")
	}
	if a.has("staff", b.self) != 0 {
		t.Error("a got a scope that b does not share")
	}
	a, b = fill()
	mustSync(t, a, b, Config{Scopes: []string{"stock", "staff"}}, Config{Scopes: []string{"visits", "staff"}})
	if len(b.scopes) != 1 || a.has("staff", b.self) != 1 {
		t.Error("only the scope that both wish is exchanged")
	}
	a, b = fill()
	mustSync(t, a, b, Config{}, Config{Scopes: []string{}})
	if len(b.scopes) != 1 {
		t.Error("an empty list wishes nothing")
	}
}

func TestUrgentScopesFirst(t *testing.T) {
	a, b := newFake('a'), newFake('b')
	for i, class := range []uint8{3, 1, 0, 2} {
		name := fmt.Sprintf("s%d", i)
		a.writeMany(name, 20)
		a.scopes[name].class = class
	}
	p := newPair(a, b, Config{StartChunkBytes: 512}, Config{})
	p.start()
	p.run()
	var order []string
	var chunks chunkReader
	for _, f := range framesOf(t, p.a.sent) {
		if f.Type == frameChunk {
			c, err := chunks.decode(f.Body, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			if n := len(order); n == 0 || order[n-1] != c.scope {
				order = append(order, c.scope)
			}
		}
	}
	if got, want := fmt.Sprint(order), "[s2 s1 s3 s0]"; got != want {
		t.Errorf("scopes came in the order %s, want %s", got, want)
	}
}

// TestFeeds gives every byte alone, and then pieces of random sizes.
func TestFeeds(t *testing.T) {
	rnd := seeded(1)
	for _, size := range []func() int{func() int { return 1 }, func() int { return 1 + rnd.Intn(700) }} {
		a, b := newFake('a'), newFake('b')
		a.writeMany("s", 60)
		b.writeMany("s", 60)
		p := newPair(a, b, Config{}, Config{})
		p.start()
		for {
			p.step = size()
			if !p.pump() {
				break
			}
		}
		p.mustEnd(t)
		mustEqual(t, a, b)
	}
}

//concord:edge large changes
func TestLargeChange(t *testing.T) {
	a, b := newFake('a'), newFake('b')
	a.write("s", "s/1", "ann")
	a.writeBig("s", 150<<10) // more than a frame and than the first chunk
	a.write("s", "s/2", "ann")
	ra, _ := mustSync(t, a, b, Config{}, Config{})
	mustEqual(t, a, b)
	if ra.Sent.Frames < 150/64 {
		t.Errorf("%d frames", ra.Sent.Frames)
	}

	a.writeBig("s", 150<<10)
	a.write("s", "s/3", "ann")
	a.write("t", "t/1", "ann")
	ra, rb := mustSync(t, a, b, Config{}, Config{MaxChunkBytes: 100 << 10})
	if b.has("s", a.self) != 3 || b.has("t", a.self) != 1 {
		t.Error("a change above the limit must hold up its origin in its scope, and nothing else")
	}
	if len(ra.Items) != 1 || ra.Items[0].Verdict.Code != CodeTooLarge || ra.Items[0].Dot.N != 4 || ra.Withheld != 2 {
		t.Errorf("report: %+v", ra)
	}
	if len(rb.Items) != 0 {
		t.Errorf("the other side reports %+v", rb.Items)
	}
}

// TestManyOrigins mixes the changes of many origins in one scope.
//
//concord:edge limits
func TestManyOrigins(t *testing.T) {
	hub, late := newFake('h'), newFake('l')
	for i := range 40 {
		s := newFake(byte(i))
		s.writeMany("s", 1+i%7)
		mustSync(t, s, hub, Config{}, Config{})
	}
	ra, _ := mustSync(t, hub, late, Config{}, Config{})
	mustEqual(t, hub, late)
	if ra.Sent.Verdicts.Applied != ra.Sent.Changes.Changes {
		t.Errorf("%+v", ra.Sent)
	}
}

//concord:edge two sessions at once
func TestRaceOfTwoSessions(t *testing.T) {
	// b takes in the same changes from two peers at once: neither session can
	// know of the other when it starts.
	a, c, b := newFake('a'), newFake('c'), newFake('b')
	a.writeMany("s", 30)
	mustSync(t, a, c, Config{}, Config{})
	p := newPair(a, b, Config{StartChunkBytes: 300, MostChunkBytes: 300, LeastChunkBytes: 100}, Config{})
	q := newPair(c, b, Config{StartChunkBytes: 700, MostChunkBytes: 700}, Config{})
	p.start()
	q.start()
	for p.pump() || q.pump() {
		q.pump()
	}
	p.mustEnd(t)
	q.mustEnd(t)
	mustEqual(t, a, b)
	ra, rc := p.a.closed.Report, q.a.closed.Report
	if ra.Sent.Verdicts.Duplicate+rc.Sent.Verdicts.Duplicate == 0 || ra.Sent.Verdicts.Refused+rc.Sent.Verdicts.Refused != 0 {
		t.Errorf("verdicts: %+v and %+v", ra.Sent.Verdicts, rc.Sent.Verdicts)
	}
}

//concord:edge a replica that meets itself
func TestSelf(t *testing.T) {
	a := newFake('a')
	a.writeMany("s", 2)
	p := newPair(a, a.clone(), Config{}, Config{})
	p.start()
	p.run()
	for _, s := range []*side{p.a, p.b} {
		wantClosed(t, s, ErrSelf)
		if n := len(s.closed.Report.Alarms); n != 1 || s.closed.Report.Alarms[0].Kind != Clone {
			t.Errorf("alarms: %v", s.closed.Report.Alarms)
		}
	}
}

//concord:fault states that tear apart
func TestDivergenceAlarm(t *testing.T) {
	a, b := newFake('a'), newFake('b')
	a.writeMany("s", 2)
	a.writeMany("u", 2)
	mustSync(t, a, b, Config{}, Config{})
	b.scopes["u"].tilt = true
	ra, rb := mustSync(t, a, b, Config{}, Config{})
	for _, r := range []Report{ra, rb} {
		if len(r.Alarms) != 1 || r.Alarms[0].Kind != Divergence || r.Alarms[0].Scope != "u" || r.Alarms[0].Own == r.Alarms[0].Peer {
			t.Errorf("alarms: %+v", r.Alarms)
		}
	}
	// Different clocks say nothing about fingerprints.
	a.writeMany("u", 1)
	if ra, _ = mustSync(t, a, b, Config{}, Config{}); len(ra.Alarms) != 0 {
		t.Errorf("alarms: %+v", ra.Alarms)
	}
}

func TestEvents(t *testing.T) {
	a, b := newFake('a'), newFake('b')
	a.writeMany("s", 100)
	b.writeMany("s", 10)
	p := newPair(a, b, Config{PolicyDigest: crdt.Hash{1}}, Config{})
	p.b.core.cfg.PolicyDigest = crdt.Hash{2}
	p.start()
	p.run()
	p.mustEnd(t)
	var phases []Phase
	var last Progress
	var known, skew, policy, caught, totals int
	for _, e := range p.a.events {
		switch e := e.(type) {
		case PhaseChange:
			phases = append(phases, e.Phase)
		case Progress:
			if e.Acknowledged > e.Sent.Changes || e.Sent.Changes > e.Totals.Send.Changes || e.Received.Changes > e.Totals.Receive.Changes ||
				e.Sent.Changes < last.Sent.Changes || e.Received.Changes < last.Received.Changes {
				t.Errorf("progress %+v after %+v", e, last)
			}
			last = e
		case Totals:
			totals++
			if e.Send.Changes != 100 || e.Receive.Changes != 10 {
				t.Errorf("totals %+v", e)
			}
		case PeerKnown:
			known++
		case Skew:
			skew++
		case PolicyDiffers:
			policy++
			if e.Own != (crdt.Hash{1}) || e.Peer != (crdt.Hash{2}) {
				t.Errorf("%+v", e)
			}
		case CaughtUp:
			caught++
		default:
			t.Errorf("unexpected %T", e)
		}
	}
	if got, want := fmt.Sprint(phases), "[hello difference transfer done]"; got != want {
		t.Errorf("phases %s, want %s", got, want)
	}
	if known != 1 || skew != 1 || policy != 1 || caught != 1 || totals != 1 {
		t.Errorf("known %d, skew %d, policy %d, caught up %d, totals %d", known, skew, policy, caught, totals)
	}
	if last.Acknowledged != 100 || last.Received.Changes != 10 || last.Totals.Send.Bytes != last.Sent.Bytes {
		t.Errorf("last progress %+v", last)
	}
}

func TestAgreedTime(t *testing.T) {
	// b boots in 1970 and goes by a's time.
	a, b := newFake('a'), newFake('b')
	a.writeMany("s", 1)
	p := newPair(a, b, Config{}, Config{})
	p.skewB = testStart.Sub(clock.Stamp(0).Time())
	p.start()
	p.run()
	p.mustEnd(t)
	if got := b.agreed.Time(); !got.Equal(testStart) {
		t.Errorf("agreed time %v, want %v", got, testStart)
	}
	if got := p.a.closed.Report.Peer.Skew; got != -p.skewB {
		t.Errorf("skew %v", got)
	}
}

// TestWallClockIsApartFromTheMoments: what day it is comes from the wall clock,
// and nothing else does.
func TestWallClockIsApartFromTheMoments(t *testing.T) {
	a, b := newFake('a'), newFake('b')
	a.write("s", "k", "x")
	today := testStart.Add(100 * 24 * time.Hour)
	wall := func() time.Time { return today }
	p := newPair(a, b, Config{Wall: wall, Live: true}, Config{Wall: wall, Live: true})
	p.skewB = 5 * time.Hour
	p.start()
	p.run()
	if got := b.agreed.Time(); got.Before(today) || got.Sub(today) > time.Minute {
		t.Errorf("agreed time %v, want %v", got, today)
	}
	if got := p.a.closed; got != nil {
		t.Fatalf("closed: %v", got.Err)
	}
	if took, _ := quiet(p, p.a, time.Hour); took != time.Minute {
		t.Errorf("a peer that falls silent ends the session after %v, want a minute", took)
	}
	if got := p.a.closed.Report.Peer.Skew; got != 0 {
		t.Errorf("skew %v, want 0", got)
	}
}
