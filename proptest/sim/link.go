package sim

import (
	"errors"
	"io"
	"slices"
	"time"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/replica"
	"github.com/concord-crdt/concord/replica/session"
)

// link is a way between two devices.
type link struct {
	a, b    *device
	latency time.Duration
	perByte time.Duration
	until   time.Duration    // nothing passes before
	oneWay  [2]time.Duration // nothing passes from a, or from b, before
	open    *conn
}

func (f *fleet) newLink(a, b *device) *link {
	l := &link{a: a, b: b, latency: time.Millisecond + f.span(200*time.Millisecond), perByte: time.Duration(1+f.chance(20)) * time.Microsecond}
	if f.odds(f.rate[FaultSlow] / 3) {
		l.perByte = time.Duration(1+f.chance(8)) * time.Millisecond
	}
	f.links = append(f.links, l)
	a.links, b.links = append(a.links, l), append(b.links, l)
	return l
}

// conn is one session over a link.
type conn struct {
	f      *fleet
	link   *link
	number uint64
	ends   [2]*end
	dead   bool // what is on its way does not arrive
}

// end is one side of a session.
type end struct {
	c       *conn
	i       int
	d       *device
	process int
	core    *session.Core
	store   session.Store
	epoch   time.Time     // what its clock showed
	started time.Duration // when that was
	arrives time.Duration // when the last that was sent to it arrives
	held    []byte        // sent to it, and to be overtaken
	timer   int           // number of the one that counts
	told    bool          // that its store changed, soon
	closed  *session.Closed
	gone    bool
}

// chatter says how a session is held.
type chatter struct {
	scopes []string
	live   bool
	length time.Duration // then it is stopped
}

// meet holds a session over a link, if both devices are up and it is free.
func (f *fleet) meet(l *link) *conn {
	switch {
	case l.open != nil || l.a.replica == nil || l.b.replica == nil || len(l.a.suspect)+len(l.b.suspect) > 0:
		return nil
	case f.now < l.until:
		f.counters.count(FaultPartition)
		return nil
	}
	how := chatter{length: time.Minute + f.span(20*time.Minute)}
	if how.live = f.phase == phaseStorm && f.chance(3) == 0; f.chance(10) == 0 && f.phase == phaseStorm {
		how.scopes = [][]string{{"notes"}, {"visits"}, {"visits/w1", "notes"}}[f.chance(3)]
	}
	return f.hold(l, how)
}

// hold begins a session.
func (f *fleet) hold(l *link, how chatter) *conn {
	f.sessions++
	c := &conn{f: f, link: l, number: f.sessions}
	for i, d := range []*device{l.a, l.b} {
		o := replica.SyncOptions{Scopes: how.scopes, Live: how.live}
		if f.chance(2) == 0 {
			o.Session = session.Config{StartChunkBytes: 64 << f.chance(8), LeastChunkBytes: 64, MostChunkBytes: 16 << 10}
			o.Session.MostChunkBytes = max(o.Session.MostChunkBytes, o.Session.StartChunkBytes)
		}
		core, store, err := d.replica.NewSession(o)
		if err != nil {
			if i == 1 {
				l.a.leave(c.ends[0])
			}
			d.failed("begin a session", err)
			return nil
		}
		c.ends[i] = f.newEnd(c, i, d, core, store)
	}
	if l.a.old != l.b.old {
		f.counters.count(FaultSchema)
	}
	l.open = c
	f.say("session %d: %s and %s", c.number, l.a.name, l.b.name)
	for i := range c.ends {
		e := c.ends[i]
		f.after(time.Duration(i)*l.latency, func() { e.start() })
	}
	f.after(how.length, func() {
		for _, e := range c.ends {
			e.stop()
		}
	})
	f.after(how.length+30*time.Minute, func() { c.cut("ends it, being overdue") })
	return c
}

func (f *fleet) newEnd(c *conn, i int, d *device, core *session.Core, store session.Store) *end {
	e := &end{c: c, i: i, d: d, process: d.process, core: core, store: store, epoch: d.time(), started: f.now}
	d.ends = append(d.ends, e)
	return e
}

// time is what the session's clock shows: it begins with the device's, and is
// not set.
func (e *end) time() time.Time { return e.epoch.Add(e.c.f.now - e.started) }

func (e *end) peer() *end { return e.c.ends[1-e.i] }

// over reports whether the end can do nothing more.
func (e *end) over() bool { return e.gone || e.closed != nil || e.process != e.d.process }

func (e *end) start() {
	if !e.over() {
		e.core.Start(e.time())
		e.pump()
	}
}

func (e *end) stop() {
	if !e.over() {
		e.core.Stop(e.time())
		e.pump()
	}
}

