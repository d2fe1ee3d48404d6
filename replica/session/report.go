package session

import "github.com/concord-crdt/concord/clock"

// Report is what a session did. It is complete when the session is closed, also
// when it ended early.
type Report struct {
	Self           clock.Origin // as it was at the end
	Peer           Peer         // zero if it never said hello
	Sent, Received Traffic
	// RoundTrips counts how often something from the peer was awaited after
	// something was sent; an exchange of endings is none.
	RoundTrips int
	CaughtUp   bool // everything was exchanged, at the end or before
	Reissued   []Reissued
	Alarms     []Alarm
	// Items are the changes that wait for more than their fragments, were rejected or
	// were refused, up to
	// [Config.MaxItems]; MoreItems is how many there were beyond.
	Items     []Item
	MoreItems uint64
	// Withheld counts changes that were not sent because an earlier one of their
	// origin was refused.
	Withheld uint64
}

// Traffic is what went one way.
type Traffic struct {
	Bytes    uint64 // on the wire, with everything
	Frames   uint64
	Chunks   uint64
	Changes  Amount
	Verdicts Verdicts // on the changes that were acknowledged
	// Fragments are the bytes of records that were sent in the place of changes which
	// are no longer kept.
	Fragments uint64
}

// Verdicts counts verdicts by outcome.
type Verdicts struct{ Applied, Duplicate, Waiting, Rejected, Refused uint64 }

func (v *Verdicts) add(o Outcome, n uint64) {
	switch o {
	case Applied:
		v.Applied += n
	case Duplicate:
		v.Duplicate += n
	case Waiting:
		v.Waiting += n
	case Rejected:
		v.Rejected += n
	case Refused:
		v.Refused += n
	}
}

// Total is the number of verdicts.
func (v Verdicts) Total() uint64 {
	return v.Applied + v.Duplicate + v.Waiting + v.Rejected + v.Refused
}

const maxAlarms = 64

func (c *Core) item(i Item) {
	if i.Verdict.Outcome == Applied || i.Verdict.Outcome == Duplicate || i.Verdict.Code == CodePruned {
		return // of what is pruned there are many, and they wait for what comes next
	}
	if len(c.report.Items) < c.cfg.MaxItems {
		c.report.Items = append(c.report.Items, i)
	} else {
		c.report.MoreItems++
	}
	c.event(ItemVerdict{i})
}

func (c *Core) alarm(a Alarm) {
	if len(c.report.Alarms) < maxAlarms {
		c.report.Alarms = append(c.report.Alarms, a)
		c.event(a)
	}
}
