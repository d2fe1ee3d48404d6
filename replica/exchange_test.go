package replica_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/merge"
	"github.com/concord-crdt/concord/replica"
	"github.com/concord-crdt/concord/replica/session"
)

func update(t testing.TB, r *replica.Replica, coll, key string, f func(*replica.Record) error) {
	t.Helper()
	if err := r.Collection(coll).Update(context.Background(), key, f); err != nil {
		t.Fatal(err)
	}
}

// TestFirstSyncAfterTenThousandOfflineWrites attaches a store that was used
// alone to a peer: nothing has to be migrated.
//
//concord:edge long offline
func TestFirstSyncAfterTenThousandOfflineWrites(t *testing.T) {
	a := openStore(t, filepath.Join(t.TempDir(), "a"), replica.Options{Actor: "ana"})
	b := openStore(t, filepath.Join(t.TempDir(), "b"), replica.Options{})
	for i := range 10_000 {
		update(t, a, "logs", fmt.Sprintf("entry-%05d", i%4000), func(p *replica.Record) error {
			p.Counter("n").Add(1)
			return p.Register("text").Set(fmt.Sprintf("written offline, number %d", i))
		})
	}
	ra, _ := exchange(t, a, b, replica.SyncOptions{})
	if ra.Sent.Changes.Changes != 10_000 {
		t.Errorf("sent %d changes, want 10000", ra.Sent.Changes.Changes)
	}
	n := 0
	for v, err := range b.Collection("logs").All(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		if want := values(t, a, "logs", v.Key); cmp.Diff(want, v.Values()) != "" {
			t.Fatalf("record %s differs: %s", v.Key, cmp.Diff(want, v.Values()))
		}
		n++
	}
	if n != 4000 {
		t.Errorf("%d records arrived, want 4000", n)
	}
	ra, _ = exchange(t, b, a, replica.SyncOptions{})
	if got := ra.Sent.Bytes; ra.RoundTrips > 1 || got >= 200 {
		t.Errorf("nothing to do took %d round trips and %d bytes", ra.RoundTrips, got)
	}
}

// TestFormOpenedBeforeTheDoctorsValueArrived is the history behind supersedes:
// what the nurse's replica had is not what the nurse saw.
//
//concord:edge a value that the actor did not see
func TestFormOpenedBeforeTheDoctorsValueArrived(t *testing.T) {
	policy := merge.Policy{
		Roles: []string{"doctor", "nurse"},
		Collections: map[string]merge.Collection{"medication": {Fields: map[string]merge.FieldRule{
			"dose": {Type: crdt.TypeRegister, Resolve: []merge.Step{merge.Authority("doctor", "nurse"), merge.Latest}},
		}}},
	}
	ctx := context.Background()
	doctor := openStore(t, filepath.Join(t.TempDir(), "d"), replica.Options{Actor: "dora", Role: "doctor", Policy: policy})
	nurse := openStore(t, filepath.Join(t.TempDir(), "n"), replica.Options{Actor: "nils", Role: "nurse", Policy: policy})
	update(t, nurse, "medication", "17", func(p *replica.Record) error { return p.Register("dose").Set(5) })
	exchange(t, nurse, doctor, replica.SyncOptions{})
	form, err := nurse.Collection("medication").View(ctx, "17")
	if err != nil {
		t.Fatal(err)
	}
	update(t, doctor, "medication", "17", func(p *replica.Record) error { return p.Register("dose").Set(3) })
	exchange(t, nurse, doctor, replica.SyncOptions{})
	// The doctor's 3 is on the nurse's device; her form still shows 5.
	update(t, nurse, "medication", "17", func(p *replica.Record) error {
		return p.Saw(form.Version).Register("dose").Set(7)
	})
	exchange(t, nurse, doctor, replica.SyncOptions{})
	for _, r := range []*replica.Replica{nurse, doctor} {
		if got := values(t, r, "medication", "17")["dose"]; got != int64(3) {
			t.Errorf("%v shows %v, want the doctor's 3", r.Origin(), got)
		}
	}
	// Having seen the 3, she may correct it.
	update(t, nurse, "medication", "17", func(p *replica.Record) error { return p.Register("dose").Set(4) })
	exchange(t, nurse, doctor, replica.SyncOptions{})
	for _, r := range []*replica.Replica{nurse, doctor} {
		if got := values(t, r, "medication", "17")["dose"]; got != int64(4) {
			t.Errorf("%v shows %v, want the informed 4", r.Origin(), got)
		}
	}
}

