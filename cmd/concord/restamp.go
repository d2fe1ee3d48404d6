package main

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/replica"
)

func newRestampCommand(e *env) *cobra.Command {
	return &cobra.Command{
		Use:   "restamp SCOPE ORIGIN FROM-TO BACK",
		Short: "Correct changes whose clock ran ahead",
		Long: `Move the times of changes back, on every store: the cure of changes that were
written while a clock ran ahead, and that wait on other stores for their time to
come (concord quarantine lists them).

ORIGIN is the replica that wrote them, by its id or the beginning of it, or
REPLICA/INCARNATION. FROM-TO are the numbers of the changes, BACK by how much, in
hours, minutes and seconds. Of several corrections of one change the greatest
counts. A change is never moved before what its author had seen, and what is
settled stays as it is.

The store must be the author, under any of its incarnations, or the steward of
the scope.`,
		Example: `  concord restamp patients 37038af5 12-19 24h
  concord restamp visits/ward-3 37038af5 7 1h30m`,
		Args: takes(4, 4),
		RunE: func(cmd *cobra.Command, args []string) error {
			from, to, err := parseRange(args[2])
			if err != nil {
				return err
			}
			back, err := time.ParseDuration(args[3])
			if err != nil || back < time.Millisecond {
				return usageErrorf("%q is no time to move back by; write it as 24h, 90m or 1h30m", args[3])
			}
			return e.withStore(func(r *replica.Replica) error {
				o, err := findOrigin(r.Origins(), args[1])
				if err != nil {
					return err
				}
				x := crdt.Restamp{Origin: o, From: from, To: to, Back: back.Truncate(time.Millisecond)}
				if err := r.Restamp(cmd.Context(), args[0], x); err != nil {
					if errors.Is(err, crdt.ErrRestamp) {
						return advise(err, "the changes of %v are to be corrected by itself, or by the steward of %s; this store is neither", o, plain(args[0]))
					}
					return err
				}
				if e.flags.json {
					return e.printJSON(moved{jsonOrigin(o), from, to, x.Back.String(), x})
				}
				e.printf("moved changes %d to %d of %v in %s back by %v; it takes effect on other stores as they sync\n", from, to, o, plain(args[0]), x.Back)
				return nil
			})
		},
	}
}

// parseRange reads FROM-TO, or one number.
func parseRange(s string) (from, to uint64, err error) {
	first, last, found := strings.Cut(s, "-")
	if !found {
		last = first
	}
	from, ferr := strconv.ParseUint(first, 10, 64)
	to, terr := strconv.ParseUint(last, 10, 64)
	if ferr != nil || terr != nil || from == 0 || to < from || to == math.MaxUint64 {
		return 0, 0, usageErrorf("%q are no changes; write FROM-TO, such as 12-19, or one number", s)
	}
	return from, to, nil
}
