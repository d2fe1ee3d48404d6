package merge

import (
	"slices"
	"strings"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt"
)

// Candidate is one of the values that a register may show: a sibling, with
// what a step may read of the change that wrote it.
type Candidate struct {
	Value  any
	Actor  string
	Role   string
	Intent crdt.Intent
	Stamp  clock.Stamp // effective
	Entry  crdt.EntryID
}

// Compare orders candidates canonically: by entry.
func (c *Candidate) Compare(o *Candidate) int { return c.Entry.Compare(o.Entry) }

// Step is one rule of an overlay. It gives each candidate a key, and those with
// the greatest go on to the next step. It compares nothing itself.
//
// The steps are those of this package: [Latest], [Earliest], [Authority].
type Step interface {
	// Key is the candidate's key. set holds all candidates of the register that
	// are left, in canonical order; it must not be modified.
	Key(c *Candidate, set []Candidate) Key
	// String writes the step as people would.
	String() string

	// final reports whether nothing may come after the step but the entry.
	final() bool
	// faults lists what is wrong with the step under the roles of a schema.
	faults(roles []string) []fault
	// write appends the canonical form.
	write(w *codec.Writer)
}

// The tags of steps in the canonical form: never renumbered.
const (
	tagLatest    = 1
	tagEarliest  = 2
	tagAuthority = 3
)

type stampStep uint8

const (
	// Latest prefers the greatest effective stamp: last write wins. Of equal
	// stamps the greater entry wins, so this step always decides.
	Latest stampStep = tagLatest
	// Earliest prefers the least effective stamp: first write wins. Of equal
	// stamps the greater entry wins, so this step always decides.
	Earliest stampStep = tagEarliest
)

func (s stampStep) Key(c *Candidate, _ []Candidate) Key {
	if s == Earliest {
		return KeyOf(Earlier(c.Stamp))
	}
	return KeyOf(Later(c.Stamp))
}

func (s stampStep) String() string {
	if s == Earliest {
		return "earliest"
	}
	return "latest"
}

func (s stampStep) final() bool             { return true }
func (s stampStep) faults([]string) []fault { return nil }
func (s stampStep) write(w *codec.Writer)   { w.Byte(byte(s)) }

type authority struct{ roles []string }

// Authority prefers the candidates whose role comes first in the list. Roles
// that are not listed come last. Candidates of one role go on.
//
// It decides between writes that did not see each other: whoever corrects a
// value that they saw replaces it, whatever the roles.
func Authority(roles ...string) Step { return &authority{slices.Clone(roles)} }

func (a *authority) Key(c *Candidate, _ []Candidate) Key {
	i := slices.Index(a.roles, c.Role)
	if i < 0 {
		i = len(a.roles)
	}
	return KeyOf(Int(-int64(i)))
}

func (a *authority) String() string { return "authority: " + strings.Join(a.roles, ", ") }

func (a *authority) final() bool { return false }

func (a *authority) faults(roles []string) []fault {
	if len(a.roles) == 0 {
		return []fault{{"authority names no roles", "list them, highest first"}}
	}
	return roleFaults("authority", a.roles, roles)
}

func (a *authority) write(w *codec.Writer) {
	w.Byte(tagAuthority)
	writeNames(w, a.roles)
}
