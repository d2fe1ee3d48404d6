package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// run is the whole program but for its process: it returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	out := &output{Writer: stdout}
	e := &env{stdin: stdin, stdout: out, stderr: stderr}
	root := newRoot(e)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil && out.err != nil {
		err = fmt.Errorf("write to stdout: %w", out.err)
	}
	if err != nil && !errors.Is(err, errTold) {
		// A fault before the flag was reached must not hide it.
		e.flags.json = e.flags.json || slices.Contains(args, "--json")
		e.printError(err)
	}
	return exitCode(err)
}

// newRoot makes the command with all its subcommands.
func newRoot(e *env) *cobra.Command {
	root := &cobra.Command{
		Use:   "concord",
		Short: "Edit shared records offline, and make them agree",
		Long:  rootHelp(),
		Example: `  concord init                                  make a store in ./concord-store
  concord put patients/bed-7 name=Ada dose=5    write two fields of a record
  concord get patients/bed-7                    read it
  concord serve &                               answer other stores
  concord --store other sync 127.0.0.1:7000     bring another store up to date`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return unknownCommand(cmd, args[0])
		},
	}
	root.SetIn(e.stdin)
	root.SetOut(e.stdout)
	root.SetErr(e.stderr)
	e.flags.register(root.PersistentFlags())
	for _, g := range []struct {
		title    string
		commands []*cobra.Command
	}{
		{"Records:", []*cobra.Command{
			newInitCommand(e), newPutCommand(e), newEditCommand(e), newGetCommand(e), newListCommand(e),
			newLogCommand(e), newRemoveCommand(e), newUndeleteCommand(e),
		}},
		{"Decisions:", []*cobra.Command{
			newConflictsCommand(e), newResolveCommand(e), newApproveCommand(e), newRejectCommand(e), newExplainCommand(e), newAuditCommand(e),
		}},
		{"Other stores:", []*cobra.Command{newServeCommand(e), newSyncCommand(e), newWatchCommand(e)}},
		{"Store:", []*cobra.Command{
			newVerifyCommand(e), newBackupCommand(e), newQuarantineCommand(e), newSettleCommand(e), newRestampCommand(e),
		}},
		{"Files:", []*cobra.Command{newExportCommand(e), newImportCommand(e), newInspectCommand(e), newPolicyCommand(e), newCompletionCommand(e)}},
		{"See it work:", []*cobra.Command{newDemoCommand(e), newReplayCommand(e), newScenarioCommand(e), newCrashCommand(e), newSimCommand(e)}},
	} {
		root.AddGroup(&cobra.Group{ID: g.title, Title: g.title})
		for _, c := range g.commands {
			c.GroupID = g.title
			completeArguments(e, c)
			root.AddCommand(c)
		}
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageErrorf("%v; see: %s --help", err, cmd.CommandPath())
	})
	root.SuggestionsMinimumDistance = 2
	root.CompletionOptions.HiddenDefaultCmd = true
	return root
}

// takes wants a number of arguments; most is -1 for any.
func takes(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return usageErrorf("an argument is missing; usage: %s; see: %s --help", cmd.UseLine(), cmd.CommandPath())
		case most >= 0 && len(args) > most:
			return usageErrorf("%q is one argument too many; usage: %s; see: %s --help", args[most], cmd.UseLine(), cmd.CommandPath())
		}
		return nil
	}
}

func unknownCommand(root *cobra.Command, name string) error {
	hint := ""
	if near := root.SuggestionsFor(name); len(near) > 0 {
		hint = fmt.Sprintf("; did you mean %s?", strings.Join(near, " or "))
	}
	return usageErrorf("no command %q%s; see: concord --help", name, hint)
}

func rootHelp() string {
	var b strings.Builder
	b.WriteString(`Concord keeps records that several devices edit without asking each other.

A store is a full copy in a directory. Write to it at any time, with or
without a network; sync two stores and both show the same. What was written
at the same time is kept side by side, never lost.

A record is named COLLECTION/KEY, such as patients/bed-7.

Exit codes:
`)
	for _, c := range exitCodes {
		fmt.Fprintf(&b, "  %d  %s\n", c.code, c.help)
	}
	fmt.Fprintf(&b, "\nThe variables %s, %s, %s, %s,\n%s and %s set what their flags do not.",
		storeVariable, policyVariable, keyVariable, actorVariable, roleVariable, durabilityVariable)
	return b.String()
}

// printError tells of the failure in one line, or as an object with --json.
func (e *env) printError(err error) {
	if !e.flags.json {
		fmt.Fprintf(e.stderr, "concord: %s\n", oneLine(err))
		return
	}
	code := exitCode(err)
	// There is nobody left to tell if this fails.
	_ = writeJSON(e.stderr, map[string]any{"error": oneLine(err), "class": exitCodes[code].name, "code": code})
}

// oneLine is the message of an error without line breaks or other control
// characters.
func oneLine(err error) string {
	return defuse(strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' }), "; "))
}
