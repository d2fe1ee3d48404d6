package session

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
)

func sortScopes(list []*scope) { slices.SortFunc(list, compareScopes) }

// sender is what goes to the peer.
type sender struct {
	peerChecked bool // the peer knows that its own past is whole
	open        int  // scopes that have something to send, or hold it
	from        int  // no scope before this one, as sorted, has a queue
	reading     bool
	ready       *outgoing // read, and waiting for room
	flight      []*outgoing
	number      uint64
	chunks      chunkWriter
	chunkBytes  int           // what the next chunk should weigh
	base        time.Duration // the fastest acknowledgement: what does not hang on the size
	measured    bool          // there was one
	planned     uint64        // changes that the last difference found, with those sent before
	asked       *asked        // by the peer, for fragments
	owing       bool          // there may be scopes with owes set
}

// outgoing is a chunk on its way.
type outgoing struct {
	number  uint64
	scope   *scope
	changes []Change // none: it has fragments
	bytes   int      // canonical
	load    int      // bytes in flight as it was sent, with its own
	sentAt  time.Time
}

// smallChunk is where a link is taken for a slow one, on which a long queue
// would keep urgent changes waiting: only two full chunks are in flight there,
// else four.
const smallChunk = 32 << 10

// difference finds out what to send and what to expect.
func (c *Core) difference() {
	if !c.check.done || c.peerRound == 0 {
		return
	}
	if c.phase < PhaseTransfer {
		c.enter(PhaseTransfer)
	}
	for _, s := range c.sorted() {
		c.plan(s)
	}
	var receive uint64
	if c.takes() {
		for _, s := range c.scopes {
			receive += lacks(ownStored(s), &s.peer)
		}
	}
	c.recv.planned = c.report.Received.Changes.Changes + receive
	c.send.planned = c.report.Sent.Changes.Changes + c.queued()
	c.event(c.totals())
}

func ownStored(s *scope) *clock.VersionVector {
	if s.own == nil {
		return &clock.VersionVector{}
	}
	return &s.own.Stored
}

// lacks counts what b has and a lacks.
func lacks(a, b *clock.VersionVector) (n uint64) {
	for o, last := range b.All() {
		if have := a.Get(o); have < last {
			n += min(last-have, math.MaxUint64-n)
		}
	}
	return n
}

// plan finds what is to be sent of a scope.
func (c *Core) plan(s *scope) {
	if s.open() {
		c.send.open--
	}
	s.queue, s.held = nil, false
	c.fill(s)
	if s.open() {
		c.send.open++
		c.send.from = 0
	}
}

func (s *scope) open() bool { return len(s.queue) > 0 || s.held }

func (c *Core) fill(s *scope) {
	if s.own == nil || !c.gives() || !c.check.done || !wishes(c.peerHello.wished(), s.name) {
		return
	}
	for o, last := range s.own.Stored.All() {
		have := s.peer.Get(o)
		switch {
		case have >= last || s.blocked[o]:
		case o == c.peerHello.self && c.peerRound < 2:
			// It is the peer that writes these. One that has lost some of them
			// says so by a second status.
		case o.Replica == c.peerHello.self.Replica && !c.send.peerChecked:
			s.held = true
		default:
			s.queue = append(s.queue, clock.Range{Origin: o, From: have + 1, To: last})
		}
	}
}

// peerChecked notes that the peer's own origins may be sent to it now.
func (c *Core) peerChecked() {
	if c.send.peerChecked {
		return
	}
	c.send.peerChecked = true
	c.tellDivergence()
	if c.send.open == 0 {
		return
	}
	for _, s := range c.scopes {
		if s.held {
			c.plan(s)
		}
	}
}

// queued counts what waits to be sent.
func (c *Core) queued() (n uint64) {
	for _, s := range c.scopes {
		for _, r := range s.queue {
			n += r.Len()
		}
	}
	return n
}

// withheld counts what was not sent because something before it was refused.
func (c *Core) withheld() (n uint64) {
	for _, s := range c.scopes {
		for o := range s.blocked {
			if last, have := ownStored(s).Get(o), s.peer.Get(o); last > have {
				n += last - have
			}
		}
	}
	return n
}

// idle reports whether nothing more is to be sent, and all was acknowledged.
func (c *Core) idle() bool {
	return c.check.done && !c.send.reading && c.send.ready == nil && len(c.send.flight) == 0 && !c.rereading && c.send.open == 0 &&
		c.send.asked == nil && !c.wants()
}

