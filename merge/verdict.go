package merge

import (
	"errors"
	"fmt"
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
)

// What [CollectionRules.Decide] refuses a verdict for.
var (
	// ErrNotHeld means that the change waits for nobody's verdict.
	ErrNotHeld = errors.New("merge: change is not held")
	// ErrNotDecider means that the author's role may not decide on the change.
	ErrNotDecider = fmt.Errorf("%w: it may not decide on this change", ErrNotEntitled)
)

// decides reports whether a role's verdict counts. free is the answer where no
// roles are named.
func decides(roles []string, role string, free bool) bool {
	if len(roles) == 0 {
		return free
	}
	return slices.Contains(roles, role)
}

// tally is what those who may decide have made of a change: of their verdicts
// that none of them has replaced, a rejection beats an approval.
func (v *viewing) tally(on clock.Dot, roles []string, free bool) crdt.Verdict {
	if !v.asked {
		v.rulings, v.asked = v.rec.Rulings(), true
		v.rulings = slices.DeleteFunc(v.rulings, func(r crdt.Ruling) bool { return !v.sees(r.ID.Dot) })
	}
	counts := func(r *crdt.Ruling) bool {
		return r.On == on && r.Meta.Author != nil && decides(roles, r.Meta.Author.Role, free)
	}
	out := crdt.Open
	for i := range v.rulings {
		r := &v.rulings[i]
		if !counts(r) {
			continue
		}
		replaced := slices.ContainsFunc(v.rulings, func(later crdt.Ruling) bool {
			return counts(&later) && slices.Contains(later.Replaces, r.ID)
		})
		switch {
		case replaced:
		case r.Value == false:
			return crdt.Declined
		default:
			out = crdt.Approved
		}
	}
	return out
}

// judged are the proposals of a field, with what those who may decide have made
// of each.
func (v *viewing) judged(f crdt.Field, rules *FieldRules) []crdt.Proposed {
	ps := f.Proposals()
	s := rules.approval()
	if s == nil || len(s.Roles) == 0 {
		return ps
	}
	given := f.GivenVerdicts()
	for i := range ps {
		ps[i].Verdict = crdt.Open
		counts := func(g *crdt.GivenVerdict) bool {
			return g.Of == ps[i].ID && g.Meta.Author != nil && slices.Contains(s.Roles, g.Meta.Author.Role)
		}
		for j := range given {
			g := &given[j]
			if !counts(g) || slices.ContainsFunc(given, func(later crdt.GivenVerdict) bool {
				return counts(&later) && slices.Contains(later.Replaces, g.ID)
			}) {
				continue
			}
			if g.Value == false {
				ps[i].Verdict = crdt.Declined
			} else if ps[i].Verdict == crdt.Open {
				ps[i].Verdict = crdt.Approved
			}
		}
	}
	return ps
}

// approval is the step of a rule that asks for a verdict; nil if there is none.
func (r *FieldRules) approval() *Step {
	for i := range r.steps {
		if r.steps[i].Do == StepApprove {
			return &r.steps[i].Step
		}
	}
	return nil
}

// approvals lists the fields whose writes wait for a verdict, by name.
func approvals(col *Collection) (names []string) {
	for _, name := range sortedNames(col.Fields) {
		r := col.Fields[name]
		if r.Type != crdt.TypeProposal && slices.ContainsFunc(r.Resolve, func(s Step) bool { return s.Do == StepApprove }) {
			names = append(names, name)
		}
	}
	return names
}

// Decide writes a verdict on a change that is held, or on the proposals that it
// made. It takes the place of the verdicts that the editor's author saw. The change
// that carries it must be made in the role given: others see the verdict, and count
// it, by that role.
//
// The error wraps [ErrNotHeld] if nobody is asked about the change, and
// [ErrNotEntitled] if others are; nothing is changed then. Or it is the editor's.
func (c *CollectionRules) Decide(e *crdt.RecordEditor, r *crdt.Record, on clock.Dot, approve bool, role string) error {
	v := newViewing(r, c, nil)
	v.hold()
	asked, err := v.decisionsOn(on), error(nil)
	if len(asked) == 0 {
		return fmt.Errorf("%w: %v", ErrNotHeld, on)
	}
	entitled := false
	for _, a := range asked {
		if !decides(a.roles, role, a.free) {
			continue
		}
		entitled = true
		if a.entry == nil {
			err = errors.Join(err, e.Verdict(on, approve))
			break
		}
		err = errors.Join(err, e.Proposal(a.field).Decide(*a.entry, approve))
	}
	if !entitled {
		return fmt.Errorf("%w: %q may not, %s may", ErrNotDecider, role, list(asked[0].roles))
	}
	return err
}

// decision is a question about a change that somebody may answer.
type decision struct {
	field string
	roles []string
	free  bool          // anyone may
	entry *crdt.EntryID // of a proposal; nil for a change
}

// decisionsOn lists the questions about a change: proposals first.
func (v *viewing) decisionsOn(on clock.Dot) (asked []decision) {
	for _, f := range v.rec.Written(v.policy()) {
		rules := v.rules.Field(f.Name())
		if f.Type() != crdt.TypeProposal {
			continue
		}
		for _, p := range f.Proposals() {
			if p.ID.Dot == on {
				d := decision{field: f.Name(), free: true, entry: &p.ID}
				if s := rules.approval(); s != nil {
					d.roles = s.Roles
				}
				asked = append(asked, d)
			}
		}
	}
	for _, name := range v.rules.approvals {
		if v.holds.open[name][on] {
			asked = append(asked, decision{name, v.rules.Field(name).approval().Roles, true, nil})
		}
	}
	for i, k := range v.rules.collection.Constraints {
		if slices.Contains(v.holds.why[on], i) || v.holds.moves[on] != nil && v.asks(i, v.holds.moves[on]) && v.tally(on, k.Approve, false) != crdt.Open {
			asked = append(asked, decision{roles: k.Approve})
		}
	}
	return asked
}
