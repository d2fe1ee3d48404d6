package merge_test

import (
	"math"
	"math/big"
	"testing"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/merge"
	"github.com/google/go-cmp/cmp"
)

var bigInts = cmp.Comparer(func(a, b *big.Int) bool { return a.Cmp(b) == 0 })

func TestViewOfNothing(t *testing.T) {
	v := merge.View(new(crdt.Record), nil)
	if v.Exists || len(v.Fields) > 0 || len(v.Births) > 0 || !v.Version.IsEmpty() {
		t.Errorf("got %s", render(v))
	}
	if m := v.Values(); m == nil || len(m) > 0 {
		t.Errorf("got values %v", m)
	}
}

// Every type shows its value; names come in order of their bytes.
func TestValues(t *testing.T) {
	d := newDevice(1)
	d.write(t, nurse, at(0), nil, func(e *crdt.RecordEditor) {
		_ = e.Register("dose").Set(5)
		_ = e.Register("cleared").Clear()
		_ = e.Counter("given").Add(3)
		_ = e.Counter("given").Add(-5)
		for _, a := range []any{"pollen", 1, "nuts", 1.5} {
			_ = e.Set("allergies").Add(a)
		}
		_ = e.Text("remarks").Append("before meals")
		plan := e.Map("plan")
		_ = plan.Put("unit", "mg")
		_ = plan.Counter("doses").Add(4)
		_ = plan.Map("monday").Put("at", []any{"08:00", "20:00"})
		_ = plan.Set("skipped").Add(true)
	})
	want := map[string]any{
		"dose":      int64(5),
		"cleared":   nil,
		"given":     int64(-2),
		"allergies": []any{int64(1), "nuts", "pollen", 1.5},
		"remarks":   "before meals",
		"plan": map[string]any{
			"unit":    "mg",
			"doses":   int64(4),
			"monday":  map[string]any{"at": []any{"08:00", "20:00"}},
			"skipped": []any{true},
		},
	}
	v := merge.View(&d.rec, nil)
	if diff := cmp.Diff(want, v.Values()); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
	var names []string
	for _, f := range v.Fields {
		names = append(names, f.Name)
	}
	if diff := cmp.Diff([]string{"allergies", "cleared", "dose", "given", "plan", "remarks"}, names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	plan, _ := v.Field("plan")
	if unit, ok := plan.Field("unit"); !ok || len(unit.Candidates) != 1 {
		t.Errorf("a map's key without its candidates: %+v", unit)
	}
	if _, ok := v.Field("nothing"); ok {
		t.Error("a field that was never written")
	}
	if _, ok := plan.Winner(); ok {
		t.Error("a map has no winner")
	}
}

// A counter is exact: where 64 bits end, a big integer takes over.
func TestCounterBeyond64Bits(t *testing.T) {
	a, b := newDevice(1), newDevice(2)
	add := func(d *device, by int64) []byte {
		return d.write(t, nurse, at(0), nil, func(e *crdt.RecordEditor) { _ = e.Counter("given").Add(by) })
	}
	a.receive(t, add(b, math.MaxInt64))
	if got := merge.View(&a.rec, nil); got.Values()["given"] != int64(math.MaxInt64) {
		t.Errorf("got %v", got.Values())
	}
	add(a, 1)
	want := map[string]any{"given": new(big.Int).Add(big.NewInt(math.MaxInt64), big.NewInt(1))}
	v := merge.View(&a.rec, nil)
	if diff := cmp.Diff(want, v.Values(), bigInts); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
}

// Two replicas treat one name as two types. Both stay: the policy's shows, else
// the one of the smaller tag, and the other is reported.
func TestTwoTypesUnderOneName(t *testing.T) {
	a, b := newDevice(1), newDevice(2)
	b.receive(t, a.write(t, nurse, at(0), nil, func(e *crdt.RecordEditor) { _ = e.Counter("given").Add(2) }))
	b.write(t, nurse, at(1), nil, func(e *crdt.RecordEditor) { _ = e.Register("given").Set("twice") })

	declared := func(x crdt.Type) *merge.CollectionRules {
		return compiled(merge.Collection{Fields: map[string]merge.FieldRule{"given": {Type: x}}})
	}
	tests := []struct {
		name     string
		rule     *merge.CollectionRules
		shown    crdt.Type
		absent   bool
		value    any
		shadowed []crdt.Type
	}{
		{"no policy", nil, crdt.TypeRegister, false, "twice", []crdt.Type{crdt.TypeCounter}},
		{"register", declared(crdt.TypeRegister), crdt.TypeRegister, false, "twice", []crdt.Type{crdt.TypeCounter}},
		{"counter", declared(crdt.TypeCounter), crdt.TypeCounter, false, int64(2), []crdt.Type{crdt.TypeRegister}},
		{"neither", declared(crdt.TypeSet), crdt.TypeSet, true, nil, []crdt.Type{crdt.TypeRegister, crdt.TypeCounter}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := merge.View(&b.rec, tt.rule)
			f, ok := v.Field("given")
			if !ok || f.Type != tt.shown || f.Absent != tt.absent || f.Value != tt.value || f.Declared != (tt.rule != nil) {
				t.Errorf("got %+v", f)
			}
			var shadowed []crdt.Type
			for _, s := range f.Shadowed {
				shadowed = append(shadowed, s.Type)
				if s.Value == nil {
					t.Errorf("the shadowed %v has no value", s.Type)
				}
			}
			if diff := cmp.Diff(tt.shadowed, shadowed); diff != "" {
				t.Errorf("shadowed (-want +got):\n%s", diff)
			}
			if _, ok := v.Values()["given"]; ok == tt.absent {
				t.Errorf("values %v", v.Values())
			}
		})
	}
}

