package merge

import (
	"math"
	"math/big"
	"slices"
	"strings"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
)

// RecordView is what a record shows under the rules of its collection: a pure function of the
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
	// Declared reports whether the policy has the field.
	Declared bool
	// Absent means that nothing is here which can be read as Type: either the
	// policy's type was never written and another was, or this version does not
	// know the type. Value is then nil.
	Absent bool
	// Value is the winner's value for a register; int64 for a counter, or
	// *big.Int where it does not fit; []any in canonical order for a set;
	// map[string]any for a map; string for a text.
	Value any
	// Candidates of a register in canonical order, those that were overruled
	// among them, and for a sticky field those that were superseded. Empty for
	// other types.
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
// rules. Equal states give equal views under equal rules, whatever the order in
// which changes arrived. Nothing is written back: the record and its digest are
// the same before and after.
//
// View is O(state shown); a register costs O(siblings · steps), and what
// expressions cost.
func View(r *crdt.Record, c *CollectionRules) RecordView {
	policy := c.Collection().Delete
	v := RecordView{Births: r.Live(policy), Version: r.Vector().Clone()}
	if v.Exists = len(v.Births) > 0; !v.Exists {
		return v
	}
	groups := byName(slices.Collect(r.Fields(policy)))
	v.Fields = make([]FieldView, len(groups))
	done := make([]bool, len(groups))
	facts := Facts{Record: func(name string) (any, bool) {
		i, ok := slices.BinarySearchFunc(groups, name, func(g []crdt.Field, name string) int { return strings.Compare(g[0].Name(), name) })
		if !ok || !done[i] || v.Fields[i].Absent {
			return nil, false
		}
		return v.Fields[i].Value, true
	}}
	// A rule reads fields of lower levels only.
	for level := range c.depth() + 1 {
		for i, g := range groups {
			if rules := c.Field(g[0].Name()); rules.level == level {
				v.Fields[i], done[i] = viewName(g, rules, &facts), true
			}
		}
	}
	return v
}

// depth is the highest level of a field.
func (c *CollectionRules) depth() int {
	if c == nil {
		return 0
	}
	return c.levels
}

// byName puts the fields of one name together. They come sorted by name, then
// type, and stay so.
func byName(fields []crdt.Field) (groups [][]crdt.Field) {
	fields = slices.DeleteFunc(fields, func(f crdt.Field) bool { return f.Type() == crdt.TypeElement })
	for len(fields) > 0 {
		n := 1
		for n < len(fields) && fields[n].Name() == fields[0].Name() {
			n++
		}
		groups = append(groups, fields[:n])
		fields = fields[n:]
	}
	return groups
}

// viewName shows what is under one name: the policy's type, else the one of
// the smallest tag, and the others beside it.
func viewName(fields []crdt.Field, rules *FieldRules, facts *Facts) FieldView {
	shown, want := 0, rules.rule.Type
	if rules.declared && want != crdt.TypeElement {
		shown = slices.IndexFunc(fields, func(f crdt.Field) bool { return f.Type() == want })
	}
	v := FieldView{Name: fields[0].Name(), Type: want, Absent: true, Resolution: Resolution{Winner: -1, Step: -1}}
	if shown >= 0 {
		v = viewField(fields[shown], rules, facts)
	}
	v.Declared = rules.declared
	for i, f := range fields {
		if i != shown {
			v.Shadowed = append(v.Shadowed, viewField(f, &undeclared, facts))
		}
	}
	return v
}

func viewField(f crdt.Field, rules *FieldRules, facts *Facts) FieldView {
	v := FieldView{Name: f.Name(), Type: f.Type(), Resolution: Resolution{Winner: -1, Step: -1}}
	switch f.Type() {
	case crdt.TypeRegister, crdt.TypeGroup:
		siblings := f.Candidates()
		v.Concurrent = len(siblings) > 1
		if v.Candidates = candidates(siblings); rules.rule.Sticky {
			v.Candidates = writes(f.Writes())
		}
		v.Resolution = rules.Resolve(v.Candidates, facts)
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
		v.viewProposals(f, rules, facts)
	case crdt.TypeMap:
		for _, g := range byName(slices.Collect(f.Kids())) {
			v.Fields = append(v.Fields, viewName(g, rules.below(), facts))
		}
		v.Value = values(v.Fields)
	case crdt.TypeText:
		v.Value = f.Text()
	default:
		v.Absent = true
	}
	return v
}

// below is the rule of what stands under the keys of a map: the map's steps,
// and no type.
func (r *FieldRules) below() *FieldRules {
	if !r.declared {
		return r
	}
	below := *r
	below.declared = false
	return &below
}

// viewProposals shows the accepted proposal, and offers all of them.
func (v *FieldView) viewProposals(f crdt.Field, rules *FieldRules, facts *Facts) {
	proposals := f.Proposals()
	all := make([]crdt.Candidate, len(proposals))
	for i, p := range proposals {
		all[i] = p.Candidate
	}
	v.Candidates = candidates(all)
	for i, p := range proposals {
		v.Candidates[i].Verdict = p.Verdict
	}
	if !rules.alone {
		rules = &anyApproval
	}
	v.Resolution = rules.Resolve(v.Candidates, facts)
	if c, ok := v.Winner(); ok {
		v.Value = c.Value
	}
}

// anyApproval is the rule of a proposal that the policy does not have.
var anyApproval = FieldRules{steps: []compiledStep{{Step: Step{Do: StepApprove}}}, alone: true}

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
			cs[i].Seniority = int64(min(a.Seniority, math.MaxInt64))
		}
	}
	return cs
}

// writes are the candidates of a sticky field: all that is not settled.
func writes(ws []crdt.Write) []Candidate {
	all := make([]crdt.Candidate, len(ws))
	for i := range ws {
		all[i] = ws[i].Candidate
	}
	cs := candidates(all)
	for i := range ws {
		cs[i].SupersededBy = slices.Clone(ws[i].SupersededBy)
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

// Facts are what rules may read of the record: what its fields show. With them
// [FieldRules.Explain] says of a view's candidates what [View] decided, and
// [CollectionRules.Constraint] whether a condition holds. Evidence of other
// records is for the caller to add.
func (v RecordView) Facts() *Facts {
	return &Facts{Record: func(name string) (any, bool) {
		f, ok := v.Field(name)
		if !ok || f.Absent {
			return nil, false
		}
		return f.Value, true
	}}
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
