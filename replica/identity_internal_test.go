package replica

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func copyTree(t testing.TB, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(from, path)
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), 0o700)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), b, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestReopenedReplicaGoesOn: neither closing nor a kill costs an incarnation.
func TestReopenedReplicaGoesOn(t *testing.T) {
	base := t.TempDir()
	dir := filepath.Join(base, "a")
	a := openAt(t, dir, Options{})
	b := openAt(t, filepath.Join(base, "b"), Options{})
	set(t, a, "k", 1)
	meet(t, a, b)
	set(t, a, "k", 2)
	shut(t, a)
	before := a.origin
	a = openAt(t, dir, Options{})
	set(t, a, "k", 3)
	if a.origin != before {
		t.Errorf("origin %v became %v", before, a.origin)
	}
	shut(t, a)
	moved := filepath.Join(base, "moved")
	if err := os.Rename(dir, moved); err != nil {
		t.Fatal(err)
	}
	a = openAt(t, moved, Options{})
	set(t, a, "k", 4)
	if a.origin != before {
		t.Error("a moved directory costs an incarnation")
	}
}

// TestCopiedDirectoryIsAnotherIncarnation: original and copy both go on, and
// agree in the end.
//
//concord:fault a directory copied
func TestCopiedDirectoryIsAnotherIncarnation(t *testing.T) {
	base := t.TempDir()
	dir, copied := filepath.Join(base, "a"), filepath.Join(base, "copy")
	a := openAt(t, dir, Options{})
	set(t, a, "k", "common")
	shut(t, a)
	copyTree(t, dir, copied)
	a = openAt(t, dir, Options{})
	c := openAt(t, copied, Options{})
	set(t, a, "a", "from the original")
	set(t, c, "c", "from the copy")
	if a.origin == c.origin {
		t.Fatal("both write under one origin")
	}
	hub := openAt(t, filepath.Join(base, "hub"), Options{})
	for range 2 {
		for _, r := range []*Replica{a, c} {
			if rep := meet(t, r, hub); len(rep.Alarms) > 0 || len(rep.Reissued) > 0 {
				t.Errorf("session: %+v", rep)
			}
		}
	}
	for _, r := range []*Replica{a, c, hub} {
		if read(r, "a") != "from the original" || read(r, "c") != "from the copy" {
			t.Errorf("%v shows %v and %v", r.origin, read(r, "a"), read(r, "c"))
		}
	}
}

// TestOfferedMarkEndsTheIncarnation puts an older store under the side file: the
// dots that a peer has seen are not given out again.
//
//concord:fault a store put back
func TestOfferedMarkEndsTheIncarnation(t *testing.T) {
	for _, offered := range []bool{true, false} {
		base := t.TempDir()
		dir := filepath.Join(base, "a")
		a := openAt(t, dir, Options{})
		b := openAt(t, filepath.Join(base, "b"), Options{})
		set(t, a, "k", "one")
		shut(t, a)
		old := filepath.Join(base, "old")
		copyTree(t, filepath.Join(dir, "data"), old)
		a = openAt(t, dir, Options{})
		set(t, a, "k", "two")
		if offered {
			meet(t, a, b)
		}
		if got := a.side.Marks["c"]; offered && got != 2 || !offered && got != 0 {
			t.Errorf("offered=%v: mark %d", offered, got)
		}
		shut(t, a)
		before := a.origin
		if err := os.RemoveAll(filepath.Join(dir, "data")); err != nil {
			t.Fatal(err)
		}
		copyTree(t, old, filepath.Join(dir, "data"))
		if err := os.Remove(filepath.Join(dir, "witness")); err != nil { // which would tell as well
			t.Fatal(err)
		}
		a = openAt(t, dir, Options{})
		set(t, a, "k", "three")
		if offered != (a.origin != before) {
			t.Errorf("offered=%v: origin %v became %v", offered, before, a.origin)
		}
		if rep := meet(t, a, b); len(rep.Alarms) > 0 || len(rep.Reissued) > 0 {
			t.Errorf("session: %+v", rep)
		}
		if offered && read(a, "k") != read(b, "k") {
			t.Errorf("a shows %v, b %v", read(a, "k"), read(b, "k"))
		}
	}
}

// TestMarkIsWrittenOnceForABatch: nothing new costs nothing.
func TestMarkIsWrittenOnceForABatch(t *testing.T) {
	base := t.TempDir()
	a := openAt(t, filepath.Join(base, "a"), Options{})
	b := openAt(t, filepath.Join(base, "b"), Options{})
	for range 200 {
		set(t, a, "k", "a value of some length, so that several chunks are needed for all of them")
	}
	before := a.side.Generation
	rep := meet(t, a, b)
	if got := a.side.Generation - before; got != 1 || rep.Sent.Chunks < 2 {
		t.Errorf("%d writes of the side file for %d chunks, want 1 for several", got, rep.Sent.Chunks)
	}
	before = a.side.Generation
	meet(t, a, b)
	c := openAt(t, filepath.Join(base, "c"), Options{})
	meet(t, a, c)
	if got := a.side.Generation - before; got != 0 {
		t.Errorf("%d writes of the side file for nothing new", got)
	}
}

// TestLostEndIsNoticed: the engine forgets the end of its log silently.
//
//concord:fault a log cut short
func TestLostEndIsNoticed(t *testing.T) {
	base := t.TempDir()
	dir := filepath.Join(base, "a")
	a := openAt(t, dir, Options{})
	set(t, a, "k", "one")
	shut(t, a)
	old := filepath.Join(base, "old")
	copyTree(t, filepath.Join(dir, "data"), old)
	a = openAt(t, dir, Options{})
	set(t, a, "k", "two")
	shut(t, a)
	before := a.origin
	if err := os.RemoveAll(filepath.Join(dir, "data")); err != nil {
		t.Fatal(err)
	}
	copyTree(t, old, filepath.Join(dir, "data"))
	a = openAt(t, dir, Options{})
	if d := a.Damage(); len(d) != 1 || d[0].Row != "store" {
		t.Errorf("damage %v", d)
	}
	set(t, a, "k", "three")
	if a.origin == before {
		t.Error("the incarnation goes on")
	}
}
