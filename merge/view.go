package merge

import (
	"math/big"
	"slices"

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
	// Held are the changes that rules withhold until somebody decides, in
	// canonical order, without those that a later write has replaced.
	Held []Hold
	// Provisional means that something was missing which the rules ask for, a
	// function or a record that they read as it is now, so that a program which
	// has it may show something else.
	Provisional bool
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
	// Facts of a log whose entries are folded by intent, in the log's order. The
	// value lists each fact once, and the candidates are all reports.
	Facts []Fact
	// Fields below a map, by name.
	Fields []FieldView
	// Shadowed fields have the same name and another type. They are not part
	// of any value.
	Shadowed []FieldView
}

// Elsewhere gives what a record of another collection shows now, for references
// with "at: now", and whether it is here. It must be pure while a view is made.
type Elsewhere func(collection, key string) (fields map[string]any, found bool)

// View shows a record under the rules of its collection; nil stands for no
// rules. Equal states give equal views under equal rules, whatever the order in
// which changes arrived. Nothing is written back: the record and its digest are
// the same before and after.
//
// View is O(state shown); a register costs O(siblings · steps), and what
// expressions cost. Where the collection has constraints each change to what they
// read is judged, until a settle mark: O(unsettled changes · what the constraint
// reads).
func View(r *crdt.Record, c *CollectionRules) RecordView { return ViewWith(r, c, nil) }

// ViewWith is [View], with what other records show now.
func ViewWith(r *crdt.Record, c *CollectionRules, now Elsewhere) RecordView {
	v := newViewing(r, c, now)
	return v.view()
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

// anyApproval is the rule of a proposal that the policy does not have.
var anyApproval = FieldRules{steps: []compiledStep{{Step: Step{Do: StepApprove}}}, alone: true}

func valuesOf(cs []Candidate) []any {
	vs := make([]any, len(cs))
	for i := range cs {
		vs[i] = cs[i].Value
	}
	return vs
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
