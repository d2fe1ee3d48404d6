package replay

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/concord-crdt/concord/bench/trace"
	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/replica"
	"github.com/concord-crdt/concord/replica/session"
)

// NetworkOptions are the options of [Network].
type NetworkOptions struct {
	Options
	Durability replica.Durability
	// Dir keeps the stores, in a folder named after the trace. Empty: they are
	// in a temporary directory and removed at the end.
	Dir string
}

// Network replays a trace between stores. Each agent opens a replica in a
// directory of its own when its first transaction is due, connects to the hub
// over loopback TCP and stays connected, live, until everybody has everything.
// The hub is a replica like the others that writes nothing; what it gets, it
// passes on.
//
// What arrives stays in the agent's inbox ([replica.Options.Inbox]) until the
// recording says that the agent had it. Agents run at the same time, as far as
// the recording lets them. So 204 agents are 204 stores and 408 ends of
// connections in one process: some 3,000 file descriptors and 15 MB of memory
// each.
//
// An error means that the replay could not go on. A text that is not the
// recording's, or an alarm of a session, is no error but a [Result] that is not
// Equal.
func Network(ctx context.Context, t *trace.Trace, o NetworkOptions) (_ *Result, err error) {
	hs, err := t.Histories()
	if err != nil {
		return nil, err
	}
	n := &network{
		trace: t, options: o, histories: hs, byAgent: t.ByAgent(),
		result: newResult(t, numAgents(t)), board: newBoard(t.Agents),
	}
	for i := range t.Txns {
		if alters(&t.Txns[i]) {
			n.result.Changes++
		}
	}
	remove, err := n.makeDir()
	if err != nil {
		return nil, fmt.Errorf("replay: %s: %w", t.Name, err)
	}
	defer func() { err = errors.Join(err, remove()) }()
	if err := n.run(ctx); err != nil {
		return nil, fmt.Errorf("replay: %s: %w", t.Name, err)
	}
	return n.result, nil
}

// network is a replay under way.
type network struct {
	trace     *trace.Trace
	options   NetworkOptions
	histories []trace.History
	byAgent   [][]int
	board     *board
	dir       string
	hub       *replica.Replica
	address   string

	mu     sync.Mutex // of what follows
	result *Result
}

func (n *network) makeDir() (remove func() error, err error) {
	if n.options.Dir != "" {
		if err := os.MkdirAll(n.options.Dir, 0o700); err != nil {
			return nil, err
		}
		n.dir = filepath.Join(n.options.Dir, n.trace.Name)
		// Stores of an earlier run would take part in this one.
		return func() error { return nil }, os.Mkdir(n.dir, 0o700)
	}
	n.dir, err = os.MkdirTemp("", "concord-replay-")
	return func() error { return os.RemoveAll(n.dir) }, err
}

func (n *network) open(name string, inbox bool) (*replica.Replica, error) {
	return replica.Open(filepath.Join(n.dir, name), replica.Options{
		Actor: name, Durability: n.options.Durability, Inbox: inbox,
	})
}

// patience is how long a session waits for the other side: many stores may
// share one slow disk here.
const patience = 10 * time.Minute

func syncOptions(live bool) replica.SyncOptions {
	return replica.SyncOptions{Live: live, Session: session.Config{HandshakeTimeout: patience, IdleTimeout: patience}}
}

func (n *network) run(ctx context.Context) (err error) {
	if n.hub, err = n.open("hub", false); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.hub.Close()) }()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	n.address = l.Addr().String()
	serving, stop := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- n.hub.Serve(serving, l, syncOptions(true), nil) }()
	defer func() { err = errors.Join(err, <-served) }()
	defer stop()

	start := time.Now()
	if err := n.agents(ctx); err != nil {
		return err
	}
	n.result.Replay = time.Since(start)
	if err := n.compare(ctx, n.hub, "hub"); err != nil {
		return err
	}
	return n.newcomer(ctx)
}