// TestGroupOfRecordsIsWholeEverywhere moves an amount between two records.
func TestGroupOfRecordsIsWholeEverywhere(t *testing.T) {
	a := openStore(t, filepath.Join(t.TempDir(), "a"), replica.Options{})
	b := openStore(t, filepath.Join(t.TempDir(), "b"), replica.Options{})
	ctx := context.Background()
	move := func(tx *replica.Tx) error {
		from, err := tx.Record("x")
		if err != nil {
			return err
		}
		to, err := tx.Record("y")
		if err != nil {
			return err
		}
		from.Counter("n").Add(-3)
		return to.Counter("n").Add(3)
	}
	if err := a.Transact(ctx, "accounts", move); err != nil {
		t.Fatal(err)
	}
	boom := errors.New("boom")
	if err := a.Transact(ctx, "accounts", func(tx *replica.Tx) error {
		if err := move(tx); err != nil {
			return err
		}
		return boom
	}); !errors.Is(err, boom) {
		t.Fatalf("error is %v", err)
	}
	exchange(t, a, b, replica.SyncOptions{})
	for _, r := range []*replica.Replica{a, b} {
		x, y := values(t, r, "accounts", "x")["n"], values(t, r, "accounts", "y")["n"]
		if x != int64(-3) || y != int64(3) {
			t.Errorf("x = %v, y = %v", x, y)
		}
	}
}

// TestClockAheadWaitsAndComesIn: a device one year ahead is not let in before
// time reaches it, and stops nobody.
//
//concord:fault a clock that is wrong
func TestClockAheadWaitsAndComesIn(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	wall := func() time.Time { return now }
	ahead := func() time.Time { return now.AddDate(1, 0, 0) }
	a := openStore(t, filepath.Join(t.TempDir(), "a"), replica.Options{Wall: ahead})
	dir := filepath.Join(t.TempDir(), "b")
	b := openStore(t, dir, replica.Options{Wall: wall})
	update(t, b, "notes", "n", func(p *replica.Record) error { return p.Register("x").Set("now") })
	update(t, a, "notes", "n", func(p *replica.Record) error { return p.Register("x").Set("future") })
	update(t, a, "notes", "m", func(p *replica.Record) error { return p.Register("x").Set("future too") })
	ra, _ := exchange(t, a, b, replica.SyncOptions{})
	if ra.Sent.Verdicts.Waiting != 2 {
		t.Fatalf("verdicts %+v, want two waiting", ra.Sent.Verdicts)
	}
	if got := values(t, b, "notes", "n")["x"]; got != "now" {
		t.Errorf("shows %v before its time", got)
	}
	if err := b.Close(); err != nil { // what waits survives a restart
		t.Fatal(err)
	}
	now = now.AddDate(1, 0, 0)
	b = openStore(t, dir, replica.Options{Wall: wall})
	exchange(t, a, b, replica.SyncOptions{})
	if got := values(t, b, "notes", "n")["x"]; got != "future" {
		t.Errorf("shows %v when its time has come", got)
	}
	if got := values(t, b, "notes", "m")["x"]; got != "future too" {
		t.Errorf("m shows %v", got)
	}
}

// cutConn closes after some bytes were read from it.
type cutConn struct {
	io.ReadWriteCloser
	left int
}

func (c *cutConn) Read(b []byte) (int, error) {
	if c.left <= 0 {
		c.Close()
		return 0, io.ErrUnexpectedEOF
	}
	n, err := c.ReadWriteCloser.Read(b[:min(len(b), c.left)])
	c.left -= n
	return n, err
}

// TestCutInTheMiddleSendsOnlyTheRest cuts a transfer several times.
//
//concord:fault a connection that breaks
func TestCutInTheMiddleSendsOnlyTheRest(t *testing.T) {
	a := openStore(t, filepath.Join(t.TempDir(), "a"), replica.Options{})
	b := openStore(t, filepath.Join(t.TempDir(), "b"), replica.Options{})
	const n = 500
	for i := range n {
		update(t, a, "logs", fmt.Sprintf("%04d", i), func(p *replica.Record) error {
			return p.Register("text").Set(fmt.Sprintf("entry %d of a log that is synced in pieces", i))
		})
	}
	cuts, again := 0, uint64(0)
	for {
		ca, cb := net.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			rb, _ := b.SyncConn(context.Background(), &cutConn{cb, 20_000}, replica.SyncOptions{})
			again += rb.Received.Verdicts.Duplicate
		}()
		_, err := a.SyncConn(context.Background(), ca, replica.SyncOptions{})
		<-done
		if err == nil {
			break
		}
		if cuts++; cuts > 50 {
			t.Fatal("no progress over 50 cuts")
		}
	}
	if cuts == 0 {
		t.Fatal("the connection was never cut")
	}
	if again != 0 {
		t.Errorf("%d changes came again over %d cuts", again, cuts)
	}
	for key, err := range a.Collection("logs").Keys(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(values(t, a, "logs", key), values(t, b, "logs", key)); d != "" {
			t.Fatal(d)
		}
	}
}

