package sim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"time"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
)

// Options configure a history. Zero values mean the defaults.
type Options struct {
	Devices int     // 3 to 12; 0: the seed decides
	Writes  int     // about how many changes are made; 0: the seed decides, 40 to 160
	Faults  []Fault // that may happen; nil: all. Of more than three the seed takes about half
	Plant   Plant
	// Narrate, when not nil, is told what happens, a line at a time.
	Narrate func(line string)

	EveryWay bool // at the end newcomers get all changes in every way there is, not in one
}

// Result is what became of a history.
type Result struct {
	Seed      uint64
	Topology  string
	Devices   int           // at the end, with the clones
	Simulated time.Duration // from the first event to the last
	Writes    int           // that returned success
	Sessions  uint64
	Messages  uint64 // session frames that were delivered
	Bytes     uint64 // of them
	Rounds    int    // of sessions until all was at rest
	Faults    Counters
	Failure   *Failure // nil: all invariants hold
}

// DeviceTime is how long all devices together lived.
func (r *Result) DeviceTime() time.Duration { return r.Simulated * time.Duration(r.Devices) }

// Failure is an invariant that does not hold.
type Failure struct {
	Seed      uint64
	Invariant string
	Replicas  []string // that are concerned
	Record    string   // if it is one
	Problem   string
	At        time.Duration
	Phase     string
}

// Error tells all of it.
func (f *Failure) Error() string {
	s := fmt.Sprintf("sim: seed %d, %s, at %s: %s", f.Seed, f.Phase, moment(f.At), f.Invariant)
	if len(f.Replicas) > 0 {
		s += fmt.Sprintf(": replicas %v", f.Replicas)
	}
	if f.Record != "" {
		s += fmt.Sprintf(", record %q", f.Record)
	}
	return s + ": " + f.Problem
}

// The phases of a history.
const (
	phaseStorm = "while faults happen"
	phaseRest  = "coming to rest"
	phaseEnd   = "at the end"
)

// fleet is the devices of one history and the world around them.
type fleet struct {
	schedule
	seed     uint64
	o        Options
	rand     *rand.Rand
	now      time.Duration
	storm    time.Duration // how long faults happen
	phase    string
	rate     [faults]float64 // 0 to 1
	devices  []*device
	links    []*link
	topology string

	acts    []*act
	runes   rune
	names   map[dotName][]name
	records map[string][]name // by record, all names of changes to it
	spread  map[dotName]crdt.Hash
	bundles []bundle
	later   []later

	sessions  uint64
	messages  uint64
	bytes     uint64
	rounds    int
	decisions int // marks and restamps that were written
	counters  Counters
	failure   *Failure
}

var background = context.Background()

// Run plays the history of a seed. Whatever happens, it returns: a panic is a
// failure too. It starts no goroutine and looks at no clock, and costs between
// ten and some hundred milliseconds.
func Run(seed uint64, o Options) (result Result) {
	f := &fleet{
		seed: seed, o: o, rand: rand.New(rand.NewPCG(seed, 0x5eed)), phase: phaseStorm, runes: 0x4e00,
		names: map[dotName][]name{}, records: map[string][]name{}, spread: map[dotName]crdt.Hash{},
	}
	defer func() {
		if p := recover(); p != nil {
			f.fail("nothing panics", nil, "", "%v\n%s", p, debug.Stack())
		}
		result = f.result()
	}()
	f.prepare()
	f.run(f.storm)
	if f.failure == nil {
		f.heal()
	}
	if f.failure == nil {
		f.check()
	}
	return
}

func (f *fleet) result() Result {
	r := Result{Seed: f.seed, Topology: f.topology, Devices: len(f.devices), Simulated: f.now, Sessions: f.sessions,
		Messages: f.messages, Bytes: f.bytes, Rounds: f.rounds, Faults: f.counters, Failure: f.failure}
	for _, a := range f.acts {
		if !a.unsure {
			r.Writes++
		}
	}
	return r
}

// fail notes the first failure; what comes after it may follow from it.
func (f *fleet) fail(invariant string, replicas []string, record, format string, args ...any) {
	if f.failure != nil {
		return
	}
	f.failure = &Failure{f.seed, invariant, replicas, record, fmt.Sprintf(format, args...), f.now, f.phase}
	f.say("FAILED: %s: %s", invariant, f.failure.Problem)
}

// say tells what happens.
func (f *fleet) say(format string, args ...any) {
	if f.o.Narrate != nil {
		f.o.Narrate(moment(f.now) + " " + fmt.Sprintf(format, args...))
	}
}

// moment is a time since the beginning, for people.
func moment(d time.Duration) string {
	days := d / (24 * time.Hour)
	d -= days * 24 * time.Hour
	return fmt.Sprintf("day %d %02d:%02d:%06.3f", days, d/time.Hour, d/time.Minute%60, (d % time.Minute).Seconds())
}

// chance is a number from 0 to n-1.
func (f *fleet) chance(n int) int { return f.rand.IntN(n) }

// odds is true with a probability.
func (f *fleet) odds(p float64) bool { return p > 0 && f.rand.Float64() < p }

// span is a random time up to d.
func (f *fleet) span(d time.Duration) time.Duration {
	return time.Duration(f.rand.Int64N(int64(d) + 1))
}

// after plans what happens later.
func (f *fleet) after(d time.Duration, do func()) { f.add(f.now+d, do) }

