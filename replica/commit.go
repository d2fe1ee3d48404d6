package replica

import (
	"fmt"
	"sync"
)

// batch is a group of changes that reach the disk together. Whoever waits for
// it first writes it; the others find it done.
type batch struct {
	groups []group
	events []Event
	seq    uint64 // of the last change in it
	done   bool
	err    error
}

// committer is the one writer of the store. Rows are staged under the
// replica's lock, in the order of what they record; the flush happens outside
// of it, so that the next changes are made while the last ones reach the disk.
type committer struct {
	flush   sync.Mutex // held while a batch is written
	current *batch     // takes what is staged; guarded by the replica's lock
}

// stage adds the rows of one change. The caller holds r.mu.
func (r *Replica) stage(g group, events ...Event) *batch {
	b := r.commits.current
	b.groups = append(b.groups, g)
	b.seq = r.seq
	b.events = append(b.events, events...)
	return b
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
	r.commits.current = &batch{}
	r.mu.Unlock()
	if len(b.groups) > 0 {
		b.err = r.store.commit(b.groups)
	}
	b.done = true
	r.mu.Lock()
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
	r.cache.clear()
	if err := r.load(); err != nil {
		r.broken = fmt.Errorf("replica: reload after a failed write: %w", err)
	}
}
