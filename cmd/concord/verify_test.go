package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestVerifyAndSetAside(t *testing.T) {
	s := newStore(t)
	s.ok("put", "patients/bed-7", "name=Ada")
	wantIn(t, s.ok("verify"), "1 change", "1 record", "everything is as it was written")
	wantIn(t, s.ok("verify", "--repair"), "found: 0 findings; left: 0 findings")
	if v := s.json("verify"); v["ok"] != true || v["changes"] != 1.0 {
		t.Errorf("verify --json printed %v", v)
	}
	peer := newStore(t)
	p := peer.start("serve", "--listen", "127.0.0.1:0")
	address := p.address()
	s.ok("sync", address)
	if err := os.WriteFile(filepath.Join(s.dir, "data", "MANIFEST"), []byte("this is not a manifest"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := s.try("get", "patients/bed-7"); r.code == exitOK {
		t.Fatalf("get from a store without its manifest: %+v", r)
	}
	wantIn(t, s.try("verify").stderr, "--set-aside")
	wantIn(t, s.ok("verify", "--set-aside", "--repair="+address), "moved the store to", "left: 0 findings")
	wantIn(t, s.ok("get", "patients/bed-7"), "Ada")
}

func TestBackupAndRestore(t *testing.T) {
	s := newStore(t)
	s.ok("put", "patients/bed-7", "name=Ada")
	file := filepath.Join(t.TempDir(), "b")
	s.ok("backup", file)
	if r := s.try("backup", file); r.code == exitOK {
		t.Error("a file that was there is written over")
	}
	to := filepath.Join(t.TempDir(), "restored")
	s.ok("backup", "restore", file, to)
	wantIn(t, store{t, to}.ok("get", "patients/bed-7"), "Ada")
	if r := s.try("backup", "restore", file); r.code != exitNoStore {
		t.Errorf("restore over a store: %+v", r)
	}
}
