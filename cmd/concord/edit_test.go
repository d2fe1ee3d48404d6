package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEdit(t *testing.T) {
	for _, c := range []struct {
		name  string
		edits []string // separated by spaces
		field string
		want  string
	}{
		{"register.set", []string{"f register.set 5", "f register.set Ada"}, "f", "Ada\n"},
		{"register.clear", []string{"f register.set 5", "f register.clear"}, "f", "\n"},
		{"counter.add", []string{"f counter.add 5", "f counter.add -7"}, "f", "-2\n"},
		{"set.add", []string{"f set.add b a 1", `f set.add "1"`}, "f", "1\n1\na\nb\n"},
		{"set.remove", []string{"f set.add a b c", "f set.remove a c x"}, "f", "b\n"},
		{"map.put", []string{"f map.put a 1", "f map.put b x", "f map.put a 2"}, "f", `{"a":2,"b":"x"}` + "\n"},
		{"map.delete", []string{"f map.put a 1", "f map.put b x", "f map.delete a"}, "f", `{"b":"x"}` + "\n"},
		{"below a map", []string{"m/n counter.add 2", "m/s set.add x", "m/t text.append y", "m/deep/r register.set 1"}, "m",
			`{"deep":{"r":1},"n":2,"s":["x"],"t":"y"}` + "\n"},
		{"text.append", []string{"f text.append ab", "f text.append cd"}, "f", "abcd\n"},
		{"text.insert", []string{"f text.append aü☃d", "f text.insert 3 X"}, "f", "aü☃Xd\n"},
		{"text.delete", []string{"f text.append aü☃d", "f text.delete 1 2"}, "f", "ad\n"},
		{"text.replace", []string{"f text.append aü☃d", "f text.replace 0 3 bc"}, "f", "bcd\n"},
		{"text with dashes", []string{"f text.append -x", "f text.append -- --y"}, "f", "-x--y\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStore(t)
			for _, x := range c.edits {
				s.ok(append([]string{"edit", "a/b"}, strings.Fields(x)...)...)
			}
			if diff := cmp.Diff(c.want, s.ok("get", "a/b", c.field)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestEditTakesInput(t *testing.T) {
	s := newStore(t)
	const text = "two\nlines, ☃\n"
	if r := s.tryWith(text, "edit", "--stdin", "notes/round", "body", "text.append"); r.code != exitOK {
		t.Fatal(r.stderr)
	}
	if got := s.ok("get", "notes/round", "body"); got != text+"\n" {
		t.Errorf("got %q", got)
	}
	r := s.tryWith(strings.Repeat("x", maxInputBytes+1), "edit", "--stdin", "notes/round", "body", "text.append")
	if r.code != exitFailure {
		t.Errorf("more than the limit: exit code %d", r.code)
	}
	wantIn(t, r.stderr, "write it in parts")
}

func TestEditWithoutEffectSaysSo(t *testing.T) {
	s := newStore(t)
	s.ok("edit", "a/b", "tags", "set.add", "x")
	before := s.ok("get", "a/b", "--version-token")
	wantIn(t, s.ok("edit", "a/b", "tags", "set.remove", "y"), "nothing to change")
	wantIn(t, s.ok("edit", "a/b", "n", "counter.add", "0"), "nothing to change")
	if got := s.json("edit", "a/b", "tags", "set.remove", "y"); got["changed"] != false {
		t.Errorf("--json printed %v", got)
	}
	if after := s.ok("get", "a/b", "--version-token"); after != before {
		t.Errorf("the record changed from %s to %s", before, after)
	}
	wantIn(t, s.ok("edit", "c/d", "n", "counter.add", "1"), "wrote c/d: n")
	wantIn(t, s.ok("edit", "c/e", "n", "counter.add", "1"), "wrote c/e: n")
}
