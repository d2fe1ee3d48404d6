package crdt

import (
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
)

// ErrNoRights means that this replica holds too few rights for an operation,
// even if others hold enough: have some transferred, or connect.
var ErrNoRights = errors.New("crdt: not enough rights")

// BoundedField writes a bounded counter of a record: a number that never leaves
// its bounds, though replicas change it without asking anyone.
//
// Rights to go up and down are held by origins and spent by their holder; going
// up by n leaves the holder with n rights to go down, and the other way round.
// Open makes the rights, for the origin that opens; a transfer moves them and
// never makes any. Of two openings the smaller entry counts, and spending under
// the other does not. A new incarnation holds none, and nobody can spend or pass
// on what the one before held.
//
// Operations are O(origins that took part + pairs of them that transferred).
//
// Errors are the first one of the change: Add and Transfer return [ErrNoRights]
// when this origin holds too few, and before there is an opening.
//
// Comes from an [Editor] or a [MapField], and is of use until its change ends.
// Not safe for concurrent use.
//
// Source: Balegas et al., "Extending Eventually Consistent Cloud Databases for
// Enforcing Numeric Invariants", SRDS 2015.
type BoundedField struct{ at place }

// Open sets the bounds and the value, and gives all rights to this origin. It
// fails if the counter is open, or if the value is not within the bounds.
func (f BoundedField) Open(least, most, value int64) error {
	if least > value || value > most {
		return f.at.ed.fail(f.at.path, fmt.Errorf("value %d is not within %d and %d", value, least, most))
	}
	n, p, err := f.at.open()
	if err != nil {
		return err
	}
	if b := readBounded(n.entries); b.open {
		return f.at.ed.fail(f.at.path, errors.New("the counter is open already"))
	}
	w := codec.NewWriter(nil)
	w.Byte(boundedOpening)
	w.Varint(least)
	w.Varint(most)
	w.Varint(value)
	f.at.ed.add(n, p, w.Bytes())
	return nil
}

// Add moves the value by by, which may be negative. Adding zero changes nothing.
func (f BoundedField) Add(by int64) error {
	return f.spend(by, func(l *ledger, up, down uint64) { l.up += up; l.down += down })
}

// Transfer gives rights to another origin: to go up by n, or for a negative n to
// go down by -n. A transfer of zero changes nothing. What is given to an origin
// that writes no more is lost.
func (f BoundedField) Transfer(to clock.Origin, n int64) error {
	return f.spend(n, func(l *ledger, up, down uint64) { l.give(to, up, down) })
}

// spend looks whether the origin holds the rights, and enters what it does with
// them in its ledger.
func (f BoundedField) spend(by int64, enter func(l *ledger, up, down uint64)) error {
	if by == 0 {
		return f.at.ed.err
	}
	n, p, err := f.at.open()
	if err != nil {
		return err
	}
	ed := f.at.ed
	b := readBounded(n.entries)
	up, down := b.rights(ed.dot.Origin)
	need, have, way := new(big.Int).SetInt64(by), up, "up"
	if by < 0 {
		need.Neg(need)
		have, way = down, "down"
	}
	if !b.open || have.Cmp(need) < 0 {
		return ed.fail(f.at.path, fmt.Errorf("%v holds %v to go %s, %v needed: %w", ed.dot.Origin, have, way, need, ErrNoRights))
	}
	l := b.ledgers[ed.dot.Origin]
	if by > 0 {
		enter(&l, uint64(by), 0)
	} else {
		enter(&l, 0, -uint64(by))
	}
	seen := ed.seen
	ed.seen = nil
	ed.supersede(n, p, func(e Entry) bool {
		return e.ID.Dot.Origin == ed.dot.Origin && len(e.Value) > 0 && e.Value[0] == boundedLedger
	})
	ed.seen = seen
	l.opening = b.opening
	ed.add(n, p, l.encode())
	return nil
}

const (
	boundedOpening = 0
	boundedLedger  = 1
)

// ledger is what one origin did under an opening, as running totals.
type ledger struct {
	opening  EntryID
	up, down uint64
	given    []gift // sorted by origin
}

type gift struct {
	to       clock.Origin
	up, down uint64
}

func (l *ledger) give(to clock.Origin, up, down uint64) {
	i, found := slices.BinarySearchFunc(l.given, to, func(g gift, o clock.Origin) int { return g.to.Compare(o) })
	l.given = slices.Clone(l.given)
	if !found {
		l.given = slices.Insert(l.given, i, gift{to: to})
	}
	l.given[i].up += up
	l.given[i].down += down
}

