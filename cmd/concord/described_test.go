package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestLogOfRuledFields wants words for what each operation did.
func TestLogOfRuledFields(t *testing.T) {
	s := newStore(t)
	s.ok("put", "a/b", "x=1")
	for _, c := range []struct{ args, want string }{
		{"n stock.add 5", "n: added 5"},
		{"n stock.add -2", "n: took away 2"},
		{"n stock.recount 9", "n: counted 9"},
		{"seats bounded.open 0 40 30", "seats: opened between 0 and 40, at 30"},
		{"seats bounded.add -4", "seats: took away 4"},
		{"seats bounded.add 2", "seats: added 2"},
		{"seats bounded.transfer 0123456789abcdef0123456789abcdef/1 3", "seats: gave replica 01234567 the rights to add 3"},
		{"dose proposal.propose 7", "dose: proposed 7"},
		{"dose proposal.approve", "dose: approved 7, proposed by ada (nurse)"},
		{"dose proposal.decline 7", "dose: declined 7, proposed by ada (nurse)"},
	} {
		s.ok(append([]string{"edit", "--actor", "ada", "--role", "nurse", "a/b"}, strings.Fields(c.args)...)...)
		if lines := strings.Split(s.ok("log", "a/b", "--limit", "1"), "\n"); strings.TrimSpace(lines[1]) != c.want {
			t.Errorf("%s: got %q, want %q", c.args, lines[1], c.want)
		}
	}
	var last changeJSON
	if err := json.Unmarshal([]byte(s.ok("log", "a/b", "--limit", "1", "--json")), &last); err != nil {
		t.Fatal(err)
	}
	if e := last.Edits[0]; e.Action != "decline" || e.Value != 7.0 || e.Proposal == nil || e.Proposal.Actor != "ada" {
		t.Errorf("got %+v", e)
	}
	wantIn(t, s.ok("edit", "--as-of", "2026-01-02 18:00", "a/b", "n", "stock.recount", "3"), "wrote")
	wantIn(t, s.ok("log", "a/b", "--limit", "1"), "n: counted 3 as of 2026-01-02 18:00:00")
}

func TestLogOfARestoredRecord(t *testing.T) {
	s := newStore(t)
	s.ok("put", "a/b", "x=1")
	s.ok("rm", "a/b")
	deleted := s.json("log", "a/b", "--limit", "1")["dot"].(string)
	s.ok("undelete", "a/b")
	wantIn(t, s.ok("log", "a/b"), "    restored the record, deleted by ")
	if diff := cmp.Diff([]any{deleted}, s.json("log", "a/b", "--limit", "1")["restore"]); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestGetProposals(t *testing.T) {
	s := newStore(t)
	for _, args := range []string{"ada nurse proposal.propose 7", "cy chief proposal.approve", "ada nurse proposal.propose 8", "bo doctor proposal.propose 9", "cy chief proposal.decline 9"} {
		f := strings.Fields(args)
		s.ok(append([]string{"edit", "--actor", f[0], "--role", f[1], "a/b", "dose"}, f[2:]...)...)
	}
	out := s.ok("get", "a/b")
	wantIn(t, out, "dose  proposal  7\n", "approved   7  by ada (nurse), ", "; approved by cy (chief); shown\n",
		"open       8  by ada (nurse), ", "declined   9  by bo (doctor), ", "; declined by cy (chief)\n")
	entries := s.json("get", "a/b", "dose")["entries"].([]any)
	verdicts := map[any]any{}
	for _, e := range entries {
		m := e.(map[string]any)
		verdicts[m["value"]] = m["verdict"]
	}
	if diff := cmp.Diff(map[any]any{7.0: "approved", 8.0: "open", 9.0: "declined"}, verdicts); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestGetOfARecordMadeAgain(t *testing.T) {
	s := newStore(t)
	for _, edit := range []string{"t text.append old", "l log.append old", "n stock.add 1", "p proposal.propose 1"} {
		s.ok(append([]string{"edit", "a/b"}, strings.Fields(edit)...)...)
	}
	s.ok("rm", "a/b")
	s.ok("put", "a/b", "x=1")
	if got, want := s.ok("get", "a/b"), "a/b\n  x  register  1\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
