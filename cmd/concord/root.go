package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// run is the whole program but for its process: it returns the exit code.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	e := &env{stdin: stdin, stdout: stdout, stderr: stderr}
	root := newRoot(e)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err != nil {
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
  concord put patients/bed-7 name="Ada" dose=5  write two fields of a record
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
	root.AddCommand(
		newInitCommand(e),
		newPutCommand(e),
		newGetCommand(e),
		newListCommand(e),
		newEditCommand(e),
		newLogCommand(e),
		newServeCommand(e),
		newSyncCommand(e),
		newReplayCommand(e),
		newDemoCommand(e),
	)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return asUsage(cmd, err) })
	for _, c := range root.Commands() {
		checked(c)
	}
	return root
}

// checked makes faults in a command's arguments usage errors that name the
// command's help.
func checked(c *cobra.Command) {
	args := c.Args
	if args == nil {
		return
	}
	c.Args = func(cmd *cobra.Command, given []string) error {
		if err := args(cmd, given); err != nil {
			return asUsage(cmd, err)
		}
		return nil
	}
}

func asUsage(cmd *cobra.Command, err error) error {
	return usageErrorf("%v; see: %s --help", err, cmd.CommandPath())
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
	return strings.TrimRight(b.String(), "\n")
}

// printError tells of the failure in one line, or as an object with --json.
func (e *env) printError(err error) {
	message := strings.ReplaceAll(err.Error(), "\n", "; ")
	if !e.flags.json {
		fmt.Fprintf(e.stderr, "concord: %s\n", message)
		return
	}
	code := exitCode(err)
	writeJSON(e.stderr, map[string]any{"error": message, "class": exitCodes[code].name, "code": code})
}
