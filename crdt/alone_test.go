package crdt_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt"
)

func TestMutationThatChangesNothingHasNoDelta(t *testing.T) {
	s := crdt.NewSet[string](origin(1))
	d, err := s.Remove("x")
	if d != nil || err != nil {
		t.Fatalf("delta %v, error %v", d, err)
	}
	if err := s.Join(d, nil); err != nil {
		t.Errorf("joining it: %v", err)
	}
}

func TestReplicaThatGotItsOwnPastBackGoesOnFromIt(t *testing.T) {
	before := crdt.NewCounter(origin(1))
	for range 3 {
		if _, err := before.Add(1); err != nil {
			t.Fatal(err)
		}
	}
	after := crdt.NewCounter(origin(1))
	after.JoinState(before.State(), nil)
	d, err := after.Add(1)
	if err != nil {
		t.Fatal(err)
	}
	if d.Dot.N != 4 {
		t.Errorf("the next change is %v: a dot is given out twice", d.Dot)
	}
	want(t, "value", after.Value().String(), "4")
}

func TestStampsFollowAStateThatWasJoined(t *testing.T) {
	ahead, behind := begin.AddDate(0, 0, 1), begin
	a := crdt.NewRegister[int](origin(1), newHLC(&ahead))
	b := crdt.NewRegister[int](origin(2), newHLC(&behind))
	if _, err := a.Set(1); err != nil {
		t.Fatal(err)
	}
	b.JoinState(a.State(), nil)
	if _, err := b.Set(2); err != nil {
		t.Fatal(err)
	}
	d, err := a.Set(3) // beside b's 2, and before it in real time
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Join(d, nil); err != nil {
		t.Fatal(err)
	}
	if v, _ := b.Get(); v != 2 && v != 3 || len(b.Siblings()) != 2 {
		t.Errorf("shows %d of %v", v, b.Siblings())
	}
}

func TestDeltasOfATextInReverse(t *testing.T) {
	wall := begin
	a, b := crdt.NewMap(origin(1), newHLC(&wall)), crdt.NewMap(origin(2), newHLC(&wall))
	var deltas []*crdt.Delta
	for i := range 300 {
		d, err := a.Update(func(m crdt.MapField) error { return m.Text("t").Insert(i/2, fmt.Sprint(i%10)) })
		if err != nil {
			t.Fatal(err)
		}
		deltas = append(deltas, d)
	}
	for _, d := range slices.Backward(deltas) {
		if err := b.Join(d, nil); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := dump([]crdt.Field{b.Field()}), dump([]crdt.Field{a.Field()}); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

type colour string

func TestValuesComeBackAsTheTypeOfTheSetOrNotAtAll(t *testing.T) {
	named := crdt.NewSet[colour](origin(1))
	d, err := named.Add("red")
	if err != nil {
		t.Fatal(err)
	}
	want(t, "a named string", fmt.Sprint(named.Values()), "[red]")

	small := crdt.NewSet[uint8](origin(2))
	wide := crdt.NewSet[int](origin(3))
	for _, n := range []int{7, 300, -1} {
		x, err := wide.Add(n)
		if err != nil {
			t.Fatal(err)
		}
		if err := small.Join(x, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := small.Join(d, nil); err != nil {
		t.Fatal(err)
	}
	want(t, "what fits a byte", fmt.Sprint(small.Values()), "[7]")

	fractions := crdt.NewSet[float64](origin(4))
	x, err := fractions.Add(1.5)
	if err != nil {
		t.Fatal(err)
	}
	if err := wide.Join(x, nil); err != nil {
		t.Fatal(err)
	}
	if vs := wide.Values(); slices.Contains(vs, 1) {
		t.Errorf("a fraction is shown as an integer: %v", vs)
	}
}

func TestDeltaOfAKnownTypeInAnotherShapeIsRefused(t *testing.T) {
	wall := begin
	m := crdt.NewMap(origin(1), newHLC(&wall))
	dot := clock.Dot{Origin: origin(2), N: 1}
	err := m.Join(&crdt.Delta{Dot: dot, Patch: &crdt.Patch{Shape: crdt.Keyed, Kids: []crdt.PatchKid{{
		Key: crdt.Key{Type: crdt.TypeMap}, Patch: &crdt.Patch{Shape: crdt.Entries, Add: []crdt.Entry{{ID: crdt.EntryID{Dot: dot}}}}}}}}, nil)
	if !errors.Is(err, crdt.ErrShapeMismatch) || m.State().Contains(dot) {
		t.Errorf("error is %v", err)
	}
}

func TestWhatAnEditorMakesCanAlwaysBeRead(t *testing.T) {
	// More removals in one change than any message once could name.
	d := newDevice(1)
	for i := range 10_100 {
		d.edit(t, nil, func(e *crdt.RecordEditor) { e.Map("m").Set("s").Add(i) })
	}
	c := d.edit(t, nil, func(e *crdt.RecordEditor) { e.Map("m").Delete("s") })
	if _, err := crdt.DecodeChange(c.Encode()); err != nil {
		t.Fatal(err)
	}

	// More entries than names can count are the editor's error, not a change
	// that no peer can read.
	almost := uint32(1<<20 - 10)
	e := d.record.Edit("r", crdt.EditOptions{Dot: d.next(), Index: &almost})
	var err error
	for i := 0; err == nil && i < 20; i++ {
		err = e.Register("r").Set(i)
	}
	if _, _, perr := e.Part(false); !errors.Is(perr, codec.ErrLimit) {
		t.Errorf("error is %v", perr)
	}
	e.Undo()
	want(t, "the register after it", shown(d, "r"), "[]")
}

func TestNamesThatCannotBeReadBackAreTheEditorsError(t *testing.T) {
	for what, edit := range map[string]func(e *crdt.RecordEditor){
		"a name that is not UTF-8":    func(e *crdt.RecordEditor) { e.Register("\xff").Set(1) },
		"a name that is too long":     func(e *crdt.RecordEditor) { e.Register(strings.Repeat("x", 5000)).Set(1) },
		"an element that is too long": func(e *crdt.RecordEditor) { e.Set("s").Add(strings.Repeat("x", 5000)) },
		"a value that is too long":    func(e *crdt.RecordEditor) { e.Register("r").Set(make([]byte, 2<<20)) },
		"a text that is not UTF-8":    func(e *crdt.RecordEditor) { e.Text("t").Append("\xff") },
		"maps without end": func(e *crdt.RecordEditor) {
			m := e.Map("m")
			for range 200 {
				m = m.Map("m")
			}
			m.Put("k", 1)
		},
	} {
		d := newDevice(1)
		e := d.record.Edit("r", crdt.EditOptions{Dot: d.next()})
		edit(e)
		if _, _, err := e.Part(false); err == nil {
			t.Errorf("%s: no error", what)
		}
		e.Undo()
		if state(d.record) != state(&crdt.Record{}) {
			t.Errorf("%s: something is left of it", what)
		}
	}
}
