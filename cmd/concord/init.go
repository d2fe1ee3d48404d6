package main

import (
	"github.com/spf13/cobra"

	"github.com/concord-crdt/concord/replica"
)

func newInitCommand(e *env) *cobra.Command {
	return &cobra.Command{
		Use:   "init [DIR]",
		Short: "Make a store",
		Long: `Make a store in DIR, or in the directory that --store names.

The directory must be new or empty. A store that is there already is left as
it is.`,
		Example: `  concord init
  concord init ~/ward-tablet`,
		Args: takes(0, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 {
				e.flags.store = args[0]
			}
			return e.initStore()
		},
	}
}

func (e *env) initStore() error {
	o, err := e.options()
	if err != nil {
		return err
	}
	made := checkStore(e.flags.store) != nil
	r, err := replica.Open(e.flags.store, o)
	if err != nil {
		return err
	}
	id := r.Origin().Replica.String()
	if err := r.Close(); err != nil {
		return err
	}
	if e.flags.json {
		return e.printJSON(map[string]any{"store": e.flags.store, "replica": id, "made": made})
	}
	if !made {
		e.printf("%s is a store already, and is left as it is: replica %s\n", e.flags.store, id)
		return nil
	}
	e.printf("made a store in %s: replica %s\n\nNext, write something and read it:\n\n", e.flags.store, id)
	at := e.storeFlag()
	e.printf("  concord%s put patients/bed-7 name=Ada dose=5\n  concord%s get patients/bed-7\n", at, at)
	return nil
}

// storeFlag is what a command line needs to reach the store, with a space in
// front.
func (e *env) storeFlag() string {
	if e.flags.store == fromEnvironment(storeVariable, defaultStore) {
		return ""
	}
	return " --store " + shellQuote(e.flags.store)
}
