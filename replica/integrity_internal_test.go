package replica

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/replica/session"
)

func openAt(t testing.TB, dir string, o Options) *Replica {
	t.Helper()
	o.Durability = Relaxed
	r, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil && !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	})
	return r
}

func shut(t testing.TB, r *Replica) {
	t.Helper()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
}

func set(t testing.TB, r *Replica, key string, v any) {
	t.Helper()
	if err := put(r, key, v); err != nil {
		t.Fatal(err)
	}
}

func put(r *Replica, key string, v any) error {
	return r.Collection("c").Update(context.Background(), key, func(p *Record) error { return p.Register("x").Set(v) })
}

// read is the value of a record, or the error's class.
func read(r *Replica, key string) any {
	v, err := r.Collection("c").View(context.Background(), key)
	switch {
	case errors.Is(err, ErrCorrupt):
		return "corrupt"
	case errors.Is(err, ErrNotFound):
		return "absent"
	case err != nil:
		return err.Error()
	}
	return v.Values()["x"]
}

func meet(t testing.TB, a, b *Replica) session.Report {
	t.Helper()
	rep, err := join(b, func(ctx context.Context, c net.Conn) (session.Report, error) {
		return a.SyncConn(ctx, c, SyncOptions{})
	})
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

// join lets b answer what f does over a connection.
func join[T any](b *Replica, f func(context.Context, net.Conn) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	ca, cb := net.Pipe()
	done := make(chan error, 1)
	go func() {
		_, err := b.SyncConn(ctx, cb, SyncOptions{})
		done <- err
	}()
	v, err := f(ctx, ca)
	return v, errors.Join(err, <-done)
}

// rowsOf lists the keys of one kind of rows.
func rowsOf(t testing.TB, r *Replica, kind byte) (keys [][]byte) {
	t.Helper()
	for x, err := range r.store.scan([]byte{kind}, nil) {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, x.key)
	}
	return keys
}

// ways to harm a row.
var harms = map[string]func(value []byte) []byte{
	"flip": func(v []byte) []byte {
		v = slices.Clone(v)
		v[len(v)/2] ^= 0x10
		return v
	},
	"empty":   func([]byte) []byte { return []byte{} },
	"cut":     func(v []byte) []byte { return slices.Clone(v[:len(v)/2]) },
	"missing": func([]byte) []byte { return nil },
}

func harm(t testing.TB, r *Replica, key []byte, how string) {
	t.Helper()
	v, found, err := r.store.get(key)
	if err != nil || !found {
		t.Fatalf("row %x: %v, %v", key, found, err)
	}
	if err := r.store.commit([]group{{{key, harms[how](v)}}}); err != nil {
		t.Fatal(err)
	}
}

// filled makes a replica with records k0 to k9, of three changes each, and one
// with a snapshot, and a peer that has all of it.
func filled(t testing.TB) (dir string, a, b *Replica, want map[string]any) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "a")
	a = openAt(t, dir, Options{Actor: "ana"})
	b = openAt(t, filepath.Join(t.TempDir(), "b"), Options{Actor: "bo"})
	want = map[string]any{}
	for i := range 30 {
		key := fmt.Sprintf("k%d", i%10)
		want[key] = fmt.Sprintf("value %d", i)
		set(t, a, key, want[key])
	}
	meet(t, a, b)
	for i := range 5 {
		want["long"] = strings.Repeat(fmt.Sprint(i), 4000)
		set(t, b, "long", want["long"])
	}
	meet(t, a, b)
	return dir, a, b, want
}

