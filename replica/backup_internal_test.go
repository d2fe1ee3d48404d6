package replica

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestBackupBecomesAReplica: the restored replica writes under a new
// incarnation, beside the original that went on, and all agree.
func TestBackupBecomesAReplica(t *testing.T) {
	dir, a, b, want := filled(t)
	set(t, a, "unsent", "known to nobody but the backup")
	var buf bytes.Buffer
	if err := a.Backup(t.Context(), &buf); err != nil {
		t.Fatal(err)
	}
	if got, last := a.side.Marks["c"], a.scopes["c"].stored.Get(a.origin); got != last {
		t.Errorf("mark %d after the backup, want the last own change %d", got, last)
	}
	set(t, a, "k1", "after the backup")
	meet(t, a, b)
	back := filepath.Join(t.TempDir(), "back")
	if err := Restore(t.Context(), back, bytes.NewReader(buf.Bytes()), Options{}); err != nil {
		t.Fatal(err)
	}
	c := openAt(t, back, Options{})
	if c.origin.Replica != a.origin.Replica {
		t.Error("the restored replica has another name")
	}
	for k, v := range want {
		if got := read(c, k); got != v {
			t.Errorf("restored %s shows %.40v", k, got)
		}
	}
	if rep, err := c.Verify(t.Context(), nil); err != nil || !rep.OK() {
		t.Errorf("restored: %v, %v", rep.Damage, err)
	}
	set(t, c, "k2", "in the restored one")
	if c.origin == a.origin {
		t.Fatal("both write under one origin")
	}
	for range 2 {
		for _, r := range []*Replica{a, c} {
			if rep := meet(t, r, b); len(rep.Alarms) > 0 || len(rep.Reissued) > 0 {
				t.Errorf("session: %+v", rep)
			}
		}
	}
	for _, r := range []*Replica{a, b, c} {
		if read(r, "k1") != "after the backup" || read(r, "k2") != "in the restored one" || read(r, "unsent") != "known to nobody but the backup" {
			t.Errorf("%v shows %v, %v and %v", r.origin, read(r, "k1"), read(r, "k2"), read(r, "unsent"))
		}
	}
	if err := Restore(t.Context(), dir, bytes.NewReader(buf.Bytes()), Options{}); !errors.Is(err, ErrNotReplica) {
		t.Errorf("into a directory in use: %v", err)
	}
}

// TestDamagedBackupIsRefused at every cut and for turned bits.
//
//concord:fault bytes that were altered
func TestDamagedBackupIsRefused(t *testing.T) {
	a := openAt(t, filepath.Join(t.TempDir(), "a"), Options{})
	for i := range 3 {
		set(t, a, "k", i)
	}
	var buf bytes.Buffer
	if err := a.Backup(t.Context(), &buf); err != nil {
		t.Fatal(err)
	}
	base := t.TempDir()
	try := func(b []byte) {
		t.Helper()
		dir := filepath.Join(base, "r")
		if err := Restore(t.Context(), dir, bytes.NewReader(b), Options{}); err == nil {
			t.Error("accepted")
		}
		if _, err := os.Stat(filepath.Join(dir, "identity.1")); err == nil {
			t.Error("it looks like a replica")
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	n := buf.Len()
	for i := range 12 {
		try(buf.Bytes()[:i*n/12])
		b := bytes.Clone(buf.Bytes())
		b[i*n/12] ^= 4
		try(b)
	}
}
