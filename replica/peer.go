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
	if err := r.catchUp(); err != nil {
		return session.Status{}, err
	}
	r.mu.Lock()
	if err := r.usable(); err != nil {
		r.mu.Unlock()
		return session.Status{}, err
	}
	var st session.Status
	for _, s := range r.scopes {
		st.Scopes = append(st.Scopes, r.statusOf(s))
	}
	b := r.commits.current
	r.mu.Unlock()
	return st, r.await(b)
}

// catchUp applies what only waited for time to pass, a settle mark perhaps, and
// ends a fold that an error of the disk cut off.
func (r *Replica) catchUp() error {
	r.mu.Lock()
	err := r.usable()
	if err == nil {
		err = r.retryAll()
	}
	r.mu.Unlock()
	if err != nil {
		return err
	}
	return r.settleRecords()
}

// statusOf describes a scope. What is given out is not changed any more: the next
// change of the scope makes it anew. Only who asks a second time needs the digest,
// so that it is not reckoned with every change. The caller holds r.mu for writing.
func (r *Replica) statusOf(s *scope) session.ScopeStatus {
	switch {
	case s.status == nil:
		s.status = &session.ScopeStatus{
			Name: s.name, Class: class(r.priority(s.name)),
			Stored: s.stored.Clone(), Applied: s.appliedToAll(),
			Fingerprint: s.fingerprint(), Chains: maps.Clone(s.chains), Lacks: s.lacking.husks > 0,
		}
	case s.status.Digest == crdt.Hash{}:
		s.status.Digest = s.status.Sum()
	}
	return *s.status
}

// Chains reads the digests from the change rows.
func (p peerStore) Chains(scope string, o clock.Origin, ns []uint64) ([]session.ChainAt, error) {
	number, origin, last, ok := p.find(scope, o)
	out := make([]session.ChainAt, 0, len(ns))
	for _, n := range ns {
		at := session.ChainAt{N: n}
		switch {
		case n == 0:
			at.Hash, at.Known = crdt.ChainStart(scope, o), true
		case ok && n <= last:
			row, err := p.r.readChange(number, place{origin, n})
			if err != nil {
				return nil, err
			}
			at.Hash, at.Known = row.chain, true
		}
		out = append(out, at)
	}
	return out, nil
}

// find looks up a scope's number and an origin's, and the last of its changes
// that is stored.
func (p peerStore) find(scope string, o clock.Origin) (number, origin uint32, last uint64, ok bool) {
	p.r.mu.RLock()
	defer p.r.mu.RUnlock()
	s := p.r.scopes[scope]
	origin, ok = p.r.origins.numbers[o]
	if s == nil || !ok {
		return 0, 0, 0, false
	}
	return s.number, origin, s.stored.Get(o), true
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
