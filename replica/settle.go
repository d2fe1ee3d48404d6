package replica

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/replica/session"
)

// ErrNotSteward means that this replica may not write settle marks: another is
// the scope's steward, or none is named by [Options.Steward].
var ErrNotSteward = errors.New("replica: not the steward of the scope")

// Settled says what became of [Replica.Settle].
type Settled struct {
	// Number of the mark that was written; zero: there was nothing to settle
	// that every member has.
	Number uint64
	// Cut is up to where the scope is settled now.
	Cut clock.VersionVector
	// Missing are the members that have not acknowledged anything beyond what
	// is settled already, and so hold everything up.
	Missing []clock.ReplicaID
}

// Settle writes the next settle mark of a scope, as far as it may: up to what
// every member has acknowledged in a session with this replica, which must be
// the scope's steward. Superseded values, deleted records and what single
// changes said are forgotten below it, here and, as the mark spreads, on every
// replica; no view changes by it.
//
// members are the replicas that it waits for; none means all that ever wrote to
// the scope or acknowledged something. A replica that is left out and comes back
// with changes of its own loses none of them: they are shown as late.
//
// Settle returns when all records here are folded, and the history that the budget
// does not cover is dropped, see [Options.HistoryBytes]: O(records and changes of
// the scope). The
// error is [ErrNotSteward], or of the store.
func (r *Replica) Settle(ctx context.Context, scope string, members ...clock.ReplicaID) (Settled, error) {
	out, b, err := r.settle(ctx, scope, members)
	if err != nil {
		return out, fmt.Errorf("replica: settle scope %q: %w", scope, err)
	}
	if err := r.await(b); err != nil {
		return out, err
	}
	if err := r.settleRecords(); err != nil {
		return out, err
	}
	return out, r.prune(ctx)
}

