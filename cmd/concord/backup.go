package main

import (
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/concord-crdt/concord/replica"
)

func newBackupCommand(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "backup FILE",
		Short: "Write all of a store into a file",
		Long: `Write all of the store into FILE, which must be new; "-" is stdout.

The file holds the store's key and is not encrypted: keep it as you would keep
the store. "concord backup restore" makes a store of it again. Store and
restored store may both be used afterwards.`,
		Example: `  concord backup ward-tablet.backup
  concord backup restore ward-tablet.backup ~/new-tablet`,
		Args: takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.withStore(func(r *replica.Replica) error {
				if args[0] == "-" {
					return r.Backup(cmd.Context(), e.stdout)
				}
				f, err := os.OpenFile(args[0], os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
				if err != nil {
					return advise(err, "cannot make %s: %v", shellQuote(args[0]), err)
				}
				if err := errors.Join(r.Backup(cmd.Context(), f), f.Sync(), f.Close()); err != nil {
					return errors.Join(err, os.Remove(args[0]))
				}
				if !e.flags.json {
					e.printf("wrote %s\n", args[0])
				}
				return nil
			})
		},
	}
	c.AddCommand(newBackupRestoreCommand(e))
	return c
}
