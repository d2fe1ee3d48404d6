package replica

import (
	"context"
	"iter"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
)

// Event tells that a record changed, here or on a peer. It is the reader's own.
type Event struct {
	Collection string
	Key        string
	Local      bool         // made by this replica
	Origin     clock.Origin // who made the change; of several the last
	Actor      string
	Fields     []string // that were altered, in order
	Version    Version  // the record after the change
}

// event adds one part of a change to what is told once it is durable, if anybody
// is to be told. The caller holds r.mu.
func (r *Replica) event(events []Event, s *scope, c *crdt.Change, p *crdt.Part, o *open, local bool) []Event {
	if isScopeKey(o.key) {
		return events
	}
	if r.watchers.number.Load() == 0 {
		return events
	}
	e := Event{Collection: collectionOf(s.name), Key: p.Key, Local: local, Origin: c.Dot.Origin, Actor: c.Author.Actor, Version: versionOf(o.record)}
	if p.Patch != nil {
		for _, k := range p.Patch.Kids {
			e.Fields = append(e.Fields, k.Key.Name)
		}
	}
	return append(events, e)
}

// watchers are those who want to be told.
type watchers struct {
	mu       sync.Mutex
	all      map[*watcher]struct{}
	number   atomic.Int32 // of all
	sessions map[chan struct{}]struct{}
	closed   bool
}

// subscribe gives a channel that has something in it whenever changes became
// durable since it was last read.
func (w *watchers) subscribe() chan struct{} {
	c := make(chan struct{}, 1)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.sessions == nil {
		w.sessions = map[chan struct{}]struct{}{}
	}
	w.sessions[c] = struct{}{}
	return c
}

func (w *watchers) unsubscribe(c chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.sessions, c)
}

// watcher holds what its reader has not taken yet: at most one event for each
// record, so that a slow reader costs memory for records and not for changes.
type watcher struct {
	collection string
	wake       chan struct{}
	mu         sync.Mutex
	pending    map[string]Event
	order      []string
	ended      bool
}

func (w *watchers) add(collection string) *watcher {
	x := &watcher{collection: collection, wake: make(chan struct{}, 1), pending: map[string]Event{}}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		x.ended = true
		x.signal()
		return x
	}
	if w.all == nil {
		w.all = map[*watcher]struct{}{}
	}
	w.all[x] = struct{}{}
	w.number.Store(int32(len(w.all)))
	return x
}

func (w *watchers) remove(x *watcher) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.all, x)
	w.number.Store(int32(len(w.all)))
}

// tell hands out events of durable changes. It never blocks on a reader.
func (w *watchers) tell(events []Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.sessions {
		select {
		case c <- struct{}{}:
		default:
		}
	}
	for x := range w.all {
		for _, e := range events {
			if x.collection == "" || x.collection == e.Collection {
				x.push(e)
			}
		}
	}
}

func (w *watchers) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	for x := range w.all {
		x.mu.Lock()
		x.ended = true
		x.mu.Unlock()
		x.signal()
	}
}

func (x *watcher) push(e Event) {
	x.mu.Lock()
	k := e.Collection + "/" + e.Key
	if old, ok := x.pending[k]; ok {
		e.Fields = slices.Compact(slices.Sorted(slices.Values(append(old.Fields, e.Fields...))))
		e.Local = e.Local && old.Local
	} else {
		x.order = append(x.order, k)
	}
	x.pending[k] = e
	x.mu.Unlock()
	x.signal()
}

func (x *watcher) signal() {
	select {
	case x.wake <- struct{}{}:
	default:
	}
}

func (x *watcher) take() (events []Event, ended bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, k := range x.order {
		events = append(events, x.pending[k])
	}
	clear(x.pending)
	x.order = nil
	return events, x.ended
}

// Watch yields an event for every record of the collection that changes, once
// the change is durable, until ctx ends (the error is ctx's) or the replica is
// closed ([ErrClosed]). What changes several times before the reader comes back
// is told once, with the fields of all. It sees changes from the moment Watch is
// called; the sequence can be used once.
func (c *Collection) Watch(ctx context.Context) iter.Seq2[Event, error] {
	return c.r.watch(ctx, c.name)
}

// Watch is [Collection.Watch] over all collections.
func (r *Replica) Watch(ctx context.Context) iter.Seq2[Event, error] { return r.watch(ctx, "") }

func (r *Replica) watch(ctx context.Context, collection string) iter.Seq2[Event, error] {
	x := r.watchers.add(collection)
	stop := context.AfterFunc(ctx, func() { r.watchers.remove(x) })
	return func(yield func(Event, error) bool) {
		defer stop()
		defer r.watchers.remove(x)
		for {
			select {
			case <-ctx.Done():
				yield(Event{}, ctx.Err())
				return
			case <-x.wake:
			}
			events, ended := x.take()
			for _, e := range events {
				if !yield(e, nil) {
					return
				}
			}
			if ended {
				yield(Event{}, ErrClosed)
				return
			}
		}
	}
}
