package crdt

import (
	"errors"
	"testing"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt/rga"
)

// TestInsertionWithoutContentIsNoChange: a few bytes must not fill a text.
func TestInsertionWithoutContentIsNoChange(t *testing.T) {
	o := clock.Origin{Replica: clock.ReplicaID{1}, Incarnation: 1}
	e := encodeOps(EntryID{Dot: clock.Dot{Origin: o, N: 1}}, []rga.Op{{Kind: rga.Insert, Origin: o, Seq: 1, Len: 1 << 28, Gone: true}})
	if _, err := decodeOps(e, false); !errors.Is(err, codec.ErrMalformed) {
		t.Errorf("error is %v, want malformed", err)
	}
}
