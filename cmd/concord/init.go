package main

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/concord-crdt/concord/merge"
)

func newInitCommand(e *env) *cobra.Command {
	var steward bool
	c := &cobra.Command{
		Use:   "init [DIR]",
		Short: "Make a store",
		Long: `Make a store in DIR, or in the directory that --store names.

The directory must be new or empty. A store that is there already is left as
it is, but for the two things below when they are asked for.

With --policy, a copy of the policy is kept with the store, and every command on
the store goes by it; stores without one take it over from those that they sync
with. The next version is put into force by concord policy activate. With
--steward, the store decides how far the past is settled (see concord settle):
one store of a fleet does. No backup holds these two.`,
		Example: `  concord init
  concord init ~/ward-tablet --policy hospital.yaml
  concord init ~/ward-server --policy hospital.yaml --steward`,
		Args: takes(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				e.flags.store = args[0]
			}
			x := initializer{env: e, policy: e.flags.policy}
			if f := cmd.Flags().Lookup("policy"); !f.Changed && x.exists() {
				x.policy = "" // the environment does not alter what is there
			}
			if cmd.Flags().Changed("steward") {
				x.steward = &steward
			}
			return x.run()
		},
	}
	c.Flags().BoolVar(&steward, "steward", false, "let the store decide how far the past is settled; =false ends it")
	return c
}

// initializer makes a store, or alters what is kept with one.
type initializer struct {
	*env
	policy  string // the file; empty to leave it
	steward *bool
}

func (x *initializer) exists() bool { return checkStore(x.flags.store) == nil }

func (x *initializer) run() error {
	missing := checkStore(x.flags.store)
	if missing, ok := errors.AsType[*noStoreError](missing); ok && missing.free == newDirectory {
		return advise(missing, "cannot make a store in %s: %s; choose a new or an empty directory", shellQuote(missing.dir), missing.why)
	}
	made := missing != nil
	x.flags.policy = x.policy
	o, err := x.options()
	if err != nil {
		return err
	}
	r, err := x.openReplica(o)
	if err != nil {
		return err
	}
	id := r.Origin().Replica.String()
	if err := r.Close(); err != nil {
		return err
	}
	if x.policy != "" {
		if err := replaceFile(filepath.Join(x.flags.store, keptPolicy), o.Policy.YAML()); err != nil {
			return fmt.Errorf("keep the policy: %w", err)
		}
	}
	if x.steward != nil {
		if err := writeSettings(x.flags.store, settings{Steward: *x.steward}); err != nil {
			return err
		}
	}
	return x.tell(id, made, &o.Policy)
}

func (x *initializer) tell(id string, made bool, policy *merge.Policy) error {
	s, err := readSettings(x.flags.store)
	if err != nil {
		return err
	}
	if x.flags.json {
		return x.printJSON(map[string]any{"store": x.flags.store, "replica": id, "made": made, "policy": policy.Name, "steward": s.Steward})
	}
	switch {
	case made:
		x.printf("made a store in %s: replica %s\n", x.flags.store, id)
	case x.policy == "" && x.steward == nil:
		x.printf("%s is a store already, and is left as it is: replica %s\n", x.flags.store, id)
	default:
		x.printf("%s is a store already: replica %s\n", x.flags.store, id)
	}
	if x.policy != "" {
		x.printf("it goes by version %d of the policy %s\n", policy.Version, plain(policy.Name))
	}
	switch {
	case x.steward != nil && *x.steward:
		x.printf("it is the steward of its scopes; let the others sync with it, and settle with: concord%s settle SCOPE\n", x.storeFlag())
	case x.steward != nil:
		x.printf("it is no steward any more, but of scopes that it has settled\n")
	}
	if made && len(policy.Collections) == 0 {
		at := x.storeFlag()
		x.printf("\nNext, write something and read it:\n\n")
		x.printf("  concord%s put patients/bed-7 name=Ada dose=5\n  concord%s get patients/bed-7\n", at, at)
	}
	return nil
}

// storeFlag is what a command line needs to reach the store, with a space in
// front.
func (e *env) storeFlag() string {
	at := ""
	if e.flags.store != fromEnvironment(storeVariable, defaultStore) {
		at = " --store " + shellQuote(e.flags.store)
	}
	if e.flags.key != fromEnvironment(keyVariable, "") {
		at += " --key " + shellQuote(e.flags.key)
	}
	return at
}
