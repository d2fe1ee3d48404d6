package replica

import (
	"maps"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/merge"
	"github.com/concord-crdt/concord/replica/session"
)

// peerStore is what a session sees of the replica: only what is durable.
type peerStore struct{ r *Replica }

var _ session.Store = peerStore{}

// Status copies the clocks, and waits until what they cover is durable: no
// peer may see a change before that.
func (p peerStore) Status() (session.Status, error) {
	r := p.r
	r.mu.Lock()
	if err := r.usable(); err != nil {
		r.mu.Unlock()
		return session.Status{}, err
	}
	if err := r.retryAll(); err != nil { // time may have cured what was ahead
		r.mu.Unlock()
		return session.Status{}, err
	}
	var st session.Status
	for _, s := range r.scopes {
		st.Scopes = append(st.Scopes, session.ScopeStatus{
			Name: s.name, Class: class(r.options.Schema.Priority(s.name)),
			Stored: s.stored.Clone(), Applied: s.applied.Clone(),
			Fingerprint: s.fingerprint(), Chains: maps.Clone(s.chains),
		})
	}
	b := r.commits.current
	r.mu.Unlock()
	return st, r.await(b)
}

// Chains reads the digests from the change rows.
func (p peerStore) Chains(scope string, o clock.Origin, ns []uint64) ([]session.ChainAt, error) {
	s, number := p.find(scope, o)
	out := make([]session.ChainAt, 0, len(ns))
	for _, n := range ns {
		at := session.ChainAt{N: n}
		switch {
		case n == 0:
			at.Hash, at.Known = crdt.ChainStart(scope, o), true
		case s != nil && n <= s.stored.Get(o):
			row, err := p.r.readChange(s.number, place{number, n})
			if err != nil {
				return nil, err
			}
			at.Hash, at.Known = row.chain, true
		}
		out = append(out, at)
	}
	return out, nil
}

// find looks up a scope and an origin's number.
func (p peerStore) find(scope string, o clock.Origin) (*stretch, uint32) {
	p.r.mu.RLock()
	defer p.r.mu.RUnlock()
	s := p.r.scopes[scope]
	n, ok := p.r.origins.numbers[o]
	if s == nil || !ok {
		return nil, 0
	}
	return &stretch{number: s.number, stored: s.stored.Clone()}, n
}

// class numbers priorities as sessions do: 0 goes first.
func class(p merge.Priority) uint8 { return uint8(merge.Critical - p) }

// stretch is what a reader needs of a scope without holding the lock.
type stretch struct {
	number uint32
	stored clock.VersionVector
}

// Changes reads change rows in the order of their dots. How far the own ones
// may be seen from now on is durable before any of them is returned.
func (p peerStore) Changes(scope string, ranges []clock.Range, maxBytes int) (session.Batch, error) {
	var b session.Batch
	bytes := 0
	for i, rg := range ranges {
		s, number := p.find(scope, rg.Origin)
		if s == nil {
			continue
		}
		if err := p.r.offer(scope, rg.Origin, min(rg.To, s.stored.Get(rg.Origin))); err != nil {
			return b, err
		}
		before := crdt.ChainStart(scope, rg.Origin)
		if rg.From > 1 {
			row, err := p.r.readChange(s.number, place{number, rg.From - 1})
			if err != nil {
				return b, err
			}
			before = row.chain
		}
		prefix := dotKey(rowChange, s.number, number, 0)[:9]
		n := rg.From
		for row, err := range p.r.store.scan(prefix, dotKey(rowChange, s.number, number, rg.From)) {
			if err != nil {
				return b, err
			}
			if n > rg.To || n > s.stored.Get(rg.Origin) {
				break
			}
			if bytes >= maxBytes {
				b.Rest = append(append(b.Rest, clock.Range{Origin: rg.Origin, From: n, To: rg.To}), ranges[i+1:]...)
				return b, nil
			}
			_, _, at, err := splitDotKey(row.key)
			if err != nil || at != n {
				break // a row is missing: what follows it is left out and reported
			}
			c, err := decodeChangeRow(row.key, row.value)
			if err != nil {
				break
			}
			b.Changes = append(b.Changes, session.Change{Dot: clock.Dot{Origin: rg.Origin, N: n}, Encoded: c.change, Before: before})
			before = c.chain
			bytes += len(c.change)
			n++
		}
	}
	return b, nil
}

// Apply takes over what a peer sent.
func (p peerStore) Apply(in session.Intake) ([]session.Verdict, error) { return p.r.intake(in) }

// Reissue makes this replica's changes after common again, under a new
// incarnation.
func (p peerStore) Reissue(scope string, o clock.Origin, common uint64) (clock.Origin, error) {
	return p.r.reissue(scope, o, common)
}
