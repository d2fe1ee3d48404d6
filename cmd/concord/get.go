package main

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/merge"
	"github.com/concord-crdt/concord/replica"
)

func newGetCommand(e *env) *cobra.Command {
	var token bool
	c := &cobra.Command{
		Use:   "get COLLECTION/KEY [FIELD]",
		Short: "Show a record, or one field of it",
		Long: `Show a record: its fields with their types and values. Where values were
written apart, without one writer knowing of the other, all of them are listed,
with the one that is shown and the rule that chose it; of fields that the policy
keeps versions of also what was replaced, until it is settled; of proposals the
verdicts, and who gave them.

With FIELD, print the value alone, ready for a script: text as it stands; a set,
list or log with one element a line; what has parts as JSON. FIELD may be a path
into a map: meds/aspirin/dose.

With --version-token, print the token that says what you saw. Give it back with
the write, as --saw TOKEN: what others wrote in between is then not replaced,
but kept beside your value.`,
		Example: `  concord get patients/bed-7
  concord get patients/bed-7 dose
  seen=$(concord get patients/bed-7 --version-token)
  concord put patients/bed-7 dose=7 --saw "$seen"`,
		Args: takes(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			collection, key, err := splitRecord(args[0])
			if err != nil {
				return err
			}
			var path []string
			if len(args) == 2 {
				if path, err = splitPath(args[1]); err != nil {
					return err
				}
			}
			return e.withStore(func(r *replica.Replica) error {
				v, err := r.Collection(collection).View(cmd.Context(), key)
				if err != nil {
					return noRecord(err, collection, key)
				}
				if token {
					return e.printToken(&v)
				}
				below, err := readBelow(cmd.Context(), r, collection, key)
				if err != nil {
					return err
				}
				return e.printView(&v, r.Policy(), below, path)
			})
		},
	}
	c.Flags().BoolVar(&token, "version-token", false, "print only the token for --saw")
	return c
}

// noRecord says what to do about a record that is not there.
func noRecord(err error, collection, key string) error {
	if !errors.Is(err, replica.ErrNotFound) {
		return err
	}
	return advise(err, "there is no record %s; see what there is with: concord ls %s", plain(collection+"/"+key), shellQuote(collection))
}

func (e *env) printToken(v *replica.View) error {
	if e.flags.json {
		return e.printJSON(map[string]any{"version": v.Version.String()})
	}
	e.printf("%s\n", v.Version)
	return nil
}

func (e *env) printView(v *replica.View, policy merge.Policy, below *belowView, path []string) error {
	rules := rulesOf(policy, v.Collection)
	switch {
	case path != nil:
		f, found := findField(&v.RecordView, path)
		if !found || f.Absent {
			return advise(errNoField, "%s has no field %s; see its fields with: concord get %s",
				plain(v.Collection+"/"+v.Key), plain(joinPath(path)), shellQuote(v.Collection+"/"+v.Key))
		}
		if e.flags.json {
			return e.printJSON(jsonField(f, rules[path[0]], joinPath(path), below))
		}
		return e.printValue(f)
	case e.flags.json:
		return e.printJSON(jsonRecord(v, policy, below))
	}
	e.printf("%s\n", plain(v.Collection+"/"+v.Key))
	if len(v.Fields) == 0 {
		e.printf("  (no fields)\n")
	}
	writeFields(e.stdout, v.Fields, rules, below)
	e.printHolds(v.Held)
	return nil
}

// printValue prints a value alone.
func (e *env) printValue(f *merge.FieldView) error {
	if vs, ok := f.Value.([]any); ok && f.Type != crdt.TypeRegister && f.Type != crdt.TypeProposal {
		for _, v := range vs {
			if err := e.printBare(v); err != nil {
				return err
			}
		}
		return nil
	}
	return e.printBare(f.Value)
}

func (e *env) printBare(v any) error {
	switch v := v.(type) {
	case string:
		if isTerminal(e.stdout) {
			v = defuse(v)
		}
		e.printf("%s\n", v)
		return nil
	case nil:
		e.printf("\n")
		return nil
	}
	return e.printJSON(jsonValue(v))
}

// defuse escapes control characters: what a peer wrote must not command the
// terminal.
func defuse(s string) string {
	var b strings.Builder
	for _, r := range s {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			fmt.Fprintf(&b, "\\x%02x", r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}
