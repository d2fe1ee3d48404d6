package replica

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// staged makes n changes that reach the store together, and returns their groups.
func staged(t testing.TB, r *Replica, n int, change func(int, *Tx) error) []group {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range n {
		if _, err := r.change("c", func(tx *Tx) error { return change(i, tx) }, nil); err != nil {
			t.Fatal(err)
		}
	}
	b := r.commits.current
	r.closeGroup(b)
	return b.groups
}

func edit(tx *Tx, key string, v any) error {
	p, err := tx.Record(key)
	if err != nil {
		return err
	}
	return p.Register("x").Set(v)
}

// TestHeaderIsWrittenOnceForAGroup of changes that reach the store together.
func TestHeaderIsWrittenOnceForAGroup(t *testing.T) {
	r := openAt(t, "", Options{DisableDisk: true})
	count := map[byte]int{}
	groups := staged(t, r, 50, func(i int, tx *Tx) error { return edit(tx, fmt.Sprint("k", i%5), i) })
	for _, g := range groups {
		for _, x := range g {
			count[x.key[0]]++
		}
	}
	if len(groups) != 1 || count[rowChange] != 50 || count[rowHeader] != 5 || count[rowSum] != 1 {
		t.Errorf("%d groups with rows %v, want one of 50 changes, 5 headers and a sum", len(groups), count)
	}
}

// TestRecordsOfALargeChangeAreNotWrittenWhole: what a record weighs in a change
// is its own part of it.
//
//concord:edge large changes
func TestRecordsOfALargeChangeAreNotWrittenWhole(t *testing.T) {
	r := openAt(t, "", Options{DisableDisk: true})
	for round := range 2 {
		err := r.Transact(t.Context(), "c", func(tx *Tx) error {
			for i := range 100 {
				if err := edit(tx, fmt.Sprint("k", i), strings.Repeat("x", 200)+fmt.Sprint(round)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if n := len(rowsOf(t, r, rowSnapshot)); n != 0 {
		t.Errorf("%d rows of snapshots of records of 200 bytes", n)
	}
}

// cutStore fails once it has written some groups.
type cutStore struct {
	store
	left int
}

var errCutStore = errors.New("cut")

func (s *cutStore) commit(groups []group) error {
	n := min(s.left, len(groups))
	if err := s.store.commit(groups[:n]); err != nil {
		return err
	}
	s.left -= n
	if n < len(groups) {
		return errCutStore
	}
	return nil
}

// TestStoreIsWholeBetweenGroups cuts the writing of many changes after each
// group of them.
//
//concord:fault a process that ends anywhere
func TestStoreIsWholeBetweenGroups(t *testing.T) {
	long := strings.Repeat("long ", 600)
	for left := range 6 {
		dir := filepath.Join(t.TempDir(), "a")
		r := openAt(t, dir, Options{})
		set(t, r, "k0", "before")
		whole := r.store
		r.store = &cutStore{whole, left}
		groups := staged(t, r, 60, func(i int, tx *Tx) error { return edit(tx, fmt.Sprint("k", i%7), fmt.Sprint(long, i)) })
		if len(groups) < 6 {
			t.Fatalf("%d groups are too few for this test", len(groups))
		}
		if err := r.await(r.commits.current); !errors.Is(err, errCutStore) {
			t.Fatalf("got %v", err)
		}
		r.store = whole
		check := func() {
			t.Helper()
			if rep, err := r.Verify(t.Context(), nil); err != nil || !rep.OK() {
				t.Errorf("after %d groups: %v, %v", left, rep.Damage, err)
			}
		}
		check()
		set(t, r, "k1", "after")
		check()
		shut(t, r)
		r = openAt(t, dir, Options{})
		check()
		if got := read(r, "k1"); got != "after" {
			t.Errorf("after %d groups: %v", left, got)
		}
	}
}

// TestSnapshotsCostWhatIsWritten: over a long history a record is written whole
// so seldom that this weighs no more than the changes, and one writing is kept.
func TestSnapshotsCostWhatIsWritten(t *testing.T) {
	r := openAt(t, "", Options{DisableDisk: true})
	var whole, changes, times int
	for i := range 1200 {
		groups := staged(t, r, 1, func(_ int, tx *Tx) error {
			p, err := tx.Record("k")
			if err != nil {
				return err
			}
			x := p.Text("body")
			return x.Insert(x.Len()*(i%3)/3, "some words ")
		})
		for _, g := range groups {
			for _, x := range g {
				switch {
				case x.key[0] == rowSnapshot && x.value != nil:
					whole, times = whole+len(x.value), times+1
				case x.key[0] == rowChange:
					changes += len(x.value)
				}
			}
		}
		if err := r.await(r.commits.current); err != nil {
			t.Fatal(err)
		}
	}
	if times < 3 || whole > changes {
		t.Errorf("%d snapshots of %d bytes in all, for changes of %d", times, whole, changes)
	}
	if n := len(rowsOf(t, r, rowSnapshot)); n != 1 {
		t.Errorf("%d rows of snapshots are kept, want 1", n)
	}
}