// pump reads and sends as much as the limits allow.
func (c *Core) pump() {
	if c.saidBye || c.peerHello == nil || !c.check.done {
		return
	}
	if o := c.send.ready; o != nil && c.room(o.bytes) {
		c.send.ready = nil
		c.sendChunk(o)
	}
	if c.stopping || c.send.reading || c.send.ready != nil || !c.room(c.budget()) {
		return
	}
	if c.send.asked != nil {
		c.readFragments()
		return
	}
	if c.send.open == 0 {
		return
	}
	for list := c.sorted(); c.send.from < len(list); c.send.from++ {
		if s := list[c.send.from]; len(s.queue) > 0 {
			c.send.reading = true
			ranges := s.queue
			c.command(ReadChanges{s.name, ranges, c.budget()}, func(r Result) {
				c.send.reading = false
				c.took(s, ranges, r.Batch)
			})
			return
		}
	}
}

// budget is what the next chunk may weigh.
func (c *Core) budget() int { return min(c.send.chunkBytes, c.maxSendChunk) }

// room reports whether a chunk of so many bytes may be sent now. One always may
// if nothing is in flight.
func (c *Core) room(bytes int) bool {
	window := 4 * c.send.chunkBytes
	if c.send.chunkBytes < smallChunk {
		window = 2 * c.send.chunkBytes
	}
	return len(c.send.flight) == 0 ||
		len(c.send.flight) < c.maxSendFlight && c.inFlight()+bytes <= min(window, c.maxSendBytes)
}

func (c *Core) inFlight() (bytes int) {
	for _, o := range c.send.flight {
		bytes += o.bytes
	}
	return bytes
}

// took takes what the store read for the ranges asked.
func (c *Core) took(s *scope, asked []clock.Range, b Batch) {
	if c.saidBye {
		return
	}
	rest := map[clock.Origin]uint64{} // where what was not reached begins
	for _, r := range b.Rest {
		if n, ok := rest[r.Origin]; !ok || r.From < n {
			rest[r.Origin] = r.From
		}
	}
	next, last := map[clock.Origin]uint64{}, map[clock.Origin]uint64{}
	for _, r := range asked {
		next[r.Origin], last[r.Origin] = r.From, r.To
	}
	take := b.Changes[:0:0]
	for _, ch := range b.Changes {
		o := ch.Dot.Origin
		if s.blocked[o] || next[o] == 0 {
			continue // refused meanwhile
		}
		if ch.Dot.N != next[o] || ch.Dot.N > last[o] {
			if ch.Dot.N < next[o] {
				c.storeBroke("changes of %v out of order", o)
				return
			}
			continue // one before it could not be read; see below
		}
		if crdt.IsHusk(ch.Encoded) && !c.trades() {
			c.block(s, ch, Verdict{Refused, CodeUnsupported, "its bytes are no longer kept, and the peer's version cannot take the records instead; update it"})
			continue
		}
		if len(ch.Encoded) > c.maxSendChunk {
			c.block(s, ch, Verdict{Refused, CodeTooLarge, ""})
			continue
		}
		next[o]++
		take = append(take, ch)
	}
	progress := len(take) > 0
	for _, r := range asked {
		o := r.Origin
		if n := next[o]; n <= r.To && !s.blocked[o] && rest[o] != n {
			c.block(s, Change{Dot: clock.Dot{Origin: o, N: n}}, Verdict{Refused, CodeUnavailable, ""})
		}
		progress = progress || s.blocked[o]
	}
	if !progress {
		c.storeBroke("no change of %d ranges in scope %q", len(asked), s.name)
		return
	}
	for _, ch := range take {
		s.peer.Advance(ch.Dot)
	}
	c.plan(s)
	if len(take) == 0 {
		return
	}
	o := &outgoing{scope: s, changes: take}
	for i := range take {
		o.bytes += len(take[i].Encoded)
	}
	if !c.room(o.bytes) {
		c.send.ready = o
		return
	}
	c.sendChunk(o)
}

// block gives up an origin of a scope for this session.
func (c *Core) block(s *scope, ch Change, v Verdict) {
	if s.blocked == nil {
		s.blocked = map[clock.Origin]bool{}
	}
	s.blocked[ch.Dot.Origin] = true
	c.report.Sent.Verdicts.add(Refused, 1)
	c.item(Item{Scope: s.name, Dot: ch.Dot, Key: keyOf(ch.Encoded), Verdict: v})
}

// keyOf finds the first record that a change is about.
func keyOf(encoded []byte) string {
	if h, err := crdt.DecodeHusk(encoded); err == nil {
		return h.Keys[0]
	}
	ch, _ := crdt.DecodeChange(encoded)
	if ch == nil || len(ch.Parts) == 0 {
		return ""
	}
	return ch.Parts[0].Key
}

