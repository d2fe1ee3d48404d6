package replica_test

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/concord-crdt/concord/replica"
	"github.com/concord-crdt/concord/replica/session"
)

// TestTimeoutsDoNotGoByTheWallClock: a clock that stands still, as simulations
// and dead batteries have it, leaves no session waiting for ever.
func TestTimeoutsDoNotGoByTheWallClock(t *testing.T) {
	stands := func() time.Time { return time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC) }
	r := openStore(t, "", replica.Options{DisableDisk: true, Wall: stands})
	ca, cb := net.Pipe()
	defer cb.Close()
	go io.Copy(io.Discard, cb) // it hears, and says nothing
	_, err := r.SyncConn(t.Context(), ca, replica.SyncOptions{Session: session.Config{HandshakeTimeout: time.Millisecond}})
	if !errors.Is(err, session.ErrTimeout) {
		t.Errorf("a peer that says nothing: %v, want ErrTimeout", err)
	}
}
