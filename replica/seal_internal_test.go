package replica

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/replica/session"
)

// bounded is the value of seats, and what a replica may go down by.
func bounded(t testing.TB, r *Replica, o clock.Origin) (value, down string) {
	t.Helper()
	err := r.Collection("c").Read(t.Context(), "bus", func(rec *crdt.Record) error {
		f := rec.Field("seats", crdt.TypeBounded, crdt.DeleteWins)
		_, d := f.Rights(o)
		value, down = f.Bounded().Value.String(), d.String()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return value, down
}

func seats(t testing.TB, r *Replica, f func(p *Record) error) {
	t.Helper()
	if err := r.Collection("c").Update(t.Context(), "bus", f); err != nil {
		t.Fatal(err)
	}
}

func sell(n int64) func(p *Record) error {
	return func(p *Record) error { return p.Bounded("seats").Add(-n) }
}

func waits(r *Replica) (n int) {
	for _, s := range r.scopes {
		n += len(s.waiting.changes)
	}
	return n
}

// TestRestoredReplicaTakesOverItsRights: the store of a seller is put back, the
// side file is not. The new incarnation seals the old one and sells its seats.
func TestRestoredReplicaTakesOverItsRights(t *testing.T) {
	base := t.TempDir()
	dir, old := filepath.Join(base, "a"), filepath.Join(base, "old")
	a, b := openAt(t, dir, Options{}), openAt(t, filepath.Join(base, "b"), Options{})
	seats(t, a, func(p *Record) error { return p.Bounded("seats").Open(0, 40, 40) })
	shut(t, a)
	copyTree(t, filepath.Join(dir, "data"), old)
	a = openAt(t, dir, Options{})
	seats(t, a, sell(5))
	meet(t, a, b)
	was := a.origin
	shut(t, a)
	if err := os.RemoveAll(filepath.Join(dir, "data")); err != nil {
		t.Fatal(err)
	}
	copyTree(t, old, filepath.Join(dir, "data"))

	a = openAt(t, dir, Options{})
	if err := a.Collection("c").Update(t.Context(), "bus", sell(1)); !errors.Is(err, crdt.ErrNoRights) {
		t.Errorf("a new incarnation sells seats: %v", err)
	}
	if err := a.Collection("c").Update(t.Context(), "bus", func(p *Record) error { return p.Claim("seats") }); !errors.Is(err, crdt.ErrSeal) {
		t.Errorf("claims without a seal: %v", err)
	}
	set(t, a, "k", "back")
	meet(t, a, b) // brings what was sold
	meet(t, a, b) // seals
	if x, sealed := a.scopes["c"].seals.Of(was); !sealed || x.Last != 2 {
		t.Fatalf("sealed %v, %+v", sealed, x)
	}
	seats(t, a, func(p *Record) error {
		if err := p.Claim("seats"); err != nil {
			return err
		}
		return sell(30)(p)
	})
	seats(t, a, func(p *Record) error { return p.Claim("seats") }) // again: nothing
	if err := a.Collection("c").Update(t.Context(), "bus", sell(6)); !errors.Is(err, crdt.ErrNoRights) {
		t.Errorf("sells more than there are: %v", err)
	}
	meet(t, a, b)
	for _, r := range []*Replica{a, b} {
		if v, down := bounded(t, r, a.origin); v != "5" || down != "5" {
			t.Errorf("%v: %s seats, %s to sell", r.origin, v, down)
		}
		if v, down := bounded(t, r, was); v != "5" || down != "0" {
			t.Errorf("%v: %s seats, the old incarnation has %s to sell", r.origin, v, down)
		}
	}
	// It is there after a restart.
	shut(t, b)
	b = openAt(t, filepath.Join(base, "b"), Options{})
	if _, sealed := b.scopes["c"].seals.Of(was); !sealed {
		t.Error("the seal is lost by a restart")
	}
	if rep, err := b.Verify(t.Context(), nil); err != nil || !rep.OK() {
		t.Errorf("%v, %v", rep.Damage, err)
	}
}

// clones are two stores that go on from one directory, each as it was.
func clones(t *testing.T, common func(r *Replica)) (a, c *Replica) {
	t.Helper()
	base := t.TempDir()
	dir, copied := filepath.Join(base, "a"), filepath.Join(base, "copy")
	a = openAt(t, dir, Options{})
	common(a)
	shut(t, a)
	copyTree(t, dir, copied)
	return openAt(t, dir, Options{}), openAt(t, copied, Options{})
}

// TestCloneThatSealsTheOriginalLosesNothing: whoever has the copy takes the
// incarnation for finished, and is wrong. What the original wrote since waits until it hears of it.
func TestCloneThatSealsTheOriginalLosesNothing(t *testing.T) {
	a, c := clones(t, func(r *Replica) { set(t, r, "k", "common") })
	hub := openAt(t, "", Options{DisableDisk: true})
	was := a.origin
	set(t, c, "c", "from the copy")
	meet(t, c, hub)
	if err := c.Seal(t.Context(), "c", was); err != nil {
		t.Fatal(err)
	}
	set(t, c, "c", "from the copy again")
	meet(t, c, hub)
	if _, sealed := hub.scopes["c"].seals.Of(was); !sealed {
		t.Fatal("the copy did not seal the incarnation")
	}
	set(t, a, "a", "from the original")
	rep := meet(t, a, hub)
	if rep.Sent.Verdicts.Waiting != 1 || waits(hub) != 1 {
		t.Fatalf("%+v; %d wait at the hub", rep.Sent.Verdicts, waits(hub))
	}
	for _, w := range hub.scopes["c"].waiting.changes {
		if w.code != session.CodeFork.String() {
			t.Errorf("waits as %s", w.code)
		}
	}
	for range 3 {
		for _, r := range []*Replica{a, c} {
			if rep := meet(t, r, hub); len(rep.Reissued) > 0 {
				t.Errorf("session: %+v", rep)
			}
		}
	}
	set(t, a, "a", "and more")
	incarnations := []clock.Origin{a.origin, c.origin}
	for range 4 {
		for _, r := range []*Replica{a, c} {
			if rep := meet(t, r, hub); len(rep.Alarms) > 0 {
				t.Errorf("session: %+v", rep)
			}
		}
	}
	for _, r := range []*Replica{a, c, hub} {
		if read(r, "a") != "and more" || read(r, "c") != "from the copy again" || waits(r) > 0 {
			t.Errorf("%v shows %v and %v; %d wait", r.origin, read(r, "a"), read(r, "c"), waits(r))
		}
	}
	if a.origin == was || a.origin != incarnations[0] || c.origin != incarnations[1] {
		t.Errorf("the original went from %v to %v to %v, the copy from %v to %v", was, incarnations[0], a.origin, incarnations[1], c.origin)
	}
	if f, g := hub.scopes["c"].fingerprint(), a.scopes["c"].fingerprint(); f != g {
		t.Error("the states differ")
	}
}

// TestTwoClonesClaimOnce: of two copies that claim the rights of the incarnation
// before, whichever is heard of first, one has them.
func TestTwoClonesClaimOnce(t *testing.T) {
	base := t.TempDir()
	dir := filepath.Join(base, "a")
	a := openAt(t, dir, Options{})
	was := a.origin
	seats(t, a, func(p *Record) error { return p.Bounded("seats").Open(0, 40, 40) })
	seats(t, a, sell(5))
	shut(t, a)
	hubs := []*Replica{openAt(t, "", Options{DisableDisk: true}), openAt(t, "", Options{DisableDisk: true})}
	var copies []*Replica
	for i, name := range []string{"one", "two"} {
		copyTree(t, dir, filepath.Join(base, name))
		c := openAt(t, filepath.Join(base, name), Options{})
		set(t, c, name, name)
		if err := c.Seal(t.Context(), "c", was); err != nil {
			t.Fatal(err)
		}
		seats(t, c, func(p *Record) error { return p.Claim("seats") })
		meet(t, c, hubs[i])
		copies = append(copies, c)
	}
	for range 3 {
		for _, c := range copies {
			for _, h := range hubs {
				meet(t, c, h)
			}
		}
	}
	for _, r := range append(hubs, copies...) {
		_, one := bounded(t, r, copies[0].origin)
		_, two := bounded(t, r, copies[1].origin)
		_, old := bounded(t, r, was)
		if got := one + "+" + two; old != "0" || got != "35+0" && got != "0+35" {
			t.Errorf("%v: rights %s, and %s of the old incarnation", r.origin, got, old)
		}
	}
}

// TestSealsAreForWhoMayWriteThem.
func TestSealsAreForWhoMayWriteThem(t *testing.T) {
	a, b := openAt(t, "", Options{DisableDisk: true, Steward: true}), openAt(t, "", Options{DisableDisk: true})
	set(t, b, "k", 1)
	set(t, a, "k", 2)
	for range 3 {
		meet(t, a, b)
	}
	for name, r := range map[string]*Replica{"its own": b, "another's": a} {
		if err := r.Seal(t.Context(), "c", b.origin); !errors.Is(err, crdt.ErrSeal) {
			t.Errorf("%s incarnation: %v", name, err)
		}
	}
	if s, err := a.Settle(t.Context(), "c"); err != nil || s.Number != 1 {
		t.Fatal(s, err)
	}
	if err := a.Seal(t.Context(), "c", b.origin); err != nil { // the steward may, now that it is known for it
		t.Fatal(err)
	}
	meet(t, a, b)
	was := b.origin
	set(t, b, "k", 3)
	if b.origin == was {
		t.Error("an incarnation that was sealed goes on")
	}
	for range 3 {
		meet(t, a, b)
	}
	if read(a, "k") != int64(3) || waits(a) > 0 {
		t.Errorf("shows %v; %d wait", read(a, "k"), waits(a))
	}
}

// TestSealOfAnotherHistoryWaits, and is told apart from one that comes too early.
func TestSealOfAnotherHistoryWaits(t *testing.T) {
	a := openAt(t, "", Options{DisableDisk: true, Identity: bytes.Repeat([]byte{4}, 32)})
	set(t, a, "k", 1)
	set(t, a, "k", 2)
	for _, x := range []struct {
		seal crdt.Seal
		want session.Code
	}{
		{crdt.Seal{Origin: a.origin, Last: 2, Chain: a.scopes["c"].chain(a.origin)}, session.CodeNone},
		{crdt.Seal{Origin: a.origin, Last: 0, Chain: crdt.ChainStart("c", a.origin)}, session.CodeNone},
		{crdt.Seal{Origin: a.origin, Last: 1, Chain: crdt.HashOf(nil)}, session.CodeFork},
		{crdt.Seal{Origin: a.origin, Last: 2, Chain: crdt.HashOf(nil)}, session.CodeFork},
		{crdt.Seal{Origin: a.origin, Last: 3, Chain: crdt.HashOf(nil)}, session.CodeMissingHead},
		{crdt.Seal{Origin: clock.Origin{Incarnation: 9}, Last: 0, Chain: crdt.ChainStart("c", clock.Origin{Incarnation: 9})}, session.CodeNone},
	} {
		if code, err := a.chainFault(a.scopes["c"], &x.seal); code != x.want {
			t.Errorf("%+v: %v, %v, want %v", x.seal, code, err, x.want)
		}
	}
}
