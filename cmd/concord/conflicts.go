package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/concord-crdt/concord/merge"
	"github.com/concord-crdt/concord/replica"
)

func newConflictsCommand(e *env) *cobra.Command {
	var follow bool
	c := &cobra.Command{
		Use:   "conflicts [COLLECTION...]",
		Short: "List what waits for a person to decide",
		Long: `List the records that wait for a person: changes that a rule holds back, fields
that no rule could decide, what is to be looked at, and conflicts with who wrote
what, when and why, and what is shown meanwhile.

Decide with resolve, approve or reject. What is decided spreads like any change,
and holds on every store.`,
		Example: `  concord conflicts
  concord conflicts medication --json | jq .record
  concord conflicts --follow`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.withStore(func(r *replica.Replica) error { return e.conflicts(cmd.Context(), r, args, follow) })
		},
	}
	c.Flags().BoolVar(&follow, "follow", false, "go on with what comes, until interrupted")
	return c
}

func (e *env) conflicts(ctx context.Context, r *replica.Replica, collections []string, follow bool) error {
	n := 0
	for x, err := range r.Conflicts(ctx, collections...) {
		if err != nil {
			return err
		}
		n++
		if err := e.printInspected(&x); err != nil {
			return err
		}
	}
	if n == 0 && !e.flags.json && !follow {
		e.printf("nothing waits for a decision\n")
	}
	if !follow {
		return nil
	}
	for x, err := range r.WatchConflicts(ctx) {
		if err != nil {
			return ended(ctx, err)
		}
		if err := e.printInspected(&x); err != nil {
			return err
		}
	}
	return nil
}

// ended is nil if it was the person who ended it.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// inspectedJSON is a record that waits as --json shows it.
type inspectedJSON struct {
	Record     string         `json:"record"`
	Version    string         `json:"version"`
	Held       []heldJSON     `json:"held,omitempty"`
	Unresolved []string       `json:"unresolved,omitempty"`
	Review     []reviewJSON   `json:"review,omitempty"`
	Conflicts  []conflictJSON `json:"conflicts,omitempty"`
}

type heldJSON struct {
	Change      string          `json:"change"`
	Constraints []string        `json:"constraints,omitempty"`
	Approve     []string        `json:"approve,omitempty"`
	Writes      []candidateOpen `json:"writes"`
}

type reviewJSON struct {
	Field  string `json:"field"`
	Change string `json:"change,omitempty"`
	Share  uint64 `json:"share_ppm,omitempty"`
}

type conflictJSON struct {
	Field      string          `json:"field"`
	Kind       string          `json:"kind"`
	Severity   string          `json:"severity"`
	Rule       string          `json:"rule,omitempty"`
	Base       any             `json:"base,omitempty"`
	Shown      int             `json:"shown"`
	Candidates []candidateOpen `json:"candidates"`
}

// candidateOpen is a value that may be chosen, or a write that is held.
type candidateOpen struct {
	Field  string      `json:"field,omitempty"`
	Value  any         `json:"value"`
	Actor  string      `json:"actor,omitempty"`
	Role   string      `json:"role,omitempty"`
	At     string      `json:"at"`
	Intent *intentJSON `json:"intent,omitempty"`
	Late   bool        `json:"late,omitempty"`
}

func openJSON(field string, c *merge.Candidate) candidateOpen {
	return candidateOpen{field, jsonValue(c.Value), c.Actor, c.Role, c.Stamp.Time().Format(time.RFC3339Nano), jsonIntent(c.Intent), c.Late}
}

func jsonInspected(x *replica.Inspected) inspectedJSON {
	out := inspectedJSON{Record: x.Collection + "/" + x.Key, Version: x.Version.String(), Unresolved: x.Unresolved}
	for _, h := range x.Held {
		held := heldJSON{Change: jsonDot(h.Change), Constraints: h.Constraints, Approve: h.Approve}
		for i := range h.Writes {
			held.Writes = append(held.Writes, openJSON(h.Writes[i].Field, &h.Writes[i].Candidate))
		}
		out.Held = append(out.Held, held)
	}
	for _, v := range x.Review {
		look := reviewJSON{Field: v.Field, Share: v.Share}
		if !v.Change.IsZero() {
			look.Change = jsonDot(v.Change)
		}
		out.Review = append(out.Review, look)
	}
	for _, c := range x.Conflicts {
		conflict := conflictJSON{Field: c.Field, Kind: c.Kind.String(), Severity: c.Severity.String(), Rule: c.Rule, Base: jsonValue(c.Base), Shown: c.Shown}
		for i := range c.Candidates {
			conflict.Candidates = append(conflict.Candidates, openJSON("", &c.Candidates[i]))
		}
		out.Conflicts = append(out.Conflicts, conflict)
	}
	return out
}

func (e *env) printInspected(x *replica.Inspected) error {
	if e.flags.json {
		return e.printJSON(jsonInspected(x))
	}
	name := plain(x.Collection + "/" + x.Key)
	e.printf("%s\n", name)
	if !x.NeedsDecision() {
		e.printf("  settled\n")
		return nil
	}
	e.printHolds(x.Held)
	for _, field := range x.Unresolved {
		e.printf("  unresolved  %s: no candidate meets the rule; concord resolve %s %s --choose VALUE\n", plain(field), shellQuote(x.Collection+"/"+x.Key), shellQuote(field))
	}
	for _, v := range x.Review {
		if v.Change.IsZero() {
			e.printf("  review  %s: two wrote apart; the latest is shown meanwhile\n", plain(v.Field))
			continue
		}
		e.printf("  review  %s: change %s altered %d.%02d %%\n", plain(v.Field), jsonDot(v.Change), v.Share/10000, v.Share/100%100)
	}
	for _, c := range x.Conflicts {
		e.printf("  %v conflict (%v)  %s\n", c.Kind, c.Severity, plain(c.Field))
		for i := range c.Candidates {
			mark := "   "
			if i == c.Shown {
				mark = " * "
			}
			e.printf("   %s%s\n", mark, candidateWords(&c.Candidates[i]))
		}
	}
	return nil
}

// printHolds lists changes that rules hold back.
func (e *env) printHolds(holds []merge.Hold) {
	for _, h := range holds {
		why := "waits for approval"
		if len(h.Constraints) > 0 {
			why = "breaks " + plain(strings.Join(h.Constraints, ", "))
		}
		by := "nobody"
		if len(h.Approve) > 0 {
			by = plain(strings.Join(h.Approve, ", "))
		}
		e.printf("  held  change %s %s; %s may decide\n", jsonDot(h.Change), why, by)
		for i := range h.Writes {
			e.printf("      %s = %s\n", plain(h.Writes[i].Field), candidateWords(&h.Writes[i].Candidate))
		}
	}
}

// candidateWords are a value with who wrote it, when and why.
func candidateWords(c *merge.Candidate) string {
	words := show(c.Value, shownBytes) + "  " + author(c.Actor, c.Role, c.Entry.Dot.Origin) + ", " + showTime(c.Stamp.Time())
	if !c.Intent.IsZero() {
		words += ", " + plain(c.Intent.Action+":"+c.Intent.Key)
	}
	if c.Late {
		words += ", late"
	}
	return words
}
