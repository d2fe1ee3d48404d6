package session

import (
	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt"
)

// Where there are many scopes a status of all of them would cost far more than
// what changed. So each side first sends digests of groups of scopes, and the
// statuses speak only of the groups whose digests differ. A scope belongs to a
// group by a hash of its name: no list of names is needed to agree on them.
type summary struct {
	size int    // number of groups; 0: there is no summary
	open []bool // the groups that differ, once both sides have said theirs
	own  []uint64
}

const (
	fewScopes   = 64 // up to so many a summary would not pay
	maxBuckets  = 1 << 12
	bucketBytes = 8
)

// bucketCount is the number of groups for so many scopes: about eight times
// their square root, where the digests of all groups weigh as much as the
// statuses that ten differences cost. 0: no summary.
func bucketCount(scopes uint64) int {
	if scopes <= fewScopes {
		return 0
	}
	n := 64
	for n < maxBuckets && uint64(n/8)*uint64(n/8) < scopes {
		n *= 2
	}
	return n
}

// bucket is the group of a scope.
func (s *summary) bucket(name string) int {
	w := codec.NewWriter(nil)
	w.String("concord bucket")
	w.String(name)
	return int(crdt.HashOf(w.Bytes()).Digest() % uint32(s.size))
}

// differs reports whether the statuses speak of a scope.
func (s *summary) differs(name string) bool {
	return s.size == 0 || s.open != nil && s.open[s.bucket(name)]
}

// spoken lists the own scopes that the statuses speak of.
func (c *Core) spoken() []*ScopeStatus {
	list := c.shared()
	kept := list[:0]
	for _, s := range list {
		if c.buckets.differs(s.Name) {
			kept = append(kept, s)
		}
	}
	return kept
}

func (c *Core) saySummary() {
	groups := make([]*codec.Writer, c.buckets.size)
	for _, s := range c.shared() {
		b := c.buckets.bucket(s.Name)
		if groups[b] == nil {
			groups[b] = codec.NewWriter(nil)
		}
		h := s.sum()
		groups[b].Raw(h[:])
	}
	w := codec.NewWriter(make([]byte, 0, bucketBytes*len(groups)))
	c.buckets.own = make([]uint64, len(groups))
	for i, g := range groups {
		if g != nil {
			h := crdt.HashOf(g.Bytes())
			c.buckets.own[i] = codec.NewReader(h[:]).Uint64()
		}
		w.Uint64(c.buckets.own[i])
	}
	c.write(frameSummary, 0, w.Bytes())
}

func (c *Core) onSummary(body []byte) {
	if c.buckets.own == nil {
		c.fail(violation("summary that was not asked for"))
		return
	}
	r := codec.NewReader(body)
	c.buckets.open = make([]bool, c.buckets.size)
	for i, own := range c.buckets.own {
		c.buckets.open[i] = r.Uint64() != own
	}
	if err := r.Close(); err != nil {
		c.fail(classify("summary", err))
		return
	}
	c.buckets.own = nil
	c.assumeEqual()
	c.clocks.await = c.now
	c.sayStatus()
}

// assumeEqual notes that the peer has what is here, in the scopes that the
// statuses do not speak of.
func (c *Core) assumeEqual() {
	var acks []Acknowledgement
	for _, s := range c.shared() {
		if c.buckets.size > 0 && c.buckets.differs(s.Name) {
			continue
		}
		c.scope(s.Name).peer = s.Stored.Clone()
		if all := clock.ContextOf(s.Stored); s.Applied.Equal(&all) {
			acks = append(acks, Acknowledgement{s.Name, s.Stored.Clone()})
		}
	}
	c.acknowledged(acks)
}
