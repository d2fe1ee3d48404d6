package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/concord-crdt/concord/proptest/fleet"
	"github.com/concord-crdt/concord/proptest/scenario"
)

func newScenarioCommand(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "scenario",
		Short: "Run short histories of several replicas, and check how they end",
		Long: `A scenario is a short history of several replicas (edits, syncs, restarts) with
the outcomes that are allowed, as a JSON file. Running one makes real replicas
and takes them through it.`,
		Example: `  concord scenario run testdata/scenarios/*.json
  concord scenario run --json my-own.json`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return usageErrorf("no command %q of scenario; did you mean: concord scenario run %s", args[0], shellQuote(args[0]))
		},
	}
	c.AddCommand(newScenarioRunCommand(e))
	return c
}

func newScenarioRunCommand(e *env) *cobra.Command {
	var only []string
	c := &cobra.Command{
		Use:   "run FILE...",
		Short: "Run scenario files against replicas",
		Long: `Run the scenarios of FILE, which may be a file, a pattern or a directory (its
files named *.json), against replicas of this program: in memory, with their own
clocks, or in a temporary directory where a scenario restarts one. No store of
yours is touched.

Each scenario is told in a line: pass; skip, with what is missing for it; or
fail, with the steps up to there, what was read and what was wanted. One that
permutes ids runs once for each assignment of ids to its replicas. The last line
counts.

The exit code is 1 if a scenario of level "must" failed. One of level "should" is
listed, counted, and leaves the exit code alone.`,
		Example: `  concord scenario run testdata/scenarios
  concord scenario run 'mine/*.json' --only txt-05,cnt-09
  concord scenario run counter.json --json | jq -r 'select(.outcome == "fail").id'`,
		Args: takes(1, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			files, err := e.readScenarios(args)
			if err != nil {
				return err
			}
			if files, err = choose(files, only); err != nil {
				return err
			}
			return e.runScenarios(cmd.Context(), files)
		},
	}
	c.Flags().StringSliceVar(&only, "only", nil, "only the scenarios with these `ids`, separated by commas")
	return c
}

// readScenarios reads the files that the arguments name, each once.
func (e *env) readScenarios(args []string) ([]*scenario.File, error) {
	var paths []string
	for _, arg := range args {
		found, err := scenarioPaths(arg)
		if err != nil {
			return nil, err
		}
		paths = append(paths, found...)
	}
	var files []*scenario.File
	var seen []string
	var faults []error
	for _, path := range paths {
		if path = filepath.Clean(path); slices.Contains(seen, path) {
			continue
		}
		seen = append(seen, path)
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read the scenarios: %w", err)
		}
		file, err := scenario.Parse(path, data)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		files = append(files, file)
	}
	return files, errors.Join(faults...)
}

// scenarioPaths finds the files that an argument stands for.
func scenarioPaths(arg string) ([]string, error) {
	info, err := os.Stat(arg)
	switch {
	case err == nil && !info.IsDir():
		return []string{arg}, nil
	case err == nil:
		return filesIn(arg)
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("read the scenarios: %w", err)
	}
	paths, err := filepath.Glob(arg)
	switch {
	case err != nil:
		return nil, usageErrorf("%s is no file and no pattern: %v", shellQuote(arg), err)
	case len(paths) == 0 && strings.ContainsAny(arg, "*?["):
		return nil, usageErrorf("no file matches %s", shellQuote(arg))
	case len(paths) == 0:
		return nil, usageErrorf("there is no file %s; name a scenario file, a pattern or a directory", shellQuote(arg))
	}
	return paths, nil
}

// filesIn lists the files named *.json in a directory.
func filesIn(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read the scenarios: %w", err)
	}
	var paths []string
	for _, entry := range entries {
		if !entry.IsDir() && filepath.Ext(entry.Name()) == ".json" {
			paths = append(paths, filepath.Join(dir, entry.Name()))
		}
	}
	if len(paths) == 0 {
		return nil, usageErrorf("the directory %s has no file named *.json; name the directory or the files that hold scenarios", shellQuote(dir))
	}
	return paths, nil
}

