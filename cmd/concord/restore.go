package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/concord-crdt/concord/replica"
)

func newRestoreCommand(e *env) *cobra.Command {
	var w writeFlags
	c := &cobra.Command{
		Use:   "restore COLLECTION/KEY",
		Short: "Bring a deleted record back",
		Long:  `Take back the deletion of a record, here and wherever the change arrives.`,
		Example: `  concord restore patients/bed-7
  concord restore patients/bed-7 --actor ada --role doctor`,
		Args: takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.change(cmd.Context(), args[0], &w, "restored "+plain(args[0]),
				func(c *replica.Collection, key string) error { return checkDeleted(cmd, c, key) },
				func(p *replica.Record) error { return p.Restore() })
		},
	}
	w.register(c.Flags())
	return c
}

// checkDeleted wants a record that was there once and is not now.
func checkDeleted(cmd *cobra.Command, c *replica.Collection, key string) error {
	_, err := c.View(cmd.Context(), key)
	if err == nil {
		return advise(errNotDeleted, "%s is not deleted; see it with: concord get %s", plain(c.Name()+"/"+key), shellQuote(c.Name()+"/"+key))
	}
	if !errors.Is(err, replica.ErrNotFound) {
		return err
	}
	for _, err := range c.History(cmd.Context(), key) {
		return err
	}
	return replica.ErrNotFound
}
