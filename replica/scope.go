package replica

import (
	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
)

// scope is the unit of replication: the clocks, chains and the running sum of
// the records in it. It is kept in memory and rebuilt from rows on opening.
type scope struct {
	name    string
	number  uint32
	stored  clock.VersionVector // received or made, durable once committed
	applied clock.Context       // applied or rejected
	chains  map[clock.Origin]crdt.Hash
	tally
	waiting map[clock.Dot]*waiter
	maxed   clock.Stamp // the highest applied stamp
	// broken are changes that were entered and whose rows are damaged.
	broken map[clock.Dot]struct{}
	// rebuild is set when change rows came back that the rest must be made from
	// again.
	rebuild bool
	healed  map[clock.Dot]crdt.Hash // chain digests of rows that came back
	absence absence
}

// waiter is a change that is stored and not applied.
type waiter struct {
	change *crdt.Change
	hash   crdt.Hash
	chain  crdt.Hash // as its row has it
	needs  []clock.Dot
	code   string
	// unknown is set for a change that a later version wrote, which cannot be
	// read whole.
	unknown error
}

func newScope(name string, number uint32) *scope {
	return &scope{name: name, number: number, chains: map[clock.Origin]crdt.Hash{}, waiting: map[clock.Dot]*waiter{},
		broken: map[clock.Dot]struct{}{}, healed: map[clock.Dot]crdt.Hash{}}
}

func (s *scope) chain(o clock.Origin) crdt.Hash {
	if h, ok := s.chains[o]; ok {
		return h
	}
	return crdt.ChainStart(s.name, o)
}

// blocked reports whether an earlier change of the same origin to the same
// record waits: an origin's changes to a record are applied in dot order, so
// that its vector is exact.
func (s *scope) blocked(c *crdt.Change, key string) (clock.Dot, bool) {
	for d, w := range s.waiting {
		if d.Origin != c.Dot.Origin || d.N >= c.Dot.N {
			continue
		}
		for i := range w.change.Parts {
			if w.change.Parts[i].Key == key {
				return d, true
			}
		}
	}
	return clock.Dot{}, false
}

// readChange reads the row of a change that the clocks say is there.
func (r *Replica) readChange(scope uint32, p place) (*changeRow, error) {
	return readChange(r.store, scope, p)
}

func readChange(v reader, scope uint32, p place) (*changeRow, error) {
	key := dotKey(rowChange, scope, p.origin, p.n)
	b, found, err := v.get(key)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, &CorruptError{Row: "change", Key: key, Err: errMissing}
	}
	return decodeChangeRow(key, b)
}
