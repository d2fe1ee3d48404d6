package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEdit(t *testing.T) {
	s := newStore(t)
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
		{"group.put", []string{"f group.put dose 5", "f group.put unit mg"}, "f", `{"dose":5,"unit":"mg"}` + "\n"},
		{"counter.reset", []string{"f counter.add 5", "f counter.reset", "f counter.add 2"}, "f", "2\n"},
		{"stock.add", []string{"f stock.add 5", "f stock.add -7"}, "f", "-2\n"},
		{"flag.enable", []string{"f flag.enable"}, "f", "true\n"},
		{"list", []string{"f list.append a b 1", "f list.insert 1 x y", "f list.set 0 A", "f list.delete 2 2"}, "f", "A\nx\n1\n"},
		{"log.append", []string{"f log.append b", "f log.append a"}, "f", "b\na\n"},
		{"text with dashes", []string{"f text.append -x", "f text.append -- --y"}, "f", "-x--y\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.t = t
			record := "a/" + c.name
			for _, x := range c.edits {
				s.ok(append([]string{"edit", record}, strings.Fields(x)...)...)
			}
			if diff := cmp.Diff(c.want, s.ok("get", record, c.field)); diff != "" {
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

func TestShowsEveryType(t *testing.T) {
	s := newStore(t)
	for _, x := range []string{"dose group.put mg 5", "n counter.add 2", "left stock.add 12", "fasting flag.enable", "tags set.add a b",
		"steps list.append 1 two", "note text.append calm", "scans log.append in", "scans log.append out", "gone flag.enable", "gone flag.disable"} {
		s.ok(append([]string{"edit", "--actor", "bo", "a/b"}, strings.Fields(x)...)...)
	}
	out := regexp.MustCompile(`[-0-9]{10} [0-9:]{8}`).ReplaceAllString(s.ok("get", "a/b"), "TIME")
	want := `a/b
  dose     group    {"mg": 5}
  fasting  flag     on
  left     stock    12
  n        counter  2
  note     text     "calm"
  scans    log      2 entries:
      TIME  "in"  bo
      TIME  "out"  bo
  steps    list     [1, "two"]
  tags     set      "a", "b"
`
	if diff := cmp.Diff(want, out); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	log := s.ok("log", "a/b")
	wantIn(t, log, `dose: set to {"mg": 5}`, "n: added 2", "fasting: switched on", "gone: switched off", `steps: inserted [1, "two"]`,
		`scans: appended "out"`, "left: added 12")
}

// TestStockInAMap wants a refusal that says why.
func TestStockInAMap(t *testing.T) {
	r := newStore(t).try("edit", "a/b", "m/left", "stock.add", "1")
	if r.code != exitUsage {
		t.Errorf("exit code %d", r.code)
	}
	wantIn(t, r.stderr, "left is in a map")
}
