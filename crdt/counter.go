package crdt

import (
	"errors"
	"math/big"
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
)

// ErrOverflow is returned by an addition that would take one replica's own
// total beyond 64 bits.
var ErrOverflow = errors.New("crdt: counter total would overflow")

// CounterField writes a counter of a record.
//
// Each origin keeps the running totals of what it added and took away, as one
// entry that only it supersedes, so concurrent additions never meet. Totals
// belong to the births that the change names: of a record that was deleted and
// made again, only what was added since counts. Taking the key of a counter out
// of a map removes the totals seen; an origin that adds at the same time brings
// its whole total back (the published anomaly of removable counters).
//
// Add is O(origins that added). The sum is exact, whatever its size.
//
// Source: Shapiro et al., INRIA RR-7506, 2011 (PN-counter); Almeida, Shoker
// and Baquero, 2018 (in a causal composition).
type CounterField struct{ at place }

// run is one origin's totals since it began to count under a set of births.
type run struct{ up, down uint64 }

func (r run) encode() []byte {
	w := codec.NewWriter(make([]byte, 0, 12))
	w.Uvarint(r.up)
	w.Uvarint(r.down)
	return w.Bytes()
}

func readRun(b []byte) (run, error) {
	r := codec.NewReader(b)
	x := run{r.Uvarint(), r.Uvarint()}
	return x, r.Close()
}

// Add adds by, which may be negative. Adding zero changes nothing.
func (f CounterField) Add(by int64) error {
	if by == 0 {
		return f.at.ed.err
	}
	n, p, err := f.at.open()
	if err != nil {
		return err
	}
	ed := f.at.ed
	var total run
	own := func(e Entry) bool {
		if e.ID.Dot == ed.dot {
			return true
		}
		m, _ := ed.state.metas.get(e.ID.Dot)
		return e.ID.Dot.Origin == ed.dot.Origin && slices.Equal(m.Births, ed.births)
	}
	for _, e := range n.entries {
		if own(e) {
			if total, err = readRun(e.Value); err != nil {
				return ed.fail(f.at.path, err)
			}
		}
	}
	t, d := &total.up, uint64(by)
	if by < 0 {
		t, d = &total.down, -uint64(by)
	}
	if *t+d < *t {
		return ed.fail(f.at.path, ErrOverflow)
	}
	*t += d
	// What the actor saw plays no part: the entry is the origin's own.
	seen := ed.seen
	ed.seen = nil
	ed.supersede(n, p, own)
	ed.seen = seen
	ed.add(n, p, total.encode())
	return nil
}

// Value is the sum, see [Field.Count].
func (f CounterField) Value() *big.Int {
	return Field{state: f.at.ed.state, node: f.at.look()}.Count()
}

// Counter is a counter that is used alone, outside any record. Concurrent
// additions all count.
//
// Add is O(origins that added). Not safe for concurrent use.
//
// Source: see [CounterField].
type Counter struct{ *replica }

// NewCounter makes the counter of one replica.
func NewCounter(o clock.Origin) Counter { return Counter{newReplica(o, nil)} }

// Add adds by, which may be negative, and returns the delta.
func (c Counter) Add(by int64) (*Delta, error) {
	return c.mutate(func(e *Editor) error { return e.Counter("").Add(by) })
}

// Value is the sum.
func (c Counter) Value() *big.Int {
	return Field{state: &c.state, node: c.state.root.kid(Key{"", TypeCounter})}.Count()
}
