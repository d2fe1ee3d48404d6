package main

import (
	"errors"

	"github.com/spf13/cobra"
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
	missing := checkStore(e.flags.store)
	if missing, ok := errors.AsType[*noStoreError](missing); ok && missing.free == newDirectory {
		return advise(missing, "cannot make a store in %s: %s; choose a new or an empty directory", shellQuote(missing.dir), missing.why)
	}
	made := missing != nil
	r, err := e.openReplica(o)
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
