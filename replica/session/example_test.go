package session_test

import (
	"fmt"
	"time"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/replica/session"
)

// emptyStore is a store without any change.
type emptyStore struct{}

func (emptyStore) Status() (session.Status, error) { return session.Status{}, nil }
func (emptyStore) Chains(string, clock.Origin, []uint64) ([]session.ChainAt, error) {
	return nil, nil
}
func (emptyStore) Changes(string, []clock.Range, int) (session.Batch, error) {
	return session.Batch{}, nil
}
func (emptyStore) Apply(session.Intake) ([]session.Verdict, error) { return nil, nil }
func (emptyStore) Wanted(string, string) ([]session.Want, error)   { return nil, nil }

func (emptyStore) Fragments(string, []session.Want, int) (session.FragmentBatch, error) {
	return session.FragmentBatch{}, nil
}

func (emptyStore) Stage(session.Fragments) error { return nil }

func (emptyStore) Acknowledged(clock.Origin, []session.Acknowledgement) error { return nil }
func (emptyStore) Reissue(string, clock.Origin, uint64) (clock.Origin, error) {
	return clock.Origin{}, nil
}

// Two cores hold a session without a network: whatever one wants sent is given
// to the other.
func ExampleCore() {
	now := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	var store emptyStore
	cores := [2]*session.Core{}
	for i := range cores {
		self := clock.Origin{Replica: clock.ReplicaID{byte(i + 1)}, Incarnation: 7}
		cores[i] = session.New(session.Config{Self: self})
		cores[i].Start(now)
	}
	for closed := 0; closed < 2; {
		for i, core := range cores {
			for {
				out, ok := core.Next()
				if !ok {
					break
				}
				switch out := out.(type) {
				case session.Send:
					cores[1-i].Receive(out.Bytes, now)
				case session.Command:
					core.Complete(session.Run(store, out), now)
				case session.Notice:
					if e, ok := out.Event.(session.PhaseChange); ok && i == 0 {
						fmt.Println("phase:", e.Phase)
					}
				case session.Closed:
					closed++
					if i == 0 {
						fmt.Println("caught up:", out.Report.CaughtUp, "error:", out.Err)
					}
				}
			}
		}
	}
	// Output:
	// phase: hello
	// phase: done
	// caught up: true error: <nil>
}
