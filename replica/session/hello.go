package session

import (
	"cmp"
	"strings"
	"time"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
)

// maxRounds is how often the peer may replace its status: it has lost its past
// once at most.
const maxRounds = 8

func (c *Core) sayHello() {
	h := &hello{
		min: minVersion, max: maxVersion, capabilities: capabilities,
		self: c.self, direction: c.cfg.Direction, live: c.cfg.Live, policy: c.cfg.PolicyDigest,
		wall: c.wall(), digest: c.digest, count: uint64(c.count),
		all: c.cfg.Scopes == nil, scopes: c.cfg.Scopes,
		frameBytes: uint64(c.cfg.MaxFrameBytes), chunkBytes: uint64(c.cfg.MaxChunkBytes),
		inFlight: uint64(c.cfg.MaxInFlight), flightBytes: uint64(c.cfg.MaxInFlightBytes),
		scopeLimit: uint64(c.cfg.MaxScopes),
	}
	if !c.cfg.DisableKeepalive {
		h.keepalive = uint64(c.cfg.Keepalive.Milliseconds())
	}
	b, err := codec.AppendEnvelope(nil, h)
	if err != nil {
		c.fail(classify("hello", err))
		return
	}
	c.said = true
	c.write(frameHello, 0, b)
	if c.peerHello != nil {
		c.meet()
	}
}

func (c *Core) onHello(body []byte) {
	if c.peerHello != nil {
		c.fail(violation("second hello"))
		return
	}
	h := new(hello)
	if err := codec.DecodeEnvelope(body, h, maxHelloBytes); err != nil {
		c.fail(classify("hello", err))
		return
	}
	if h.max < minVersion || h.min > maxVersion {
		c.fail(&IncompatibleError{minVersion, maxVersion, h.min, h.max})
		return
	}
	c.peerHello = h
	c.clocks.met = c.now
	c.maxSendFrame = atMost(h.frameBytes, c.cfg.MaxFrameBytes)
	c.maxSendChunk = atMost(h.chunkBytes, c.cfg.MaxChunkBytes)
	c.maxSendFlight = atMost(h.inFlight, c.cfg.MaxInFlight)
	c.maxSendBytes = atMost(h.flightBytes, c.cfg.MaxInFlightBytes)
	own := c.wall()
	p := Peer{
		Origin: h.self, Direction: h.direction, Live: h.live, PolicyDigest: h.policy, Wall: h.wall,
		Skew:         time.Duration(h.wall.Milli()-own.Milli()) * time.Millisecond,
		Version:      min(h.max, maxVersion),
		Capabilities: h.capabilities & capabilities,
	}
	c.report.Peer = p
	c.event(PeerKnown{p})
	c.event(Skew{p.Skew})
	if h.policy != c.cfg.PolicyDigest {
		c.event(PolicyDiffers{c.cfg.PolicyDigest, h.policy})
	}
	if h.self == c.self {
		c.alarm(Alarm{Kind: Clone})
		c.fail(ErrSelf)
		return
	}
	if c.said {
		c.meet()
	}
}

func atMost(peer uint64, own int) int { return int(min(peer, uint64(own))) }

// gives and takes say what both sides wish of each direction.
func (c *Core) gives() bool { return c.cfg.Direction.gives() && c.peerHello.direction.takes() }
func (c *Core) takes() bool { return c.cfg.Direction.takes() && c.peerHello.direction.gives() }

// meet goes on when both hellos are known. Where both sides hold the same there
// is nothing to find out.
func (c *Core) meet() {
	h := c.peerHello
	c.live = c.cfg.Live && h.live
	same := h.digest == c.digest
	if same || !c.gives() && !c.takes() {
		if same {
			c.assumeEqual()
		}
		c.live = c.live && same
		c.check.done, c.send.peerChecked = true, true
		c.peerCaughtUp = 1 // round 0: nothing was asked
		return
	}
	c.enter(PhaseDifference)
	c.clocks.await = c.now
	if c.buckets.size = bucketCount(max(uint64(c.count), h.count)); c.buckets.size > 0 {
		c.saySummary()
	} else {
		c.sayStatus()
	}
}

func (c *Core) sayStatus() {
	list := c.spoken()
	if most := c.peerHello.scopeLimit; uint64(len(list)) > most {
		c.fail(classify("own status", &codec.LimitError{What: "scopes, for the peer", Got: uint64(len(list)), Max: most}))
		return
	}
	c.ownRound++
	c.write(frameStatus, 0, encodeStatus(list, c.peerHello.self.Replica))
}

