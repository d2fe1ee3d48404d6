package merge

import (
	"fmt"
	"slices"
	"strings"

	"github.com/concord-crdt/concord/crdt"
)

// FieldExplanation is why a field shows what it shows.
type FieldExplanation struct {
	Explanation
	// Shown is the field as the view has it.
	Shown FieldView
	// Candidates that the steps were asked about, in canonical order.
	Candidates []Candidate
	// Held are the changes to the field that are withheld.
	Held []Hold
	// Deciding is what left one candidate, in a word: the kind of the step, as a
	// policy writes it; "verdict" or "held" where the others were turned down or are
	// withheld; "entry" where nothing but the name told two apart; "unresolved"
	// where none is left; "sole" where there never was another.
	Deciding string
}

// ExplainField says why a field shows what it shows. path is the field's name and
// the keys of maps below it. It costs what [Inspect] does.
//
// The error wraps [ErrNoChoice] if nothing was written there.
func ExplainField(r *crdt.Record, c *CollectionRules, path []string, now Elsewhere) (FieldExplanation, error) {
	v := newViewing(r, c, now)
	shown := v.view()
	name := strings.Join(path, "/")
	var f *FieldView
	for i, key := range path {
		fields := shown.Fields
		if i > 0 {
			fields = f.Fields
		}
		var ok bool
		if f, ok = find(fields, key); !ok {
			return FieldExplanation{}, fmt.Errorf("%w: nothing was written to %q", ErrNoChoice, name)
		}
	}
	if f == nil {
		return FieldExplanation{}, fmt.Errorf("%w: no field is named", ErrNoChoice)
	}
	out := FieldExplanation{Shown: *f, Candidates: f.Candidates}
	for _, h := range shown.Held {
		if slices.ContainsFunc(h.Writes, func(w Write) bool { return w.Field == name }) {
			out.Held = append(out.Held, h)
		}
	}
	rules := v.rules.Field(path[0])
	if len(path) > 1 {
		rules = rules.below()
	}
	switch f.Type {
	case crdt.TypeRegister, crdt.TypeGroup, crdt.TypeProposal:
		l := v.whole()
		out.Explanation = rules.Explain(f.Candidates, l.facts())
		out.Resolution = f.Resolution
	default:
		out.Explanation = Explanation{Resolution: f.Resolution}
	}
	out.Deciding = out.deciding(v, path[0], rules)
	return out, nil
}

func (x *FieldExplanation) deciding(v *viewing, field string, rules *FieldRules) string {
	r := x.Resolution
	switch {
	case r.Unresolved:
		return "unresolved"
	case r.By == ByEntry:
		return "entry"
	case r.By == ByStep && r.Step >= 0 && r.Step < len(rules.steps):
		return rules.steps[r.Step].Do.String()
	case len(x.Held) > 0:
		return "held"
	}
	for _, c := range v.written(field) {
		if d := c.ID.Dot; v.holds.turned[d] || v.holds.voted[field][d] {
			return "verdict"
		}
	}
	return "sole"
}
