package replica

import (
	"crypto/sha256"
	"strings"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/internal/planted"
)

// entry is a change on its way into the store.
type entry struct {
	scope   *scope
	change  *crdt.Change
	encoded []byte
	hash    crdt.Hash
	fate    Fate
	code    string // of a change that is not applied
	reason  string
	opens   []*open // of its parts, with the change applied; nil for one that waits
	stored  bool    // its row is there already: it waited
}

// enter stages the rows of a change and moves the scope's clocks, chain and
// sum. The headers follow when the group is closed. The caller holds r.mu, stages
// g next, and closes no group between.
func (r *Replica) enter(g *group, e *entry) {
	s, dot := e.scope, e.change.Dot
	num := r.number(dot.Origin, g)
	r.seq++
	if !planted.Is(planted.TallyNotKept) {
		r.touch(s)
	}
	s.status = nil
	rw := &changeRow{fate: e.fate, seq: r.seq, change: e.encoded}
	if e.stored {
		rw.chain = s.waiting.changes[dot].chain
		s.waiting.remove(dot)
	} else {
		rw.chain = crdt.Chain(s.chain(dot.Origin), e.hash)
		s.chains[dot.Origin] = rw.chain
		s.stored.Advance(dot)
		r.changes++
		r.commits.current.dots = append(r.commits.current.dots, scopeDot{s.name, dot})
	}
	switch {
	case e.fate == Applied && e.stored:
		s.fates--
	case e.fate != Applied && !e.stored:
		s.fates++
	}
	for _, o := range e.opens {
		digest := o.record.Digest()
		if !o.exists {
			s.records++
		} else if !o.header.purged {
			s.sum.Sub(item(o.key, o.header.digest))
		}
		// A fragment may have brought the change, and that it is forgotten.
		if o.header.purged = o.record.IsPurged(); !o.header.purged {
			s.sum.Add(item(o.key, digest))
		}
		rw.parts = append(rw.parts, partRow{o.header.last, o.header.digest, digest})
		o.header.digest = digest
		o.header.last, o.header.lastSeq = place{num, dot.N}, r.seq
		o.header.tail += tailWeight(len(e.encoded), len(e.change.Parts))
		o.exists = true
		r.soil(s, o)
		r.queue.altered(cacheKey{s.name, o.key})
		r.cache.changed(cacheKey{s.name, o.key}, o, r.durable)
	}
	rw.tally = s.tally
	key := dotKey(rowChange, s.number, num, dot.N)
	*g = append(*g, row{key, rw.encode(key)})
	r.enterFate(g, e, num)
	if e.fate == Waiting {
		if planted.Is(planted.WaitingAsApplied) {
			s.applied.Add(dot)
		}
		return
	}
	s.applied.Add(dot)
	s.waiting.met(dot, &s.applied)
	if e.fate == Applied {
		s.maxed = max(s.maxed, s.moved.Correct(dot, e.change.Stamp, nil))
		r.decided(s, e.change, e.hash.Digest())
		if s.name == policyScope {
			r.learned(e.change)
		}
	}
}

// enterFate keeps the fate row in step.
func (r *Replica) enterFate(g *group, e *entry, num uint32) {
	if e.fate == Applied && !e.stored {
		return
	}
	fate := row{key: dotKey(rowFate, e.scope.number, num, e.change.Dot.N)}
	if e.fate != Applied {
		reason := strings.ToValidUTF8(e.reason[:min(len(e.reason), maxReason)], "")
		fate.value = (&fateRow{e.fate, e.code, reason, clock.NewStamp(r.wall(), 0)}).encode(fate.key)
	}
	*g = append(*g, fate)
}

// item is a record's share in the sum of its scope.
func item(key string, digest crdt.Hash) [32]byte {
	w := codec.NewWriter(make([]byte, 0, len(key)+24))
	w.String(key)
	w.Raw(digest[:])
	return sha256.Sum256(w.Bytes())
}

// fingerprint is a hash of the scope's sum: equal for equal records.
func (s *scope) fingerprint() (h crdt.Hash) {
	w := codec.NewWriter(make([]byte, 0, 40))
	s.sum.Write(w)
	return crdt.HashOf(w.Bytes())
}

// newDot is the name of the next change of this replica in a scope.
func (r *Replica) newDot(s *scope) clock.Dot {
	d := clock.Dot{Origin: r.origin, N: 1}
	if s != nil {
		d.N += s.stored.Get(r.origin)
	}
	return d
}
