package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// scenarios writes a file with scenarios, each given by its id, level, steps and
// expectation.
func scenarios(t *testing.T, dir, name string, list ...[4]string) string {
	t.Helper()
	var b strings.Builder
	b.WriteString(`{"group": "` + name + `", "about": "of a test", "scenarios": [`)
	for i, s := range list {
		if i > 0 {
			b.WriteString(",")
		}
		b.WriteString(`{"id": "` + s[0] + `", "level": "` + s[1] + `", "title": "title of ` + s[0] + `", "source": "test",
			"replicas": ["A", "B"], "steps": [` + s[2] + `], "expect": ` + s[3] + `}`)
	}
	b.WriteString("]}")
	path := filepath.Join(dir, name+".json")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const (
	addOne  = `{"on": "A", "do": "counter.add", "obj": "c", "by": 1}, {"do": "sync_all"}`
	isOne   = `{"converged": true, "values": {"counter:c": 1}}`
	isTwo   = `{"values": {"counter:c": 2}}`
	undoing = addOne + `, {"on": "A", "do": "undo"}`
)

// concord runs a command line that needs no store.
func concord(t *testing.T, args ...string) result {
	t.Helper()
	var out, errs bytes.Buffer
	code := run(t.Context(), args, strings.NewReader(""), &out, &errs)
	return result{code, out.String(), errs.String()}
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	return lines[len(lines)-1]
}

func TestScenarioRun(t *testing.T) {
	dir := t.TempDir()
	good := scenarios(t, dir, "good", [4]string{"g-1", "must", addOne, isOne}, [4]string{"g-2", "must", undoing, isOne})
	should := scenarios(t, dir, "should", [4]string{"s-1", "should", addOne, isTwo})
	bad := scenarios(t, t.TempDir(), "bad", [4]string{"b-1", "must", addOne, isTwo}, [4]string{"b-2", "must", addOne, isOne})
	for _, tt := range []struct {
		name string
		args []string
		code int
		last string
		want []string
	}{
		{"pass and skip", []string{good}, exitOK, "1 passed, 0 failed, 1 skipped",
			[]string{"pass good g-1 (must): title of g-1\n", "skip good g-2 (must): step 3 (undo) needs undo, which is missing here\n"}},
		{"failed should", []string{should}, exitOK, "0 passed, 1 failed, 0 skipped", []string{"fail should s-1 (should)"}},
		{"failed must", []string{bad}, exitFailure, "1 passed, 1 failed, 0 skipped", []string{
			"fail bad b-1 (must): title of b-1\n", `  1 {"on": "A", "do": "counter.add", "obj": "c", "by": 1}`,
			"    A counter:c\n      got  1\n      want 2\n", "pass bad b-2"}},
		{"directory", []string{dir}, exitOK, "1 passed, 1 failed, 1 skipped", nil},
		{"pattern, and one of its files again", []string{filepath.Join(dir, "*.json"), good}, exitOK, "1 passed, 1 failed, 1 skipped", nil},
		{"chosen", []string{bad, good, "--only", "b-2,g-1"}, exitOK, "2 passed, 0 failed, 0 skipped", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := concord(t, append([]string{"scenario", "run"}, tt.args...)...)
			if r.code != tt.code || r.stderr != "" {
				t.Errorf("exit code %d, want %d; stderr %q", r.code, tt.code, r.stderr)
			}
			if got := lastLine(r.stdout); got != tt.last {
				t.Errorf("last line %q, want %q", got, tt.last)
			}
			for _, want := range tt.want {
				if !strings.Contains(r.stdout, want) {
					t.Errorf("want %q in:\n%s", want, r.stdout)
				}
			}
		})
	}
}

func TestScenarioRunStops(t *testing.T) {
	good := scenarios(t, t.TempDir(), "good", [4]string{"g-1", "must", addOne, isOne})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, errs bytes.Buffer
	code := run(ctx, []string{"scenario", "run", good}, strings.NewReader(""), &out, &errs)
	if code != exitFailure || out.Len() > 0 || !strings.Contains(errs.String(), "stopped before scenario g-1") {
		t.Errorf("exit code %d, stdout %q, stderr %q", code, &out, &errs)
	}
}

func TestScenarioRunJSON(t *testing.T) {
	bad := scenarios(t, t.TempDir(), "bad", [4]string{"b-1", "must", addOne, isTwo}, [4]string{"b-2", "must", undoing, isOne})
	r := concord(t, "scenario", "run", "--json", bad)
	if r.code != exitFailure || r.stderr != "" {
		t.Fatalf("exit code %d, stderr %q", r.code, r.stderr)
	}
	var objects []map[string]any
	for lines := bufio.NewScanner(strings.NewReader(r.stdout)); lines.Scan(); {
		var v map[string]any
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			t.Fatalf("%v in %q", err, lines.Text())
		}
		objects = append(objects, v)
	}
	if len(objects) != 3 || objects[2]["failed"] != 1.0 || objects[2]["skipped"] != 1.0 || objects[2]["passed"] != 0.0 {
		t.Fatalf("got %v, want two results and the counts", objects)
	}
	if objects[1]["outcome"] != "skip" || objects[1]["reason"] == nil || objects[0]["outcome"] != "fail" {
		t.Errorf("outcomes: %v", objects)
	}
	failure := objects[0]["failure"].(map[string]any)
	mismatch := failure["mismatches"].([]any)[0].(map[string]any)
	if mismatch["got"] != "1" || !slices.Equal(mismatch["want"].([]any), []any{"2"}) || mismatch["what"] != "counter:c" {
		t.Errorf("mismatch: %v", mismatch)
	}
}

func TestScenarioRunErrors(t *testing.T) {
	dir := t.TempDir()
	good := scenarios(t, dir, "good", [4]string{"g-1", "must", addOne, isOne})
	broken := scenarios(t, t.TempDir(), "broken", [4]string{"x-1", "must", `{"on": "A", "do": "counter.ad", "obj": "c", "by": 1}`, isOne})
	for _, tt := range []struct {
		name string
		args []string
		code int
		want []string
	}{
		{"no file", []string{"run"}, exitUsage, []string{"an argument is missing"}},
		{"missing file", []string{"run", filepath.Join(dir, "nowhere.json")}, exitUsage, []string{"there is no file", "nowhere.json"}},
		{"nothing matches", []string{"run", filepath.Join(dir, "x*.json")}, exitUsage, []string{"no file matches"}},
		{"empty directory", []string{"run", t.TempDir()}, exitUsage, []string{"has no file named *.json"}},
		{"unknown id", []string{"run", good, "--only", "g-1,g-9"}, exitUsage, []string{"no scenario has the id g-9"}},
		{"fault in the file", []string{"run", good, broken}, exitFailure, []string{"broken.json:", "x-1: step 1", "did you mean counter.add?"}},
		{"run left out", []string{good}, exitUsage, []string{"did you mean: concord scenario run"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := concord(t, append([]string{"scenario"}, tt.args...)...)
			if r.code != tt.code || r.stdout != "" {
				t.Errorf("exit code %d, want %d; stdout %q", r.code, tt.code, r.stdout)
			}
			for _, want := range tt.want {
				if !strings.Contains(r.stderr, want) {
					t.Errorf("want %q in: %s", want, r.stderr)
				}
			}
		})
	}
}
