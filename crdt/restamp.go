package crdt

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
)

// Restamp moves the stamps of a range of an origin's changes back: the cure of
// changes that were written while a clock ran ahead. It is written by the
// replica that made them or by the scope's steward, as a change to the scope's
// own record, and applied alike everywhere.
//
// A stamp is never moved below those of what its author had seen, and settled
// changes keep theirs. Of several restamps of one change the greatest counts,
// never the sum.
type Restamp struct {
	Origin   clock.Origin
	From, To uint64 // numbers of changes, both included
	Back     time.Duration
}

// ErrRestamp means that bytes do not make a restamp, or that it is not its
// author's to write.
var ErrRestamp = errors.New("crdt: not a restamp")

// Check refuses a restamp that means nothing, or that by may not write: by is
// the change that carries it, and steward the one of the mark that it cites.
func (x *Restamp) Check(by clock.Dot, steward clock.ReplicaID) error {
	switch {
	case x.From == 0 || x.To < x.From:
		return fmt.Errorf("%w: changes %d to %d", ErrRestamp, x.From, x.To)
	case x.Back < time.Millisecond || x.Back%time.Millisecond != 0:
		return fmt.Errorf("%w: back by %v", ErrRestamp, x.Back)
	case by.Origin.Replica != x.Origin.Replica && by.Origin.Replica != steward:
		return fmt.Errorf("%w: %v is neither the author of %v nor the steward", ErrRestamp, by.Origin.Replica, x.Origin)
	}
	return nil
}

// Encode is the canonical form of a restamp.
func (x *Restamp) Encode() []byte {
	w := codec.NewWriter(make([]byte, 0, 40))
	w.Raw(x.Origin.Replica[:])
	w.Uint64(x.Origin.Incarnation)
	w.Uvarint(x.From)
	w.Uvarint(x.To - x.From)
	w.Uvarint(uint64(x.Back / time.Millisecond))
	return w.Bytes()
}

// DecodeRestamp reads what [Restamp.Encode] wrote, and nothing else.
func DecodeRestamp(b []byte) (Restamp, error) {
	r := codec.NewReader(b)
	x := Restamp{Origin: readOriginRaw(r), From: r.Uvarint()}
	more := r.Uvarint()
	if more > math.MaxUint64-x.From {
		r.Fail("restamp", codec.ErrMalformed)
	}
	x.To = x.From + more
	x.Back = time.Duration(r.UvarintMax("restamp", uint64(math.MaxInt64/time.Millisecond))) * time.Millisecond
	if err := r.Close(); err != nil {
		return Restamp{}, fmt.Errorf("crdt: decode restamp: %w", err)
	}
	return x, x.Check(clock.Dot{Origin: x.Origin, N: 1}, clock.ReplicaID{})
}

// Restamps are the restamps of a scope that a replica has applied. A nil set has
// none.
//
// Never modified, so safe for concurrent use.
type Restamps struct {
	of map[clock.Origin][]applied
}

type applied struct {
	Restamp
	by clock.Dot
}

// With is the set with one more restamp, which change by carries.
func (s *Restamps) With(x Restamp, by clock.Dot) *Restamps {
	out := &Restamps{of: map[clock.Origin][]applied{}}
	if s != nil {
		for o, xs := range s.of {
			out.of[o] = xs
		}
	}
	xs := out.of[x.Origin]
	out.of[x.Origin] = append(xs[:len(xs):len(xs)], applied{x, by})
	return out
}

// Correct is the stamp that change d was to have, from the one that it has. Only
// restamps inside cut count; nil means all.
func (s *Restamps) Correct(d clock.Dot, stamp clock.Stamp, cut *clock.VersionVector) clock.Stamp {
	if s == nil {
		return stamp
	}
	var back time.Duration
	for _, x := range s.of[d.Origin] {
		if x.From <= d.N && d.N <= x.To && (cut == nil || cut.Contains(x.by)) {
			back = max(back, x.Back)
		}
	}
	if back == 0 {
		return stamp
	}
	return stamp.Add(-back)
}
