package sim

import (
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/merge"
	"github.com/concord-crdt/concord/replica"
	"github.com/concord-crdt/concord/replica/session"
)

// device is one device: its disk and clock, and the process on it, if one runs.
type device struct {
	f       *fleet
	name    string
	disk    *disk
	clock   wallClock
	rand    source
	old     bool          // has the schema of the version before
	steward bool          // writes settle marks
	away    time.Duration // until then it meets nobody
	small   bool          // has a quota
	cache   int

	id       clock.ReplicaID
	replica  *replica.Replica // nil: no process
	process  int              // counts them
	ends     []*end           // sessions of the process
	forms    map[string]form  // by record, that are open
	backup   *image
	suspect  []contact // whom it must meet first, since its directory was restored
	met      bool      // it has met one of them
	hurt     bool      // something of it was damaged
	news     bool      // it may have changes under names that were not learned yet
	listed   listed
	branches []dotName // that mean something else to it than to others
	links    []*link
}

// source is random bytes that a seed decides.
type source struct {
	*rand.ChaCha8
	count *uint64 // with PlantIncarnations: what is given instead of a random number
}

// Read implements [io.Reader].
func (s source) Read(b []byte) (int, error) {
	if s.count != nil && len(b) == 8 {
		*s.count++
		for i := range b {
			b[i] = byte(*s.count >> (56 - 8*i))
		}
		return len(b), nil
	}
	return s.ChaCha8.Read(b)
}

func (f *fleet) newDevice() *device {
	d := &device{f: f, name: deviceName(len(f.devices)), cache: []int{0, 0, 0, 0, 0, 0, 1, 4 << 10}[f.chance(8)]}
	d.disk = newDisk(f.chance, &f.counters)
	d.disk.plant = f.o.Plant
	d.disk.lazy = f.odds(0.3)
	d.disk.machine[0], d.disk.place = byte(len(f.devices)+1), uint64(1000+len(f.devices))
	var seed [32]byte
	for i := range seed {
		seed[i] = byte(f.rand.Uint32())
	}
	d.rand = source{ChaCha8: rand.NewChaCha8(seed)}
	if f.o.Plant == PlantIncarnations {
		d.rand.count = new(uint64)
	}
	d.clock.offset = f.span(8*time.Second) - 4*time.Second
	d.old = f.odds(f.rate[FaultSchema] / 2)
	d.steward = len(f.devices) == 0
	d.small = f.odds(f.rate[FaultQuota])
	d.forms = map[string]form{}
	f.devices = append(f.devices, d)
	return d
}

func deviceName(i int) string { return string(rune('A' + i)) }

// time is what the device's clock shows.
func (d *device) time() time.Time { return d.clock.at(d.f.now) }

// The collections. The schema of the version before has fewer fields, and
// resolves one in another way.
var (
	schemaOld = merge.Policy{Collections: map[string]merge.Collection{
		"notes":  {Fields: fieldsOld},
		"visits": {Fields: fieldsOld, Delete: crdt.UpdateWins, Partition: "ward", Priority: merge.Critical},
	}}
	schemaNew = merge.Policy{Collections: map[string]merge.Collection{
		"notes":  {Fields: fieldsNew},
		"visits": {Fields: fieldsNew, Delete: crdt.UpdateWins, Partition: "ward", Priority: merge.Critical},
	}}
	fieldsOld = map[string]merge.FieldRule{
		fieldRegister: {Type: crdt.TypeRegister},
		fieldCounter:  {Type: crdt.TypeCounter},
		fieldSet:      {Type: crdt.TypeSet},
		fieldText:     {Type: crdt.TypeText},
		fieldLog:      {Type: crdt.TypeLog},
		fieldDose:     {Type: crdt.TypeRegister},
	}
	fieldsNew = map[string]merge.FieldRule{
		fieldRegister: {Type: crdt.TypeRegister, Resolve: []merge.Step{merge.Authority("doctor", "nurse"), merge.Latest}},
		fieldCounter:  {Type: crdt.TypeCounter},
		fieldSet:      {Type: crdt.TypeSet},
		fieldText:     {Type: crdt.TypeText},
		fieldLog:      {Type: crdt.TypeLog},
		fieldExtra:    {Type: crdt.TypeMap},
		fieldDose:     {Type: crdt.TypeRegister, Sticky: true, Resolve: []merge.Step{merge.Authority("doctor", "nurse"), merge.Latest}},
	}
)

func init() {
	schemaNew.Roles = []string{"doctor", "nurse"}
	schemaOld.Roles = schemaNew.Roles
}

func (d *device) schema() merge.Policy {
	if d.old {
		return schemaOld
	}
	return schemaNew
}

