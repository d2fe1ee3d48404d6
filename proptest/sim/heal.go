package sim

import (
	"time"

	"github.com/concord-crdt/concord/replica"
	"github.com/concord-crdt/concord/replica/session"
)

// heal ends all faults, repairs what is damaged, and lets the devices meet until
// nothing moves. Then it lets the last clock catch up, and does so once more.
func (f *fleet) heal() {
	f.phase = phaseRest
	f.say("the faults end")
	for _, d := range f.devices {
		d.clock = wallClock{}
		d.disk.free, d.disk.quota, d.disk.broken, d.disk.fuse = d.disk.size, 0, 0, min(d.disk.fuse, 0)
	}
	for _, l := range f.links {
		l.until, l.oneWay = 0, [2]time.Duration{}
		l.latency, l.perByte = min(l.latency, 50*time.Millisecond), min(l.perByte, 10*time.Microsecond)
	}
	for _, d := range f.devices {
		if d.replica != nil {
			// An application that gets only errors starts its replica again.
			if _, err := d.replica.Collection("notes").Digest(background, "n1"); err != nil {
				d.failed("read", err)
				d.down()
			}
		}
		f.boot(d)
	}
	f.quiet()
	for _, d := range f.devices {
		for len(d.suspect) > 0 && f.failure == nil {
			with := d.suspect[0]
			d.suspect = d.suspect[1:]
			if report, err := d.replica.Verify(background, nil); err != nil || !report.OK() {
				// What it would have to issue again it may not be able to read.
				d.suspect = nil
				f.setAside(d)
				break
			}
			f.finish(&link{a: d, b: with.d, latency: time.Millisecond}, []string{with.scope})
		}
	}
	for _, d := range f.devices {
		f.mend(d)
	}
	f.settle("by what is on the way")
	for _, d := range f.devices {
		d.clock.set(f.now, afterAll)
	}
	f.say("time goes by, and all clocks are past the last stamp")
	f.settle("after every stamp")
}

// quiet ends the sessions that are open.
func (f *fleet) quiet() {
	for _, l := range f.links {
		if l.open != nil {
			l.open.cut("is made new")
		}
	}
	f.run(f.now + time.Hour)
}

// settle has the devices meet over every link until nothing moves, which must be
// soon.
func (f *fleet) settle(when string) {
	bound := 2*len(f.devices) + 4
	before, began := f.bytes, f.now
	moved := true
	rounds := 0
	for ; moved && f.failure == nil; rounds++ {
		if rounds == bound {
			f.fail("what is connected comes to rest", nil, "", "%s it did not, in %d rounds of sessions over all links", when, rounds)
			return
		}
		moved = false
		for _, l := range f.links {
			if f.failure == nil {
				moved = f.finish(l, nil) || moved
			}
		}
	}
	f.rounds += rounds
	if f.failure != nil {
		return
	}
	// Nothing needs to pass a link more than once in each direction, beside what
	// sessions say in any case: what they hold, once or twice.
	all := uint64(0)
	for _, a := range f.acts {
		all += 600 + uint64(len(a.deeds)*400)
	}
	all += uint64(f.decisions) * 2 << 10
	sessions := uint64(rounds * len(f.links))
	if limit := 2*uint64(len(f.links))*all + sessions*(8<<10+200*uint64(len(f.devices))*6); f.bytes-before > limit {
		f.fail("coming to rest costs little", nil, "", "%s it took %d bytes in %d sessions; the bound is %d", when, f.bytes-before, sessions, limit)
	}
	if took := f.now - began; took > time.Duration(sessions+1)*10*time.Minute {
		f.fail("coming to rest costs little", nil, "", "%s it took %v in %d sessions", when, took, sessions)
	}
}

