package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/replica"
	"github.com/concord-crdt/concord/replica/session"
)

func newWatchCommand(e *env) *cobra.Command {
	w := watcher{env: e}
	c := &cobra.Command{
		Use:   "watch [COLLECTION]",
		Short: "Print a line for every record that changes",
		Long: `Print a line for every record that changes, of one collection or of all, until
interrupted: the record, the fields that were altered with their values now, and
who did it. What changes several times at once can be told once.

A store is open in one process at a time, so changes come from other stores:
watch answers them as concord serve --live does, or with --sync stays connected
to one that is served so.`,
		Example: `  concord watch
  concord watch patients --listen 127.0.0.1:0 --json
  concord watch --sync 127.0.0.1:7000 --count 1     wait for one change`,
		Args: takes(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				w.collection = args[0]
			}
			return w.run(cmd)
		},
	}
	c.Flags().StringVar(&w.listen, "listen", "127.0.0.1:7000", "`address` to answer other stores on, HOST:PORT; port 0 is a free one")
	c.Flags().StringVar(&w.peer, "sync", "", "stay connected to the store that is served at this `address`, and answer none")
	c.Flags().IntVar(&w.most, "count", 0, "end after this many lines; 0: never")
	return c
}

// watcher prints the changes of a store while it exchanges them.
type watcher struct {
	*env
	collection   string // "": all
	listen, peer string
	most         int

	mu sync.Mutex // over the output
}

func (w *watcher) run(cmd *cobra.Command) error {
	address, flag := w.listen, "--listen"
	if w.peer != "" {
		if address, flag = w.peer, "--sync"; cmd.Flags().Changed("listen") {
			return usageErrorf("--listen and --sync exclude each other; watch answers other stores, or goes to one")
		}
	}
	host, err := replica.ParseAddress(address)
	switch {
	case err != nil:
		return advise(err, "%s is %q; write HOST:PORT, such as 127.0.0.1:7000", flag, address)
	case w.most < 0:
		return usageErrorf("--count is %d; use 0 for all, or more", w.most)
	case strings.Contains(w.collection, "/"):
		return usageErrorf("%q names a record; name a collection, or nothing for all", w.collection)
	}
	return w.withStore(func(r *replica.Replica) error { return w.watch(cmd.Context(), r, host) })
}

// watch prints events beside the exchange, and ends with either.
func (w *watcher) watch(parent context.Context, r *replica.Replica, host string) error {
	ctx, cancel := context.WithCancel(parent)
	defer cancel()
	events := r.Watch(ctx) // before there is anything to see
	if w.collection != "" {
		events = r.Collection(w.collection).Watch(ctx)
	}
	exchange, err := w.exchange(ctx, r, host)
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() {
		defer cancel()
		ended <- exchange()
	}()
	shown, failed := 0, error(nil)
	for event, err := range events {
		if err != nil {
			break // the context's, which tells nothing new
		}
		if failed = w.show(ctx, r, &event); failed != nil {
			break
		}
		if shown++; shown == w.most {
			break
		}
	}
	stopped := ctx.Err() != nil && parent.Err() == nil // by the end of the exchange
	cancel()
	err = <-ended
	if !stopped && errors.Is(err, context.Canceled) {
		err = nil // being stopped is how a watch ends
	}
	return errors.Join(failed, err)
}

// exchange begins what brings changes, and returns what goes on with it.
func (w *watcher) exchange(ctx context.Context, r *replica.Replica, host string) (func() error, error) {
	if w.peer != "" {
		if err := w.tell(map[string]any{"event": "watching", "peer": "tcp://" + host}, "watching what comes from tcp://%s; stop with Ctrl-C\n", host); err != nil {
			return nil, err
		}
		return func() error {
			report, err := r.SyncWith(ctx, host, replica.SyncOptions{Live: true})
			if err != nil {
				return noSession(err, host, &report)
			}
			return advise(session.ErrCut, "%s does not stay connected; let it be served with --live", host)
		}, nil
	}
	var c net.ListenConfig
	l, err := c.Listen(ctx, "tcp", host)
	if err != nil {
		return nil, advise(err, "cannot listen on %s: %v; choose another with --listen", host, err)
	}
	at := "tcp://" + l.Addr().String()
	if err := w.tell(map[string]any{"event": "listening", "address": at}, "listening on %s; stop with Ctrl-C\n", at); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return func() error { return r.Serve(ctx, l, replica.SyncOptions{Live: true}, w.sessionEnded) }, nil
}

// sessionEnded speaks up only if something went wrong.
func (w *watcher) sessionEnded(a net.Addr, report session.Report, err error) {
	if n := notApplied(&report); n > 0 {
		w.warn("%s at %s: %s not applied", peerName(&report), a, was(n))
	}
	if err != nil && !(report.CaughtUp && errors.Is(err, session.ErrCut)) && !errors.Is(err, context.Canceled) {
		w.warn("%s at %s: the session ended early: %s", peerName(&report), a, oneLine(err))
	}
}

// show prints one event. A line is written at once: whoever reads it may wait
// for it.
func (w *watcher) show(ctx context.Context, r *replica.Replica, event *replica.Event) error {
	v, err := r.Collection(event.Collection).View(ctx, event.Key)
	gone := errors.Is(err, replica.ErrNotFound)
	if err != nil && !gone {
		w.warn("%v", err)
	}
	name := event.Collection + "/" + event.Key
	fields := v.Fields[:0:0]
	for _, f := range v.Fields {
		if slices.Contains(event.Fields, f.Name) {
			fields = append(fields, f)
		}
	}
	values := map[string]any{}
	for i := range fields {
		if !fields[i].Absent {
			values[fields[i].Name] = jsonValue(fields[i].Value)
		}
	}
	what := summary(fields)
	switch {
	case gone:
		what = "is deleted"
	case len(event.Fields) == 0:
		what = "is there"
	case what == "":
		what = "lost " + strings.Join(event.Fields, ", ")
	}
	altered := event.Fields
	if altered == nil {
		altered = []string{}
	}
	return w.tell(map[string]any{
		"event": "change", "collection": event.Collection, "key": event.Key, "fields": altered, "values": values,
		"exists": !gone, "actor": event.Actor, "origin": jsonOrigin(event.Origin), "version": event.Version.String(),
	}, "%s  %s  %s  by %s\n", showTime(time.Now()), plain(name), what, author(event.Actor, "", event.Origin))
}

func (w *watcher) tell(object map[string]any, format string, args ...any) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.flags.json {
		return w.printJSON(object)
	}
	w.printf(format, args...)
	return nil
}

func (w *watcher) warn(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	warn(w.env, format, args...)
}

// jsonOrigin names a replica and its incarnation in full, as bounded.transfer
// takes it.
func jsonOrigin(o clock.Origin) string {
	name, _, _ := strings.Cut(jsonDot(clock.Dot{Origin: o}), ":")
	return name
}

// warn writes a line about what does not end the command.
func warn(e *env, format string, args ...any) {
	if e.flags.json {
		_ = writeJSON(e.stderr, map[string]any{"event": "warning", "warning": fmt.Sprintf(format, args...)})
		return
	}
	fmt.Fprintf(e.stderr, "concord: %s\n", defuse(fmt.Sprintf(format, args...)))
}
