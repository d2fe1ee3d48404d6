package replica

import (
	"cmp"
	"context"
	"io"
	"sync"
	"time"

	"github.com/concord-crdt/concord/replica/session"
)

const (
	// driveReadBytes is what one read takes from a connection at most.
	driveReadBytes = 32 << 10
	// driveUnsentBytes is how much may wait to be written before no more is
	// read: an honest peer stays far below, and one that asks without reading
	// the answers is left waiting.
	driveUnsentBytes = 16 << 20
	// driveFlushTime is how long a closing session waits for its last bytes to
	// leave.
	driveFlushTime = 5 * time.Second
)

// drive runs one session over a connection until it is closed: by both sides,
// by an error, or because ctx was cancelled. It closes the connection and
// returns when every goroutine that it started has ended and no call of the
// store is open.
//
// now tells the moments that deadlines go by; the wall clock is the core's matter.
//
// changed tells that the store has new durable changes; closing it ends the
// session in good order. events is called from one goroutine, in order, and
// holds the session up while it runs. Both may be nil.
//
// Closing conn must make pending reads and writes return. At most
// driveUnsentBytes and what the limits of the core allow are held in memory.
func drive(ctx context.Context, core *session.Core, conn io.ReadWriteCloser, store session.Store,
	now func() time.Time, changed <-chan struct{}, events func(session.Event),
) (session.Report, error) {
	d := &driver{
		core: core, conn: conn, store: store, now: now, changed: changed, events: events,
		in:      make(chan piece),
		out:     make(chan []byte),
		wrote:   make(chan error, 1),
		results: make(chan session.Result),
		quit:    make(chan struct{}),
	}
	d.timer = time.NewTimer(time.Hour)
	d.timer.Stop()
	d.workers.Go(d.read)
	d.workers.Go(d.write)
	core.Start(now())
	d.drain()
	for d.closed == nil {
		d.step(ctx)
	}
	if ctx.Err() == nil {
		d.flush(ctx)
	}
	conn.Close()
	d.timer.Stop()
	close(d.quit)
	d.workers.Wait()
	if err := ctx.Err(); err != nil && d.closed.Err != nil {
		return d.closed.Report, err
	}
	return d.closed.Report, d.closed.Err
}

// piece is what one read returned.
type piece struct {
	b   []byte
	err error
}

// driver is the loop around a core. Its goroutine owns the core; a reader and a
// writer own the two directions of the connection, and each store command runs
// in a goroutine of its own, of which the core keeps few open.
type driver struct {
	core    *session.Core
	conn    io.ReadWriteCloser
	store   session.Store
	now     func() time.Time
	changed <-chan struct{}
	events  func(session.Event)

	in      chan piece
	out     chan []byte
	wrote   chan error // one result for each slice given to out
	results chan session.Result
	quit    chan struct{}
	workers sync.WaitGroup

	timer   *time.Timer
	unsent  [][]byte
	waiting int   // bytes of unsent
	writing bool  // the writer has a slice
	lost    bool  // nothing more comes in
	broken  error // nothing more goes out
	grace   <-chan time.Time
	closed  *session.Closed
}

func (d *driver) read() {
	buf := make([]byte, driveReadBytes)
	for {
		n, err := d.conn.Read(buf)
		p := piece{err: err}
		if n > 0 {
			p.b = append(p.b, buf[:n]...)
		}
		select {
		case d.in <- p:
		case <-d.quit:
			return
		}
		if err != nil {
			return
		}
	}
}

func (d *driver) write() {
	for {
		select {
		case b := <-d.out:
			n, err := d.conn.Write(b)
			if err == nil && n < len(b) {
				err = io.ErrShortWrite
			}
			d.wrote <- err
			if err != nil {
				return
			}
		case <-d.quit:
			return
		}
	}
}

// step waits for one input, gives it to the core and does what follows.
func (d *driver) step(ctx context.Context) {
	in := d.in
	if d.waiting > driveUnsentBytes || d.lost {
		in = nil
	}
	out, next := d.offer()
	select {
	case <-ctx.Done():
		d.core.Lost(ctx.Err())
	case p := <-in:
		if len(p.b) > 0 {
			d.core.Receive(p.b, d.now())
			d.drain()
		}
		if p.err != nil {
			d.lost = true
			d.core.Lost(cmp.Or(d.broken, p.err))
		}
	case out <- next:
		d.taken()
	case err := <-d.wrote:
		if d.writing = false; err != nil {
			d.broke(err)
		}
	case <-d.grace:
		d.core.Lost(d.broken)
	case r := <-d.results:
		d.core.Complete(r, d.now())
	case <-d.timer.C:
		d.core.Tick(d.now())
	case _, ok := <-d.changed:
		if ok {
			d.core.Changed(d.now())
		} else {
			d.changed = nil
			d.core.Stop(d.now())
		}
	}
	d.drain()
}

// broke notes that writing failed. The peer may have said why before it left, so
// reading goes on, for a while.
func (d *driver) broke(err error) {
	d.broken = err
	d.unsent, d.waiting = nil, 0
	if d.grace == nil {
		d.grace = time.After(driveFlushTime)
	}
}

// offer returns the channel to the writer and what it gets next, or nil if there
// is nothing or the writer is busy.
func (d *driver) offer() (chan []byte, []byte) {
	if d.writing || d.broken != nil || len(d.unsent) == 0 {
		return nil, nil
	}
	return d.out, d.unsent[0]
}

func (d *driver) taken() {
	d.writing = true
	d.waiting -= len(d.unsent[0])
	d.unsent[0] = nil
	d.unsent = d.unsent[1:]
}

// drain does what the core wants done.
func (d *driver) drain() {
	for {
		o, ok := d.core.Next()
		if !ok {
			return
		}
		switch o := o.(type) {
		case session.Send:
			if d.broken == nil {
				d.unsent = append(d.unsent, o.Bytes)
				d.waiting += len(o.Bytes)
			}
		case session.Command:
			d.workers.Go(func() {
				r := session.Run(d.store, o)
				select {
				case d.results <- r:
				case <-d.quit:
				}
			})
		case session.Timer:
			if d.timer.Stop(); !o.At.IsZero() {
				d.timer.Reset(max(o.At.Sub(d.now()), 0))
			}
		case session.Notice:
			if d.events != nil {
				d.events(o.Event)
			}
		case session.Closed:
			d.closed = &o
		}
	}
}

// flush lets the last bytes leave, for a while. After an error it also waits for
// the peer to close: closing a TCP connection while bytes arrive resets it, and
// the peer would not learn why.
func (d *driver) flush(ctx context.Context) {
	limit := time.NewTimer(driveFlushTime)
	defer limit.Stop()
	in := d.in
	if d.lost {
		in = nil
	}
	half, lingering := d.conn.(interface{ CloseWrite() error })
	lingering = lingering && d.closed.Err != nil
	for d.broken == nil && (d.writing || len(d.unsent) > 0 || lingering && in != nil) {
		if lingering && !d.writing && len(d.unsent) == 0 && half != nil {
			if half.CloseWrite() != nil {
				return
			}
			half = nil
		}
		out, next := d.offer()
		select {
		case out <- next:
			d.taken()
		case err := <-d.wrote:
			d.writing = false
			d.broken = err
		case p := <-in: // the peer may be writing too, and wait for its turn
			if p.err != nil {
				in = nil
			}
		case <-d.results:
		case <-limit.C:
			return
		case <-ctx.Done():
			return
		}
	}
}
