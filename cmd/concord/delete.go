package main

import (
	"github.com/spf13/cobra"

	"github.com/concord-crdt/concord/replica"
)

func newDeleteCommand(e *env) *cobra.Command {
	var w writeFlags
	c := &cobra.Command{
		Use:     "delete COLLECTION/KEY",
		Aliases: []string{"rm"},
		Short:   "Delete a record",
		Long: `Delete a record, as you see it. It is hidden and not forgotten: concord log still
shows its changes, and concord restore brings it back. What others edit at the
same time is kept.`,
		Example: `  concord delete patients/bed-7
  concord restore patients/bed-7`,
		Args: takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.change(cmd.Context(), args[0], &w, "deleted "+plain(args[0]),
				func(c *replica.Collection, key string) error {
					_, err := c.View(cmd.Context(), key)
					return err
				},
				func(p *replica.Record) error { return p.Delete() })
		},
	}
	w.register(c.Flags())
	return c
}
