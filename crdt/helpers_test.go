package crdt_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt"
)

// origin names the replicas of the tests; ids ascend with n.
func origin(n byte) clock.Origin {
	return clock.Origin{Replica: clock.ReplicaID{n}, Incarnation: uint64(n) + 100}
}

// begin is the wall time at which every test begins.
var begin = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// newHLC is a clock over a wall that the caller moves.
func newHLC(wall *time.Time) *clock.HLC {
	return clock.NewHLC(func() time.Time { return *wall }, 0, nil)
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
	policy  crdt.DeletePolicy
	waiting []*crdt.Change
	log     []*crdt.Change // own changes
	role    string
	refuse  func(*crdt.Change) bool // what static rules reject, alike everywhere
	// versioned is which fields the device's policy keeps versions of.
	versioned func(field string) bool
	applied   clock.VersionVector
	unfolded  bool                       // takes no marks
	restamps  map[clock.Dot]crdt.Restamp // of all devices, by the change that carries it
	moved     *crdt.Restamps
	purges    int    // marks that left nothing
	marks     []mark // that came, applied or not; in the order of their numbers
}

func newDevice(n byte) *device {
	d := &device{name: fmt.Sprintf("%c", 'A'+n-1), origin: origin(n), record: &crdt.Record{}, wall: begin}
	d.hlc = newHLC(&d.wall)
	return d
}

// devices are n replicas that have met nobody yet.
func devices(n int) []*device {
	ds := make([]*device, n)
	for i := range ds {
		ds[i] = newDevice(byte(i + 1))
	}
	return ds
}

func (d *device) next() clock.Dot { return clock.Dot{Origin: d.origin, N: d.n + 1} }

// edit makes one change; it returns nil if nothing was altered.
func (d *device) edit(t testing.TB, seen *clock.VersionVector, f func(*crdt.RecordEditor)) *crdt.Change {
	t.Helper()
	e := d.record.Edit("r", crdt.EditOptions{Dot: d.next(), Seen: seen, Delete: d.policy, Versioned: d.versioned})
	f(e)
	part, changed, err := e.Part(false)
	if err != nil {
		t.Fatalf("%s edits: %v", d.name, err)
	}
	if !changed {
		return nil
	}
	c := d.change(t, part)
	e.Commit(c, crdt.HashOf(c.Encode()).Digest())
	d.applied.Advance(c.Dot)
	d.restamp(c.Dot)
	d.record.Restamp(d.moved)
	return c
}

// change gives a part its dot and stamp, and notes it as made.
func (d *device) change(t testing.TB, part crdt.Part) *crdt.Change {
	t.Helper()
	stamp, err := d.hlc.Now()
	if err != nil {
		t.Fatal(err)
	}
	c := &crdt.Change{Dot: d.next(), Stamp: stamp, Author: crdt.Author{Actor: d.name, Role: d.role}, Parts: []crdt.Part{part}}
	if f := d.record.Floor(); f != nil {
		c.Floor = f.Ref
	}
	d.n++
	d.log = append(d.log, c)
	return c
}

// set is an edit of one register.
func (d *device) set(t testing.TB, field string, v any) *crdt.Change {
	t.Helper()
	return d.edit(t, nil, func(e *crdt.RecordEditor) { e.Register(field).Set(v) })
}

// make applies a part that no editor makes, such as a deletion.
func (d *device) make(t testing.TB, part crdt.Part) *crdt.Change {
	t.Helper()
	part.Key = "r"
	part.Heads = d.refs(d.record.Heads())
	c := d.change(t, part)
	d.n--
	d.receive(t, c)
	d.n++
	return c
}

// delete ends the births that are live here.
func (d *device) delete(t testing.TB) *crdt.Change {
	t.Helper()
	live := d.refs(d.record.Live(d.policy))
	return d.make(t, crdt.Part{Births: live, Delete: &crdt.Deletion{Births: live, Seen: d.record.Vector().Clone()}})
}

