package replica

import (
	"fmt"
	"sync"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/internal/planted"
)

// batch is a group of changes that reach the disk together. Whoever waits for
// it first writes it; the others find it done.
type batch struct {
	groups  []group
	open    bool    // the last group takes more
	weight  int64   // of the open group, in bytes
	dirty   []dirty // what the open group has changed and not written
	events  []Event
	scopes  []*scope              // that the open group touches
	dots    []scopeDot            // that it stores
	known   map[scopeDot]struct{} // of dots, once somebody asks
	seq     uint64                // of the last change in it
	changes uint64                // stored, once it is written
	done    bool
	err     error
}

// scopeDot names a change among those of all scopes: each scope numbers its own.
type scopeDot struct {
	scope string
	dot   clock.Dot
}

// stores reports whether a change is in the batch. The caller holds r.mu.
func (b *batch) stores(d scopeDot) bool {
	if b.known == nil {
		b.known = make(map[scopeDot]struct{}, len(b.dots))
	}
	for _, x := range b.dots[len(b.known):] {
		b.known[x] = struct{}{}
	}
	_, ok := b.known[d]
	return ok
}

// committer is the one writer of the store. Rows are staged under the
// replica's lock, in the order of what they record; the flush happens outside
// of it, so that the next changes are made while the last ones reach the disk.
type committer struct {
	flush   sync.Mutex // held while a batch is written
	current *batch     // takes what is staged; guarded by the replica's lock
	writing *batch     // is being written; guarded by the replica's lock
}

// dirty is a record whose header is older than the last change staged. The
// header is written once for all changes of a group, with the last of them.
type dirty struct {
	scope *scope
	open  *open
}

// openGroupBytes is how much may stand in a group before it takes no more
// changes: with the largest change it still fits one transaction of the engine.
const openGroupBytes = 32 << 10

// stage adds the rows of one change. They become durable together, and may do so
// with those before and after them. The caller holds r.mu.
func (r *Replica) stage(g group, events ...Event) *batch {
	b := r.commits.current
	if b.open {
		last := &b.groups[len(b.groups)-1]
		*last = append(*last, g...)
	} else {
		b.groups = append(b.groups, g)
		b.open, b.weight = true, 0
	}
	bytes, _ := g.weigh()
	if b.weight += bytes; b.weight >= openGroupBytes {
		r.closeGroup(b)
	}
	b.seq = r.seq
	b.events = append(b.events, events...)
	return b
}

// closeGroup ends the open group with the headers of the records that it changed
// and the tallies of their scopes: the store is whole between any two groups.
// The caller holds r.mu, and no change is half entered.
func (r *Replica) closeGroup(b *batch) {
	if !b.open {
		return
	}
	last := &b.groups[len(b.groups)-1]
	for _, d := range b.dirty {
		d.open.dirty = false
		if r.scopes[d.scope.name] == d.scope { // else it was made anew meanwhile
			r.writeRecord(last, d.scope, d.open)
		}
	}
	*last = append(*last, r.tallies(b)...)
	b.open, b.dirty = false, nil
	b.scopes = nil
}

// soil has a record's header written with the open group. The caller holds r.mu.
func (r *Replica) soil(s *scope, o *open) {
	if b := r.commits.current; !o.dirty {
		o.dirty = true
		b.dirty = append(b.dirty, dirty{s, o})
	}
}

// touch has the tally of a scope written with the open group, or the next one. The
// caller holds r.mu.
func (r *Replica) touch(s *scope) {
	if b := r.commits.current; !s.touched {
		s.touched = true
		b.scopes = append(b.scopes, s)
	}
}

// staged reports whether a change of a scope is on its way into the store.
func (r *Replica) staged(s *scope, dot clock.Dot) bool {
	d := scopeDot{s.name, dot}
	return r.commits.current.stores(d) || r.commits.writing != nil && r.commits.writing.stores(d)
}

// tallies are the sum rows of the scopes that the open group touches. The caller
// holds r.mu.
func (r *Replica) tallies(b *batch) (g group) {
	for _, s := range b.scopes {
		s.touched = false
		if r.scopes[s.name] == s { // else it was made anew meanwhile
			key := numberKey(rowSum, s.number)
			g = append(g, row{key, (&sumRow{s.name, r.seq, s.tally}).encode(key)})
		}
	}
	return g
}

// await returns when b is durable, or with the error that kept it from being
// so. The caller does not hold r.mu.
func (r *Replica) await(b *batch) error {
	r.commits.flush.Lock()
	if b.done {
		r.commits.flush.Unlock()
		return b.err
	}
	// b is still the current batch: batches are written in order.
	r.mu.Lock()
	r.closeGroup(b)
	// What was read and folded while no group was open goes with the next one.
	r.commits.current, r.commits.writing = &batch{dirty: b.dirty, scopes: b.scopes}, b
	b.changes = r.changes
	r.mu.Unlock()
	if len(b.groups) > 0 {
		if b.err = r.store.commit(b.groups); b.err == nil {
			b.err = r.witness.write(counts{b.seq, b.changes})
		}
	}
	b.done = true
	r.mu.Lock()
	r.commits.writing = nil
	if b.err != nil {
		r.recover(b.err)
	} else {
		r.durable = max(r.durable, b.seq)
	}
	r.mu.Unlock()
	r.commits.flush.Unlock()
	if b.err == nil && len(b.groups) > 0 {
		r.watchers.tell(b.events)
	}
	return b.err
}

// recover brings memory back to what the store holds after a failed commit:
// what was staged since stands on changes that do not exist. The caller holds
// r.mu and the flush lock.
func (r *Replica) recover(cause error) {
	later := r.commits.current
	later.done, later.err = true, fmt.Errorf("replica: an earlier write failed: %w", cause)
	r.commits.current = &batch{}
	if !planted.Is(planted.CacheKept) {
		r.cache.clear()
	}
	r.returned = nil
	if err := r.load(); err != nil {
		r.broken = fmt.Errorf("replica: reload after a failed write: %w", err)
	}
}
