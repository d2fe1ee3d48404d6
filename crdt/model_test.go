package crdt_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
)

// The histories behind the model, told step by step. What needs a store or
// several records (stored and applied clocks, chain digests, incarnations) is
// in proptest/sim.

// shown lists the siblings of a register as text.
func shown(d *device, name string) string {
	var vs []any
	for _, c := range d.record.Field(name, crdt.TypeRegister, d.policy).Candidates() {
		vs = append(vs, c.Value)
	}
	return fmt.Sprint(vs)
}

func counted(d *device, name string) string {
	return d.record.Field(name, crdt.TypeCounter, d.policy).Count().String()
}

func written(d *device, name string) string {
	return d.record.Field(name, crdt.TypeText, d.policy).Text()
}

// agree wants two devices to have one state after each got all changes.
func agree(t *testing.T, ds ...*device) {
	t.Helper()
	for _, a := range ds {
		for _, b := range ds {
			gossip(t, ds, a, b)
		}
	}
	for _, d := range ds[1:] {
		if state(d.record) != state(ds[0].record) {
			t.Fatalf("%s and %s differ:\n%s\nand\n%s", ds[0].name, d.name, state(ds[0].record), state(d.record))
		}
	}
}

func want(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %s, want %s", what, got, want)
	}
}

// Section 2.

func TestTwoTabletsThatCreateOneKeyMakeOneRecordWithTwoBirths(t *testing.T) {
	ds := devices(2)
	a, b := ds[0], ds[1]
	a.set(t, "name", "Ida") // both offline, both take the key to be free
	b.set(t, "bed", 7)
	agree(t, ds...)
	if n := len(a.record.Births()); n != 2 {
		t.Errorf("%d births, want 2", n)
	}
	want(t, "name", shown(b, "name"), "[Ida]")
	want(t, "bed", shown(a, "bed"), "[7]")
}

func TestDeletionEndsTheBirthsThatItNamesAndNoOthers(t *testing.T) {
	ds := devices(2)
	a, b := ds[0], ds[1]
	a.set(t, "name", "Ida")
	b.set(t, "bed", 7)
	a.delete(t) // has not heard of b's birth
	agree(t, ds...)
	want(t, "live", fmt.Sprint(b.record.Live(b.policy)), fmt.Sprint([]clock.Dot{b.log[0].Dot}))
	want(t, "name, of the deleted birth", shown(b, "name"), "[]")
	want(t, "bed, of the other", shown(b, "bed"), "[7]")
	a.delete(t) // now of all that is live
	agree(t, ds...)
	want(t, "live", fmt.Sprint(b.record.Live(b.policy)), "[]")
}

func TestChangeWithoutALiveBirthIsAnOrphan(t *testing.T) {
	ds := devices(2)
	a, b := ds[0], ds[1]
	b.receive(t, a.set(t, "name", "Ida"))
	x := a.delete(t)
	b.set(t, "name", "Eda") // b still has the record before her
	agree(t, ds...)
	want(t, "where deletion wins", shown(a, "name"), "[]")
	a.policy = crdt.UpdateWins
	want(t, "where an update wins", shown(a, "name"), "[Eda]")
	a.policy = crdt.DeleteWins
	a.restore(t, x) // nothing was dropped
	agree(t, ds...)
	want(t, "restored", shown(b, "name"), "[Eda]")
}

func TestUpdateWinsKnowsWhatADeletionHadSeen(t *testing.T) {
	ds := devices(2)
	a, b := ds[0], ds[1]
	a.set(t, "name", "Ida")
	a.set(t, "bed", 7)
	b.receive(t, a.log...)
	b.delete(t) // has seen both edits: neither can void it
	agree(t, ds...)
	want(t, "live", fmt.Sprint(a.record.Live(crdt.UpdateWins)), "[]")
}

