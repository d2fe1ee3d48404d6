package sim

import (
	"bytes"
	"maps"
	"slices"
	"time"

	"github.com/concord-crdt/concord/replica"
)

// planHarm plans what goes wrong with devices.
func (f *fleet) planHarm() {
	for k := range faults {
		if f.rate[k] == 0 {
			continue
		}
		harm, most := f.harmOf(k)
		if harm == nil {
			continue
		}
		for range 1 + int(f.rate[k]*float64(most)*f.rand.Float64()) {
			at := f.span(f.storm)
			f.add(at, func() {
				d := f.devices[f.chance(len(f.devices))]
				harm(d)
			})
		}
	}
}

// harmOf is what a fault does to a device, and how often it happens at most.
func (f *fleet) harmOf(k Fault) (harm func(*device), most int) {
	n := 2 + len(f.devices)
	switch k {
	case FaultOneWay:
		return func(*device) {
			l := f.links[f.chance(len(f.links))]
			l.oneWay[f.chance(2)] = f.now + f.span(f.storm/4)
		}, n
	case FaultPartition:
		return func(*device) {
			l := f.links[f.chance(len(f.links))]
			l.until = f.now + f.span(f.storm/2)
			f.say("the link of %s and %s is down until %s", l.a.name, l.b.name, moment(l.until))
			if l.open != nil {
				l.open.cut("goes down")
			}
		}, n
	case FaultBundle:
		return f.carryBundle, 2 * n
	case FaultRestart:
		return f.restart, n
	case FaultKill:
		return f.kill, n
	case FaultPower:
		return f.power, n
	case FaultFull:
		return f.fill, 3
	case FaultIO:
		return func(d *device) {
			d.disk.broken = 1 + f.chance(4)
			f.say("the disk of %s fails", d.name)
		}, n
	case FaultFlip:
		return f.flip, 2
	case FaultTruncate:
		return f.truncate, 2
	case FaultRestore:
		return f.keepBackup, 3
	case FaultClone:
		return f.clone, 2
	case FaultForward, FaultBack, FaultFrozen, Fault1970, Fault2099:
		return func(d *device) { f.setClock(d, k) }, 2
	case FaultSchema:
		return func(d *device) {
			if d.replica != nil && d.old {
				d.close()
				d.old = false
				f.say("%s gets the new schema", d.name)
				f.boot(d)
			}
		}, 2
	case FaultMark:
		return func(*device) { f.settleScope() }, 20
	case FaultAway:
		return f.goAway, 2
	case FaultRestamp:
		return f.restamp, 2 * n
	case FaultQuota:
		return f.limit, 4
	case FaultLater:
		return f.meetLater, 3
	case FaultVersion:
		return f.meetForeign, 3
	}
	return nil, 0
}

// restart ends a process in good order, and begins it again.
func (f *fleet) restart(d *device) {
	if d.replica == nil {
		return
	}
	f.counters.count(FaultRestart)
	f.say("%s restarts", d.name)
	d.close()
	f.after(f.span(10*time.Minute), func() { f.boot(d) })
}

// kill ends a process at once, or at one of its next writes.
func (f *fleet) kill(d *device) {
	if d.replica == nil {
		return
	}
	f.counters.count(FaultKill)
	if f.chance(3) > 0 {
		d.disk.fuse = 1 + f.chance(8)
		return
	}
	f.say("%s is killed", d.name)
	d.down()
	f.after(f.span(10*time.Minute), func() { f.boot(d) })
}

// power takes the power from a device.
func (f *fleet) power(d *device) {
	if d.replica == nil {
		return
	}
	d.down()
	f.losePower(d)
	f.after(f.span(time.Hour), func() { f.boot(d) })
}

func (f *fleet) losePower(d *device) {
	f.counters.count(FaultPower)
	var before map[dotName]*act
	lazy := d.disk.lazy && d.disk.unsynced > 0
	if lazy {
		before = f.inventory(d.disk.image, d)
	}
	lost := d.disk.powerLoss()
	f.say("%s loses power; something was not synced: %v", d.name, lost)
	if lazy {
		d.hurt = d.hurt || lost // a file beside the store may tell of what is gone
		f.lost(d, before)
	}
}

// fill leaves little room on a disk, for a while.
func (f *fleet) fill(d *device) {
	d.disk.free = []uint64{0, 10 << 20, 60 << 20, 100 << 20, 140 << 20}[f.chance(5)]
	f.say("the disk of %s is full: %d MiB are left", d.name, d.disk.free>>20)
	dk := d.disk
	f.after(f.span(f.storm/8), func() { dk.free = dk.size })
}

// smallSpace is what devices with a quota do when it is nearly reached.
var smallSpace = replica.SpaceLimits{Soft: 48 << 10, Hard: 24 << 10, Floor: 8 << 10}