func (l *ledger) encode() []byte {
	w := codec.NewWriter(nil)
	w.Byte(boundedLedger)
	writeDotRaw(w, l.opening)
	w.Uvarint(l.up)
	w.Uvarint(l.down)
	w.Uvarint(uint64(len(l.given)))
	for _, g := range l.given {
		w.Raw(g.to.Replica[:])
		w.Uint64(g.to.Incarnation)
		w.Uvarint(g.up)
		w.Uvarint(g.down)
	}
	return w.Bytes()
}

// bounded is the state of a bounded counter.
type bounded struct {
	open               bool
	opening            EntryID
	least, most, start int64
	ledgers            map[clock.Origin]ledger
}

func readBoundedEntry(e Entry) (opening [3]int64, l ledger, isOpening bool, err error) {
	r := codec.NewReader(e.Value)
	switch r.Byte() {
	case boundedOpening:
		isOpening = true
		opening = [3]int64{r.Varint(), r.Varint(), r.Varint()}
		if opening[0] > opening[2] || opening[2] > opening[1] {
			r.Fail("bounds", codec.ErrMalformed)
		}
	case boundedLedger:
		l.opening = readDotRaw(r)
		l.up, l.down = r.Uvarint(), r.Uvarint()
		for range r.Count("transfers", maxEntries, 26) {
			g := gift{readOriginRaw(r), r.Uvarint(), r.Uvarint()}
			if n := len(l.given); n > 0 && l.given[n-1].to.Compare(g.to) >= 0 {
				r.Fail("transfers", codec.ErrNotCanonical)
			}
			l.given = append(l.given, g)
		}
	default:
		r.Fail("bounded counter", codec.ErrMalformed)
	}
	return opening, l, isOpening, r.Close()
}

func readBounded(es []Entry) bounded {
	b := bounded{ledgers: map[clock.Origin]ledger{}}
	for _, e := range es { // sorted: the first opening counts
		o, _, is, err := readBoundedEntry(e)
		if err == nil && is && !b.open {
			b.open, b.opening = true, e.ID
			b.least, b.most, b.start = o[0], o[1], o[2]
		}
	}
	for _, e := range es {
		if _, l, is, err := readBoundedEntry(e); err == nil && !is && l.opening == b.opening {
			b.ledgers[e.ID.Dot.Origin] = l
		}
	}
	return b
}

// rights are what an origin holds to go up and down.
func (b *bounded) rights(o clock.Origin) (up, down *big.Int) {
	up, down = new(big.Int), new(big.Int)
	if !b.open {
		return up, down
	}
	u := func(n uint64) *big.Int { return new(big.Int).SetUint64(n) }
	if o == b.opening.Dot.Origin {
		up.Sub(big.NewInt(b.most), big.NewInt(b.start))
		down.Sub(big.NewInt(b.start), big.NewInt(b.least))
	}
	l := b.ledgers[o]
	up.Sub(up.Add(up, u(l.down)), u(l.up))
	down.Sub(down.Add(down, u(l.up)), u(l.down))
	for from, x := range b.ledgers {
		for _, g := range x.given {
			if from == o {
				up.Sub(up, u(g.up))
				down.Sub(down, u(g.down))
			}
			if g.to == o {
				up.Add(up, u(g.up))
				down.Add(down, u(g.down))
			}
		}
	}
	return up, down
}

// Bounded is what a bounded counter shows. Value is zero, and so are the bounds, as
// long as nobody opened it.
type Bounded struct {
	Value       *big.Int
	Least, Most int64
	Open        bool
}

// Bounded reads a bounded counter. O(origins that took part).
func (f Field) Bounded() Bounded {
	if f.node == nil {
		return Bounded{Value: new(big.Int)}
	}
	b := readBounded(f.entries(f.node))
	v := big.NewInt(b.start)
	for _, l := range b.ledgers {
		v.Add(v, new(big.Int).SetUint64(l.up))
		v.Sub(v, new(big.Int).SetUint64(l.down))
	}
	return Bounded{Value: v, Least: b.least, Most: b.most, Open: b.open}
}

// Rights are what an origin holds of a bounded counter, to go up and down. They
// are below zero for an origin that spent what it did not hold, as one does under
// which changes were issued again (see [Reissue]). The cost is that of an operation, see [BoundedField].
func (f Field) Rights(o clock.Origin) (up, down *big.Int) {
	if f.node == nil {
		return new(big.Int), new(big.Int)
	}
	b := readBounded(f.entries(f.node))
	return b.rights(o)
}