// What a later version wrote is carried, and shown as what it is: a name, a
// type without a name, and no value. What no field can be is not shown.
func TestUnknownType(t *testing.T) {
	d := newDevice(1)
	d.set(t, nurse, at(0), 5)
	dot := clock.Dot{Origin: clock.Origin{Replica: clock.ReplicaID{9}, Incarnation: 1}, N: 1}
	entry := func(i uint32) *crdt.Patch {
		return &crdt.Patch{Shape: crdt.Entries, Add: []crdt.Entry{{ID: crdt.EntryID{Dot: dot, Index: i}}}}
	}
	c := &crdt.Change{Dot: dot, Stamp: at(1), Parts: []crdt.Part{{
		Key: "17", Births: d.refs(d.rec.Births()), Heads: d.refs(d.rec.Heads()),
		Patch: &crdt.Patch{Shape: crdt.Keyed, Kids: []crdt.PatchKid{
			{Key: crdt.Key{Name: "dose", Type: 99}, Patch: entry(1)},
			{Key: crdt.Key{Name: "flag", Type: 99}, Patch: entry(2)},
		}},
	}}}
	d.receive(t, c.Encode())
	v := merge.View(&d.rec, nil)
	if diff := cmp.Diff(map[string]any{"dose": int64(5)}, v.Values()); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
	if f, ok := v.Field("flag"); !ok || !f.Absent || f.Type != 99 {
		t.Errorf("got %+v", f)
	}
	if f, _ := v.Field("dose"); len(f.Shadowed) != 1 || f.Shadowed[0].Type != 99 {
		t.Errorf("got %+v", f)
	}
}

// A field that the policy does not have is shown by the default rule.
func TestUndeclaredField(t *testing.T) {
	a, b := newDevice(1), newDevice(2)
	note := func(d *device, who crdt.Author, stamp clock.Stamp, s string) []byte {
		return d.write(t, who, stamp, nil, func(e *crdt.RecordEditor) { _ = e.Register("note").Set(s) })
	}
	one := note(b, doctor, at(1), "one")
	note(a, nurse, at(2), "two")
	a.receive(t, one)
	v := merge.View(&a.rec, doctorFirst)
	if f, _ := v.Field("note"); f.Declared || f.Value != "two" || !f.Concurrent {
		t.Errorf("got %+v", f)
	}
}

