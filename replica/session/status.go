package session

import (
	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt"
)

// peerScope is what the peer says of one scope.
type peerScope struct {
	name        string
	stored      clock.VersionVector
	applied     crdt.Hash // digest of the applied clock
	whole       bool      // it is the stored clock: nothing waits
	fingerprint crdt.Hash
	// chains are at the last number in stored of the reader's own origins.
	chains []originHash
}

type originHash struct {
	origin clock.Origin
	hash   crdt.Hash
}

// statusAppliedAll marks a scope where nothing waits: the applied clock is the
// stored one.
const statusAppliedAll = 1

// encodeStatus writes the scopes, sorted by name, for the peer named.
func encodeStatus(scopes []*ScopeStatus, peer clock.ReplicaID) []byte {
	var t clock.Table
	body := codec.NewWriter(make([]byte, 0, 64*len(scopes)))
	body.Uvarint(uint64(len(scopes)))
	for _, s := range scopes {
		body.String(s.Name)
		all := clock.ContextOf(s.Stored)
		if s.Applied.Equal(&all) {
			body.Byte(statusAppliedAll)
		} else {
			body.Byte(0)
			writeHash(body, s.appliedDigest())
		}
		s.Stored.Write(body, &t)
		writeHash(body, s.Fingerprint)
		var theirs []clock.Origin
		for o := range s.Stored.All() {
			if o.Replica == peer {
				theirs = append(theirs, o)
			}
		}
		body.Uvarint(uint64(len(theirs)))
		for _, o := range theirs {
			clock.WriteOrigin(body, &t, o)
			writeHash(body, s.chain(o))
		}
	}
	w := codec.NewWriter(make([]byte, 0, body.Len()+25*t.Len()))
	t.Write(w)
	w.Raw(body.Bytes())
	return w.Bytes()
}

// decodeStatus reads what encodeStatus wrote for the replica named, within the
// limits of cfg.
func decodeStatus(b []byte, cfg *Config, self clock.ReplicaID) ([]peerScope, error) {
	r := codec.NewReader(b)
	t := clock.ReadTable(r, cfg.MaxClockEntries)
	count := r.Count("scopes", cfg.MaxScopes, 20)
	scopes := make([]peerScope, 0, count)
	entries := 0
	for range count {
		s := peerScope{name: r.String("scope", maxScopeName)}
		if n := len(scopes); n > 0 && scopes[n-1].name >= s.name {
			r.Fail("scopes", codec.ErrNotCanonical)
		}
		flags := r.Byte()
		if flags&^statusAppliedAll != 0 {
			r.Fail("scope flags", codec.ErrMalformed)
		}
		if flags == 0 {
			s.applied = readHash(r)
		}
		s.stored = clock.ReadVersionVector(r, t)
		s.fingerprint = readHash(r)
		all := ScopeStatus{Applied: clock.ContextOf(s.stored)}
		switch whole := all.appliedDigest(); {
		case flags == statusAppliedAll:
			s.applied, s.whole = whole, true
		case s.applied == whole:
			r.Fail("scope flags", codec.ErrNotCanonical)
		}
		if entries += s.stored.Len(); entries > cfg.MaxClockEntries {
			r.Fail("clock entries", &codec.LimitError{What: "clock entries", Got: uint64(entries), Max: uint64(cfg.MaxClockEntries)})
		}
		mine := 0
		for o := range s.stored.All() {
			if o.Replica == self {
				mine++
			}
		}
		if n := r.Count("chain digests", s.stored.Len(), 17); n != mine && r.Err() == nil {
			r.Fail("chain digests", codec.ErrMalformed)
		}
		for i := range mine {
			c := originHash{clock.ReadOrigin(r, t), readHash(r)}
			if r.Err() != nil {
				break
			}
			if c.origin.Replica != self || s.stored.Get(c.origin) == 0 ||
				i > 0 && s.chains[i-1].origin.Compare(c.origin) >= 0 {
				r.Fail("chain digests", codec.ErrMalformed)
				break
			}
			s.chains = append(s.chains, c)
		}
		if r.Err() != nil {
			return nil, r.Err()
		}
		scopes = append(scopes, s)
	}
	t.CheckUse(r)
	return scopes, r.Close()
}