// TestNoRowCanLie harms every row of a store in every way, one at a time, and
// wants that nothing but what was written is shown, that the damage is found,
// and that a repair from a peer brings everything back.
//
//concord:fault bits that turned
func TestNoRowCanLie(t *testing.T) {
	if testing.Short() {
		t.Skip("opens a store some hundred times")
	}
	dir, a, b, want := filled(t)
	var keys [][]byte
	for _, kind := range []byte{rowMeta, rowOrigin, rowScope, rowChange, rowHeader, rowSnapshot, rowSum} {
		all := rowsOf(t, a, kind)
		keys = append(keys, all[:min(len(all), 2)]...)
		keys = append(keys, all[len(all)-1])
	}
	shut(t, a)
	for _, key := range keys {
		for how := range harms {
			t.Run(fmt.Sprintf("%c/%x/%s", key[0], key[1:], how), func(t *testing.T) {
				harmed := filepath.Join(t.TempDir(), "h")
				copyTree(t, dir, harmed)
				h := openAt(t, harmed, Options{})
				harm(t, h, key, how)
				shut(t, h)
				h = openAt(t, harmed, Options{})
				for k, v := range want {
					if got := read(h, k); got != v && got != "corrupt" {
						t.Errorf("%s shows %.40v", k, got)
					}
				}
				v, err := h.Verify(context.Background(), nil)
				if err != nil {
					t.Fatal(err)
				}
				if v.OK() && string(key) != string(metaKey(tokenName)) {
					t.Error("the damage was not found")
				}
				rep, err := join(b, func(ctx context.Context, c net.Conn) (RepairReport, error) { return h.RepairConn(ctx, c) })
				if err != nil {
					t.Fatal(err)
				}
				if len(rep.Left) > 0 {
					t.Errorf("left: %v", rep.Left)
				}
				for k, v := range want {
					if got := read(h, k); got != v {
						t.Errorf("after the repair %s shows %.40v", k, got)
					}
				}
				set(t, h, "new", "written after the repair")
				rp := meet(t, h, b)
				if len(rp.Alarms) > 0 || rp.Withheld > 0 || len(rp.Items) > 0 {
					t.Errorf("after the repair: %+v", rp)
				}
				if got := read(b, "new"); got != "written after the repair" {
					t.Errorf("the peer shows %v", got)
				}
			})
		}
	}
}

// TestDerivedRowsComeBackWithoutAPeer damages what can be made again.
//
//concord:fault rows that are gone
func TestDerivedRowsComeBackWithoutAPeer(t *testing.T) {
	_, a, _, want := filled(t)
	for _, kind := range []byte{rowHeader, rowSnapshot, rowSum} {
		harm(t, a, rowsOf(t, a, kind)[0], "flip")
	}
	rep, err := a.Repair(context.Background(), "")
	if err != nil {
		t.Fatal(err)
	}
	if len(rep.Found) < 3 || len(rep.Left) > 0 {
		t.Errorf("found %v, left %v", rep.Found, rep.Left)
	}
	for k, v := range want {
		if got := read(a, k); got != v {
			t.Errorf("%s shows %.40v", k, got)
		}
	}
}

