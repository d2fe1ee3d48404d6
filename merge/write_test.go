package merge_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/merge"
	"github.com/google/go-cmp/cmp"
)

// part is what an edit of an empty record makes.
func part(t *testing.T, edit func(e *crdt.RecordEditor)) *crdt.Part {
	t.Helper()
	d := newDevice(1)
	e := d.rec.Edit("17", crdt.EditOptions{Dot: clock.Dot{Origin: d.origin, N: 1}})
	edit(e)
	p, _, err := e.Part(true)
	if err != nil {
		t.Fatal(err)
	}
	return &p
}

func TestCheckWrite(t *testing.T) {
	medication, err := ward().Collection("medication")
	if err != nil {
		t.Fatal(err)
	}
	prescriptions := &merge.Collection{Fields: map[string]merge.FieldRule{
		"prescription": {Type: crdt.TypeGroup, Members: map[string]merge.Kind{"dose": merge.Integer, "unit": merge.String}},
		"items":        {Type: crdt.TypeMap, Below: crdt.TypeCounter},
		"events":       {Type: crdt.TypeLog, Of: merge.String},
		"tariff":       {Type: crdt.TypeProposal, Write: []string{"nurse"}, Resolve: []merge.Step{merge.Approve("chief")}},
	}}
	tests := []struct {
		name string
		rule *merge.Collection
		role string
		edit func(e *crdt.RecordEditor)
		want []string
	}{
		{"nothing but a birth", medication, "clerk", func(*crdt.RecordEditor) {}, nil},
		{"as declared", medication, "nurse", func(e *crdt.RecordEditor) {
			_ = e.Register("dose").Set(5)
			_ = e.Counter("given").Add(1)
			_ = e.Set("allergies").Add("pollen")
			_ = e.Map("plan").Put("first", time.UnixMilli(0))
			_ = e.Text("remarks").Append("before meals")
		}, nil},
		{"cleared", medication, "nurse", func(e *crdt.RecordEditor) { _ = e.Register("dose").Clear() }, nil},
		{"undeclared", medication, "clerk", func(e *crdt.RecordEditor) { _ = e.Register("note").Set("free") }, nil},
		{"no rules", nil, "clerk", func(e *crdt.RecordEditor) { _ = e.Register("dose").Set("free") }, nil},
		{"collection without fields", &merge.Collection{}, "", func(e *crdt.RecordEditor) { _ = e.Register("dose").Set("free") }, nil},
		{"kind", medication, "nurse", func(e *crdt.RecordEditor) { _ = e.Register("dose").Set("5") },
			[]string{`merge: wrong kind of value: field "dose": it takes a value of kind integer, not string`}},
		{"float for an integer", medication, "nurse", func(e *crdt.RecordEditor) { _ = e.Register("dose").Set(5.0) },
			[]string{`merge: wrong kind of value: field "dose": it takes a value of kind integer, not float`}},
		{"kind of elements", medication, "nurse", func(e *crdt.RecordEditor) {
			_ = e.Set("allergies").Add("pollen")
			_ = e.Set("allergies").Add([]any{"pollen"})
			_ = e.Set("allergies").Add([]byte("pollen"))
			_ = e.Set("allergies").Add(map[string]any{})
			_ = e.Set("allergies").Add(true)
		}, []string{
			`merge: wrong kind of value: field "allergies": it takes a value of kind string, not map`,
			`merge: wrong kind of value: field "allergies": it takes a value of kind string, not list`,
			`merge: wrong kind of value: field "allergies": it takes a value of kind string, not boolean`,
			`merge: wrong kind of value: field "allergies": it takes a value of kind string, not bytes`,
		}},
		{"kind below a map", medication, "nurse", func(e *crdt.RecordEditor) {
			_ = e.Map("plan").Put("b", time.UnixMilli(0))
			_ = e.Map("plan").Map("a").Map("x").Put("y", 1)
			_ = e.Map("plan").Counter("c").Add(1)
			_ = e.Map("plan").Set("d").Add("8:00")
			_ = e.Map("plan").Put("e", false)
		}, []string{
			`merge: wrong kind of value: field "plan/d": it takes a value of kind timestamp, not string`,
			`merge: wrong kind of value: field "plan/e": it takes a value of kind timestamp, not boolean`,
			`merge: wrong kind of value: field "plan/a/x/y": it takes a value of kind timestamp, not integer`,
		}},
		{"type", medication, "nurse", func(e *crdt.RecordEditor) { _ = e.Counter("dose").Add(5) },
			[]string{`merge: wrong type of field: field "dose": it is a register, not a counter`}},
		{"group", prescriptions, "nurse", func(e *crdt.RecordEditor) {
			_ = e.Group("prescription").Set(map[string]any{"dose": "5", "unit": nil, "route": "oral"})
		}, []string{
			`merge: wrong kind of value: field "prescription/dose": it takes a value of kind integer, not string`,
			`merge: wrong kind of value: field "prescription/route": the group has no such field (dose, unit)`,
		}},
		{"types below a map", prescriptions, "nurse", func(e *crdt.RecordEditor) {
			_ = e.Map("items").Counter("milk").Add(1)
			_ = e.Map("items").Map("dairy").Counter("milk").Add(1)
			_ = e.Map("items").Put("eggs", 2)
		}, []string{`merge: wrong type of field: field "items/eggs": it is a counter, not a register`}},
		{"entry of a log", prescriptions, "nurse", func(e *crdt.RecordEditor) { _ = e.Log("events").Append(1) },
			[]string{`merge: wrong kind of value: field "events": it takes a value of kind string, not integer`}},
		{"verdict", prescriptions, "chief", func(e *crdt.RecordEditor) { _, _ = e.Proposal("tariff").Propose(1) }, nil},
		{"no verdict", prescriptions, "clerk", func(e *crdt.RecordEditor) { _, _ = e.Proposal("tariff").Propose(1) },
			[]string{`merge: role may not write the field: field "tariff": "clerk" may not, nurse, chief may`}},
		{"role", medication, "clerk", func(e *crdt.RecordEditor) { _ = e.Register("dose").Set(5) },
			[]string{`merge: role may not write the field: field "dose": "clerk" may not, doctor, nurse may`}},
		{"no role", medication, "", func(e *crdt.RecordEditor) { _ = e.Register("dose").Set(5) },
			[]string{`merge: role may not write the field: field "dose": "" may not, doctor, nurse may`}},
		{"everything at once", medication, "clerk", func(e *crdt.RecordEditor) {
			_ = e.Register("dose").Set("5")
			_ = e.Text("given").Append("one")
			_ = e.Set("allergies").Add(1)
			_ = e.Register("note").Set("free")
		}, []string{
			`merge: wrong kind of value: field "allergies": it takes a value of kind string, not integer`,
			`merge: role may not write the field: field "dose": "clerk" may not, doctor, nurse may`,
			`merge: wrong kind of value: field "dose": it takes a value of kind integer, not string`,
			`merge: wrong type of field: field "given": it is a counter, not a text`,
			`merge: role may not write the field: field "given": "clerk" may not, nurse may`,
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			err := tt.rule.CheckWrite(part(t, tt.edit), tt.role)
			if err != nil {
				got = strings.Split(err.Error(), "\n")
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
			if len(tt.want) == 0 {
				return
			}
			for class, text := range map[error]string{merge.ErrKind: "wrong kind", merge.ErrFieldType: "wrong type", merge.ErrNotEntitled: "may not write"} {
				if errors.Is(err, class) != strings.Contains(err.Error(), text) {
					t.Errorf("%v: is %v: %v", err, class, errors.Is(err, class))
				}
			}
			if e, ok := errors.AsType[*merge.WriteError](err); !ok || e.Field == "" {
				t.Errorf("no WriteError in %v", err)
			}
		})
	}
}

// Taking away what is of the wrong kind is not writing it.
func TestCheckWriteOfRemoval(t *testing.T) {
	d := newDevice(1)
	d.write(t, nurse, at(0), nil, func(e *crdt.RecordEditor) {
		_ = e.Set("allergies").Add(1)
		_ = e.Map("plan").Put("a", "soon")
	})
	e := d.rec.Edit("17", crdt.EditOptions{Dot: clock.Dot{Origin: d.origin, N: 2}})
	_ = e.Set("allergies").Remove(1)
	_ = e.Map("plan").Delete("a")
	p, changed, err := e.Part(false)
	if err != nil || !changed {
		t.Fatal(changed, err)
	}
	medication, _ := ward().Collection("medication")
	if err := medication.CheckWrite(&p, "nurse"); err != nil {
		t.Error(err)
	}
}
