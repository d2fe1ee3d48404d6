package replica

import (
	"testing"
)

// TestTouchedBetweenGroupsIsWritten folds a record on reading, when no group is
// open: its scope's tally is written with a later one, and goes on being so.
func TestTouchedBetweenGroupsIsWritten(t *testing.T) {
	r, err := Open("", Options{DisableDisk: true})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	write := func(v int) {
		t.Helper()
		err := r.Transact(t.Context(), "c", func(tx *Tx) error {
			p, err := tx.Record("k")
			if err != nil {
				return err
			}
			return p.Register("x").Set(v)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	write(1)
	r.mu.Lock()
	s := r.scopes["c"]
	o, err := r.record(s, "c", "k")
	if err != nil {
		t.Fatal(err)
	}
	r.touch(s)
	r.soil(s, o)
	b := r.commits.current
	r.mu.Unlock()
	if err := r.await(b); err != nil {
		t.Fatal(err)
	}
	write(2)
	if report, err := r.Verify(t.Context(), nil); err != nil || !report.OK() {
		t.Errorf("%v, %v", report.Damage, err)
	}
}
