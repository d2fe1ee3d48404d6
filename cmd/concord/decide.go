package main

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/merge"
	"github.com/concord-crdt/concord/replica"
)

func newResolveCommand(e *env) *cobra.Command {
	var w writeFlags
	var choose, custom string
	c := &cobra.Command{
		Use:   "resolve COLLECTION/KEY FIELD (--choose VALUE | --custom VALUE)",
		Short: "Settle a field that several people wrote apart",
		Long: `Settle a field that several people wrote apart: by one of the values that they
wrote, or by one of your own. It replaces all that you saw of the field, here and
on every store. A value that arrives later, from somebody who did not know of the
decision, opens the question again.

With --saw TOKEN, from conflicts --json or get --version-token, what arrived
since you looked is not decided by you.`,
		Example: `  concord resolve case/17 status --choose open
  concord resolve case/17 status --custom "under review"`,
		Args: takes(2, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			flags := cmd.Flags()
			if flags.Changed("choose") == flags.Changed("custom") {
				return usageErrorf("say what counts: --choose one of the values, or --custom one of your own")
			}
			text := choose
			if flags.Changed("custom") {
				text = custom
			}
			value, err := parseValue(text)
			if err != nil {
				return err
			}
			return e.resolve(cmd.Context(), args[0], args[1], &w, value, flags.Changed("custom"))
		},
	}
	c.Flags().StringVar(&choose, "choose", "", "one of the `values` that stand beside each other")
	c.Flags().StringVar(&custom, "custom", "", "a `value` of your own")
	w.register(c.Flags())
	return c
}

func (e *env) resolve(ctx context.Context, name, field string, w *writeFlags, value any, custom bool) error {
	check := func(c *replica.Collection, key string) error { _, err := c.View(ctx, key); return err }
	err := e.change(ctx, name, w, "settled "+plain(name)+" "+plain(field)+": "+show(value, shownBytes), check,
		func(p *replica.Record) error { return p.Resolve(field, value, custom) })
	if errors.Is(err, merge.ErrNoCandidate) {
		return advise(err, "%s is none of the values of %s; see them with: concord explain %s %s, or give one of your own with --custom",
			show(value, shownBytes), plain(field), shellQuote(name), shellQuote(field))
	}
	return err
}

func newApproveCommand(e *env) *cobra.Command {
	return newVerdictCommand(e, true, "approve COLLECTION/KEY [CHANGE]", "Let a change count that a rule holds back",
		`Let a change count that a rule holds back until somebody approves, or accept a
proposal. CHANGE is its name, or its end, as concord conflicts shows it; it may
be left out where only one waits.

Your role must be one that the rule names: say it with --role. The verdict
spreads to every store. A rejection that somebody gives at the same time beats it.`)
}

func newRejectCommand(e *env) *cobra.Command {
	return newVerdictCommand(e, false, "reject COLLECTION/KEY [CHANGE]", "Keep a change out that a rule holds back",
		`Keep a change out for good that a rule holds back until somebody decides, or turn
down a proposal. CHANGE is its name, or its end, as concord conflicts shows it;
it may be left out where only one waits. What it wrote stays readable.

Your role must be one that the rule names: say it with --role. The verdict
spreads to every store, and beats an approval given at the same time.`)
}

func newVerdictCommand(e *env, approve bool, use, short, long string) *cobra.Command {
	var w writeFlags
	verb, _, _ := strings.Cut(use, " ")
	c := &cobra.Command{
		Use: use, Short: short, Long: long,
		Example: "  concord conflicts account\n  concord --role supervisor " + verb + " account/1",
		Args:    takes(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			named := ""
			if len(args) == 2 {
				named = args[1]
			}
			return e.verdict(cmd.Context(), args[0], named, &w, approve)
		},
	}
	w.register(c.Flags())
	return c
}

func (e *env) verdict(ctx context.Context, name, named string, w *writeFlags, approve bool) error {
	var on clock.Dot
	words := map[bool]string{true: "approved a change of ", false: "rejected a change of "}[approve] + plain(name)
	return e.change(ctx, name, w, words, func(c *replica.Collection, key string) (err error) {
		on, err = heldChange(ctx, c, key, name, named)
		return err
	}, func(p *replica.Record) error { return p.Decide(on, approve) })
}

// heldChange finds the change that a verdict is about: the one whose name ends as
// said, or the only one that waits.
func heldChange(ctx context.Context, c *replica.Collection, key, name, named string) (clock.Dot, error) {
	x, err := c.Inspect(ctx, key)
	if err != nil {
		return clock.Dot{}, err
	}
	var found []clock.Dot
	for _, h := range x.Held {
		if strings.HasSuffix(jsonDot(h.Change), named) || strings.HasSuffix(h.Change.String(), named) {
			found = append(found, h.Change)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(x.Held) == 0:
		return clock.Dot{}, advise(merge.ErrNotHeld, "nothing of %s waits for a verdict; see what does with: concord conflicts", plain(name))
	case len(found) == 0:
		return clock.Dot{}, usageErrorf("no change of %s that waits is called %s; see them with: concord conflicts", plain(name), plain(named))
	}
	return clock.Dot{}, usageErrorf("%d changes of %s wait; name one of them, as concord conflicts shows it", len(found), plain(name))
}
