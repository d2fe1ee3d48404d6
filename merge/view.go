package merge

import (
	"math/big"
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
)

// RecordView is what a record shows under a schema: a pure function of the
// two. It shares nothing with the record, and may be kept.
type RecordView struct {
	// Exists reports whether a birth is live. Without one there are no fields.
	Exists bool
	// Births that are live, in canonical order.
	Births []clock.Dot
	// Version is what the view was made of. A write that is given it as what
	// its actor saw supersedes that, and nothing that arrived since.
	Version clock.VersionVector
	// Fields that are there, by name.
	Fields []FieldView
}

// FieldView is what one field of a record, or one key of a map, shows.
type FieldView struct {
	Name string
	Type crdt.Type
	// Declared reports whether the schema has the field.
	Declared bool
	// Absent means that nothing is here which can be read as Type: either the
	// schema's type was never written and another was, or this version does not
	// know the type. Value is then nil.
	Absent bool
	// Value is the winner's value for a register; int64 for a counter, or
	// *big.Int where it does not fit; []any in canonical order for a set;
	// map[string]any for a map; string for a text.
	Value any
	// Candidates of a register in canonical order, those that were overruled
	// among them. Empty for other types.
	Candidates []Candidate
	// Resolution says which candidate is shown, and why.
	Resolution Resolution
	// Concurrent reports whether several writes stand that did not see each
	// other. Which of them is shown was then a matter of the rule.
	Concurrent bool
	// Fields below a map, by name.
	Fields []FieldView
	// Shadowed fields have the same name and another type. They are not part
	// of any value.
	Shadowed []FieldView
}

// View shows a record under the rules of its collection; nil stands for no
// rules. Equal states give equal views under equal schemas, whatever the order
// in which changes arrived. Nothing is written back: the record and its digest
// are the same before and after.
//
// View is O(state shown); a register costs O(siblings · steps).
func View(r *crdt.Record, c *Collection) RecordView {
	if c == nil {
		c = &everything
	}
	v := RecordView{Births: r.Live(c.Delete), Version: r.Vector().Clone()}
	if v.Exists = len(v.Births) > 0; !v.Exists {
		return v
	}
	v.Fields = viewFields(slices.Collect(r.Fields(c.Delete)), c.rule)
	return v
}

// viewFields shows fields that come sorted by name, then type.
func viewFields(fields []crdt.Field, rule func(string) (FieldRule, bool)) []FieldView {
	fields = slices.DeleteFunc(fields, func(f crdt.Field) bool { return f.Type() == crdt.TypeElement })
	views := make([]FieldView, 0, len(fields))
	for len(fields) > 0 {
		n := 1
		for n < len(fields) && fields[n].Name() == fields[0].Name() {
			n++
		}
		r, declared := rule(fields[0].Name())
		views = append(views, viewName(fields[:n], r, declared))
		fields = fields[n:]
	}
	return views
}

// viewName shows what is under one name: the schema's type, else the one of
// the smallest tag, and the others beside it.
func viewName(fields []crdt.Field, r FieldRule, declared bool) FieldView {
	shown := 0
	if declared && r.Type != crdt.TypeElement {
		shown = slices.IndexFunc(fields, func(f crdt.Field) bool { return f.Type() == r.Type })
	}
	v := FieldView{Name: fields[0].Name(), Type: r.Type, Absent: true, Resolution: Resolution{-1, BySole, -1}}
	if shown >= 0 {
		v = viewField(fields[shown], r)
	}
	v.Declared = declared
	for i, f := range fields {
		if i != shown {
			v.Shadowed = append(v.Shadowed, viewField(f, FieldRule{}))
		}
	}
	return v
}

func viewField(f crdt.Field, r FieldRule) FieldView {
	v := FieldView{Name: f.Name(), Type: f.Type(), Resolution: Resolution{-1, BySole, -1}}
	switch f.Type() {
	case crdt.TypeRegister, crdt.TypeGroup:
		v.Candidates = candidates(f.Candidates())
		v.Resolution = Resolve(v.Candidates, r.Resolve)
		v.Concurrent = len(v.Candidates) > 1
		if w := v.Resolution.Winner; w >= 0 {
			v.Value = v.Candidates[w].Value
		}
	case crdt.TypeCounter:
		v.Value = exact(f.Count())
	case crdt.TypeSet, crdt.TypeRemoveSet:
		v.Value = f.Elements()
	case crdt.TypeFlag, crdt.TypeDisableFlag:
		v.Value = f.Enabled()
	case crdt.TypeList:
		v.Value = f.Values()
	case crdt.TypeLog:
		v.Candidates = candidates(f.Entries())
		v.Value = valuesOf(v.Candidates)
	case crdt.TypeStock:
		v.Value = exact(f.Level())
	case crdt.TypeBounded:
		v.Value = exact(f.Bounded().Value)
	case crdt.TypeProposal:
		v.viewProposals(f)
	case crdt.TypeMap:
		below := FieldRule{Of: r.Of, Resolve: r.Resolve}
		v.Fields = viewFields(slices.Collect(f.Kids()), func(string) (FieldRule, bool) { return below, false })
		v.Value = values(v.Fields)
	case crdt.TypeText:
		v.Value = f.Text()
	default:
		v.Absent = true
	}
	return v
}

// viewProposals shows the accepted proposal, and offers all of them.
func (v *FieldView) viewProposals(f crdt.Field) {
	var all []crdt.Candidate
	for _, p := range f.Proposals() {
		all = append(all, p.Candidate)
	}
	v.Candidates = candidates(all)
	c, ok := f.Accepted()
	if !ok {
		return
	}
	v.Value = c.Value
	v.Resolution.Winner = slices.IndexFunc(v.Candidates, func(x Candidate) bool { return x.Entry == c.ID })
}

func valuesOf(cs []Candidate) []any {
	vs := make([]any, len(cs))
	for i := range cs {
		vs[i] = cs[i].Value
	}
	return vs
}

func candidates(siblings []crdt.Candidate) []Candidate {
	cs := make([]Candidate, len(siblings))
	for i, s := range siblings {
		cs[i] = Candidate{Value: s.Value, Stamp: s.Meta.Stamp, Entry: s.ID}
		if a := s.Meta.Author; a != nil {
			cs[i].Actor, cs[i].Role, cs[i].Intent = a.Actor, a.Role, a.Intent
		}
	}
	return cs
}

// exact is the smallest form of a number.
func exact(n *big.Int) any {
	if n.IsInt64() {
		return n.Int64()
	}
	return n
}

// Field returns a field by name.
func (v RecordView) Field(name string) (*FieldView, bool) { return find(v.Fields, name) }

// Field returns what is under a key of a map.
func (v *FieldView) Field(key string) (*FieldView, bool) { return find(v.Fields, key) }

func find(fields []FieldView, name string) (*FieldView, bool) {
	for i := range fields {
		if fields[i].Name == name {
			return &fields[i], true
		}
	}
	return nil, false
}

// Values gives the shown values by name, without what is absent. A register
// that was cleared is there, with nil.
func (v RecordView) Values() map[string]any { return values(v.Fields) }

func values(fields []FieldView) map[string]any {
	m := make(map[string]any, len(fields))
	for i := range fields {
		if !fields[i].Absent {
			m[fields[i].Name] = fields[i].Value
		}
	}
	return m
}

// Winner returns the candidate that a register shows.
func (v *FieldView) Winner() (*Candidate, bool) {
	if w := v.Resolution.Winner; w >= 0 && w < len(v.Candidates) {
		return &v.Candidates[w], true
	}
	return nil, false
}
