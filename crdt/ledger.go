package crdt

import "github.com/concord-crdt/concord/clock"

// Ledger is what one origin did with its rights in a bounded counter, as totals.
type Ledger struct {
	Origin   clock.Origin
	Opening  EntryID // under which it holds them
	Up, Down uint64  // how far it moved the value each way
	Given    []Gift  // sorted by origin
}

// Gift is how many rights an origin gave to another, as totals.
type Gift struct {
	To       clock.Origin
	Up, Down uint64
}

// Ledgers lists what each origin did with its rights in a bounded counter, sorted
// by origin, those among them whose opening does not count. O(entries).
func (f Field) Ledgers() []Ledger {
	if f.node == nil {
		return nil
	}
	var out []Ledger
	for _, e := range f.entries(f.node) {
		b, err := readBoundedEntry(e)
		if err != nil || b.kind != boundedLedger {
			continue
		}
		x := Ledger{Origin: e.ID.Dot.Origin, Opening: b.ledger.opening, Up: b.ledger.up, Down: b.ledger.down}
		for _, g := range b.ledger.given {
			x.Given = append(x.Given, Gift{g.to, g.up, g.down})
		}
		out = append(out, x)
	}
	return out
}
