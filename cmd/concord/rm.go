package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/replica"
)

func newRemoveCommand(e *env) *cobra.Command {
	var w writeFlags
	c := &cobra.Command{
		Use:   "rm COLLECTION/KEY...",
		Short: "Delete records",
		Long: `Delete records, as they are seen here. They are hidden and not forgotten: concord
log still shows their changes, and concord undelete brings them back.

What others edit at the same time, without knowing of the deletion, is kept. The
collection's policy says what is shown of it: with delete-wins, the default,
nothing until the record is brought back; with update-wins the edit brings the
record back by itself. A record that is written anew after its deletion begins
empty.

Each record is one change. If one of them is not there none is deleted.`,
		Example: `  concord rm patients/bed-7
  concord rm visits/17 visits/18 --actor bo --intent discharge:ada
  concord undelete patients/bed-7`,
		Args: takes(1, -1),
		RunE: func(cmd *cobra.Command, args []string) error { return e.remove(cmd.Context(), args, &w) },
	}
	w.register(c.Flags())
	return c
}

func (e *env) remove(ctx context.Context, names []string, w *writeFlags) error {
	for _, name := range names {
		if _, _, err := splitRecord(name); err != nil {
			return err
		}
	}
	if w.saw != "" && len(names) > 1 {
		return usageErrorf("--saw is what was seen of one record; delete the others by themselves")
	}
	circumstances, err := w.apply()
	if err != nil {
		return err
	}
	return e.withStore(func(r *replica.Replica) error {
		for _, name := range names {
			collection, key, _ := splitRecord(name)
			if _, err := r.Collection(collection).View(ctx, key); err != nil {
				return noRecord(err, collection, key)
			}
		}
		seen := map[string]bool{}
		for _, name := range names {
			if seen[name] {
				continue
			}
			seen[name] = true
			if err := e.removeOne(ctx, r, name, circumstances); err != nil {
				return err
			}
		}
		return nil
	})
}

func (e *env) removeOne(ctx context.Context, r *replica.Replica, name string, circumstances func(*replica.Record)) error {
	collection, key, _ := splitRecord(name)
	c := r.Collection(collection)
	v, err := c.UpdateVersion(ctx, key, func(p *replica.Record) error {
		circumstances(p)
		return p.Delete()
	})
	if err != nil {
		return err
	}
	// What was not seen of it, or an edit that wins, can keep it.
	_, err = c.View(ctx, key)
	gone := errors.Is(err, replica.ErrNotFound)
	if err != nil && !gone {
		return err
	}
	policy := r.Policy().Collections[collection].Delete
	if e.flags.json {
		return e.printJSON(map[string]any{"record": name, "deleted": gone, "policy": policyName(policy), "version": v.String()})
	}
	if !gone {
		e.printf("%s stays: it was edited by somebody who had not seen what you saw\n", plain(name))
		return nil
	}
	e.printf("deleted %s; %s\n", plain(name), policyWords(policy))
	return nil
}

func policyName(p crdt.DeletePolicy) string {
	if p == crdt.UpdateWins {
		return "update-wins"
	}
	return "delete-wins"
}

func policyWords(p crdt.DeletePolicy) string {
	if p == crdt.UpdateWins {
		return fmt.Sprintf("an edit made apart brings it back (%s)", policyName(p))
	}
	return fmt.Sprintf("an edit made apart stays hidden with it (%s)", policyName(p))
}
