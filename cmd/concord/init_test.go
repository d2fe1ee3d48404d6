package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestInit(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	s := store{t, dir}
	wantIn(t, s.ok("init"), "made a store in "+dir, "concord --store "+dir+" put")
	wantIn(t, s.ok("init"), "is a store already")
	if v := s.json("init"); v["made"] != false || len(v["replica"].(string)) != 32 {
		t.Errorf("init --json printed %v", v)
	}
	other := filepath.Join(t.TempDir(), "other")
	wantIn(t, s.ok("init", other), other)
	wantIn(t, store{t, other}.ok("ls"), "the store is empty")
	empty := store{t, t.TempDir()}
	empty.ok("init")
	empty.ok("ls")
}

func TestDirectoriesThatAreNoStore(t *testing.T) {
	dir := t.TempDir()
	full, file := filepath.Join(dir, "full"), filepath.Join(dir, "file")
	if err := os.MkdirAll(filepath.Join(full, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, dir, want string }{
		{"missing", filepath.Join(dir, "missing"), "there is no such directory"},
		{"empty", t.TempDir(), "the directory is empty"},
		{"other things", full, "the directory holds something else"},
		{"file", file, "it is a file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := store{t, c.dir}
			for _, args := range [][]string{{"ls"}, {"put", "a/b", "c=d"}, {"get", "a/b"}, {"log", "a/b"}, {"serve"}, {"sync", "localhost:1"}} {
				r := s.try(args...)
				if r.code != exitNoStore {
					t.Errorf("%v: exit code %d", args, r.code)
				}
				wantIn(t, r.stderr, c.want, "concord init")
			}
		})
	}
	if _, err := os.Stat(filepath.Join(dir, "missing")); !os.IsNotExist(err) {
		t.Errorf("a mistyped path was made: %v", err)
	}
	for _, d := range []string{full, file} {
		r := store{t, d}.try("init")
		if r.code != exitNoStore {
			t.Errorf("init %s: exit code %d", d, r.code)
		}
		wantIn(t, r.stderr, "choose a new or an empty directory")
	}
}

// TestStoreWithAWeirdPath has in its name what globs, shells and formats read.
func TestStoreWithAWeirdPath(t *testing.T) {
	s := store{t, filepath.Join(t.TempDir(), `we ird [0-9]* %s 'ü' "x"`)}
	wantIn(t, s.ok("init"), shellQuote(s.dir))
	s.ok("put", "a/b", "c=1")
	if got := s.ok("get", "a/b", "c"); got != "1\n" {
		t.Errorf("got %q", got)
	}
}
