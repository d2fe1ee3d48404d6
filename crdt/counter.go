package crdt

import (
	"cmp"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/internal/planted"
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
// Add, Reset and Value are O(entries): one for each origin that added and set of
// births, and one for each concurrent reset, with what it observed. The sum is
// exact, whatever its size.
//
// Errors are the first one of the change; Add returns [ErrOverflow] when this
// origin's own total would pass 64 bits.
//
// Comes from an [Editor] or a [MapField], and is of use until its change ends.
// Not safe for concurrent use.
//
// Source: Shapiro et al., INRIA RR-7506, 2011 (PN-counter); Almeida, Shoker
// and Baquero, 2018 (in a causal composition).
type CounterField struct{ at place }

// counterEntry is one of the two kinds of entries of a counter: an origin's
// running totals, or a reset with the totals that it observed.
type counterEntry struct {
	run   run // unless reset
	reset []observed
	is    bool // a reset
}

// run is what one origin added and took away since it began to count: since
// change start, which with the origin names the run.
type run struct{ start, up, down uint64 }

// observed is what a reset saw of a run.
type observed struct {
	origin clock.Origin
	run
}

func (o observed) compare(p observed) int {
	return cmp.Or(o.origin.Compare(p.origin), cmp.Compare(o.start, p.start))
}

func (r run) encode() []byte {
	w := codec.NewWriter(make([]byte, 0, 16))
	w.Byte(0)
	r.write(w)
	return w.Bytes()
}

func (r run) write(w *codec.Writer) {
	w.Uvarint(r.start)
	w.Uvarint(r.up)
	w.Uvarint(r.down)
}

func readRun(r *codec.Reader) run {
	x := run{r.Uvarint(), r.Uvarint(), r.Uvarint()}
	if x.start == 0 {
		r.Fail("start of totals", codec.ErrMalformed) // no change has this number
	}
	return x
}

// checkCounter refuses what is no entry of a counter: totals cannot have begun
// after the change that wrote them.
func checkCounter(e Entry) error {
	c, err := readCounter(e.Value)
	if err == nil && !c.is && c.run.start > e.ID.Dot.N {
		err = fmt.Errorf("crdt: totals of %v begin with change %d: %w", e.ID.Dot, c.run.start, codec.ErrMalformed)
	}
	return err
}

func encodeReset(seen []observed) []byte {
	w := codec.NewWriter(nil)
	w.Byte(1)
	w.Uvarint(uint64(len(seen)))
	for _, o := range seen {
		w.Raw(o.origin.Replica[:])
		w.Uint64(o.origin.Incarnation)
		o.write(w)
	}
	return w.Bytes()
}

func readCounter(b []byte) (c counterEntry, err error) {
	r := codec.NewReader(b)
	switch r.Byte() {
	case 0:
		c.run = readRun(r)
	case 1:
		c.is = true
		for range r.Count("totals", maxEntries, 27) {
			o := observed{readOriginRaw(r), readRun(r)}
			if n := len(c.reset); n > 0 && c.reset[n-1].compare(o) >= 0 {
				r.Fail("totals", codec.ErrNotCanonical)
			}
			c.reset = append(c.reset, o)
		}
		if len(c.reset) == 0 {
			r.Fail("totals", codec.ErrMalformed) // a reset of nothing
		}
	default:
		r.Fail("counter", codec.ErrMalformed)
	}
	return c, r.Close()
}

// raise takes the pointwise maximum with what another reset observed.
func raise(seen []observed, more ...observed) []observed {
	for _, o := range more {
		i, found := slices.BinarySearchFunc(seen, o, observed.compare)
		if !found {
			seen = slices.Insert(seen, i, o)
			continue
		}
		seen[i].up, seen[i].down = max(seen[i].up, o.up), max(seen[i].down, o.down)
	}
	return seen
}

// sumOf is the value of a counter with these entries.
func sumOf(es []Entry) *big.Int {
	var away []observed
	for _, e := range es {
		if c, err := readCounter(e.Value); err == nil && c.is {
			away = raise(away, c.reset...)
		}
	}
	sum := new(big.Int)
	n := new(big.Int)
	for _, e := range es {
		c, err := readCounter(e.Value)
		if err != nil || c.is {
			continue
		}
		sum.Add(sum, n.SetUint64(c.run.up))
		sum.Sub(sum, n.SetUint64(c.run.down))
		// What was observed is never more than the run has by now.
		i, found := slices.BinarySearchFunc(away, observed{e.ID.Dot.Origin, c.run}, observed.compare)
		if found {
			sum.Sub(sum, n.SetUint64(min(away[i].up, c.run.up)))
			sum.Add(sum, n.SetUint64(min(away[i].down, c.run.down)))
		}
	}
	return sum
}

// runs are the entries of a counter that count for a reader. Totals hold what
// the run's earlier changes added, so of those that are read over the part is
// taken off.
func (f Field) runs(n *node) []Entry {
	es := f.entries(n)
	if f.left == nil || n == nil {
		return es
	}
	all := slices.SortedFunc(n.all(), func(a, b Entry) int { return a.ID.Compare(b.ID) })
	out := make([]Entry, 0, len(es))
	for i, e := range es {
		total, ok := runOf(e)
		if !ok {
			out = append(out, e)
			continue
		}
		if slices.ContainsFunc(es[i+1:], func(later Entry) bool { return sameRun(e, later) }) {
			continue
		}
		var before run
		for _, x := range all {
			if x.ID.Compare(e.ID) >= 0 || !sameRun(x, e) {
				continue
			}
			t, _ := runOf(x)
			if f.left(x.ID.Dot) {
				total.up -= min(total.up, t.up-before.up)
				total.down -= min(total.down, t.down-before.down)
			}
			before = t
		}
		out = append(out, Entry{e.ID, total.encode()})
	}
	return out
}

func runOf(e Entry) (run, bool) {
	c, err := readCounter(e.Value)
	return c.run, err == nil && !c.is
}

// sameRun reports whether two entries are totals of one run of one origin.
func sameRun(a, b Entry) bool {
	x, ok := runOf(a)
	y, is := runOf(b)
	return ok && is && a.ID.Dot.Origin == b.ID.Dot.Origin && x.start == y.start
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
	total := run{start: ed.dot.N}
	own := func(e Entry) bool {
		c, err := readCounter(e.Value)
		if err != nil || c.is || e.ID.Dot.Origin != ed.dot.Origin {
			return false
		}
		m, _ := ed.state.metas.get(e.ID.Dot)
		return e.ID.Dot == ed.dot || slices.Equal(m.Births, ed.births) || planted.Is(planted.OneRunOfCounter)
	}
	for _, e := range n.entries {
		if own(e) {
			c, _ := readCounter(e.Value)
			total = c.run
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

// Reset brings the counter to zero as far as the actor saw it: what is added at
// the same time elsewhere counts. Of concurrent resets each run of an origin
// counts the greater that was observed, so that nothing is taken away twice.
func (f CounterField) Reset() error {
	ed := f.at.ed
	if n := f.at.look(); n == nil || !slices.ContainsFunc(n.entries, ed.sees) {
		return ed.err
	}
	n, p, err := f.at.open()
	if err != nil {
		return err
	}
	var seen []observed
	for _, e := range n.entries {
		c, err := readCounter(e.Value)
		switch {
		case err != nil || !ed.sees(e):
		case c.is:
			seen = raise(seen, c.reset...)
		default:
			seen = raise(seen, observed{e.ID.Dot.Origin, c.run})
		}
	}
	ed.supersede(n, p, func(e Entry) bool {
		c, err := readCounter(e.Value)
		return err == nil && c.is
	})
	ed.add(n, p, encodeReset(seen))
	return nil
}

// Value is the sum as it is now, whatever the actor saw; see [Field.Count].
func (f CounterField) Value() *big.Int {
	return Field{state: f.at.ed.state, node: f.at.look()}.Count()
}

// Counter is a counter that is used alone, outside any record.
//
// Concurrent additions all count; a reset takes away what its replica had joined.
//
// Cost and errors: see [CounterField]. The state also grows by some 100 bytes for
// each change.
//
// Not safe for concurrent use. Use [NewCounter]: the zero value has no origin and
// panics.
//
// Source: see [CounterField].
type Counter struct{ *replica }

// NewCounter makes the counter of one replica, at zero. No two replicas may share
// an origin.
func NewCounter(o clock.Origin) Counter { return Counter{newReplica(o, nil)} }

// Add adds by, which may be negative, and returns the delta, nil for zero.
func (c Counter) Add(by int64) (*Delta, error) {
	return c.mutate(func(e *Editor) error { return e.Counter("").Add(by) })
}

// Reset brings the counter to zero as far as this replica has seen it, and returns
// the delta, nil if it has seen nothing.
func (c Counter) Reset() (*Delta, error) {
	return c.mutate(func(e *Editor) error { return e.Counter("").Reset() })
}

// Value is the sum, exact.
func (c Counter) Value() *big.Int {
	return Field{state: &c.state, node: c.state.root.kid(slotOf("", TypeCounter))}.Count()
}
