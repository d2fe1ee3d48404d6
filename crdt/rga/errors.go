package rga

import (
	"errors"
	"fmt"

	"github.com/concord-crdt/concord/clock"
)

// Errors of local edits and of reading.
var (
	// ErrRange reports a position or a length outside of the sequence, or one
	// that would cut a character in half.
	ErrRange = errors.New("rga: position out of range")
	// ErrUTF8 reports text that is not valid UTF-8.
	ErrUTF8 = errors.New("rga: text is not valid UTF-8")
	// ErrLimit reports that an edit or an op would pass MaxSeq, MaxElements,
	// MaxContent or MaxOrigins.
	ErrLimit = errors.New("rga: sequence is full")
	// ErrHandle reports a handle that the sequence did not give out.
	ErrHandle = errors.New("rga: unknown handle")
	// ErrUnknown reports an id that names no element of the sequence.
	ErrUnknown = errors.New("rga: no such element")
)

// Errors of Apply and Join.
var (
	// ErrGap reports an op that came too early: numbers of its origin before
	// it, or elements that it names, are not here yet. See [GapError].
	ErrGap = errors.New("rga: op depends on what is not known yet")
	// ErrOp reports an op that no correct replica makes. Every replica that
	// knows what it names refuses it.
	ErrOp = errors.New("rga: invalid op")
)

// GapError says what an op waits for: Need, which is the last number that must
// be known of an origin, where Have is. It matches [ErrGap].
type GapError struct {
	Origin     clock.Origin
	Have, Need uint64
}

// Error returns a message with the origin and both numbers.
func (e *GapError) Error() string {
	return fmt.Sprintf("rga: op needs %v up to %d, known up to %d", e.Origin, e.Need, e.Have)
}

// Is reports whether target is [ErrGap].
func (e *GapError) Is(target error) bool { return target == ErrGap }

// opError is an invalid op with the reason.
func opError(reason string) error { return fmt.Errorf("%w: %s", ErrOp, reason) }