func (c *Core) onStatus(body []byte) {
	if c.ownRound == 0 || c.peerRound == maxRounds {
		c.fail(violation("status %d", c.peerRound+1))
		return
	}
	list, err := decodeStatus(body, &c.cfg, c.self.Replica)
	if err != nil {
		c.fail(classify("status", err))
		return
	}
	c.peerRound++
	if c.peerRound > 1 {
		c.send.peerChecked = true
	}
	stated := make(map[string]bool, len(list))
	c.diverged = nil
	var checks []check
	var acks []Acknowledgement
	for i := range list {
		p := &list[i]
		if !wishes(c.cfg.Scopes, p.name) || !c.buckets.differs(p.name) {
			continue
		}
		stated[p.name] = true
		if c.scopes[p.name] == nil && len(c.scopes) >= c.cfg.MaxScopes+len(c.own) {
			c.fail(classify("status", &codec.LimitError{What: "scopes", Got: uint64(len(c.scopes)) + 1, Max: uint64(c.cfg.MaxScopes)}))
			return
		}
		s := c.scope(p.name)
		if p.whole {
			acks = append(acks, Acknowledgement{p.name, p.stored.Clone()})
		}
		c.replacePeer(s, p.stored)
		if s.own != nil && p.fingerprint != s.own.Fingerprint && p.applied == s.own.appliedDigest() {
			c.diverged = append(c.diverged, Alarm{Kind: Divergence, Scope: p.name, Own: s.own.Fingerprint, Peer: p.fingerprint})
		}
		for _, h := range p.chains {
			checks = append(checks, check{scope: p.name, origin: h.origin, n: p.stored.Get(h.origin), hash: h.hash})
		}
	}
	for name, s := range c.scopes {
		if !stated[name] && c.buckets.differs(name) {
			c.replacePeer(s, clock.VersionVector{})
		}
	}
	for _, s := range c.spoken() {
		c.scope(s.Name)
	}
	c.acknowledged(acks)
	if c.peerRound == 1 {
		c.check.queue = checks
		c.nextCheck()
	} else {
		c.tellDivergence()
		c.difference()
	}
}

// acknowledged tells the store what the peer has applied.
func (c *Core) acknowledged(acks []Acknowledgement) {
	if len(acks) > 0 {
		c.command(NoteAcknowledged{c.peerHello.self, acks}, func(Result) {})
	}
}

// tellDivergence raises the alarms that the statuses gave cause for, once both
// sides have looked at their own pasts: one that was restored and wrote on has
// the clocks of its lost self, and repairs that first.
func (c *Core) tellDivergence() {
	if !c.check.done || !c.send.peerChecked {
		return
	}
	for _, a := range c.diverged {
		c.alarm(a)
	}
	c.diverged = nil
}

// replacePeer takes over what the peer says it has. What was sent to it before
// counts too: it is there, or on its way. Its own origins are the exception, as
// it may have taken back what it once said of them; none of them was sent.
func (c *Core) replacePeer(s *scope, stored clock.VersionVector) {
	if c.peerRound > 1 {
		for o, n := range s.sent {
			if o.Replica != c.peerHello.self.Replica {
				stored.Advance(clock.Dot{Origin: o, N: n})
			}
		}
	}
	s.peer = stored
}

// scope returns what is known of a scope, which is added if needed.
func (c *Core) scope(name string) *scope {
	if s, ok := c.scopes[name]; ok {
		return s
	}
	s := &scope{name: name, own: c.own[name]}
	if s.own != nil && s.own.Lacks {
		c.wantOf(s)
	}
	c.scopes[name] = s
	c.order, c.send.from = nil, 0
	return s
}

// sorted lists the scopes, those of the highest priority first.
func (c *Core) sorted() []*scope {
	if c.order == nil && len(c.scopes) > 0 {
		c.order = make([]*scope, 0, len(c.scopes))
		for _, s := range c.scopes {
			c.order = append(c.order, s)
		}
		sortScopes(c.order)
	}
	return c.order
}

func (s *scope) class() uint8 {
	if s.own == nil {
		return 3
	}
	return s.own.Class
}

func compareScopes(a, b *scope) int {
	return cmp.Or(cmp.Compare(a.class(), b.class()), strings.Compare(a.name, b.name))
}