func TestRestoreNamesDeletionsAndRemovesNothing(t *testing.T) {
	ds := devices(3)
	a, b, c := ds[0], ds[1], ds[2]
	birth := a.set(t, "name", "Ida")
	b.receive(t, birth)
	c.receive(t, birth)
	x := a.delete(t)
	b.receive(t, x)
	b.restore(t, x) // b takes back the deletion that she saw
	y := c.delete(t)
	for _, order := range [][]*device{{a, b, c}, {c, b, a}} {
		d := newDevice(9)
		for _, o := range order {
			d.receive(t, o.log...)
		}
		want(t, "live beside a deletion that the restore did not see", fmt.Sprint(d.record.Live(d.policy)), "[]")
	}
	agree(t, ds...)
	b.restore(t, y)
	agree(t, ds...)
	want(t, "with both taken back", shown(c, "name"), "[Ida]")
}

func TestRecreatedRecordDoesNotShowWhatWasDeleted(t *testing.T) {
	ds := devices(2)
	a, b := ds[0], ds[1]
	a.edit(t, nil, func(e *crdt.RecordEditor) {
		e.Register("name").Set("Ida")
		e.Set("tags").Add("old")
		e.Text("note").Append("old")
	})
	b.receive(t, a.log...)
	b.delete(t)
	b.edit(t, nil, func(e *crdt.RecordEditor) {
		e.Set("tags").Add("new")
		e.Text("note").Append("new")
	})
	agree(t, ds...)
	want(t, "name", shown(a, "name"), "[]")
	want(t, "tags", fmt.Sprint(a.record.Field("tags", crdt.TypeSet, a.policy).Elements()), "[new]")
	want(t, "note", written(a, "note"), "new")
}

func TestNurseWhoHadNotSeenTheDoctorsDoseDoesNotOverwriteIt(t *testing.T) {
	ds := devices(2)
	nurse, doctor := ds[0], ds[1]
	nurse.set(t, "dose", 5)
	doctor.receive(t, nurse.log...)
	form := nurse.record.Vector().Clone() // she opens the form: dose 5
	nurse.receive(t, doctor.set(t, "dose", 3))
	saved := nurse.edit(t, &form, func(e *crdt.RecordEditor) { e.Register("dose").Set(7) })
	if len(saved.Parts[0].Heads) != 1 || saved.Parts[0].Heads[0].Dot != doctor.log[0].Dot {
		t.Errorf("heads are %v: her replica had the doctor's dose", saved.Parts[0].Heads)
	}
	want(t, "dose", shown(nurse, "dose"), "[7 3]")
	agree(t, ds...)
	nurse.set(t, "dose", 4) // having seen both
	agree(t, ds...)
	want(t, "dose", shown(doctor, "dose"), "[4]")
}

func TestVersionOfARecordCoversItsChangesWhateverLiesBetween(t *testing.T) {
	// The author's changes 1 and 2 went to another record of the scope.
	a, b := newDevice(1), newDevice(2)
	a.n = 2
	e := a.record.Edit("r", crdt.EditOptions{Dot: a.next()})
	e.Register("dose").Set(5)
	part, _, err := e.Part(false)
	if err != nil {
		t.Fatal(err)
	}
	c := a.change(t, part)
	e.Commit(c, 0)
	if got := a.record.Vector().Get(a.origin); got != 3 {
		t.Fatalf("the vector has %d of the author, want 3", got)
	}
	if len(b.record.Missing(&c.Parts[0])) > 0 || !b.record.Apply(c, &c.Parts[0], 0, nil) {
		t.Fatal("not applied")
	}
	form := b.record.Vector().Clone()
	b.edit(t, &form, func(e *crdt.RecordEditor) { e.Register("dose").Set(6) })
	want(t, "dose", shown(b, "dose"), "[6]")
}

func TestCounterBeginsANewRunUnderOtherBirths(t *testing.T) {
	ds := devices(2)
	a, b := ds[0], ds[1]
	add := func(d *device, n int64) {
		d.edit(t, nil, func(e *crdt.RecordEditor) { e.Counter("visits").Add(n) })
	}
	add(a, 5)
	add(a, 2)
	b.receive(t, a.log...)
	b.delete(t)
	agree(t, ds...)
	add(a, 1) // a's own total of 7 belongs to the deleted birth
	agree(t, ds...)
	want(t, "visits", counted(b, "visits"), "1")
}

