package main

import (
	"errors"
	"net"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/concord-crdt/concord/replica"
	"github.com/concord-crdt/concord/replica/session"
)

func newServeCommand(e *env) *cobra.Command {
	var listen string
	var live bool
	c := &cobra.Command{
		Use:   "serve",
		Short: "Answer other stores that sync with this one",
		Long: `Answer stores that sync with this one, until interrupted. Prints the address, and
a line for each session when it ends.

With --live, peers that wish it too stay connected, and get changes as they
arrive here.

Sessions are neither encrypted nor authenticated: whoever reaches the address
can read and write. Listen on this machine or in a network that you trust.`,
		Example: `  concord serve
  concord serve --listen :7000 --live
  concord serve --listen 127.0.0.1:0      on a free port, which it prints`,
		Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			address, err := replica.ParseAddress(listen)
			if err != nil {
				return advise(err, "--listen is %q; write HOST:PORT, such as 127.0.0.1:7000 or :0", listen)
			}
			return e.withStore(func(r *replica.Replica) error {
				var c net.ListenConfig
				l, err := c.Listen(cmd.Context(), "tcp", address)
				if err != nil {
					return advise(err, "cannot listen on %s: %v; choose another with --listen", address, err)
				}
				p := servePrinter{env: e}
				if err := p.listening(l.Addr()); err != nil {
					return err
				}
				return r.Serve(cmd.Context(), l, replica.SyncOptions{Live: live}, p.ended)
			})
		},
	}
	c.Flags().StringVar(&listen, "listen", "127.0.0.1:7000", "`address` to listen on, HOST:PORT; port 0 is a free one")
	c.Flags().BoolVar(&live, "live", false, "keep sessions open and pass changes on as they arrive")
	return c
}

// servePrinter prints what happens in several sessions at once.
type servePrinter struct {
	*env
	mu sync.Mutex
}

func (p *servePrinter) listening(a net.Addr) error {
	if p.flags.json {
		return p.printJSON(map[string]any{"event": "listening", "address": "tcp://" + a.String()})
	}
	p.printf("listening on tcp://%s; stop with Ctrl-C\n", a)
	return nil
}

func (p *servePrinter) ended(a net.Addr, report session.Report, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.flags.json {
		j := jsonReport(&report)
		j["event"], j["address"] = "session", a.String()
		if err != nil {
			j["error"] = err.Error()
		}
		// A reader that went away is no reason to stop serving.
		_ = p.printJSON(j)
		return
	}
	line := showTime(time.Now()) + "  " + peerName(&report) + " at " + a.String() + ": received " +
		traffic(&report.Received) + ", sent " + traffic(&report.Sent)
	if n := notApplied(&report); n > 0 {
		line += ", " + count(n, "change") + " not applied"
	}
	switch {
	case err == nil:
	case report.CaughtUp && errors.Is(err, session.ErrCut):
		line += "; left" // how a live session ends
	default:
		line += "; ended early: " + oneLine(err)
	}
	p.printf("%s\n", line)
}
