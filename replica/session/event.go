package session

import (
	"fmt"
	"time"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
)

// Event tells an observer what happens in a session. It is one of [PeerKnown],
// [PhaseChange], [Totals], [Progress], [ItemVerdict], [Alarm], [Skew],
// [Reissued], [PolicyDiffers] and [CaughtUp].
type Event interface{ event() }

// Phase is how far a session has come.
type Phase uint8

// The phases, in their order.
const (
	PhaseHello      Phase = iota // until both sides have said who they are
	PhaseDifference              // finding out what each side lacks
	PhaseTransfer                // changes travel
	PhaseLive                    // all is exchanged, new changes travel as they are made
	PhaseDone
)

// String is the phase's name.
func (p Phase) String() string {
	switch p {
	case PhaseHello:
		return "hello"
	case PhaseDifference:
		return "difference"
	case PhaseTransfer:
		return "transfer"
	case PhaseLive:
		return "live"
	case PhaseDone:
		return "done"
	}
	return fmt.Sprintf("phase(%d)", uint8(p))
}

// PeerKnown says who is on the other side, once, after the hellos.
type PeerKnown struct{ Peer Peer }

// PhaseChange says which phase begins.
type PhaseChange struct{ Phase Phase }

// Amount is a number of changes and of their bytes. Bytes of what has not
// travelled yet are estimated from what has; zero means not known yet.
type Amount struct{ Changes, Bytes uint64 }

// Totals says how much there is to send and to receive, when the difference is
// known and again when it changes.
type Totals struct{ Send, Receive Amount }

// Progress says how much of the totals has travelled, and how many of the
// changes sent were acknowledged as durable or refused.
type Progress struct {
	Sent, Received Amount
	Acknowledged   uint64
	Totals         Totals
}

// Item is a change that was not applied at once.
type Item struct {
	Received bool // else it was sent
	Scope    string
	Dot      clock.Dot
	Key      string // the first record that it changes, if known
	Verdict  Verdict
}

// Err returns the item as an error that matches the sentinel of its code.
func (i Item) Err() error { return &ItemError{Scope: i.Scope, Dot: i.Dot, Verdict: i.Verdict} }

// ItemVerdict reports a change that waits, was rejected or was refused, on
// either side.
type ItemVerdict struct{ Item Item }

// AlarmKind says what an alarm is about.
type AlarmKind uint8

// The kinds of alarms.
const (
	// Divergence: equal applied clocks with different fingerprints. One of the
	// two stores is damaged, or one of the two programs wrong.
	Divergence AlarmKind = iota
	// Fork: one origin has two histories. Its changes from Dot on were refused.
	Fork
	// Clone: the peer goes by the same origin as this replica.
	Clone
)

// String is the alarm's name.
func (k AlarmKind) String() string {
	switch k {
	case Divergence:
		return "divergence"
	case Fork:
		return "fork"
	case Clone:
		return "clone"
	}
	return fmt.Sprintf("alarm(%d)", uint8(k))
}

// Alarm reports what must never happen, and needs a person or a repair.
type Alarm struct {
	Kind      AlarmKind
	Scope     string
	Dot       clock.Dot // of a fork: the first change that was refused
	Own, Peer crdt.Hash // the two fingerprints, or chain digests
}

// Skew is the peer's wall clock less the own one, as its hello arrived: the
// time that the hello took is in it.
type Skew struct{ Offset time.Duration }

// Reissued reports that the peer remembered changes of this replica that the
// own store did not, and that all after number Common were made again.
type Reissued struct {
	Scope  string
	Old    clock.Origin
	Common uint64
	Now    clock.Origin
}

// PolicyDiffers reports that both sides go by different policies. Changes are
// exchanged all the same: each names the version it was written under.
type PolicyDiffers struct{ Own, Peer crdt.Hash }

// CaughtUp reports that everything both sides wished to exchange has been
// exchanged and acknowledged; in a live session again each time that all that was
// sent since has been acknowledged.
type CaughtUp struct{}

func (PeerKnown) event()     {}
func (PhaseChange) event()   {}
func (Totals) event()        {}
func (Progress) event()      {}
func (ItemVerdict) event()   {}
func (Alarm) event()         {}
func (Skew) event()          {}
func (Reissued) event()      {}
func (PolicyDiffers) event() {}
func (CaughtUp) event()      {}
