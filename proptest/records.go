package proptest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/merge"
	"github.com/concord-crdt/concord/proptest/scenario"
)

// Records describes the records of a collection: one operation for each thing
// that can be done to one of its fields, by each role that may do it, and
// changes that travel one by one or as whole records, encoded. Views are those
// of the policy, and one of its invariants holds the fields of most types against
// their specifications.
//
// Callers add what must hold of their documents to its Invariants, and
// operations of their own to its Operations.
//
// functions are those that the policy's rules name. The error is the policy's,
// or says that no field is declared.
func Records(p *merge.Policy, functions merge.Functions, collection string) (Type[Document, *crdt.Change], error) {
	var t Type[Document, *crdt.Change]
	compiled, findings := p.Compile(functions)
	if err := findings.Err(); err != nil {
		return t, fmt.Errorf("proptest: %w", err)
	}
	rules, err := compiled.Collection(collection)
	if err != nil {
		return t, fmt.Errorf("proptest: %w", err)
	}
	t = Type[Document, *crdt.Change]{
		Name:      collection,
		New:       func(r *Replica) Document { return Document{&document{replica: r, rules: rules}} },
		Join:      func(d *Document, o Document) error { return d.join(o) },
		JoinDelta: func(d *Document, c *crdt.Change) error { return d.take(c) },
		Waits:     true,
		Equal: func(a, b Document) bool {
			return a.record.Digest() == b.record.Digest() &&
				slices.EqualFunc(a.waiting, b.waiting, func(x, y *crdt.Change) bool { return x.Dot == y.Dot })
		},
		View:        func(d Document) any { return d.View().Values() },
		Encode:      func(d Document) []byte { return d.encode() },
		Decode:      func(r *Replica, b []byte) (Document, error) { return decodeDocument(rules, r, b) },
		EncodeDelta: func(c *crdt.Change) []byte { return c.Encode() },
		DecodeDelta: crdt.DecodeChange,
		Invariants: []Invariant[Document]{{
			Name:   "fields as specified",
			Holds:  func(d Document, seen []Event) error { return specifyFields(rules, d, seen) },
			Expect: func(all []Event) scenario.Expect { return expectFields(rules, all) },
		}},
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
		return t, fmt.Errorf("proptest: collection %q declares no field", collection)
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
	what   string
	value  any
	before *crdt.Record // as the author saw it; read while the edit is made, and no longer
	own    int          // elements that the replica put into sequences before, at most
	change *crdt.Change
	// Of sequences: what was put in, what was taken out, and all as it was left.
	inserted, deleted, left []any
}

// edit is what an operation does to its field.
type edit func(e *crdt.RecordEditor, c *Call, note *fieldEdit) error

// operation makes an operation of the field. edit does it, and fills in the note.
func (f *field) operation(what string, edit edit, step func(e Event, note *fieldEdit) scenario.Step) Operation[Document, *crdt.Change] {
	op := Operation[Document, *crdt.Change]{Name: f.name + "." + what}
	op.Do = func(d *Document, c *Call) (*crdt.Change, error) {
		author := crdt.Author{Actor: c.Name}
		if len(f.roles) > 0 {
			author.Role = Pick(c, f.roles...)
		}
		note := &fieldEdit{field: f.name, what: what, before: d.Record(), own: d.own()}
		var failed error
		change, err := d.Edit(author, nil, func(e *crdt.RecordEditor) { failed = edit(e, c, note) })
		note.change, note.before = change, nil
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
