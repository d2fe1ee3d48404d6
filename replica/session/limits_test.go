package session

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt"
)

// hostile is a peer made by hand, after an honest hello.
type hostile struct {
	*pair
	t      *testing.T
	chunks chunkWriter
	number uint64
}

// chunk writes the next chunk, with one change.
func (h *hostile) chunk(scope string, d clock.Dot) []byte {
	h.t.Helper()
	h.number++
	changes := []Change{{Dot: d, Encoded: change(d, "k", "eve").Encode()}}
	b, _, err := h.chunks.encode(h.number, scope, changes, func(clock.Dot) bool { return false })
	if err != nil {
		h.t.Fatal(err)
	}
	return b
}

// meetHostile brings side a to where it waits for the peer's status.
func meetHostile(t *testing.T, a *fakeStore, cfg Config) *hostile {
	t.Helper()
	b := newFake('b')
	b.writeMany("other", 1)
	h := &hostile{pair: newPair(a, b, cfg, Config{}), t: t}
	h.start()
	h.deliver(h.b, h.a)
	h.b.out, h.a.out = nil, nil
	return h
}

// say sends a frame to a.
func (h *hostile) say(kind, flags byte, body []byte) {
	h.a.core.Receive(codec.AppendFrame(nil, codec.Frame{Type: kind, Flags: flags, Body: body}), h.now)
	h.drain(h.a)
}

// sayStatus sends a status without any scope, so that the transfer begins.
func (h *hostile) sayStatus() { h.say(frameStatus, 0, encodeStatus(nil, h.a.store.self.Replica)) }

func uvarints(vs ...uint64) []byte {
	w := codec.NewWriter(nil)
	for _, v := range vs {
		w.Uvarint(v)
	}
	return w.Bytes()
}

