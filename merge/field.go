package merge

import (
	"strings"
	"time"

	"github.com/concord-crdt/concord/crdt"
)

// FieldRule says what a field is and who decides about it.
type FieldRule struct {
	// Type of the field. What was written under the same name as another type is
	// kept, and reported beside it.
	Type crdt.Type
	// Of is the kind of the values of a register, of the elements of a set or
	// list, of what a proposal proposes, or of the registers below a map. The zero
	// value takes every kind.
	Of Kind
	// Members are the fields of a group, with their kinds.
	Members map[string]Kind
	// Below is the type of what is under the keys of a map, where these are not
	// registers; zero otherwise.
	Below crdt.Type
	// Min and Max are the bounds of a bounded counter. Nil where there is none.
	Min, Max *int64
	// Consistency is what the field promises.
	Consistency Consistency
	// Write lists the roles that may write the field. Empty means everyone.
	Write []string
	// Recount lists the roles that may recount a stock. Empty means those that
	// may write it.
	Recount []string
	// Resolve decides between the siblings of a register or a group, or of the
	// registers at any depth below a map. Steps take their turn in order until one
	// candidate is left. Empty means [Latest] for these, and [Merge] for types
	// that join by themselves.
	Resolve []Step
	// Sticky lets the steps bind later writers too: all writes are candidates
	// until they are settled, also those that another superseded.
	Sticky bool
	// Quantity says whether the field counts something.
	Quantity Quantity
	// Review is the share of the content, in parts per million of the common
	// ancestor's, from which on a person is asked to look. Zero: never.
	Review uint32
	// Intent says which entries of a log report one fact.
	Intent Intent
}

// Intent says which entries of a log report one fact. The zero value folds
// nothing.
type Intent struct {
	// Key names the entry's fields that make two reports one fact.
	Key []string
	// Window is how long after the first a report is a further witness of it.
	Window time.Duration
	// Conflict names the entry's fields that, equal in two facts of one window,
	// make these a conflict.
	Conflict []string
}

// IsZero reports whether nothing is folded.
func (i Intent) IsZero() bool { return len(i.Key) == 0 && i.Window == 0 && len(i.Conflict) == 0 }

// level is the consistency that the field promises.
func (r *FieldRule) level() Consistency {
	if r.Consistency == ConsistencyUnsaid {
		return Causal
	}
	return r.Consistency
}

// resolves reports whether fields of the type have siblings that a rule may
// decide between.
func (r *FieldRule) resolves() bool {
	switch r.Type {
	case crdt.TypeRegister, crdt.TypeGroup, crdt.TypeProposal:
		return true
	case crdt.TypeMap:
		return r.Below == 0 || r.Below == crdt.TypeRegister
	}
	return false
}

// Steps are the steps that the rule means: those of Resolve, or the default of
// the type. They must not be modified.
func (r *FieldRule) Steps() []Step {
	switch {
	case len(r.Resolve) > 0:
		return r.Resolve
	case r.Type == crdt.TypeProposal:
		return proposalSteps
	case r.Type == crdt.TypeElement || r.resolves():
		return latestSteps
	}
	return mergeSteps
}

var (
	latestSteps = []Step{Latest}
	mergeSteps  = []Step{Merge}
	// Who may approve a proposal is free where no rule says it.
	proposalSteps = []Step{{Do: StepApprove}}
)

// quantityWords are names of what is counted. A field of such a name whose
// writes overwrite each other is wrong sooner or later.
var quantityWords = map[string]bool{
	"stock": true, "level": true, "balance": true, "quantity": true, "qty": true, "inventory": true,
	"onhand": true, "on_hand": true, "in_stock": true, "count": true, "total": true,
}

// looksLikeQuantity judges by the name: the whole of it, or its last word.
func looksLikeQuantity(name string) bool {
	name = strings.ToLower(strings.ReplaceAll(name, "-", "_"))
	return quantityWords[name] || quantityWords[name[strings.LastIndexByte(name, '_')+1:]]
}
