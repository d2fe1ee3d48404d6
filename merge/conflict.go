package merge

import (
	"time"

	"github.com/concord-crdt/concord/clock"
)

// ConflictKind says what kind of conflict detection found. They are kept apart:
// a technical one is about who wrote what at the same time, a business one about
// what must not be.
type ConflictKind uint8

// The kinds.
const (
	// Technical: the same data was written by authors who did not see each other.
	Technical ConflictKind = iota
	// Business: a rule about the record is broken, or reports of one event
	// contradict each other, whether or not anything was concurrent.
	Business
)

// String is the word for people.
func (k ConflictKind) String() string {
	if k == Business {
		return "business"
	}
	return "technical"
}

// Notice is how soon somebody is to hear of a conflict: its severity.
type Notice uint8

// The severities, from the least.
const (
	NoticeNone      Notice = iota // no conflict
	NoticeAuto                    // the rules decide, and it is counted
	NoticeDeferred                // it goes to the queue
	NoticeImmediate               // it is reported at once
)

var noticeNames = [...]string{NoticeNone: "none", NoticeAuto: "auto", NoticeDeferred: "deferred", NoticeImmediate: "immediate"}

// String is the word in a policy and in reports.
func (n Notice) String() string { return nameOf("notice", noticeNames[:], int(n)) }

// Dimension is a set of what detection measures.
type Dimension uint8

// The dimensions.
const (
	DimensionTime    Dimension = 1 << iota // how far apart the writes are
	DimensionPattern                       // which fields they alter, and how much of them
	DimensionRoles                         // who wrote them
	DimensionContext                       // what the policy's conditions say
)

// String is the word for people, of one dimension.
func (d Dimension) String() string {
	switch d {
	case DimensionTime:
		return "time"
	case DimensionPattern:
		return "pattern"
	case DimensionRoles:
		return "roles"
	case DimensionContext:
		return "context"
	}
	return "none"
}

// Measured is what one dimension says of a conflict.
type Measured struct {
	Dimension Dimension
	// Fired means that it makes the conflict graver: the writes are nearer than
	// the policy's distance; an alteration reaches the share from which a person is
	// asked; several roles wrote; a condition holds.
	Fired bool
	// Distance in time of the two nearest writes, for time.
	Distance time.Duration
	// Changed are the fields that differ, with the members of groups, and Shares the
	// part of the common ancestor's content that each candidate alters, in parts per
	// million: for pattern.
	Changed []string
	Shares  []uint64
	// Roles that wrote, in canonical order, for roles.
	Roles []string
	// Conditions of the policy that hold, immediate and deferred, for context.
	Conditions []string
}

// FieldDiff is what candidates say of one field, or of one member of a group.
type FieldDiff struct {
	Field  string
	Base   any
	Values []any // one for each candidate
}

// Conflict is one that detection reports and that is open: nobody has yet written
// who saw all of its sides.
type Conflict struct {
	// Field is its name, with the keys of maps below it, separated by slashes.
	Field    string
	Kind     ConflictKind
	Severity Notice
	// Candidates are its sides, in canonical order, with author, role, time and
	// intent.
	Candidates []Candidate
	// Shown is the index of the candidate that the view shows meanwhile, -1 if it
	// shows none of them.
	Shown int
	// Base is the value of the common ancestor, nil if there is none.
	Base any
	// Rule that fired: the step that decides, or the name of the constraint.
	Rule       string
	Dimensions []Measured
	Diff       []FieldDiff
}

// ReviewRequest asks a person to look at a field.
type ReviewRequest struct {
	Field string
	// Change is the one that alters much; zero where the rule's step review asks.
	Change clock.Dot
	// Share is how much of the common ancestor's content the change, with all that
	// it saw, alters: in parts per million, rounded down.
	Share uint64
}
