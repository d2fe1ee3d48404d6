package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/replica"
)

// An operation is one of the things that edit does to a field.
type operation struct {
	name string
	args string // as the help shows them
	help string
	kind crdt.Type
	// least and most are numbers of arguments; most is -1 for any.
	least, most int
	// descends says that the first argument is a key of the map that is named,
	// and that the operation is on what is under it.
	descends bool
	parse    func(args []string) (func(in container, name string) error, error)
}

var operations = []operation{
	{"register.set", "VALUE", "write a value, like put", crdt.TypeRegister, 1, 1, false,
		withValue(func(in container, name string, v any) error { return in.Register(name).Set(v) })},
	{"register.clear", "", "write that there is no value", crdt.TypeRegister, 0, 0, false,
		func([]string) (func(container, string) error, error) {
			return func(in container, name string) error { return in.Register(name).Clear() }, nil
		}},
	{"counter.add", "N", "add N, which may be negative; all additions count", crdt.TypeCounter, 1, 1, false,
		func(args []string) (func(container, string) error, error) {
			n, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil {
				return nil, usageErrorf("%q is no whole number of 64 bits to add", args[0])
			}
			return func(in container, name string) error { return in.Counter(name).Add(n) }, nil
		}},
	{"set.add", "VALUE...", "add elements; what is removed apart stays added", crdt.TypeSet, 1, -1, false,
		withValues(func(in container, name string, v any) error { return in.Set(name).Add(v) })},
	{"set.remove", "VALUE...", "remove elements", crdt.TypeSet, 1, -1, false,
		withValues(func(in container, name string, v any) error { return in.Set(name).Remove(v) })},
	{"map.put", "KEY VALUE", "write the value under a key of a map", crdt.TypeRegister, 2, 2, true,
		withValue(func(in container, name string, v any) error { return in.Register(name).Set(v) })},
	{"map.delete", "KEY", "delete a key of a map with all that is under it", crdt.TypeMap, 1, 1, false,
		func(args []string) (func(container, string) error, error) {
			return func(in container, name string) error { return in.Map(name).Delete(args[0]) }, nil
		}},
	{"text.insert", "POS TEXT", "insert before character POS, counted from 0", crdt.TypeText, 2, 2, false,
		withNumbers(1, func(t crdt.TextField, n []int, s string) error { return t.Insert(n[0], s) })},
	{"text.append", "TEXT", "insert at the end", crdt.TypeText, 1, 1, false,
		withNumbers(0, func(t crdt.TextField, _ []int, s string) error { return t.Append(s) })},
	{"text.delete", "POS N", "delete N characters from POS on", crdt.TypeText, 2, 2, false,
		withNumbers(2, func(t crdt.TextField, n []int, _ string) error { return t.Delete(n[0], n[1]) })},
	{"text.replace", "POS N TEXT", "put TEXT in place of N characters", crdt.TypeText, 3, 3, false,
		withNumbers(2, func(t crdt.TextField, n []int, s string) error { return t.Replace(n[0], n[1], s) })},
}

func withValue(do func(container, string, any) error) func([]string) (func(container, string) error, error) {
	return func(args []string) (func(container, string) error, error) {
		v, err := parseValue(args[0])
		return func(in container, name string) error { return do(in, name, v) }, err
	}
}

func withValues(do func(container, string, any) error) func([]string) (func(container, string) error, error) {
	return func(args []string) (func(container, string) error, error) {
		values := make([]any, len(args))
		for i, a := range args {
			var err error
			if values[i], err = parseValue(a); err != nil {
				return nil, err
			}
		}
		return func(in container, name string) error {
			for _, v := range values {
				if err := do(in, name, v); err != nil {
					return err
				}
			}
			return nil
		}, nil
	}
}

// withNumbers reads count positions or lengths, and then a text if one is left.
func withNumbers(count int, do func(crdt.TextField, []int, string) error) func([]string) (func(container, string) error, error) {
	return func(args []string) (func(container, string) error, error) {
		numbers := make([]int, count)
		for i := range numbers {
			n, err := strconv.Atoi(args[i])
			if err != nil || n < 0 {
				return nil, usageErrorf("%q is no position or length; count characters from 0", args[i])
			}
			numbers[i] = n
		}
		text := strings.Join(args[count:], "")
		return func(in container, name string) error { return do(in.Text(name), numbers, text) }, nil
	}
}