// agents runs all agents. The first error stops the others.
func (n *network) agents(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for i := range n.result.Agents {
		wg.Go(func() {
			if err := n.agent(ctx, cancel, i); err != nil {
				cancel(fmt.Errorf("%s: %w", agentName(n.trace, i), err))
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// agent lives through the recording as one of its agents.
func (n *network) agent(ctx context.Context, fail context.CancelCauseFunc, number int) (err error) {
	var own []int
	if number < n.trace.Agents {
		own = n.byAgent[number]
	}
	if len(own) > 0 {
		if _, err := n.board.wait(ctx, n.histories[own[0]]); err != nil {
			return err
		}
	}
	r, err := n.open(fmt.Sprintf("agent-%03d", number), true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	hangUp := n.connect(ctx, r, fail, number)
	defer hangUp()
	if err := n.write(ctx, r, number, own); err != nil {
		return err
	}
	// From here on the agent only reads.
	if err := r.TakeAll(ctx); err != nil {
		return err
	}
	all, err := n.board.wait(ctx, n.histories[len(n.trace.Txns)])
	if err != nil {
		return err
	}
	for _, x := range []*replica.Replica{r, n.hub} {
		if err := x.Take(ctx, collection, all); err != nil {
			return err
		}
	}
	return n.compare(ctx, r, agentName(n.trace, number))
}

// connect begins a live session with the hub; what it returns ends it.
func (n *network) connect(ctx context.Context, r *replica.Replica, fail context.CancelCauseFunc, number int) (hangUp func()) {
	connected, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		report, err := r.SyncWith(connected, n.address, syncOptions(true))
		if connected.Err() == nil {
			fail(fmt.Errorf("%s: the session ended early: %w", agentName(n.trace, number), err))
		}
		n.mu.Lock()
		defer n.mu.Unlock()
		n.result.WireBytes += report.Sent.Bytes + report.Received.Bytes
		n.alarms(agentName(n.trace, number), &report)
	}()
	return func() { stop(); <-ended }
}

// alarms notes what a session found that must never be. The caller holds n.mu.
func (n *network) alarms(who string, report *session.Report) {
	for _, a := range report.Alarms {
		n.result.Different = append(n.result.Different, fmt.Sprintf("%s (%v)", who, a.Kind))
	}
}

// write makes the agent's transactions, each on exactly the history that the
// recording gives it.
func (n *network) write(ctx context.Context, r *replica.Replica, number int, own []int) error {
	dot := clock.Dot{Origin: r.Origin()}
	for _, i := range own {
		v, err := n.board.wait(ctx, n.histories[i])
		if err != nil {
			return err
		}
		if err := r.Take(ctx, collection, v); err != nil {
			return err
		}
		x := &n.trace.Txns[i]
		if err := r.Collection(collection).Update(ctx, key, func(p *replica.Record) error {
			return edit(p.Text(field), x.Patches)
		}); err != nil {
			return fmt.Errorf("transaction %d: %w", i, err)
		}
		if alters(x) {
			dot.N++
		}
		if done := n.board.publish(number, dot); n.options.Progress != nil && (done%16 == 0 || done == len(n.trace.Txns)) {
			n.mu.Lock()
			n.options.Progress(done, len(n.trace.Txns))
			n.mu.Unlock()
		}
	}
	return nil
}

// alters reports whether a transaction makes a change: one that does nothing is
// not made.
func alters(x *trace.Txn) bool {
	for _, p := range x.Patches {
		if p.Delete > 0 || p.Insert != "" {
			return true
		}
	}
	return false
}

// compare looks at the text that a replica shows.
func (n *network) compare(ctx context.Context, r *replica.Replica, who string) error {
	text := ""
	v, err := r.Collection(collection).View(ctx, key)
	switch {
	case err == nil:
		text, _ = v.Values()[field].(string)
	case !errors.Is(err, replica.ErrNotFound):
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.result.check(who, text, n.trace)
	return nil
}

// newcomer takes over everything in one session.
func (n *network) newcomer(ctx context.Context) (err error) {
	r, err := n.open("newcomer", false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	start := time.Now()
	report, err := r.SyncWith(ctx, n.address, syncOptions(false))
	if err != nil {
		return fmt.Errorf("newcomer: %w", err)
	}
	n.result.Cold = time.Since(start)
	n.result.ColdBytes = report.Sent.Bytes + report.Received.Bytes
	n.alarms("newcomer", &report)
	return n.compare(ctx, r, "newcomer")
}
