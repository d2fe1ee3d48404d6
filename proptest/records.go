package proptest

import (
	"cmp"
	"fmt"
	"maps"
	"math/big"
	"slices"

	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/merge"
	"github.com/concord-crdt/concord/proptest/scenario"
)

// Records describes the records of a collection: one operation for each thing
// that can be done to one of its fields, by each role that may do it, and
// changes that travel one by one or as whole records, encoded. Views are those
// of the policy, and one of its invariants holds registers, counters, sets,
// flags, logs, texts and lists against their specifications.
//
// Callers add what must hold of their documents to its Invariants, and
// operations of their own to its Operations.
//
// Fields of types that have no operations here (bounded counters, stocks,
// proposals) are left to the caller's. The error is the policy's, or says that
// no operation is left.
func Records(p *merge.Policy, collection string) (Type[Document, *crdt.Change], error) {
	var t Type[Document, *crdt.Change]
	compiled, findings := p.Compile(nil)
	if err := findings.Err(); err != nil {
		return t, fmt.Errorf("proptest: %w", err)
	}
	rules, err := compiled.Collection(collection)
	if err != nil {
		return t, fmt.Errorf("proptest: %w", err)
	}
	t = Type[Document, *crdt.Change]{
		Name: collection,
		New:  func(r *Replica) Document { return Document{&document{replica: r, rules: rules}} },
		Join: func(d *Document, o Document) error { return d.join(o) },
		JoinDelta: func(d *Document, c *crdt.Change) error {
			return d.take(c)
		},
		Waits: true,
		Equal: func(a, b Document) bool {
			return a.record.Digest() == b.record.Digest() &&
				slices.EqualFunc(a.waiting, b.waiting, func(x, y *crdt.Change) bool { return x.Dot == y.Dot })
		},
		View:        func(d Document) any { return d.View().Values() },
		Encode:      func(d Document) []byte { return d.encode() },
		Decode:      func(r *Replica, b []byte) (Document, error) { return decodeDocument(rules, r, b) },
		EncodeDelta: func(c *crdt.Change) []byte { return c.Encode() },
		DecodeDelta: crdt.DecodeChange,
		Invariants: []Invariant[Document]{{Name: "fields as specified", Holds: func(d Document, seen []Event) error {
			return specifyFields(rules, d, seen)
		}}},
	}
	for _, name := range slices.Sorted(maps.Keys(rules.Collection().Fields)) {
		rule := rules.Collection().Fields[name]
		f := &field{name: name, rule: rule, roles: rule.Write}
		if len(f.roles) == 0 && p != nil {
			f.roles = p.Roles
		}
		t.Operations = append(t.Operations, f.operations()...)
	}
	if len(t.Operations) == 0 {
		return t, fmt.Errorf("proptest: collection %q declares no field that this kit has operations for", collection)
	}
	return t, nil
}

// field is one declared field, and who writes it.
type field struct {
	name  string
	rule  merge.FieldRule
	roles []string
}

// fieldEdit is what an event of a field keeps for the specification.
type fieldEdit struct {
	field  string
	typ    crdt.Type
	what   string
	value  any
	change *crdt.Change
	// of sequences: what was put in, what was taken out, and all as it was left
	inserted, deleted, left []any
}

// operation makes an operation of the field. edit does it, and fills in the note.
func (f *field) operation(what string, edit func(e *crdt.RecordEditor, c *Call, note *fieldEdit) error, step func(e Event, note *fieldEdit) scenario.Step) Operation[Document, *crdt.Change] {
	op := Operation[Document, *crdt.Change]{Name: f.name + "." + what}
	op.Do = func(d *Document, c *Call) (*crdt.Change, error) {
		author := crdt.Author{Actor: c.Name}
		if len(f.roles) > 0 {
			author.Role = Pick(c, f.roles...)
		}
		c.made = d.own()
		note := &fieldEdit{field: f.name, typ: f.rule.Type, what: what}
		var failed error
		change, err := d.Edit(author, func(e *crdt.RecordEditor) { failed = edit(e, c, note) })
		note.change = change
		c.Note(note)
		return change, cmp.Or(failed, err)
	}
	if step != nil && len(f.rule.Resolve) == 0 && len(f.rule.Write) == 0 {
		op.Scenario = func(e Event) scenario.Step {
			note, ok := e.Note.(*fieldEdit)
			if !ok {
				return scenario.Step{}
			}
			s := step(e, note)
			s.Obj = f.name
			return s
		}
	}
	return op
}

// value draws a value of the field's kind.
func (f *field) value(c *Call) any {
	switch f.rule.Of {
	case merge.String:
		return Pick(c, "a", "b", "c")
	case merge.Boolean:
		return Pick(c, false, true)
	case merge.Float:
		return Pick(c, 0.5, 1.5, -2.5)
	case merge.Timestamp:
		return c.Now()
	}
	return int64(c.Int(9))
}

