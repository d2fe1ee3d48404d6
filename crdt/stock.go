package crdt

import (
	"math/big"
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
)

// StockField writes a stock level of a record: deliveries and sales as
// differences, and now and then a recount.
//
// A recount says what was there at a moment, its as-of time: a difference
// stamped before it is absorbed, one stamped at or after it applies, whether the
// counter had seen it or not. Of all recounts, whoever saw which, the one with the
// latest as-of time counts, then the later entry. So the level is the last recount
// and all that came after it, whatever the order of arrival.
//
// Add and Recount are O(1), reading the level is O(n log n) for n entries since the
// last settle mark.
//
// Errors are the first one of the change.
//
// Comes from an [Editor] or a [MapField], and is of use until its change ends.
// Not safe for concurrent use.
//
// Source: our own, on a grow-only set: Shapiro et al., INRIA RR-7506, 2011.
type StockField struct{ at place }

// Add adds by, which may be negative. Adding zero changes nothing.
func (f StockField) Add(by int64) error {
	if by == 0 {
		return f.at.ed.err
	}
	return f.grow(stockEntry{value: by})
}

// Recount says that value was there at asOf; the zero stamp means now, the
// change's own stamp.
func (f StockField) Recount(value int64, asOf clock.Stamp) error {
	return f.grow(stockEntry{recount: true, value: value, asOf: asOf})
}

func (f StockField) grow(e stockEntry) error {
	n, p, err := f.at.open()
	if err != nil {
		return err
	}
	f.at.ed.grow(n, p, e.encode())
	return nil
}

type stockEntry struct {
	recount bool
	value   int64
	asOf    clock.Stamp
}

func (s stockEntry) encode() []byte {
	w := codec.NewWriter(nil)
	w.Bool(s.recount)
	w.Varint(s.value)
	if s.recount {
		w.Uint64(uint64(s.asOf))
	}
	return w.Bytes()
}

func readStock(b []byte) (s stockEntry, err error) {
	r := codec.NewReader(b)
	s.recount, s.value = r.Bool(), r.Varint()
	if s.recount {
		s.asOf = clock.Stamp(r.Uint64())
	}
	return s, r.Close()
}

// stockBase is what settle marks folded of a stock.
type stockBase struct {
	level *big.Int
	asOf  clock.Stamp // of the recount that it rests on; zero for none
	top   clock.Stamp // nothing folded is later
}

// write writes what marks folded; nil is nothing.
func (b *stockBase) write(w *codec.Writer) {
	w.Bool(b != nil)
	if b == nil {
		return
	}
	w.Bool(b.level.Sign() < 0)
	w.Blob(b.level.Bytes())
	w.Uint64(uint64(b.asOf))
	w.Uint64(uint64(b.top))
}

func readStockBase(r *codec.Reader) *stockBase {
	if !r.Bool() {
		return nil
	}
	b := &stockBase{level: new(big.Int)}
	negative := r.Bool()
	b.level.SetBytes(r.Blob("level", maxLevelBytes))
	if negative {
		b.level.Neg(b.level)
	}
	b.asOf, b.top = clock.Stamp(r.Uint64()), clock.Stamp(r.Uint64())
	return b
}

// Level is the level of a stock, exact. A recount as of a time below what a
// settle mark has folded does not count: what lies between can no longer be told
// apart.
func (f Field) Level() *big.Int {
	return f.settledStock().with(f.grownEntries()).level
}

// settledStock is what marks folded of a stock, unless it went with a deleted
// birth.
func (f Field) settledStock() *stockBase {
	if f.node == nil || f.node.grown == nil {
		return nil
	}
	from := f.node.grown.settled
	if from == nil || f.rec == nil {
		return from
	}
	if f.rec.base == nil || !slices.ContainsFunc(f.rec.base.births, func(b clock.Dot) bool { return slices.Contains(f.live, b) }) {
		return nil
	}
	return from
}

// Movement is one entry of a stock, as it was written.
type Movement struct {
	Candidate             // the value is the difference or the count, an int64
	Recount   bool        // the value is what was there
	AsOf      clock.Stamp // of a recount; zero: when it was written
}

// Movements lists the differences and recounts of a stock since the last settle
// mark, in the order of their stamps, then names. O(n log n).
func (f Field) Movements() []Movement {
	var out []Movement
	for _, e := range f.grownEntries() {
		if s, err := readStock(e.Value); err == nil {
			out = append(out, Movement{Candidate{e.ID, s.value, e.meta}, s.recount, s.asOf})
		}
	}
	return out
}

// with is the stock after more entries, which come in the order of their stamps
// and names.
func (b *stockBase) with(es []stampedEntry) *stockBase {
	out := &stockBase{level: new(big.Int)}
	if b != nil {
		out.level.Set(b.level)
		out.asOf, out.top = b.asOf, b.top
	}
	floor := out.top
	var last *stampedEntry
	for i := range es {
		s, err := readStock(es[i].Value)
		if err != nil || !s.recount {
			continue
		}
		if s.asOf == 0 {
			s.asOf = es[i].meta.Stamp
		}
		if s.asOf < floor {
			continue
		}
		if last == nil || s.asOf > out.asOf || s.asOf == out.asOf && last.ID.Compare(es[i].ID) < 0 {
			last, out.asOf = &es[i], s.asOf
			out.level.SetInt64(s.value)
			out.top = max(out.top, s.asOf)
		}
	}
	for i := range es {
		s, err := readStock(es[i].Value)
		if err != nil || s.recount {
			continue
		}
		out.top = max(out.top, es[i].meta.Stamp)
		if es[i].meta.Stamp >= out.asOf {
			out.level.Add(out.level, big.NewInt(s.value))
		}
	}
	return out
}

// foldStock makes the settled differences and recounts part of the base.
func (r *Record) foldStock(g *grown, x *folding) {
	if x.none {
		g.settled = nil
		return
	}
	var es []stampedEntry
	for id, e := range g.raw {
		if m, ok := r.metas.get(id.Dot); ok && x.settled(id.Dot) && !slices.Contains(x.held, id.Dot) {
			es = append(es, stampedEntry{e, m})
			delete(g.raw, id)
		}
	}
	if len(es) > 0 {
		sortStamped(es)
		g.settled = g.settled.with(es)
	}
}
