package merge

import (
	"cmp"
	"slices"
	"strings"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
)

// Write is one thing that a change wrote to a record.
type Write struct {
	// Field is its name, with the keys of maps below it, separated by slashes.
	Field string
	Candidate
}

// Hold is a change that rules withhold from the view until somebody decides: one
// that breaks a constraint, whole; or writes and proposals that wait for an
// approval.
type Hold struct {
	Change clock.Dot
	// Writes are those that are withheld, by field. The value is what was written;
	// of a counter or stock, by how much.
	Writes []Write
	// Constraints names what the change breaks. Empty for one that waits for an
	// approval.
	Constraints []string
	// Approve lists the roles that may decide, in the order of the policy. Empty
	// means everyone for what waits for an approval, and nobody else.
	Approve []string
	// Late means that the change came after a settle mark without having seen it.
	Late bool
}

// heldNow lists the holds in force: what nothing supersedes.
func (v *viewing) heldNow(l *lens) []Hold {
	var holds []Hold
	at := func(d clock.Dot) *Hold {
		for i := range holds {
			if holds[i].Change == d {
				return &holds[i]
			}
		}
		holds = append(holds, Hold{Change: d, Late: v.rec.Floor() != nil && v.rec.Late(d)})
		return &holds[len(holds)-1]
	}
	if len(v.holds.left) > 0 {
		v.heldByConstraints(at)
	}
	for _, name := range v.rules.approvals {
		for _, c := range v.written(name) {
			if d := c.ID.Dot; v.holds.apart[name][d] && !v.holds.voted[name][d] && !v.holds.left[d] && !c.Removes && !v.replaced(&c) {
				h := at(d)
				h.add(v.write(name, &c))
				h.may(v.rules.Field(name).approval().Roles)
			}
		}
	}
	for _, name := range sortedNames(l.fields) {
		for _, f := range l.fields[name] {
			if f.Type() != crdt.TypeProposal {
				continue
			}
			s := v.rules.Field(f.Name()).approval()
			for _, p := range v.judged(f, v.rules.Field(f.Name())) {
				if p.Verdict == crdt.Open && !v.holds.left[p.ID.Dot] {
					h := at(p.ID.Dot)
					h.add(Write{f.Name(), v.candidate(&p.Candidate)})
					if s != nil {
						h.may(s.Roles)
					}
				}
			}
		}
	}
	for i := range holds {
		slices.SortFunc(holds[i].Writes, func(a, b Write) int {
			return cmp.Or(strings.Compare(a.Field, b.Field), a.Compare(&b.Candidate))
		})
	}
	slices.SortFunc(holds, func(a, b Hold) int {
		return cmp.Or(cmp.Compare(a.Writes[0].Stamp, b.Writes[0].Stamp), a.Change.Compare(b.Change))
	})
	return holds
}

// heldByConstraints lists the changes that constraints hold, with all that they
// wrote.
func (v *viewing) heldByConstraints(at func(clock.Dot) *Hold) {
	stands := map[clock.Dot]bool{}
	for d, m := range v.holds.moves {
		stands[d] = slices.ContainsFunc(m.fields, func(f string) bool {
			return slices.ContainsFunc(v.written(f), func(c crdt.Contribution) bool { return c.ID.Dot == d && !v.replaced(&c) })
		})
	}
	for _, f := range v.rec.Written(v.policy()) {
		for _, c := range f.Contributions() {
			d := c.ID.Dot
			if !v.holds.left[d] || v.holds.turned[d] || !stands[d] || !c.Live {
				continue
			}
			h := at(d)
			h.add(v.write(f.Name(), &c))
			for _, i := range v.holds.why[d] {
				k := &v.rules.collection.Constraints[i]
				if !slices.Contains(h.Constraints, k.Name) {
					h.Constraints = append(h.Constraints, k.Name)
					h.may(k.Approve)
				}
			}
		}
	}
}

// replaced reports whether somebody who saw a write took its place, be it by one
// that is held too.
func (v *viewing) replaced(c *crdt.Contribution) bool {
	return slices.ContainsFunc(c.SupersededBy, v.sees)
}

func (h *Hold) add(w Write) { h.Writes = append(h.Writes, w) }

// may adds roles that may decide.
func (h *Hold) may(roles []string) {
	for _, r := range roles {
		if !slices.Contains(h.Approve, r) {
			h.Approve = append(h.Approve, r)
		}
	}
}

// write is a contribution to a field as people read it.
func (v *viewing) write(field string, c *crdt.Contribution) Write {
	w := Write{strings.Join(append([]string{field}, c.Path...), "/"), v.candidate(&c.Candidate)}
	w.SupersededBy = c.SupersededBy
	return w
}
