package session

import (
	"errors"
	"fmt"
	"time"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
)

// PeerError reports that the peer ended the session, and what it said. It
// matches the sentinel of its code.
type PeerError struct {
	Code   ByeCode
	Reason string
}

// Error returns a message with the code and the reason.
func (e *PeerError) Error() string {
	if e.Reason == "" {
		return fmt.Sprintf("session: ended by the peer: %s", e.Code)
	}
	return fmt.Sprintf("session: ended by the peer: %s: %s", e.Code, e.Reason)
}

// Unwrap returns the sentinel of the code.
func (e *PeerError) Unwrap() error { return e.Code.Err() }

// TimeoutError reports what did not come in time. It matches [ErrTimeout].
type TimeoutError struct {
	What  string
	After time.Duration
}

// Error returns a message with what was awaited and for how long.
func (e *TimeoutError) Error() string {
	return fmt.Sprintf("session: no %s from the peer for %v", e.What, e.After)
}

// Is reports whether target is [ErrTimeout].
func (e *TimeoutError) Is(target error) bool { return target == ErrTimeout }

// IncompatibleError reports that both sides have no protocol version in common.
// It matches [ErrIncompatible].
type IncompatibleError struct {
	OwnMin, OwnMax   uint64
	PeerMin, PeerMax uint64
}

// Error returns a message with the versions of both sides.
func (e *IncompatibleError) Error() string {
	return fmt.Sprintf("session: the peer speaks protocol versions %d to %d, this build %d to %d; update the older side",
		e.PeerMin, e.PeerMax, e.OwnMin, e.OwnMax)
}

// Is reports whether target is [ErrIncompatible].
func (e *IncompatibleError) Is(target error) bool { return target == ErrIncompatible }

// ItemError says what became of one change that was not applied. It matches the
// sentinel of its code.
type ItemError struct {
	Scope   string
	Dot     clock.Dot
	Verdict Verdict
}

// Error returns a message with the scope, the dot and the verdict.
func (e *ItemError) Error() string {
	return fmt.Sprintf("session: change %v of scope %q was %v", e.Dot, e.Scope, e.Verdict)
}

// Unwrap returns the sentinel of the verdict's code.
func (e *ItemError) Unwrap() error { return e.Verdict.Code.Err() }

// classify gives an error of the codec the sentinel of this package that the
// caller and the peer see, and keeps it as the cause.
func classify(what string, err error) error {
	class := ErrBadFrame
	switch {
	case errors.Is(err, codec.ErrChecksum):
		class = ErrDamaged
	case errors.Is(err, codec.ErrLimit):
		class = ErrLimit
	case errors.Is(err, codec.ErrVersion):
		class = ErrIncompatible
	}
	return fmt.Errorf("%w: %s: %w", class, what, err)
}

func violation(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrProtocol, fmt.Sprintf(format, args...))
}