//concord:edge a hostile peer
func TestHostileFrames(t *testing.T) {
	self := origin('a', 1)
	status := func(f func(s *ScopeStatus)) []byte {
		s := &ScopeStatus{Name: "s", Chains: map[clock.Origin]crdt.Hash{}}
		f(s)
		return encodeStatus([]*ScopeStatus{s}, self.Replica)
	}
	goodChunk := func(number uint64) []byte {
		b, _, err := encodeChunk(number, "s", []Change{{Dot: clock.Dot{Origin: origin('x', 1), N: 1},
			Encoded: change(clock.Dot{Origin: origin('x', 1), N: 1}, "s/1", "eve").Encode()}})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, c := range []struct {
		name string
		do   func(h *hostile)
		want error
	}{
		{"second hello", func(h *hostile) { h.say(frameHello, 0, nil) }, ErrProtocol},
		{"unknown frame", func(h *hostile) { h.say(77, 0, nil) }, ErrIncompatible},
		{"frame zero", func(h *hostile) { h.say(0, 0, nil) }, ErrIncompatible},
		{"ack of nothing", func(h *hostile) { h.say(frameAck, 0, uvarints(1, 0)) }, ErrProtocol},
		{"answer to nothing", func(h *hostile) { h.say(frameChainAnswer, 0, uvarints(1, 0)) }, ErrProtocol},
		{"caught up with a later status", func(h *hostile) { h.say(frameCaughtUp, 0, uvarints(2)) }, ErrProtocol},
		{"bye too early", func(h *hostile) { h.say(frameBye, 0, uvarints(0, 0)) }, ErrProtocol},
		{"bye with an unknown code", func(h *hostile) { h.say(frameBye, 0, uvarints(999, 0)) }, ErrProtocol},
		{"bye without end", func(h *hostile) { h.say(frameBye, 0, uvarints(0, 5)) }, ErrBadFrame},
		{"full ping", func(h *hostile) { h.say(framePing, 0, []byte{1}) }, ErrProtocol},
		{"another frame within a message", func(h *hostile) {
			h.say(frameStatus, flagMore, []byte{1})
			h.say(framePing, 0, nil)
		}, ErrProtocol},
		{"endless message", func(h *hostile) {
			for h.a.closed == nil {
				h.say(frameStatus, flagMore, make([]byte, 60<<10))
			}
		}, ErrLimit},
		{"message that never grows", func(h *hostile) { h.say(frameStatus, flagMore, nil) }, ErrProtocol},
		{"ack over several frames", func(h *hostile) { h.say(frameAck, flagMore, []byte{1}) }, ErrLimit},
		{"status with many scopes", func(h *hostile) { h.say(frameStatus, 0, uvarints(0, 1<<40)) }, ErrLimit},
		{"status with many origins", func(h *hostile) { h.say(frameStatus, 0, uvarints(1<<40)) }, ErrLimit},
		{"status cut off", func(h *hostile) { h.say(frameStatus, 0, uvarints(0, 3)) }, ErrBadFrame},
		{"status with unknown flags", func(h *hostile) {
			w := codec.NewWriter(nil)
			w.Uvarint(0)
			w.Uvarint(1)
			w.String("s")
			w.Byte(0x80)
			w.Raw(make([]byte, 100))
			h.say(frameStatus, 0, w.Bytes())
		}, ErrBadFrame},
		{"status that keeps the own chain back", func(h *hostile) {
			b := status(func(s *ScopeStatus) { s.Stored.Set(self, 3) })
			w := codec.NewWriter(nil)
			w.Raw(b[:len(b)-18]) // without the digest
			w.Uvarint(0)
			h.say(frameStatus, 0, w.Bytes())
		}, ErrBadFrame},
		{"too many statuses", func(h *hostile) {
			for range maxRounds + 1 {
				h.sayStatus()
			}
		}, ErrProtocol},
		{"chunk out of order", func(h *hostile) { h.sayStatus(); h.say(frameChunk, 0, goodChunk(2)) }, ErrProtocol},
		{"chunk again", func(h *hostile) {
			h.sayStatus()
			h.say(frameChunk, 0, goodChunk(1))
			h.say(frameChunk, 0, goodChunk(1))
		}, ErrBadFrame},
		{"chunk cut off", func(h *hostile) { h.sayStatus(); h.say(frameChunk, 0, goodChunk(1)[:20]) }, ErrBadFrame},
		{"chunk with a tail", func(h *hostile) { h.sayStatus(); h.say(frameChunk, 0, append(goodChunk(1), 1)) }, ErrBadFrame},
		{"query for a foreign origin", func(h *hostile) {
			q := chainQuery{1, "s", origin('x', 1), []uint64{1}}
			h.say(frameChainQuery, 0, q.encode())
		}, ErrProtocol},
		{"query for many numbers", func(h *hostile) {
			w := codec.NewWriter(nil)
			w.Uvarint(1)
			w.String("s")
			writeOrigin(w, origin('b', 1))
			w.Uvarint(1 << 50)
			h.say(frameChainQuery, 0, w.Bytes())
		}, ErrLimit},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := newFake('a')
			a.writeMany("s", 3)
			before := a.digest()
			h := meetHostile(t, a, Config{})
			c.do(h)
			wantClosed(t, h.a, c.want)
			frames := framesOf(t, h.a.sent)
			if last := frames[len(frames)-1]; last.Type != frameBye && !strings.HasPrefix(c.name, "bye with an") {
				t.Errorf("the last frame was of type %d", last.Type)
			}
			// One chunk may have come before the fault.
			if a.has("s", origin('x', 1)) == 0 && a.digest() != before {
				t.Error("the store was altered")
			}
			good := newFake('g')
			mustSync(t, a, good, Config{}, Config{})
			mustEqual(t, a, good)
		})
	}
}

//concord:edge a later version
func TestIgnorableFrames(t *testing.T) {
	a := newFake('a')
	h := meetHostile(t, a, Config{})
	h.say(200, codec.FlagIgnorable, []byte("presence"))
	h.say(201, codec.FlagIgnorable|flagMore, []byte("in parts"))
	h.say(201, codec.FlagIgnorable, nil)
	h.say(framePing, codec.FlagIgnorable, nil)
	if h.a.closed != nil {
		t.Fatal(h.a.closed.Err)
	}
}

