package session

import (
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/internal/planted"
)

// A replica that was restored from a copy, with all that would tell it so, has
// forgotten changes that others hold. It finds out here, at the first contact
// and before it sends a change: for each of its own origins the peer states how
// far it holds it and the chain digest there. Where the own chain is missing or
// differs at that place, the last common number is searched, and what was made
// after it is made again under a new incarnation.

// check is one origin of this replica, as the peer knows it.
type check struct {
	scope  string
	origin clock.Origin
	n      uint64
	hash   crdt.Hash

	// The chains are equal at lo and not at hi.
	lo, hi  uint64
	missing bool // the own history does not reach n
}

type checker struct {
	queue    []check
	done     bool
	reissued bool
	lacking  bool // the peer has changes of own origins that are not here
	query    uint64
	asked    []uint64
	own      []ChainAt // at asked
	peer     []ChainAt
	asking   bool // a query is open
	rounds   int
}

// maxCheckRounds bounds the search of one origin. 31 points a round find any
// number in 13.
const maxCheckRounds = 64

// nextCheck looks at the next origin. Most need nothing but memory.
func (c *Core) nextCheck() {
	if planted.Is(planted.PastNotCompared) {
		c.check.queue = nil
	}
	for len(c.check.queue) > 0 {
		k := &c.check.queue[0]
		if own := c.own[k.scope]; own != nil && own.Stored.Get(k.origin) == k.n && own.chain(k.origin) == k.hash {
			c.check.queue = c.check.queue[1:]
			continue
		}
		// What memory says may be older than what the peer says: ask the store.
		c.command(ReadChains{k.scope, k.origin, []uint64{k.n}}, func(r Result) { c.checkAt(r.Chains) })
		return
	}
	c.endChecks()
}

func (c *Core) checkAt(own []ChainAt) {
	k := &c.check.queue[0]
	if len(own) != 1 {
		c.storeBroke("chain digests of %v", k.origin)
		return
	}
	c.check.rounds = 0
	k.lo, k.hi = 0, k.n
	switch {
	case own[0].Known && own[0].Hash == k.hash:
		c.check.queue = c.check.queue[1:]
		c.nextCheck()
	case own[0].Known:
		c.narrow()
	default:
		c.check.lacking, k.missing = true, true
		// Where the own history ends is the likeliest place of the last common
		// change: at what it is now, not at what it was as the session began.
		c.command(ReadStatus{}, func(r Result) {
			c.takeStatus(r.Status)
			k := &c.check.queue[0]
			if own := c.own[k.scope]; own != nil {
				k.hi = min(own.Stored.Get(k.origin)+1, k.n)
			} else {
				k.hi = 1
			}
			c.narrow()
		})
	}
}

// narrow asks both sides for digests between lo and hi, or ends the search.
func (c *Core) narrow() {
	k := &c.check.queue[0]
	if k.hi-k.lo <= 1 {
		c.foundCommon()
		return
	}
	if c.check.rounds++; c.check.rounds > maxCheckRounds {
		c.fail(violation("no common history of %v in scope %q after %d rounds", k.origin, k.scope, maxCheckRounds))
		return
	}
	c.check.asked = points(k.lo, k.hi)
	c.check.own, c.check.peer, c.check.asking = nil, nil, true
	c.check.query++
	q := chainQuery{c.check.query, k.scope, k.origin, c.check.asked}
	c.write(frameChainQuery, 0, q.encode())
	c.clocks.await = c.now
	c.command(ReadChains{k.scope, k.origin, c.check.asked}, func(r Result) {
		if len(r.Chains) != len(c.check.asked) {
			c.storeBroke("chain digests of %v", k.origin)
			return
		}
		c.check.own = r.Chains
		c.compare()
	})
}

// points chooses numbers between lo and hi, both excluded: the last one, and
// others spread evenly.
func points(lo, hi uint64) []uint64 {
	const most = maxQueryPoints - 1
	var ns []uint64
	if span := hi - lo - 1; span <= most {
		for n := lo + 1; n < hi; n++ {
			ns = append(ns, n)
		}
		return ns
	}
	step := (hi - lo) / (most + 1)
	for i := range uint64(most) {
		ns = append(ns, lo+(i+1)*step)
	}
	if ns[len(ns)-1] != hi-1 {
		ns = append(ns, hi-1)
	}
	return ns
}

