package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

func newEditCommand(e *env) *cobra.Command {
	var w writeFlags
	var stdin bool
	var asOf string
	c := &cobra.Command{
		Use:   "edit [flags] COLLECTION/KEY FIELD OPERATION [ARGUMENT...]",
		Short: "Edit a field by what is meant: add, remove, insert",
		Long:  editHelp(),
		Example: `  concord edit patients/bed-7 allergies set.add latex penicillin
  concord edit stock/gauze left counter.add -3
  concord edit patients/bed-7 meds map.put aspirin 100
  concord edit patients/bed-7 meds/aspirin/given counter.add 1
  concord edit --actor bo notes/round body text.append "All calm."
  concord edit seats/bus free bounded.open 0 40 40
  concord edit --as-of "2026-01-02 18:00" stock/gauze left stock.recount 12
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
			if asOf != "" {
				if len(rest) < 2 || rest[1] != "stock.recount" {
					return usageErrorf("--as-of is for stock.recount: it says when was counted")
				}
				rest = append(rest, asOf)
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
	c.Flags().StringVar(&asOf, "as-of", "", "for stock.recount: the `time` of the count, such as 2006-01-02T15:04:05Z; without it, now")
	w.register(c.Flags())
	return c
}

func editHelp() string {
	var b strings.Builder
	b.WriteString(`Edit one field of a record. The operation tells the type of the field; the
record and the field are made if they are not there. What several writers do
apart is put together as the type says.

Operations:
`)
	for _, o := range operations {
		fmt.Fprintf(&b, "  %-29s %s\n", strings.TrimRight(o.name+" "+o.args, " "), o.help)
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