func (r *Replica) settle(ctx context.Context, name string, members []clock.ReplicaID) (out Settled, b *batch, err error) {
	if err := ctx.Err(); err != nil {
		return out, nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	b = r.commits.current
	if err := r.usable(); err != nil {
		return out, b, err
	}
	s := r.scopes[name]
	if s == nil {
		return out, b, nil
	}
	if !r.stewards(s) {
		return out, b, ErrNotSteward
	}
	acks, err := r.acknowledgements(s)
	if err != nil {
		return out, b, err
	}
	if len(members) == 0 {
		members = s.members(acks)
	}
	lists := make([][]crdt.Acknowledgement, 0, len(members))
	for _, m := range members {
		of := acks[m]
		if m == r.origin.Replica {
			of = []crdt.Acknowledgement{{Origin: r.origin, Applied: s.applied.Vector().Clone()}}
		}
		if len(of) == 0 || s.floor != nil && s.floor.Mark.Cut.Covers(&of[0].Applied) {
			out.Missing = append(out.Missing, m)
		}
		lists = append(lists, of)
	}
	if s.floor != nil {
		out.Cut = s.floor.Mark.Cut.Clone()
	}
	m, ok := s.floor.NextMark(lists)
	if !ok {
		return out, b, nil
	}
	m.Steward, m.Policy = r.origin.Replica, r.active.Load().version.cite
	b, err = r.change(name, func(tx *Tx) error { return tx.decide(func(e *Record) error { return e.Settle(m) }) }, nil)
	if err != nil {
		return out, b, err
	}
	out.Number, out.Cut = m.Number, m.Cut.Clone()
	return out, b, nil
}

// decide edits the record of the scope.
func (tx *Tx) decide(edit func(*Record) error) error {
	p, err := tx.open(crdt.ScopeKey)
	if err != nil {
		return err
	}
	return edit(p)
}

// stewards reports whether this replica writes the marks of a scope.
func (r *Replica) stewards(s *scope) bool {
	if s.floor != nil {
		return s.floor.Mark.Steward == r.origin.Replica
	}
	return r.options.Steward
}

// members are the replicas that wrote to a scope or acknowledged something.
func (s *scope) members(acks map[clock.ReplicaID][]crdt.Acknowledgement) []clock.ReplicaID {
	var out []clock.ReplicaID
	for o := range s.stored.All() {
		out = append(out, o.Replica)
	}
	for m := range acks {
		out = append(out, m)
	}
	slices.SortFunc(out, func(a, b clock.ReplicaID) int { return slices.Compare(a[:], b[:]) })
	return slices.Compact(out)
}

// Restamp moves the stamps of a range of changes back, on every replica: the cure
// for changes that were written while a clock ran ahead, which wait elsewhere.
// This replica must have made them, under any of its incarnations, or be the
// scope's steward. Settled changes keep their stamps.
//
// Set the wall clock right first. A replica whose own stamps still lie ahead of it
// goes on under a new incarnation, which begins at the wall clock's time: else its
// next changes would be ahead again, the restamp among them.
//
// The error wraps [crdt.ErrRestamp], or is [ErrClock].
func (r *Replica) Restamp(ctx context.Context, scope string, x crdt.Restamp) error {
	r.mu.Lock()
	steward := clock.ReplicaID{}
	if s := r.scopes[scope]; s != nil && s.floor != nil {
		steward = s.floor.Mark.Steward
	}
	err := x.Check(clock.Dot{Origin: r.origin, N: 1}, steward)
	if err == nil && x.Origin.Replica == r.origin.Replica {
		err = r.resetClock()
	}
	b := r.commits.current
	r.mu.Unlock()
	if err != nil {
		return fmt.Errorf("replica: restamp in scope %q: %w", scope, err)
	}
	if err := r.await(b); err != nil {
		return err
	}
	return r.Transact(ctx, scope, func(tx *Tx) error {
		return tx.decide(func(e *Record) error { return e.Restamp(x) })
	})
}

// ErrClock means that the wall clock of this machine is ahead of the time that
// its peers agree on: set it right, and try again.
var ErrClock = errors.New("replica: the wall clock is ahead")

// resetClock starts a new incarnation at the wall clock's time, if the clock that
// stamps changes is ahead of it. The caller holds r.mu.
func (r *Replica) resetClock() error {
	if err := r.usable(); err != nil {
		return err
	}
	wall := clock.NewStamp(r.wall(), 0)
	if r.agreed != 0 {
		if now := r.agreed.Time().Add(r.options.Monotonic().Sub(r.agreedAt)); clock.Ahead(wall, now, 0, 0, 0) {
			return ErrClock
		}
	}
	if !clock.Ahead(r.hlc.Last(), r.wall(), 0, r.agreed, 0) {
		return nil
	}
	r.side.Bound = wall
	r.hlc = clock.NewHLC(r.options.Wall, wall, r.persistBound)
	return r.newIncarnation()
}

// maxAcks is how many acknowledgements of a member are kept: a cut must hold
// what its members had made by the acknowledgement that it rests on, so the last
// one is not always of use.
const maxAcks = 8

// Acknowledged keeps what a peer said that it has applied, where this replica is
// the steward.
func (p peerStore) Acknowledged(peer clock.Origin, scopes []session.Acknowledgement) error {
	r := p.r
	r.mu.Lock()
	if err := r.usable(); err != nil {
		r.mu.Unlock()
		return err
	}
	for _, a := range scopes {
		s := r.scopes[a.Scope]
		if s == nil || !r.stewards(s) {
			continue
		}
		of, err := r.acknowledgementsOf(s, peer.Replica)
		if err != nil {
			r.mu.Unlock()
			return err
		}
		if len(of) > 0 && of[0].Origin == peer && of[0].Applied.Equal(&a.Applied) {
			continue
		}
		of = slices.Insert(of, 0, crdt.Acknowledgement{Origin: peer, Applied: a.Applied})
		key := ackKey(s, peer.Replica)
		r.stage(group{{key, encodePlain(key, encodeAcks(of[:min(len(of), maxAcks)]))}})
	}
	b := r.commits.current
	r.mu.Unlock()
	return r.await(b)
}

func ackPrefix(s *scope) []byte {
	w := codec.NewWriter(nil)
	w.Raw([]byte("ack/"))
	w.Uint32(s.number)
	return metaKey(string(w.Bytes()))
}

func ackKey(s *scope, m clock.ReplicaID) []byte { return append(ackPrefix(s), m[:]...) }

func encodeAcks(of []crdt.Acknowledgement) []byte {
	var t clock.Table
	body := codec.NewWriter(nil)
	body.Uvarint(uint64(len(of)))
	for i := range of {
		clock.WriteOrigin(body, &t, of[i].Origin)
		of[i].Applied.Write(body, &t)
	}
	w := codec.NewWriter(nil)
	t.Write(w)
	w.Raw(body.Bytes())
	return w.Bytes()
}

func decodeAcks(key, value []byte) (of []crdt.Acknowledgement, err error) {
	b, err := decodePlain("acknowledgements", key, value)
	if err != nil {
		return nil, err
	}
	rd := codec.NewReader(b)
	t := clock.ReadTable(rd, crdt.MaxOrigins)
	for range rd.Count("acknowledgements", maxAcks, 2) {
		of = append(of, crdt.Acknowledgement{Origin: clock.ReadOrigin(rd, t), Applied: clock.ReadVersionVector(rd, t)})
	}
	if err := rd.Close(); err != nil {
		return nil, &CorruptError{Row: "acknowledgements", Key: key, Err: err}
	}
	return of, nil
}

// acknowledgementsOf reads what a member acknowledged, the last first; nothing
// if the row is damaged: the member will say it again.
func (r *Replica) acknowledgementsOf(s *scope, m clock.ReplicaID) ([]crdt.Acknowledgement, error) {
	key := ackKey(s, m)
	v, found, err := r.store.get(key)
	if err != nil || !found {
		return nil, err
	}
	of, err := decodeAcks(key, v)
	if err != nil {
		return nil, nil
	}
	return of, nil
}

func (r *Replica) acknowledgements(s *scope) (map[clock.ReplicaID][]crdt.Acknowledgement, error) {
	acks := map[clock.ReplicaID][]crdt.Acknowledgement{}
	prefix := ackPrefix(s)
	for x, err := range r.store.scan(prefix, nil) {
		if err != nil {
			return nil, err
		}
		var m clock.ReplicaID
		if copy(m[:], x.key[len(prefix):]); len(x.key) != len(prefix)+len(m) {
			continue
		}
		if of, err := decodeAcks(x.key, x.value); err == nil {
			acks[m] = of
		}
	}
	return acks, nil
}
