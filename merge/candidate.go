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
	// Supersedes names the candidates that the actor saw and replaced. Empty
	// for siblings, of which none replaced another.
	Supersedes []crdt.EntryID
	// Verdict is what became of it, for a field that asks for approval.
	Verdict crdt.Verdict
	// Evidence is what the change carries of the records that it refers to:
	// the values of their fields, by reference and field.
	Evidence map[string]map[string]any
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
	// Evidence is what the references with "at: now" show, by reference and
	// field.
	Evidence map[string]map[string]any
	// Base is the value of the candidates' common ancestor, nil if it is not
	// known.
	Base any
}

// Standing drops the candidates that another one supersedes. The order stays;
// the set is not modified, and is returned as it is if nothing goes.
//
// Standing is O(candidates · what each supersedes).
func Standing(set []Candidate) []Candidate {
	if !slices.ContainsFunc(set, func(c Candidate) bool { return len(c.Supersedes) > 0 }) {
		return set
	}
	gone := map[crdt.EntryID]bool{}
	for i := range set {
		for _, id := range set[i].Supersedes {
			gone[id] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(set), func(c Candidate) bool { return gone[c.Entry] })
}
