package main

import (
	"context"
	"errors"
	"slices"

	"github.com/spf13/cobra"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/merge"
	"github.com/concord-crdt/concord/replica"
)

func newSettleCommand(e *env) *cobra.Command {
	var names []string
	c := &cobra.Command{
		Use:   "settle SCOPE...",
		Short: "Forget the past that every member has seen",
		Long: `Forget, in scopes (a collection, or COLLECTION/PART), the past that every member
has seen: values that were replaced, deleted records, and what single changes
said. No view changes by it, here or anywhere; the decision travels with the next
syncs, and every store forgets the same.

Only the steward of a scope may: the store that was made so, with
concord init --steward. It goes as far as all members have acknowledged in a
session with it, twice: what they have, and that they know of each other. Members
are the replicas given with --member, or else all that ever wrote to the scope. A
replica that is left out, and comes back with changes of its own, loses none of
them: they are shown as late.

Printed are the number of the decision, up to where the scope is settled now, who
holds it up, and what the scope weighs in the store before and after.`,
		Example: `  concord settle patients
  concord settle visits/ward-3 --member 37038af5 --member d8104815
  concord init --steward                          become the steward first`,
		Args: takes(1, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, scope := range args {
				if err := e.settle(cmd.Context(), scope, names); err != nil {
					return err
				}
			}
			return nil
		},
	}
	c.Flags().StringArrayVar(&names, "member", nil, "`replica` that is waited for, by its id or the beginning of it; may be given several times")
	return c
}

// settle writes the next mark of one scope, and compares what the rows weigh.
func (e *env) settle(ctx context.Context, scope string, names []string) error {
	if err := checkStore(e.flags.store); err != nil {
		return err
	}
	before, err := e.weigh(ctx, scope)
	if err != nil {
		return err
	}
	var done replica.Settled
	err = e.withStore(func(r *replica.Replica) error {
		if !slices.Contains(r.Collections(), merge.CollectionOf(scope)) {
			return advise(replica.ErrNotFound, "there is no scope %s here; see what there is with: concord ls", plain(scope))
		}
		members, err := findMembers(r.Origins(), names)
		if err != nil {
			return err
		}
		if done, err = r.Settle(ctx, scope, members...); err != nil {
			if errors.Is(err, replica.ErrNotSteward) {
				return advise(err, "this store is not the steward of %s; one store of a fleet is, made so with: concord init %s --steward",
					plain(scope), shellQuote(e.flags.store))
			}
			return err
		}
		return r.Compact(ctx)
	})
	if err != nil {
		return err
	}
	after, err := e.weigh(ctx, scope)
	if err != nil {
		return err
	}
	return e.printSettled(scope, &done, before, after)
}

// weigh is what the rows of a scope weigh.
func (e *env) weigh(ctx context.Context, scope string) (n uint64, err error) {
	key, err := e.storeKey()
	if err != nil {
		return 0, err
	}
	for x, err := range replica.StoredRows(ctx, e.flags.store, key) {
		if locked, ok := errors.AsType[*replica.LockedError](err); ok {
			return 0, advise(err, "the store %s is open in %s; stop that first", shellQuote(e.flags.store), process(locked.PID))
		}
		if err != nil {
			return 0, err
		}
		if x.Scope == scope {
			n += uint64(x.Bytes)
		}
	}
	return n, nil
}

func findMembers(known []clock.Origin, names []string) (out []clock.ReplicaID, err error) {
	for _, name := range names {
		id, err := clock.ParseReplicaID(name)
		if err != nil {
			o, err := findReplica(known, name)
			if err != nil {
				return nil, err
			}
			id = o
		}
		out = append(out, id)
	}
	return out, nil
}

// findReplica finds a replica by the beginning of its id.
func findReplica(known []clock.Origin, name string) (clock.ReplicaID, error) {
	var found []clock.ReplicaID
	for _, o := range known {
		if id := o.Replica; hasPrefixFold(id.String(), name) && !slices.Contains(found, id) {
			found = append(found, id)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return clock.ReplicaID{}, usageErrorf("nothing of a replica %s has arrived here; give its whole id, as concord inspect DIR shows it there", plain(name))
	}
	return clock.ReplicaID{}, usageErrorf("%s can be several replicas; give the whole id", plain(name))
}

func (e *env) printSettled(scope string, s *replica.Settled, before, after uint64) error {
	missing := []string{}
	for _, m := range s.Missing {
		missing = append(missing, m.String())
	}
	if e.flags.json {
		return e.printJSON(map[string]any{"scope": scope, "number": s.Number, "cut": jsonVector(&s.Cut), "missing": missing, "before": before, "after": after})
	}
	switch {
	case s.Number > 0:
		e.printf("settled %s for the %s time\n", plain(scope), ordinal(s.Number))
	case len(missing) > 0:
		e.printf("nothing more is settled in %s: not every member is known to have seen more\n", plain(scope))
	default:
		e.printf("nothing new is to be settled in %s\n", plain(scope))
	}
	for o, n := range s.Cut.All() {
		e.printf("  up to change %d of %v\n", n, o)
	}
	for _, m := range missing {
		e.printf("  held up by replica %s: let it sync with this store, or leave it out with --member\n", m)
	}
	e.printf("  the scope weighed %s, and weighs %s now\n", showBytes(before), showBytes(after))
	return nil
}
