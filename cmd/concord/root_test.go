package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/cobra"
)

func TestEveryCommandHasAnExample(t *testing.T) {
	root := newRoot(&env{})
	for _, c := range append(root.Commands(), root) {
		if c.Short == "" || c.Long == "" || c.Example == "" {
			t.Errorf("%s: short help %q, long %d bytes, example %d bytes; want all", c.CommandPath(), c.Short, len(c.Long), len(c.Example))
		}
		for line := range strings.Lines(c.Long) {
			if len([]rune(line)) > 82 {
				t.Errorf("%s: line of %d characters: %s", c.CommandPath(), len([]rune(line)), line)
			}
		}
	}
}

// TestExamplesParse finds flags and commands in examples that are not there.
func TestExamplesParse(t *testing.T) {
	root := newRoot(&env{})
	for _, c := range append(root.Commands(), root) {
		for line := range strings.Lines(c.Example) {
			words := strings.Fields(line)
			if len(words) < 2 || words[0] != "concord" {
				continue
			}
			var flags []string
			var target *cobra.Command
			for _, w := range words[1:] {
				if name, ok := strings.CutPrefix(w, "--"); ok {
					name, _, _ = strings.Cut(name, "=")
					flags = append(flags, name)
				} else if found, _, err := root.Find([]string{w}); target == nil && err == nil && found != root {
					target = found
				}
			}
			if target == nil {
				t.Errorf("%s: no command in example %q", c.CommandPath(), line)
				continue
			}
			for _, f := range flags {
				if target.Flags().Lookup(f) == nil && root.PersistentFlags().Lookup(f) == nil {
					t.Errorf("%s: %s has no flag --%s, in example %q", c.CommandPath(), target.Name(), f, line)
				}
			}
		}
	}
}

func TestRootHelpTellsExitCodes(t *testing.T) {
	s := store{t, "nowhere"}
	for _, args := range [][]string{{}, {"--help"}, {"help"}} {
		out := s.ok(args...)
		for _, c := range exitCodes {
			wantIn(t, out, c.help)
		}
	}
	for i, c := range exitCodes {
		if c.code != i {
			t.Errorf("exit code %d stands at place %d", c.code, i)
		}
	}
}

