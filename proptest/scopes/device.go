package scopes

import (
	"fmt"
	"slices"
	"time"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt"
)

// key is that of the only record.
const key = "r"

// mark is a settle mark with the change that carries it.
type mark struct {
	mark *crdt.Mark
	ref  crdt.Ref
}

// device is a replica of one record, with what it waits to apply: the smallest
// thing that does what a store does.
type device struct {
	f       *fleet
	name    string
	origin  clock.Origin
	n       uint64
	hlc     *clock.HLC
	wall    time.Time
	record  *crdt.Record
	applied clock.VersionVector
	waiting []*crdt.Change
	log     []*crdt.Change // own changes
	marks   []mark         // that came and were not applied
	moved   *crdt.Restamps
	// versioned is which fields the device's policy keeps versions of.
	versioned func(field string) bool
	unfolded  bool // takes no marks
}

func (f *fleet) newDevice(n byte) *device {
	d := &device{f: f, name: string(rune('A' + n - 1)), record: &crdt.Record{}, wall: begin}
	d.origin = clock.Origin{Replica: clock.ReplicaID{n}, Incarnation: uint64(n) + 100}
	d.hlc = clock.NewHLC(func() time.Time { return d.wall }, 0, nil)
	return d
}

// begin is when every history begins.
var begin = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

func (d *device) next() clock.Dot { return clock.Dot{Origin: d.origin, N: d.n + 1} }

// policy is what the last mark here folds by.
func (d *device) policy() crdt.DeletePolicy {
	if f := d.record.Floor(); f != nil {
		return d.f.policyOf(&f.Mark)
	}
	return d.f.policyOf(&crdt.Mark{})
}

// edit makes one change, unless it would alter nothing.
func (d *device) edit(seen *clock.VersionVector, edit func(*crdt.RecordEditor) error) {
	e := d.record.Edit(key, crdt.EditOptions{Dot: d.next(), Seen: seen, Delete: d.policy(), Versioned: d.versioned})
	if edit(e) != nil {
		e.Undo()
		return
	}
	part, changed, err := e.Part(false)
	if err != nil || !changed {
		e.Undo()
		return
	}
	stamp, err := d.hlc.Now()
	if err != nil {
		d.f.fail("%s has no stamp: %v", d.name, err)
		return
	}
	c := &crdt.Change{Dot: d.next(), Stamp: stamp, Author: crdt.Author{Actor: d.name}, Parts: []crdt.Part{part}}
	if f := d.record.Floor(); f != nil {
		c.Floor = f.Ref
	}
	b := c.Encode()
	d.n++
	d.log = append(d.log, c)
	if d.f.refuses(c) { // what the others refuse has no effect here either
		e.Undo()
		d.receive(c)
		d.retry()
		return
	}
	e.Commit(c, crdt.HashOf(b).Digest())
	d.applied.Advance(c.Dot)
	d.restamp(c.Dot)
}

// receive takes a change through its encoding, to wait until what waits is looked
// at.
func (d *device) receive(c *crdt.Change) {
	decoded, err := crdt.DecodeChange(c.Encode())
	if err != nil {
		d.f.fail("%s decodes %v: %v", d.name, c.Dot, err)
		return
	}
	d.waiting = append(d.waiting, decoded)
}

// hear hands a mark over, which waits for its cut.
func (d *device) hear(m mark) {
	if d.unfolded || d.record.Floor().Find(m.ref) > 0 || slices.ContainsFunc(d.marks, func(o mark) bool { return o.ref == m.ref }) {
		return
	}
	decoded, err := crdt.DecodeMark(m.mark.Encode())
	if err != nil {
		d.f.fail("%s decodes mark %d: %v", d.name, m.mark.Number, err)
		return
	}
	d.marks = append(d.marks, mark{decoded, m.ref})
}

// retry looks at what waits until nothing more can be applied.
func (d *device) retry() {
	for again := true; again && d.f.failed == nil; {
		before := len(d.waiting)
		d.waiting = slices.DeleteFunc(d.waiting, d.take)
		again = d.settle() || len(d.waiting) < before
	}
}

