package proptest

import (
	"errors"
	"fmt"

	"github.com/concord-crdt/concord/proptest/scenario"
)

// Type describes a data type to the laws: a state S, and deltas D of it. The
// parts that a type does not have are nil, and the laws about them are left out.
//
// What writes gets a *S, what reads an S, so that S may be a value, a map or a
// pointer. Functions must follow from their arguments alone: a history is played
// many times over, and a copy of a state is made by playing its history again.
//
// A type without deltas gives Join alone, with S for D. A type without a join of
// whole states gives JoinDelta alone.
type Type[S, D any] struct {
	Name string

	// New makes the empty state of a replica. Required.
	New func(r *Replica) S
	// Operations are what users do. At least one.
	Operations []Operation[S, D]

	// Join takes over the whole state of another replica.
	Join func(s *S, o S) error
	// JoinDelta takes a delta, in any order and any number of times.
	JoinDelta func(s *S, d D) error
	// Causal asks that a delta comes after all that its author had then. Without
	// it deltas come in any order, and the type must not mind.
	Causal bool
	// Waits says that a state keeps what lacks something that its author had, and
	// shows it when that is there. Without it a delta shows as soon as it is taken.
	Waits bool

	// Equal compares states, apart from whose they are. nil compares encodings,
	// or views if there are none.
	Equal func(a, b S) bool
	// View is what a state shows. Views are compared, and printed, by what can be
	// read of them: pointers are followed, maps are sorted.
	View func(s S) any

	// Encode gives the bytes of a state, apart from whose it is, and Decode the
	// state of a replica from them: what it knows of itself, such as how many
	// changes it made, must follow from the two.
	Encode func(s S) []byte
	Decode func(r *Replica, b []byte) (S, error)
	// EncodeDelta and DecodeDelta are the same for deltas. With both, deltas go
	// through their encoding on every way.
	EncodeDelta func(d D) []byte
	DecodeDelta func(b []byte) (D, error)

	// Compact makes the state smaller. It must not show.
	Compact func(s *S)

	// Specification gives what must be shown once the events have been seen: all
	// of them applied in one place, by whatever means are simplest. Events come
	// in an order in which none stands before one that it saw; see [Event.Saw].
	Specification func(seen []Event) any
	// Invariants are what must hold of every state that can be reached.
	Invariants []Invariant[S]
}

// Operation is one thing that users do.
type Operation[S, D any] struct {
	Name string
	// Weight is how often it is done, against the others. 0 means 1.
	Weight int
	// Do makes the change and returns its delta; a nil one says that nothing
	// changed, an error that the operation was refused, and changed nothing
	// either. What it needs to decide it draws from the call. A type without
	// deltas returns a zero D, and counts as changed.
	Do func(s *S, c *Call) (D, error)
	// Scenario gives the step that does the same in a scenario file, without the
	// replica. nil means that the format has no name for it.
	Scenario func(e Event) scenario.Step
}

// Invariant is something that must hold whatever happens: "no item of the cart
// is lost", "the dose is never above the maximum".
type Invariant[S any] struct {
	Name string
	// Holds returns what is wrong with a state that took in the events, nil if
	// nothing is. Events are as in [Type.Specification].
	Holds func(s S, seen []Event) error
	// Gaps asks about states, too, that have an event without something which its
	// author had seen. Without it these are left out.
	Gaps bool
	// Expect, when not nil, says in the words of a scenario file what must be
	// there at the end, so that a counter-example fails when it is replayed.
	Expect func(all []Event) scenario.Expect
}

// validate reports every fault of the description at once.
func (t *Type[S, D]) validate() error {
	var faults []error
	fault := func(broken bool, format string, args ...any) {
		if broken {
			faults = append(faults, fmt.Errorf("proptest: type %q: "+format, append([]any{t.Name}, args...)...))
		}
	}
	fault(t.New == nil, "New is missing")
	fault(len(t.Operations) == 0, "there are no Operations")
	for i, op := range t.Operations {
		fault(op.Do == nil, "operation %d (%s) has no Do", i, op.Name)
		fault(op.Weight < 0, "operation %d (%s) has a negative Weight", i, op.Name)
	}
	for i, v := range t.Invariants {
		fault(v.Holds == nil, "invariant %d (%s) has no Holds", i, v.Name)
	}
	fault(t.Join == nil && t.JoinDelta == nil, "neither Join nor JoinDelta: its replicas cannot meet")
	fault(t.View == nil && t.Encode == nil && t.Equal == nil, "none of View, Encode and Equal: its states cannot be compared")
	fault((t.EncodeDelta == nil) != (t.DecodeDelta == nil), "EncodeDelta and DecodeDelta come together")
	fault(t.Encode == nil && t.Decode != nil, "Decode without Encode")
	return errors.Join(faults...)
}