// TestBadCommandLines wants one line that says what to do, and no help page.
func TestBadCommandLines(t *testing.T) {
	s := newStore(t)
	s.ok("put", "patients/bed-7", "dose=5", "meds/aspirin=100")
	s.ok("edit", "patients/bed-7", "note", "text.append", "calm")
	for _, c := range []struct {
		name string
		args string
		code int
		want string
	}{
		{"unknown command", "frob", exitUsage, `no command "frob"`},
		{"near command", "gte x", exitUsage, "did you mean get"},
		{"unknown flag", "ls --bad", exitUsage, "concord ls --help"},
		{"flag without value", "put a/b c=d --actor", exitUsage, "--actor"},
		{"durability", "--durability never ls", exitUsage, "synced or relaxed"},
		{"missing argument", "get", exitUsage, "concord get COLLECTION/KEY"},
		{"too many arguments", "get a/b c d", exitUsage, `"d" is one argument too many`},
		{"serve with an argument", "serve here", exitUsage, `"here"`},
		{"no key", "get a", exitUsage, "COLLECTION/KEY"},
		{"no assignment", "put a/b", exitUsage, "FIELD=VALUE"},
		{"assignment without =", "put a/b c", exitUsage, "FIELD=VALUE"},
		{"assignment without field", "put a/b =5", exitUsage, "names no field"},
		{"not JSON", "put a/b c:=nope", exitUsage, "not JSON"},
		{"number too large", "put a/b c=99999999999999999999", exitUsage, "out of range"},
		{"path with a hole", "put a/b c//d=5", exitUsage, "names no field"},
		{"saw", "put a/b c=1 --saw zz", exitUsage, "--version-token"},
		{"intent", "put a/b c=1 --intent zz", exitUsage, "ACTION:KEY"},
		{"another type", "put patients/bed-7 note=5", exitUsage, "note is a text, not a register"},
		{"a value as a map", "put patients/bed-7 dose/x=5", exitUsage, "dose is a register, not a map"},
		{"a map's key as another type", "edit patients/bed-7 meds/aspirin counter.add 1", exitUsage, "meds/aspirin is a register, not a counter"},
		{"no operation", "edit a/b c", exitUsage, "OPERATION"},
		{"unknown operation", "edit a/b c frob 1", exitUsage, "concord edit --help"},
		{"half an operation", "edit a/b c add 1", exitUsage, "did you mean counter.add, stock.add, set.add, remove-set.add, bounded.add?"},
		{"arguments of an operation", "edit a/b c counter.add", exitUsage, "counter.add takes N, got 0 arguments"},
		{"no arguments", "edit a/b c register.clear x", exitUsage, "takes no arguments, got 1 argument"},
		{"no number", "edit a/b c counter.add x", exitUsage, "whole number"},
		{"position", "edit a/b c text.insert -1 x", exitUsage, "no position"},
		{"late flag", "edit a/b c set.add x --json", exitUsage, "flags stand before"},
		{"position outside", "edit patients/bed-7 note text.insert 9 x", exitFailure, "insert at 9 of 4"},
		{"limit", "log a/b --limit -1", exitUsage, "--limit"},
		{"both directions", "sync localhost:1 --pull --push", exitUsage, "--pull and --push"},
		{"no address", "sync nowhere", exitUsage, "HOST:PORT"},
		{"another scheme", "sync http://localhost:1", exitUsage, "HOST:PORT"},
		{"no address to listen on", "serve --listen here", exitUsage, "HOST:PORT"},
		{"no record", "get a/b", exitNotFound, "concord ls a"},
		{"no history", "log a/b", exitNotFound, "concord ls a"},
		{"no collection", "ls a", exitNotFound, "concord ls"},
		{"no field", "get patients/bed-7 weight", exitNotFound, "concord get patients/bed-7"},
		{"no key in a map", "get patients/bed-7 meds/ibuprofen", exitNotFound, "meds/ibuprofen"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := s.try(strings.Fields(c.args)...)
			if r.code != c.code || r.stdout != "" {
				t.Errorf("got exit code %d and stdout %q, want %d and none", r.code, r.stdout, c.code)
			}
			if !strings.HasPrefix(r.stderr, "concord: ") && c.name != "late flag" || strings.Count(r.stderr, "\n") != 1 {
				t.Errorf("stderr is not one line of concord's: %q", r.stderr)
			}
			wantIn(t, r.stderr, c.want)

			r = s.try(append([]string{"--json"}, strings.Fields(c.args)...)...)
			var v struct {
				Error, Class string
				Code         int
			}
			if err := json.Unmarshal([]byte(r.stderr), &v); err != nil {
				t.Fatalf("--json: %v in %q", err, r.stderr)
			}
			if v.Code != c.code || r.code != c.code || v.Class != exitCodes[c.code].name {
				t.Errorf("--json: got exit code %d, code %d, class %q; want %d, %q", r.code, v.Code, v.Class, c.code, exitCodes[c.code].name)
			}
			wantIn(t, v.Error, c.want)
		})
	}
	if got := s.ok("ls"); !strings.HasPrefix(got, "patients") || strings.Count(got, "\n") != 1 {
		t.Errorf("a bad command line left something behind: %q", got)
	}
}

// fullDisk refuses to be written.
type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

func TestOutputThatCannotBeWritten(t *testing.T) {
	var errs bytes.Buffer
	if code := run(t.Context(), []string{"--help"}, nil, fullDisk{}, &errs); code != exitFailure {
		t.Errorf("exit code %d, want %d", code, exitFailure)
	}
	wantIn(t, errs.String(), "write to stdout")
}
