package session

import (
	"bytes"
	"testing"
	"time"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
)

// tight limits make what exceeds them easy to find.
var tight = Config{
	MaxFrameBytes: leastFrameBytes, MaxChunkBytes: 20 << 10, MaxInFlight: 3, MaxInFlightBytes: 16 << 10,
	MaxStatusBytes: 24 << 10, MaxScopes: 20, MaxClockEntries: 100, MaxItems: 10, Live: true,
}

// script turns fuzz input into frames: type, flags, two bytes of length, body.
func script(frames []codec.Frame) []byte {
	var b []byte
	for _, f := range frames {
		b = append(b, f.Type, f.Flags, byte(len(f.Body)>>8), byte(len(f.Body)))
		b = append(b, f.Body...)
	}
	return b
}

// FuzzReceive gives a session whatever a peer can send in intact frames, after
// an honest hello. It must neither panic nor pass its limits, and the store must
// be able to hold an honest session afterwards.
//
//concord:edge hostile bytes
func FuzzReceive(f *testing.F) {
	sessions := []func(t testing.TB) *pair{
		func(t testing.TB) *pair {
			a, b := newFake('a'), newFake('b')
			a.writeMany("s", 6)
			b.writeMany("s", 6)
			b.write("u", "u/1", "refuse")
			return newPair(a, b, tight, tight)
		},
		func(t testing.TB) *pair { // a has lost its past
			a, b := newFake('a'), newFake('b')
			a.writeMany("s", 6)
			r := a.clone()
			a.writeMany("s", 70)
			mustSync(t, a, b, Config{}, Config{})
			r.writeMany("s", 2)
			return newPair(r, b, tight, tight)
		},
		func(t testing.TB) *pair { // nothing to do, so live at once
			a, b := newFake('a'), newFake('b')
			a.writeMany("s", 6)
			mustSync(t, a, b, Config{}, Config{})
			return newPair(a, b, tight, tight)
		},
	}
	for i, begin := range sessions {
		p := begin(f)
		p.a.store.onChange = []func(){func() { p.a.changed = true }}
		p.start()
		p.run()
		p.b.store.write("s", "later", "bob")
		p.b.changed = true
		p.run()
		frames := framesOf(f, p.b.sent)
		f.Add(uint8(i), uint8(0), script(frames[1:]))
		f.Add(uint8(i), uint8(1), p.b.sent)
	}
	f.Fuzz(func(t *testing.T, which, raw uint8, input []byte) {
		p := sessions[int(which)%len(sessions)](t)
		store := p.a.store
		store.onChange = []func(){func() { p.a.changed = true }}
		p.start()
		if raw%2 == 0 {
			p.deliver(p.b, p.a) // the hello
		}
		give := func(b []byte) {
			p.now = p.now.Add(time.Second)
			p.a.core.Receive(b, p.now)
			p.drain(p.a)
			p.a.core.Changed(p.now)
			p.drain(p.a)
			p.a.out = nil
			checkLimits(t, p.a)
		}
		if raw%2 == 1 {
			for len(input) > 0 && p.a.closed == nil {
				n := min(len(input), 100)
				give(bytes.Clone(input[:n]))
				input = input[n:]
			}
		} else {
			for len(input) >= 4 && p.a.closed == nil {
				n := min(int(input[2])<<8|int(input[3]), len(input)-4)
				frame := codec.Frame{Type: input[0], Flags: input[1], Body: input[4 : 4+n]}
				give(codec.AppendFrame(nil, frame))
				input = input[4+n:]
			}
		}
		p.a.core.Lost(nil)
		p.drain(p.a)
		if p.a.closed == nil {
			t.Fatal("not closed")
		}
		store.onChange = nil
		if len(store.reissues) > 3 {
			t.Errorf("%d reissues", len(store.reissues))
		}
		honest := newFake('h')
		mustSync(t, store, honest, Config{}, Config{})
		mustEqual(t, store, honest)
	})
}

// checkLimits looks at everything in a core that a peer can make grow.
func checkLimits(t *testing.T, s *side) {
	t.Helper()
	c := s.core
	entries := 0
	for _, sc := range c.scopes {
		entries += sc.peer.Len() + len(sc.heads)
	}
	held := 0
	for _, rows := range s.store.scopes {
		held += len(rows.rows)
	}
	for what, over := range map[string]int{
		"bytes of a message": len(c.partial) - max(tight.MaxStatusBytes, tight.MaxChunkBytes+maxChunkOverhead),
		"bytes in flight":    c.recv.bytes - tight.MaxInFlightBytes - tight.MaxChunkBytes,
		"chunks":             len(c.recv.queue) - tight.MaxInFlight,
		"scopes":             len(c.scopes) - tight.MaxScopes - 4 - len(s.store.scopes),
		"clock entries":      entries - tight.MaxClockEntries - 4*held,
		"items":              len(c.report.Items) - tight.MaxItems,
		"alarms":             len(c.report.Alarms) - maxAlarms,
		"commands":           len(c.pending) - 6,
	} {
		if over > 0 {
			t.Fatalf("%s: %d above the limit", what, over)
		}
	}
}

// FuzzMessages decodes messages of every type. What is accepted must come out
// the same when it is encoded again.
//
//concord:edge hostile bytes
func FuzzMessages(f *testing.F) {
	q := chainQuery{3, "s", origin('a', 1), []uint64{1, 5, 9}}
	a := chainAnswer{3, []ChainAt{{Known: true}, {}}}
	k := ack{4, []Verdict{{}, {Waiting, CodeMissingHead, "x"}, {Refused, CodeFork, ""}}}
	e := bye{ByeTimeout, "late"}
	f.Add(uint8(frameChainQuery), q.encode())
	f.Add(uint8(frameChainAnswer), a.encode())
	f.Add(uint8(frameAck), k.encode(1000))
	f.Add(uint8(frameBye), e.encode())
	d := clock.Dot{Origin: origin('a', 1), N: 1}
	if b, _, err := encodeChunk(1, "s", []Change{{Dot: d, Encoded: change(d, "k", "ann").Encode()}}); err == nil {
		f.Add(uint8(frameChunk), b)
	}
	for _, g := range goldenFrames(f) {
		f.Add(g.Type, g.Body)
	}
	var defaults Config
	defaults.setDefaults()
	f.Fuzz(func(t *testing.T, kind uint8, b []byte) {
		var again []byte
		var err error
		switch kind {
		case frameChainQuery:
			var m chainQuery
			m, err = decodeChainQuery(b)
			again = m.encode()
		case frameChainAnswer:
			var m chainAnswer
			m, err = decodeChainAnswer(b)
			again = m.encode()
		case frameBye:
			var m bye
			m, err = decodeBye(b)
			again = m.encode()
		case frameAck:
			var m ack
			m, err = decodeAck(b)
			again = m.encode(1 << 20)
		case frameChunk:
			c, err := decodeChunk(b, 1<<20)
			if err != nil {
				return
			}
			var taken int
			again, taken, err = encodeChunk(c.number, c.scope, goldenChanges(c))
			if err != nil || taken != len(c.items) {
				t.Fatalf("%x: %d of %d changes are written again: %v", b, taken, len(c.items), err)
			}
		case frameStatus:
			var m []peerScope
			m, err = decodeStatus(b, &defaults, goldenReader)
			again = statusOf(m)
		case frameHello:
			again, err = recoders["hello"](b)
		case frameCaughtUp:
			again, err = recoders["caught up"](b)
		default:
			return
		}
		if err == nil && !bytes.Equal(again, b) {
			t.Fatalf("%x was accepted and is written as %x", b, again)
		}
	})
}
