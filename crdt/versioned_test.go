package crdt_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
)

func everyField(string) bool { return true }

func without(dots ...clock.Dot) func(clock.Dot) bool {
	return func(d clock.Dot) bool { return slices.Contains(dots, d) }
}

func valuesOf(f crdt.Field) (vs []any) {
	for _, c := range f.Candidates() {
		vs = append(vs, c.Value)
	}
	return vs
}

// TestHeldWriteLeavesWhatItReplaced follows model section 3: a dose that a
// held-back write replaced is still there to be shown, and so on both sides of
// a chain of held writes.
func TestHeldWriteLeavesWhatItReplaced(t *testing.T) {
	ds := devices(2)
	for _, d := range ds {
		d.versioned = everyField
	}
	ds[0].set(t, "dose", 300)
	high := ds[0].set(t, "dose", 9000)
	higher := ds[0].set(t, "dose", 9500)
	ds[1].receive(t, ds[0].log...)
	for _, d := range ds {
		f := field(d, "dose", crdt.TypeRegister)
		for _, c := range []struct {
			left []clock.Dot
			want []any
		}{
			{nil, []any{int64(9500)}},
			{[]clock.Dot{higher.Dot}, []any{int64(9000)}},
			{[]clock.Dot{high.Dot, higher.Dot}, []any{int64(300)}},
			{[]clock.Dot{high.Dot}, []any{int64(9500)}}, // its correction was judged on its own
		} {
			if diff := cmp.Diff(c.want, valuesOf(f.Without(without(c.left...)))); diff != "" {
				t.Errorf("%s without %v (-want +got):\n%s", d.name, c.left, diff)
			}
		}
	}
}

// TestStaleFormSupersedesWhatItsActorSaw lets a nurse save a form that she
// opened before the doctor's value came. Should a rule hold the doctor's write
// back, the value that both replaced does not return.
func TestStaleFormSupersedesWhatItsActorSaw(t *testing.T) {
	ds := devices(2)
	nurse, doctor := ds[0], ds[1]
	nurse.versioned, doctor.versioned = everyField, everyField
	first := nurse.set(t, "dose", 5)
	opened := nurse.record.Vector().Clone()
	doctor.receive(t, first)
	his := doctor.set(t, "dose", 3)
	nurse.receive(t, his)
	nurse.edit(t, &opened, func(e *crdt.RecordEditor) { e.Register("dose").Set(7) })
	f := field(nurse, "dose", crdt.TypeRegister)
	if diff := cmp.Diff([]any{int64(7), int64(3)}, valuesOf(f)); diff != "" {
		t.Errorf("concurrent writes (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]any{int64(7)}, valuesOf(f.Without(without(his.Dot)))); diff != "" {
		t.Errorf("the doctor's held back (-want +got):\n%s", diff)
	}
}

func TestHeldAdditionIsTakenOffLaterTotals(t *testing.T) {
	d := newDevice(1)
	d.versioned = everyField
	add := func(by int64) *crdt.Change {
		return d.edit(t, nil, func(e *crdt.RecordEditor) { e.Counter("n").Add(by) })
	}
	one, ten, hundred := add(1), add(10), add(100)
	f := field(d, "n", crdt.TypeCounter)
	for _, c := range []struct {
		left []clock.Dot
		want string
	}{
		{nil, "111"}, {[]clock.Dot{one.Dot}, "110"}, {[]clock.Dot{ten.Dot}, "101"}, {[]clock.Dot{hundred.Dot}, "11"},
		{[]clock.Dot{ten.Dot, hundred.Dot}, "1"}, {[]clock.Dot{one.Dot, ten.Dot, hundred.Dot}, "0"},
	} {
		if got := f.Without(without(c.left...)).Count().String(); got != c.want {
			t.Errorf("without %v: %s, want %s", c.left, got, c.want)
		}
	}
	if got := f.At(&clock.VersionVector{}).Count().String(); got != "0" {
		t.Errorf("before the first addition it was %s", got)
	}
}

// TestVersionedFieldReadsAsItWas compares the reading at every version that a
// device went through with what it showed then.
func TestVersionedFieldReadsAsItWas(t *testing.T) {
	holds(t, 60, func(r *rand.Rand) error {
		ds := devices(3)
		for _, d := range ds {
			d.versioned = everyField
		}
		type moment struct {
			at   clock.VersionVector
			show map[string]any
		}
		var past []moment
		read := func(rec *crdt.Record, at *clock.VersionVector) map[string]any {
			out := map[string]any{}
			for _, x := range []struct {
				name string
				t    crdt.Type
			}{{"reg", crdt.TypeRegister}, {"count", crdt.TypeCounter}, {"set", crdt.TypeSet}, {"log", crdt.TypeLog}, {"stock", crdt.TypeStock}, {"map", crdt.TypeMap}, {"text", crdt.TypeText}, {"list", crdt.TypeList}} {
				f := rec.Field(x.name, x.t, crdt.DeleteWins)
				if at != nil {
					f = f.At(at)
				}
				out[x.name] = readField(f)
			}
			return out
		}
		for range 30 {
			d := ds[r.IntN(3)]
			if r.IntN(3) == 0 {
				gossip(t, ds, d, ds[r.IntN(3)])
			}
			d.edit(t, nil, func(e *crdt.RecordEditor) { act(e, r) })
			if d == ds[0] {
				past = append(past, moment{d.record.Vector().Clone(), read(d.record, nil)})
			}
		}
		for _, m := range past {
			if diff := cmp.Diff(m.show, read(ds[0].record, &m.at)); diff != "" {
				return fmt.Errorf("%w: at %v (-then +now):\n%s", errLaw, m.at, diff)
			}
		}
		return nil
	})
}
