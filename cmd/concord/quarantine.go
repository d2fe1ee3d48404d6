package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/concord-crdt/concord/replica"
	"github.com/concord-crdt/concord/replica/session"
)

func newQuarantineCommand(e *env) *cobra.Command {
	return &cobra.Command{
		Use:   "quarantine [SCOPE]",
		Short: "List changes that wait, or are void, and why",
		Long: `List the changes that this store keeps and does not apply: those that wait, with
what they wait for and what waits for them, and those that are void for ever, on
every store alike. None of them is lost: what waits is passed on to peers, and
applied when what it waits for is there.`,
		Example: `  concord quarantine
  concord quarantine patients --json`,
		Args: takes(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			scope := strings.Join(args, "")
			return e.withStore(func(r *replica.Replica) error { return e.quarantine(cmd.Context(), r, scope) })
		},
	}
}

func (e *env) quarantine(ctx context.Context, r *replica.Replica, scope string) error {
	n := 0
	for q, err := range r.Quarantine(ctx) {
		if err != nil {
			return err
		}
		if scope != "" && q.Scope != scope {
			continue
		}
		n++
		if err := e.printQuarantined(&q); err != nil {
			return err
		}
	}
	if n == 0 && !e.flags.json {
		e.printf("every change is applied\n")
	}
	return nil
}

func (e *env) printQuarantined(q *replica.Quarantined) error {
	if e.flags.json {
		records := q.Records
		if records == nil {
			records = []string{}
		}
		return e.printJSON(map[string]any{
			"scope": q.Scope, "dot": jsonDot(q.Dot), "fate": q.Fate.String(), "code": q.Code.String(), "reason": q.Reason,
			"since": jsonTime(q.Since), "time": jsonTime(q.Stamp), "actor": q.Author.Actor, "role": q.Author.Role,
			"records": records, "needs": jsonDots(q.Needs), "dependents": jsonDots(q.Dependents), "bytes": len(q.Bytes),
		})
	}
	words := map[replica.Fate]string{replica.Waiting: "waits", replica.Rejected: "is void"}
	e.printf("%s  change %v  %s: %s\n", plain(q.Scope), q.Dot, words[q.Fate], defuse(reasonOf(q)))
	line := "by " + author(q.Author.Actor, q.Author.Role, q.Dot.Origin) + ", " + showTime(q.Stamp.Time())
	if len(q.Records) > 0 {
		names := make([]string, len(q.Records))
		for i := range q.Records {
			names[i] = plain(q.Records[i])
		}
		line += ", record " + strings.Join(names, ", ")
	}
	if q.Since != 0 {
		line += ", here since " + showTime(q.Since.Time())
	}
	e.printf("    %s\n", line)
	if len(q.Needs) > 0 {
		e.printf("    needs %s\n", dotNames(q.Needs))
	}
	if len(q.Dependents) > 0 {
		e.printf("    needed by %s\n", dotNames(q.Dependents))
	}
	if q.Code == session.CodeClockAhead {
		ahead := (time.Until(q.Stamp.Time()) + time.Minute).Truncate(time.Minute)
		e.printf("    its author can correct it: concord restamp %s %s %d %v\n", shellQuote(q.Scope), jsonOrigin(q.Dot.Origin), q.Dot.N, ahead)
	}
	return nil
}

// reasonOf is the code with what was said of it.
func reasonOf(q *replica.Quarantined) string {
	if q.Reason == "" {
		return q.Code.String()
	}
	return q.Code.String() + ", " + q.Reason
}
