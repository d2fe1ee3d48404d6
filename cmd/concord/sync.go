package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/concord-crdt/concord/replica"
	"github.com/concord-crdt/concord/replica/session"
)

func newSyncCommand(e *env) *cobra.Command {
	var o replica.SyncOptions
	var pull, push bool
	c := &cobra.Command{
		Use:   "sync ADDRESS",
		Short: "Exchange changes with a store that is served",
		Long: `Exchange changes with the store that is served at ADDRESS (HOST:PORT), both ways.
What is reported as exchanged is on the disk on both sides.

A session may be cut at any time: sync again, and only what is missing travels.

The exit code is 0 only if everything was exchanged and applied, and 3 if the
session ended well but changes wait, were rejected or were refused; these are
listed with their reasons.`,
		Example: `  concord sync 127.0.0.1:7000
  concord sync ward.example.org:7000 --pull --scope visits/ward-3
  concord sync 127.0.0.1:7000 --live`,
		Args: takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if pull && push {
				return usageErrorf("--pull and --push exclude each other; leave both out to exchange both ways")
			}
			if pull {
				o.Direction = session.Pull
			}
			if push {
				o.Direction = session.Push
			}
			if _, err := replica.ParseAddress(args[0]); err != nil {
				return advise(err, "%q is no address; write HOST:PORT, such as 127.0.0.1:7000", args[0])
			}
			return e.withStore(func(r *replica.Replica) error { return e.sync(cmd.Context(), r, args[0], o) })
		},
	}
	c.Flags().BoolVar(&pull, "pull", false, "only receive")
	c.Flags().BoolVar(&push, "push", false, "only send")
	c.Flags().BoolVar(&o.Live, "live", false, "stay connected and exchange changes as they are made, until interrupted")
	c.Flags().StringArrayVar(&o.Scopes, "scope", nil, "only this `collection`, or COLLECTION/PART of it; may be given several times")
	return c
}

func (e *env) sync(ctx context.Context, r *replica.Replica, address string, o replica.SyncOptions) error {
	p := progress{env: e, line: newStatusLine(e), live: o.Live}
	o.Progress = p.event
	begun := time.Now()
	report, err := r.SyncWith(ctx, address, o)
	took := time.Since(begun)
	p.line.clear()
	if o.Live && ctx.Err() != nil && errors.Is(err, ctx.Err()) && report.CaughtUp {
		err = nil // being stopped is how a live session ends
	}
	if e.flags.json {
		j := jsonReport(&report)
		j["event"], j["milliseconds"] = "report", took.Milliseconds()
		if jerr := e.printJSON(j); jerr != nil {
			return jerr
		}
	} else if !report.Peer.Origin.IsZero() {
		e.printReport(&report, address, took, o.Live && ctx.Err() == nil)
	}
	switch n := notApplied(&report); {
	case err != nil:
		return noSession(err, address, &report)
	case n > 0:
		return advise(errIncomplete, "%s not applied; see the reasons above, and sync again when they are dealt with", was(n))
	case len(report.Alarms) > 0:
		return advise(errIncomplete, "the session raised an alarm; see above")
	}
	return nil
}

func was(n uint64) string {
	if n == 1 {
		return "1 change was"
	}
	return fmt.Sprintf("%d changes were", n)
}

// noSession says what to do about a session that failed.
func noSession(err error, address string, report *session.Report) error {
	network, ok := errors.AsType[*net.OpError](err)
	switch {
	case errors.Is(err, context.Canceled):
		return advise(err, "interrupted; sync again to go on where it stopped")
	case ok && network.Op == "dial":
		return advise(err, "nobody answers at %s (%v); is it running there?: concord serve --listen %s",
			address, innermost(err), strings.TrimPrefix(address, "tcp://"))
	case errors.Is(err, session.ErrCut) && report.Peer.Origin.IsZero():
		return advise(err, "%s hung up before it said who it is; is it a store that concord serves?", address)
	case errors.Is(err, session.ErrCut):
		return advise(err, "the connection was lost; sync again to go on where it stopped")
	}
	return err
}

// innermost is the error at the end of a chain: what the system said.
func innermost(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}

func (e *env) printReport(r *session.Report, address string, took time.Duration, live bool) {
	state := "synced with"
	if !r.CaughtUp {
		state = "not finished with"
	}
	e.printf("%s %s at %s in %v\n", state, peerName(r), address, took.Round(time.Millisecond))
	e.printf("  received %s\n  sent     %s\n  %s\n", traffic(&r.Received), traffic(&r.Sent), count(r.RoundTrips, "round trip"))
	e.printItems(r)
	if live && r.CaughtUp && !r.Peer.Live {
		e.printf("  the peer does not stay connected; let it be served with --live\n")
	}
}

// progress shows how a session goes on.
type progress struct {
	*env
	line  *statusLine
	live  bool
	phase session.Phase
	last  time.Time
	// now is what was exchanged, told what of it was printed.
	now, told session.Progress
	caught    bool
}

// What is told of a live session.
const (
	caughtUp  = "caught up"
	exchanged = "exchanged"
)

// refresh is how often the line changes at most.
const refresh = 50 * time.Millisecond

func (p *progress) event(event session.Event) {
	switch v := event.(type) {
	case session.PhaseChange:
		p.phase = v.Phase
		p.show(true)
	case session.Totals:
		p.now.Totals = v
		p.show(false)
	case session.Progress:
		p.now = v
		p.show(false)
		if p.caught {
			p.tell(exchanged)
		}
	case session.CaughtUp:
		if !p.caught {
			p.caught = true
			p.tell(caughtUp)
		}
	}
}

func (p *progress) show(force bool) {
	if now := time.Now(); force || now.Sub(p.last) >= refresh {
		p.last = now
		p.line.show(progressWords(p.phase, &p.now))
	}
}

func progressWords(phase session.Phase, n *session.Progress) string {
	switch phase {
	case session.PhaseHello:
		return "saying hello"
	case session.PhaseDifference:
		return "finding out what is missing"
	case session.PhaseLive:
		return fmt.Sprintf("connected: received %s, sent %s", count(n.Received.Changes, "change"), count(n.Sent.Changes, "change"))
	}
	return fmt.Sprintf("received %d of %s, sent %d of %s, %d of them confirmed",
		n.Received.Changes, count(n.Totals.Receive.Changes, "change"),
		n.Sent.Changes, count(n.Totals.Send.Changes, "change"), n.Acknowledged)
}

// tell says in a live session what was exchanged since it was last told.
func (p *progress) tell(what string) {
	if !p.live {
		return
	}
	received := p.now.Received.Changes - p.told.Received.Changes
	sent := p.now.Acknowledged - p.told.Acknowledged
	if what != caughtUp && received+sent == 0 {
		return
	}
	p.told = p.now
	if p.flags.json {
		// The report at the end tells of a reader that went away.
		_ = p.printJSON(map[string]any{"event": what, "received": received, "sent": sent})
		return
	}
	p.line.clear()
	p.printf("%s  %s: received %s, sent %s\n", showTime(time.Now()), what, count(received, "change"), count(sent, "change"))
}
