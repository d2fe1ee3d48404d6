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
// the other does not. A new incarnation holds none: it takes over what the one
// before held by Claim, once that is sealed.
//
// Operations are O(origins that took part + pairs of them that transferred).
//
// Errors are the first one of the change: Add and Transfer return [ErrNoRights]
// when this origin holds too few, and before there is an opening; Claim returns
// [ErrSeal].
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
// that writes no more is held by whoever claimed its rights, or can be claimed.
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
	if _, claimed := b.heirs[ed.dot.Origin]; !b.open || claimed || have.Cmp(need) < 0 {
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
	boundedClaim   = 2
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
	l.write(w)
	return w.Bytes()
}

func (l *ledger) write(w *codec.Writer) {
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
}

func readLedger(r *codec.Reader) (l ledger) {
	l.opening = readDotRaw(r)
	l.up, l.down = r.Uvarint(), r.Uvarint()
	for range r.Count("transfers", maxEntries, 26) {
		g := gift{readOriginRaw(r), r.Uvarint(), r.Uvarint()}
		if n := len(l.given); n > 0 && l.given[n-1].to.Compare(g.to) >= 0 {
			r.Fail("transfers", codec.ErrNotCanonical)
		}
		l.given = append(l.given, g)
	}
	return l
}

// boundedEntry is one of the kinds of entries of a bounded counter.
type boundedEntry struct {
	kind               byte
	least, most, value int64 // of an opening
	ledger             ledger
	claim              claim
}

func readBoundedEntry(e Entry) (b boundedEntry, err error) {
	r := codec.NewReader(e.Value)
	switch b.kind = r.Byte(); b.kind {
	case boundedOpening:
		b.least, b.most, b.value = r.Varint(), r.Varint(), r.Varint()
		if b.least > b.value || b.value > b.most {
			r.Fail("bounds", codec.ErrMalformed)
		}
	case boundedLedger:
		b.ledger = readLedger(r)
	case boundedClaim:
		b.claim = readClaim(r)
		b.ledger = b.claim.ledger
	default:
		r.Fail("bounded counter", codec.ErrMalformed)
	}
	return b, r.Close()
}

// bounded is the state of a bounded counter.
type bounded struct {
	open               bool
	opening            EntryID
	least, most, start int64
	ledgers            map[clock.Origin]ledger
	heirs              map[clock.Origin]clock.Origin // who claimed what an origin held
}

func readBounded(es []Entry) bounded {
	b := bounded{ledgers: map[clock.Origin]ledger{}, heirs: map[clock.Origin]clock.Origin{}}
	read := make([]boundedEntry, len(es))
	for i, e := range es { // sorted: the first opening counts
		x, err := readBoundedEntry(e)
		if err != nil {
			x.kind = boundedOpening // which says nothing where there is one
			read[i] = x
			continue
		}
		read[i] = x
		if x.kind == boundedOpening && !b.open {
			b.open, b.opening = true, e.ID
			b.least, b.most, b.start = x.least, x.most, x.value
		}
	}
	for i, e := range es {
		if x := &read[i]; x.kind == boundedLedger && x.ledger.opening == b.opening {
			b.ledgers[e.ID.Dot.Origin] = x.ledger
		}
	}
	for i, e := range es { // sorted: of several claims on one origin the first counts
		x := &read[i]
		if x.kind != boundedClaim || x.ledger.opening != b.opening || e.ID.Dot.Origin == x.claim.of {
			continue
		}
		if _, claimed := b.heirs[x.claim.of]; !claimed {
			b.heirs[x.claim.of] = e.ID.Dot.Origin
			b.ledgers[x.claim.of] = x.ledger // what it did beyond the seal is void
		}
	}
	return b
}

// rights are what an origin holds to go up and down: its own, and those of
// the origins that it claimed, directly or through others.
func (b *bounded) rights(o clock.Origin) (up, down *big.Int) {
	up, down = new(big.Int), new(big.Int)
	if !b.open {
		return up, down
	}
	if _, claimed := b.heirs[o]; claimed {
		return up, down
	}
	u := func(n uint64) *big.Int { return new(big.Int).SetUint64(n) }
	held := b.heldBy(o)
	if held[b.opening.Dot.Origin] {
		up.Sub(big.NewInt(b.most), big.NewInt(b.start))
		down.Sub(big.NewInt(b.start), big.NewInt(b.least))
	}
	for from, l := range b.ledgers {
		if held[from] {
			up.Sub(up.Add(up, u(l.down)), u(l.up))
			down.Sub(down.Add(down, u(l.up)), u(l.down))
		}
		for _, g := range l.given {
			if held[from] {
				up.Sub(up, u(g.up))
				down.Sub(down, u(g.down))
			}
			if held[g.to] {
				up.Add(up, u(g.up))
				down.Add(down, u(g.down))
			}
		}
	}
	return up, down
}

// heldBy are the origins whose rights o holds: its own, and those that it
// claimed, directly or through others. Claims in a circle, which no replica
// makes, give nobody anything.
func (b *bounded) heldBy(o clock.Origin) map[clock.Origin]bool {
	claimed := map[clock.Origin][]clock.Origin{}
	for from, heir := range b.heirs {
		claimed[heir] = append(claimed[heir], from)
	}
	held := map[clock.Origin]bool{o: true}
	for next := []clock.Origin{o}; len(next) > 0; {
		from := claimed[next[0]]
		next = append(next[1:], from...)
		for _, f := range from {
			held[f] = true
		}
	}
	return held
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