// choose narrows files to the scenarios that are asked for.
func choose(files []*scenario.File, only []string) ([]*scenario.File, error) {
	if only == nil {
		return files, nil
	}
	missing := slices.Clone(only)
	var chosen []*scenario.File
	for _, f := range files {
		narrow := &scenario.File{Group: f.Group, About: f.About}
		for _, s := range f.Scenarios {
			if slices.Contains(only, s.ID) {
				narrow.Scenarios = append(narrow.Scenarios, s)
				missing = slices.DeleteFunc(missing, func(id string) bool { return id == s.ID })
			}
		}
		if len(narrow.Scenarios) > 0 {
			chosen = append(chosen, narrow)
		}
	}
	if len(missing) > 0 {
		return nil, usageErrorf("no scenario has the id %s", strings.Join(missing, ", "))
	}
	return chosen, nil
}

// runScenarios runs and tells, as it goes. It stops between two scenarios when ctx
// ends.
func (e *env) runScenarios(ctx context.Context, files []*scenario.File) error {
	begun := time.Now()
	runner := scenario.Runner{Opener: fleet.Opener{}, Elapsed: func() time.Duration { return time.Since(begun) }}
	count := map[scenario.Outcome]int{}
	broken := false
	for _, f := range files {
		for _, s := range f.Scenarios {
			if err := ctx.Err(); err != nil {
				return fmt.Errorf("stopped before scenario %s: %w", s.ID, err)
			}
			result := runner.Scenario(s)
			result.Group = f.Group
			count[result.Outcome]++
			broken = broken || result.Outcome == scenario.Failed && result.Level != scenario.Should
			if !e.flags.json {
				e.printf("%s\n", defuse(told(&result)))
			} else if err := e.printJSON(jsonResult(&result)); err != nil {
				return err
			}
		}
	}
	passed, failed, skipped := count[scenario.Passed], count[scenario.Failed], count[scenario.Skipped]
	if !e.flags.json {
		e.printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped)
	} else if err := e.printJSON(map[string]any{"passed": passed, "failed": failed, "skipped": skipped}); err != nil {
		return err
	}
	if broken {
		return errTold
	}
	return nil
}

// told is a result in a line, with the whole story of a failure below it.
func told(r *scenario.Result) string {
	if r.Outcome == scenario.Skipped {
		return fmt.Sprintf("skip %s %s (%s): %s", r.Group, r.ID, r.Level, r.Reason)
	}
	return r.String()
}

// jsonResult is a result as --json prints it.
func jsonResult(r *scenario.Result) map[string]any {
	v := map[string]any{
		"group": r.Group, "id": r.ID, "title": r.Title, "level": r.Level, "outcome": r.Outcome, "runs": r.Runs,
	}
	if r.Reason != "" {
		v["reason"] = r.Reason
	}
	if r.Unfit > 0 {
		v["unfit"] = r.Unfit
	}
	if f := r.Failure; f != nil {
		v["failure"] = jsonFailure(f)
	}
	var costs []map[string]any
	for _, c := range r.Costs {
		costs = append(costs, map[string]any{
			"name": c.Name, "level": c.Level, "got": c.Got, "max": c.Max, "measured": c.Measured, "met": c.Met(),
		})
	}
	if costs != nil {
		v["costs"] = costs
	}
	return v
}

func jsonFailure(f *scenario.Failure) map[string]any {
	mismatches := []map[string]any{}
	for _, m := range f.Mismatches {
		mismatches = append(mismatches, map[string]any{"replica": m.Replica, "what": m.What, "got": m.Got, "want": m.Want})
	}
	v := map[string]any{
		"ids": f.IDs, "trace": f.Trace, "omitted": f.Omitted, "at": f.At, "problem": f.Problem, "mismatches": mismatches,
	}
	if f.Intent != "" {
		v["intent"] = f.Intent
	}
	return v
}