// take applies a change unless it has to wait.
func (d *device) take(c *crdt.Change) bool {
	p := &c.Parts[0]
	if d.applied.Contains(c.Dot) {
		return true
	}
	if len(d.record.Missing(p)) > 0 || d.applied.Get(c.Dot.Origin) != c.Dot.N-1 {
		return false
	}
	if !d.unfolded && !c.Floor.Dot.IsZero() && d.record.Floor().Find(c.Floor) == 0 {
		return false
	}
	d.applied.Advance(c.Dot)
	digest := crdt.HashOf(c.Encode()).Digest()
	d.hlc.Observe(c.Stamp)
	if d.f.refuses(c) {
		d.refuse(c, digest)
		return true
	}
	if err := d.record.Check(c, p); err != nil {
		d.f.fail("%s refuses %v, which is valid: %v", d.name, c.Dot, err)
		return true
	}
	d.record.Apply(c, p, digest, nil)
	d.restamp(c.Dot)
	return true
}

// refuse enters a change that static rules refuse: it is a head, and has no
// effect.
func (d *device) refuse(c *crdt.Change, digest uint32) {
	before := reading(d.record)
	d.record.ApplyVoid(c, &c.Parts[0], digest)
	d.f.compare(fmt.Sprintf("what %s shows before and after it refused %v", d.name, c.Dot), before, reading(d.record))
	if !slices.Contains(d.record.Heads(), c.Dot) {
		d.f.fail("%s refused %v, which is no head then: what follows it has nothing to follow", d.name, c.Dot)
	}
}

// checkStamps wants no change stamped before what its author had seen.
func (d *device) checkStamps() {
	for _, x := range d.f.devices {
		for _, c := range x.log {
			m, _ := d.record.Meta(c.Dot)
			for _, h := range m.Heads {
				if seen, ok := d.record.Meta(h); ok && m.Stamp <= seen.Stamp {
					d.f.fail("%s: %v is stamped %v, and %v, which it saw, %v", d.name, c.Dot, m.Stamp, h, seen.Stamp)
				}
			}
		}
	}
}

// restamp takes the restamp that a change carries.
func (d *device) restamp(by clock.Dot) {
	if x, ok := d.f.restamps[by]; ok {
		d.moved = d.moved.With(x, by)
	}
	d.record.Restamp(d.moved)
}

// settle folds by the marks that are here and continue the chain, as far as
// their cuts are applied; by all of them at once.
func (d *device) settle() bool {
	floor := d.record.Floor()
	for more := true; more; {
		more = false
		for _, m := range d.marks {
			if m.mark.Number != floor.Number()+1 || len(m.mark.Missing(&d.applied)) > 0 {
				continue
			}
			if f, err := floor.Raise(m.mark, m.ref); err == nil {
				floor, more = f, true
				break
			}
		}
	}
	if floor.Number() == d.record.Floor().Number() {
		return false
	}
	d.record.FoldTo(floor, func(m *crdt.Mark) crdt.FoldRules { return crdt.FoldRules{Delete: d.f.policyOf(m)} })
	return true
}

// shows is all that must be equal on all devices.
func (d *device) shows() string {
	s := fmt.Sprintf("applied %v, mark %d, held %v\n%s", &d.applied, d.record.Floor().Number(), d.record.Held(), render(d.record))
	for _, x := range d.f.devices {
		for _, c := range x.log {
			if d.record.Late(c.Dot) {
				s += fmt.Sprintf("%v is late\n", c.Dot)
			}
		}
	}
	return s
}

// copy is a record of its own with the same state.
func (d *device) copy() *crdt.Record {
	w := codec.NewWriter(nil)
	d.record.Write(w)
	r, err := d.record.Floor().DecodeRecord(w.Bytes())
	if err != nil {
		d.f.fail("%s does not read its own record: %v", d.name, err)
		return &crdt.Record{}
	}
	r.Restamp(d.moved)
	return r
}
