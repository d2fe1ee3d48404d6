package session

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt"
)

// Output is what the core wants done. It is one of [Send], [Command], [Timer],
// [Notice] and [Closed].
type Output interface{ output() }

// Send is bytes for the peer, in order. They belong to the caller.
type Send struct{ Bytes []byte }

// Timer asks for a [Core.Tick] at or after a moment. It replaces the timer
// before it; a zero At means that none is needed.
type Timer struct{ At time.Time }

// Notice is an event for whoever watches.
type Notice struct{ Event Event }

// Closed is the last output. What was to be sent before it should still be sent,
// then the connection be closed. Err is nil when the session came to its end.
type Closed struct {
	Report Report
	Err    error
}

func (Send) output()    {}
func (Command) output() {}
func (Timer) output()   {}
func (Notice) output()  {}
func (Closed) output()  {}

// Core is one side of a session, as a state machine: inputs are calls, and what
// they lead to is fetched by Next until it returns false, before the next
// input. Nothing else happens: no goroutine, clock or I/O.
//
// The moments that inputs are given count the time that passes, and should come
// from a clock that nobody sets: deadlines follow from them. What day it is,
// [Config.Wall] says.
//
// A chunk costs O(its bytes), a status O(scopes + origins), a change of the
// store in a live session O(scopes).
//
// Memory is bounded by the limits of the [Config], whatever the peer sends: the
// largest status, the chunks in flight both ways, and one frame.
//
// Nothing panics or fails but the session: errors are the Err of [Closed].
//
// Not safe for concurrent use. Use [New].
type Core struct {
	cfg    Config
	self   clock.Origin
	now    time.Time
	phase  Phase
	report Report

	out     []Output
	taken   int // of out
	closed  bool
	pending map[uint64]func(Result)
	lastID  uint64

	frames  *codec.FrameReader
	partial []byte // a message whose last frame has not come
	within  byte   // its type; 0: none

	own       map[string]*ScopeStatus // within the wished scopes
	digest    crdt.Hash               // of own, as said in the hello
	count     int                     // of its scopes that have a change
	buckets   summary                 // which scopes the statuses speak of
	peerHello *hello
	said      bool // the own hello is sent
	ownRound  uint64
	peerRound uint64
	scopes    map[string]*scope
	order     []*scope // by class, then name

	check     checker
	diverged  []Alarm // seen in the peer's last status, and not raised yet
	send      sender
	recv      receiver
	want      asker
	live      bool // both wish it
	dirty     bool // the store changed since own was read
	rereading bool
	stopping  bool

	saidCaughtUp  uint64 // the peer's round that the last CaughtUp named, plus one
	peerCaughtUp  uint64 // the own round that the peer's named, plus one
	caughtUp      bool
	saidBye       bool
	byeAt         time.Time
	clocks        clocks
	turn          bool // something was sent since something was received
	maxSendFrame  int
	maxSendChunk  int
	maxSendFlight int
	maxSendBytes  int
}

// scope is what is known of one scope on both sides.
type scope struct {
	name string
	own  *ScopeStatus
	// peer covers what the peer has, and what is on its way to it.
	peer  clock.VersionVector
	heads map[clock.Origin]head   // where further than own
	sent  map[clock.Origin]uint64 // the last number that went out in this session
	queue []clock.Range           // to be sent
	held  bool                    // there is more to send, once the peer has checked its own origins
	// wanting: husks are here that wait for fragments of the peer. after is the record
	// up to which it was asked.
	wanting bool
	after   string
	again   bool // husks came after the peer was asked
	owes    bool // husks were sent, and the peer has not said that it wants nothing more
	// blocked are origins of which nothing more can be sent in this session.
	blocked map[clock.Origin]bool
}

// New makes the core of a session. A config that is not valid closes the session
// at Start.
func New(cfg Config) *Core {
	c := &Core{cfg: cfg, self: cfg.Self, pending: map[uint64]func(Result){}, scopes: map[string]*scope{}}
	c.cfg.Scopes = slices.Clone(cfg.Scopes)
	c.cfg.setDefaults()
	c.frames = codec.NewFrameReader(c.cfg.MaxFrameBytes)
	c.send.chunkBytes = min(max(c.cfg.StartChunkBytes, c.cfg.LeastChunkBytes), c.cfg.MostChunkBytes)
	return c
}

// Next returns the next output, or false if there is none.
func (c *Core) Next() (Output, bool) {
	if c.taken == len(c.out) {
		clear(c.out)
		c.out, c.taken = c.out[:0], 0
		return nil, false
	}
	o := c.out[c.taken]
	c.out[c.taken] = nil
	c.taken++
	return o, true
}