// steps of a scenario file that name a value and nothing else.
func valueStep(do string) func(Event, *fieldEdit) scenario.Step {
	return func(_ Event, note *fieldEdit) scenario.Step { return scenario.Step{Do: do, Value: note.value} }
}

func (f *field) operations() []Operation[Document, *crdt.Change] {
	type ops = []Operation[Document, *crdt.Change]
	switch f.rule.Type {
	case crdt.TypeRegister:
		return ops{f.operation("set", func(e *crdt.RecordEditor, c *Call, note *fieldEdit) error {
			note.value = f.value(c)
			return e.Register(f.name).Set(note.value)
		}, valueStep("register.set"))}
	case crdt.TypeCounter:
		return ops{f.operation("add", func(e *crdt.RecordEditor, c *Call, note *fieldEdit) error {
			by := int64(Pick(c, 1, 2, -1, 5))
			note.value = by
			return e.Counter(f.name).Add(by)
		}, func(_ Event, note *fieldEdit) scenario.Step {
			return scenario.Step{Do: "counter.add", By: big.NewInt(note.value.(int64))}
		})}
	case crdt.TypeSet, crdt.TypeRemoveSet:
		return f.setOperations()
	case crdt.TypeFlag, crdt.TypeDisableFlag:
		return f.flagOperations()
	case crdt.TypeLog:
		return ops{f.operation("append", func(e *crdt.RecordEditor, c *Call, note *fieldEdit) error {
			note.value = f.value(c)
			return e.Log(f.name).Append(note.value)
		}, nil)}
	case crdt.TypeText:
		return f.textOperations()
	case crdt.TypeList:
		return f.listOperations()
	case crdt.TypeMap:
		return f.mapOperations()
	case crdt.TypeGroup:
		return ops{f.operation("set", func(e *crdt.RecordEditor, c *Call, note *fieldEdit) error {
			note.value = map[string]any{"x": int64(c.Int(9)), "y": int64(c.Int(9))}
			return e.Group(f.name).Set(note.value.(map[string]any))
		}, nil)}
	}
	return nil
}

func (f *field) setOperations() []Operation[Document, *crdt.Change] {
	add, remove := valueStep("set.add"), valueStep("set.remove")
	set := func(e *crdt.RecordEditor) crdt.SetField { return e.Set(f.name) }
	if f.rule.Type == crdt.TypeRemoveSet {
		set = func(e *crdt.RecordEditor) crdt.SetField { return e.RemoveSet(f.name) }
		add, remove = nil, nil
	}
	return []Operation[Document, *crdt.Change]{
		f.operation("add", func(e *crdt.RecordEditor, c *Call, note *fieldEdit) error {
			note.value = f.value(c)
			return set(e).Add(note.value)
		}, add),
		f.operation("remove", func(e *crdt.RecordEditor, c *Call, note *fieldEdit) error {
			if there := set(e).Values(); len(there) > 0 {
				note.value = Pick(c, there...)
				return set(e).Remove(note.value)
			}
			return nil
		}, remove),
	}
}

func (f *field) flagOperations() []Operation[Document, *crdt.Change] {
	flag := func(e *crdt.RecordEditor) crdt.FlagField { return e.Flag(f.name) }
	if f.rule.Type == crdt.TypeDisableFlag {
		flag = func(e *crdt.RecordEditor) crdt.FlagField { return e.DisableFlag(f.name) }
	}
	return []Operation[Document, *crdt.Change]{
		f.operation("enable", func(e *crdt.RecordEditor, _ *Call, _ *fieldEdit) error { return flag(e).Enable() }, nil),
		f.operation("disable", func(e *crdt.RecordEditor, _ *Call, _ *fieldEdit) error { return flag(e).Disable() }, nil),
	}
}

func (f *field) mapOperations() []Operation[Document, *crdt.Change] {
	step := func(do string) func(Event, *fieldEdit) scenario.Step {
		return func(e Event, note *fieldEdit) scenario.Step {
			return scenario.Step{Do: do, Path: []string{f.name, note.what}, Value: note.value}
		}
	}
	return []Operation[Document, *crdt.Change]{
		f.operation("put", func(e *crdt.RecordEditor, c *Call, note *fieldEdit) error {
			note.what, note.value = Pick(c, "k", "l"), f.value(c)
			return e.Map(f.name).Put(note.what, note.value)
		}, step("map.set")),
		f.operation("delete", func(e *crdt.RecordEditor, c *Call, note *fieldEdit) error {
			note.what = Pick(c, "k", "l")
			return e.Map(f.name).Delete(note.what)
		}, step("map.delete")),
	}
}
