package replica

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/replica/session"
)

// A replica that goes on under a new incarnation seals the one before, so that
// the new one can take over what the old one held. It does so by itself only
// where it is sure what the last change was: its store lost its end and the side
// file beside it did not, which says what any peer can have seen. Where the whole
// directory was put back or copied, a third replica may know more, or the
// incarnation may live on elsewhere: a person says so by [Replica.Seal].
//
// A seal that comes too early loses nothing. What lies beyond waits until the
// replica that sealed hears of it and seals the incarnation again, there; and an
// incarnation that hears that it was sealed ends itself.

// Seal ends an origin in a scope, at the last change of it that is here: an
// earlier incarnation of this replica, or any origin of a device that is lost
// where this replica is the scope's steward. An incarnation that ended when the
// store lost its end is sealed without being asked.
//
// What the device wrote and this replica has not heard of waits, here and
// elsewhere, as soon as it comes to light, until the origin is sealed again beyond
// it. The error wraps [crdt.ErrSeal].
func (r *Replica) Seal(ctx context.Context, scope string, o clock.Origin) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := checkKey(scope); err != nil {
		return err
	}
	r.mu.Lock()
	b, err := r.sealAs(scope, o)
	r.mu.Unlock()
	if err != nil {
		return fmt.Errorf("replica: seal %v in scope %q: %w", o, scope, err)
	}
	return r.await(b)
}

func (r *Replica) sealAs(scope string, o clock.Origin) (*batch, error) {
	if err := r.usable(); err != nil {
		return nil, err
	}
	if err := r.renewed(); err != nil {
		return nil, err
	}
	var steward clock.ReplicaID
	s := r.scopes[scope]
	if s != nil && s.floor != nil {
		steward = s.floor.Mark.Steward
	}
	x := crdt.Seal{Origin: o}
	if err := x.Check(clock.Dot{Origin: r.origin, N: 1}, steward); err != nil {
		return nil, err
	}
	if s == nil {
		return r.commits.current, nil // there is nothing to end
	}
	if err := r.seal(s, o); err != nil {
		return nil, err
	}
	return r.commits.current, nil
}

// seal writes a seal of what is here of an origin. The caller holds r.mu.
func (r *Replica) seal(s *scope, o clock.Origin) error {
	x := crdt.Seal{Origin: o, Last: s.stored.Get(o), Chain: s.chain(o)}
	if was, sealed := s.seals.Of(o); sealed && was.Last >= x.Last {
		return nil
	}
	_, err := r.change(s.name, func(tx *Tx) error { return tx.decide(func(e *Record) error { return e.Seal(x) }) }, nil)
	if err != nil {
		return err
	}
	r.log.Info("sealed an incarnation", "scope", s.name, "origin", o.String(), "last", x.Last)
	return r.retry(s)
}

// sealFinished seals, as a session begins, what is sure to have ended with what
// is here, and seals again where more came to light than was sealed. The caller
// does not hold r.mu.
func (r *Replica) sealFinished() error {
	r.mu.Lock()
	if r.maySeal() {
		for _, name := range slices.Sorted(maps.Keys(r.scopes)) {
			s := r.scopes[name]
			for _, o := range slices.SortedFunc(maps.Keys(r.finished), clock.Origin.Compare) {
				was, sealed := s.seals.Of(o)
				last := s.stored.Get(o)
				if r.finished[o].endedBy(name, last) && !sealed || sealed && was.Last < last {
					r.trySeal(s, o)
				}
			}
			for x := range s.seals.All() {
				if x.By.Dot.Origin.Replica == r.origin.Replica && x.Origin != r.origin && x.Last < s.stored.Get(x.Origin) {
					r.trySeal(s, x.Origin)
				}
			}
		}
	}
	b := r.commits.current
	r.mu.Unlock()
	return r.await(b)
}

// maySeal reports whether the store is in a state to say where an incarnation
// ended: it goes on, and no row is damaged. A store that lost its end is whole up
// to there, and a peer has the rest.
func (r *Replica) maySeal() bool {
	for _, d := range r.damage {
		if d.Row != "store" && d.Row != "identity" {
			return false
		}
	}
	return r.usable() == nil && !r.renew && !r.mending && r.space.writable() == nil
}

// trySeal seals where nobody asked for it: a scope in which nothing can be
// written is sealed another time.
func (r *Replica) trySeal(s *scope, o clock.Origin) {
	if err := r.seal(s, o); err != nil {
		r.log.Warn("could not seal an incarnation", "scope", s.name, "origin", o.String(), "error", err)
	}
}

