package crdt

import (
	"fmt"
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
)

// claim takes over what a sealed origin held of a bounded counter. It carries
// what that origin had done up to the seal, so that nothing that it does beyond
// can spend the rights again: whatever arrives, and in which order, the claim
// says what counts.
type claim struct {
	seal   EntryID // in the record of the scope
	of     clock.Origin
	last   uint64 // its last change by the seal
	ledger ledger
}

func (c *claim) encode() []byte {
	w := codec.NewWriter(nil)
	w.Byte(boundedClaim)
	writeDotRaw(w, c.seal)
	w.Raw(c.of.Replica[:])
	w.Uint64(c.of.Incarnation)
	w.Uvarint(c.last)
	c.ledger.write(w)
	return w.Bytes()
}

func readClaim(r *codec.Reader) claim {
	return claim{seal: readDotRaw(r), of: readOriginRaw(r), last: r.Uvarint(), ledger: readLedger(r)}
}

// Claim takes over the rights of an origin that a seal ended: of an earlier
// incarnation of this replica, or of a lost device by whoever sealed it. What it
// is given later comes along. To claim again what this origin claimed changes
// nothing, and so does a claim on an origin that took no part in the counter.
//
// Of two claims on one origin the smaller entry counts, so rights never double.
// Claims can meet only where a replica was cloned, or where the replica and the
// steward both sealed it: what the one that loses has spent meanwhile stays
// spent, and its rights are below zero.
//
// The error wraps [ErrSeal] if the seal is not for this origin to use, if the
// record has changes of the sealed origin beyond it, or if another has claimed
// the rights; it wraps [ErrNoRights] if the counter is not open.
func (f BoundedField) Claim(s Sealed) error {
	ed := f.at.ed
	me := ed.dot.Origin
	if err := s.claimable(me); err != nil {
		return ed.fail(f.at.path, err)
	}
	n, p, err := f.at.open()
	if err != nil {
		return err
	}
	b := readBounded(n.entries)
	if !b.open {
		return ed.fail(f.at.path, fmt.Errorf("the counter is not open: %w", ErrNoRights))
	}
	if heir, claimed := b.heirs[s.Origin]; claimed {
		if heir == me {
			return nil
		}
		return ed.fail(f.at.path, fmt.Errorf("%v has claimed what %v held: %w", heir, s.Origin, ErrSeal))
	}
	if _, claimed := b.heirs[me]; claimed {
		return ed.fail(f.at.path, fmt.Errorf("%v is sealed itself, and its rights are claimed: %w", me, ErrSeal))
	}
	if last := ed.state.Vector().Get(s.Origin); last > s.Last {
		return ed.fail(f.at.path, fmt.Errorf("%v went on to change %d, and is sealed at %d; seal it again: %w", s.Origin, last, s.Last, ErrSeal))
	}
	if !b.took(s.Origin) {
		return nil
	}
	l := b.ledgers[s.Origin]
	l.opening = b.opening
	ed.add(n, p, (&claim{s.By, s.Origin, s.Last, l}).encode())
	return nil
}

// Heir is who claimed what an origin held; ok is false if nobody did. The cost is
// that of an operation.
func (f BoundedField) Heir(o clock.Origin) (heir clock.Origin, ok bool) {
	if n := f.at.look(); n != nil {
		heir, ok = readBounded(n.entries).heirs[o]
	}
	return heir, ok
}

// took reports whether an origin took part: it opened the counter, spent, gave or
// was given, or claimed.
func (b *bounded) took(o clock.Origin) bool {
	if _, wrote := b.ledgers[o]; wrote || o == b.opening.Dot.Origin {
		return true
	}
	for _, l := range b.ledgers {
		if slices.ContainsFunc(l.given, func(g gift) bool { return g.to == o }) {
			return true
		}
	}
	for _, heir := range b.heirs {
		if heir == o {
			return true
		}
	}
	return false
}

// Claim is what a change claims by a seal.
type Claim struct {
	Seal   EntryID
	Origin clock.Origin // whose rights
	Last   uint64
}

// Claims lists the claims of rights in a part. The scope of the record must have
// applied the seal of each, see [Claim.Check].
func (p *Part) Claims() (cs []Claim) {
	if p.Patch == nil {
		return nil
	}
	for _, kid := range p.Patch.Kids {
		if kid.Key.Type != TypeBounded {
			continue
		}
		for _, e := range kid.Patch.Add {
			if b, err := readBoundedEntry(e); err == nil && b.kind == boundedClaim {
				cs = append(cs, Claim{b.claim.seal, b.claim.of, b.claim.last})
			}
		}
	}
	return cs
}

// Check refuses a claim by change by that the seal which it names does not
// allow. The error wraps [ErrSeal].
func (c *Claim) Check(by clock.Dot, s *Seals) error {
	x, found := s.Find(c.Seal)
	if !found || x.Origin != c.Origin || x.Last != c.Last {
		return fmt.Errorf("%w: %v does not seal %v at change %d", ErrSeal, c.Seal, c.Origin, c.Last)
	}
	return x.claimable(by.Origin)
}

// Claimable reports whether an origin may take over the rights of the sealed one.
func (s *Sealed) Claimable(by clock.Origin) bool { return s.claimable(by) == nil }

// claimable refuses who may not take over the rights of the sealed origin.
func (s *Sealed) claimable(by clock.Origin) error {
	if by == s.Origin || by.Replica != s.Origin.Replica && by.Replica != s.By.Dot.Origin.Replica {
		return fmt.Errorf("%w: %v can claim nothing of %v", ErrSeal, by, s.Origin)
	}
	return nil
}
