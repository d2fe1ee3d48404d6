package merge_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/merge"
)

// noon is the stamp that the tests count from.
var noon = clock.NewStamp(time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC), 0)

// at is so many minutes after noon.
func at(minutes int) clock.Stamp {
	return clock.NewStamp(noon.Time().Add(time.Duration(minutes)*time.Minute), 0)
}

// compiled are the rules of one collection, under the roles of the ward.
func compiled(c merge.Collection) *merge.CollectionRules {
	p := merge.Policy{Name: "test", Version: 1, Roles: []string{"chief", "doctor", "nurse", "clerk", "pharmacist"},
		Collections: map[string]merge.Collection{"medication": c}}
	rules, findings := p.Compile(nil)
	if err := findings.Err(); err != nil {
		panic(err)
	}
	medication, err := rules.Collection("medication")
	if err != nil {
		panic(err)
	}
	return medication
}

// steps are the rules of a register that is resolved by them.
func steps(in ...merge.Step) *merge.FieldRules {
	return compiled(merge.Collection{Fields: map[string]merge.FieldRule{
		"dose": {Type: crdt.TypeRegister, Resolve: in}}}).Field("dose")
}

// device is one replica of one record. What it writes and receives are bytes.
type device struct {
	origin  clock.Origin
	rec     crdt.Record
	n       uint64
	digests map[clock.Dot]uint32
	waiting [][]byte
	// versioned: its fields keep what writes supersede
	versioned bool
}

func newDevice(id byte) *device {
	return &device{
		origin:  clock.Origin{Replica: clock.ReplicaID{id}, Incarnation: 1},
		digests: map[clock.Dot]uint32{},
	}
}

// by is who writes: an actor in a role.
func by(actor, role string) crdt.Author { return crdt.Author{Actor: actor, Role: role} }

// write makes a change to what the actor saw; nil means all that is there. It
// gives nil if nothing was altered.
func (d *device) write(t testing.TB, who crdt.Author, stamp clock.Stamp, seen *clock.VersionVector, edit func(e *crdt.RecordEditor)) []byte {
	t.Helper()
	c := &crdt.Change{Dot: clock.Dot{Origin: d.origin, N: d.n + 1}, Stamp: stamp, Author: who}
	e := d.rec.Edit("17", crdt.EditOptions{Dot: c.Dot, Seen: seen, Versioned: func(string) bool { return d.versioned }})
	edit(e)
	p, changed, err := e.Part(false)
	if err != nil {
		t.Fatal(err)
	}
	if !changed {
		return nil
	}
	c.Parts = []crdt.Part{p}
	b := c.Encode()
	e.Commit(c, d.note(c, b))
	d.n++
	return b
}

// set writes the register dose.
func (d *device) set(t testing.TB, who crdt.Author, stamp clock.Stamp, dose int) []byte {
	t.Helper()
	return d.write(t, who, stamp, nil, func(e *crdt.RecordEditor) { _ = e.Register("dose").Set(dose) })
}

// remove deletes the record, as far as the device knows it.
func (d *device) remove(t testing.TB, who crdt.Author, stamp clock.Stamp, policy crdt.DeletePolicy) []byte {
	t.Helper()
	live := d.refs(d.rec.Live(policy))
	if len(live) == 0 {
		return nil
	}
	c := &crdt.Change{Dot: clock.Dot{Origin: d.origin, N: d.n + 1}, Stamp: stamp, Author: who, Parts: []crdt.Part{{
		Key: "17", Births: live, Heads: d.refs(d.rec.Heads()),
		Delete: &crdt.Deletion{Births: live, Seen: d.rec.Vector().Clone()},
	}}}
	b := c.Encode()
	d.n++
	d.receive(t, b)
	return b
}

func (d *device) refs(dots []clock.Dot) (refs []crdt.Ref) {
	for _, x := range dots {
		refs = append(refs, crdt.Ref{Dot: x, Digest: d.digests[x]})
	}
	return refs
}

func (d *device) note(c *crdt.Change, encoded []byte) uint32 {
	d.digests[c.Dot] = crdt.HashOf(encoded).Digest()
	return d.digests[c.Dot]
}

// receive applies changes, each when what it needs is here.
func (d *device) receive(t testing.TB, changes ...[]byte) {
	t.Helper()
	for _, b := range changes {
		if b != nil {
			d.waiting = append(d.waiting, b)
		}
	}
	for progress := true; progress; {
		progress = false
		d.waiting = slices.DeleteFunc(d.waiting, func(b []byte) bool {
			c, err := crdt.DecodeChange(b)
			if err != nil {
				t.Fatal(err)
			}
			p := &c.Parts[0]
			if len(d.rec.Missing(p)) > 0 {
				return false
			}
			if err := d.rec.Check(c, p); err != nil {
				t.Fatal(err)
			}
			d.rec.Apply(c, p, d.note(c, b), nil)
			progress = true
			return true
		})
	}
}

// version is what a form that is opened now will have seen.
func (d *device) version() *clock.VersionVector {
	v := merge.View(&d.rec, nil).Version
	return &v
}

// permutations lists every order of n things.
func permutations(n int) (orders [][]int) {
	var grow func(order []int)
	grow = func(order []int) {
		if len(order) == n {
			orders = append(orders, slices.Clone(order))
			return
		}
		for i := range n {
			if !slices.Contains(order, i) {
				grow(append(order, i))
			}
		}
	}
	grow(nil)
	return orders
}

// inOrder is a fresh device that received changes in an order.
func inOrder(t testing.TB, changes [][]byte, order []int) *device {
	t.Helper()
	d := newDevice(0xff)
	for _, i := range order {
		d.receive(t, changes[i])
	}
	if len(d.waiting) > 0 {
		t.Fatalf("order %v: %d changes wait for what all of them contain", order, len(d.waiting))
	}
	return d
}

// render writes all of a view, so that two can be compared byte for byte.
func render(v merge.RecordView) string {
	var b strings.Builder
	fmt.Fprintf(&b, "exists %v, births %v, version", v.Exists, v.Births)
	for o, n := range v.Version.All() {
		fmt.Fprintf(&b, " %v:%d", o, n)
	}
	b.WriteString("\n")
	renderFields(&b, "  ", v.Fields)
	return b.String()
}

func renderFields(b *strings.Builder, indent string, fields []merge.FieldView) {
	for _, f := range fields {
		fmt.Fprintf(b, "%s%s %v declared=%v absent=%v concurrent=%v %+v = %#v\n",
			indent, f.Name, f.Type, f.Declared, f.Absent, f.Concurrent, f.Resolution, plain(f.Value))
		for _, c := range f.Candidates {
			fmt.Fprintf(b, "%s  candidate %#v\n", indent, c)
		}
		renderFields(b, indent+"    ", f.Fields)
		renderFields(b, indent+"  shadowed ", f.Shadowed)
	}
}

// plain is a value as text: pointers and maps say nothing by themselves.
func plain(v any) string { return fmt.Sprintf("%T %v", v, v) }
