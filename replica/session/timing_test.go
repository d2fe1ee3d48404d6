package session

import (
	"errors"
	"testing"
	"time"
)

// quiet lets time pass on one side, with nothing from the other, until the
// session closes or the limit is reached. It returns how long that took and how
// often something was sent.
func quiet(p *pair, s *side, limit time.Duration) (time.Duration, int) {
	begun, sent := p.now, 0
	for s.closed == nil && p.now.Sub(begun) < limit {
		if s.timer.IsZero() {
			return -1, sent
		}
		p.now = s.timer
		s.core.Tick(p.now)
		s.out = nil
		p.drain(s)
		if len(s.out) > 0 {
			sent++
		}
	}
	return p.now.Sub(begun), sent
}

//concord:fault a peer that says nothing
func TestTimeouts(t *testing.T) {
	for _, c := range []struct {
		name  string
		until func(p *pair) bool // how far the session comes
		cfg   Config
		want  time.Duration
		what  string
	}{
		{"no hello", func(p *pair) bool { return true }, Config{}, 10 * time.Second, "hello"},
		{"no status", func(p *pair) bool { return p.a.core.phase == PhaseDifference }, Config{}, time.Minute, "sign of life"},
		{"no acknowledgement", func(p *pair) bool { return len(p.a.core.send.flight) > 0 }, Config{}, time.Minute, "sign of life"},
		{"live", func(p *pair) bool { return p.a.core.phase == PhaseLive }, Config{Live: true}, time.Minute, "sign of life"},
		{"own limits", func(p *pair) bool { return true }, Config{HandshakeTimeout: time.Second}, time.Second, "hello"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := newFake('a'), newFake('b')
			a.writeMany("s", 50)
			p := newPair(a, b, c.cfg, Config{Live: true})
			p.step = 1
			p.start()
			for !c.until(p) {
				if !p.pump() {
					t.Fatal("never came there")
				}
			}
			took, _ := quiet(p, p.a, time.Hour)
			wantClosed(t, p.a, ErrTimeout)
			var e *TimeoutError
			if !errors.As(p.a.closed.Err, &e) || e.What != c.what || took != c.want {
				t.Errorf("after %v: %v", took, p.a.closed.Err)
			}
		})
	}
}

// TestTimeoutsDespitePings has the peer be there, and not answer.
//
//concord:fault a peer that does nothing
func TestTimeoutsDespitePings(t *testing.T) {
	for _, c := range []struct {
		what  string
		until func(p *pair) bool
	}{
		{"status", func(p *pair) bool { return p.a.core.phase == PhaseDifference }},
		{"acknowledgement", func(p *pair) bool { return len(p.a.core.send.flight) > 0 }},
	} {
		a, b := newFake('a'), newFake('b')
		a.writeMany("s", 10)
		p := newPair(a, b, Config{}, Config{})
		p.step = 1
		p.start()
		for !c.until(p) {
			p.pump()
		}
		begun := p.now
		h := &hostile{pair: p, t: t}
		for p.a.closed == nil && p.now.Sub(begun) < time.Hour {
			p.now = p.now.Add(5 * time.Second)
			p.a.core.Tick(p.now)
			p.drain(p.a)
			h.say(framePing, 1, nil)
		}
		var e *TimeoutError
		if !errors.As(p.a.closed.Err, &e) || e.What != c.what {
			t.Errorf("want no %s: %v", c.what, p.a.closed.Err)
		}
	}
}

