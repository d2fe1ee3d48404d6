package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/concord-crdt/concord/replica"
)

// shells are those that completion knows, with what writes the script of each.
var shells = []struct {
	name   string
	script func(root *cobra.Command, e *env) error
}{
	{"bash", func(root *cobra.Command, e *env) error { return root.GenBashCompletionV2(e.stdout, true) }},
	{"zsh", func(root *cobra.Command, e *env) error { return root.GenZshCompletion(e.stdout) }},
	{"fish", func(root *cobra.Command, e *env) error { return root.GenFishCompletion(e.stdout, true) }},
	{"powershell", func(root *cobra.Command, e *env) error { return root.GenPowerShellCompletionWithDesc(e.stdout) }},
}

func newCompletionCommand(e *env) *cobra.Command {
	var names []string
	for _, s := range shells {
		names = append(names, s.name)
	}
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "Print a script that completes command lines",
		Long: `Print a script for SHELL (` + strings.Join(names, ", ") + `) that completes commands,
flags, collections, keys and operations when you press Tab.

Names of records come from the store that --store or $` + storeVariable + ` names.
Nothing is written to it; while another process has it open, its names are not
completed.`,
		Example: `  source <(concord completion bash)             in this bash
  concord completion zsh > "${fpath[1]}/_concord"
  concord completion fish > ~/.config/fish/completions/concord.fish`,
		Args:      takes(1, 1),
		ValidArgs: names,
		RunE: func(cmd *cobra.Command, args []string) error {
			i := slices.Index(names, args[0])
			if i < 0 {
				return usageErrorf("no shell %q; the shells are %s", args[0], strings.Join(names, ", "))
			}
			if err := shells[i].script(cmd.Root(), e); err != nil {
				return fmt.Errorf("write the standard output: %w", err)
			}
			return nil
		},
	}
}

// completer proposes what an argument may be.
type completer = func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective)

// completeArguments makes a command that takes names of records complete them.
func completeArguments(e *env, c *cobra.Command) {
	if c.ValidArgsFunction != nil || len(c.ValidArgs) > 0 {
		return
	}
	switch c.Name() {
	case "get", "log", "put", "ls", "resolve", "approve", "reject", "explain":
		c.ValidArgsFunction = completeRecords(e, 1)
	case "rm", "delete":
		c.ValidArgsFunction = completeRecords(e, -1)
	case "edit":
		c.ValidArgsFunction = completeEdit(e)
	case "export":
		c.ValidArgsFunction = completeCollections(e, -1)
	case "conflicts":
		c.ValidArgsFunction = completeCollections(e, -1)
	case "settle":
		c.ValidArgsFunction = completeCollections(e, -1)
	case "restamp":
		c.ValidArgsFunction = completeCollections(e, 1)
	case "quarantine", "watch":
		c.ValidArgsFunction = completeCollections(e, 1)
	case "serve", "sync", "undelete", "audit":
		c.ValidArgsFunction = cobra.NoFileCompletions
	}
}

// maxProposals is how many names are worth showing.
const maxProposals = 200

// completeRecords proposes records for the first arguments, as many as most says
// or all for -1: the collection, then the keys in it.
func completeRecords(e *env, most int) completer {
	return func(_ *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		const none = cobra.ShellCompDirectiveNoFileComp
		if most >= 0 && len(args) >= most {
			return nil, none
		}
		names := e.stored(begun)
		if strings.Contains(begun, "/") {
			return names, none
		}
		for i := range names {
			names[i] += "/"
		}
		return names, none | cobra.ShellCompDirectiveNoSpace
	}
}

// completeCollections proposes collections.
func completeCollections(e *env, most int) completer {
	return func(_ *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		if most >= 0 && len(args) >= most || strings.Contains(begun, "/") {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return e.stored(begun), cobra.ShellCompDirectiveNoFileComp
	}
}

// completeEdit proposes the record, and later the operation.
func completeEdit(e *env) completer {
	records := completeRecords(e, 1)
	return func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		if len(args) != 2 {
			return records(cmd, args, begun)
		}
		var names []string
		for i := range operations {
			if o := &operations[i]; strings.HasPrefix(o.name, begun) {
				names = append(names, o.name+"\t"+o.help)
			}
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

// stored lists names in the store. Where it cannot be read there is nothing to
// propose, and nobody to tell.
func (e *env) stored(begun string) []string {
	key, err := e.storeKey()
	if err != nil {
		return nil
	}
	names, err := replica.StoredKeys(e.flags.store, key, begun, maxProposals)
	if err != nil {
		return nil
	}
	return names
}
