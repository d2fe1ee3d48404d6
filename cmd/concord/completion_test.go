package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCompletion(t *testing.T) {
	s := newStore(t)
	for _, name := range []string{"patients/bed-1", "patients/bed-2", "patients/room-1", "visits/1"} {
		s.ok("put", name, "n=1")
	}
	s.ok("rm", "patients/bed-2")
	for _, c := range []struct {
		line []string // as typed, the last word being begun
		want []string
	}{
		{[]string{"get", ""}, []string{"patients/", "visits/"}},
		{[]string{"get", "pat"}, []string{"patients/"}},
		{[]string{"get", "patients/bed"}, []string{"patients/bed-1"}},
		{[]string{"get", "patients/"}, []string{"patients/bed-1", "patients/room-1"}},
		{[]string{"get", "nothing/"}, nil},
		{[]string{"get", "patients/bed-1", ""}, nil},
		{[]string{"rm", "patients/bed-1", "v"}, []string{"visits/"}},
		{[]string{"edit", "patients/bed-1", "tags", "remove-set."}, []string{"remove-set.add", "remove-set.remove"}},
		{[]string{"export", "patients", "v"}, []string{"visits"}},
		{[]string{"watch", ""}, []string{"patients", "visits"}},
		{[]string{"watch", "visits", ""}, nil},
		{[]string{"undelete", ""}, nil},
		{[]string{"settle", "pat"}, []string{"patients"}},
		{[]string{"restamp", "pat"}, []string{"patients"}},
		{[]string{"restamp", "patients", ""}, nil},
		{[]string{"quarantine", "patients", ""}, nil},
		{[]string{"completion", "z"}, []string{"zsh"}},
		{[]string{"unde"}, []string{"undelete"}},
	} {
		var out []string
		for line := range strings.Lines(s.try(append([]string{"__complete"}, c.line...)...).stdout) {
			word, _, _ := strings.Cut(strings.TrimSpace(line), "\t")
			if word != "" && !strings.HasPrefix(word, ":") {
				out = append(out, word)
			}
		}
		slices.Sort(out)
		if diff := cmp.Diff(c.want, out); diff != "" {
			t.Errorf("%q, -want +got:\n%s", c.line, diff)
		}
	}
	// A store that is not there, and one that is open: nothing, and no error.
	for _, other := range []store{{t, "nowhere"}, s} {
		if other.dir == s.dir {
			s.start("serve", "--listen", "127.0.0.1:0").address() // it has the store when it listens
		}
		if r := other.try("__complete", "get", "p"); r.code != exitOK {
			t.Errorf("exit code %d, stderr %q", r.code, r.stderr)
		}
	}
}

func TestCompletionScripts(t *testing.T) {
	s := store{t, "nowhere"}
	for _, shell := range shells {
		wantIn(t, s.ok("completion", shell.name), "concord", "__complete")
	}
	r := s.try("completion", "tcsh")
	if r.code != exitUsage {
		t.Errorf("exit code %d", r.code)
	}
	wantIn(t, r.stderr, "bash, zsh, fish, powershell")
}
