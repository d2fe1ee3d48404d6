package merge

import (
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
)

// Candidate is one of the values that a field may show: a sibling, or an
// unsettled write of a versioned field, with what a step may read of the change
// that wrote it.
type Candidate struct {
	Value any
	Actor string
	Role  string
	// Seniority is that of the author's credential, zero without one.
	Seniority int64
	Intent    crdt.Intent
	Stamp     clock.Stamp // effective
	Entry     crdt.EntryID
	// SupersededBy names the changes whose actors saw the write and replaced
	// it. Empty for siblings, which nobody replaced.
	SupersededBy []clock.Dot
	// Verdict is what became of it, for a field that asks for approval.
	Verdict crdt.Verdict
	// Evidence is what the change carries of the records that it refers to:
	// the values of their fields, by reference and field.
	Evidence map[string]map[string]any
	// Late means that the change came after a settle mark without having seen it.
	Late bool
}

// Compare orders candidates canonically: by entry.
func (c *Candidate) Compare(o *Candidate) int { return c.Entry.Compare(o.Entry) }

// Facts is what a rule may read beside the candidates. Like these it is state,
// so a rule answers the same on every replica. The zero value is a record of
// which nothing else is known.
type Facts struct {
	// Record gives what another field of the record shows, and whether it is
	// there. It is called once for each time that a rule reads a field.
	Record func(field string) (value any, present bool)
	// Evidence is what references show, by reference and field, where there is no
	// single candidate, as in constraints. Where there is one it is asked first for
	// references with "at: now"; what the candidate carries comes second.
	Evidence map[string]map[string]any
	// Base is the value of the candidates' common ancestor, nil if it is not
	// known.
	Base any
	// Candidates are those that are left, in canonical order. Resolve sets them
	// for functions; they must not be modified.
	Candidates []Candidate
}

// supersededWithin reports whether a candidate was replaced by one of others,
// indexes into the set, be it by way of some that are not among these.
func supersededWithin(set []Candidate, at int, others []int) bool {
	seen := map[clock.Dot]bool{}
	todo := slices.Clone(set[at].SupersededBy)
	for len(todo) > 0 {
		by := todo[0]
		todo = todo[1:]
		if seen[by] {
			continue
		}
		seen[by] = true
		for i := range set {
			if i == at || set[i].Entry.Dot != by {
				continue
			}
			if slices.Contains(others, i) {
				return true
			}
			todo = append(todo, set[i].SupersededBy...)
		}
	}
	return false
}
