package replica

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/replica/session"
)

// driveStore is one scope of chained changes in memory.
type driveStore struct {
	mu      sync.Mutex
	self    clock.Origin
	rows    map[clock.Origin][][]byte
	chains  map[clock.Origin][]crdt.Hash
	changed chan struct{}
	slow    chan struct{} // when set, Apply waits for it
	fail    error
}

const driveScope = "visits"

func newDriveStore(name byte) *driveStore {
	return &driveStore{
		self: clock.Origin{Replica: clock.ReplicaID{name}, Incarnation: 1},
		rows: map[clock.Origin][][]byte{}, chains: map[clock.Origin][]crdt.Hash{},
		changed: make(chan struct{}, 1),
	}
}

func (s *driveStore) add(o clock.Origin, encoded []byte) {
	before := crdt.ChainStart(driveScope, o)
	if n := len(s.chains[o]); n > 0 {
		before = s.chains[o][n-1]
	}
	s.rows[o] = append(s.rows[o], encoded)
	s.chains[o] = append(s.chains[o], crdt.Chain(before, crdt.HashOf(encoded)))
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

func (s *driveStore) write(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range n {
		d := clock.Dot{Origin: s.self, N: uint64(len(s.rows[s.self])) + 1}
		c := crdt.Change{Dot: d, Parts: []crdt.Part{{Key: fmt.Sprintf("visits/%d", d.N), Birth: &crdt.Birth{}}}}
		s.add(s.self, c.Encode())
	}
}

func (s *driveStore) count() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, rows := range s.rows {
		n += len(rows)
	}
	return n
}

func (s *driveStore) Status() (session.Status, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := session.ScopeStatus{Name: driveScope, Chains: map[clock.Origin]crdt.Hash{}}
	for o, rows := range s.rows {
		st.Stored.Set(o, uint64(len(rows)))
		st.Chains[o] = s.chains[o][len(rows)-1]
	}
	st.Applied = clock.ContextOf(st.Stored)
	return session.Status{Scopes: []session.ScopeStatus{st}}, s.fail
}

func (s *driveStore) Chains(_ string, o clock.Origin, ns []uint64) ([]session.ChainAt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]session.ChainAt, len(ns))
	for i, n := range ns {
		if n <= uint64(len(s.chains[o])) && n > 0 {
			out[i] = session.ChainAt{N: n, Hash: s.chains[o][n-1], Known: true}
		}
	}
	return out, nil
}

func (s *driveStore) Changes(_ string, ranges []clock.Range, maxBytes int) (b session.Batch, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range ranges {
		for n := r.From; n <= r.To; n++ {
			if maxBytes < 0 {
				b.Rest = append(b.Rest, clock.Range{Origin: r.Origin, From: n, To: r.To})
				break
			}
			c := session.Change{Dot: clock.Dot{Origin: r.Origin, N: n}, Encoded: s.rows[r.Origin][n-1]}
			if n > 1 {
				c.Before = s.chains[r.Origin][n-2]
			}
			b.Changes = append(b.Changes, c)
			maxBytes -= len(c.Encoded)
		}
	}
	return b, nil
}