// finish holds a session to its end, and reports whether anything was exchanged.
func (f *fleet) finish(l *link, scopes []string) (moved bool) {
	if l.a.replica == nil || l.b.replica == nil {
		f.fail("a replica opens on a sound disk", []string{l.a.name, l.b.name}, "", "one of them is not open")
		return false
	}
	c := f.hold(l, chatter{scopes: scopes, length: time.Hour})
	if c == nil {
		f.fail("a session begins", []string{l.a.name, l.b.name}, "", "it did not")
		return false
	}
	for !c.over() && f.failure == nil && f.step() {
	}
	if f.failure != nil {
		return false
	}
	for _, e := range c.ends {
		if !e.finished() {
			err := errUnfinished
			if e.closed != nil {
				err = e.closed.Err
			}
			f.fail("a session over a sound link comes to its end", []string{e.d.name, e.peer().d.name}, "", "%v", err)
			return false
		}
		r := &e.closed.Report
		if len(r.Alarms) > 0 && r.Alarms[0].Kind != session.Divergence {
			f.say("session %d: %s has alarms %v", c.number, e.d.name, r.Alarms)
		}
		moved = moved || r.Sent.Changes.Changes > 0 || len(r.Reissued) > 0
	}
	return moved
}

func (c *conn) over() bool { return c.ends[0].over() && c.ends[1].over() }

// mend repairs a damaged replica from the others, or sets its store aside.
func (f *fleet) mend(d *device) {
	if !d.hurt && !d.disk.torn {
		return
	}
	// What is damaged shows when it is read from the disk.
	d.close()
	if f.boot(d); d.replica == nil {
		f.fail("a replica opens on a sound disk", []string{d.name}, "", "it does not")
		return
	}
	found, err := d.replica.Verify(background, nil)
	if err != nil {
		d.failed("verify", err)
	}
	if found.OK() || f.failure != nil {
		return
	}
	f.say("%s has damage: %v", d.name, found.Damage)
	for _, o := range f.devices {
		if o == d || o.replica == nil {
			continue
		}
		left, err := f.repairFrom(d, o)
		if f.failure != nil {
			return
		}
		f.say("%s repairs from %s: %d left, %v", d.name, o.name, left, err)
		if left == 0 && err == nil {
			f.learn(d)
			return
		}
	}
	f.setAside(d)
}

// repairFrom repairs d from a peer, in a session of no time.
func (f *fleet) repairFrom(d, peer *device) (left int, err error) {
	l := &link{a: d, b: peer, latency: time.Microsecond}
	report, err := d.replica.RepairWith(background, func(core *session.Core, store session.Store) (session.Report, error) {
		f.sessions++
		c := &conn{f: f, link: l, number: f.sessions}
		c.ends[0] = f.newEnd(c, 0, d, core, store)
		core, store, err := peer.replica.NewSession(replica.SyncOptions{})
		if err != nil {
			d.leave(c.ends[0])
			return session.Report{}, err
		}
		c.ends[1] = f.newEnd(c, 1, peer, core, store)
		c.ends[0].start()
		c.ends[1].start()
		for !c.over() && f.failure == nil && f.step() {
		}
		if e := c.ends[0]; e.closed != nil {
			return e.closed.Report, e.closed.Err
		}
		return session.Report{}, errUnfinished
	})
	return len(report.Left), err
}

// setAside gives a store up that cannot be repaired, as [replica.SetAside] does:
// the identity stays, and everything else comes from the peers.
func (f *fleet) setAside(d *device) {
	f.say("%s: no peer can repair the store, and it is set aside", d.name)
	f.endanger(d)
	before := f.inventory(d.disk.image, d)
	d.close()
	d.disk.rows, d.disk.keys, d.disk.used = map[string][]byte{}, nil, 0
	d.disk.edits++
	d.disk.log, d.disk.unsynced = nil, 0
	f.lost(d, before)
	f.boot(d)
	for _, o := range f.devices {
		if o == d || o.replica == nil || d.replica == nil {
			continue
		}
		if left, err := f.repairFrom(d, o); left > 0 || err != nil {
			f.fail("an empty store is filled from a peer", []string{d.name, o.name}, "", "%d things are damaged still: %v", left, err)
		}
		return
	}
}