func (c *Core) emit(o Output) { c.out = append(c.out, o) }
func (c *Core) event(e Event) { c.emit(Notice{e}) }
func (c *Core) enter(p Phase) {
	if c.phase != p {
		c.phase = p
		c.event(PhaseChange{p})
	}
}

// command asks the store; then is called with what it answers, unless the
// session is closed by then.
func (c *Core) command(op Op, then func(Result)) {
	c.lastID++
	c.pending[c.lastID] = then
	c.emit(Command{c.lastID, op})
}

// Start begins the session. It is the first input.
func (c *Core) Start(now time.Time) {
	if c.closed || c.clocks.started {
		return
	}
	c.now = now
	c.clocks.start(now)
	if err := c.cfg.Validate(); err != nil {
		c.close(err)
		return
	}
	c.event(PhaseChange{PhaseHello})
	c.command(ReadStatus{}, func(r Result) {
		c.takeStatus(r.Status)
		c.sayHello()
	})
	c.settle()
}

// Receive takes bytes from the peer, cut anywhere.
func (c *Core) Receive(b []byte, now time.Time) {
	if c.closed || !c.clocks.started {
		return
	}
	c.now = now
	c.report.Received.Bytes += uint64(len(b))
	if len(b) > 0 {
		c.clocks.received = now
	}
	for {
		n := c.frames.Feed(b)
		b = b[n:]
		for {
			f, ok, err := c.frames.Next()
			if err != nil {
				c.fail(classify("frame", err))
				return
			}
			if !ok {
				break
			}
			c.frame(f)
			c.settle()
			if c.closed {
				return
			}
		}
		if len(b) == 0 {
			c.settle()
			return
		}
	}
}

// Complete takes the result of a command. Results of commands that the session
// no longer waits for are ignored.
func (c *Core) Complete(r Result, now time.Time) {
	then, ok := c.pending[r.ID]
	if !ok || c.closed {
		return
	}
	c.now = now
	delete(c.pending, r.ID)
	if r.Err != nil {
		c.fail(fmt.Errorf("%w: %w", ErrStore, r.Err))
		return
	}
	then(r)
	if !c.closed {
		c.settle()
	}
}

// Tick says what time it is; it is called when a [Timer] is due.
func (c *Core) Tick(now time.Time) {
	if c.closed || !c.clocks.started {
		return
	}
	c.now = now
	if c.expire(); !c.closed {
		c.settle()
	}
}

// Changed says that the store has new durable changes. While the session is not
// live it changes nothing: they are for the next one.
func (c *Core) Changed(now time.Time) {
	if c.closed || !c.clocks.started {
		return
	}
	c.now = now
	c.dirty = true
	c.settle()
}

// Stop ends the session in good order: what is in flight is acknowledged first,
// nothing new is sent.
func (c *Core) Stop(now time.Time) {
	if c.closed {
		return
	}
	c.now = now
	c.stopping = true
	if c.clocks.started {
		c.settle()
	} else {
		c.close(nil)
	}
}

// Lost says that the connection is gone: err is what reading or writing it
// returned, [io.EOF] if the peer closed it.
func (c *Core) Lost(err error) {
	switch {
	case c.closed:
	case c.saidBye && c.caughtUp, c.saidBye && c.stopping:
		c.close(nil) // the peer left without waiting
	default:
		if t := c.frames.Close(); t != nil && (err == nil || errors.Is(err, io.EOF)) {
			err = t
		}
		if err == nil {
			err = io.EOF
		}
		c.close(fmt.Errorf("%w: %w", ErrCut, err))
	}
}

// fail ends the session with an error, of which the peer is told.
func (c *Core) fail(err error) {
	if c.closed {
		return
	}
	if !c.saidBye && c.clocks.started {
		b := bye{code: byeFor(err), reason: err.Error()}
		if b.code == ByeStore {
			b.reason = "" // it may name files
		}
		c.write(frameBye, 0, b.encode())
	}
	c.close(err)
}

func (c *Core) close(err error) {
	c.closed = true
	c.report.Self = c.self
	c.report.CaughtUp = c.caughtUp
	c.report.Withheld = c.withheld()
	clear(c.pending)
	c.partial, c.scopes, c.order, c.own = nil, nil, nil, nil
	c.recv, c.check = receiver{}, checker{}
	c.enter(PhaseDone)
	c.emit(Timer{})
	c.emit(Closed{c.report, err})
}

// write sends a message as one frame, or as several where its type allows it.
func (c *Core) write(kind, flags byte, body []byte) {
	if c.saidBye && kind != frameBye {
		return
	}
	limit := c.maxSendFrame
	if limit == 0 {
		limit = leastFrameBytes
	}
	b := appendMessage(nil, kind, flags, body, limit)
	c.report.Sent.Frames += uint64(max(1, (len(body)+limit-1)/limit))
	c.report.Sent.Bytes += uint64(len(b))
	c.clocks.sent = c.now
	if kind != frameBye {
		c.turn = true
	}
	c.emit(Send{b})
}

