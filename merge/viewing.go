package merge

import (
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
)

// viewing is one look at a record under rules.
type viewing struct {
	rec   *crdt.Record
	rules *CollectionRules
	now   Elsewhere
	// cut is what is looked at; nil means all that is there.
	cut *clock.VersionVector
	// plain leaves resolution out: the latest is shown, and nothing is held.
	plain bool
	holds holding

	evidence    map[clock.Dot]map[string]map[string]any
	rulings     []crdt.Ruling
	asked       bool // rulings are read
	provisional bool
}

func newViewing(r *crdt.Record, c *CollectionRules, now Elsewhere) *viewing {
	if c == nil {
		c = &noRules
	}
	v := &viewing{rec: r, rules: c, now: now}
	for d, x := range r.Evidence() {
		if v.evidence == nil {
			v.evidence = map[clock.Dot]map[string]map[string]any{}
		}
		if v.evidence[d] == nil {
			v.evidence[d] = map[string]map[string]any{}
		}
		v.evidence[d][x.Reference] = x.Fields
	}
	return v
}

func (v *viewing) policy() crdt.DeletePolicy { return v.rules.collection.Delete }

// rule is what decides about a field in this look.
func (v *viewing) rule(name string) *FieldRules {
	rules := v.rules.Field(name)
	if !v.plain {
		return rules
	}
	plain := *rules
	plain.rule.Sticky, plain.alone = false, false
	if plain.steps = undeclared.steps; rules.rule.Type != crdt.TypeRegister && rules.rule.Type != crdt.TypeGroup {
		plain.steps = nil
	}
	return &plain
}

// view shows the whole record.
func (v *viewing) view() RecordView {
	out := RecordView{Births: v.rec.Live(v.policy()), Version: v.rec.Vector().Clone()}
	if out.Exists = len(out.Births) > 0; !out.Exists {
		return out
	}
	v.hold()
	groups := byName(slices.Collect(v.rec.Fields(v.policy())))
	l := v.over(groups)
	out.Fields = make([]FieldView, len(groups))
	for i, g := range groups {
		out.Fields[i] = *l.field(g[0].Name())
	}
	out.Held = v.heldNow(l)
	out.Provisional = v.provisional
	return out
}

// whole is a lens over all fields of the record.
func (v *viewing) whole() *lens { return v.over(byName(slices.Collect(v.rec.Fields(v.policy())))) }

func (v *viewing) over(groups [][]crdt.Field) *lens {
	l := &lens{viewing: v, shown: make(map[string]*FieldView, len(groups)), hidden: v.holds.hides}
	l.fields = make(map[string][]crdt.Field, len(groups))
	for _, g := range groups {
		l.fields[g[0].Name()] = g
	}
	return l
}

// lens shows single fields of a record, each when it is asked for: a rule that
// reads other fields asks for these. There are no cycles, see [Policy.Validate].
type lens struct {
	*viewing
	// fields are those of the record, by name. Nil: they are looked up.
	fields map[string][]crdt.Field
	// hidden gives the changes that a field is read without; nil means none.
	hidden func(field string) func(clock.Dot) bool
	shown  map[string]*FieldView
	known  Facts
	left   func(clock.Dot) bool // what the field at hand is read without
	// counters are those that are counted as changes are added; nil for none.
	counters map[string]*running
}

// facts is what rules and conditions read through the lens.
func (l *lens) facts() *Facts {
	if l.known.Record == nil {
		l.known.Record = func(name string) (any, bool) {
			f := l.field(name)
			if f == nil || f.Absent {
				return nil, false
			}
			return f.Value, true
		}
	}
	return &l.known
}

// field shows what is under one name: the policy's type, else the one of the
// smallest tag, and the others beside it. It is nil where there is nothing.
func (l *lens) field(name string) *FieldView {
	if f, ok := l.shown[name]; ok {
		return f
	}
	if r := l.counters[name]; r != nil {
		f := r.view(name)
		l.shown[name] = f
		return f
	}
	fields := l.fields[name]
	if l.fields == nil {
		fields = l.lookUp(name)
	}
	var v *FieldView
	if len(fields) > 0 {
		one := l.name(fields, l.rule(name))
		v = &one
	}
	l.shown[name] = v
	return v
}

// lookUp finds the field that the policy has under a name.
func (l *lens) lookUp(name string) []crdt.Field {
	t := l.rules.Field(name).rule.Type
	if l.cut != nil {
		return []crdt.Field{l.rec.FieldAt(name, t, l.policy(), l.cut)}
	}
	return []crdt.Field{l.rec.Field(name, t, l.policy())}
}

// name shows the fields of one name, of which there is at least one.
func (l *lens) name(fields []crdt.Field, rules *FieldRules) FieldView {
	left, outer := l.without(fields[0].Name()), l.left
	l.left = left
	defer func() { l.left = outer }()
	if left != nil {
		fields = slices.Clone(fields)
		for i := range fields {
			fields[i] = fields[i].Without(left)
		}
	}
	return l.named(fields, rules, left != nil || l.fields == nil)
}

// without are the changes that a field is read without, nil for none.
func (l *lens) without(field string) func(clock.Dot) bool {
	left := l.hidden(field)
	switch cut := l.cut; {
	case cut == nil:
		return left
	case left == nil:
		return func(d clock.Dot) bool { return !cut.Contains(d) }
	default:
		return func(d clock.Dot) bool { return !cut.Contains(d) || left(d) }
	}
}