// sealed takes the seals that an applied change carries. The caller holds r.mu.
func (r *Replica) sealed(s *scope, seals []crdt.Sealed) {
	for _, x := range seals {
		s.seals = s.seals.With(x)
		if x.Origin == r.origin {
			r.shared = true
			r.doubt(fmt.Sprintf("%v sealed the incarnation in scope %q", x.By.Dot.Origin, s.name))
		}
	}
}

// sealFault says what a change waits for, or why it is void, by the seals of its
// scope: those that end its origin, those that it carries, and those that it
// claims rights by. The caller holds r.mu.
func (r *Replica) sealFault(s *scope, c *crdt.Change) (needs []clock.Dot, code session.Code, err error) {
	if s.seals.Beyond(c.Dot) {
		x, _ := s.seals.Of(c.Dot.Origin)
		return nil, session.CodeFork, fmt.Errorf("lies beyond the seal of its origin at change %d, by %v", x.Last, x.By.Dot)
	}
	for _, x := range decisionOf(c).Seals {
		var steward clock.ReplicaID
		if f := s.floor.At(s.floor.Find(c.Floor)); f != nil {
			steward = f.Mark.Steward
		}
		if err := x.Check(c.Dot, steward); err != nil {
			return nil, session.CodeInvalid, err
		}
		if code, err := r.chainFault(s, &x.Seal); err != nil {
			return nil, code, err
		}
	}
	for i := range c.Parts {
		for _, x := range c.Parts[i].Claims() {
			if !s.applied.Contains(x.Seal.Dot) {
				return []clock.Dot{x.Seal.Dot}, session.CodeMissingHead, fmt.Errorf("waits for the seal of %v", x.Origin)
			}
			if err := x.Check(c.Dot, s.seals); err != nil {
				return nil, session.CodeInvalid, err
			}
		}
	}
	return nil, session.CodeNone, nil
}

// chainFault says whether the history that a seal names is here.
func (r *Replica) chainFault(s *scope, x *crdt.Seal) (session.Code, error) {
	last := s.stored.Get(x.Origin)
	if last < x.Last {
		return session.CodeMissingHead, fmt.Errorf("seals %v at change %d, and change %d is here", x.Origin, x.Last, last)
	}
	chain := crdt.ChainStart(s.name, x.Origin)
	switch {
	case x.Last == last:
		chain = s.chain(x.Origin)
	case x.Last > 0:
		row, err := r.readStaged(s, clock.Dot{Origin: x.Origin, N: x.Last})
		if err != nil {
			return session.CodeUnavailable, err
		}
		chain = row
	}
	if chain != x.Chain {
		return session.CodeFork, fmt.Errorf("seals another history of %v than the one here, at change %d", x.Origin, x.Last)
	}
	return session.CodeNone, nil
}

// readStaged reads the chain digest at a change that may be on its way into the
// store.
func (r *Replica) readStaged(s *scope, d clock.Dot) (crdt.Hash, error) {
	num := r.origins.numbers[d.Origin]
	key := dotKey(rowChange, s.number, num, d.N)
	for _, b := range []*batch{r.commits.current, r.commits.writing} {
		if b == nil || !b.stores(scopeDot{s.name, d}) {
			continue
		}
		for _, g := range b.groups {
			for _, x := range g {
				if string(x.key) == string(key) {
					row, err := decodeChangeRow(x.key, x.value)
					if err != nil {
						return crdt.Hash{}, err
					}
					return row.chain, nil
				}
			}
		}
	}
	row, err := r.readChange(s.number, place{num, d.N})
	if err != nil {
		return crdt.Hash{}, err
	}
	return row.chain, nil
}

// Claim takes over what the sealed origins held of a bounded counter that this
// replica may claim: its own earlier incarnations, and lost devices that it
// sealed as steward. See [crdt.BoundedField.Claim], whose error it returns; it
// wraps [crdt.ErrSeal] if there is none.
func (p *Record) Claim(field string) error {
	var claimed bool
	if s := p.tx.scope; s != nil {
		for x := range s.seals.All() {
			if heir, taken := p.Bounded(field).Heir(x.Origin); !x.Claimable(p.tx.dot.Origin) || taken && heir != p.tx.dot.Origin {
				continue
			}
			claimed = true
			if err := p.Bounded(field).Claim(x); err != nil {
				return err
			}
		}
	}
	if !claimed {
		return fmt.Errorf("replica: nothing that is sealed in the scope is for %v to claim: %w", p.tx.dot.Origin, crdt.ErrSeal)
	}
	return nil
}