// limit gives a device a quota that it has nearly reached, for a while.
func (f *fleet) limit(d *device) {
	if !d.small {
		return
	}
	d.disk.quota = d.disk.used + uint64(f.chance(64<<10))
	f.say("%s may hold %d bytes more", d.name, d.disk.quota-d.disk.used)
	dk := d.disk
	f.after(f.span(f.storm/6), func() { dk.quota = 0 })
}

// flip turns a bit of what a disk holds.
func (f *fleet) flip(d *device) {
	if len(d.disk.keys) == 0 || f.pending() {
		return
	}
	f.counters.count(FaultFlip)
	f.endanger(d)
	b, what := f.piece(d)
	if len(b) > 0 {
		b[f.chance(len(b))] ^= 1 << f.chance(8)
	}
	f.say("a bit turns on the disk of %s: %s", d.name, what)
}

// piece is a copy of something on a disk, which takes its place.
func (f *fleet) piece(d *device) (b []byte, what string) {
	if f.chance(8) == 0 {
		names := slices.Sorted(maps.Keys(d.disk.files))
		name := names[f.chance(len(names))]
		b = bytes.Clone(d.disk.files[name])
		d.disk.files[name] = b
		return b, "file " + name
	}
	key := d.disk.keys[f.chance(len(d.disk.keys))]
	b = bytes.Clone(d.disk.rows[key])
	d.disk.edits++
	d.disk.rows[key] = b
	return b, "a row of kind " + key[:1]
}

// truncate takes the end of the log, or of a file, from a disk. The process ends
// with it: no file shrinks under a running one.
func (f *fleet) truncate(d *device) {
	if len(d.disk.keys) == 0 || f.pending() || f.keepsPast(d) {
		return
	}
	f.counters.count(FaultTruncate)
	d.close()
	f.endanger(d)
	before := f.inventory(d.disk.image, d)
	if f.chance(4) == 0 {
		names := slices.Sorted(maps.Keys(d.disk.files))
		name := names[f.chance(len(names))]
		b := d.disk.files[name]
		d.disk.files[name] = b[:f.chance(len(b)+1)]
		f.say("file %s of %s is cut", name, d.name)
	} else {
		n := d.disk.drop(1 + f.chance(10))
		f.say("the log of %s loses its last %d groups", d.name, n)
	}
	f.lost(d, before)
	f.after(f.span(10*time.Minute), func() { f.boot(d) })
}

// keepBackup copies a directory, and puts the copy back later.
func (f *fleet) keepBackup(d *device) {
	if len(d.suspect) > 0 || f.keepsPast(d) {
		return
	}
	d.backup = d.disk.image.clone()
	f.say("the directory of %s is copied", d.name)
	dk := d.disk
	f.after(f.span(f.storm/3), func() {
		if d.disk == dk && d.backup != nil {
			f.restore(d)
		}
	})
}

// contact is a device to meet about some scopes.
type contact struct {
	d     *device
	scope string
}

// restore puts an older copy in the place of the directory: of all of it, or of
// the store beside its identity. In the first case nothing on the device tells,
// and it meets those first who know most of it: whoever meets it otherwise may
// take over a branch that its author gives up, which no replica can settle.
func (f *fleet) restore(d *device) {
	if f.pending() {
		return
	}
	whole := f.chance(2) == 0
	f.counters.count(FaultRestore)
	before := f.inventory(d.disk.image, d)
	for _, e := range slices.Clone(d.ends) {
		e.c.cut("ends as the device goes down")
	}
	d.down()
	files := d.disk.files
	d.disk.image = d.backup.clone()
	d.disk.log, d.disk.unsynced = nil, 0
	clear(d.disk.loose)
	d.backup = nil
	if !whole {
		d.disk.files = files
		d.hurt = true // the files tell that rows are gone
	}
	f.say("%s: an older copy takes the place of its directory; with its identity: %v", d.name, whole)
	f.lost(d, before)
	f.bundles = nil // what is nowhere else must not come back
	f.boot(d)
	if whole && d.replica != nil {
		if f.suspect(d); len(d.suspect) > 0 {
			f.after(f.span(f.storm/20), func() { f.visit(d) })
		}
	}
}

// pending reports whether a restored device has not met those yet whom it must
// meet first. Until then nobody may forget what they know.
func (f *fleet) pending() bool {
	return slices.ContainsFunc(f.devices, func(o *device) bool { return len(o.suspect) > 0 })
}

// suspect finds out whom a restored device has to meet first: of each scope the
// one who has most of its changes.
func (f *fleet) suspect(d *device) {
	self := d.replica.Origin()
	last := func(m map[dotName]*act, scope string) (n uint64) {
		for at := range m {
			if at.scope == scope && at.dot.Origin == self {
				n = max(n, at.dot.N)
			}
		}
		return n
	}
	d.suspect, d.met = nil, false
	own := f.inventory(d.disk.image, d)
	for _, scope := range scopeNames {
		var best *device
		most := last(own, scope)
		for _, o := range f.devices {
			if o == d {
				continue
			}
			if n := last(f.inventory(o.disk.image, o), scope); n > most {
				best, most = o, n
			}
		}
		if best != nil {
			d.suspect = append(d.suspect, contact{best, scope})
		}
	}
}

