package scopes

import (
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
)

// fleet is the devices of one history.
type fleet struct {
	rand     *rand.Rand
	devices  []*device
	steward  *steward
	usurper  *steward // writes marks without being the steward; nil for nobody
	restamps map[clock.Dot]crdt.Restamp
	policies uint64 // a bit for each version, from the lowest: whether an edit undoes a deletion
	strict   bool   // some changes are refused
	failed   error
}

// steward writes marks by what members acknowledged.
type steward struct {
	*device
	members []*device
	acks    [][]crdt.Acknowledgement
	written uint64
}

// fail notes the first failure; what comes after it may follow from it.
func (f *fleet) fail(format string, args ...any) {
	if f.failed == nil {
		f.failed = fmt.Errorf(format, args...)
	}
}

// policyOf is what the policy that a mark names says about deletions.
func (f *fleet) policyOf(m *crdt.Mark) crdt.DeletePolicy {
	return crdt.DeletePolicy(f.policies >> (m.Policy % 64) & 1)
}

// refuses reports whether static rules refuse a change, alike everywhere.
func (f *fleet) refuses(c *crdt.Change) bool { return f.strict && c.Dot.N%9 == 4 }

// hear notes what a member has applied.
func (s *steward) listen(i int) {
	m := s.members[i]
	s.acks[i] = slices.Insert(s.acks[i], 0, crdt.Acknowledgement{Origin: m.origin, Applied: m.applied.Clone()})
}

// write writes the next mark, if there is a cut that would raise the floor.
func (s *steward) write() {
	m, ok := s.record.Floor().NextMark(s.acks)
	if !ok {
		return
	}
	s.written++
	m.Steward = s.origin.Replica
	m.Policy = uint64(s.f.rand.IntN(64))
	s.hear(mark{m, crdt.Ref{Dot: clock.Dot{Origin: s.origin, N: 1000 + s.written}, Digest: uint32(m.Number)}})
	s.retry()
}

// Run plays the history of a seed, and returns what was not as it must be. A panic
// is such a thing too. It starts no goroutine and looks at no clock.
func Run(seed uint64) (err error) {
	f := &fleet{rand: rand.New(rand.NewPCG(seed, 0x5c09e)), restamps: map[clock.Dot]crdt.Restamp{}}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("scopes: seed %d: panic: %v\n%s", seed, p, debug.Stack())
		}
	}()
	if seed%4 == 3 {
		f.forget()
	} else {
		f.converge()
	}
	if f.failed != nil {
		return fmt.Errorf("scopes: seed %d: %w", seed, f.failed)
	}
	return nil
}

func (f *fleet) chance(n int) int { return f.rand.IntN(n) }

// prepare makes n devices, of which some are the steward's members.
func (f *fleet) prepare(n, members int) {
	for i := range n {
		f.devices = append(f.devices, f.newDevice(byte(i+1)))
	}
	for _, d := range f.devices {
		switch f.chance(3) {
		case 0:
			d.versioned = func(string) bool { return true }
		case 1:
			d.versioned = func(field string) bool { return field == "reg" || field == "map" }
		}
	}
	f.steward = &steward{device: f.devices[0], members: f.devices[:members], acks: make([][]crdt.Acknowledgement, members)}
	if f.chance(3) == 0 {
		f.usurper = &steward{device: f.devices[1], members: f.devices[:members], acks: make([][]crdt.Acknowledgement, members)}
	}
}

// converge plays a history with deletions, restamps and late changes.
func (f *fleet) converge() {
	f.policies = []uint64{0, ^uint64(0), f.rand.Uint64(), f.rand.Uint64()}[f.chance(4)]
	f.strict = f.chance(2) == 0
	f.prepare(4, 3)
	for range 50 {
		f.step()
	}
	apart := make([]*crdt.Record, len(f.devices)) // at different floors
	for i, d := range f.devices {
		apart[i] = d.copy()
	}
	f.meetAll()
	if f.failed != nil {
		return
	}
	first := f.devices[0]
	want := first.shows()
	first.checkStamps()
	for _, d := range f.devices[1:] {
		f.compare(first.name+" and "+d.name, want, d.shows())
	}
	// Whoever comes after all of it ends the same, marks first or last.
	f.compare("a newcomer", want, f.newcomer().shows())
	// States at different floors join in any order to what the changes give.
	f.rand.Shuffle(len(apart), func(i, j int) { apart[i], apart[j] = apart[j], apart[i] })
	whole := &crdt.Record{}
	whole.Restamp(first.moved)
	for _, r := range append(apart, first.copy()) {
		whole.Join(r, nil)
	}
	joined := *first
	joined.record = whole
	f.compare("joined states", want, joined.shows())
}

func (f *fleet) compare(what, want, got string) {
	if want != got {
		f.fail("%s differ: %s", what, difference(want, got))
	}
}

