package session

import (
	"fmt"
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt"
)

// A chunk carries changes of one scope:
//
//	number | flags | scope | new origins | runs | number of changes | order | changes
//
// Origins go by numbers that hold for the session, one way: a chunk brings along
// those that no chunk before it named. From time to time the sender starts the
// numbers anew, which a flag says, so that neither side remembers too many.
//
// A run is a stretch of one origin's changes without a gap: the origin, the
// number of its first change in the chunk, and the chain digest before it. The
// digest is left out where it is known: before the first change of all, and
// where the run goes on from what the same session carried. The order says from
// which run how many changes come next, until all have come: so the numbers need
// not be sent, and the sender may mix origins as it likes.
//
// Each change is its canonical form, but for the origins that it names: these
// are numbers too (a count plus one, then the numbers; 0 stands for the same ones
// as those of the change before). The receiver puts the canonical form together
// without understanding it, so a change of a later version travels through older
// replicas byte for byte.
//
// One chunk has one encoding, after those before it: runs are in the order of
// their first change, and new origins in that of their first use, change by
// change, that of its run before those that it names.
type chunk struct {
	number uint64
	scope  string
	runs   []run
	items  []chunkItem
	bytes  int // canonical, of all changes
	// fragments is set where it has no changes but pieces of records.
	fragments *fragments
}

// run has in before the chain digest before its first change, unless continues
// is set: then it goes on from what this session carried.
type run struct {
	origin    clock.Origin
	first     uint64
	before    crdt.Hash // zero where first is 1
	continues bool
}

type chunkItem struct {
	dot     clock.Dot
	run     int
	encoded []byte
}

// chunkAnew marks a chunk at which the numbers of origins start anew.
const chunkAnew = 1

// tableOrigins is how many origins are numbered before the sender starts anew.
const tableOrigins = 4096

// split cuts a canonical change into the origins that it names and the rest.
func split(encoded []byte) (*clock.Table, []byte, error) {
	r := codec.NewReader(encoded)
	t := clock.ReadTable(r, clock.MaxOrigins)
	return t, encoded[r.Offset():], r.Err()
}

// chunkWriter writes chunks, and knows which origins those before it named.
type chunkWriter struct {
	table clock.Table
}

// encode writes changes as one chunk, as many as fit the limits on a chunk, at
// least one. Those of one origin must follow each other without a gap. sent
// tells whether this session carried a dot.
func (cw *chunkWriter) encode(number uint64, scope string, changes []Change, sent func(clock.Dot) bool) (b []byte, taken int, err error) {
	var flags byte
	if cw.table.Len() > tableOrigins {
		cw.table.Reset()
		flags = chunkAnew
	}
	known := cw.table.Len()
	runs, order, body := codec.NewWriter(nil), codec.NewWriter(nil), codec.NewWriter(make([]byte, 0, 4<<10))
	of := map[clock.Origin]int{}
	var names, last []uint32
	run, count := -1, 0 // the run that the order is in
	for ; taken < min(len(changes), maxChunkChanges); taken++ {
		c := &changes[taken]
		t, rest, err := split(c.Encoded)
		if err != nil {
			return nil, 0, fmt.Errorf("%w: change %v: %w", ErrStore, c.Dot, err)
		}
		if taken > 0 && cw.table.Len()-known+t.Len() >= clock.MaxOrigins {
			break
		}
		i, ok := of[c.Dot.Origin]
		if !ok {
			i = len(of)
			of[c.Dot.Origin] = i
			clock.WriteOrigin(runs, &cw.table, c.Dot.Origin)
			runs.Uvarint(c.Dot.N)
			if c.Dot.N > 1 {
				continues := sent(clock.Dot{Origin: c.Dot.Origin, N: c.Dot.N - 1})
				if runs.Bool(continues); !continues {
					writeHash(runs, c.Before)
				}
			}
		}
		if i != run && count > 0 {
			order.Uvarint(uint64(run))
			order.Uvarint(uint64(count))
			count = 0
		}
		run = i
		count++
		names = names[:0]
		for n := range uint32(t.Len()) {
			o, _ := t.Origin(n)
			names = append(names, cw.table.Number(o))
		}
		if taken > 0 && slices.Equal(names, last) {
			body.Uvarint(0)
		} else {
			body.Uvarint(uint64(len(names)) + 1)
			for _, n := range names {
				body.Uvarint(uint64(n))
			}
		}
		names, last = last, names
		body.Blob(rest)
	}
	order.Uvarint(uint64(run))
	order.Uvarint(uint64(count))
	var added clock.Table
	for n := known; n < cw.table.Len(); n++ {
		o, _ := cw.table.Origin(uint32(n))
		added.Number(o)
	}
	w := codec.NewWriter(make([]byte, 0, runs.Len()+order.Len()+body.Len()+25*added.Len()+len(scope)+24))
	w.Uvarint(number)
	w.Byte(flags)
	w.String(scope)
	added.Write(w)
	w.Uvarint(uint64(len(of)))
	w.Raw(runs.Bytes())
	w.Uvarint(uint64(taken))
	w.Raw(order.Bytes())
	w.Raw(body.Bytes())
	return w.Bytes(), taken, nil
}

// chunkReader reads chunks, and knows which origins those before it named.
type chunkReader struct {
	table clock.Table
}