// restore takes deletions back.
func (d *device) restore(t testing.TB, deletions ...*crdt.Change) *crdt.Change {
	t.Helper()
	var dots []clock.Dot
	for _, c := range deletions {
		dots = append(dots, c.Dot)
	}
	slices.SortFunc(dots, clock.Dot.Compare)
	return d.make(t, crdt.Part{Births: d.refs(d.record.Births()), Restore: d.refs(dots)})
}

// refs pairs dots with the digests that the record has of them.
func (d *device) refs(dots []clock.Dot) []crdt.Ref {
	var refs []crdt.Ref
	for _, x := range dots {
		m, _ := d.record.Meta(x)
		refs = append(refs, crdt.Ref{Dot: x, Digest: m.Digest})
	}
	return refs
}

// receive takes changes through their encoding, keeps each while it waits, and
// then looks at the others that wait.
func (d *device) receive(t testing.TB, cs ...*crdt.Change) {
	t.Helper()
	for _, c := range cs {
		decoded, err := crdt.DecodeChange(c.Encode())
		if err != nil {
			t.Fatalf("%s decodes %v: %v", d.name, c.Dot, err)
		}
		d.waiting = append(d.waiting, decoded)
		d.retry(t)
	}
}

// restamp takes the restamp that a change carries.
func (d *device) restamp(by clock.Dot) {
	if x, ok := d.restamps[by]; ok {
		d.moved = d.moved.With(x, by)
	}
}

// retry looks at what waits until nothing more can be applied.
func (d *device) retry(t testing.TB) {
	t.Helper()
	for again := true; again; {
		before := len(d.waiting)
		d.waiting = slices.DeleteFunc(d.waiting, func(c *crdt.Change) bool { return d.take(t, c) })
		again = d.settle(t) || len(d.waiting) < before
	}
}

// take applies a change unless it has to wait.
func (d *device) take(t testing.TB, c *crdt.Change) bool {
	t.Helper()
	p := &c.Parts[0]
	if d.record.Contains(c.Dot) {
		return true
	}
	if len(d.record.Missing(p)) > 0 || d.applied.Get(c.Dot.Origin) != c.Dot.N-1 {
		return false
	}
	if !d.unfolded && !c.Floor.Dot.IsZero() && d.record.Floor().Find(c.Floor) == 0 {
		return false
	}
	d.applied.Advance(c.Dot)
	d.restamp(c.Dot)
	digest := crdt.HashOf(c.Encode()).Digest()
	d.hlc.Observe(c.Stamp)
	if d.refuse != nil && d.refuse(c) {
		return d.record.ApplyVoid(c, p, digest)
	}
	if err := d.record.Check(c, p); err != nil {
		t.Fatalf("%s checks %v: %v", d.name, c.Dot, err)
	}
	changed := d.record.Apply(c, p, digest, nil)
	d.record.Restamp(d.moved)
	return changed
}

// gossip lets two devices exchange all that they made and heard of: each gets the
// other's own changes and those of third ones.
func gossip(t testing.TB, all []*device, a, b *device) {
	t.Helper()
	for _, d := range all {
		for _, c := range d.log {
			if a.record.Contains(c.Dot) != b.record.Contains(c.Dot) {
				a.receive(t, c)
				b.receive(t, c)
			}
		}
	}
	for _, m := range slices.Concat(a.marks, b.marks) {
		a.mark(t, m)
		b.mark(t, m)
	}
}

// state is the normal form and all views of a record.
func state(r *crdt.Record) string {
	return fmt.Sprintf("%x\n%s\nheads %v\nlive %v, %v\n%s%s", r.Digest(), beside(r), r.Heads(), r.Live(crdt.DeleteWins), r.Live(crdt.UpdateWins),
		dump(slices.Collect(r.Fields(crdt.DeleteWins))), dump(slices.Collect(r.Fields(crdt.UpdateWins))))
}

// beside writes out what a record keeps beside its fields.
func beside(r *crdt.Record) string {
	var b strings.Builder
	for _, v := range r.Rulings() {
		fmt.Fprintf(&b, "%v on %v: %v, in place of %v; ", v.ID, v.On, v.Value, v.Replaces)
	}
	for d, x := range r.Evidence() {
		fmt.Fprintf(&b, "%v: %v; ", d, x)
	}
	return b.String()
}

