package replica

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"testing"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/replica/session"
)

// prunedPair is a steward that has dropped its settled history, and a member that
// keeps it; both have made late changes of their own.
func prunedPair(t testing.TB, dir string) (a, b *Replica) {
	t.Helper()
	a = openAt(t, filepath.Join(dir, "a"), Options{Steward: true, HistoryBytes: 1})
	b = openAt(t, filepath.Join(dir, "b"), Options{})
	for i := range 12 {
		set(t, []*Replica{a, b}[i%2], fmt.Sprintf("k%d", i%3), i)
		meet(t, a, b)
	}
	meet(t, a, b)
	if s, err := a.Settle(t.Context(), "c"); err != nil || s.Number != 1 {
		t.Fatalf("settled %+v, %v", s, err)
	}
	set(t, a, "k0", "late")
	set(t, a, "new", "fresh")
	meet(t, a, b)
	return a, b
}

// huskRows counts the husks of a store.
func huskRows(t testing.TB, r *Replica) (n int) {
	t.Helper()
	for x, err := range r.store.scan([]byte{rowChange}, nil) {
		if err != nil {
			t.Fatal(err)
		}
		row, err := decodeChangeRow(x.key, x.value)
		if err != nil {
			t.Fatal(err)
		}
		if row.husk() {
			n++
		}
	}
	return n
}

func whole(t testing.TB, r *Replica) {
	t.Helper()
	if rep, err := r.Verify(t.Context(), nil); err != nil || !rep.OK() {
		t.Fatalf("%v, %v", rep.Damage, err)
	}
}

