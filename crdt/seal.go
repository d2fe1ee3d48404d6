package crdt

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
)

// Seal ends an incarnation in a scope: it says which change of it is the last one
// that counts, and by the chain digest there which history is meant. It is written
// by a later incarnation of the same replica, or by the scope's steward for a device
// that is lost, as a change to the scope's own record.
//
// A seal waits until the history that it names is here. From then on changes of the
// sealed origin beyond it wait. A later seal of the same origin can only let in
// more: of several the greatest last change counts, so no order of arrival matters.
// An incarnation that learns that it was sealed, as one may whose directory was
// copied, ends itself and is sealed where it ended.
type Seal struct {
	Origin clock.Origin
	Last   uint64 // its last change in the scope; zero: it made none
	Chain  Hash   // of its history up to there
}

// ErrSeal means that bytes do not make a seal, that it is not its author's to
// write, or that it is not one to claim rights by.
var ErrSeal = errors.New("crdt: not a seal")

// Check refuses a seal that by may not write: by is the change that carries it,
// and steward the one of the mark that it cites. The error wraps [ErrSeal].
func (x *Seal) Check(by clock.Dot, steward clock.ReplicaID) error {
	switch {
	case x.Origin.IsZero():
		return fmt.Errorf("%w: of no origin", ErrSeal)
	case by.Origin == x.Origin:
		return fmt.Errorf("%w: %v seals itself", ErrSeal, x.Origin)
	case by.Origin.Replica != x.Origin.Replica && by.Origin.Replica != steward:
		return fmt.Errorf("%w: %v is neither the replica of %v nor the steward", ErrSeal, by.Origin.Replica, x.Origin)
	}
	return nil
}

// Encode is the canonical form of a seal.
func (x *Seal) Encode() []byte {
	w := codec.NewWriter(make([]byte, 0, 48))
	w.Raw(x.Origin.Replica[:])
	w.Uint64(x.Origin.Incarnation)
	w.Uvarint(x.Last)
	w.Raw(x.Chain[:])
	return w.Bytes()
}

// DecodeSeal reads what [Seal.Encode] wrote, and nothing else. The error wraps
// one of the codec's.
func DecodeSeal(b []byte) (Seal, error) {
	r := codec.NewReader(b)
	x := Seal{Origin: readOriginRaw(r), Last: r.Uvarint()}
	copy(x.Chain[:], r.Raw(len(x.Chain)))
	if err := r.Close(); err != nil {
		return Seal{}, fmt.Errorf("crdt: decode seal: %w", err)
	}
	return x, nil
}

// Sealed is a seal with the entry that carries it.
type Sealed struct {
	Seal
	By EntryID
}

// Seals are the seals of a scope that a replica has applied. A nil set has none.
//
// Never modified, so safe for concurrent use.
type Seals struct {
	of map[clock.Origin][]Sealed // ascending by last change, then entry
}

// With is the set with one more seal. O(sealed origins).
func (s *Seals) With(x Sealed) *Seals {
	out := &Seals{of: map[clock.Origin][]Sealed{}}
	if s != nil {
		for o, xs := range s.of {
			out.of[o] = xs
		}
	}
	xs := slices.Clone(out.of[x.Origin])
	i, found := slices.BinarySearchFunc(xs, x, Sealed.compare)
	if !found {
		xs = slices.Insert(xs, i, x)
	}
	out.of[x.Origin] = xs
	return out
}

func (s Sealed) compare(o Sealed) int {
	switch {
	case s.Last < o.Last:
		return -1
	case s.Last > o.Last:
		return 1
	}
	return s.By.Compare(o.By)
}

// Of is the seal of an origin that counts: of those with the greatest last
// change the smallest entry.
func (s *Seals) Of(o clock.Origin) (Sealed, bool) {
	if s == nil || len(s.of[o]) == 0 {
		return Sealed{}, false
	}
	xs := s.of[o]
	i, _ := slices.BinarySearchFunc(xs, xs[len(xs)-1].Last, func(x Sealed, last uint64) int {
		if x.Last < last {
			return -1
		}
		return 1
	})
	return xs[i], true
}

// All yields the seal that counts of each sealed origin, in the order of the
// origins.
func (s *Seals) All() iter.Seq[Sealed] {
	return func(yield func(Sealed) bool) {
		if s == nil {
			return
		}
		for _, o := range slices.SortedFunc(maps.Keys(s.of), clock.Origin.Compare) {
			if x, _ := s.Of(o); !yield(x) {
				return
			}
		}
	}
}

// Beyond reports whether a change lies beyond all seals of its origin.
func (s *Seals) Beyond(d clock.Dot) bool {
	x, sealed := s.Of(d.Origin)
	return sealed && d.N > x.Last
}

// Find returns the seal that an entry carries.
func (s *Seals) Find(by EntryID) (Sealed, bool) {
	if s != nil {
		for _, xs := range s.of {
			for _, x := range xs {
				if x.By == by {
					return x, true
				}
			}
		}
	}
	return Sealed{}, false
}