// named is name, and leaves out what lost its content by what it is read without.
func (l *lens) named(fields []crdt.Field, rules *FieldRules, emptied bool) FieldView {
	shown, want := 0, rules.rule.Type
	if rules.declared && want != crdt.TypeElement {
		shown = slices.IndexFunc(fields, func(f crdt.Field) bool { return f.Type() == want })
	}
	none := Resolution{Winner: -1, Step: -1}
	v := FieldView{Name: fields[0].Name(), Type: want, Absent: true, Resolution: none}
	switch {
	case shown < 0:
	case emptied && !fields[shown].HasContent():
		v.Type = fields[shown].Type()
		v.Resolution.Open = rules.approval() != nil
	default:
		v = l.one(fields[shown], rules)
	}
	v.Declared = rules.declared
	for i, f := range fields {
		if i != shown {
			v.Shadowed = append(v.Shadowed, l.one(f, &undeclared))
		}
	}
	return v
}

// one shows a field by a rule.
func (l *lens) one(f crdt.Field, rules *FieldRules) FieldView {
	v := FieldView{Name: f.Name(), Type: f.Type(), Resolution: Resolution{Winner: -1, Step: -1}}
	switch f.Type() {
	case crdt.TypeRegister, crdt.TypeGroup:
		l.register(&v, f, rules)
	case crdt.TypeCounter:
		v.Value = exact(f.Count())
	case crdt.TypeSet, crdt.TypeRemoveSet:
		v.Value = f.Elements()
	case crdt.TypeFlag, crdt.TypeDisableFlag:
		v.Value = f.Enabled()
	case crdt.TypeList:
		v.Value = f.Values()
	case crdt.TypeLog:
		v.Candidates = l.candidates(f, f.Entries())
		if v.Value = any(valuesOf(v.Candidates)); rules.rule.Intent.folds() {
			v.Facts = rules.rule.Intent.fold(v.Candidates)
			v.Value = valuesOfFacts(v.Facts)
		}
	case crdt.TypeStock:
		v.Value = exact(f.Level())
	case crdt.TypeBounded:
		v.Value = exact(f.Bounded().Value)
	case crdt.TypeProposal:
		l.proposals(&v, f, rules)
	case crdt.TypeMap:
		for _, g := range byName(slices.Collect(f.Kids())) {
			v.Fields = append(v.Fields, l.named(g, rules.below(), false))
		}
		v.Value = values(v.Fields)
	case crdt.TypeText:
		v.Value = f.Text()
	default:
		v.Absent = true
	}
	return v
}

// register shows a register or a group.
func (l *lens) register(v *FieldView, f crdt.Field, rules *FieldRules) {
	siblings := f.Candidates()
	v.Concurrent = len(siblings) > 1
	if v.Candidates = l.candidates(f, siblings); rules.rule.Sticky {
		v.Candidates = l.writes(f)
	}
	facts := l.facts()
	if len(v.Candidates) > 1 && rules.base {
		own := *facts
		own.Base = l.baseOf(f, v.Candidates, l.left)
		facts = &own
	}
	if rules.approval() != nil {
		for i := range v.Candidates {
			v.Candidates[i].Verdict = crdt.Approved // the others are held
		}
	}
	v.Resolution = rules.Resolve(v.Candidates, facts)
	l.provisional = l.provisional || v.Resolution.Provisional
	if w := v.Resolution.Winner; w >= 0 {
		v.Value = v.Candidates[w].Value
	}
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

// proposals shows the accepted proposal, and offers all of them.
func (l *lens) proposals(v *FieldView, f crdt.Field, rules *FieldRules) {
	ps := l.judged(f, rules)
	all := make([]crdt.Candidate, len(ps))
	for i, p := range ps {
		all[i] = p.Candidate
	}
	v.Candidates = l.candidates(f, all)
	for i, p := range ps {
		v.Candidates[i].Verdict = p.Verdict
	}
	if rules.approval() == nil {
		rules = &anyApproval
	}
	v.Resolution = rules.Resolve(v.Candidates, l.facts())
	if c, ok := v.Winner(); ok {
		v.Value = c.Value
	}
}

// candidates makes candidates of what was written to a field.
func (l *lens) candidates(f crdt.Field, written []crdt.Candidate) []Candidate {
	cs := make([]Candidate, len(written))
	for i := range written {
		cs[i] = l.candidate(&written[i])
		l.refer(f.Name(), &cs[i])
	}
	return cs
}

// candidate makes a candidate of a write.
func (v *viewing) candidate(w *crdt.Candidate) Candidate {
	c := Candidate{Value: w.Value, Stamp: w.Meta.Stamp, Entry: w.ID, Evidence: v.evidence[w.ID.Dot]}
	if v.rec.Floor() != nil {
		c.Late = v.rec.Late(w.ID.Dot)
	}
	if a := w.Meta.Author; a != nil {
		c.Actor, c.Role, c.Intent = a.Actor, a.Role, a.Intent
		c.Seniority = int64(min(a.Seniority, 1<<63-1))
	}
	return c
}

// writes are the candidates of a sticky field: all that is not settled.
func (l *lens) writes(f crdt.Field) []Candidate {
	ws := f.Writes()
	cs := make([]Candidate, len(ws))
	for i := range ws {
		cs[i] = l.candidate(&ws[i].Candidate)
		for _, d := range ws[i].SupersededBy {
			if l.sees(d) {
				cs[i].SupersededBy = append(cs[i].SupersededBy, d)
			}
		}
		l.refer(f.Name(), &cs[i])
	}
	return cs
}
