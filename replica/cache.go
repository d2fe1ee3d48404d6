package replica

import (
	"sync/atomic"

	"github.com/concord-crdt/concord/crdt"
)

// open is a record in memory: its state and its header, both as of the last
// staged change.
type open struct {
	key     string
	record  *crdt.Record
	header  header
	exists  bool // it has a header row, or will have with the current batch
	dirty   bool // its header is still to be written, see dirty
	used    atomic.Bool
	counted int // its share of what the cache has taken
}

// cacheKey names a record of this store.
type cacheKey struct {
	scope string
	key   string
}

// weight estimates what the record takes in memory, from what it takes stored:
// decoded it is some four times that, and never nothing.
func (o *open) weight() int {
	return 1024 + 4*int(o.header.size+o.header.tail)
}

// cache keeps records decoded, within a budget of bytes, and gives up those that
// were not used since the hand last passed (second chance). A record whose last
// change has not reached the store yet is never given up: it could not be read
// back.
type cache struct {
	budget  int
	taken   int // by weight when it was last looked at
	records map[cacheKey]*open
	ring    []cacheKey
	hand    int
}

func newCache(budget int) *cache { return &cache{budget: budget, records: map[cacheKey]*open{}} }

func (c *cache) get(k cacheKey) *open {
	o := c.records[k]
	if o != nil {
		o.used.Store(true)
	}
	return o
}

// put adds a record; durable is the last seq that is in the store.
func (c *cache) put(k cacheKey, o *open, durable uint64) {
	o.used.Store(true)
	o.counted = o.weight()
	c.taken += o.counted
	c.records[k] = o
	c.ring = append(c.ring, k)
	c.shrink(durable)
}

// changed counts a record again after a change, and takes it back if it was
// given up while the change was made: the store does not have it so yet.
func (c *cache) changed(k cacheKey, o *open, durable uint64) {
	if c.records[k] != o {
		c.put(k, o, durable)
		return
	}
	w := o.weight()
	c.taken += w - o.counted
	o.counted = w
}

// maxHeld is how many records that cannot be given up are passed for one that is
// put: where a batch has altered more than fits, nearly all are such.
const maxHeld = 64

// shrink gives records up until the rest fits, or nothing more is found that can
// be. The one that was put last stays. O(1), over all records put and used.
func (c *cache) shrink(durable uint64) {
	held := 0
	for tries := 2 * len(c.ring); c.taken > c.budget && len(c.ring) > 1 && tries > 0; tries-- {
		last := len(c.ring) - 1
		c.hand %= last
		k := c.ring[c.hand]
		v := c.records[k]
		if v.used.Swap(false) {
			c.hand++
			continue
		}
		if v.header.lastSeq > durable {
			if held++; held == maxHeld {
				return
			}
			c.hand++
			continue
		}
		c.taken -= v.counted
		delete(c.records, k)
		c.ring[c.hand], c.ring[last-1], c.ring = c.ring[last-1], c.ring[last], c.ring[:last]
	}
}

func (c *cache) clear() {
	c.records = map[cacheKey]*open{}
	c.ring, c.hand, c.taken = nil, 0, 0
}
