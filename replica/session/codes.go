package session

import (
	"errors"
	"fmt"
)

// Outcome is what a receiver did with a change.
type Outcome uint8

// The outcomes, as they are sent.
const (
	// Applied changes are in the state.
	Applied Outcome = 0
	// Duplicate changes were there already, with the same content.
	Duplicate Outcome = 1
	// Waiting changes are durable and lack something: see the code.
	Waiting Outcome = 2
	// Rejected changes are durable and void for ever, everywhere.
	Rejected Outcome = 3
	// Refused changes are not durable. They are not sent again in the session,
	// nor is any later change of the same origin in the same scope.
	Refused Outcome = 4

	outcomes = 5
)

var outcomeNames = [outcomes]string{"applied", "duplicate", "waiting", "rejected", "refused"}

// String is the outcome's name.
func (o Outcome) String() string {
	if int(o) < len(outcomeNames) {
		return outcomeNames[o]
	}
	return fmt.Sprintf("outcome(%d)", uint8(o))
}

// Durable reports whether the receiver keeps the change, so that its clock
// covers it.
func (o Outcome) Durable() bool { return o < Refused }

// Code says why a change was not applied. Codes of later versions are carried
// and shown by number.
type Code uint16

// The codes of verdicts. They are part of the format: never renumbered.
const (
	CodeNone           Code = 0  // applied or duplicate
	CodeMissingHead    Code = 1  // a head is not here
	CodeClockAhead     Code = 2  // the stamp is ahead of every known time
	CodeUnknownShape   Code = 3  // a later version is needed to join it
	CodeMissingElement Code = 4  // an element that it refers to is not here
	CodeMissingPolicy  Code = 5  // the cited version of the policy is not here
	CodeMissingRole    Code = 6  // a credential is not here
	CodeFork           Code = 7  // another history under the same dots
	CodeMalformed      Code = 8  // the change does not decode
	CodeGap            Code = 9  // an earlier change of the origin is not here
	CodeNotEntitled    Code = 10 // not allowed, or the scope is not taken
	CodeQuota          Code = 11 // no room left
	CodeTooLarge       Code = 12 // above the receiver's limits
	CodeUnsupported    Code = 13 // cannot be handled by this version
	CodeInvalid        Code = 14 // contradicts the state or the schema
	CodeUnavailable    Code = 15 // the sender could not read it from its store
	CodeInbox          Code = 16 // the receiver's application has not let it in yet
	CodePruned         Code = 17 // its bytes are no longer kept; its records are to come
	codeCount               = 18
	maxWireCode             = 1<<16 - 1
)

// The reasons why a change was not applied, for [errors.Is] on a [*ItemError].
var (
	ErrMissingHead    = errors.New("session: a head of the change is missing")
	ErrClockAhead     = errors.New("session: the change's stamp is ahead")
	ErrUnknownShape   = errors.New("session: the change has an unknown shape")
	ErrMissingElement = errors.New("session: an element that the change names is missing")
	ErrMissingPolicy  = errors.New("session: the cited policy version is missing")
	ErrMissingRole    = errors.New("session: a credential is missing")
	ErrFork           = errors.New("session: fork: two histories of one origin")
	ErrMalformed      = errors.New("session: the change is malformed")
	ErrGap            = errors.New("session: an earlier change of the origin is missing")
	ErrNotEntitled    = errors.New("session: not entitled")
	ErrQuota          = errors.New("session: quota reached")
	ErrTooLarge       = errors.New("session: the change is too large")
	ErrUnsupported    = errors.New("session: not supported by the receiver")
	ErrInvalid        = errors.New("session: the change is not valid")
	ErrUnavailable    = errors.New("session: the change could not be read")
	ErrInbox          = errors.New("session: the change is in the inbox")
	ErrPruned         = errors.New("session: the change is no longer kept, and its records are not here yet")
)

var codeTable = [codeCount]struct {
	name string
	err  error
}{
	CodeNone:           {"none", nil},
	CodeMissingHead:    {"missing-head", ErrMissingHead},
	CodeClockAhead:     {"clock-ahead", ErrClockAhead},
	CodeUnknownShape:   {"unknown-shape", ErrUnknownShape},
	CodeMissingElement: {"missing-element", ErrMissingElement},
	CodeMissingPolicy:  {"missing-policy", ErrMissingPolicy},
	CodeMissingRole:    {"missing-role", ErrMissingRole},
	CodeFork:           {"fork", ErrFork},
	CodeMalformed:      {"malformed", ErrMalformed},
	CodeGap:            {"gap", ErrGap},
	CodeNotEntitled:    {"not-entitled", ErrNotEntitled},
	CodeQuota:          {"quota", ErrQuota},
	CodeTooLarge:       {"too-large", ErrTooLarge},
	CodeUnsupported:    {"unsupported", ErrUnsupported},
	CodeInvalid:        {"invalid", ErrInvalid},
	CodeUnavailable:    {"unavailable", ErrUnavailable},
	CodeInbox:          {"inbox", ErrInbox},
	CodePruned:         {"pruned", ErrPruned},
}