// pump does what the core wants done.
func (e *end) pump() {
	f := e.c.f
	for {
		o, ok := e.core.Next()
		if !ok {
			return
		}
		switch o := o.(type) {
		case session.Send:
			e.c.send(e, o.Bytes)
		case session.Command:
			f.after(50*time.Microsecond, func() { e.carryOut(o) })
		case session.Timer:
			e.timer++
			if n := e.timer; !o.At.IsZero() {
				f.after(max(0, o.At.Sub(e.time())), func() {
					if e.timer == n && !e.over() {
						e.core.Tick(e.time())
						e.pump()
					}
				})
			}
		case session.Notice:
			e.notice(o.Event)
		case session.Closed:
			e.close(&o)
		}
	}
}

// notice tells of what is worth telling.
func (e *end) notice(ev session.Event) {
	switch ev := ev.(type) {
	case session.Alarm:
		e.c.f.say("session %d: %s raises an alarm: %v %v in %s", e.c.number, e.d.name, ev.Kind, ev.Dot, ev.Scope)
		e.c.f.alarm(e, ev)
	case session.Reissued:
		e.c.f.say("session %d: %s issues its changes again: %+v", e.c.number, e.d.name, ev)
	}
}

// close is the end of one side.
func (e *end) close(o *session.Closed) {
	f := e.c.f
	e.closed = o
	e.d.leave(e)
	switch {
	case o.Err != nil:
		f.say("session %d: %s ends with: %v", e.c.number, e.d.name, o.Err)
	default:
		f.say("session %d: %s ends, having sent %d changes and taken %d", e.c.number, e.d.name, o.Report.Sent.Changes.Changes, o.Report.Received.Changes.Changes)
	}
	e.c.settle()
	to := e.peer()
	f.add(max(to.arrives, f.now+e.c.link.latency), func() { to.lose(io.EOF) })
}

// leave forgets a session.
func (d *device) leave(e *end) {
	d.ends = slices.DeleteFunc(d.ends, func(x *end) bool { return x == e })
}

// lose is the end of the connection, as one side sees it.
func (e *end) lose(err error) {
	if e.c.dead {
		err = io.ErrUnexpectedEOF
	}
	if !e.over() {
		e.core.Lost(err)
		e.pump()
	}
}

// die is the end of the process.
func (e *end) die() {
	f := e.c.f
	e.gone = true
	e.c.settle()
	if f.chance(3) > 0 { // else the other side waits for what does not come
		to := e.peer()
		f.add(max(to.arrives, f.now+e.c.link.latency), func() { to.lose(io.EOF) })
	}
}

// settle frees the link when both sides are done.
func (c *conn) settle() {
	if c.link.open == c && c.ends[0].over() && c.ends[1].over() {
		c.link.open = nil
	}
}

// cut ends the connection for both sides; what is on its way is lost.
func (c *conn) cut(why string) {
	if c.dead || c.ends[0].over() && c.ends[1].over() {
		c.settle()
		return
	}
	c.f.say("session %d: the link %s", c.number, why)
	c.dead = true
	for _, e := range c.ends {
		e.lose(io.ErrUnexpectedEOF)
	}
	c.settle()
}

// send takes a message to the other side, or loses it.
func (c *conn) send(from *end, b []byte) {
	f, to := c.f, from.peer()
	if c.dead {
		return
	}
	late := time.Duration(0)
	if f.phase == phaseStorm {
		switch {
		case f.now < c.link.oneWay[from.i]:
			c.lost(FaultOneWay, "lets nothing pass in one direction")
			return
		case f.happens(FaultDrop, 0.004):
			c.lost(FaultDrop, "has lost a message")
			return
		case f.happens(FaultDuplicate, 0.01):
			c.deliver(to, b, 0)
		case f.happens(FaultCorrupt, 0.004):
			b = slices.Clone(b)
			for range 1 + f.chance(4) {
				b[f.chance(len(b))] ^= 1 << f.chance(8)
			}
			f.say("session %d: bits turn on the way to %s", c.number, to.d.name)
		case f.happens(FaultCut, 0.006):
			b = b[:f.chance(len(b))]
			c.deliver(to, b, 0)
			f.after(c.link.latency, func() { c.cut("is cut in the middle of a frame") })
			return
		case f.happens(FaultDelay, 0.01):
			late = f.span(4 * time.Minute)
		case f.happens(FaultHostile, 0.004):
			c.deliver(to, f.hostile(), 0)
		case to.held == nil && f.happens(FaultReorder, 0.006):
			to.held = b
			f.after(2*time.Second, func() { c.release(to) })
			return
		}
		if c.link.perByte >= time.Millisecond {
			f.counters.count(FaultSlow)
		}
	}
	c.deliver(to, b, late)
	c.release(to)
}

