package replica

import (
	"context"

	"github.com/concord-crdt/concord/clock"
)

// inbox says what a replica opened with [Options.Inbox] has let in so far.
type inbox struct {
	open  bool                            // everything
	taken map[string]*clock.VersionVector // by scope
}

// held is the reason that a change in the inbox waits for.
const held = "in the inbox, until the application takes it"

// holds reports whether a change stays in the inbox. Those of an origin go out
// in order, since what was taken is a version vector. The caller holds r.mu.
func (r *Replica) holds(scope string, d clock.Dot) bool {
	if !r.options.Inbox || r.inbox.open || d.Origin.Replica == r.origin.Replica {
		return false
	}
	v := r.inbox.taken[scope]
	return v == nil || !v.Contains(d)
}

// Take lets the changes of a scope that v covers out of the inbox, and returns
// when all of them are here, applied and durable, or when ctx ends. Those that
// arrive later than the call are applied as they come; what v does not cover and
// no earlier call did stays in the inbox.
//
// What was taken is not remembered beyond Close: what is applied by then stays
// applied, the rest is in the inbox again.
//
// Without [Options.Inbox] it only waits. It costs what it applies, and a look at
// everything that waits in the scope.
func (r *Replica) Take(ctx context.Context, scope string, v *clock.VersionVector) error {
	changed := r.watchers.subscribe()
	defer r.watchers.unsubscribe(changed)
	for {
		done, err := r.take(scope, v)
		if done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

func (r *Replica) take(scope string, v *clock.VersionVector) (done bool, err error) {
	r.mu.Lock()
	if err := r.usable(); err != nil {
		r.mu.Unlock()
		return false, err
	}
	if r.inbox.taken == nil {
		r.inbox.taken = map[string]*clock.VersionVector{}
	}
	if taken := r.inbox.taken[scope]; taken != nil {
		taken.Join(v)
	} else {
		c := v.Clone()
		r.inbox.taken[scope] = &c
	}
	done = v.IsEmpty()
	if s := r.scopes[scope]; s != nil {
		if err := r.retry(s); err != nil {
			r.mu.Unlock()
			return false, err
		}
		done = s.applied.Vector().Covers(v)
	}
	b := r.commits.current
	r.mu.Unlock()
	return done, r.await(b)
}

// TakeAll empties the inbox and leaves it open until Close: what peers send is
// applied as it comes.
func (r *Replica) TakeAll(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r.mu.Lock()
	if err := r.usable(); err != nil {
		r.mu.Unlock()
		return err
	}
	r.inbox.open = true
	if err := r.retryAll(); err != nil {
		r.mu.Unlock()
		return err
	}
	b := r.commits.current
	r.mu.Unlock()
	return r.await(b)
}
