package fleet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/concord-crdt/concord/replica"
	"github.com/concord-crdt/concord/replica/session"
)

// patience is how long a session may take. Those of scenarios take milliseconds;
// the wall clocks stand still, so no timeout of the session itself comes due.
const patience = 5 * time.Minute

// Sync holds a session in which one side only gives and the other only takes.
func (w *world) Sync(from, to string) (news int, err error) {
	ctx, cancel := context.WithTimeout(background(), patience)
	defer cancel()
	giving, taking := net.Pipe()
	var given session.Report
	var gave error
	done := make(chan struct{})
	go func() {
		defer close(done)
		given, gave = w.nodes[from].r.SyncConn(ctx, giving, replica.SyncOptions{Direction: session.Push})
	}()
	taken, took := w.nodes[to].r.SyncConn(ctx, taking, replica.SyncOptions{Direction: session.Pull})
	<-done
	if err := errors.Join(gave, took); err != nil {
		return 0, fmt.Errorf("fleet: %w", err)
	}
	for _, r := range []session.Report{given, taken} {
		if err := complaint(&r); err != nil {
			return 0, fmt.Errorf("fleet: %w", err)
		}
	}
	v := taken.Received.Verdicts
	return int(v.Applied + v.Waiting + v.Rejected), nil
}

// complaint is what must not come of a session between honest replicas.
func complaint(r *session.Report) error {
	for _, a := range r.Alarms {
		return fmt.Errorf("session alarm: %v of scope %q at %v, fingerprints %x and %x", a.Kind, a.Scope, a.Dot, a.Own, a.Peer)
	}
	for _, i := range r.Items {
		if i.Verdict.Outcome == session.Refused {
			return i.Err()
		}
	}
	return nil
}
