package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/merge"
	"github.com/concord-crdt/concord/replica"
)

func newPolicyActivateCommand(e *env) *cobra.Command {
	return &cobra.Command{
		Use:   "activate FILE",
		Short: "Put the next version of a policy into force",
		Long: `Put the next version of a policy into force: in this store at once, and in every
other as it syncs, before any change that is written under it. What was written
before is decided again by it.

The version must have the name of the one in force, a greater number, and the role
(--role) must be one that the version in force lets activate. - is standard input.`,
		Example: `  concord policy activate hospital.yaml --actor ada --role chief`,
		Args:    takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := e.soundPolicy(args[0])
			if err != nil {
				return err
			}
			return e.withStore(func(r *replica.Replica) error {
				switch err := r.Activate(cmd.Context(), *p, crdt.Author{}); {
				case errors.Is(err, merge.ErrNotEntitled):
					return advise(err, "%v; say in which role with --role", err)
				case err != nil:
					return err
				}
				if e.flags.json {
					return e.printJSON(map[string]any{"policy": p.Name, "version": p.Version, "digest": fmt.Sprintf("%x", p.Digest())})
				}
				e.printf("version %d of %s is in force\n", p.Version, plain(p.Name))
				return nil
			})
		},
	}
}

func newPolicyVersionsCommand(e *env) *cobra.Command {
	var number uint64
	c := &cobra.Command{
		Use:   "versions",
		Short: "List the versions of the policy that a store knows",
		Long: `List the versions of the policy that a store knows, with the one that is in force;
or print one of them, as it was activated.`,
		Example: `  concord policy versions
  concord policy versions --print 3 > hospital-3.yaml`,
		Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			printed := cmd.Flags().Changed("print")
			return e.withStore(func(r *replica.Replica) error {
				if printed {
					return e.printVersion(r, number)
				}
				return e.listVersions(r)
			})
		},
	}
	c.Flags().Uint64Var(&number, "print", 0, "print the version of this `number`")
	return c
}

func (e *env) printVersion(r *replica.Replica, number uint64) error {
	text := ""
	for _, v := range r.PolicyVersions() {
		if v.Policy.Version == number && (text == "" || v.Active) {
			text = v.Text
		}
	}
	if text == "" {
		return advise(replica.ErrNotFound, "there is no version %d here; see what there is with: concord policy versions", number)
	}
	e.printf("%s", text)
	return nil
}

func (e *env) listVersions(r *replica.Replica) error {
	versions := r.PolicyVersions()
	if len(versions) == 0 && !e.flags.json {
		e.printf("the store has no policy: every collection exists, and everyone may write\n")
	}
	for _, v := range versions {
		digest := v.Policy.Digest()
		if e.flags.json {
			object := map[string]any{"policy": v.Policy.Name, "version": v.Policy.Version, "active": v.Active, "digest": fmt.Sprintf("%x", digest)}
			if v.Before != 0 {
				object["before"] = replica.PolicyNumber(v.Before)
			}
			if err := e.printJSON(object); err != nil {
				return err
			}
			continue
		}
		state := ""
		if v.Active {
			state = "  in force"
		}
		e.printf("version %d of %s, digest %x%s\n", v.Policy.Version, plain(v.Policy.Name), digest[:4], state)
	}
	return nil
}