// decode reads what encode wrote, up to maxBytes of canonical changes. What the
// changes say is not looked at. After an error the reader is of no more use.
func (cr *chunkReader) decode(b []byte, maxBytes int) (*chunk, error) {
	r := codec.NewReader(b)
	c := &chunk{number: r.Uvarint()}
	flags := r.Byte()
	c.scope = r.String("scope", maxScopeName)
	anew := cr.table.Len() > tableOrigins
	switch {
	case flags&^chunkAnew != 0:
		r.Fail("chunk flags", codec.ErrMalformed)
	case anew != (flags == chunkAnew):
		r.Fail("chunk flags", codec.ErrNotCanonical)
	case anew:
		cr.table.Reset()
	}
	added := clock.ReadTable(r, clock.MaxOrigins)
	fresh := order{r: r, next: uint32(cr.table.Len())}
	for n := range uint32(added.Len()) {
		o, _ := added.Origin(n)
		if want := cr.table.Len(); cr.table.Number(o) != uint32(want) {
			r.Fail("origins", codec.ErrNotCanonical)
		}
	}
	if err := c.readRuns(r, &cr.table); err != nil {
		return nil, err
	}
	if err := c.readOrder(r); err != nil {
		return nil, err
	}
	var head []byte // the canonical table of origins
	var names, last []uint32
	begun := -1 // the last run that has begun
	for i := range c.items {
		if k := c.items[i].run; k > begun {
			begun = k
			n, _ := cr.table.Lookup(c.runs[k].origin)
			fresh.use(n)
		}
		if k := r.Count("origins", clock.MaxOrigins+1, 0); k > 0 {
			head, names = readNames(r, &cr.table, k-1, names[:0])
			if i > 0 && slices.Equal(names, last) {
				r.Fail("origins", codec.ErrNotCanonical)
			}
			for _, n := range names {
				fresh.use(n)
			}
			names, last = last, names
		} else if i == 0 {
			r.Fail("origins", codec.ErrNotCanonical)
		}
		rest := r.Blob("change", maxBytes)
		if c.bytes += len(head) + len(rest); c.bytes > maxBytes {
			r.Fail("chunk", &codec.LimitError{What: "chunk", Got: uint64(c.bytes), Max: uint64(maxBytes)})
		}
		if r.Err() != nil {
			return nil, r.Err()
		}
		c.items[i].encoded = slices.Concat(head, rest)
	}
	if fresh.next != uint32(cr.table.Len()) {
		r.Fail("new origins", codec.ErrNotCanonical) // one is not used
	}
	return c, r.Close()
}

// order checks that new origins are first used in the order of their numbers.
type order struct {
	r    *codec.Reader
	next uint32
}

func (o *order) use(n uint32) {
	if n > o.next {
		o.r.Fail("new origins", codec.ErrNotCanonical)
	} else if n == o.next {
		o.next++
	}
}

// readNames reads the origins that a change names, appends their numbers to
// names, and returns the table with which the canonical form begins.
func readNames(r *codec.Reader, table *clock.Table, count int, names []uint32) ([]byte, []uint32) {
	var t clock.Table
	for i := range count {
		o := clock.ReadOrigin(r, table)
		if r.Err() == nil && t.Number(o) != uint32(i) {
			r.Fail("origins", codec.ErrNotCanonical)
		}
		if r.Err() != nil {
			return nil, nil
		}
		n, _ := table.Lookup(o)
		names = append(names, n)
	}
	w := codec.NewWriter(nil)
	t.Write(w)
	return w.Bytes(), names
}

func (ch *chunk) readRuns(r *codec.Reader, table *clock.Table) error {
	seen := map[clock.Origin]bool{}
	for range r.Count("runs", maxChunkChanges, 2) {
		u := run{origin: clock.ReadOrigin(r, table), first: r.Uvarint()}
		if u.first > 1 {
			if u.continues = r.Bool(); !u.continues {
				u.before = readHash(r)
			}
		}
		if u.first == 0 || seen[u.origin] {
			r.Fail("run", codec.ErrMalformed)
		}
		if r.Err() != nil {
			break
		}
		seen[u.origin] = true
		ch.runs = append(ch.runs, u)
	}
	return r.Err()
}

// encodeChunk writes a chunk that stands alone, as [chunkWriter.encode] does.
func encodeChunk(number uint64, scope string, changes []Change) (b []byte, taken int, err error) {
	var w chunkWriter
	return w.encode(number, scope, changes, func(clock.Dot) bool { return false })
}

// decodeChunk reads a chunk that stands alone.
func decodeChunk(b []byte, maxBytes int) (*chunk, error) {
	var r chunkReader
	c, err := r.decode(b, maxBytes)
	if err == nil && slices.ContainsFunc(c.runs, func(u run) bool { return u.continues }) {
		return nil, &codec.DecodeError{What: "run", Err: codec.ErrMalformed}
	}
	return c, err
}

// readOrder gives each change its dot.
func (ch *chunk) readOrder(r *codec.Reader) error {
	count := r.Count("changes", maxChunkChanges, 3)
	if count == 0 {
		r.Fail("changes", codec.ErrMalformed)
	}
	next := make([]uint64, len(ch.runs))
	begun, before := -1, -1
	for len(ch.items) < count && r.Err() == nil {
		i := int(r.UvarintMax("run", uint64(max(len(ch.runs), 1)-1)))
		n := int(r.UvarintMax("changes", uint64(count-len(ch.items))))
		if n == 0 || i >= len(ch.runs) {
			r.Fail("order", codec.ErrMalformed)
		}
		if i > begun+1 || i == before {
			r.Fail("order", codec.ErrNotCanonical)
		}
		if r.Err() != nil {
			break
		}
		begun, before = max(begun, i), i
		for range n {
			d := clock.Dot{Origin: ch.runs[i].origin, N: ch.runs[i].first + next[i]}
			if d.N < ch.runs[i].first {
				r.Fail("change number", codec.ErrMalformed)
				break
			}
			next[i]++
			ch.items = append(ch.items, chunkItem{dot: d, run: i})
		}
	}
	for _, n := range next {
		if n == 0 {
			r.Fail("run", codec.ErrNotCanonical)
		}
	}
	return r.Err()
}