// visit has a restored device meet those whom it must meet first.
func (f *fleet) visit(d *device) {
	if len(d.suspect) == 0 {
		return
	}
	with := d.suspect[0]
	again := func() { f.after(time.Minute, func() { f.visit(d) }) }
	if d.replica == nil || with.d.replica == nil {
		again()
		return
	}
	l := &link{a: d, b: with.d, latency: time.Millisecond, perByte: time.Microsecond}
	c := f.hold(l, chatter{scopes: []string{with.scope}, length: time.Hour})
	if c == nil {
		again()
		return
	}
	f.await(c, func() {
		if c.ends[0].finished() && c.ends[1].finished() && len(d.suspect) > 0 && d.suspect[0] == with {
			d.suspect, d.met = d.suspect[1:], true
		}
		if len(d.suspect) > 0 {
			again()
		}
	})
}

// finished reports whether a session came to its end.
func (e *end) finished() bool { return e.closed != nil && e.closed.Err == nil }

// await calls done when a session is over.
func (f *fleet) await(c *conn, done func()) {
	f.after(time.Second, func() {
		if c.ends[0].over() && c.ends[1].over() {
			done()
			return
		}
		f.await(c, done)
	})
}

// clone copies a directory to another device.
func (f *fleet) clone(d *device) {
	if len(f.devices) >= 14 || len(d.suspect) > 0 || f.keepsPast(d) {
		return
	}
	f.counters.count(FaultClone)
	c := f.newDevice()
	c.old, c.small = d.old, d.small
	c.disk.image = d.disk.image.clone()
	if c.rand.count != nil {
		*c.rand.count = *d.rand.count
	}
	c.hurt = d.hurt || d.disk.torn
	if f.chance(2) == 0 {
		c.disk.machine = d.disk.machine // another directory of the same machine
	}
	f.say("%s is a copy of %s", c.name, d.name)
	f.newLink(d, c)
	if o := f.devices[f.chance(len(f.devices)-1)]; o != d {
		f.newLink(o, c)
	}
	f.boot(c)
	for range 2 + f.chance(10) {
		f.add(f.now+f.span(max(0, f.storm-f.now)), func() { f.write(c) })
	}
	for range 3 + f.chance(6) {
		l := c.links[f.chance(len(c.links))]
		f.add(f.now+f.span(max(0, f.storm-f.now)), func() { f.meet(l) })
	}
}

// setClock puts the clock of a device wrong, for a while or for good.
func (f *fleet) setClock(d *device, k Fault) {
	f.counters.count(k)
	w := &d.clock
	switch k {
	case FaultForward:
		w.offset += f.span(5 * time.Hour)
	case FaultBack:
		w.offset -= f.span(5 * time.Hour)
	case FaultFrozen:
		w.frozen = d.time()
	case Fault1970:
		w.set(f.now, never)
	case Fault2099:
		w.set(f.now, late)
	}
	f.say("the clock of %s shows %v", d.name, d.time().Format(time.RFC3339))
	if f.chance(3) > 0 {
		f.after(f.span(f.storm/4), func() { *w = wallClock{} })
	}
}

// bundle is a file with changes that somebody carries.
type bundle struct {
	from  *device
	bytes []byte
}

// carryBundle writes a file with changes, or takes one to a device: an old one or
// a new one, whole or not.
func (f *fleet) carryBundle(d *device) {
	if d.replica == nil || len(d.suspect) > 0 {
		return
	}
	if len(f.bundles) < 4 || f.chance(2) == 0 {
		var out bytes.Buffer
		o := replica.ExportOptions{Own: f.chance(3) == 0}
		if f.chance(3) == 0 {
			o.Scopes = []string{"notes"}
		}
		if _, err := d.replica.Export(background, &out, o); err != nil {
			d.failed("export", err)
			return
		}
		f.bundles = append(f.bundles, bundle{d, out.Bytes()})
		f.say("%s writes a bundle of %d bytes", d.name, out.Len())
		return
	}
	b := f.bundles[f.chance(len(f.bundles))]
	f.counters.count(FaultBundle)
	content := b.bytes
	whole := f.chance(4) > 0
	if !whole {
		content = content[:f.chance(len(content)+1)]
	}
	_, err := d.replica.Import(background, bytes.NewReader(content))
	f.say("%s takes a bundle of %s in; whole: %v; %v", d.name, b.from.name, whole, err)
	if whole && err != nil {
		d.failed("import", err)
	}
	if d.died() {
		return
	}
	d.changed(nil)
}