// TestRestoredDirectoryLosesNothing puts an older copy of a directory back, side
// file included, after the lost changes were sent to a peer.
//
//concord:fault a directory put back
func TestRestoredDirectoryLosesNothing(t *testing.T) {
	base := t.TempDir()
	dir, backup := filepath.Join(base, "a"), filepath.Join(base, "backup")
	a := openStore(t, dir, replica.Options{})
	b := openStore(t, filepath.Join(base, "b"), replica.Options{})
	add := func(by int64, word string) {
		update(t, a, "c", "k", func(p *replica.Record) error {
			p.Counter("n").Add(by)
			p.Set("words").Add(word)
			return p.Text("t").Append(word + " ")
		})
	}
	add(5, "one")
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	copyDir(t, dir, backup)
	a = openStore(t, dir, replica.Options{})
	add(4, "two")
	exchange(t, a, b, replica.SyncOptions{})
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	copyDir(t, backup, dir)
	a = openStore(t, dir, replica.Options{})
	old := a.Origin()
	add(1, "three")
	add(2, "four")
	exchange(t, a, b, replica.SyncOptions{})
	for _, r := range []*replica.Replica{a, b} {
		v := values(t, r, "c", "k")
		if v["n"] != int64(12) || len(v["words"].([]any)) != 4 {
			t.Errorf("%v: %v", r.Origin(), v)
		}
	}
	if d := cmp.Diff(values(t, a, "c", "k"), values(t, b, "c", "k")); d != "" {
		t.Error(d)
	}
	if a.Origin() == old {
		t.Error("the incarnation did not change")
	}
}

func copyDir(t testing.TB, from, to string) {
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

func TestWatchTellsOfLocalAndRemoteChanges(t *testing.T) {
	a := openStore(t, filepath.Join(t.TempDir(), "a"), replica.Options{Actor: "ana"})
	b := openStore(t, filepath.Join(t.TempDir(), "b"), replica.Options{Actor: "bo"})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	events := b.Collection("notes").Watch(ctx)
	update(t, b, "notes", "mine", func(p *replica.Record) error { return p.Register("x").Set(1) })
	update(t, b, "other", "x", func(p *replica.Record) error { return p.Register("x").Set(1) })
	update(t, a, "notes", "theirs", func(p *replica.Record) error { return p.Text("y").Append("hi") })
	exchange(t, a, b, replica.SyncOptions{})
	var got []string
	for e, err := range events {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s %s local=%v %v", e.Key, e.Actor, e.Local, e.Fields))
		if len(got) == 2 {
			break
		}
	}
	want := []string{"mine bo local=true [x]", "theirs ana local=false [y]"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestLiveSessionsPassOnWhatTheyHear: a change travels over a hub while all
// sessions stay open.
func TestLiveSessionsPassOnWhatTheyHear(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	hub := openStore(t, filepath.Join(t.TempDir(), "hub"), replica.Options{})
	a := openStore(t, filepath.Join(t.TempDir(), "a"), replica.Options{})
	b := openStore(t, filepath.Join(t.TempDir(), "b"), replica.Options{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- hub.Serve(ctx, l, replica.SyncOptions{Live: true}, nil) }()
	live := make(chan error, 2)
	for _, r := range []*replica.Replica{a, b} {
		go func() {
			_, err := r.SyncWith(ctx, l.Addr().String(), replica.SyncOptions{Live: true})
			live <- err
		}()
	}
	events := b.Collection("chat").Watch(ctx)
	go func() {
		for i := range 20 {
			a.Collection("chat").Update(ctx, "room", func(p *replica.Record) error {
				return p.Text("log").Append(fmt.Sprintf("%d,", i))
			})
		}
	}()
	for _, err := range events {
		if err != nil {
			t.Fatal(err)
		}
		if values(t, b, "chat", "room")["log"] == "0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19," {
			break
		}
	}
	cancel()
	for range 2 {
		if err := <-live; !errors.Is(err, context.Canceled) {
			t.Errorf("live session ended with %v", err)
		}
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// TestHeadsComeBeforeWhatNeedsThem: a replica that has nothing yet applies what
// comes as it comes, whatever the origins of a record are called.
//
//concord:edge effects before causes
func TestHeadsComeBeforeWhatNeedsThem(t *testing.T) {
	all := make([]*replica.Replica, 3)
	for i := range all {
		all[i] = openStore(t, "", replica.Options{DisableDisk: true})
	}
	for round := range 30 {
		for i, r := range all {
			update(t, r, "notes", "n", func(p *replica.Record) error { return p.Text("body").Append(fmt.Sprintf("%d of %d\n", i, round)) })
			exchange(t, r, all[(i+1)%len(all)], replica.SyncOptions{})
		}
	}
	exchange(t, all[0], all[2], replica.SyncOptions{})
	for i, r := range all {
		fresh := openStore(t, "", replica.Options{DisableDisk: true})
		o := replica.SyncOptions{Session: session.Config{StartChunkBytes: 400, MostChunkBytes: 400}}
		got, _ := exchange(t, fresh, r, o)
		if v := got.Received.Verdicts; v.Waiting > 0 || v.Applied < 88 {
			t.Errorf("from replica %d: %+v, want all applied at once", i, v)
		}
	}
}
