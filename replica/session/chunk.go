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
//	number | scope | origin table | runs | number of changes | order | changes
//
// A run is a stretch of one origin's changes without a gap: the origin, the
// number of its first change in the chunk and, unless that is 1, the chain
// digest before it. The order says from which run how many changes come next,
// until all have come: so the numbers need not be sent, and the sender may mix
// origins as it likes.
//
// Each change is its canonical form, but for the origins that it names: these
// are numbers in the table of the chunk (a count plus one, then the numbers; 0
// stands for the same ones as those of the change before). The receiver puts
// the canonical form together without understanding it, so a change of a later
// version travels through older replicas byte for byte.
type chunk struct {
	number uint64
	scope  string
	runs   []run
	items  []chunkItem
	bytes  int // canonical, of all changes
}

type run struct {
	origin clock.Origin
	first  uint64
	before crdt.Hash // zero where first is 1
}

type chunkItem struct {
	dot     clock.Dot
	run     int
	encoded []byte
}

// split cuts a canonical change into the origins that it names and the rest.
func split(encoded []byte) (*clock.Table, []byte, error) {
	r := codec.NewReader(encoded)
	t := clock.ReadTable(r, clock.MaxOrigins)
	return t, encoded[r.Offset():], r.Err()
}

// encodeChunk writes changes as one chunk. Those of one origin must follow each
// other without a gap.
func encodeChunk(number uint64, scope string, changes []Change) ([]byte, error) {
	var table clock.Table
	var runs []run
	of := map[clock.Origin]int{}
	for i := range changes {
		d := changes[i].Dot
		if _, ok := of[d.Origin]; !ok {
			of[d.Origin] = len(runs)
			runs = append(runs, run{d.Origin, d.N, changes[i].Before})
			table.Number(d.Origin)
		}
	}
	body := codec.NewWriter(make([]byte, 0, 4<<10))
	body.Uvarint(uint64(len(runs)))
	for _, r := range runs {
		clock.WriteOrigin(body, &table, r.origin)
		body.Uvarint(r.first)
		if r.first > 1 {
			writeHash(body, r.before)
		}
	}
	body.Uvarint(uint64(len(changes)))
	for i := 0; i < len(changes); {
		n := 1
		for i+n < len(changes) && changes[i+n].Dot.Origin == changes[i].Dot.Origin {
			n++
		}
		body.Uvarint(uint64(of[changes[i].Dot.Origin]))
		body.Uvarint(uint64(n))
		i += n
	}
	var last []uint32
	for i := range changes {
		t, rest, err := split(changes[i].Encoded)
		if err != nil {
			return nil, fmt.Errorf("%w: change %v: %w", ErrStore, changes[i].Dot, err)
		}
		names := make([]uint32, t.Len())
		for n := range names {
			o, _ := t.Origin(uint32(n))
			names[n] = table.Number(o)
		}
		if i > 0 && slices.Equal(names, last) {
			body.Uvarint(0)
		} else {
			body.Uvarint(uint64(len(names)) + 1)
			for _, n := range names {
				body.Uvarint(uint64(n))
			}
		}
		last = names
		body.Blob(rest)
	}
	w := codec.NewWriter(make([]byte, 0, body.Len()+25*table.Len()+len(scope)+16))
	w.Uvarint(number)
	w.String(scope)
	table.Write(w)
	w.Raw(body.Bytes())
	return w.Bytes(), nil
}

// decodeChunk reads what encodeChunk wrote, up to maxBytes of canonical
// changes. What the changes say is not looked at.
func decodeChunk(b []byte, maxBytes int) (*chunk, error) {
	r := codec.NewReader(b)
	c := &chunk{number: r.Uvarint(), scope: r.String("scope", maxScopeName)}
	table := clock.ReadTable(r, clock.MaxOrigins)
	seen := map[clock.Origin]bool{}
	for range r.Count("runs", maxChunkChanges, 2) {
		u := run{origin: clock.ReadOrigin(r, table), first: r.Uvarint()}
		if u.first > 1 {
			u.before = readHash(r)
		}
		if u.first == 0 || seen[u.origin] {
			r.Fail("run", codec.ErrMalformed)
		}
		if r.Err() != nil {
			return nil, r.Err()
		}
		seen[u.origin] = true
		c.runs = append(c.runs, u)
	}
	if err := c.readOrder(r); err != nil {
		return nil, err
	}
	var origins []clock.Origin
	var head []byte // the canonical table of origins
	for i := range c.items {
		if k := r.Count("origins", clock.MaxOrigins+1, 0); k > 0 {
			var t clock.Table
			origins = origins[:0]
			for range k - 1 {
				o := clock.ReadOrigin(r, table)
				if r.Err() != nil {
					return nil, r.Err()
				}
				if t.Number(o) != uint32(len(origins)) {
					r.Fail("origins", codec.ErrNotCanonical)
				}
				origins = append(origins, o)
			}
			w := codec.NewWriter(nil)
			t.Write(w)
			head = w.Bytes()
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
	return c, r.Close()
}

// readOrder gives each change its dot.
func (c *chunk) readOrder(r *codec.Reader) error {
	count := r.Count("changes", maxChunkChanges, 3)
	if count == 0 {
		r.Fail("changes", codec.ErrMalformed)
	}
	next := make([]uint64, len(c.runs))
	for len(c.items) < count && r.Err() == nil {
		i := int(r.UvarintMax("run", uint64(max(len(c.runs), 1)-1)))
		n := int(r.UvarintMax("changes", uint64(count-len(c.items))))
		if n == 0 || i >= len(c.runs) {
			r.Fail("order", codec.ErrMalformed)
		}
		if r.Err() != nil {
			break
		}
		for range n {
			d := clock.Dot{Origin: c.runs[i].origin, N: c.runs[i].first + next[i]}
			if d.N < c.runs[i].first {
				r.Fail("change number", codec.ErrMalformed)
				break
			}
			next[i]++
			c.items = append(c.items, chunkItem{dot: d, run: i})
		}
	}
	for _, n := range next {
		if n == 0 {
			r.Fail("run", codec.ErrNotCanonical)
		}
	}
	return r.Err()
}
