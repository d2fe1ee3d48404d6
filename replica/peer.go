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

// Apply takes over what a peer sent.
func (p peerStore) Apply(in session.Intake) ([]session.Verdict, error) { return p.r.intake(in) }

// Reissue makes this replica's changes after common again, under a new
// incarnation.
func (p peerStore) Reissue(scope string, o clock.Origin, common uint64) (clock.Origin, error) {
	return p.r.reissue(scope, o, common)
}
