package main

import (
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/concord-crdt/concord/replica"
)

func newBackupRestoreCommand(e *env) *cobra.Command {
	return &cobra.Command{
		Use:   "restore FILE [DIR]",
		Short: "Make a store of what backup wrote",
		Long: `Make a store of FILE, which "concord backup" wrote, in DIR or in the directory that
--store names, which must be new or empty; "-" is stdin.`,
		Example: `  concord backup restore ward-tablet.backup ~/new-tablet`,
		Args:    takes(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 {
				e.flags.store = args[1]
			}
			o, err := e.options()
			if err != nil {
				return err
			}
			var from io.Reader = e.stdin
			if args[0] != "-" {
				f, err := os.Open(args[0])
				if err != nil {
					return advise(err, "cannot read %s: %v", shellQuote(args[0]), err)
				}
				defer f.Close()
				from = f
			}
			if err := replica.Restore(cmd.Context(), e.flags.store, from, o); err != nil {
				return err
			}
			if !e.flags.json {
				e.printf("made a store in %s\n", e.flags.store)
			}
			return nil
		},
	}
}
