package main

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/concord-crdt/concord/merge"
	"github.com/concord-crdt/concord/replica"
)

func newExplainCommand(e *env) *cobra.Command {
	return &cobra.Command{
		Use:   "explain COLLECTION/KEY FIELD",
		Short: "Tell why a field shows what it shows",
		Long: `Tell why a field shows what it shows: the values that stood against each other,
what each step of the rule found of them, which step left one, and what is held
back. FIELD may be a path into a map.`,
		Example: `  concord explain patients/bed-7 dose
  concord explain patients/bed-7 dose --json | jq -r .decided_by`,
		Args: takes(2, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.withStore(func(r *replica.Replica) error { return e.explain(cmd.Context(), r, args[0], args[1]) })
		},
	}
}

type explainJSON struct {
	Record     string          `json:"record"`
	Field      string          `json:"field"`
	DecidedBy  string          `json:"decided_by"`
	Winner     int             `json:"winner"`
	Candidates []candidateOpen `json:"candidates"`
	Steps      []stepJSON      `json:"steps"`
	Held       []heldJSON      `json:"held,omitempty"`
}

type stepJSON struct {
	Step string `json:"step"`
	// Kept are the candidates that were left, by their place in the list.
	Kept   []int    `json:"kept"`
	Faults []string `json:"faults,omitempty"`
}

func (e *env) explain(ctx context.Context, r *replica.Replica, name, field string) error {
	collection, key, err := splitRecord(name)
	if err != nil {
		return err
	}
	c := r.Collection(collection)
	if _, err := c.View(ctx, key); err != nil {
		return noRecord(err, collection, key)
	}
	x, err := c.Explain(ctx, key, field)
	if err != nil {
		return advise(err, "%s has no field %s; see its fields with: concord get %s", plain(name), plain(field), shellQuote(name))
	}
	if e.flags.json {
		return e.printJSON(jsonExplanation(name, field, &x))
	}
	e.printf("%s %s\n", plain(name), plain(field))
	for i := range x.Candidates {
		mark := "  "
		if i == x.Winner {
			mark = "* "
		}
		e.printf("  %s%d  %s\n", mark, i+1, candidateWords(&x.Candidates[i]))
	}
	for _, s := range x.Steps {
		var left []string
		for _, j := range s.Judgements {
			if j.Kept {
				left = append(left, strconv.Itoa(j.Candidate+1))
			}
		}
		e.printf("  %s left %s\n", s.Step, orNobody(strings.Join(left, ", ")))
	}
	for _, h := range x.Held {
		e.printf("  held: change %s\n", jsonDot(h.Change))
	}
	e.printf("  decided by: %s\n", x.Deciding)
	return nil
}

func orNobody(s string) string {
	if s == "" {
		return "nobody"
	}
	return s
}

func jsonExplanation(name, field string, x *merge.FieldExplanation) explainJSON {
	out := explainJSON{Record: name, Field: field, DecidedBy: x.Deciding, Winner: x.Winner, Candidates: []candidateOpen{}, Steps: []stepJSON{},
		Held: jsonInspected(&replica.Inspected{Report: merge.Report{Held: x.Held}}).Held}
	for i := range x.Candidates {
		out.Candidates = append(out.Candidates, openJSON("", &x.Candidates[i]))
	}
	for _, s := range x.Steps {
		step := stepJSON{Step: s.Step.Do.String(), Kept: []int{}}
		for _, j := range s.Judgements {
			if j.Kept {
				step.Kept = append(step.Kept, j.Candidate)
			}
			if j.Fault != "" {
				step.Faults = append(step.Faults, j.Fault)
			}
		}
		slices.Sort(step.Kept)
		out.Steps = append(out.Steps, step)
	}
	return out
}
