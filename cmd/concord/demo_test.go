package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/concord-crdt/concord/replica"
)

func TestDemo(t *testing.T) {
	s := store{t, "nowhere"}
	dir := filepath.Join(t.TempDir(), "ward")
	out := s.ok("demo", "--dir", dir)
	wantIn(t, out,
		"shown: 3 by Deniz (doctor); overruled: 7 by Nora (nurse)",
		"shown: 6 by Deniz (doctor); overruled: 9 by Nora (nurse)",
		`"latex", "penicillin"`, "Grace slept well.", "Watch Kurt's pulse.",
		"first try", "nothing twice", "Yes: the same on all three")
	for line := range strings.Lines(out) {
		if line = strings.TrimSuffix(line, "\n"); line != strings.TrimRight(line, " ") {
			t.Errorf("spaces at the end of %q", line)
		}
	}
	wantIn(t, s.ok("--store", filepath.Join(dir, "station"), "log", "patients/bed-7"), "set to 4, in place of", "3 by Deniz (doctor)", "7 by Nora (nurse)")
	if r := s.try("demo", "--dir", dir); r.code != exitUsage {
		t.Errorf("into a directory that is there: exit code %d, want %d", r.code, exitUsage)
	}
}

func TestDemoJSON(t *testing.T) {
	s := store{t, "nowhere"}
	got := s.json("demo")
	cut, _ := got["cut"].(map[string]any)
	if got["agree"] != true || cut["arrived"].(float64)+cut["sent_after"].(float64) != readings {
		t.Errorf("got %v", got)
	}
}

// TestDemoComparesDevices plants a difference: the story must not end well.
func TestDemoComparesDevices(t *testing.T) {
	var out bytes.Buffer
	w, err := openWard(t.Context(), &env{stdout: &out, stderr: os.Stderr}, t.TempDir(), replica.Options{Durability: replica.Relaxed})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := w.close(); err != nil {
			t.Error(err)
		}
	}()
	if err := w.morning(); err != nil {
		t.Fatal(err)
	}
	if err := w.agreement(); err != nil {
		t.Errorf("after everybody has everything: %v\n%s", err, out.String())
	}
	if err := w.dose(w.phone, "bed-7", 1); err != nil {
		t.Fatal(err)
	}
	if err := w.agreement(); !errors.Is(err, errDisagree) {
		t.Errorf("after an edit that nobody has: %v\n%s", err, out.String())
	}
}
