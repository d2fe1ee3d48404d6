package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/concord-crdt/concord/proptest/crash"
)

func newCrashCommand(e *env) *cobra.Command {
	o := crash.Options{}
	var kinds string
	c := &cobra.Command{
		Use:   "crash",
		Short: "Hurt stores of its own, and look whether they lie",
		Long: `Make stores in a new directory, hurt them, and look at what they show. Your own
stores are not touched.

  kill      the process that writes is killed
  clone     the files of a running store, their unsynced tails cut or zeroed
  flip      one bit of one file is turned
  truncate  one file is cut
  disk      a small disk is filled, and emptied again

Whatever happens, nothing that was acknowledged may be lost without a word, no
name of a change may stand for two contents, what is shown must be what was
written, and a peer must be able to bring it back.`,
		Example: `  concord crash --rounds 100
  concord crash --rounds 1000 --kinds flip,truncate --seed 7`,
		Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.Rounds < 1 {
				return usageErrorf("--rounds is %d; use 1 or more", o.Rounds)
			}
			for k := range strings.SplitSeq(kinds, ",") {
				if !slices.Contains(crash.Kinds(), crash.Kind(k)) {
					return usageErrorf("--kinds has %q; use some of %v", k, crash.Kinds())
				}
				o.Kinds = append(o.Kinds, crash.Kind(k))
			}
			return e.crash(cmd, o)
		},
	}
	c.Flags().IntVar(&o.Rounds, "rounds", 10, "`number` of rounds of each kind")
	c.Flags().StringVar(&kinds, "kinds", joinKinds(), "`kinds` of harm, separated by commas")
	c.Flags().Uint64Var(&o.Seed, "seed", 1, "`number` that the harm follows from; when a process is killed does not")
	c.AddCommand(&cobra.Command{
		Use: "child", Hidden: true, DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error { return crash.Child(cmd.Context(), args, e.stdout) },
	})
	return c
}

func joinKinds() string {
	var names []string
	for _, k := range crash.Kinds() {
		names = append(names, string(k))
	}
	return strings.Join(names, ",")
}

var errLied = errors.New("a store did not hold what it must")

func (e *env) crash(cmd *cobra.Command, o crash.Options) (err error) {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	o.Self = []string{self, "crash", "child"}
	if o.Dir, err = os.MkdirTemp("", "concord-crash-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(o.Dir)) }()
	o.Round = func(k crash.Kind, out crash.Outcome) {
		if out.Died && len(out.Faults) == 0 {
			fmt.Fprintf(e.stderr, "%s: %s: the engine ended the process: %s\n", k, out.Harm, firstLine(out.Death))
		}
		if out.Left != "" {
			fmt.Fprintf(e.stderr, "%s: %s: not repaired: %s\n", k, out.Harm, out.Left)
		}
		for _, f := range out.Faults {
			fmt.Fprintf(e.stderr, "%s: %s: FAULT: %s\n", k, out.Harm, f)
		}
	}
	tallies, err := crash.Run(cmd.Context(), o)
	if err != nil {
		return err
	}
	faults := 0
	if !e.flags.json {
		e.printf("%-9s %6s %8s %10s %8s %8s %6s %8s %5s %7s %6s\n", "kind", "rounds", "changes", "unaffected", "detected", "repaired", "aside", "refused", "died", "skipped", "faults")
	}
	for _, k := range o.Kinds {
		t := tallies[k]
		faults += len(t.Faults)
		if e.flags.json {
			if err := e.printJSON(map[string]any{"kind": k, "rounds": t.Rounds, "changes": t.Acknowledged, "unaffected": t.Unaffected,
				"detected": t.Detected, "repaired": t.Repaired, "aside": t.Aside, "refused": t.Refused, "died": t.Died, "skipped": t.Skipped, "faults": t.Faults}); err != nil {
				return err
			}
			continue
		}
		e.printf("%-9s %6d %8d %10d %8d %8d %6d %8d %5d %7d %6d\n", k, t.Rounds, t.Acknowledged, t.Unaffected, t.Detected, t.Repaired, t.Aside, t.Refused, t.Died, t.Skipped, len(t.Faults))
		if t.Why != "" {
			e.printf("  skipped: %s\n", t.Why)
		}
	}
	if faults > 0 {
		return errLied
	}
	return nil
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