func newEditCommand(e *env) *cobra.Command {
	var w writeFlags
	var stdin bool
	c := &cobra.Command{
		Use:   "edit [flags] COLLECTION/KEY FIELD OPERATION [ARGUMENT...]",
		Short: "Edit a counter, set, map or text of a record",
		Long:  editHelp(),
		Example: `  concord edit patients/bed-7 allergies set.add latex penicillin
  concord edit stock/gauze left counter.add -3
  concord edit patients/bed-7 meds map.put aspirin 100
  concord edit patients/bed-7 meds/aspirin/given counter.add 1
  concord edit --actor bo notes/round body text.append "All calm."
  concord edit --stdin notes/round body text.append < report.txt`,
		DisableFlagsInUseLine: true,
		Args:                  takes(3, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			rest, err := literal(args[1:])
			if err != nil {
				return err
			}
			if stdin {
				if rest, err = e.appendInput(rest); err != nil {
					return err
				}
			}
			x, err := parseEdit(rest)
			if err != nil {
				return err
			}
			return e.write(cmd.Context(), args[0], &w, []fieldEdit{x})
		},
	}
	// Numbers below zero and texts that begin with a dash are arguments.
	c.Flags().SetInterspersed(false)
	c.Flags().BoolVar(&stdin, "stdin", false, "take the last argument from the standard input")
	w.register(c.Flags())
	return c
}

func editHelp() string {
	var b strings.Builder
	b.WriteString(`Edit one field of a record. The operation tells the type of the field; the
record and the field are made if they are not there.

Operations:
`)
	for _, o := range operations {
		fmt.Fprintf(&b, "  %-24s %s\n", strings.TrimRight(o.name+" "+o.args, " "), o.help)
	}
	b.WriteString(`
FIELD may be a path into maps, such as meds/aspirin/dose. VALUE is read as put
reads it. Flags come before COLLECTION/KEY: what follows is taken as it stands,
after a -- even what begins with two dashes.`)
	return b.String()
}

// literal refuses what looks like a flag among the arguments, where it would
// be written into the record.
func literal(args []string) ([]string, error) {
	for i, a := range args {
		if a == "--" {
			return slices.Concat(args[:i], args[i+1:]), nil
		}
		if strings.HasPrefix(a, "--") {
			return nil, usageErrorf("%s comes too late; flags stand before COLLECTION/KEY, and a -- stands before a text that begins so", a)
		}
	}
	return args, nil
}

// maxInputBytes is more than a change may weigh.
const maxInputBytes = 4 << 20

func (e *env) appendInput(args []string) ([]string, error) {
	b, err := io.ReadAll(io.LimitReader(e.stdin, maxInputBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read the standard input: %w", err)
	}
	if len(b) > maxInputBytes {
		return nil, fmt.Errorf("the standard input is longer than %s; write it in parts", showBytes(maxInputBytes))
	}
	return append(args, string(b)), nil
}

// parseEdit reads FIELD OPERATION ARGUMENT...
func parseEdit(args []string) (fieldEdit, error) {
	if len(args) < 2 {
		return fieldEdit{}, usageErrorf("an operation is missing; see: concord edit --help")
	}
	path, err := splitPath(args[0])
	if err != nil {
		return fieldEdit{}, err
	}
	i := slices.IndexFunc(operations, func(o operation) bool { return o.name == args[1] })
	if i < 0 {
		return fieldEdit{}, unknownOperation(args[1])
	}
	o := &operations[i]
	given := args[2:]
	if len(given) < o.least || o.most >= 0 && len(given) > o.most {
		return fieldEdit{}, usageErrorf("%s takes %s, got %s", o.name, orNothing(o.args), count(len(given), "argument"))
	}
	if o.descends {
		path, given = append(path, given[0]), given[1:]
	}
	do, err := o.parse(given)
	if err != nil {
		return fieldEdit{}, err
	}
	return fieldEdit{path, o.kind, func(p *replica.Record) error {
		in, last := enter(p, path)
		return do(in, last)
	}}, nil
}

func orNothing(args string) string {
	if args == "" {
		return "no arguments"
	}
	return args
}

func unknownOperation(name string) error {
	var near []string
	for _, o := range operations {
		kind, verb, _ := strings.Cut(o.name, ".")
		if name == kind || name == verb {
			near = append(near, o.name)
		}
	}
	hint := ""
	if len(near) > 0 {
		hint = "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return usageErrorf("no operation %q%s; see: concord edit --help", name, hint)
}
