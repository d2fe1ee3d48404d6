package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/concord-crdt/concord/crdt"
)

func newPutCommand(e *env) *cobra.Command {
	var w writeFlags
	c := &cobra.Command{
		Use:   "put COLLECTION/KEY FIELD=VALUE...",
		Short: "Write fields of a record",
		Long: `Write one or more fields of a record, as one change. The record is made if it
is not there.

VALUE is a JSON number, string, true, false or null if it reads as one, and
text otherwise. FIELD:=JSON writes any JSON: lists and objects too, each
replaced as a whole. For counters, sets, maps and texts see concord edit.

FIELD may be a path into a map: meds/aspirin/dose.`,
		Example: `  concord put patients/bed-7 name=Ada dose=5 fasting=true
  concord put patients/bed-7 code='"0123"' contacts:='["Ben", "Cy"]'
  concord put patients/bed-7 dose=7 --actor bo --role nurse --intent prescribe:rx-1`,
		Args: takes(2, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var edits []fieldEdit
			for _, a := range args[1:] {
				x, err := parseAssignment(a)
				if err != nil {
					return err
				}
				edits = append(edits, x)
			}
			return e.write(cmd.Context(), args[0], &w, edits)
		},
	}
	w.register(c.Flags())
	return c
}

// parseAssignment reads FIELD=VALUE or FIELD:=JSON.
func parseAssignment(a string) (fieldEdit, error) {
	name, text, found := strings.Cut(a, "=")
	if !found {
		return fieldEdit{}, usageErrorf("%q assigns nothing; write FIELD=VALUE, or FIELD:=JSON", a)
	}
	parse := parseValue
	if forced, ok := strings.CutSuffix(name, ":"); ok {
		name, parse = forced, parseJSON
	}
	path, err := splitPath(name)
	if err != nil {
		return fieldEdit{}, err
	}
	v, err := parse(text)
	if err != nil {
		return fieldEdit{}, err
	}
	return fieldEdit{path, crdt.TypeRegister, func(in container, name string) error { return in.Register(name).Set(v) }}, nil
}
