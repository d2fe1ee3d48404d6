package replica

import (
	"fmt"
	"sync"

	"github.com/concord-crdt/concord/clock"
)

// batch is a group of changes that reach the disk together. Whoever waits for
// it first writes it; the others find it done.
type batch struct {
	groups  []group
	events  []Event
	scopes  map[string]struct{}    // that it touches
	dots    map[clock.Dot]struct{} // that it stores
	seq     uint64                 // of the last change in it
	changes uint64                 // stored, once it is written
	done    bool
	err     error
}

func newBatch() *batch {
	return &batch{scopes: map[string]struct{}{}, dots: map[clock.Dot]struct{}{}}
}

// committer is the one writer of the store. Rows are staged under the
// replica's lock, in the order of what they record; the flush happens outside
// of it, so that the next changes are made while the last ones reach the disk.
type committer struct {
	flush   sync.Mutex // held while a batch is written
	current *batch     // takes what is staged; guarded by the replica's lock
	writing *batch     // is being written; guarded by the replica's lock
}

// stage adds the rows of one change. The caller holds r.mu.
func (r *Replica) stage(g group, events ...Event) *batch {
	b := r.commits.current
	b.groups = append(b.groups, g)
	b.seq = r.seq
	b.events = append(b.events, events...)
	return b
}

// touch has the tally of a scope written with the current batch. The caller
// holds r.mu.
func (r *Replica) touch(s *scope) { r.commits.current.scopes[s.name] = struct{}{} }

// staged reports whether a change is on its way into the store.
func (r *Replica) staged(d clock.Dot) bool {
	if _, ok := r.commits.current.dots[d]; ok {
		return true
	}
	if r.commits.writing == nil {
		return false
	}
	_, ok := r.commits.writing.dots[d]
	return ok
}

// tallies are the sum rows of the scopes that b touches. The caller holds r.mu,
// and nothing was staged after b.
func (r *Replica) tallies(b *batch) (g group) {
	for name := range b.scopes {
		if s := r.scopes[name]; s != nil {
			key := numberKey(rowSum, s.number)
			g = append(g, row{key, (&sumRow{name, r.seq, s.tally}).encode(key)})
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
	r.commits.current, r.commits.writing = newBatch(), b
	if n := len(b.groups); n > 0 {
		b.groups[n-1] = append(b.groups[n-1], r.tallies(b)...)
	}
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
	r.commits.current = newBatch()
	r.cache.clear()
	if err := r.load(); err != nil {
		r.broken = fmt.Errorf("replica: reload after a failed write: %w", err)
	}
}
