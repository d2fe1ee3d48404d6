package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/concord-crdt/concord/replica"
)

func newVerifyCommand(e *env) *cobra.Command {
	var peer string
	var repair, aside bool
	c := &cobra.Command{
		Use:   "verify [DIR]",
		Short: "Read everything in a store, and repair it",
		Long: `Read everything in the store in DIR, or in the one that --store names, and
compare it: rows with their checksums, changes with their chains, records with
their changes, and all with what was counted.

With --repair=ADDRESS what is damaged is fetched from the peer there; with
--repair alone it is made again from what is here, as far as that goes.

A store that cannot be opened any more can be set aside with --set-aside: it is
moved, and an empty one takes its place, which gets from its peers what they have.`,
		Example: `  concord verify
  concord verify ~/ward-tablet --repair=127.0.0.1:7000
  concord verify --repair`,
		Args: takes(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				e.flags.store = args[0]
			}
			if aside {
				if err := checkStore(e.flags.store); err != nil {
					return err
				}
				to, err := replica.SetAside(e.flags.store)
				if err != nil {
					return err
				}
				e.printf("moved the store to %s\n", to)
			}
			err := e.withStore(func(r *replica.Replica) error {
				if repair {
					if peer == localRepair {
						peer = ""
					}
					return e.repair(cmd, r, peer)
				}
				return e.verify(cmd, r)
			})
			if errors.Is(err, replica.ErrCorrupt) && !errors.Is(err, errDamaged) {
				return advise(err, "%v; if a peer has its records, set the store aside: concord verify %s --set-aside --repair=ADDRESS", err, shellQuote(e.flags.store))
			}
			return err
		},
	}
	c.Flags().StringVar(&peer, "repair", "", "repair, from the peer at `address`")
	c.Flags().Lookup("repair").NoOptDefVal = localRepair
	c.Flags().BoolVar(&aside, "set-aside", false, "move the store away, and begin with an empty one")
	c.PreRun = func(cmd *cobra.Command, _ []string) { repair = cmd.Flags().Changed("repair") }
	return c
}

// localRepair is what --repair means without an address.
const localRepair = "here"

var errDamaged = errors.New("the store is damaged")

func (e *env) verify(cmd *cobra.Command, r *replica.Replica) error {
	rep, err := r.Verify(cmd.Context(), nil)
	if err != nil {
		return err
	}
	if e.flags.json {
		if err := e.printJSON(map[string]any{"ok": rep.OK(), "scopes": rep.Scopes, "records": rep.Records,
			"changes": rep.Changes, "not_applied": rep.Waiting, "bytes": rep.Bytes, "damage": damageWords(rep.Damage)}); err != nil {
			return err
		}
	} else {
		e.printf("read %s in %s, %s in %s\n", count(rep.Changes, "change"), showBytes(rep.Bytes), count(rep.Records, "record"), count(rep.Scopes, "scope"))
		e.printDamage(rep.Damage)
	}
	if !rep.OK() {
		return advise(errDamaged, "the store is damaged: %s; repair it: concord verify %s --repair=ADDRESS", count(len(rep.Damage), "finding"), shellQuote(e.flags.store))
	}
	if !e.flags.json {
		e.printf("everything is as it was written\n")
	}
	return nil
}

func (e *env) repair(cmd *cobra.Command, r *replica.Replica, peer string) error {
	rep, err := r.Repair(cmd.Context(), peer)
	if err != nil {
		return err
	}
	if e.flags.json {
		if err := e.printJSON(map[string]any{"ok": len(rep.Left) == 0, "found": damageWords(rep.Found), "left": damageWords(rep.Left),
			"received": rep.Session.Received.Changes.Changes}); err != nil {
			return err
		}
	} else {
		e.printf("found: %s; left: %s\n", count(len(rep.Found), "finding"), count(len(rep.Left), "finding"))
		e.printDamage(rep.Left)
	}
	if len(rep.Left) > 0 {
		return advise(errDamaged, "the store is damaged still: try another peer, one that has the changes listed; if one has all records, set the store aside: concord verify %s --set-aside --repair=ADDRESS", shellQuote(e.flags.store))
	}
	return nil
}

func damageWords(list []replica.Damage) []string {
	words := []string{}
	for _, d := range list {
		words = append(words, d.String())
	}
	return words
}

func (e *env) printDamage(list []replica.Damage) {
	for _, d := range list {
		e.printf("  %s\n", defuse(d.String()))
	}
}