// TestOneBadRecordStopsNobody: the others are read, written and synced, also
// where the lost change cannot be brought back.
//
//concord:fault bits that turned
func TestOneBadRecordStopsNobody(t *testing.T) {
	ctx := context.Background()
	dir, a, b, want := filled(t)
	set(t, a, "k3", "last of k3, seen by nobody")
	changes := rowsOf(t, a, rowChange)
	var own [][]byte
	for _, k := range changes {
		if _, num, _, _ := splitDotKey(k); a.originOf(num) == a.origin {
			own = append(own, k)
		}
	}
	harm(t, a, own[len(own)-1], "flip")
	harm(t, a, rowsOf(t, a, rowHeader)[7], "flip")
	shut(t, a)
	before := a.origin
	a = openAt(t, dir, Options{})
	if got := read(a, "k3"); got != "corrupt" {
		t.Errorf("the damaged record shows %v", got)
	}
	if err := put(a, "k3", "upon nothing"); !errors.Is(err, ErrCorrupt) {
		t.Errorf("writing it gave %v", err)
	}
	set(t, a, "k4", "goes on")
	want["k4"] = "goes on"
	if a.origin == before {
		t.Error("the incarnation whose end is damaged goes on")
	}
	set(t, b, "k3", "from b, for the damaged record")
	set(t, b, "k5", "from b")
	want["k5"] = "from b"
	meet(t, b, a)
	listed := 0
	for v, err := range a.Collection("c").All(ctx) {
		if errors.Is(err, ErrCorrupt) {
			listed++
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want[v.Key], v.Values()["x"]); d != "" {
			t.Errorf("%s: %s", v.Key, d)
		}
	}
	if listed != 2 {
		t.Errorf("%d damaged records are listed, want 2", listed)
	}
	rep, err := a.Repair(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	if len(rep.Left) == 0 {
		t.Error("the lost change is not reported")
	}
	if got := read(a, "k3"); got != "corrupt" {
		t.Errorf("k3 shows %v, with a change lost", got)
	}
	for _, k := range []string{"k0", "k4", "k5", "k7", "k9", "long"} {
		if got := read(a, k); got != want[k] {
			t.Errorf("%s shows %.40v", k, got)
		}
	}
}

// TestMissingHeaderIsNotAbsence: the record cannot be made a second time.
//
//concord:fault rows that are gone
func TestMissingHeaderIsNotAbsence(t *testing.T) {
	dir, a, _, _ := filled(t)
	harm(t, a, recordKey(rowHeader, a.scopes["c"].number, "k2"), "missing")
	shut(t, a)
	a = openAt(t, dir, Options{})
	if got := read(a, "k2"); got != "corrupt" {
		t.Errorf("got %v", got)
	}
	if err := put(a, "k2", "again"); !errors.Is(err, ErrCorrupt) {
		t.Errorf("making it again gave %v", err)
	}
	if got := read(a, "never"); got != "absent" {
		t.Errorf("a key that never was: %v", got)
	}
	var last error
	for _, err := range a.Collection("c").Keys(context.Background()) {
		last = err
	}
	if !errors.Is(last, ErrCorrupt) {
		t.Errorf("the list of keys ended with %v", last)
	}
}

// TestRecordThatMayLackItsEndStaysDamaged: with the header and the last change
// gone, the changes before it are not the record.
//
//concord:fault rows that are gone
func TestRecordThatMayLackItsEndStaysDamaged(t *testing.T) {
	dir, a, _, _ := filled(t)
	set(t, a, "k3", "last of k3, seen by nobody")
	s := a.scopes["c"]
	harm(t, a, dotKey(rowChange, s.number, a.origins.numbers[a.origin], s.stored.Get(a.origin)), "flip")
	harm(t, a, recordKey(rowHeader, s.number, "k3"), "flip")
	shut(t, a)
	a = openAt(t, dir, Options{})
	if _, err := a.Repair(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	if got := read(a, "k3"); got != "corrupt" {
		t.Errorf("k3 shows %v", got)
	}
}

// TestNothingElseTakesTheDamagedPlace: a change that is not the one that was
// there is refused, in the middle of a history and at its end.
//
//concord:fault rows that are gone
func TestNothingElseTakesTheDamagedPlace(t *testing.T) {
	_, a, _, _ := filled(t)
	s, o := a.scopes["c"], a.origin
	num, last := a.origins.numbers[o], a.scopes["c"].stored.Get(a.origin)
	for _, n := range []uint64{1, 7, last} {
		row, err := a.readChange(s.number, place{num, n})
		if err != nil {
			t.Fatal(err)
		}
		before := crdt.ChainStart("c", o)
		if n > 1 {
			prev, err := a.readChange(s.number, place{num, n - 1})
			if err != nil {
				t.Fatal(err)
			}
			before = prev.chain
		}
		harm(t, a, dotKey(rowChange, s.number, num, n), "flip")
		forged := []byte("another change")
		for name, in := range map[string]session.Incoming{
			"content": {Dot: clock.Dot{Origin: o, N: n}, Encoded: forged, Hash: crdt.HashOf(forged), Before: before},
			"history": {Dot: clock.Dot{Origin: o, N: n}, Encoded: row.change, Hash: crdt.HashOf(row.change), Before: crdt.HashOf(forged)},
		} {
			a.mu.Lock()
			v := a.heal(s, &in)
			a.mu.Unlock()
			if v.Outcome != session.Refused || v.Code != session.CodeFork {
				t.Errorf("%d, another %s: %v", n, name, v)
			}
		}
	}
}