func (c *Core) onChainAnswer(body []byte) {
	a, err := decodeChainAnswer(body)
	if err != nil {
		c.fail(classify("chain answer", err))
		return
	}
	if !c.check.asking || c.check.peer != nil || a.id != c.check.query || len(a.chains) != len(c.check.asked) {
		c.fail(violation("chain answer %d was not asked for", a.id))
		return
	}
	c.check.peer = a.chains
	c.compare()
}

// compare goes on when both sides have answered.
func (c *Core) compare() {
	if c.check.own == nil || c.check.peer == nil {
		return
	}
	c.check.asking = false
	k := &c.check.queue[0]
	for i, n := range c.check.asked {
		own, peer := c.check.own[i], c.check.peer[i]
		if !own.Known || !peer.Known || own.Hash != peer.Hash {
			k.hi = n
			break
		}
		k.lo = n
	}
	c.narrow()
}

// foundCommon decides what the last common number means.
func (c *Core) foundCommon() {
	k := c.check.queue[0]
	own := c.own[k.scope]
	last := uint64(0)
	if own != nil {
		last = own.Stored.Get(k.origin)
	}
	if k.origin != c.self && k.missing && last <= k.lo {
		// A finished incarnation, of which only the end is missing here.
		c.check.queue = c.check.queue[1:]
		c.nextCheck()
		return
	}
	c.command(ReissueChanges{k.scope, k.origin, k.lo}, func(r Result) {
		if r.Origin.Replica != c.self.Replica || r.Origin == k.origin {
			c.storeBroke("reissue of %v gave %v", k.origin, r.Origin)
			return
		}
		c.self = r.Origin
		c.check.reissued = true
		c.diverged = slices.DeleteFunc(c.diverged, func(a Alarm) bool { return a.Scope == k.scope })
		e := Reissued{k.scope, k.origin, k.lo, r.Origin}
		if len(c.report.Reissued) < maxAlarms {
			c.report.Reissued = append(c.report.Reissued, e)
		}
		c.event(e)
		if s := c.scopes[k.scope]; s != nil {
			delete(s.heads, k.origin)
		}
		c.check.queue = c.check.queue[1:]
		c.nextCheck()
	})
}

// endChecks goes on to the transfer. The peer has held back what it has of the
// own origins; a new status lets it go.
func (c *Core) endChecks() {
	finish := func() {
		c.check.done = true
		c.tellDivergence()
		if c.check.reissued || c.check.lacking {
			c.sayStatus()
		}
		c.difference()
	}
	if !c.check.reissued {
		finish()
		return
	}
	c.command(ReadStatus{}, func(r Result) {
		c.takeStatus(r.Status)
		finish()
	})
}

// maxQueries bounds how often a peer may ask in one session.
const maxQueries = 1 << 16

func (c *Core) onChainQuery(body []byte) {
	q, err := decodeChainQuery(body)
	if err != nil {
		c.fail(classify("chain query", err))
		return
	}
	c.recv.queries++
	if c.recv.answering || c.recv.queries > maxQueries || q.origin.Replica != c.peerHello.self.Replica {
		c.fail(violation("chain query %d for %v", q.id, q.origin))
		return
	}
	if !wishes(c.cfg.Scopes, q.scope) {
		a := chainAnswer{q.id, make([]ChainAt, len(q.ns))}
		c.write(frameChainAnswer, 0, a.encode())
		return
	}
	c.recv.answering = true
	c.command(ReadChains{q.scope, q.origin, slices.Clone(q.ns)}, func(r Result) {
		c.recv.answering = false
		if len(r.Chains) != len(q.ns) {
			c.storeBroke("chain digests of %v", q.origin)
			return
		}
		a := chainAnswer{q.id, r.Chains}
		c.write(frameChainAnswer, 0, a.encode())
	})
}