// release sends what was overtaken.
func (c *conn) release(to *end) {
	if b := to.held; b != nil {
		to.held = nil
		c.deliver(to, b, 0)
	}
}

// happens decides about a fault, and counts it.
func (f *fleet) happens(k Fault, p float64) bool {
	if f.rate[k] == 0 || !f.odds(p*f.rate[k]) {
		return false
	}
	f.counters.count(k)
	return true
}

// lost notes that a stream lacks something: it goes on for a while, and ends.
func (c *conn) lost(k Fault, why string) {
	if k == FaultOneWay {
		c.f.counters.count(k)
	}
	c.f.after(time.Minute+c.f.span(3*time.Minute), func() { c.cut(why) })
}

// hostile is a sound frame with a body that promises more than there is.
func (f *fleet) hostile() []byte {
	w := codec.NewWriter(nil)
	for range 1 + f.chance(8) {
		switch f.chance(3) {
		case 0:
			w.Uvarint(1 << (20 + f.chance(43)))
		case 1:
			w.Uvarint(uint64(f.chance(300)))
		default:
			w.Raw([]byte{0xff, 0xff, 0xff, 0xff})
		}
	}
	return codec.AppendFrame(nil, codec.Frame{Type: byte(1 + f.chance(11)), Body: w.Bytes()})
}

func (c *conn) deliver(to *end, b []byte, late time.Duration) {
	f := c.f
	at := max(to.arrives, f.now+c.link.latency+late+time.Duration(len(b))*c.link.perByte)
	to.arrives = at
	f.add(at, func() {
		if c.dead || to.over() {
			return
		}
		f.bytes += uint64(len(b))
		f.messages++
		to.core.Receive(b, to.time())
		to.pump()
	})
}

// carryOut has the store do what the core asks for.
func (e *end) carryOut(o session.Command) {
	if e.over() {
		return
	}
	r := e.run(o)
	if e.over() {
		return
	}
	e.core.Complete(r, e.time())
	e.pump()
}

// run carries out a command, and looks at what it did.
func (e *end) run(o session.Command) session.Result {
	f, d := e.c.f, e.d
	r := session.Run(e.store, o)
	if d.died() {
		return r
	}
	if r.Err != nil {
		d.failed("session", r.Err)
		return r
	}
	switch op := o.Op.(type) {
	case session.ReadStatus:
		f.plantStatus(&r.Status)
	case session.ApplyChanges:
		f.took(d, op.Intake, r.Verdicts)
		d.changed(e)
	case session.ReissueChanges:
		d.news = true
		f.learn(d)
		d.changed(e)
	}
	return r
}

// plantStatus has a session tell what is not so.
func (f *fleet) plantStatus(s *session.Status) {
	if f.o.Plant != PlantApplied {
		return
	}
	for i := range s.Scopes {
		all := clock.Context{}
		for o, n := range s.Scopes[i].Stored.All() {
			all.AddRange(clock.Range{Origin: o, From: 1, To: n})
		}
		s.Scopes[i].Applied, s.Scopes[i].Digest = all, crdt.Hash{}
	}
}

// took notes what a device took over: a dot stands for one content for ever.
func (f *fleet) took(d *device, in session.Intake, verdicts []session.Verdict) {
	for i, v := range verdicts {
		if v.Outcome == session.Refused {
			f.say("%s refuses %v: %v", d.name, in.Changes[i].Dot, v)
			continue
		}
		at := dotName{in.Scope, in.Changes[i].Dot}
		h, known := f.spread[at]
		if !known {
			f.spread[at] = in.Changes[i].Hash
		} else if h != in.Changes[i].Hash {
			f.fail("a dot names one content for ever", []string{d.name}, "", "%v in %s was %s, and is %s", at.dot, at.scope, short(h), short(in.Changes[i].Hash))
		}
	}
}

// changed tells the sessions of a device that its store changed, but not the
// one that changed it.
func (d *device) changed(by *end) {
	for _, e := range d.ends {
		if e == by || e.told {
			continue
		}
		e.told = true
		d.f.after(time.Millisecond, func() {
			if e.told = false; !e.over() {
				e.core.Changed(e.time())
				e.pump()
			}
		})
	}
}

// alarm looks at an alarm of a session.
func (f *fleet) alarm(e *end, a session.Alarm) {
	if a.Kind == session.Divergence && !e.d.hurt && !e.peer().d.hurt {
		f.fail("equal clocks mean equal states", []string{e.d.name, e.peer().d.name}, "", "scope %q has equal clocks and other fingerprints", a.Scope)
	}
}

var errUnfinished = errors.New("the session did not come to its end")
