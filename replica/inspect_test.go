package replica_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/replica"
)

// inspected opens a store on the disk with a few records in it.
func inspected(t *testing.T) (r *replica.Replica, dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "store")
	r, err := replica.Open(dir, replica.Options{Durability: replica.Relaxed, Actor: "ada"})
	if err != nil {
		t.Fatal(err)
	}
	c := r.Collection("patients")
	for _, key := range []string{"bed-1", "bed-2", "bed-1"} {
		if err := c.Update(t.Context(), key, func(p *replica.Record) error { return p.Counter("n").Add(2) }); err != nil {
			t.Fatal(err)
		}
	}
	return r, dir
}

func TestStoredRows(t *testing.T) {
	r, dir := inspected(t)
	if _, err := collect(t, dir); !errors.Is(err, replica.ErrLocked) {
		t.Errorf("of an open store: %v, want ErrLocked", err)
	}
	own := r.Origin()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	before := filesIn(t, dir)
	rows, err := collect(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, filesIn(t, dir)); diff != "" {
		t.Errorf("looking changed the store, -before +after:\n%s", diff)
	}
	checkRows(t, rows)
	for _, x := range rows {
		if x.Kind == "change" && (x.Dot.Origin != own || x.Dot != x.Change.Dot || x.Fate != replica.Applied) {
			t.Errorf("change row of %v by %v is %v", x.Dot, own, x.Fate)
		}
	}
	for prefix, want := range map[string][]string{"p": {"patients"}, "x": {}, "patients/": {"patients/bed-1", "patients/bed-2"}, "patients/bed-2": {"patients/bed-2"}} {
		got, err := replica.StoredKeys(dir, nil, prefix, 9)
		if err != nil || strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("keys that begin with %q are %q, %v; want %q", prefix, got, err, want)
		}
	}
	if got, err := replica.StoredKeys(dir, nil, "patients/", 1); err != nil || len(got) != 1 {
		t.Errorf("at most one key is %q, %v", got, err)
	}
	if diff := cmp.Diff(before, filesIn(t, dir)); diff != "" {
		t.Errorf("listing keys changed the store, -before +after:\n%s", diff)
	}
	id, err := replica.IdentityIn(dir)
	if err != nil || id.Origin != own {
		t.Errorf("identity is %v, %v; want %v", id.Origin, err, own)
	}
}

// TestStoredRowsOfACopy looks into a store as a kill leaves it.
func TestStoredRowsOfACopy(t *testing.T) {
	r, dir := inspected(t)
	defer r.Close()
	copied := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	before := filesIn(t, copied)
	rows, err := collect(t, copied)
	if err != nil {
		t.Fatal(err)
	}
	checkRows(t, rows)
	if diff := cmp.Diff(before, filesIn(t, copied)); diff != "" {
		t.Errorf("looking changed the store, -before +after:\n%s", diff)
	}
}

func checkRows(t *testing.T, rows []replica.StoredRow) {
	t.Helper()
	counts := map[string]int{}
	for _, x := range rows {
		counts[x.Kind]++
		if x.Err != nil {
			t.Errorf("%s row %x: %v", x.Kind, x.Key, x.Err)
		}
		if x.Kind == "header" && (x.Scope != "patients" || !strings.HasPrefix(x.Record, "bed-") || !x.Header.Live) {
			t.Errorf("header row %+v", x)
		}
	}
	if counts["change"] != 3 || counts["header"] != 2 || counts["scope"] != 1 || counts["origin"] != 1 || counts["unknown"] != 0 {
		t.Errorf("rows are %v", counts)
	}
}

func TestStoredRowsOfNothing(t *testing.T) {
	dir := t.TempDir()
	if _, err := collect(t, dir); !errors.Is(err, replica.ErrNotReplica) {
		t.Errorf("got %v, want ErrNotReplica", err)
	}
	if _, err := replica.IdentityIn(dir); !errors.Is(err, replica.ErrNotReplica) {
		t.Errorf("got %v, want ErrNotReplica", err)
	}
	if _, err := replica.ReadIdentity([]byte("x")); err == nil {
		t.Error("read an identity out of nothing")
	}
}

func TestRead(t *testing.T) {
	r, _ := inspected(t)
	defer r.Close()
	c := r.Collection("patients")
	err := c.Read(t.Context(), "bed-1", func(rec *crdt.Record) error {
		if n := rec.Field("n", crdt.TypeCounter, crdt.DeleteWins).Count(); n.Int64() != 4 {
			t.Errorf("n is %v", n)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	failed := errors.New("failed")
	if err := c.Read(t.Context(), "bed-9", func(rec *crdt.Record) error { return failed }); !errors.Is(err, failed) {
		t.Errorf("got %v, want what f returned", err)
	}
	err = c.Update(t.Context(), "bed-1", func(p *replica.Record) error {
		err := p.Counter("n").Add(3)
		for f := range p.Fields() {
			if f.Name() != "n" || f.Count().Int64() != 7 {
				t.Errorf("%s is %v within the change", f.Name(), f.Count())
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if os := r.Origins(); len(os) != 1 || os[0] != r.Origin() {
		t.Errorf("origins are %v", os)
	}
}

func collect(t *testing.T, dir string) (rows []replica.StoredRow, err error) {
	t.Helper()
	for x, err := range replica.StoredRows(t.Context(), dir, nil) {
		if err != nil {
			return rows, err
		}
		rows = append(rows, x)
	}
	return rows, nil
}

// filesIn reads the files of a store, but for the one that says who has it open.
func filesIn(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, sub := range []string{"", "data"} {
		entries, err := os.ReadDir(filepath.Join(dir, sub))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if e.IsDir() || e.Name() == "LOCK" {
				continue
			}
			b, err := os.ReadFile(filepath.Join(dir, sub, e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			files[filepath.Join(sub, e.Name())] = string(b)
		}
	}
	return files
}
