package replica

import (
	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/replica/session"
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
	waiting waiting
	maxed   clock.Stamp // the highest applied stamp
	// broken are changes that were entered and whose rows are damaged.
	broken map[clock.Dot]struct{}
	// rebuild is set when change rows came back that the rest must be made from
	// again.
	rebuild bool
	healed  map[clock.Dot]crdt.Hash // chain digests of rows that came back
	absence absence
	status  *session.ScopeStatus // as it was given out last; nil: it has changed since
	touched bool                 // its tally is written with the open group
	floor   *crdt.Floor          // the marks that were applied
	moved   *crdt.Restamps       // and the restamps
	seals   *crdt.Seals          // and the seals
	settled uint64               // by which mark all records are folded
	after   string               // up to where those of the next one are
	listed  crdt.DeletePolicy    // by which headers say whether records exist
	known   *crdt.Floor          // the marks by which records may be folded already, see [scope.marks]
	anew    bool                 // it is being made again from its changes
	lacking lacking              // records that are to come as fragments
}

func newScope(name string, number uint32) *scope {
	return &scope{name: name, number: number, chains: map[clock.Origin]crdt.Hash{}, waiting: newWaiting(),
		broken: map[clock.Dot]struct{}{}, healed: map[clock.Dot]crdt.Hash{}}
}

// marks is the chain of marks by which a record of the scope may be folded: a
// fragment brings it below one before the mark itself is applied.
func (s *scope) marks() *crdt.Floor {
	if s.known.Number() > s.floor.Number() {
		return s.known
	}
	return s.floor
}

func (s *scope) chain(o clock.Origin) crdt.Hash {
	if h, ok := s.chains[o]; ok {
		return h
	}
	return crdt.ChainStart(s.name, o)
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
