package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"

	"github.com/spf13/cobra"

	"github.com/concord-crdt/concord/merge"
	"github.com/concord-crdt/concord/proptest/scenario"
	"github.com/concord-crdt/concord/replica"
)

func newPolicyDiffCommand(e *env) *cobra.Command {
	var against string
	c := &cobra.Command{
		Use:   "diff OLD NEW",
		Short: "Tell what another version of a policy would change",
		Long: `Tell in what two policies differ. With --against STORE, also what the records of
that store would show under NEW and not under OLD, and how much would wait for a
person: a rehearsal, before the version is put into force. The store is only read,
and must not be open elsewhere.

The exit code is 0 whether they differ or not.`,
		Example: `  concord policy diff hospital-2.yaml hospital-3.yaml
  concord policy diff hospital-2.yaml hospital-3.yaml --against /srv/ward`,
		Args: takes(2, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			before, err := e.soundPolicy(args[0])
			if err != nil {
				return err
			}
			after, err := e.soundPolicy(args[1])
			if err != nil {
				return err
			}
			if err := e.diffPolicies(before, after); err != nil || against == "" {
				return err
			}
			return e.rehearse(cmd.Context(), against, before, after)
		},
	}
	c.Flags().StringVar(&against, "against", "", "`directory` of a store to try both on")
	return c
}

// diffPolicies tells which collections and fields have other rules.
func (e *env) diffPolicies(before, after *merge.Policy) error {
	tell := func(place, what string) error {
		if e.flags.json {
			return e.printJSON(map[string]any{"at": place, "change": what})
		}
		e.printf("%s: %s\n", plain(place), what)
		return nil
	}
	names := slices.Sorted(maps.Keys(before.Collections))
	for name := range after.Collections {
		if _, ok := before.Collections[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		a, had := before.Collections[name]
		b, has := after.Collections[name]
		if had != has {
			if err := tell(name, map[bool]string{true: "new", false: "gone"}[has]); err != nil {
				return err
			}
			continue
		}
		fields := slices.Sorted(maps.Keys(a.Fields))
		for f := range b.Fields {
			if _, ok := a.Fields[f]; !ok {
				fields = append(fields, f)
			}
		}
		for _, f := range fields {
			x, had := a.Fields[f]
			y, has := b.Fields[f]
			what := "other rules"
			switch {
			case had && has && reflect.DeepEqual(x, y):
				continue
			case !had:
				what = "new"
			case !has:
				what = "gone"
			}
			if err := tell(name+"."+f, what); err != nil {
				return err
			}
		}
		a.Fields, b.Fields = nil, nil
		if !reflect.DeepEqual(a, b) {
			if err := tell(name, "other rules"); err != nil {
				return err
			}
		}
	}
	return nil
}

// rehearse shows the records of a store under both policies, in a copy.
func (e *env) rehearse(ctx context.Context, dir string, before, after *merge.Policy) error {
	if err := checkStore(dir); err != nil {
		return err
	}
	o, err := e.options()
	if err != nil {
		return err
	}
	was, err := rehearsal(ctx, dir, o, before)
	if err != nil {
		return err
	}
	would, err := rehearsal(ctx, dir, o, after)
	if err != nil {
		return err
	}
	differ := 0
	for _, name := range slices.Sorted(maps.Keys(would.shown)) {
		if reflect.DeepEqual(was.shown[name], would.shown[name]) {
			continue
		}
		differ++
		if e.flags.json {
			if err := e.printJSON(map[string]any{"record": name, "before": jsonValue(was.shown[name]), "after": jsonValue(would.shown[name])}); err != nil {
				return err
			}
			continue
		}
		e.printf("%s\n  before  %s\n  after   %s\n", plain(name), show(was.shown[name], 200), show(would.shown[name], 200))
	}
	if e.flags.json {
		return e.printJSON(map[string]any{"records": len(would.shown), "differ": differ, "waiting_before": was.waiting, "waiting_after": would.waiting})
	}
	e.printf("%s of %d would show something else; %d would wait for a person, and %d do\n", count(differ, "record"), len(would.shown), would.waiting, was.waiting)
	return nil
}

// tried is what a store shows under a policy.
type tried struct {
	shown   map[string]any
	waiting int
}

func rehearsal(ctx context.Context, dir string, o replica.Options, p *merge.Policy) (t tried, err error) {
	t.shown = map[string]any{}
	err = replica.Rehearse(ctx, dir, o, *p, func(x *replica.Inspected) error {
		if x.Hidden != nil || !x.View.Exists {
			return nil
		}
		t.shown[x.Collection+"/"+x.Key] = x.View.Values()
		if x.NeedsDecision() {
			t.waiting++
		}
		return nil
	})
	return t, err
}

func newPolicyTestCommand(e *env) *cobra.Command {
	return &cobra.Command{
		Use:   "test POLICY SCENARIOS...",
		Short: "Try a policy on scenarios of your own",
		Long: `Take real replicas with the policy through the scenarios of files: short histories
with the outcomes that you allow. A scenario that has no policy of its own is run
under POLICY; one that has keeps it. docs/scenarios.md says how they are written.

The exit code is 1 if a scenario of level "must" failed.`,
		Example: `  concord policy test hospital.yaml scenarios/*.json`,
		Args:    takes(2, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := e.soundPolicy(args[0]); err != nil {
				return err
			}
			text, err := os.ReadFile(args[0])
			if err != nil {
				return fmt.Errorf("read the policy: %w", err)
			}
			files, err := e.readScenarios(args[1:])
			if err != nil {
				return err
			}
			for _, f := range files {
				for _, s := range f.Scenarios {
					if s.Policy == nil {
						s.Policy = &scenario.Policy{Text: string(text), JSON: filepath.Ext(args[0]) == ".json"}
					}
				}
			}
			return e.runScenarios(cmd.Context(), files)
		},
	}
}
