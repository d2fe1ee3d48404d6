package main

import (
	"testing"
)

func TestRemoveAndUndelete(t *testing.T) {
	s := newStore(t)
	for _, key := range []string{"bed-1", "bed-2", "bed-3"} {
		s.ok("put", "patients/"+key, "name=Ada")
	}
	if r := s.try("rm", "patients/bed-1", "patients/nobody"); r.code != exitNotFound {
		t.Errorf("exit code %d, stderr %q", r.code, r.stderr)
	}
	wantIn(t, s.ok("ls"), "3 records") // none, if one cannot be
	if r := s.try("rm", "patients/bed-1", "nonsense"); r.code != exitUsage {
		t.Errorf("exit code %d, stderr %q", r.code, r.stderr)
	}
	if r := s.try("rm", "patients/bed-1", "patients/bed-2", "--saw", "AA"); r.code != exitUsage {
		t.Errorf("exit code %d, stderr %q", r.code, r.stderr)
	}

	wantIn(t, s.ok("rm", "patients/bed-1", "patients/bed-2", "patients/bed-1", "--actor", "bo", "--intent", "discharge:ada"),
		"deleted patients/bed-1; an edit made apart stays hidden with it (delete-wins)\n", "deleted patients/bed-2;")
	wantIn(t, s.ok("ls"), "1 record\n")
	wantIn(t, s.ok("log", "patients/bed-1"), "deleted the record", "bo  for discharge:ada")
	got := s.json("rm", "patients/bed-3")
	if got["deleted"] != true || got["policy"] != "delete-wins" {
		t.Errorf("--json printed %v", got)
	}

	wantIn(t, s.ok("undelete", "patients/bed-1", "--actor", "ada"), "brought patients/bed-1 back")
	if got := s.ok("get", "patients/bed-1", "name"); got != "Ada\n" {
		t.Errorf("the name is %q", got)
	}
	for name, code := range map[string]int{"patients/bed-1": exitFailure, "patients/nobody": exitNotFound, "nonsense": exitUsage} {
		if r := s.try("undelete", name); r.code != code || r.stdout != "" {
			t.Errorf("undelete %s: exit code %d, want %d; stderr %q", name, r.code, code, r.stderr)
		}
	}
}

// TestRemoveApart deletes a record while another store edits it.
func TestRemoveApart(t *testing.T) {
	a, b := newStore(t), newStore(t)
	a.ok("put", "patients/bed-7", "dose=5")
	served := a.start("serve", "--listen", "127.0.0.1:0")
	address := served.address()
	b.ok("sync", address)
	b.ok("put", "patients/bed-7", "dose=7")
	served.end()
	a.ok("rm", "patients/bed-7")
	served = a.start("serve", "--listen", "127.0.0.1:0")
	b.ok("sync", served.address())
	served.end()
	for _, s := range []store{a, b} {
		if r := s.try("get", "patients/bed-7"); r.code != exitNotFound {
			t.Errorf("exit code %d: %s", r.code, r.stdout)
		}
	}
	b.ok("undelete", "patients/bed-7")
	if got := b.ok("get", "patients/bed-7", "dose"); got != "7\n" {
		t.Errorf("the edit made apart is %q", got)
	}
}
