package session

import (
	"time"

	"github.com/concord-crdt/concord/codec"
)

// clocks are the moments from which deadlines are counted.
type clocks struct {
	started  bool
	begun    time.Time
	met      time.Time // the peer's hello came
	await    time.Time // an answer has been due since
	acked    time.Time // an acknowledgement came
	received time.Time // anything came
	sent     time.Time
	set      time.Time // the timer that was asked for last
}

func (k *clocks) start(now time.Time) {
	k.started = true
	k.begun, k.met, k.await, k.acked, k.received, k.sent = now, now, now, now, now, now
}

// due is a deadline and what is missed when it passes.
type due struct {
	at   time.Time
	what string
	wait time.Duration
}

// deadlines lists what must come and when.
func (c *Core) deadlines() []due {
	k := &c.clocks
	if c.saidBye {
		return []due{{c.byeAt.Add(c.cfg.HandshakeTimeout), "bye", c.cfg.HandshakeTimeout}}
	}
	if c.peerHello == nil {
		return []due{{k.begun.Add(c.cfg.HandshakeTimeout), "hello", c.cfg.HandshakeTimeout}}
	}
	var list []due
	after := func(what string, from time.Time, wait time.Duration) {
		list = append(list, due{from.Add(wait), what, wait})
	}
	idle := c.cfg.IdleTimeout
	if ms := c.peerHello.keepalive; ms > 0 {
		after("sign of life", k.received, max(idle, 2*time.Duration(min(ms, maxKeepalive))*time.Millisecond))
	}
	if len(c.send.flight) > 0 {
		after("acknowledgement", latest(c.send.flight[0].sentAt, k.acked), idle+travel(uint64(c.inFlight())))
	}
	if c.phase == PhaseDifference && c.peerRound == 0 {
		after("status", k.await, idle+travel(c.report.Received.Bytes))
	}
	if c.check.asking && c.check.peer == nil {
		after("chain answer", k.await, idle+travel(uint64(c.inFlight())))
	}
	if c.want.open {
		after("fragment", k.received, idle+travel(uint64(c.inFlight())))
	}
	if c.owes() && c.send.asked == nil && len(c.send.flight) == 0 {
		after("wish for fragments", latest(k.acked, k.received), idle)
	}
	return list
}

// maxKeepalive bounds what a peer may announce, in milliseconds.
const maxKeepalive = 3_600_000

// travel is the time that bytes may take on the slowest link.
func travel(bytes uint64) time.Duration {
	const leastBytesPerSecond = 1 << 10
	return time.Duration(min(bytes, 1<<32)/leastBytesPerSecond) * time.Second
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// pingAt is when a ping is needed; zero: never.
func (c *Core) pingAt() time.Time {
	if c.cfg.DisableKeepalive || c.saidBye || !c.said {
		return time.Time{}
	}
	return c.clocks.sent.Add(c.cfg.Keepalive)
}

// schedule asks for a timer at the first deadline.
func (c *Core) schedule() {
	at := c.pingAt()
	for _, d := range c.deadlines() {
		if at.IsZero() || d.at.Before(at) {
			at = d.at
		}
	}
	if !at.Equal(c.clocks.set) {
		c.clocks.set = at
		c.emit(Timer{at})
	}
}

// expire does what is due.
func (c *Core) expire() {
	c.clocks.set = time.Time{}
	for _, d := range c.deadlines() {
		if d.at.After(c.now) {
			continue
		}
		if c.saidBye {
			c.close(nil) // everything was said; the peer does not answer
		} else {
			c.fail(&TimeoutError{d.what, d.wait})
		}
		return
	}
	if at := c.pingAt(); !at.IsZero() && !at.After(c.now) {
		turn := c.turn
		c.write(framePing, codec.FlagIgnorable, nil)
		c.turn = turn
	}
}
