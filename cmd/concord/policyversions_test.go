package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPolicyActivate puts a version into force that spreads with the next sync.
func TestPolicyActivate(t *testing.T) {
	a, b := clinic(t)
	first := b.ok("policy", "versions", "--print", "1")
	wantIn(t, a.ok("policy", "versions"), "version 1 of clinic, digest ", "  in force\n")
	path := filepath.Join(t.TempDir(), "next.yaml")
	second := strings.Replace(strings.Replace(first, "version: 1", "version: 2", 1), "write: [doctor, nurse]", "write: [doctor]", 1)
	if second == first {
		t.Fatalf("the first version is\n%s", first)
	}
	if err := os.WriteFile(path, []byte(second), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range []string{"put --role doctor --policy " + path + " patients/1 dose=5", "init --policy " + path} {
		if r := a.try(strings.Fields(args)...); r.code != exitUsage || !strings.Contains(r.stderr, "policy activate") {
			t.Errorf("%s: exit code %d, stderr %q", args, r.code, r.stderr)
		}
	}
	if r := a.try("policy", "activate", path); r.code != exitDenied {
		t.Errorf("without a role: exit code %d, stderr %q", r.code, r.stderr)
	}
	a.ok("put", "patients/1", "dose=4", "--role", "nurse")
	wantIn(t, a.ok("policy", "activate", path, "--role", "doctor"), "version 2 of clinic is in force")
	meet(a, b)
	wantIn(t, b.ok("policy", "versions"), "version 1 of clinic", "version 2 of clinic, digest ")
	if r := b.try("put", "patients/1", "dose=5", "--role", "nurse"); r.code != exitDenied {
		t.Errorf("the other store does not go by the version: exit code %d", r.code)
	}
	if r := b.try("policy", "versions", "--print", "3"); r.code != exitNotFound {
		t.Errorf("exit code %d", r.code)
	}
	wantIn(t, newStore(t).ok("policy", "versions"), "has no policy")
}
