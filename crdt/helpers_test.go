package crdt_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
)

// origin names the replicas of the tests; ids ascend with n.
func origin(n byte) clock.Origin {
	return clock.Origin{Replica: clock.ReplicaID{n}, Incarnation: uint64(n) + 100}
}

// device is a replica of one record, with the changes that it waits to apply:
// the smallest thing that does what a store does.
type device struct {
	name    string
	origin  clock.Origin
	n       uint64
	hlc     *clock.HLC
	wall    time.Time
	record  *crdt.Record
	waiting []*crdt.Change
	log     []*crdt.Change // own changes
	role    string
}

func newDevice(n byte) *device {
	d := &device{name: fmt.Sprintf("%c", 'A'+n-1), origin: origin(n), record: &crdt.Record{}}
	d.wall = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	d.hlc = clock.NewHLC(func() time.Time { return d.wall }, 0, nil)
	return d
}

// edit makes one change; it returns nil if nothing was altered.
func (d *device) edit(t testing.TB, seen *clock.VersionVector, f func(*crdt.RecordEditor)) *crdt.Change {
	t.Helper()
	dot := clock.Dot{Origin: d.origin, N: d.n + 1}
	e := d.record.Edit("r", crdt.EditOptions{Dot: dot, Seen: seen})
	f(e)
	part, changed, err := e.Part(false)
	if err != nil {
		t.Fatalf("%s edits: %v", d.name, err)
	}
	if !changed {
		return nil
	}
	stamp, err := d.hlc.Now()
	if err != nil {
		t.Fatal(err)
	}
	c := &crdt.Change{Dot: dot, Stamp: stamp, Author: crdt.Author{Actor: d.name, Role: d.role}, Parts: []crdt.Part{part}}
	e.Commit(c, crdt.HashOf(c.Encode()).Digest())
	d.n++
	d.log = append(d.log, c)
	return c
}

// receive takes a change through its encoding, keeps it while it waits, and
// then looks at the others that wait.
func (d *device) receive(t testing.TB, c *crdt.Change) {
	t.Helper()
	c, err := crdt.DecodeChange(c.Encode())
	if err != nil {
		t.Fatalf("%s decodes %v: %v", d.name, c.Dot, err)
	}
	d.waiting = append(d.waiting, c)
	for again := true; again; {
		again = false
		for i, c := range d.waiting {
			if d.record.Contains(c.Dot) {
				d.waiting = append(d.waiting[:i:i], d.waiting[i+1:]...)
				again = true
				break
			}
			if len(d.record.Missing(&c.Parts[0])) > 0 {
				continue
			}
			if err := d.record.Check(c, &c.Parts[0]); err != nil {
				t.Fatalf("%s checks %v: %v", d.name, c.Dot, err)
			}
			d.hlc.Observe(c.Stamp)
			d.record.Apply(c, &c.Parts[0], crdt.HashOf(c.Encode()).Digest(), nil)
			d.waiting = append(d.waiting[:i:i], d.waiting[i+1:]...)
			again = true
			break
		}
	}
}