// The rule of a map binds the registers below it, at every depth.
func TestMapRuleBindsBelow(t *testing.T) {
	a, b := newDevice(1), newDevice(2)
	put := func(d *device, who crdt.Author, stamp clock.Stamp, v int) []byte {
		return d.write(t, who, stamp, nil, func(e *crdt.RecordEditor) {
			_ = e.Map("plan").Put("day", v)
			_ = e.Map("plan").Map("night").Map("late").Put("dose", v)
		})
	}
	three := put(b, doctor, at(1), 3)
	put(a, nurse, at(2), 7)
	a.receive(t, three)
	shown := func(v int64) map[string]any {
		return map[string]any{"plan": map[string]any{"day": v,
			"night": map[string]any{"late": map[string]any{"dose": v}}}}
	}
	rule := compiled(merge.Collection{Fields: map[string]merge.FieldRule{
		"plan": {Type: crdt.TypeMap, Resolve: []merge.Step{merge.Authority("doctor", "nurse"), merge.Latest}},
	}})
	for _, tt := range []struct {
		name string
		rule *merge.CollectionRules
		want int64
	}{{"authority", rule, 3}, {"default", nil, 7}} {
		v := merge.View(&a.rec, tt.rule)
		if diff := cmp.Diff(shown(tt.want), v.Values()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// A deletion ends the births that it saw. What an edit at the same time does to
// that is the collection's choice, and a second birth is not touched by it.
func TestDeletion(t *testing.T) {
	updateWins := compiled(merge.Collection{Delete: crdt.UpdateWins})
	a, b := newDevice(1), newDevice(2)
	birth := a.set(t, doctor, at(0), 5)
	b.receive(t, birth)
	gone := a.remove(t, chief, at(1), crdt.DeleteWins)
	edit := b.set(t, nurse, at(2), 7)

	if v := merge.View(&a.rec, updateWins); v.Exists || len(v.Fields) > 0 {
		t.Errorf("deleted, and nobody edited: got %s", render(v))
	}
	changes := [][]byte{birth, gone, edit}
	for _, order := range permutations(len(changes)) {
		d := inOrder(t, changes, order)
		if v := merge.View(&d.rec, nil); v.Exists || len(v.Values()) > 0 {
			t.Errorf("order %v: delete wins: got %s", order, render(v))
		}
		v := merge.View(&d.rec, updateWins)
		if diff := cmp.Diff(map[string]any{"dose": int64(7)}, v.Values()); !v.Exists || diff != "" {
			t.Errorf("order %v: update wins (-want +got):\n%s", order, diff)
		}
	}

	// Made again, on the replica that knows of the deletion: a second birth.
	again := a.set(t, doctor, at(3), 2)
	for _, order := range permutations(4) {
		d := inOrder(t, append(changes, again), order)
		v := merge.View(&d.rec, nil)
		if diff := cmp.Diff(map[string]any{"dose": int64(2)}, v.Values()); !v.Exists || len(v.Births) != 1 || diff != "" {
			t.Errorf("order %v: made again: %d births (-want +got):\n%s", order, len(v.Births), diff)
		}
	}
}

// Two tablets make one key offline: one record with two births, and siblings.
func TestTwoBirths(t *testing.T) {
	a, b := newDevice(1), newDevice(2)
	a.receive(t, b.set(t, doctor, at(0), 5))
	a2 := newDevice(1)
	a2.receive(t, b.set(t, doctor, at(1), 6))
	seven := newDevice(3).set(t, nurse, at(2), 7)
	a.receive(t, seven)
	v := merge.View(&a.rec, doctorFirst)
	if f, _ := v.Field("dose"); len(v.Births) != 2 || f.Value != int64(5) || !f.Concurrent {
		t.Errorf("got %s", render(v))
	}
}

// A view shares nothing with the record: it may be kept and modified.
func TestViewIsApart(t *testing.T) {
	d := newDevice(1)
	d.write(t, nurse, at(0), nil, func(e *crdt.RecordEditor) {
		_ = e.Register("list").Set([]any{"a", map[string]any{"b": []byte{1}}})
		_ = e.Set("set").Add([]byte{1, 2})
		_ = e.Map("map").Put("k", []any{"x"})
	})
	want, digest := render(merge.View(&d.rec, nil)), d.rec.Digest()
	v := merge.View(&d.rec, nil)
	list, _ := v.Field("list")
	list.Value.([]any)[1].(map[string]any)["b"].([]byte)[0] = 9
	set, _ := v.Field("set")
	set.Value.([]any)[0].([]byte)[0] = 9
	v.Values()["map"].(map[string]any)["k"].([]any)[0] = "y"
	v.Births[0].N = 9
	v.Version.Set(d.origin, 9)
	if got := render(merge.View(&d.rec, nil)); got != want || d.rec.Digest() != digest {
		t.Errorf("the record changed:\n%s\nwant\n%s", got, want)
	}
	d.set(t, nurse, at(1), 1)
	if v.Version.Get(d.origin) != 9 {
		t.Error("the view changed with the record")
	}
}

// A map may be as deep as the format allows.
func TestDeepMap(t *testing.T) {
	d := newDevice(1)
	d.write(t, nurse, at(0), nil, func(e *crdt.RecordEditor) {
		m := e.Map("m")
		for range codec.MaxDepth - 2 {
			m = m.Map("m")
		}
		_ = m.Put("x", 1)
		if e.Err() != nil {
			t.Fatal(e.Err())
		}
	})
	v := merge.View(&d.rec, nil)
	f, depth := &v.Fields[0], 0
	for ; len(f.Fields) > 0; depth++ {
		f = &f.Fields[0]
	}
	if depth != codec.MaxDepth-1 || f.Value != int64(1) {
		t.Errorf("got %v at depth %d", f.Value, depth)
	}
}
