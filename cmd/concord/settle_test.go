package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/concord-crdt/concord/replica"
)

// clinic are two stores that go by a policy; the first is the steward.
func clinic(t *testing.T) (a, b store) {
	t.Helper()
	policy := filepath.Join(t.TempDir(), "clinic.yaml")
	text := `policy: clinic
version: 1
roles: [doctor, nurse]
collections:
  patients:
    fields:
      dose: {type: register, of: integer, write: [doctor, nurse], resolve: [{authority: [doctor, nurse]}, latest], sticky: true}
`
	if err := os.WriteFile(policy, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	a, b = store{t, filepath.Join(t.TempDir(), "a")}, store{t, filepath.Join(t.TempDir(), "b")}
	wantIn(t, a.ok("init", "--policy", policy, "--steward"), "version 1 of the policy clinic", "it is the steward")
	b.ok("init", "--policy", policy)
	return a, b
}

// meet lets two stores sync a few times: then each knows that the other has all.
func meet(a, b store) {
	served := a.start("serve", "--listen", "127.0.0.1:0")
	address := served.address()
	for range 3 {
		b.ok("sync", address)
	}
	served.end()
}

func TestStoreGoesByItsPolicy(t *testing.T) {
	a, _ := clinic(t)
	r := a.try("put", "patients/1", "dose=5")
	if r.code != exitDenied {
		t.Errorf("exit code %d, stderr %q", r.code, r.stderr)
	}
	wantIn(t, r.stderr, "in which role you write with --role")
	a.ok("put", "patients/1", "dose=5", "--role", "doctor", "--actor", "di")
	a.ok("put", "patients/1", "dose=7", "--role", "nurse")
	wantIn(t, a.ok("get", "patients/1"), "dose  register  5\n", "chosen among 2 values by rule: authority", "overruled  7  by ", "shown      5  by di (doctor)")
	other := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(other, []byte("policy: [\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{other, filepath.Join(t.TempDir(), "none.yaml")} {
		if r := a.try("get", "patients/1", "--policy", path); r.code != exitFailure || !strings.Contains(r.stderr, filepath.Base(path)) {
			t.Errorf("with %s: exit code %d, stderr %q", path, r.code, r.stderr)
		}
	}
}

func TestInitOfAStoreThatIsThere(t *testing.T) {
	a, b := clinic(t)
	wantIn(t, a.ok("init"), "left as it is")
	if v := a.json("init"); v["policy"] != "clinic" || v["steward"] != true {
		t.Errorf("got %v", v)
	}
	wantIn(t, a.ok("init", "--steward=false"), "no steward any more")
	if v := b.json("init", "--steward"); v["steward"] != true || v["made"] != false {
		t.Errorf("got %v", v)
	}
}

func TestSettle(t *testing.T) {
	a, b := clinic(t)
	a.ok("put", "patients/1", "dose=5", "--role", "doctor")
	b.ok("put", "patients/2", "dose=5", "--role", "nurse")
	b.ok("rm", "patients/2")
	wantIn(t, a.ok("settle", "patients"), "settled patients for the 1st time", "up to change 1 of ")
	meet(a, b)
	before := a.ok("get", "patients/1")
	wantIn(t, a.ok("settle", "patients"), "settled patients for the 2nd time", "the scope weighed ")
	if after := a.ok("get", "patients/1"); after != before {
		t.Errorf("the view changed from\n%sto\n%s", before, after)
	}
	again := a.json("settle", "patients")
	if again["number"] != 0.0 || len(again["missing"].([]any)) != 1 || len(again["cut"].(map[string]any)) != 2 {
		t.Errorf("settled again: %v", again)
	}
	wantIn(t, a.ok("inspect", a.dir, "--scope", "patients"), "settled the scope, for the 2nd time, up to {", "acknowledged {", "all records are folded by settle mark 2")
	meet(a, b)
	r := b.try("settle", "patients")
	if r.code != exitFailure {
		t.Errorf("exit code %d", r.code)
	}
	wantIn(t, r.stderr, "not the steward of patients", "--steward")
	if r := a.try("settle", "nothing"); r.code != exitNotFound {
		t.Errorf("exit code %d, stderr %q", r.code, r.stderr)
	}
	if r := a.try("settle", "patients", "--member", "zz"); r.code != exitUsage {
		t.Errorf("exit code %d, stderr %q", r.code, r.stderr)
	}
}

// TestRestamp writes under a clock that is a day ahead, and corrects it.
func TestRestamp(t *testing.T) {
	a, b := newStore(t), newStore(t)
	ahead := func() time.Time { return time.Now().Add(24 * time.Hour) }
	r, err := replica.Open(b.dir, replica.Options{Wall: ahead, Actor: "cy"})
	if err != nil {
		t.Fatal(err)
	}
	err = r.Collection("patients").Update(t.Context(), "bed-7", func(p *replica.Record) error { return p.Register("dose").Set(5) })
	if err != nil {
		t.Fatal(err)
	}
	id := r.Origin().Replica.String()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	served := a.start("serve", "--listen", "127.0.0.1:0")
	if r := b.try("sync", served.address()); r.code != exitIncomplete {
		t.Errorf("exit code %d, stderr %q", r.code, r.stderr)
	}
	served.end()
	out := a.ok("quarantine")
	wantIn(t, out, "patients  change ", "waits: clock-ahead, ", "by cy, ", "record bed-7", "concord restamp patients "+id+"/")
	if v := a.json("quarantine", "patients"); v["code"] != "clock-ahead" || v["fate"] != "waiting" {
		t.Errorf("got %v", v)
	}
	wantIn(t, a.ok("quarantine", "others"), "every change is applied")
	if r := a.try("restamp", "patients", id, "1", "24h"); r.code != exitFailure || !strings.Contains(r.stderr, "neither") {
		t.Errorf("exit code %d, stderr %q", r.code, r.stderr)
	}
	wantIn(t, b.ok("restamp", "patients", id[:8], "1", "24h"), "moved changes 1 to 1 of ", "back by 24h0m0s")
	wantIn(t, b.ok("inspect", b.dir, "--scope", "patients"), "moved the stamps of changes 1 to 1 of ")
	for _, args := range []string{"patients x 1 24h", "patients " + id + " 0-1 24h", "patients " + id + " 2-1 24h", "patients " + id + " 1 24", "patients " + id + " 1 -1h"} {
		if r := b.try(append([]string{"restamp"}, strings.Fields(args)...)...); r.code != exitUsage {
			t.Errorf("%s: exit code %d, stderr %q", args, r.code, r.stderr)
		}
	}
}

func TestEncryptedStore(t *testing.T) {
	dir := t.TempDir()
	key := filepath.Join(dir, "key")
	if err := os.WriteFile(key, []byte(strings.Repeat("0a", 32)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := store{t, filepath.Join(dir, "s")}
	wantIn(t, s.ok("init", "--key", key), "--key "+key+" put")
	s.ok("--key", key, "put", "patients/bed-7", "dose=5")
	if got := s.ok("--key", key, "get", "patients/bed-7", "dose"); got != "5\n" {
		t.Errorf("got %q", got)
	}
	wantIn(t, s.ok("--key", key, "inspect", s.dir, "--record", "patients/bed-7"), "dose (register): set to 5")
	wantIn(t, s.try("--key", key, "__complete", "get", "patients/").stdout, "patients/bed-7")
	for _, args := range []string{"get patients/bed-7", "inspect " + s.dir} {
		r := s.try(strings.Fields(args)...)
		if r.code != exitFailure {
			t.Errorf("%s: exit code %d", args, r.code)
		}
		wantIn(t, r.stderr, "is encrypted")
	}
	if err := os.WriteFile(key, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := s.try("--key", key, "ls"); r.code != exitUsage {
		t.Errorf("exit code %d, stderr %q", r.code, r.stderr)
	}
}
