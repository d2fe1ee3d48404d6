package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/concord-crdt/concord/merge"
)

func newPolicyCommand(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "policy",
		Short: "Check and render policy files",
		Long: `Check and render policy files: the decision matrix of a store, in YAML or JSON.

A policy says which collections and fields there are, who may write them, and
what counts when several people write at the same time.`,
		Example: `  concord policy check hospital.yaml
  concord policy render hospital.yaml > hospital.md`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return unknownCommand(cmd, args[0])
		},
	}
	check := &cobra.Command{
		Use:   "check FILE...",
		Short: "Tell what is wrong with policies, and what looks it",
		Long: `Tell what is wrong with policies, and what looks it: unknown keys and roles,
rules that contradict each other or decide nothing, expressions that do not type,
quantities that overwrite each other. A finding names its place as FILE:LINE:COLUMN,
and a way out.

The exit code is 1 if there are errors; warnings leave it at 0. - is standard input.`,
		Example: `  concord policy check hospital.yaml
  concord policy check policies/*.yaml --json | jq -r 'select(.severity == "error").file'`,
		Args: takes(1, -1),
		RunE: func(_ *cobra.Command, args []string) error { return e.checkPolicies(args) },
	}
	var asHTML bool
	render := &cobra.Command{
		Use:   "render FILE",
		Short: "Write a policy as tables that people can read",
		Long: `Write a policy as tables that people can read: for each collection its fields,
who writes them, and what counts when they are written at the same time. Markdown,
or with --html a page. - is standard input.`,
		Example: `  concord policy render hospital.yaml > hospital.md
  concord policy render --html hospital.yaml > hospital.html`,
		Args: takes(1, 1),
		RunE: func(_ *cobra.Command, args []string) error { return e.renderPolicy(args[0], asHTML) },
	}
	render.Flags().BoolVar(&asHTML, "html", false, "write a page instead of Markdown")
	c.SuggestionsMinimumDistance = 2
	c.AddCommand(check, render, newPolicyActivateCommand(e), newPolicyVersionsCommand(e), newPolicyDiffCommand(e), newPolicyTestCommand(e))
	return c
}

// readPolicy reads a file, or standard input for -.
func (e *env) readPolicy(path string) (*merge.Policy, merge.Findings, error) {
	var b []byte
	var err error
	if path == "-" {
		path = "standard input"
		b, err = io.ReadAll(e.stdin)
	} else {
		b, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read the policy: %w", err)
	}
	p, findings := merge.ParsePolicy(path, b)
	return p, findings, nil
}

// findingJSON is a finding as --json shows it.
type findingJSON struct {
	File     string `json:"file"`
	Line     int    `json:"line"`
	Column   int    `json:"column"`
	Severity string `json:"severity"`
	Path     string `json:"path,omitempty"`
	Problem  string `json:"problem"`
	Help     string `json:"help"`
}

func (e *env) checkPolicies(paths []string) error {
	failed := false
	for _, path := range paths {
		p, findings, err := e.readPolicy(path)
		if err != nil {
			return err
		}
		if err := e.printFindings(findings); err != nil {
			return err
		}
		failed = failed || p == nil
		if !e.flags.json {
			e.printf("%s: %s\n", defuse(path), verdictOn(p, findings))
		}
	}
	if failed {
		return errTold
	}
	return nil
}

// printFindings writes findings as compilers do.
func (e *env) printFindings(findings merge.Findings) error {
	for _, f := range findings {
		if e.flags.json {
			x := findingJSON{f.File, f.Line, f.Column, f.Severity.String(), f.Path, f.Problem, f.Remedy}
			if err := e.printJSON(x); err != nil {
				return err
			}
			continue
		}
		place := f.Place()
		if f.Line == 0 {
			place = f.File
		}
		e.printf("%s\n", defuse(fmt.Sprintf("%s: %v: %s\n    help: %s", place, f.Severity, f.Problem, f.Remedy)))
	}
	return nil
}

// verdictOn sums up a check.
func verdictOn(p *merge.Policy, findings merge.Findings) string {
	errs, warnings := 0, 0
	for _, f := range findings {
		if f.Severity == merge.SeverityError {
			errs++
		} else {
			warnings++
		}
	}
	var counts []string
	for _, c := range []struct {
		n    int
		what string
	}{{errs, "error"}, {warnings, "warning"}} {
		switch {
		case c.n == 1:
			counts = append(counts, "1 "+c.what)
		case c.n > 1:
			counts = append(counts, fmt.Sprintf("%d %ss", c.n, c.what))
		}
	}
	found := cmp.Or(strings.Join(counts, ", "), "nothing to say")
	if p == nil {
		return found
	}
	return fmt.Sprintf("%s; version %d of %q, digest %x", found, p.Version, p.Name, p.Digest())
}

func (e *env) renderPolicy(path string, asHTML bool) error {
	p, findings, err := e.readPolicy(path)
	if err != nil {
		return err
	}
	if p == nil {
		if err := e.printFindings(findings); err != nil {
			return err
		}
		return errTold
	}
	page := policyPage(p)
	if asHTML {
		e.printf("%s", page.html())
	} else {
		e.printf("%s", page.markdown())
	}
	return nil
}