func (s *driveStore) Apply(in session.Intake) ([]session.Verdict, error) {
	if s.slow != nil {
		<-s.slow
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	vs := make([]session.Verdict, len(in.Changes))
	for i, c := range in.Changes {
		if c.Dot.N <= uint64(len(s.rows[c.Dot.Origin])) {
			vs[i].Outcome = session.Duplicate
			continue
		}
		s.add(c.Dot.Origin, c.Encoded)
	}
	return vs, nil
}

func (s *driveStore) Wanted(string, string) ([]session.Want, error) { return nil, nil }

func (s *driveStore) Fragments(string, []session.Want, int) (session.FragmentBatch, error) {
	return session.FragmentBatch{}, nil
}

func (s *driveStore) Stage(session.Fragments) error { return nil }

func (s *driveStore) Acknowledged(clock.Origin, []session.Acknowledgement) error { return nil }

func (s *driveStore) Reissue(string, clock.Origin, uint64) (clock.Origin, error) {
	return s.self, errors.New("not in this test")
}

// outcome is what drive returned.
type outcome struct {
	report session.Report
	err    error
}

func startDrive(ctx context.Context, s *driveStore, conn io.ReadWriteCloser, cfg session.Config, events func(session.Event)) <-chan outcome {
	cfg.Self = s.self
	done := make(chan outcome, 1)
	go func() {
		r, err := drive(ctx, session.New(cfg), conn, s, time.Now, s.changed, events)
		done <- outcome{r, err}
	}()
	return done
}

func tcpPipe(t *testing.T) (net.Conn, net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	b, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return a, b
}

func TestDrive(t *testing.T) {
	for name, connect := range map[string]func(*testing.T) (net.Conn, net.Conn){
		"pipe": func(*testing.T) (net.Conn, net.Conn) { return net.Pipe() },
		"tcp":  tcpPipe,
	} {
		t.Run(name, func(t *testing.T) {
			a, b := newDriveStore('a'), newDriveStore('b')
			a.write(5000)
			b.write(3000)
			ca, cb := connect(t)
			var kinds []string
			da := startDrive(t.Context(), a, ca, session.Config{}, func(e session.Event) { kinds = append(kinds, fmt.Sprintf("%T", e)) })
			db := startDrive(t.Context(), b, cb, session.Config{}, nil)
			ra, rb := <-da, <-db
			if ra.err != nil || rb.err != nil {
				t.Fatalf("%v; %v", ra.err, rb.err)
			}
			if a.count() != 8000 || b.count() != 8000 {
				t.Errorf("%d and %d changes", a.count(), b.count())
			}
			if ra.report.Sent.Verdicts.Applied != 5000 || rb.report.Sent.Verdicts.Applied != 3000 || !ra.report.CaughtUp {
				t.Errorf("reports %+v\n%+v", ra.report, rb.report)
			}
			if len(kinds) < 8 {
				t.Errorf("events %v", kinds)
			}
			if _, err := ca.Write([]byte("x")); err == nil {
				t.Error("the connection is still open")
			}
		})
	}
}

// TestDriveLive keeps sessions open along a chain, and ends them in good order
// by closing what tells of changes.
func TestDriveLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newDriveStore('a'), newDriveStore('b')
		ca, cb := net.Pipe()
		cfg := session.Config{Live: true}
		da, db := startDrive(t.Context(), a, ca, cfg, nil), startDrive(t.Context(), b, cb, cfg, nil)
		for i := range 20 {
			a.write(1)
			b.write(2)
			synctest.Wait()
			if got, want := a.count(), 3*(i+1); got != want || b.count() != want {
				t.Fatalf("%d and %d changes, want %d", got, b.count(), want)
			}
		}
		time.Sleep(10 * time.Minute) // pings keep it alive
		a.write(1)
		synctest.Wait()
		if b.count() != 61 {
			t.Fatal("the session did not live through a pause")
		}
		close(a.changed)
		ra, rb := <-da, <-db
		if ra.err != nil || rb.err != nil {
			t.Errorf("%v; %v", ra.err, rb.err)
		}
	})
}

//concord:fault a session broken off
func TestDriveCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newDriveStore('a'), newDriveStore('b')
		a.write(10)
		b.slow = make(chan struct{})
		ca, cb := net.Pipe()
		ctx, cancel := context.WithCancel(t.Context())
		da := startDrive(ctx, a, ca, session.Config{Live: true}, nil)
		db := startDrive(t.Context(), b, cb, session.Config{Live: true}, nil)
		synctest.Wait()
		cancel()
		ra := <-da
		if !errors.Is(ra.err, context.Canceled) {
			t.Errorf("cancelled: %v", ra.err)
		}
		close(b.slow) // the store is let go before drive returns
		if rb := <-db; !errors.Is(rb.err, session.ErrCut) {
			t.Errorf("the other side: %v", rb.err)
		}
		if b.count() != 10 {
			t.Error("what the store was doing was not finished")
		}
	})
}

//concord:fault a peer that says nothing
func TestDriveSilentPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newDriveStore('a')
		ca, cb := net.Pipe()
		go io.Copy(io.Discard, cb)
		begun := time.Now()
		r := <-startDrive(t.Context(), a, ca, session.Config{}, nil)
		if !errors.Is(r.err, session.ErrTimeout) {
			t.Errorf("%v", r.err)
		}
		if waited := time.Since(begun); waited != 10*time.Second {
			t.Errorf("after %v", waited)
		}
		cb.Close()
	})
}