// difference is the first line in which two texts differ, from both.
func difference(a, b string) string {
	as, bs := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(as), len(bs)) {
		if as[i] != bs[i] {
			return fmt.Sprintf("\n  %s\n  %s\nof\n%s\nand\n%s", as[i], bs[i], a, b)
		}
	}
	return fmt.Sprintf("%d and %d lines", len(as), len(bs))
}

// step lets one device do something.
func (f *fleet) step() {
	i := f.chance(len(f.devices))
	d, s := f.devices[i], f.steward
	switch k := f.chance(20); {
	case k < 8:
		f.gossip(d, f.devices[f.chance(len(f.devices))])
		if i < len(s.members) && f.chance(3) > 0 {
			s.listen(i)
			if f.usurper != nil {
				f.usurper.listen(i)
			}
		}
	case k == 8, k == 12 && i == 3:
		d.edit(nil, (*crdt.RecordEditor).Delete)
	case k == 9:
		d.edit(nil, (*crdt.RecordEditor).Restore)
	case k < 12:
		for i := range s.members {
			if f.chance(3) > 0 {
				s.listen(i)
			}
		}
		s.write()
		if u := f.usurper; u != nil && u.record.Floor().Number() > 0 {
			u.write()
		}
	default:
		if d.n > 0 && f.chance(6) == 0 { // some changes carry a restamp of earlier ones
			from := 1 + f.rand.Uint64N(d.n)
			f.restamps[d.next()] = crdt.Restamp{Origin: d.origin, From: from, To: from + f.rand.Uint64N(3), Back: time.Duration(1+f.chance(20)) * time.Minute}
		}
		d.wall = d.wall.Add(time.Duration(f.chance(5)) * time.Minute)
		var seen *clock.VersionVector
		if v := d.record.Vector().Clone(); f.chance(3) == 0 {
			f.gossip(d, f.devices[f.chance(len(f.devices))])
			seen = &v
		}
		d.edit(seen, f.act)
	}
}

// gossip lets two devices exchange all that they made and heard of.
func (f *fleet) gossip(a, b *device) {
	for _, d := range f.devices {
		for _, c := range d.log {
			if a.applied.Contains(c.Dot) != b.applied.Contains(c.Dot) {
				a.receive(c)
				b.receive(c)
			}
		}
	}
	for _, m := range f.marks(a, b) {
		a.hear(m)
		b.hear(m)
	}
	a.retry()
	b.retry()
}

// marks are those that either of two devices has.
func (f *fleet) marks(ds ...*device) (all []mark) {
	for _, d := range ds {
		all = append(all, d.marks...)
	}
	return all
}

// meetAll lets all devices meet until nothing is left to say.
func (f *fleet) meetAll() {
	for range f.devices {
		for _, a := range f.devices {
			for _, b := range f.devices {
				f.gossip(a, b)
			}
		}
	}
	for _, d := range f.devices {
		if len(d.waiting) > 0 {
			f.fail("%s: %d changes wait for ever, %v the first", d.name, len(d.waiting), d.waiting[0].Dot)
		}
		for _, m := range f.steward.marks {
			if m.ref.Dot.Origin == f.steward.origin && d.record.Floor().Find(m.ref) == 0 {
				f.fail("%s: mark %d waits for ever, at mark %d", d.name, m.mark.Number, d.record.Floor().Number())
			}
		}
	}
}

// newcomer gets everything in another order.
func (f *fleet) newcomer() *device {
	d := f.newDevice(9)
	var all []*crdt.Change
	for _, x := range f.devices {
		all = append(all, x.log...)
	}
	f.rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	first := f.chance(2) == 0
	if first {
		f.tell(d)
	}
	for _, c := range all {
		d.receive(c)
		if f.chance(8) > 0 {
			d.retry()
		}
	}
	f.tell(d)
	d.retry()
	return d
}

func (f *fleet) tell(d *device) {
	for _, m := range f.marks(f.devices...) {
		d.hear(m)
	}
}

// forget plays a history in which nobody is late, and compares what folded
// records show with what one does that nothing folded.
func (f *fleet) forget() {
	f.prepare(3, 3)
	f.usurper = nil
	for range 30 {
		i := f.chance(3)
		switch k := f.chance(12); {
		case k < 4:
			f.gossip(f.devices[i], f.devices[f.chance(3)])
		case k == 4:
			f.steward.listen(i)
		case k == 5:
			f.steward.write()
		default:
			f.devices[i].edit(nil, f.act)
		}
	}
	f.meetAll()
	whole := f.newDevice(9)
	whole.unfolded = true
	for _, d := range f.devices {
		for _, c := range d.log {
			whole.receive(c)
		}
	}
	whole.retry()
	f.compare("a record that was folded and one that was not", reading(whole.record), reading(f.devices[0].record))
}