func TestCounterIsSupersededByItsOwnOriginOnly(t *testing.T) {
	ds := devices(3)
	for i, d := range ds {
		d.edit(t, nil, func(e *crdt.RecordEditor) { e.Counter("n").Add(int64(i + 1)) })
		d.edit(t, nil, func(e *crdt.RecordEditor) { e.Counter("n").Add(-10) })
	}
	agree(t, ds...)
	ds[1].edit(t, &clock.VersionVector{}, func(e *crdt.RecordEditor) { e.Counter("n").Add(1) }) // what she saw plays no part
	agree(t, ds...)
	want(t, "n", counted(ds[0], "n"), "-23")
}

func TestJoinNeverDropsALoserByItsStamp(t *testing.T) {
	// Three writes, one by a clock that is a year ahead. b saw a's and replaces
	// it; c writes beside both. If a join dropped the smaller stamp, c's value
	// would be lost to a's on the way, and then a's to b's.
	ds := devices(3)
	a, b, c := ds[0], ds[1], ds[2]
	a.wall = begin.AddDate(1, 0, 0)
	a.set(t, "dose", "a, from the future")
	b.hlc = clock.NewHLC(func() time.Time { return b.wall }, 0, nil)
	seen := a.log[0]
	b.receive(t, seen)
	b.set(t, "dose", "b")
	c.wall = begin.Add(time.Hour)
	c.set(t, "dose", "c")
	all := []*crdt.Change{a.log[0], b.log[0], c.log[0]}
	orders(3, func(order []int) bool {
		d := newDevice(9)
		for _, i := range order {
			d.receive(t, all[i])
		}
		want(t, fmt.Sprint(order), shown(d, "dose"), "[b c]")
		return true
	})
}

func TestEffectiveStampPassesThoseOfTheHeads(t *testing.T) {
	a, b := newDevice(1), newDevice(2)
	a.wall = begin.AddDate(1, 0, 0)
	first := a.set(t, "dose", 1)
	b.receive(t, first)
	late := b.set(t, "dose", 2)
	late.Stamp = clock.NewStamp(begin, 0) // a clock that forgot what it had seen
	d := newDevice(9)
	d.receive(t, first, late)
	m, _ := d.record.Meta(late.Dot)
	if m.Stamp <= first.Stamp {
		t.Errorf("effective stamp %v is not above the head's, %v", m.Stamp, first.Stamp)
	}
}

func TestSequenceNumbersItsElementsApartFromDots(t *testing.T) {
	// Each keystroke also sets another field and, in between, only that: the
	// text stays one run.
	plain, busy := newDevice(1), newDevice(1)
	for i := range 200 {
		busy.edit(t, nil, func(e *crdt.RecordEditor) { e.Register("cursor").Set(i) })
		for _, d := range []*device{plain, busy} {
			d.edit(t, nil, func(e *crdt.RecordEditor) {
				e.Text("note").Append("x")
				if d == busy {
					e.Register("cursor").Set(i)
				}
			})
		}
	}
	size := func(d *device) int {
		return len(d.log[len(d.log)-1].Parts[0].Patch.Kids[len(d.log[len(d.log)-1].Parts[0].Patch.Kids)-1].Patch.Grow[0].Value)
	}
	if p, b := size(plain), size(busy); p != b {
		t.Errorf("a keystroke takes %d bytes where other fields are written too, and %d where not", b, p)
	}
	want(t, "note", fmt.Sprint(len(written(busy, "note"))), "200")
}

// carrier is a change of a later version, with a field of an unknown type.
func carrier(d *device, t *testing.T, shape crdt.Shape) *crdt.Change {
	patch := &crdt.Patch{Shape: shape}
	id := crdt.EntryID{Dot: d.next()}
	switch shape {
	case crdt.Entries:
		patch.Add = []crdt.Entry{{ID: id, Value: []byte("later")}}
	case crdt.Grown:
		patch.Grow = []crdt.GrownEntry{{ID: id, Value: []byte("later")}}
	case crdt.Keyed:
		patch.Kids = []crdt.PatchKid{{Key: crdt.Key{Name: "x", Type: 222},
			Patch: &crdt.Patch{Shape: crdt.Entries, Add: []crdt.Entry{{ID: id, Value: []byte("later")}}}}}
	}
	live := d.refs(d.record.Live(d.policy))
	return d.make(t, crdt.Part{Births: live, Patch: &crdt.Patch{Shape: crdt.Keyed,
		Kids: []crdt.PatchKid{{Key: crdt.Key{Name: "later", Type: 200}, Patch: patch}}}})
}