// TestDriveDeafPeer has a peer that neither reads nor writes: not even the hello
// can leave.
//
//concord:fault a peer that reads nothing
func TestDriveDeafPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca, cb := net.Pipe()
		r := <-startDrive(t.Context(), newDriveStore('a'), ca, session.Config{}, nil)
		if !errors.Is(r.err, session.ErrTimeout) {
			t.Errorf("%v", r.err)
		}
		cb.Close()
	})
}

//concord:fault a store that fails
func TestDriveStoreFails(t *testing.T) {
	a, b := newDriveStore('a'), newDriveStore('b')
	full := errors.New("disk full")
	a.fail = full
	ca, cb := net.Pipe()
	da, db := startDrive(t.Context(), a, ca, session.Config{}, nil), startDrive(t.Context(), b, cb, session.Config{}, nil)
	if r := <-da; !errors.Is(r.err, full) || !errors.Is(r.err, session.ErrStore) {
		t.Errorf("%v", r.err)
	}
	if r := <-db; !errors.Is(r.err, session.ErrStore) {
		t.Errorf("the other side: %v", r.err)
	}
}

// TestDriveTellsWhy has one side break off while the other is sending: the
// reason must arrive, though TCP would rather reset the connection.
//
//concord:fault a peer that refuses
func TestDriveTellsWhy(t *testing.T) {
	a, b := newDriveStore('a'), newDriveStore('b')
	a.write(20_000)
	ca, cb := tcpPipe(t)
	da := startDrive(t.Context(), a, ca, session.Config{}, nil)
	db := startDrive(t.Context(), b, &corrupting{TCPConn: cb.(*net.TCPConn), after: 20_000}, session.Config{}, nil)
	if r := <-db; !errors.Is(r.err, session.ErrDamaged) && !errors.Is(r.err, session.ErrLimit) {
		t.Errorf("%v", r.err)
	}
	var told *session.PeerError
	if r := <-da; !errors.As(r.err, &told) {
		t.Errorf("the other side was not told: %v", r.err)
	}
}

// corrupting is a connection that damages what is read after some bytes.
type corrupting struct {
	*net.TCPConn
	after int
}

func (c *corrupting) Read(b []byte) (int, error) {
	n, err := c.TCPConn.Read(b)
	if c.after -= n; c.after < 0 && n > 0 {
		b[n-1] ^= 0x40
	}
	return n, err
}

// pieces is a connection that writes and reads little at a time.
type pieces struct{ net.Conn }

func (p pieces) Read(b []byte) (int, error) { return p.Conn.Read(b[:min(len(b), 7)]) }

func TestDriveLittleReads(t *testing.T) {
	a, b := newDriveStore('a'), newDriveStore('b')
	a.write(100)
	ca, cb := net.Pipe()
	da := startDrive(t.Context(), a, pieces{ca}, session.Config{}, nil)
	db := startDrive(t.Context(), b, pieces{cb}, session.Config{}, nil)
	if ra, rb := <-da, <-db; ra.err != nil || rb.err != nil || b.count() != 100 {
		t.Errorf("%v; %v; %d changes", ra.err, rb.err, b.count())
	}
}

// closing is a connection whose writes fail after some bytes, while what was
// sent before can still be read.
type closing struct {
	net.Conn
	left int
}

func (c *closing) Write(b []byte) (int, error) {
	if c.left -= len(b); c.left < 0 {
		return 0, io.ErrClosedPipe
	}
	return c.Conn.Write(b)
}

//concord:fault a connection that breaks
func TestDriveWriteFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newDriveStore('a'), newDriveStore('b')
		a.write(100)
		ca, cb := net.Pipe()
		da := startDrive(t.Context(), a, &closing{ca, 500}, session.Config{}, nil)
		db := startDrive(t.Context(), b, cb, session.Config{}, nil)
		if r := <-da; !errors.Is(r.err, session.ErrCut) || !errors.Is(r.err, io.ErrClosedPipe) {
			t.Errorf("%v", r.err)
		}
		if r := <-db; !errors.Is(r.err, session.ErrCut) {
			t.Errorf("%v", r.err)
		}
	})
}
