package replica_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/replica"
)

// TestTransactOfTooManyRecords: what nobody could read again is refused before
// anything is written.
//
//concord:edge limits
func TestTransactOfTooManyRecords(t *testing.T) {
	r, err := replica.Open("", replica.Options{DisableDisk: true})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	write := func(records int) error {
		return r.Transact(context.Background(), "c", func(tx *replica.Tx) error {
			for i := range records {
				p, err := tx.Record(fmt.Sprint("k", i))
				if err != nil {
					return err
				}
				p.Register("x").Set(records)
			}
			return nil
		})
	}
	if err := write(crdt.MaxParts); err != nil {
		t.Error(err)
	}
	if err := write(crdt.MaxParts + 1); !errors.Is(err, replica.ErrTooLarge) {
		t.Errorf("%d records: %v", crdt.MaxParts+1, err)
	}
	if v, err := r.Collection("c").View(context.Background(), "k3"); err != nil || v.Values()["x"] != int64(crdt.MaxParts) {
		t.Errorf("got %v, %v", v.Values(), err)
	}
	if rep, err := r.Verify(context.Background(), nil); err != nil || !rep.OK() {
		t.Errorf("%v, %v", rep.Damage, err)
	}
}