func TestKeepalive(t *testing.T) {
	a, b := newFake('a'), newFake('b')
	a.writeMany("s", 5)
	p := newPair(a, b, Config{Live: true}, Config{Live: true})
	p.start()
	p.run()
	for range 1000 {
		s, o := p.a, p.b
		if o.timer.Before(s.timer) {
			s, o = o, s
		}
		p.now = s.timer
		s.core.Tick(p.now)
		p.drain(s)
		p.run()
	}
	if p.a.closed != nil || p.b.closed != nil {
		t.Fatal("an idle live session must last")
	}
	passed := p.now.Sub(testStart)
	if pings := int(passed / (25 * time.Second)); p.a.core.report.Sent.Frames > uint64(pings)+10 {
		t.Errorf("%d frames in %v", p.a.core.report.Sent.Frames, passed)
	}

	// Who sends none says so, and is not expected to.
	p = newPair(newFake('c'), newFake('d'), Config{Live: true, DisableKeepalive: true}, Config{Live: true, DisableKeepalive: true})
	p.start()
	p.run()
	if took, sent := quiet(p, p.a, time.Hour); took != -1 || sent != 0 {
		t.Errorf("after %v, %d sent", took, sent)
	}
}

// TestByeUnanswered closes in good order though the peer is gone by then.
//
//concord:fault a peer that says nothing
func TestByeUnanswered(t *testing.T) {
	p := newPair(newFake('a'), newFake('b'), Config{}, Config{})
	p.start()
	p.deliver(p.b, p.a) // the hello; a has said bye
	if took, _ := quiet(p, p.a, time.Hour); took != 10*time.Second {
		t.Errorf("after %v", took)
	}
	wantClosed(t, p.a, nil)
	if !p.a.closed.Report.CaughtUp {
		t.Error("not caught up")
	}
}

// TestChunksFollowTheLink sends over links of several speeds and looks at the
// size of chunks.
func TestChunksFollowTheLink(t *testing.T) {
	for _, c := range []struct {
		name        string
		bytesPerSec int
		rtt         time.Duration
		least, most int // bounds of the last chunk size
	}{
		{"2G", 5_000, time.Second, 1 << 10, 16 << 10},
		{"satellite", 2_000_000, 600 * time.Millisecond, 128 << 10, 256 << 10},
		{"lan", 100_000_000, time.Millisecond, 256 << 10, 256 << 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := newFake('a'), newFake('b')
			a.writeMany("s", 4000)
			if c.bytesPerSec > 1_000_000 {
				for range 100 {
					a.writeBig("s", 100<<10)
				}
			}
			p := newPair(a, b, Config{}, Config{})
			took := overLink(p, c.bytesPerSec, c.rtt)
			p.mustEnd(t)
			mustEqual(t, a, b)
			r := p.a.closed.Report
			size := p.a.core.send.chunkBytes
			ideal := time.Duration(float64(r.Sent.Bytes) / float64(c.bytesPerSec) * float64(time.Second))
			t.Logf("%d bytes in %v, %.2f of the time that the bytes need; %d chunks, the last sized %d", r.Sent.Bytes, took,
				float64(took)/float64(ideal), r.Sent.Chunks, size)
			if size < c.least || size > c.most {
				t.Errorf("chunk size %d is not within %d and %d", size, c.least, c.most)
			}
		})
	}
}

// overLink runs a session over a link with a rate and a delay.
func overLink(p *pair, bytesPerSec int, rtt time.Duration) time.Duration {
	type packet struct {
		at time.Time
		b  []byte
		to *side
	}
	var wire []packet
	free := map[*side]time.Time{}
	put := func(from, to *side) {
		for len(from.out) > 0 {
			n := min(len(from.out), 1400)
			begin := p.now
			if free[from].After(begin) {
				begin = free[from]
			}
			free[from] = begin.Add(time.Duration(float64(n) / float64(bytesPerSec) * float64(time.Second)))
			wire = append(wire, packet{free[from].Add(rtt / 2), from.out[:n:n], to})
			from.out = from.out[n:]
		}
	}
	begun := p.now
	p.start()
	for {
		put(p.a, p.b)
		put(p.b, p.a)
		next := -1
		for i := range wire {
			if next < 0 || wire[i].at.Before(wire[next].at) {
				next = i
			}
		}
		if next < 0 {
			return p.now.Sub(begun)
		}
		k := wire[next]
		wire = append(wire[:next], wire[next+1:]...)
		p.now = k.at
		k.to.core.Receive(k.b, p.now)
		p.drain(k.to)
	}
}
