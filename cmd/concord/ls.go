package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/concord-crdt/concord/merge"
	"github.com/concord-crdt/concord/replica"
)

func newListCommand(e *env) *cobra.Command {
	return &cobra.Command{
		Use:     "ls [COLLECTION[/PREFIX]]",
		Aliases: []string{"list"},
		Short:   "List collections, or the records of one",
		Long: `List the collections with how many records each has; or, of one collection, the
records whose keys begin with PREFIX, with their fields in one line. An
exclamation mark follows a field of which several values stand side by side.`,
		Example: `  concord ls
  concord ls patients
  concord ls visits/ward-3/`,
		Args: takes(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.withStore(func(r *replica.Replica) error {
				if len(args) == 0 {
					return e.listCollections(cmd.Context(), r)
				}
				collection, prefix, _ := strings.Cut(args[0], "/")
				return e.listRecords(cmd.Context(), r, collection, prefix)
			})
		},
	}
}

func (e *env) listCollections(ctx context.Context, r *replica.Replica) error {
	names := r.Collections()
	if len(names) == 0 && !e.flags.json {
		e.printf("the store is empty; write a record with: concord%s put COLLECTION/KEY FIELD=VALUE\n", e.storeFlag())
	}
	width := 0
	for _, name := range names {
		width = max(width, utf8.RuneCountInString(plain(name)))
	}
	for _, name := range names {
		n := 0
		for _, err := range r.Collection(name).Keys(ctx) {
			if err != nil {
				return err
			}
			n++
		}
		if e.flags.json {
			if err := e.printJSON(map[string]any{"collection": name, "records": n}); err != nil {
				return err
			}
			continue
		}
		e.printf("%s%s  %s\n", plain(name), strings.Repeat(" ", width-utf8.RuneCountInString(plain(name))), count(n, "record"))
	}
	return nil
}

func (e *env) listRecords(ctx context.Context, r *replica.Replica, collection, prefix string) error {
	if names := r.Collections(); !slices.Contains(names, collection) {
		return advise(replica.ErrNotFound, "there is no collection %s; see what there is with: concord ls", plain(collection))
	}
	c := r.Collection(collection)
	var keys []string
	width := 0
	for key, err := range c.Keys(ctx) {
		if err != nil {
			return err
		}
		if strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
			width = max(width, min(utf8.RuneCountInString(plain(key)), widestKey))
		}
	}
	for _, key := range keys {
		v, err := c.View(ctx, key)
		if err != nil {
			return err
		}
		if err := e.listRecord(&v, width); err != nil {
			return err
		}
	}
	return nil
}

// widestKey bounds the column of keys: one long key must not move all others.
const widestKey = 32

func (e *env) listRecord(v *replica.View, width int) error {
	concurrent := []string{}
	for i := range v.Fields {
		if sideBySide(&v.Fields[i]) {
			concurrent = append(concurrent, v.Fields[i].Name)
		}
	}
	if e.flags.json {
		return e.printJSON(map[string]any{
			"collection": v.Collection, "key": v.Key, "version": v.Version.String(),
			"values": jsonValue(v.Values()), "concurrent": concurrent,
		})
	}
	key := plain(v.Key)
	pad := strings.Repeat(" ", max(width-utf8.RuneCountInString(key), 0))
	e.printf("%s\n", strings.TrimRight(fmt.Sprintf("%s%s  %s", key, pad, summary(v.Fields)), " "))
	return nil
}

// sideBySide reports whether several values stand in a field or below it.
func sideBySide(f *merge.FieldView) bool {
	return f.Concurrent || slices.ContainsFunc(f.Fields, func(f merge.FieldView) bool { return sideBySide(&f) })
}

// summary is the fields of a record in one line.
func summary(fields []merge.FieldView) string {
	var parts []string
	for i := range fields {
		f := &fields[i]
		if f.Absent {
			continue
		}
		mark := ""
		if sideBySide(f) {
			mark = "!"
		}
		parts = append(parts, plain(f.Name)+mark+"="+show(f.Value, shownBytes/2))
	}
	return shorten(strings.Join(parts, "  "), 2*shownBytes)
}
