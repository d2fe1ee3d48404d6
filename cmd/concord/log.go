package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/replica"
)

func newLogCommand(e *env) *cobra.Command {
	var limit int
	c := &cobra.Command{
		Use:   "log COLLECTION/KEY",
		Short: "Show who changed a record, when and how",
		Long: `Show the changes of a record, the one that came last to this store first: when it
was made, by whom, in which role and for what, what it altered, and whose values
it replaced.`,
		Example: `  concord log patients/bed-7
  concord log patients/bed-7 --limit 0 --json`,
		Args: takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			collection, key, err := splitRecord(args[0])
			if err != nil {
				return err
			}
			if limit < 0 {
				return usageErrorf("--limit is %d; use 0 for all changes, or more", limit)
			}
			return e.withStore(func(r *replica.Replica) error {
				return noRecord(e.showLog(cmd.Context(), r.Collection(collection), key, limit), collection, key)
			})
		},
	}
	c.Flags().IntVar(&limit, "limit", 20, "how many changes to show; 0: all")
	return c
}

// showLog prints changes as soon as it is known what they replaced: that is in
// older ones, which come later.
func (e *env) showLog(ctx context.Context, c *replica.Collection, key string, limit int) error {
	past := newPast()
	var queue []replica.ChangeInfo
	shown, more := 0, false
	for info, err := range c.History(ctx, key) {
		if err != nil {
			return err
		}
		past.note(&info)
		if limit == 0 || shown+len(queue) < limit {
			past.want(needed(&info))
			queue = append(queue, info)
		} else {
			more = true
			if len(queue) == 0 {
				break
			}
		}
		for len(queue) > 0 && past.has(needed(&queue[0])) {
			if err := e.showChange(&queue[0], past); err != nil {
				return err
			}
			queue, shown = queue[1:], shown+1
		}
	}
	for i := range queue {
		if err := e.showChange(&queue[i], past); err != nil {
			return err
		}
	}
	if more && !e.flags.json {
		e.printf("there are older changes; see them with --limit 0\n")
	}
	return nil
}

// changeJSON is a change as log --json shows it.
type changeJSON struct {
	Dot    string      `json:"dot"`
	Time   string      `json:"time"`
	Actor  string      `json:"actor"`
	Role   string      `json:"role"`
	Intent *intentJSON `json:"intent,omitempty"`
	Fate   string      `json:"fate"`
	Birth  bool        `json:"birth,omitempty"`
	Delete bool        `json:"delete,omitempty"`
	// Pruned: what it said is no longer kept.
	Pruned bool `json:"pruned,omitempty"`
	// Restore are the deletions that were taken back.
	Restore []string   `json:"restore,omitempty"`
	Edits   []editJSON `json:"edits"`
	Saw     []string   `json:"saw"`
	Heads   []string   `json:"heads"`
	Bytes   int        `json:"bytes"`
}

type editJSON struct {
	Field    string         `json:"field"`
	Type     string         `json:"type"`
	Action   string         `json:"action"`
	Value    any            `json:"value,omitempty"`
	Replaced []replacedJSON `json:"replaced,omitempty"`
	// Proposal is what a verdict is on.
	Proposal *authorJSON `json:"proposal,omitempty"`
}

type replacedJSON struct {
	Value any    `json:"value"`
	Actor string `json:"actor"`
	Role  string `json:"role"`
	Dot   string `json:"dot"`
}

type authorJSON struct {
	Actor string `json:"actor"`
	Role  string `json:"role"`
	Dot   string `json:"dot"`
}

func (e *env) showChange(info *replica.ChangeInfo, past *past) error {
	edits := past.describe(info)
	if e.flags.json {
		return e.printJSON(jsonChange(info, edits))
	}
	parts := []string{showTime(info.Stamp.Time()), author(info.Author.Actor, info.Author.Role, info.Dot.Origin)}
	if i := info.Author.Intent; !i.IsZero() {
		parts = append(parts, "for "+plain(i.Action)+":"+plain(i.Key))
	}
	parts = append(parts, info.Dot.String())
	if info.Fate != replica.Applied {
		parts = append(parts, info.Fate.String()+", without effect")
	}
	e.printf("%s\n", strings.Join(parts, "  "))
	if info.Pruned {
		e.printf("    settled; what it said, and what came before it, is no longer kept\n")
	}
	if info.Birth {
		e.printf("    made the record\n")
	}
	if info.Delete {
		e.printf("    deleted the record\n")
	}
	if len(info.Restore) > 0 {
		e.printf("    restored the record, deleted by %s\n", dotNames(info.Restore))
	}
	for len(edits) > 0 {
		field := joinPath(edits[0].path)
		var words []string
		for len(edits) > 0 && joinPath(edits[0].path) == field {
			words, edits = append(words, edits[0].words()), edits[1:]
		}
		e.printf("    %s: %s\n", plain(field), strings.Join(words, ", "))
	}
	return nil
}

func jsonChange(info *replica.ChangeInfo, edits []described) changeJSON {
	out := changeJSON{
		Dot: jsonDot(info.Dot), Time: jsonTime(info.Stamp), Actor: info.Author.Actor, Role: info.Author.Role,
		Intent: jsonIntent(info.Author.Intent), Fate: info.Fate.String(), Birth: info.Birth, Delete: info.Delete, Restore: jsonDots(info.Restore),
		Pruned: info.Pruned, Edits: []editJSON{}, Saw: jsonDots(info.Saw), Heads: jsonDots(info.Heads), Bytes: info.Bytes,
	}
	for _, x := range edits {
		j := editJSON{Field: joinPath(x.path), Type: x.kind.String(), Action: x.action, Value: jsonValue(x.value)}
		for _, r := range x.replaced {
			j.Replaced = append(j.Replaced, replacedJSON{jsonValue(r.value), r.by.Actor, r.by.Role, jsonDot(r.dot)})
		}
		if p := x.of; p != nil {
			j.Proposal = &authorJSON{p.by.Actor, p.by.Role, jsonDot(p.dot)}
		}
		out.Edits = append(out.Edits, j)
	}
	return out
}

func jsonDots(ds []clock.Dot) []string {
	out := make([]string, len(ds))
	for i, d := range ds {
		out[i] = jsonDot(d)
	}
	return out
}