func TestUnknownTypeIsCarriedByItsShape(t *testing.T) {
	for _, shape := range []crdt.Shape{crdt.Entries, crdt.Keyed, crdt.Grown} {
		ds := devices(3)
		a, old, c := ds[0], ds[1], ds[2]
		a.set(t, "name", "Ida")
		carrier(a, t, shape)
		old.receive(t, a.log...)
		old.set(t, "name", "Eda")
		old.record = clone(t, old.record) // over its own disk
		for _, x := range append(slices.Clone(a.log), old.log...) {
			c.receive(t, x)
		}
		agree(t, ds...)
		found := false
		for f := range c.record.Fields(c.policy) {
			found = found || f.Name() == "later" && f.Type() == 200
		}
		if !found {
			t.Errorf("%v: the field is not there", shape)
		}
	}
}

func TestTwoShapesUnderOneUnknownTypeAreTwoFields(t *testing.T) {
	// Two writers of later versions disagree about a type that this one does
	// not know. If one were refused, the order of arrival would say which.
	ds := devices(3)
	ds[1].receive(t, ds[0].set(t, "name", "Ida"))
	carrier(ds[0], t, crdt.Grown)
	carrier(ds[1], t, crdt.Entries)
	agree(t, ds...)
}

func TestUnknownShapeMakesTheChangeWait(t *testing.T) {
	d := newDevice(1)
	d.set(t, "name", "Ida")
	c := carrier(d, t, crdt.Grown)
	b := c.Encode()
	i := slices.Index(b, byte(crdt.Grown)) // the first byte 3 that is followed by the field's name
	for ; i+6 < len(b) && string(b[i+2:i+7]) != "later"; i++ {
	}
	b[i] = 9
	got, err := crdt.DecodeChange(b)
	if !errors.Is(err, crdt.ErrUnknownShape) {
		t.Fatalf("error is %v", err)
	}
	if got.Dot != c.Dot || got.Stamp != c.Stamp || got.Author != c.Author {
		t.Errorf("what can be read of it is %v %v %v", got.Dot, got.Stamp, got.Author)
	}
}

func TestDeletingAMapKeyTakesWhatALaterVersionPutThere(t *testing.T) {
	d := newDevice(1)
	d.edit(t, nil, func(e *crdt.RecordEditor) { e.Map("m").Put("k", 1) })
	live := d.refs(d.record.Live(d.policy))
	d.make(t, crdt.Part{Births: live, Patch: &crdt.Patch{Shape: crdt.Keyed, Kids: []crdt.PatchKid{{
		Key: crdt.Key{Name: "m", Type: crdt.TypeMap}, Patch: &crdt.Patch{Shape: crdt.Keyed, Kids: []crdt.PatchKid{{
			Key:   crdt.Key{Name: "k", Type: 200},
			Patch: &crdt.Patch{Shape: crdt.Entries, Add: []crdt.Entry{{ID: crdt.EntryID{Dot: d.next()}, Value: []byte("later")}}}}}}}}}})
	d.edit(t, nil, func(e *crdt.RecordEditor) {
		if err := e.Map("m").Delete("k"); err != nil {
			t.Fatal(err)
		}
	})
	for f := range d.record.Fields(d.policy) {
		for k := range f.Kids() {
			t.Errorf("%s/%s of type %v is still there", f.Name(), k.Name(), k.Type())
		}
	}
}

func TestDeletingAMapKeyLeavesWhatTheActorHadNotSeen(t *testing.T) {
	ds := devices(2)
	a, b := ds[0], ds[1]
	a.edit(t, nil, func(e *crdt.RecordEditor) { e.Map("m").Text("note").Append("abc") })
	b.receive(t, a.log...)
	form := b.record.Vector().Clone()
	b.receive(t, a.edit(t, nil, func(e *crdt.RecordEditor) { e.Map("m").Text("note").Insert(1, "XY") }))
	b.edit(t, &form, func(e *crdt.RecordEditor) { e.Map("m").Delete("note") })
	agree(t, ds...)
	for f := range a.record.Fields(a.policy) {
		for k := range f.Kids() {
			want(t, "note", k.Text(), "XY")
		}
	}
}