// frame takes one frame: a message, or a part of one.
func (c *Core) frame(f codec.Frame) {
	c.report.Received.Frames++
	if c.within != 0 && f.Type != c.within {
		c.fail(violation("frame of type %d within a message of type %d", f.Type, c.within))
		return
	}
	if f.Type == 0 || f.Type > frameFragment {
		if !f.Ignorable() {
			c.fail(fmt.Errorf("%w: frame of unknown type %d", ErrIncompatible, f.Type))
		}
		return
	}
	if f.Flags&flagMore == 0 && c.within == 0 {
		c.message(f.Type, f.Body)
		return
	}
	limit := 0
	switch f.Type {
	case frameSummary:
		limit = maxBuckets * bucketBytes
	case frameStatus:
		limit = c.cfg.MaxStatusBytes
	case frameChunk, frameFragment:
		limit = c.cfg.MaxChunkBytes + maxChunkOverhead
	}
	if len(c.partial)+len(f.Body) > limit {
		c.fail(classify("message", &codec.LimitError{What: "message", Got: uint64(len(c.partial) + len(f.Body)), Max: uint64(limit)}))
		return
	}
	if f.Flags&flagMore != 0 && len(f.Body) == 0 {
		c.fail(violation("empty part of a message"))
		return
	}
	c.partial = append(c.partial, f.Body...)
	c.within = f.Type
	if f.Flags&flagMore == 0 {
		body := c.partial
		c.partial, c.within = nil, 0
		c.message(f.Type, body)
	}
}

// message takes one whole message.
func (c *Core) message(kind byte, body []byte) {
	if kind != framePing {
		if c.turn && kind != frameBye {
			c.report.RoundTrips++
		}
		c.turn = false
	}
	if c.peerHello == nil && kind != frameHello && kind != frameBye {
		c.fail(violation("frame of type %d before the hello", kind))
		return
	}
	if c.saidBye && kind != frameBye {
		return // on its way when the own ending was sent
	}
	switch kind {
	case frameHello:
		c.onHello(body)
	case frameSummary:
		c.onSummary(body)
	case frameStatus:
		c.onStatus(body)
	case frameChainQuery:
		c.onChainQuery(body)
	case frameChainAnswer:
		c.onChainAnswer(body)
	case frameChunk:
		c.onChunk(body)
	case frameAck:
		c.onAck(body)
	case frameCaughtUp:
		c.onCaughtUp(body)
	case frameWant:
		c.onWant(body)
	case frameFragment:
		c.onFragment(body)
	case framePing:
		if len(body) > 0 {
			c.fail(violation("ping of %d bytes", len(body)))
		}
	case frameBye:
		c.onBye(body)
	}
}

// settle does what became possible by an input.
func (c *Core) settle() {
	if c.closed {
		return
	}
	c.reread()
	c.ask()
	c.pump()
	if !c.closed {
		c.conclude()
	}
	if !c.closed {
		c.schedule()
	}
}

// takeStatus takes over what the store holds now. It returns the names of the
// scopes whose stored clock is another than before.
func (c *Core) takeStatus(s Status) (moved []string) {
	own := make(map[string]*ScopeStatus, len(s.Scopes))
	kept := make([]ScopeStatus, 0, len(s.Scopes))
	for i := range s.Scopes {
		if wishes(c.cfg.Scopes, s.Scopes[i].Name) {
			own[s.Scopes[i].Name] = &s.Scopes[i]
			kept = append(kept, s.Scopes[i])
		}
	}
	if !c.said {
		c.digest = Status{kept}.Sum()
		for i := range kept {
			if !kept[i].Stored.IsEmpty() {
				c.count++
			}
		}
	}
	for name, st := range own {
		if old := c.own[name]; old == nil || !old.stands(st) {
			moved = append(moved, name)
		}
		if sc := c.scopes[name]; sc != nil {
			sc.own = st
		}
	}
	c.own = own
	return moved
}

// shared lists the own scopes that both sides wish, sorted by name.
func (c *Core) shared() []*ScopeStatus {
	list := make([]*ScopeStatus, 0, len(c.own))
	for _, s := range c.own {
		if c.isShared(s) {
			list = append(list, s)
		}
	}
	slices.SortFunc(list, func(a, b *ScopeStatus) int { return strings.Compare(a.Name, b.Name) })
	return list
}

func (c *Core) isShared(s *ScopeStatus) bool {
	return wishes(c.peerHello.wished(), s.Name) && !s.Stored.IsEmpty()
}
