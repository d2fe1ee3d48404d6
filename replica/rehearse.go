package replica

import (
	"context"
	"errors"

	"github.com/concord-crdt/concord/merge"
)

// Rehearse opens the replica in dir and shows every record to f as it would be
// under a policy, whichever is in force: to try a version before it is activated.
// Nothing is written for it. What f is given is that of [Replica.Inspections].
func Rehearse(ctx context.Context, dir string, o Options, p merge.Policy, f func(*Inspected) error) (err error) {
	r, err := Open(dir, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	v := &policyVersion{policy: &p}
	rules, err := v.compile(o.Functions)
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.active.Store(&governing{v, rules, p.Digest()})
	r.mu.Unlock()
	for x, err := range r.Inspections(ctx) {
		if err != nil {
			return err
		}
		if err := f(&x); err != nil {
			return err
		}
	}
	return nil
}
