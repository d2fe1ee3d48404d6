package crdt

import (
	"math/big"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
)

// StockField writes a stock level of a record: deliveries and sales as
// differences, and now and then a recount.
//
// A recount says what was there at a moment, its as-of time: a difference
// stamped before it is absorbed, one stamped at or after it applies, whether the
// counter had seen it or not. Of concurrent recounts the one with the later
// as-of time counts, then the later entry. So the level is the last recount and
// all that came after it, whatever the order of arrival.
//
// Add and Recount are O(1); the level is O(entries since the last settle mark).
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

// Level is the level of a stock, exact.
func (f Field) Level() *big.Int {
	es := f.grownEntries()
	sum := new(big.Int)
	var last *stampedEntry
	var asOf clock.Stamp
	for i := range es {
		s, err := readStock(es[i].Value)
		if err != nil || !s.recount {
			continue
		}
		if s.asOf == 0 {
			s.asOf = es[i].meta.Stamp
		}
		// The entries come in the order of their stamps and names.
		if last == nil || s.asOf > asOf || s.asOf == asOf && last.ID.Compare(es[i].ID) < 0 {
			last, asOf = &es[i], s.asOf
			sum.SetInt64(s.value)
		}
	}
	for i := range es {
		s, err := readStock(es[i].Value)
		if err != nil || s.recount || last != nil && es[i].meta.Stamp < asOf {
			continue
		}
		sum.Add(sum, big.NewInt(s.value))
	}
	return sum
}
