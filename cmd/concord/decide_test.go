package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const bankPolicy = `policy: bank
version: 1
roles: [supervisor, teller]
collections:
  account:
    fields:
      sent: {type: counter}
      status: {type: register, of: string, resolve: [review]}
      limit: {type: register, of: integer, resolve: [{authority: [supervisor, teller]}, latest]}
    constraints:
      - {name: daily-limit, must: "record.sent <= 10000", approve: [supervisor]}
`

func bank(t *testing.T, policy string) (store, string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "bank.yaml")
	if err := os.WriteFile(file, []byte(policy), 0o600); err != nil {
		t.Fatal(err)
	}
	s := store{t, filepath.Join(t.TempDir(), "store")}
	s.ok("init", "--policy", file)
	return s, file
}

// TestDecisions: a change that breaks a constraint is held, listed, and counts
// once somebody who may approves it.
func TestDecisions(t *testing.T) {
	s, _ := bank(t, bankPolicy)
	s.ok("edit", "--role", "teller", "--actor", "ann", "account/1", "sent", "counter.add", "6000")
	if got := s.ok("conflicts"); !strings.Contains(got, "nothing waits") {
		t.Errorf("conflicts of a calm store: %q", got)
	}
	s.ok("edit", "--role", "teller", "--actor", "bo", "account/1", "sent", "counter.add", "6000")
	if got := s.ok("get", "account/1", "sent"); got != "6000\n" {
		t.Errorf("sent while a change is held: %q", got)
	}
	for _, line := range []string{s.ok("conflicts"), s.ok("get", "account/1")} {
		if !strings.Contains(line, "breaks daily-limit; supervisor may decide") || !strings.Contains(line, "bo") {
			t.Errorf("a held change is told as %q", line)
		}
	}
	if r := s.try("--role", "teller", "approve", "account/1"); r.code == exitOK {
		t.Errorf("a teller approves: %+v", r)
	}
	s.ok("--role", "supervisor", "approve", "account/1")
	if got := s.ok("get", "account/1", "sent"); got != "12000\n" {
		t.Errorf("sent after the approval: %q", got)
	}
	if r := s.try("--role", "supervisor", "reject", "account/1"); r.code == exitOK || !strings.Contains(r.stderr, "nothing of account/1 waits") {
		t.Errorf("a verdict on nothing: %+v", r)
	}
}

// TestResolveAndExplain: values that were written apart are listed with the rule
// that chose, and settled by a person.
func TestResolveAndExplain(t *testing.T) {
	s, _ := bank(t, bankPolicy)
	s.ok("put", "account/1", "limit=1", "status=open", "--role", "supervisor")
	seen := strings.TrimSpace(s.ok("get", "account/1", "--version-token"))
	s.ok("put", "account/1", "limit=2", "status=shut", "--role", "supervisor")
	s.ok("put", "account/1", "limit=3", "status=lost", "--role", "teller", "--saw", seen)
	if got := s.ok("explain", "account/1", "limit"); !strings.Contains(got, "decided by: authority") {
		t.Errorf("explain: %q", got)
	}
	if got := s.json("explain", "account/1", "limit")["decided_by"]; got != "authority" {
		t.Errorf("explain --json: %v", got)
	}
	if got := s.ok("conflicts", "account"); !strings.Contains(got, "review  status") {
		t.Errorf("conflicts: %q", got)
	}
	if r := s.try("resolve", "account/1", "status", "--choose", "other"); r.code == exitOK {
		t.Errorf("a choice of nothing: %+v", r)
	}
	s.ok("resolve", "account/1", "status", "--choose", "shut")
	if got := s.ok("get", "account/1", "status"); got != "shut\n" {
		t.Errorf("status after the decision: %q", got)
	}
	if got := s.ok("conflicts", "account"); strings.Contains(got, "review") {
		t.Errorf("conflicts after the decision: %q", got)
	}
}

// TestAudit: what no rule covers is found, and fails where it is an error.
func TestAudit(t *testing.T) {
	s, _ := bank(t, bankPolicy)
	s.ok("put", "account/1", "limit=1", "--role", "teller")
	if got := s.ok("audit"); !strings.Contains(got, "limit  written by teller 1") {
		t.Errorf("audit: %q", got)
	}
	s.ok("put", "account/1", "limit=2", "--role", "guest")
	if r := s.try("audit"); r.code != 1 || !strings.Contains(r.stdout, `the role "guest"`) {
		t.Errorf("audit of a role that nobody knows: %+v", r)
	}
}

// TestPolicyDiff: a version is tried on a store before it is put into force.
func TestPolicyDiff(t *testing.T) {
	s, before := bank(t, bankPolicy)
	s.ok("put", "account/1", "limit=1", "--role", "supervisor")
	seen := strings.TrimSpace(s.ok("get", "account/1", "--version-token"))
	s.ok("put", "account/1", "limit=2", "--role", "supervisor")
	s.ok("put", "account/1", "limit=3", "--role", "teller", "--saw", seen)
	after := filepath.Join(t.TempDir(), "next.yaml")
	next := strings.Replace(strings.Replace(bankPolicy, "version: 1", "version: 2", 1), "{authority: [supervisor, teller]}, latest", "latest", 1)
	if err := os.WriteFile(after, []byte(next), 0o600); err != nil {
		t.Fatal(err)
	}
	got := s.ok("policy", "diff", before, after, "--against", s.dir)
	if !strings.Contains(got, "account.limit: other rules") || !strings.Contains(got, "1 record of 1 would show something else") {
		t.Errorf("diff: %q", got)
	}
	if got := s.ok("get", "account/1", "limit"); got != "2\n" {
		t.Errorf("limit after the rehearsal: %q", got)
	}
}
