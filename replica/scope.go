package replica

import (
	"errors"
	"fmt"
	"math"

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
	sum     crdt.Sum // over (key, digest) of every record
	waiting map[clock.Dot]*waiter
	maxed   clock.Stamp // the highest applied stamp
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
	return &scope{name: name, number: number, chains: map[clock.Origin]crdt.Hash{}, waiting: map[clock.Dot]*waiter{}}
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

// loadScope rebuilds a scope from its rows: the last change of every origin
// tells clock and chain, the fate rows what waits, and the row entered last the
// running sum.
func (r *Replica) loadScope(name string, number uint32) (*scope, error) {
	s := newScope(name, number)
	var newest uint64
	if v, found, err := r.store.get(numberKey(rowSum, number)); err != nil {
		return nil, err
	} else if found {
		if newest, s.sum, err = decodeSum(numberKey(rowSum, number), v); err != nil {
			return nil, err
		}
	}
	r.seq = max(r.seq, newest)
	for n, o := range r.origins.origins {
		last, found, err := r.store.last(dotKey(rowChange, number, uint32(n), math.MaxUint64)[:9])
		if err != nil {
			return nil, err
		}
		if !found {
			continue
		}
		row, err := decodeChangeRow(last.key, last.value)
		if err != nil {
			return nil, err
		}
		_, _, at, err := splitDotKey(last.key)
		if err != nil {
			return nil, err
		}
		s.stored.Set(o, at)
		s.chains[o] = row.chain
		r.seq = max(r.seq, row.seq)
		if row.fate == Applied && row.seq >= newest {
			newest, s.sum = row.seq, row.sum
		}
		if c, err := crdt.DecodeChange(row.change); err == nil && row.fate == Applied {
			s.maxed = max(s.maxed, c.Stamp)
		}
	}
	return s, r.loadFates(s)
}

func (r *Replica) loadFates(s *scope) error {
	waits := map[clock.Origin][]uint64{}
	prefix := numberKey(rowFate, s.number)
	for row, err := range r.store.scan(prefix, nil) {
		if err != nil {
			return err
		}
		f, err := decodeFateRow(row.key, row.value)
		if err != nil {
			return err
		}
		if f.fate != Waiting {
			continue
		}
		_, num, n, err := splitDotKey(row.key)
		if err != nil {
			return err
		}
		o, ok := r.origins.origin(num)
		if !ok {
			return &CorruptError{Row: "fate", Key: row.key, Err: fmt.Errorf("origin %d is not known", num)}
		}
		stored, err := r.readChange(s.number, place{num, n})
		if err != nil {
			return err
		}
		c, err := crdt.DecodeChange(stored.change)
		var unknown error
		if errors.Is(err, crdt.ErrUnknownShape) {
			c, unknown, err = &crdt.Change{Dot: clock.Dot{Origin: o, N: n}}, err, nil
		}
		if err != nil {
			return &CorruptError{Row: "change", Key: row.key, Err: err}
		}
		s.waiting[c.Dot] = &waiter{unknown: unknown, change: c, hash: crdt.HashOf(stored.change), chain: stored.chain, code: f.code}
		waits[o] = append(waits[o], n)
	}
	for o, last := range s.stored.All() {
		from := uint64(1)
		for _, n := range waits[o] {
			if n > from {
				s.applied.AddRange(clock.Range{Origin: o, From: from, To: n - 1})
			}
			from = n + 1
		}
		if from <= last {
			s.applied.AddRange(clock.Range{Origin: o, From: from, To: last})
		}
	}
	return nil
}

// readChange reads the row of a change that the clocks say is there.
func (r *Replica) readChange(scope uint32, p place) (*changeRow, error) {
	key := dotKey(rowChange, scope, p.origin, p.n)
	v, found, err := r.store.get(key)
	if err != nil {
		return nil, err
	}
	if !found || len(v) == 0 {
		return nil, &CorruptError{Row: "change", Key: key, Err: ErrNotFound}
	}
	return decodeChangeRow(key, v)
}