// String is the code's name, or its number when this version does not know it.
func (c Code) String() string {
	if int(c) < len(codeTable) {
		return codeTable[c].name
	}
	return fmt.Sprintf("code(%d)", uint16(c))
}

// Err is the sentinel of the code: nil for [CodeNone], [ErrUnsupported] for one
// that this version does not know.
func (c Code) Err() error {
	if int(c) < len(codeTable) {
		return codeTable[c].err
	}
	return ErrUnsupported
}

// ParseCode is the inverse of [Code.String].
func ParseCode(name string) (Code, bool) {
	for c := range codeTable {
		if codeTable[c].name == name {
			return Code(c), true
		}
	}
	return 0, false
}

// CodeOf finds the code of an error that wraps one of the sentinels of
// verdicts, and [CodeInvalid] for any other.
func CodeOf(err error) Code {
	if err == nil {
		return CodeNone
	}
	for c := range codeTable {
		if e := codeTable[c].err; e != nil && errors.Is(err, e) {
			return Code(c)
		}
	}
	return CodeInvalid
}

// ByeCode says why a session ends.
type ByeCode uint16

// The codes of endings. They are part of the format: never renumbered.
const (
	ByeDone         ByeCode = 0 // all is exchanged and acknowledged
	ByeStopped      ByeCode = 1 // one side was asked to stop
	ByeIncompatible ByeCode = 2 // no common version
	ByeMalformed    ByeCode = 3 // a frame that cannot be read
	ByeChecksum     ByeCode = 4 // a frame that was damaged on the way
	ByeProtocol     ByeCode = 5 // a frame that must not come here
	ByeLimit        ByeCode = 6 // above the limits of the one who ends it
	ByeTimeout      ByeCode = 7 // the other side was silent for too long
	ByeStore        ByeCode = 8 // the own store failed
	ByeSelf         ByeCode = 9 // both sides are the same replica
	byeCount                = 10
)

// How sessions end early, for [errors.Is].
var (
	ErrCut          = errors.New("session: the connection was lost")
	ErrStopped      = errors.New("session: stopped by the peer")
	ErrIncompatible = errors.New("session: no common protocol version")
	ErrBadFrame     = errors.New("session: unreadable frame")
	ErrDamaged      = errors.New("session: damaged frame")
	ErrProtocol     = errors.New("session: protocol violated")
	ErrLimit        = errors.New("session: limit exceeded")
	ErrTimeout      = errors.New("session: timed out")
	ErrStore        = errors.New("session: store failed")
	ErrSelf         = errors.New("session: the peer is this very replica, or a clone of it")
)

var byeTable = [byeCount]struct {
	name string
	err  error
}{
	ByeDone:         {"done", nil},
	ByeStopped:      {"stopped", ErrStopped},
	ByeIncompatible: {"incompatible", ErrIncompatible},
	ByeMalformed:    {"malformed", ErrBadFrame},
	ByeChecksum:     {"checksum", ErrDamaged},
	ByeProtocol:     {"protocol", ErrProtocol},
	ByeLimit:        {"limit", ErrLimit},
	ByeTimeout:      {"timeout", ErrTimeout},
	ByeStore:        {"store", ErrStore},
	ByeSelf:         {"self", ErrSelf},
}

// String is the code's name, or its number when this version does not know it.
func (c ByeCode) String() string {
	if int(c) < len(byeTable) {
		return byeTable[c].name
	}
	return fmt.Sprintf("bye(%d)", uint16(c))
}

// Err is the sentinel of the code: nil for [ByeDone], [ErrProtocol] for one
// that this version does not know.
func (c ByeCode) Err() error {
	if int(c) < len(byeTable) {
		return byeTable[c].err
	}
	return ErrProtocol
}

// byeFor is the code under which the peer is told of an error.
func byeFor(err error) ByeCode {
	for c := range byeTable {
		if e := byeTable[c].err; e != nil && errors.Is(err, e) {
			return ByeCode(c)
		}
	}
	return ByeProtocol
}