func (c *Core) sendChunk(o *outgoing) {
	c.send.number++
	o.number = c.send.number
	o.sentAt = c.now
	s := o.scope
	body, taken, err := c.send.chunks.encode(o.number, s.name, o.changes, func(d clock.Dot) bool { return s.sent[d.Origin] == d.N })
	if err != nil {
		c.fail(err)
		return
	}
	if taken < len(o.changes) {
		// The rest is read again: a chunk that is too full is rare.
		for _, ch := range o.changes[taken:] {
			if ch.Dot.N <= s.peer.Get(ch.Dot.Origin) {
				s.peer.Set(ch.Dot.Origin, ch.Dot.N-1)
			}
		}
		o.changes = o.changes[:taken]
		c.plan(s)
	}
	if o.bytes = 0; s.sent == nil {
		s.sent = map[clock.Origin]uint64{}
	}
	for i := range o.changes {
		o.bytes += len(o.changes[i].Encoded)
		s.sent[o.changes[i].Dot.Origin] = o.changes[i].Dot.N
	}
	c.write(frameChunk, 0, body)
	c.send.flight = append(c.send.flight, o)
	o.load = c.inFlight()
	c.report.Sent.Chunks++
	c.report.Sent.Changes.Changes += uint64(len(o.changes))
	c.report.Sent.Changes.Bytes += uint64(o.bytes)
	c.progress()
}

func (c *Core) onAck(body []byte) {
	a, err := decodeAck(body)
	if err != nil {
		c.fail(classify("acknowledgement", err))
		return
	}
	if len(c.send.flight) == 0 || c.send.flight[0].number != a.number {
		c.fail(violation("acknowledgement of chunk %d", a.number))
		return
	}
	o := c.send.flight[0]
	if a.verdicts != nil && len(a.verdicts) != len(o.changes) {
		c.fail(violation("%d verdicts on %d changes", len(a.verdicts), len(o.changes)))
		return
	}
	c.send.flight = slices.Delete(c.send.flight, 0, 1)
	c.clocks.acked = c.now
	c.adapt(o)
	if a.verdicts == nil {
		c.report.Sent.Verdicts.Applied += uint64(len(o.changes))
	}
	if o.taken(a.verdicts) {
		o.scope.owes, c.send.owing = true, true
	}
	refused := false
	for i, v := range a.verdicts {
		ch := o.changes[i]
		if v.Outcome == Refused {
			refused = true
			c.block(o.scope, ch, v)
			continue
		}
		c.report.Sent.Verdicts.add(v.Outcome, 1)
		if v.Outcome >= Waiting {
			c.item(Item{Scope: o.scope.name, Dot: ch.Dot, Key: keyOf(ch.Encoded), Verdict: v})
		}
	}
	if refused {
		c.plan(o.scope)
	}
	c.progress()
	if c.live && c.caughtUp && c.idle() {
		c.event(CaughtUp{})
	}
}

// adapt lets the size of chunks follow the link: what is measured is the time
// above that of the fastest acknowledgement, which no smaller chunk would save.
func (c *Core) adapt(o *outgoing) {
	took := max(c.now.Sub(o.sentAt), 0)
	if !c.send.measured || took < c.send.base {
		c.send.base, c.send.measured = took, true
	}
	switch extra := took - c.send.base; {
	case extra > 2*c.cfg.AckTime:
		c.send.chunkBytes = max(c.send.chunkBytes/2, c.cfg.LeastChunkBytes)
	case extra < c.cfg.AckTime/2 && o.load >= c.send.chunkBytes/2:
		c.send.chunkBytes = min(c.send.chunkBytes*2, c.cfg.MostChunkBytes)
	}
}

// reread asks the store again when it has changed, in a live session.
func (c *Core) reread() {
	if !c.dirty || c.rereading || c.saidBye || c.stopping || c.peerHello == nil || !c.said || !c.check.done {
		return
	}
	c.dirty = false
	if !c.live {
		return
	}
	c.rereading = true
	c.command(ReadStatus{}, func(r Result) {
		c.rereading = false
		for _, name := range c.takeStatus(r.Status) {
			if s := c.own[name]; c.isShared(s) {
				c.plan(c.scope(name))
			}
		}
		if n := c.report.Sent.Changes.Changes + c.queued(); n > c.send.planned {
			c.send.planned = n
			c.event(c.totals())
		}
	})
}

// totals says how much there is, with bytes by the average so far.
func (c *Core) totals() Totals {
	return Totals{
		Send:    estimate(max(c.send.planned, c.report.Sent.Changes.Changes), c.report.Sent.Changes),
		Receive: estimate(max(c.recv.planned, c.report.Received.Changes.Changes), c.report.Received.Changes),
	}
}

func estimate(changes uint64, so Amount) Amount {
	a := Amount{Changes: changes}
	if so.Changes > 0 {
		a.Bytes = so.Bytes + uint64(float64(so.Bytes)/float64(so.Changes)*float64(changes-so.Changes))
	}
	return a
}

func (c *Core) progress() {
	c.event(Progress{
		Sent: c.report.Sent.Changes, Received: c.report.Received.Changes,
		Acknowledged: c.report.Sent.Verdicts.Total(), Totals: c.totals(),
	})
}

// storeBroke ends the session because the store did not do what its contract
// says.
func (c *Core) storeBroke(format string, args ...any) {
	c.fail(fmt.Errorf("%w: %s", ErrStore, fmt.Sprintf(format, args...)))
}
