package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/concord-crdt/concord/replica"
)

func newUndeleteCommand(e *env) *cobra.Command {
	var w writeFlags
	c := &cobra.Command{
		Use:   "undelete COLLECTION/KEY",
		Short: "Bring a deleted record back",
		Long: `Take back the deletions of a record that have arrived here: all that was in it is
there again, here and wherever the change arrives. A deletion that arrives
later, from somebody who had not seen this, counts.`,
		Example: `  concord undelete patients/bed-7
  concord undelete patients/bed-7 --actor ada --role doctor`,
		Args: takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.change(cmd.Context(), args[0], &w, "brought "+plain(args[0])+" back",
				func(c *replica.Collection, key string) error { return wasDeleted(cmd.Context(), c, key) },
				func(p *replica.Record) error { return p.Restore() })
		},
	}
	w.register(c.Flags())
	return c
}

// wasDeleted wants a record that has a history and is not there.
func wasDeleted(ctx context.Context, c *replica.Collection, key string) error {
	name := c.Name() + "/" + key
	_, err := c.View(ctx, key)
	switch {
	case err == nil:
		return advise(errNotDeleted, "%s is not deleted; see it with: concord get %s", plain(name), shellQuote(name))
	case !errors.Is(err, replica.ErrNotFound):
		return err
	}
	for _, err := range c.History(ctx, key) {
		return err
	}
	return advise(replica.ErrNotFound, "there never was a record %s here; see what there is with: concord ls", plain(name))
}