func alike(t testing.TB, a, b *Replica) {
	t.Helper()
	for _, key := range []string{"k0", "k1", "k2", "new"} {
		da, err := a.Collection("c").Digest(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		if db, err := b.Collection("c").Digest(t.Context(), key); err != nil || da != db {
			t.Errorf("%s: digests %x and %x, %v", key, da, db, err)
		}
		if va, vb := read(a, key), read(b, key); va != vb {
			t.Errorf("%s: %v and %v", key, va, vb)
		}
	}
}

// TestPrunedStoreIsMadeAgain: what husks name stays, the rest is made from the
// changes that are kept.
func TestPrunedStoreIsMadeAgain(t *testing.T) {
	dir := t.TempDir()
	a, b := prunedPair(t, dir)
	if n := huskRows(t, a); n != 12 {
		t.Fatalf("%d husks, want 12", n)
	}
	whole(t, a)
	for range 2 {
		done, err := a.rebuildScope("c")
		if err != nil || !done {
			t.Fatalf("made again: %v, %v", done, err)
		}
		if err := a.settleRecords(); err != nil {
			t.Fatal(err)
		}
		whole(t, a)
		alike(t, a, b)
	}
	shut(t, a)
	a = openAt(t, filepath.Join(dir, "a"), Options{Steward: true})
	whole(t, a)
	alike(t, a, b)
	set(t, b, "k1", "after")
	if rep := meet(t, a, b); len(rep.Alarms) > 0 {
		t.Errorf("%+v", rep.Alarms)
	}
	alike(t, a, b)
}

// TestBackupOfPrunedStore is whole, and can be gone on from.
func TestBackupOfPrunedStore(t *testing.T) {
	dir := t.TempDir()
	a, b := prunedPair(t, dir)
	var backup bytes.Buffer
	if err := a.Backup(t.Context(), &backup); err != nil {
		t.Fatal(err)
	}
	shut(t, a)
	if err := Restore(t.Context(), filepath.Join(dir, "again"), &backup, Options{}); err != nil {
		t.Fatal(err)
	}
	a = openAt(t, filepath.Join(dir, "again"), Options{Steward: true})
	whole(t, a)
	alike(t, a, b)
	set(t, a, "k0", "restored")
	set(t, b, "k2", "meanwhile")
	if rep := meet(t, a, b); len(rep.Alarms) > 0 {
		t.Errorf("%+v", rep.Alarms)
	}
	alike(t, a, b)
	if _, err := a.Export(t.Context(), &backup, ExportOptions{}); !errors.Is(err, ErrPruned) {
		t.Errorf("exported a pruned history: %v", err)
	}
}

// TestDamagedChangeOfPrunedStore comes back from the peer, whole or as a husk.
func TestDamagedChangeOfPrunedStore(t *testing.T) {
	dir := t.TempDir()
	a, b := prunedPair(t, dir)
	of := a.Origin()
	for _, side := range []struct{ hurt, from *Replica }{{a, b}, {b, a}} {
		num := side.hurt.origins.numbers[of]
		key := dotKey(rowChange, side.hurt.scopes["c"].number, num, 2)
		if err := side.hurt.store.commit([]group{{{key, []byte("damaged")}}}); err != nil {
			t.Fatal(err)
		}
		rep, err := join(side.from, func(ctx context.Context, c net.Conn) (RepairReport, error) { return side.hurt.RepairConn(ctx, c) })
		if err != nil || len(rep.Found) == 0 || len(rep.Left) > 0 {
			t.Fatalf("found %v, left %v, %v", rep.Found, rep.Left, err)
		}
		whole(t, side.hurt)
		alike(t, a, b)
	}
}

// TestDamageInStagedFragment: it is dropped, and asked for again.
func TestDamageInStagedFragment(t *testing.T) {
	dir := t.TempDir()
	a, b := prunedPair(t, dir)
	fresh := openAt(t, filepath.Join(dir, "fresh"), Options{})
	// Everything but the last fragment comes, and one of those that did is damaged.
	p, q := peerStore{a}, peerStore{fresh}
	var ranges []clock.Range
	for o, n := range a.scopes["c"].stored.All() {
		ranges = append(ranges, clock.Range{Origin: o, From: 1, To: n})
	}
	batch, err := p.Changes("c", ranges, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	in := session.Intake{Peer: a.Origin(), Scope: "c"}
	chains := map[clock.Origin]crdt.Hash{}
	for _, c := range batch.Changes {
		if c.Dot.N == 1 {
			chains[c.Dot.Origin] = c.Before
		}
		x, err := session.ReadIncoming(c.Dot, c.Encoded, chains[c.Dot.Origin])
		if err != nil {
			t.Fatal(err)
		}
		chains[c.Dot.Origin] = crdt.Chain(x.Before, x.Hash)
		in.Changes = append(in.Changes, x)
	}
	if _, err := q.Apply(in); err != nil {
		t.Fatal(err)
	}
	wants, err := q.Wanted("c", "")
	if err != nil || len(wants) != 3 {
		t.Fatalf("%v, %v", wants, err)
	}
	some, err := p.Fragments("c", wants[:2], 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if err := q.Stage(session.Fragments{Scope: "c", Pieces: some.Pieces}); err != nil {
		t.Fatal(err)
	}
	if got := read(fresh, "k0"); got != any(read(fresh, "nowhere")) {
		t.Errorf("shows %v before all is here", got)
	}
	s := fresh.scopes["c"]
	if err := fresh.store.commit([]group{{{fragmentKey(s.number, "k0", 1), []byte("damaged")}}}); err != nil {
		t.Fatal(err)
	}
	shut(t, fresh)
	fresh = openAt(t, filepath.Join(dir, "fresh"), Options{})
	meet(t, a, fresh) // finds the damage
	meet(t, a, fresh)
	whole(t, fresh)
	alike(t, a, fresh)
	alike(t, a, b)
}

// TestPastPruned: a restored directory makes its lost changes again where
// that can be done, and says where it cannot.
func TestPastPruned(t *testing.T) {
	a, _ := prunedPair(t, t.TempDir())
	s := a.scopes["c"]
	a.mu.Lock()
	defer a.mu.Unlock()
	last := s.stored.Get(a.origin)
	if n, err := a.pastPruned(s, a.origin, last); err != nil || n != last {
		t.Errorf("%d, %v", n, err)
	}
	if n, err := a.pastPruned(s, a.origin, last-1); err != nil || n != last-1 { // to a record without husks
		t.Errorf("%d, %v", n, err)
	}
	if _, err := a.pastPruned(s, a.origin, last-2); !errors.Is(err, ErrPruned) {
		t.Errorf("%v", err)
	}
}

// TestHuskIsOfItsChange: its row says what the change's row said.
func TestHuskIsOfItsChange(t *testing.T) {
	c := &crdt.Change{Dot: clock.Dot{Origin: clock.Origin{Replica: clock.ReplicaID{1}, Incarnation: 1}, N: 3}, Stamp: 7,
		Parts: []crdt.Part{{Key: "a", Birth: &crdt.Birth{}}, {Key: "b", Birth: &crdt.Birth{}}}}
	b := c.Encode()
	row := changeRow{fate: Applied, change: b}
	was := row.hash()
	row.change = c.Husk(was).Encode()
	got, err := row.read(c.Dot)
	if err != nil || row.hash() != was || !row.husk() || got.Stamp != 7 || len(got.Parts) != 2 {
		t.Errorf("%+v, %v", got, err)
	}
}