// options are those of the device's replica.
func (d *device) options() replica.Options {
	o := replica.Options{Medium: d.disk, Rand: d.rand, Wall: d.time, Policy: d.schema(), CacheBytes: d.cache, Steward: d.steward}
	if d.small {
		o.Space = smallSpace
	}
	if d.disk.lazy {
		o.Durability = replica.Relaxed
	}
	return o
}

// boot starts the process.
func (f *fleet) boot(d *device) {
	if d.replica != nil {
		return
	}
	d.disk.fuse = 0
	r, err := replica.Open(d.name, d.options())
	if err != nil {
		f.say("%s does not open: %v", d.name, err)
		f.reopen(d, err)
		return
	}
	d.replica, d.id = r, r.Origin().Replica
	f.say("%s opens as %v", d.name, r.Origin())
	if len(r.Damage()) > 0 {
		f.say("%s finds damage: %v", d.name, r.Damage()[0])
	}
	if d.news {
		f.learn(d)
	}
}

// reopen has somebody look after a replica that did not open.
func (f *fleet) reopen(d *device, err error) {
	switch {
	case errors.Is(err, replica.ErrCorrupt) && !errors.Is(err, errIO):
		f.replace(d)
	case f.phase == phaseStorm:
		f.after(5*time.Minute, func() { f.boot(d) })
	default:
		f.fail("a replica opens on a sound disk", []string{d.name}, "", "%v", err)
	}
}

// replace gives the device a new disk: what was on the old one alone is gone.
func (f *fleet) replace(d *device) {
	f.endanger(d)
	f.say("%s gets a new disk", d.name)
	old := d.disk
	d.disk = newDisk(f.chance, &f.counters)
	d.disk.machine, d.disk.place, d.disk.lazy, d.disk.plant = old.machine, old.place+1000, old.lazy, old.plant
	d.backup = nil
	d.steward = false // it knows of no mark
	f.boot(d)
}

// down ends the process at once.
func (d *device) down() {
	d.process++
	d.replica = nil
	d.disk.end()
	clear(d.forms)
	for _, e := range d.ends {
		e.die()
	}
	d.ends = nil
}

// close ends the process in good order.
func (d *device) close() {
	if d.replica == nil {
		return
	}
	if err := d.replica.Close(); err != nil && !errors.Is(err, errIO) && !errors.Is(err, errFull) {
		d.f.say("%s closes: %v", d.name, err)
	}
	d.down()
}

// died looks whether the process died in the middle of what it just did.
func (d *device) died() bool {
	if !d.disk.dead() || d.replica == nil {
		return d.replica == nil
	}
	d.f.say("%s dies in the middle of a write", d.name)
	d.news = true
	d.afterKill()
	d.f.after(d.f.span(20*time.Minute), func() { d.f.boot(d) })
	return true
}

// afterKill is what a killed process leaves.
func (d *device) afterKill() {
	d.down()
	if d.f.odds(d.f.rate[FaultPower] / 2) {
		d.f.losePower(d)
	}
}

// failed looks at an error that the replica gave, and reports whether it is one
// that the device's state explains.
func (d *device) failed(what string, err error) {
	if err == nil || d.died() {
		return
	}
	f := d.f
	f.say("%s: %s: %v", d.name, what, err)
	switch {
	case errors.Is(err, replica.ErrCorrupt) && d.hurt, errors.Is(err, errIO), errors.Is(err, errFull), errors.Is(err, replica.ErrSpace), errors.Is(err, errDead):
	case errors.Is(err, replica.ErrLost) && d.hurt:
	default:
		f.fail("no call fails without a reason", []string{d.name}, "", "%s: %v", what, err)
	}
	if strings.Contains(err.Error(), "reload after a failed write") {
		// The replica cannot go on; the process is started again.
		d.down()
		f.after(time.Minute, func() { f.boot(d) })
	}
}

// stored is what a replica stores, change by change: who made it.
func stored(store session.Store) (map[dotName]string, error) {
	found := map[dotName]string{}
	err := eachChange(store, func(scope string, d clock.Dot, c *crdt.Change) {
		if c != nil {
			found[dotName{scope, d}] = c.Author.Actor
		}
	})
	return found, err
}

// eachChange reads all changes that a replica stores. Of those that this version
// cannot read it gives the name.
func eachChange(store session.Store, do func(scope string, d clock.Dot, c *crdt.Change)) error {
	status, err := store.Status()
	if err != nil {
		return err
	}
	for _, s := range status.Scopes {
		for o, n := range s.Stored.All() {
			ranges := []clock.Range{{Origin: o, From: 1, To: n}}
			for len(ranges) > 0 {
				b, err := store.Changes(s.Name, ranges, 1<<20)
				if err != nil {
					return err
				}
				for _, c := range b.Changes {
					change, _ := crdt.DecodeChange(c.Encoded)
					do(s.Name, c.Dot, change)
				}
				ranges = b.Rest
			}
		}
	}
	return nil
}