// Section 5.

func TestRejectedChangeIsAVoidHead(t *testing.T) {
	ds := devices(3)
	a, b, c := ds[0], ds[1], ds[2]
	forbidden := func(c *crdt.Change) bool { return c.Author.Role == "visitor" }
	for _, d := range ds {
		d.refuse = forbidden
	}
	a.set(t, "dose", 5)
	b.receive(t, a.log...)
	c.receive(t, a.log...)

	// b's program does not keep the rule; the others do.
	b.refuse, b.role = nil, "visitor"
	b.set(t, "dose", 99)
	b.role = ""
	b.edit(t, nil, func(e *crdt.RecordEditor) { e.Set("tags").Add("x") })
	a.receive(t, b.log[1]) // waits for the change that will be rejected
	want(t, "waiting", fmt.Sprint(len(a.waiting)), "1")
	a.receive(t, b.log[0])
	want(t, "waiting", fmt.Sprint(len(a.waiting)), "0")
	c.receive(t, b.log...)
	want(t, "dose", shown(a, "dose"), "[5]")
	want(t, "tags", fmt.Sprint(a.record.Field("tags", crdt.TypeSet, a.policy).Elements()), "[x]")
	if !a.record.Contains(b.log[0].Dot) || slices.Contains(a.record.Heads(), b.log[0].Dot) {
		t.Error("the rejected change has to count for the vector, and be seen by what followed")
	}
	agree(t, a, c)
}

func TestForkedReferenceIsNoticed(t *testing.T) {
	ds := devices(2)
	a, b := ds[0], ds[1]
	b.receive(t, a.set(t, "dose", 5))
	c := b.set(t, "dose", 6)
	twin := newDevice(1) // a's directory, restored: another change under the same dot
	twin.set(t, "dose", 8)
	if err := twin.record.Check(c, &c.Parts[0]); !errors.Is(err, crdt.ErrFork) {
		t.Errorf("error is %v", err)
	}
	if d := b.delete(t); !errors.Is(twin.record.Check(d, &crdt.Part{Key: "r", Delete: d.Parts[0].Delete}), crdt.ErrFork) {
		t.Error("a deletion of the other birth is not noticed")
	}
}

func TestReissueGivesIncrementsAndNewNames(t *testing.T) {
	// a's directory is restored to the state after its first change. It had
	// told b of a second one, and writes others in its place.
	a, b := newDevice(1), newDevice(2)
	edit := func(d *device, n int64, s string) {
		d.edit(t, nil, func(e *crdt.RecordEditor) {
			e.Counter("n").Add(n)
			e.Text("note").Append(s)
			e.Register("last").Set(s)
		})
	}
	edit(a, 1, "one ")
	first := a.log[0]
	b.receive(t, first)
	b.receive(t, a.edit(t, nil, func(e *crdt.RecordEditor) { e.Counter("n").Add(10) }))

	restored := newDevice(1)
	restored.receive(t, first)
	restored.n = 1
	edit(restored, 100, "two ")
	edit(restored, 1000, "three")
	lost := restored.log

	fresh := newDevice(1)
	fresh.origin.Incarnation = 7
	fresh.receive(t, first)
	again := crdt.NewReissue(a.origin, 1, fresh.origin, func(string) (*crdt.Record, error) { return fresh.record, nil })
	for i, c := range lost {
		x, err := again.Change(c, uint64(i+1))
		if err != nil {
			t.Fatal(err)
		}
		fresh.receive(t, x)
		b.receive(t, x)
	}
	want(t, "n at b", counted(b, "n"), "1111")
	want(t, "note at b", written(b, "note"), "one two three")
	want(t, "last at b", shown(b, "last"), "[three]")
}

// Section 7.

func TestCausalityDecidesBeforeStamps(t *testing.T) {
	a, b := newDevice(1), newDevice(2)
	a.wall = begin.AddDate(1, 0, 0)
	b.receive(t, a.set(t, "dose", 1))
	b.set(t, "dose", 2) // has seen it: no clock can bring the 1 back
	a.receive(t, b.log...)
	want(t, "dose", shown(a, "dose"), "[2]")
}