// dump writes out all that fields show.
func dump(fields []crdt.Field) string {
	var b strings.Builder
	for _, f := range fields {
		fmt.Fprintf(&b, "%q %v: ", f.Name(), f.Type())
		switch f.Type() {
		case crdt.TypeRegister, crdt.TypeGroup:
			for _, c := range f.Writes() {
				fmt.Fprintf(&b, "%v=%v at %v by %s, superseded by %v; ", c.ID, c.Value, c.Meta.Stamp, c.Meta.Author.Actor, c.SupersededBy)
			}
		case crdt.TypeCounter:
			fmt.Fprint(&b, f.Count())
		case crdt.TypeSet, crdt.TypeRemoveSet:
			fmt.Fprint(&b, f.Elements())
		case crdt.TypeFlag, crdt.TypeDisableFlag:
			fmt.Fprint(&b, f.Enabled())
		case crdt.TypeText:
			fmt.Fprintf(&b, "%q", f.Text())
		case crdt.TypeList:
			fmt.Fprint(&b, f.Values())
		case crdt.TypeLog:
			for _, c := range f.Entries() {
				fmt.Fprintf(&b, "%v=%v; ", c.ID, c.Value)
			}
		case crdt.TypeStock:
			fmt.Fprint(&b, f.Level())
		case crdt.TypeBounded:
			fmt.Fprintf(&b, "%+v", f.Bounded())
		case crdt.TypeProposal:
			for _, p := range f.Proposals() {
				fmt.Fprintf(&b, "%+v; ", p)
			}
		case crdt.TypeMap:
			fmt.Fprintf(&b, "{\n%s}", dump(slices.Collect(f.Kids())))
		default:
			for k := range f.Kids() {
				fmt.Fprintf(&b, "%q,", k.Name())
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// write is the stored form.
func write(r *crdt.Record) []byte {
	w := codec.NewWriter(nil)
	r.Write(w)
	return w.Bytes()
}

// clone is a record of its own with the same state.
func clone(t testing.TB, r *crdt.Record) *crdt.Record {
	t.Helper()
	c, err := crdt.DecodeRecord(write(r))
	if err != nil {
		t.Fatalf("decode record: %v", err)
	}
	return c
}

// act makes one random edit of one of a record's fields. The names are few, so
// that edits meet.
func act(e *crdt.RecordEditor, r *rand.Rand) {
	word := string(rune('a' + r.IntN(4)))
	switch r.IntN(20) {
	case 0, 1:
		e.Register("reg").Set(r.IntN(9))
	case 2, 3:
		e.Counter("count").Add(int64(r.IntN(9) - 4))
	case 4, 5:
		e.Set("set").Add(word)
	case 6:
		e.Set("set").Remove(word)
	case 7, 8:
		e.Text("text").Insert(r.IntN(e.Text("text").Len()+1), strings.Repeat(word, 1+r.IntN(3)))
	case 9:
		if n := e.Text("text").Len(); n > 0 {
			from := r.IntN(n)
			e.Text("text").Delete(from, 1+r.IntN(n-from))
		}
	case 10:
		e.Map("map").Put(word, r.IntN(9))
	case 11:
		e.Map("map").Map(word).Counter("n").Add(1)
	case 12:
		e.Map("map").Text(word).Append(word)
	case 13:
		e.Map("map").Delete(word)
	case 14:
		e.Log("log").Append(word)
	case 15:
		if n := e.List("list").Len(); n > 0 && r.IntN(2) == 0 {
			e.List("list").Delete(r.IntN(n), 1)
		} else {
			e.List("list").Insert(r.IntN(n+1), word)
		}
	case 16:
		if n := e.List("list").Len(); n > 0 {
			e.List("list").Set(r.IntN(n), r.IntN(9))
		}
	case 17:
		e.Stock("stock").Add(int64(r.IntN(5)))
	case 18:
		if heads := e.Heads(); len(heads) > 0 {
			e.Verdict(heads[r.IntN(len(heads))], r.IntN(2) == 0)
		}
	case 19:
		e.Evidence(crdt.Evidence{Reference: word, Record: "r/" + word, Fields: map[string]any{word: r.IntN(9)}})
	}
}
