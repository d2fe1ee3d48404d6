package replica_test

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/replica"
	"github.com/concord-crdt/concord/replica/session"
)

func export(t testing.TB, r *replica.Replica, o replica.ExportOptions) ([]byte, replica.Clocks) {
	t.Helper()
	var b bytes.Buffer
	at, err := r.Export(t.Context(), &b, o)
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), at
}

func imports(t testing.TB, r *replica.Replica, bundle []byte) replica.ImportReport {
	t.Helper()
	report, err := r.Import(t.Context(), bytes.NewReader(bundle))
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func digest(t testing.TB, r *replica.Replica, coll, key string) crdt.Hash {
	t.Helper()
	h, err := r.Collection(coll).Digest(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// add writes one change to record key of collection notes.
func add(t testing.TB, r *replica.Replica, key string) {
	t.Helper()
	update(t, r, "notes", key, func(p *replica.Record) error {
		p.Counter("n").Add(1)
		return p.Text("body").Append("line\n")
	})
}

// deltas makes n changes and returns a bundle of each.
func deltas(t testing.TB, r *replica.Replica, key string, n int) (bundles [][]byte) {
	t.Helper()
	_, at := export(t, r, replica.ExportOptions{})
	for range n {
		var b []byte
		add(t, r, key)
		b, at = export(t, r, replica.ExportOptions{Since: at})
		bundles = append(bundles, b)
	}
	return bundles
}

var inMemory = replica.Options{DisableDisk: true}

func TestBundleBringsEverything(t *testing.T) {
	a, b, c := openStore(t, "", inMemory), openStore(t, "", inMemory), openStore(t, "", inMemory)
	for i := range 300 {
		add(t, a, fmt.Sprintf("n%d", i%7))
	}
	update(t, b, "other", "o", func(p *replica.Record) error { return p.Set("s").Add("x") })
	exchange(t, a, b, replica.SyncOptions{})
	add(t, b, "n0")

	all, _ := export(t, b, replica.ExportOptions{})
	report := imports(t, c, all)
	// A change may come before the one of another origin that it follows.
	if v := report.Verdicts; v.Applied+v.Waiting != 302 || v.Total() != 302 || report.Head.From != b.Origin() {
		t.Errorf("report %+v, want 302 changes from %v", report, b.Origin())
	}
	for _, key := range []string{"n0", "n3", "n6"} {
		if digest(t, c, "notes", key) != digest(t, b, "notes", key) {
			t.Errorf("record %s differs", key)
		}
	}
	if again := imports(t, c, all); again.Verdicts != (session.Verdicts{Duplicate: 302}) {
		t.Errorf("the same bundle again: %+v", again.Verdicts)
	}
	own, _ := export(t, b, replica.ExportOptions{Own: true})
	if report := imports(t, openStore(t, "", inMemory), own); report.Verdicts.Total() != 2 {
		t.Errorf("own changes: %+v, want 2", report.Verdicts)
	}
	some, _ := export(t, b, replica.ExportOptions{Scopes: []string{"other"}})
	if report := imports(t, openStore(t, "", inMemory), some); report.Verdicts != (session.Verdicts{Applied: 1}) {
		t.Errorf("one scope: %+v, want 1", report.Verdicts)
	}
}

//concord:edge what comes early
func TestBundlesInAnyOrder(t *testing.T) {
	a := openStore(t, "", inMemory)
	bundles := deltas(t, a, "n", 4)
	want := digest(t, a, "notes", "n")
	for _, order := range [][]int{{3, 2, 1, 0}, {1, 3, 0, 2}, {2, 0, 3, 1}, {3, 3, 0, 1, 1, 2, 0}} {
		b := openStore(t, "", inMemory)
		for _, i := range order {
			report := imports(t, b, bundles[i])
			if report.Verdicts.Refused > 0 {
				t.Fatalf("order %v: %+v", order, report)
			}
		}
		if got := digest(t, b, "notes", "n"); got != want {
			t.Errorf("order %v: digest %x, want %x", order, got, want)
		}
	}
}

//concord:fault a restart between bundles
func TestEarlyChangesOutliveARestartAndAreNoClaim(t *testing.T) {
	a := openStore(t, "", inMemory)
	bundles := deltas(t, a, "n", 3)
	dir := filepath.Join(t.TempDir(), "b")
	b, err := replica.Open(dir, replica.Options{})
	if err != nil {
		t.Fatal(err)
	}
	report := imports(t, b, bundles[2])
	if len(report.Items) != 1 || report.Items[0].Verdict.Outcome != session.Waiting || !errors.Is(report.Items[0].Err(), session.ErrGap) {
		t.Fatalf("a change that comes early: %+v", report)
	}
	var saved bytes.Buffer
	if err := b.Backup(t.Context(), &saved); err != nil {
		t.Fatal(err)
	}
	restored := filepath.Join(t.TempDir(), "restored")
	if err := replica.Restore(t.Context(), restored, &saved, replica.Options{}); err != nil {
		t.Fatal(err)
	}
	r := openStore(t, restored, replica.Options{})
	for _, bundle := range bundles[:2] {
		imports(t, r, bundle)
	}
	if got := values(t, r, "notes", "n")["n"]; got != int64(3) {
		t.Errorf("the restored replica counts %v with the first two changes, want 3 with the early one", got)
	}
	// Another scope gets its number after the one that has nothing but this.
	update(t, b, "other", "o", func(p *replica.Record) error { return p.Set("s").Add("x") })
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = openStore(t, dir, replica.Options{})
	if got := values(t, b, "other", "o")["s"]; !slices.Equal(got.([]any), []any{"x"}) {
		t.Errorf("the other scope holds %v", got)
	}
	if report := imports(t, b, bundles[0]); report.Verdicts != (session.Verdicts{Applied: 1}) {
		t.Errorf("the first change: %+v", report)
	}
	if got := values(t, b, "notes", "n")["n"]; got != int64(1) {
		t.Errorf("with the first and the third change the count is %v, want 1", got)
	}
	imports(t, b, bundles[1])
	if got := values(t, b, "notes", "n")["n"]; got != int64(3) {
		t.Errorf("with all changes the count is %v, want 3", got)
	}

	c := openStore(t, "", inMemory)
	imports(t, c, bundles[0])
	imports(t, c, bundles[2])
	_, got := exchange(t, a, c, replica.SyncOptions{})
	if v := got.Received.Verdicts; v.Applied+v.Duplicate != 2 || v.Refused != 0 {
		t.Errorf("a session after the first and the third change took %+v, want two", v)
	}
	if digest(t, c, "notes", "n") != digest(t, a, "notes", "n") {
		t.Error("the replicas differ after the session")
	}
}

//concord:fault bytes that were altered
func TestDamagedBundleChangesNothing(t *testing.T) {
	a, b := openStore(t, "", inMemory), openStore(t, "", inMemory)
	bundles := deltas(t, a, "n", 2)
	imports(t, b, bundles[0])
	before := digest(t, b, "notes", "n")
	for i := range bundles[1] {
		damaged := slices.Clone(bundles[1])
		damaged[i] ^= 0x10
		if _, err := b.Import(t.Context(), bytes.NewReader(damaged)); !errors.Is(err, session.ErrBundle) {
			t.Fatalf("byte %d damaged: got %v, want ErrBundle", i, err)
		}
		if _, err := b.Import(t.Context(), bytes.NewReader(bundles[1][:i])); !errors.Is(err, codec.ErrTruncated) {
			t.Fatalf("cut to %d bytes: got %v, want ErrTruncated", i, err)
		}
	}
	if digest(t, b, "notes", "n") != before {
		t.Error("refused bundles changed the record")
	}
}

//concord:fault a directory put back
func TestBundleWithForgottenOwnChanges(t *testing.T) {
	dir, copied := filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "copy")
	a, err := replica.Open(dir, replica.Options{})
	if err != nil {
		t.Fatal(err)
	}
	add(t, a, "n")
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	copyDir(t, dir, copied)
	if a, err = replica.Open(dir, replica.Options{}); err != nil {
		t.Fatal(err)
	}
	add(t, a, "n")
	later, _ := export(t, a, replica.ExportOptions{})
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	old := openStore(t, copied, replica.Options{})
	report := imports(t, old, later)
	if want := (session.Verdicts{Duplicate: 1, Refused: 1}); report.Verdicts != want || !errors.Is(report.Items[0].Err(), session.ErrFork) {
		t.Errorf("report %+v, want %+v and a fork", report, want)
	}
	if got := values(t, old, "notes", "n")["n"]; got != int64(1) {
		t.Errorf("the count is %v, want 1", got)
	}
}

//concord:edge limits
func TestEarlyChangesAreBounded(t *testing.T) {
	a, b := openStore(t, "", inMemory), openStore(t, "", inMemory)
	add(t, a, "n")
	_, at := export(t, a, replica.ExportOptions{})
	for range 10 {
		update(t, a, "notes", "n", func(p *replica.Record) error { return p.Register("r").Set(string(make([]byte, 1<<20-1<<8))) })
	}
	late, _ := export(t, a, replica.ExportOptions{Since: at})
	report := imports(t, b, late)
	if report.Verdicts.Waiting == 0 || report.Verdicts.Refused == 0 || !errors.Is(report.Items[9].Err(), session.ErrQuota) {
		t.Errorf("more than 8 MiB of early changes: %+v", report.Verdicts)
	}
	all, _ := export(t, a, replica.ExportOptions{})
	imports(t, b, all)
	if digest(t, b, "notes", "n") != digest(t, a, "notes", "n") {
		t.Error("the replicas differ after a bundle of everything")
	}
}