// TestHostileNumbers states the greatest numbers wherever there is one.
//
//concord:edge a hostile peer
func TestHostileNumbers(t *testing.T) {
	a := newFake('a')
	a.writeMany("s", 3)
	h := meetHostile(t, a, Config{})
	s := &ScopeStatus{Name: "s", Chains: map[clock.Origin]crdt.Hash{}}
	for i := range 50 {
		s.Stored.Set(origin('x', uint64(i)+1), math.MaxUint64)
	}
	s.Stored.Set(a.self, math.MaxUint64)
	h.say(frameStatus, 0, encodeStatus([]*ScopeStatus{s}, a.self.Replica))
	if h.a.closed != nil {
		t.Fatal(h.a.closed.Err)
	}
	// a takes it for a past that it lost, and searches.
	for rounds := 0; h.a.core.check.asking; rounds++ {
		if rounds > maxCheckRounds {
			t.Fatal("the search does not end")
		}
		ans := chainAnswer{h.a.core.check.query, make([]ChainAt, len(h.a.core.check.asked))}
		h.say(frameChainAnswer, 0, ans.encode())
	}
	if len(a.reissues) != 1 || a.reissues[0].Common != 0 {
		t.Errorf("%+v", a.reissues)
	}
	for _, e := range h.a.events {
		if e, ok := e.(Totals); ok && e.Receive.Changes < math.MaxUint64/2 {
			t.Errorf("totals %+v", e)
		}
	}
	// A run that ends where numbers do.
	d := clock.Dot{Origin: origin('x', 1), N: math.MaxUint64}
	b, _, err := encodeChunk(1, "s", []Change{{Dot: d, Encoded: change(d, "k", "eve").Encode()}})
	if err != nil {
		t.Fatal(err)
	}
	h.say(frameChunk, 0, b)
	if r := h.a.core.report.Received; r.Verdicts != (Verdicts{Refused: 1}) {
		t.Errorf("%+v", r)
	}
	d2 := clock.Dot{Origin: d.Origin, N: 0}
	b, _, _ = encodeChunk(2, "s", []Change{{Dot: d, Encoded: change(d, "k", "eve").Encode()}, {Dot: d2, Encoded: change(d, "k", "eve").Encode()}})
	h.say(frameChunk, 0, b)
	wantClosed(t, h.a, ErrBadFrame)
}

//concord:edge limits
func TestScopeLimit(t *testing.T) {
	a, b := newFake('a'), newFake('b')
	for i := range 30 {
		a.write(fmt.Sprintf("s%02d", i), "k", "ann")
	}
	p := newPair(a, b, Config{}, Config{MaxScopes: 20})
	p.start()
	p.run()
	wantClosed(t, p.a, ErrLimit)
	wantClosed(t, p.b, ErrLimit)

	// Scopes that come as chunks, beyond what the status named.
	a = newFake('a')
	h := meetHostile(t, a, Config{MaxScopes: 20})
	h.sayStatus()
	for i := range 30 {
		d := clock.Dot{Origin: origin('x', 1), N: 1}
		h.say(frameChunk, 0, h.chunk(fmt.Sprintf("s%02d", i), d))
	}
	if r := h.a.core.report.Received.Verdicts; r.Applied != 20 || r.Refused != 10 || len(a.scopes) != 20 {
		t.Errorf("%+v", r)
	}
}

// TestManyScopes exchanges ten thousand of them.
func TestManyScopes(t *testing.T) {
	a, b := newFake('a'), newFake('b')
	for i := range 10_000 {
		a.write(fmt.Sprintf("visits/ward-%04d", i), "k", "ann")
	}
	ra, _ := mustSync(t, a, b, Config{}, Config{})
	if len(b.scopes) != 10_000 {
		t.Fatalf("%d scopes", len(b.scopes))
	}
	t.Logf("%d bytes, %d round trips", ra.Sent.Bytes, ra.RoundTrips)
	a.write("visits/ward-0777", "k2", "ann")
	ra, rb := mustSync(t, a, b, Config{}, Config{})
	t.Logf("one change more: %d and %d bytes", ra.Sent.Bytes, rb.Sent.Bytes)
}

// TestInFlightLimit sends more than the receiver allows.
//
//concord:edge limits
func TestInFlightLimit(t *testing.T) {
	a := newFake('a')
	h := meetHostile(t, a, Config{MaxInFlight: 3})
	h.sayStatus()
	d := clock.Dot{Origin: origin('x', 1), N: 1}
	for range 5 {
		// The store does not answer.
		h.a.core.Receive(codec.AppendFrame(nil, codec.Frame{Type: frameChunk, Body: h.chunk("s", d)}), h.now)
	}
	h.drain(h.a)
	wantClosed(t, h.a, ErrLimit)
}

