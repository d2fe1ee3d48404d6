package main

import (
	"bufio"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/replica"
)

func newExportCommand(e *env) *cobra.Command {
	return &cobra.Command{
		Use:   "export [COLLECTION...]",
		Short: "Write records as JSON lines",
		Long: `Write all records, or those of some collections, to the standard output: one
record in a line, as JSON, ordered by collection and key. concord import reads
it. Deleted records and history are not part of it: to move a store with all
that is in it, sync it.

` + portableHelp + `
Where several values stand side by side the one that is shown is written; stderr
names the field.`,
		Example: `  concord export > all.jsonl
  concord export patients visits > ward.jsonl
  concord --store copy import ward.jsonl`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.withStore(func(r *replica.Replica) error { return e.export(cmd.Context(), r, args) })
		},
	}
}

// portableHelp explains the form to whoever writes it by hand.
const portableHelp = `  {"record":"patients/bed-7","fields":{"name":"Ada","visits":{"$counter":3}}}

A plain value is a register; 1 is an integer, 1.0 a float. The other types have
their names as tags:

  {"$counter":3}  {"$stock":12}  {"$flag":true}  {"$disable-flag":false}
  {"$set":["a"]}  {"$remove-set":["a"]}  {"$list":[1,2]}  {"$log":["in"]}
  {"$text":"calm"}  {"$group":{"dose":5}}  {"$map":{"NAME":FIELD}}
  {"$bounded":{"least":0,"most":9,"value":4}}
  {"$proposal":[{"value":5,"verdict":"approved"}]}  (or open, declined)

Values that JSON lacks are {"$bytes":"BASE64"}, {"$time":"2006-01-02T15:04:05Z"}
and {"$float":"Infinity"}. An object with a name that begins with $ stands in
{"$object":{...}}; several types under one name are {"$types":[FIELD,...]}.
`

// exporter writes the records of one collection.
type exporter struct {
	*env
	out       *bufio.Writer
	policy    crdt.DeletePolicy
	overruled []string // fields of the present record of which not all values were written
	leftOut   []string // fields of it that could not be written
}

func (e *env) export(ctx context.Context, r *replica.Replica, names []string) error {
	known := r.Collections()
	for _, name := range names {
		if !slices.Contains(known, name) {
			return advise(replica.ErrNotFound, "there is no collection %s; see what there is with: concord ls", plain(name))
		}
	}
	if len(names) == 0 {
		names = known
	}
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	out := bufio.NewWriter(e.stdout)
	for _, name := range names {
		x := exporter{env: e, out: out, policy: r.Policy().Collections[name].Delete}
		if err := x.collection(ctx, r.Collection(name)); err != nil {
			return err
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write the standard output: %w", err)
	}
	return nil
}

func (x *exporter) collection(ctx context.Context, c *replica.Collection) error {
	for v, err := range c.All(ctx) {
		if err != nil {
			return err
		}
		name := v.Collection + "/" + v.Key
		p := portableRecord{Record: name}
		x.overruled, x.leftOut = nil, nil
		err := c.Read(ctx, v.Key, func(rec *crdt.Record) error {
			p.Fields = x.portableFields(v.Fields, "", rec)
			return nil
		})
		if err != nil {
			return err
		}
		if err := writeJSON(x.out, p); err != nil {
			return fmt.Errorf("write the standard output: %w", err)
		}
		x.note(name, "of several values the one that is shown was written", x.overruled)
		x.note(name, "left out", x.leftOut)
	}
	return nil
}

// note says on stderr what is not in the output.
func (x *exporter) note(record, what string, fields []string) {
	switch {
	case len(fields) == 0:
	case x.flags.json:
		_ = writeJSON(x.stderr, map[string]any{"event": "note", "record": record, "note": what, "fields": fields})
	default:
		for i := range fields {
			fields[i] = plain(fields[i])
		}
		fmt.Fprintf(x.stderr, "concord: note: %s: %s: %s\n", plain(record), what, strings.Join(fields, ", "))
	}
}
