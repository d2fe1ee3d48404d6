package scenario

import "time"

// Expect is what must hold. Nil lists ask for nothing; empty ones ask that
// there be nothing.
type Expect struct {
	On         []string // the replicas that are looked at; nil: all
	Converged  bool     // equal digests, and equal values of all that is read
	Values     Values
	AnyOf      []Values // each replica matches one of them
	Predicates []Predicate
	Shape      []string       // keys that must be readable, whatever the value
	Count      map[string]int // keys of an object, or visible records of a collection
	Anchors    map[string]int // resolved positions

	// Names of records, record.field, or labels. Each list is complete.
	Unresolved []string
	Held       []string // and nothing supersedes it
	Review     []string
	Waiting    []string
	Rejected   []string

	Conflicts   []WantConflict // complete
	Witnesses   []WantWitness  // complete: one per fact of a log, in its order
	Provisional []string       // replicas whose view says so; complete

	Visible   []string // records; some of them
	Hidden    []string
	Overruled []WantOverruled
	Explain   []WantExplain

	DigestEqualWithoutPolicy bool
}

// Predicate is a condition on one value.
type Predicate struct {
	Read  string
	Kind  string
	Value any
	N     int // of count
}

// The kinds of predicates.
const (
	Contains    = "contains"    // a part of a text, an element, or a key of a map
	CountOf     = "count"       // Value occurs N times
	Order       = "order"       // the values of a list occur as non-overlapping matches, left to right
	Permutation = "permutation" // exactly these parts, in any order
	WellFormed  = "well_formed" // every text in it is valid UTF-8
	SameOnAll   = "same_on_all" // equal on all replicas looked at
	Equals      = "equals"      // equal to Value
)

// WantConflict matches a conflict in the fields that are set.
type WantConflict struct {
	Record   string
	Field    string
	Kind     string // technical or business
	Severity string // none, auto, deferred or immediate
	// Candidates is a number of candidates, or the list of their values.
	Candidates any
}

// WantWitness is one fact of a log and how often it was reported.
type WantWitness struct {
	Record string
	Field  string
	Count  int
}

// WantOverruled matches a write that is not shown and still readable, in the
// fields that are set.
type WantOverruled struct {
	Record string
	Field  string
	Value  any
	Label  string // of the step that wrote it
	Role   string
	Actor  string
	At     time.Time
}

// WantExplain names the resolution step that left one candidate.
type WantExplain struct {
	Record string
	Field  string
	Step   string
}