// listed is the inventory of an image as it was after so many edits.
type listed struct {
	image *image
	edits int
	acts  map[dotName]*act
}

// inventory is what could be read from a disk, by names of acts. It must not be
// changed.
func (f *fleet) inventory(m *image, d *device) map[dotName]*act {
	if c := &d.listed; c.image != m || c.edits != m.edits {
		*c = listed{m, m.edits, f.list(m, d)}
	}
	return d.listed.acts
}

// list opens a copy of a disk, and reads all changes.
func (f *fleet) list(m *image, d *device) map[dotName]*act {
	dk := newDisk(func(int) int { return 0 }, &Counters{})
	dk.image = m.clone()
	dk.machine, dk.place = d.disk.machine, d.disk.place
	var seed [32]byte
	o := d.options()
	o.Medium, o.Rand = dk, source{ChaCha8: rand.NewChaCha8(seed)}
	r, err := replica.Open("a copy of "+d.name, o)
	acts := map[dotName]*act{}
	if err != nil {
		return acts
	}
	_, store, err := r.NewSession(replica.SyncOptions{})
	if err != nil {
		return acts
	}
	found, err := stored(store)
	if err != nil {
		return acts
	}
	for at, actor := range found {
		if a := f.actOf(actor); a != nil {
			acts[at] = a
		}
	}
	return acts
}

// learn notes the names that a device gave its own changes: those that were
// issued again have new ones.
func (f *fleet) learn(d *device) {
	d.news = false
	self := d.replica.Origin()
	have := f.inventory(d.disk.image, d)
	d.branches = slices.DeleteFunc(d.branches, func(at dotName) bool {
		for _, n := range slices.Clone(f.names[at]) {
			if n.branch == d && have[at] != n.act {
				f.unname(at, n.act)
			}
		}
		return !slices.ContainsFunc(f.names[at], func(n name) bool { return n.branch == d })
	})
	for _, at := range sortedNames(have) {
		if at.dot.Origin == self {
			f.knows(d, at, have[at])
		}
	}
}

// sortedNames are the names of an inventory, in order.
func sortedNames(have map[dotName]*act) []dotName {
	return slices.SortedFunc(maps.Keys(have), func(a, b dotName) int {
		return cmp.Or(cmp.Compare(a.scope, b.scope), a.dot.Compare(b.dot))
	})
}

// elsewhere are the acts that other devices than d could still read.
func (f *fleet) elsewhere(d *device) map[*act]bool {
	have := map[*act]bool{}
	for _, o := range f.devices {
		if o == d {
			continue
		}
		for _, a := range f.inventory(o.disk.image, o) {
			have[a] = true
		}
	}
	return have
}

// endanger notes that what a device alone has may be lost.
func (f *fleet) endanger(d *device) {
	d.hurt = true
	have := f.elsewhere(d)
	for _, a := range f.acts {
		if !have[a] {
			a.endangered = true
		}
	}
}

// lost notes that a device no longer has what it had: what nobody else has is
// gone, and its names are free.
func (f *fleet) lost(d *device, before map[dotName]*act) {
	after := f.inventory(d.disk.image, d)
	before = maps.Clone(before)
	if d.hurt { // it had more than could be read
		for at, names := range f.names {
			for _, n := range names {
				if before[at] == nil && at.dot.Origin.Replica == d.id {
					before[at] = n.act
				}
			}
		}
	}
	gone := map[dotName]*act{}
	for at, a := range before {
		if after[at] == nil {
			gone[at] = a
		}
	}
	if len(gone) == 0 {
		return
	}
	have := f.elsewhere(d)
	for _, a := range after {
		have[a] = true
	}
	n := 0
	for _, at := range sortedNames(gone) {
		if a := gone[at]; !have[a] {
			a.endangered = true
			f.forgets(at, a)
			n++
		}
	}
	for _, o := range f.devices {
		if o != d && len(o.suspect) > 0 && o.replica != nil {
			f.suspect(o) // who knows most of it may be another now
		}
	}
	f.say("%s loses %d changes; nobody has %d of them", d.name, len(gone), n)
}

// actorName is the actor that an act is done by: every act has its own.
func actorName(id int) string { return fmt.Sprintf("actor-%d", id) }

func (f *fleet) actOf(actor string) *act {
	var id int
	if n, err := fmt.Sscanf(actor, "actor-%d", &id); n != 1 || err != nil || id >= len(f.acts) {
		return nil
	}
	return f.acts[id]
}

func short(h crdt.Hash) string { return hex.EncodeToString(h[:6]) }
