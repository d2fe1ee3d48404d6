package replica

import (
	"sync/atomic"

	"github.com/concord-crdt/concord/crdt"
)

// open is a record in memory: its state and its header, both as of the last
// staged change.
type open struct {
	key    string
	record *crdt.Record
	header header
	exists bool // it has a header row, or will have with the current batch
	used   atomic.Bool
}

// cacheKey names a record of this store.
type cacheKey struct {
	scope string
	key   string
}

// cache keeps records decoded, up to a number of them, and gives up those that
// were not used since the hand last passed (second chance). A record whose
// last change has not reached the store yet is never given up: it could not be
// read back.
type cache struct {
	limit   int
	records map[cacheKey]*open
	ring    []cacheKey
	hand    int
}

func newCache(limit int) *cache { return &cache{limit: limit, records: map[cacheKey]*open{}} }

func (c *cache) get(k cacheKey) *open {
	o := c.records[k]
	if o != nil {
		o.used.Store(true)
	}
	return o
}

// put adds a record; durable is the last seq that is in the store.
func (c *cache) put(k cacheKey, o *open, durable uint64) {
	for tries := 2 * len(c.ring); len(c.ring) >= c.limit && tries > 0; tries-- {
		c.hand %= len(c.ring)
		v := c.records[c.ring[c.hand]]
		if v.used.Swap(false) || v.header.lastSeq > durable {
			c.hand++
			continue
		}
		delete(c.records, c.ring[c.hand])
		last := len(c.ring) - 1
		c.ring[c.hand] = c.ring[last]
		c.ring = c.ring[:last]
	}
	o.used.Store(true)
	c.records[k] = o
	c.ring = append(c.ring, k)
}

func (c *cache) clear() {
	c.records = map[cacheKey]*open{}
	c.ring, c.hand = nil, 0
}