//concord:edge other versions
func TestVersions(t *testing.T) {
	self := origin('b', 1)
	base := hello{min: 1, max: 1, self: self, all: true, frameBytes: 65536, chunkBytes: 1 << 20, inFlight: 4, flightBytes: 1 << 20, scopeLimit: 10}
	for _, c := range []struct {
		name string
		edit func(*hello)
		want error
	}{
		{"later, with overlap", func(h *hello) { h.max = 9 }, nil},
		{"only later", func(h *hello) { h.min, h.max = 2, 3 }, ErrIncompatible},
		{"none", func(h *hello) { h.min = 0 }, ErrBadFrame},
		{"turned", func(h *hello) { h.min, h.max = 3, 1 }, ErrBadFrame},
		{"unknown direction", func(h *hello) { h.direction = 7 }, ErrBadFrame},
		{"no room for a frame", func(h *hello) { h.frameBytes = 10 }, ErrBadFrame},
		{"nothing in flight", func(h *hello) { h.inFlight = 0 }, ErrBadFrame},
		{"nobody", func(h *hello) { h.self = clock.Origin{} }, ErrBadFrame},
		{"all and some", func(h *hello) { h.scopes = []string{"s"} }, ErrBadFrame},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPair(newFake('a'), newFake('b'), Config{}, Config{})
			p.a.core.Start(p.now)
			p.drain(p.a)
			h := base
			c.edit(&h)
			body, err := codec.AppendEnvelope(nil, &h)
			if err != nil {
				t.Fatal(err)
			}
			p.a.core.Receive(codec.AppendFrame(nil, codec.Frame{Type: frameHello, Body: body}), p.now)
			p.drain(p.a)
			if c.want != nil {
				wantClosed(t, p.a, c.want)
			} else if p.a.closed != nil {
				t.Fatal(p.a.closed.Err)
			}
		})
	}
	var e *IncompatibleError
	if !errors.As(error(&IncompatibleError{1, 1, 2, 3}), &e) || e.Error() == "" {
		t.Error(e)
	}
}

func TestConfig(t *testing.T) {
	if err := (Config{Self: origin('a', 1)}).Validate(); err != nil {
		t.Error(err)
	}
	if err := (Config{Self: origin('a', 1), Scopes: slices.Repeat([]string{strings.Repeat("x", 500)}, 17)}).Validate(); err == nil {
		t.Error("8,500 bytes of scope names")
	}
	bad := Config{Direction: 9, MaxFrameBytes: 5, Scopes: []string{""}, MaxItems: -1, LeastChunkBytes: 1 << 30}
	err := bad.Validate()
	for _, part := range []string{"Self", "direction(9)", "MaxFrameBytes", "scope name", "MaxItems", "LeastChunkBytes"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not reported: %v", part, err)
		}
	}
	c := New(bad)
	c.Start(testStart)
	var closed *Closed
	for {
		o, ok := c.Next()
		if !ok {
			break
		}
		if o, ok := o.(Closed); ok {
			closed = &o
		}
		if _, ok := o.(Send); ok {
			t.Error("something is sent")
		}
	}
	if closed == nil || closed.Err == nil || closed.Err.Error() != err.Error() {
		t.Errorf("closed: %+v", closed)
	}
}

// TestAckFitsItsFrame acknowledges the largest chunk with the worst verdicts.
//
//concord:edge limits
func TestAckFitsItsFrame(t *testing.T) {
	a := ack{number: math.MaxUint64}
	for i := range maxChunkChanges {
		a.verdicts = append(a.verdicts, Verdict{Refused, Code(40_000 + i), strings.Repeat("because ", 100)})
	}
	for _, room := range []int{leastFrameBytes, codec.DefaultFrameLimit} {
		b := a.encode(room)
		if len(b) > room {
			t.Errorf("%d bytes in a frame of %d", len(b), room)
		}
		back, err := decodeAck(b)
		if err != nil || len(back.verdicts) != maxChunkChanges {
			t.Fatal(err)
		}
		for i, v := range back.verdicts {
			if v.Outcome != Refused || v.Code != a.verdicts[i].Code {
				t.Fatalf("%d: %v", i, v)
			}
		}
		if room > leastFrameBytes && back.verdicts[0].Reason == "" {
			t.Error("no reason at all")
		}
	}
}

func TestCodes(t *testing.T) {
	for c := range Code(codeCount) {
		back, ok := ParseCode(c.String())
		if !ok || back != c || (c.Err() == nil) != (c == CodeNone) || CodeOf(fmt.Errorf("x: %w", c.Err())) != c && c != CodeNone {
			t.Errorf("%d: %v, %v", c, back, c.Err())
		}
	}
	for c := range ByeCode(byeCount) {
		if got := byeFor(fmt.Errorf("x: %w", c.Err())); c != ByeDone && got != c {
			t.Errorf("%v comes back as %v", c, got)
		}
	}
	if Code(500).Err() != ErrUnsupported || Code(500).String() != "code(500)" || ByeCode(500).Err() != ErrProtocol {
		t.Error("codes of later versions")
	}
	if CodeOf(nil) != CodeNone || CodeOf(errors.New("x")) != CodeInvalid {
		t.Error("other errors")
	}
}
