package replica

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/concord-crdt/concord/replica/session"
)

// SyncOptions say what a session does. The zero value exchanges everything,
// both ways, once.
type SyncOptions struct {
	Direction session.Direction
	Scopes    []string // nil: all
	Live      bool     // stay connected and exchange changes as they are made
	// Progress is called with what happens, from the session's goroutine: it
	// must return soon.
	Progress func(session.Event)
	// Session tunes limits and timeouts; Direction, Scopes and Live of it are
	// taken from above, Self, PolicyDigest and Wall from the replica.
	Session session.Config
}

// Sync exchanges all changes with the peer at addr ("tcp://host:port"), both
// ways, and returns when both sides have them on disk.
//
// The session may be cut at any byte: what was acknowledged is never sent
// again, what was not is sent next time. Items that the peer could not take are
// in the report and are no error of the session.
func (r *Replica) Sync(ctx context.Context, addr string) (session.Report, error) {
	return r.SyncWith(ctx, addr, SyncOptions{})
}

// SyncWith is [Replica.Sync] with options.
func (r *Replica) SyncWith(ctx context.Context, addr string, o SyncOptions) (session.Report, error) {
	host, err := ParseAddress(addr)
	if err != nil {
		return session.Report{}, err
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", host)
	if err != nil {
		return session.Report{}, fmt.Errorf("replica: sync with %s: %w", addr, err)
	}
	report, err := r.SyncConn(ctx, conn, o)
	if err != nil {
		return report, fmt.Errorf("replica: sync with %s: %w", addr, err)
	}
	return report, nil
}

// ErrAddress means that an address is not one that Concord can reach.
var ErrAddress = errors.New("replica: address")

// ParseAddress takes "tcp://host:port" apart. The scheme may be left out.
func ParseAddress(addr string) (hostport string, err error) {
	scheme, rest, ok := strings.Cut(addr, "://")
	if !ok {
		scheme, rest = "tcp", addr
	}
	if scheme != "tcp" {
		return "", fmt.Errorf("%w %q: scheme %q is not known; use tcp://host:port", ErrAddress, addr, scheme)
	}
	if _, _, err := net.SplitHostPort(rest); err != nil {
		return "", fmt.Errorf("%w %q: %v; use tcp://host:port", ErrAddress, addr, err)
	}
	return rest, nil
}

// SyncConn holds one session over a connection, which it closes. Any ordered
// stream of bytes will do.
func (r *Replica) SyncConn(ctx context.Context, conn io.ReadWriteCloser, o SyncOptions) (session.Report, error) {
	return r.syncWith(ctx, conn, o, peerStore{r})
}

func (r *Replica) syncWith(ctx context.Context, conn io.ReadWriteCloser, o SyncOptions, store session.Store) (session.Report, error) {
	core, err := r.newCore(o)
	if err != nil {
		return session.Report{}, errors.Join(err, conn.Close())
	}
	changed := r.watchers.subscribe()
	defer r.watchers.unsubscribe(changed)
	report, err := drive(ctx, core, conn, store, r.options.Monotonic, changed, o.Progress)
	log := r.log.Named("sync")
	if err != nil {
		log.Info("session ended early", "peer", report.Peer.Origin.String(), "error", err)
	} else {
		log.Debug("session ended", "peer", report.Peer.Origin.String())
	}
	return report, err
}

func (r *Replica) newCore(o SyncOptions) (*session.Core, error) {
	if err := r.startIncarnation(); err != nil {
		return nil, err
	}
	if err := r.sealFinished(); err != nil {
		return nil, err
	}
	c := o.Session
	c.Direction, c.Scopes, c.Live = o.Direction, withPolicies(o.Scopes), o.Live
	c.PolicyDigest = r.active.Load().digest
	c.Self = r.Origin()
	c.Wall = r.options.Wall
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return session.New(c), nil
}

// NewSession makes this replica's side of a session for a loop of the caller's,
// where [Replica.SyncConn] does not fit: a transport that is no stream of bytes, a
// platform without goroutines to spare, virtual time. The caller starts the core,
// moves its bytes and keeps its timers, as package session says, and has
// [session.Run] carry out its commands on the store. Progress of o is not called.
func (r *Replica) NewSession(o SyncOptions) (*session.Core, session.Store, error) {
	core, err := r.newCore(o)
	return core, peerStore{r}, err
}

// Serve answers sessions on l until ctx ends, then closes l, cuts what is
// still open and waits for it. done, when not nil, is told how each ended.
func (r *Replica) Serve(ctx context.Context, l net.Listener, o SyncOptions, done func(net.Addr, session.Report, error)) error {
	ctx, cancel := context.WithCancel(ctx)
	var sessions sync.WaitGroup
	defer sessions.Wait()
	defer cancel()
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	var pause time.Duration
	for {
		conn, err := l.Accept()
		if ctx.Err() != nil {
			if err == nil {
				conn.Close() // nobody waits for an answer that does not come
			}
			return nil
		}
		if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() || isTemporary(err) {
			// Out of file descriptors, say: a server goes on, a little later.
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			select {
			case <-ctx.Done():
			case <-time.After(pause):
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("replica: serve: %w", err)
		}
		pause = 0
		sessions.Go(func() {
			report, err := r.SyncConn(ctx, conn, o)
			if done != nil {
				done(conn.RemoteAddr(), report, err)
			}
		})
	}
}

func isTemporary(err error) bool {
	t, ok := errors.AsType[interface {
		error
		Temporary() bool
	}](err)
	return ok && t.Temporary()
}