// run lets time pass until the end of a stretch, or until something failed.
func (f *fleet) run(until time.Duration) {
	for f.failure == nil {
		if len(f.events) == 0 || f.events[0].at > until {
			f.now = max(f.now, until)
			return
		}
		f.step()
	}
}

// step does what is next, and reports whether there was anything.
func (f *fleet) step() bool {
	e, ok := f.schedule.next()
	if ok {
		f.now = max(f.now, e.at)
		e.do()
	}
	return ok
}

// prepare decides what the history is about.
func (f *fleet) prepare() {
	f.storm = []time.Duration{2 * time.Hour, 12 * time.Hour, 3 * 24 * time.Hour, 21 * 24 * time.Hour}[f.chance(4)]
	allowed := f.o.Faults
	if allowed == nil {
		allowed = Faults()
	}
	for _, k := range allowed {
		if len(allowed) <= 3 || f.chance(2) == 0 {
			f.rate[k] = 0.1 + 0.9*f.rand.Float64()
		}
	}
	if f.rate[FaultMark] == 0 {
		f.rate[FaultAway] = 0
	} else if f.rate[FaultAway] > 0 && f.chance(2) == 0 {
		f.storm = 10 * 7 * 24 * time.Hour
	}
	n := f.o.Devices
	if n == 0 {
		n = 3 + min(f.chance(10), f.chance(10))
	}
	for range n {
		f.newDevice()
	}
	f.connectAll()
	for _, d := range f.devices {
		f.boot(d)
	}
	writes := f.o.Writes
	if writes == 0 {
		writes = 40 + f.chance(121)
	}
	for range writes {
		d := f.devices[f.chance(n)]
		f.add(f.span(f.storm), func() { f.write(d) })
	}
	f.planMeetings()
	f.planHarm()
	f.say("%d devices, %s; %v of faults", n, f.topology, f.storm)
}

// connectAll lays the links.
func (f *fleet) connectAll() {
	n := len(f.devices)
	join := func(i, j int) { f.newLink(f.devices[i], f.devices[j]) }
	switch shape := f.chance(5); shape {
	case 0:
		f.topology = "a hub"
		for i := 1; i < n; i++ {
			join(0, i)
		}
	case 1:
		f.topology = "a chain"
		for i := 1; i < n; i++ {
			join(i-1, i)
		}
	case 2:
		f.topology = "a ring"
		for i := 1; i < n; i++ {
			join(i-1, i)
		}
		join(n-1, 0)
	case 3:
		f.topology = "a tree"
		for i := 1; i < n; i++ {
			join(f.chance(i), i)
		}
	default:
		f.topology = "a mesh"
		for i := range n {
			for j := range i {
				join(j, i)
			}
		}
	}
}

// planMeetings plans when devices meet.
func (f *fleet) planMeetings() {
	meetings := 150 + f.chance(350)
	for range meetings {
		l := f.links[f.chance(len(f.links))]
		f.add(f.span(f.storm), func() { f.meet(l) })
	}
}

// dotName is the name of a change: a dot in a scope.
type dotName struct {
	scope string
	dot   clock.Dot
}

// name says which act a dot stands for. After a restore, a device may give a dot
// that others know to something else, until it meets them: branch is that device
// then.
type name struct {
	dot    dotName
	act    *act
	branch *device
}

// knows notes that a dot stands for an act, as device d has it.
func (f *fleet) knows(d *device, at dotName, a *act) {
	n := name{dot: at, act: a}
	for _, old := range f.names[at] {
		if old.act == a && (old.branch == nil || old.branch == d) {
			return
		}
		if old.act != a && old.branch == nil {
			n.branch = d
		}
	}
	if n.branch != nil {
		d.branches = append(d.branches, at)
	}
	f.names[at] = append(f.names[at], n)
	for _, x := range a.deeds {
		f.records[x.record()] = append(f.records[x.record()], n)
	}
}

// forgets takes the name away from an act that nobody has any more.
func (f *fleet) forgets(at dotName, a *act) {
	f.unname(at, a)
	delete(f.spread, at)
}

func (f *fleet) unname(at dotName, a *act) {
	same := func(n name) bool { return n.dot == at && n.act == a }
	f.names[at] = slices.DeleteFunc(f.names[at], same)
	for _, x := range a.deeds {
		f.records[x.record()] = slices.DeleteFunc(f.records[x.record()], same)
	}
}

// seen are the acts on a record that it has, as a device knows them.
func (f *fleet) seen(d *device, scope, record string, r *crdt.Record) bitset {
	var s bitset
	v, floor := r.Vector(), r.Floor()
	for _, n := range f.records[record] {
		if n.dot.scope == scope && (v.Contains(n.dot.dot) || floor.Covers(n.dot.dot)) && f.named(d, n) {
			s.add(n.act.id)
		}
	}
	return s
}

// named reports whether a name means its act to a device.
func (f *fleet) named(d *device, n name) bool {
	if n.branch != nil {
		return n.branch == d
	}
	return len(f.names[n.dot]) == 1 || !slices.ContainsFunc(f.names[n.dot], func(o name) bool { return o.branch == d })
}

// bitset is a set of acts by their numbers.
type bitset []uint64

func (s *bitset) add(i int) {
	for len(*s) <= i/64 {
		*s = append(*s, 0)
	}
	(*s)[i/64] |= 1 << (i % 64)
}

func (s bitset) has(i int) bool { return i/64 < len(s) && s[i/64]>>(i%64)&1 != 0 }
