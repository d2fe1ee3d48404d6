package replica

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/replica/session"
)

// RepairReport is what a repair did.
type RepairReport struct {
	Found   []Damage       // before
	Left    []Damage       // after
	Session session.Report // with the peer, if there was one
}

// Repair makes good what is damaged: changes are fetched from the peer at addr
// ("tcp://host:port"), everything else is made again from the changes that are
// here. With an empty addr only the second is done.
//
// It verifies the store before and after; what neither way could bring back is
// in the report's Left, and is no error. Records that are whole can be read and
// written meanwhile. Where an own change is damaged the replica goes on as a new
// incarnation.
func (r *Replica) Repair(ctx context.Context, addr string) (RepairReport, error) {
	if addr == "" {
		return r.RepairConn(ctx, nil)
	}
	host, err := ParseAddress(addr)
	if err != nil {
		return RepairReport{}, err
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", host)
	if err != nil {
		return RepairReport{}, fmt.Errorf("replica: repair from %s: %w", addr, err)
	}
	report, err := r.RepairConn(ctx, conn)
	if err != nil {
		return report, fmt.Errorf("replica: repair from %s: %w", addr, err)
	}
	return report, nil
}

// RepairConn is [Replica.Repair] over a connection, which it closes; nil for no
// peer.
func (r *Replica) RepairConn(ctx context.Context, conn io.ReadWriteCloser) (rep RepairReport, err error) {
	if conn == nil {
		return r.repair(ctx, nil)
	}
	held := false
	rep, err = r.repair(ctx, func(store session.Store) (session.Report, error) {
		held = true
		return r.syncWith(ctx, conn, SyncOptions{}, store)
	})
	if !held {
		conn.Close()
	}
	return rep, err
}

// RepairWith is [Replica.Repair] from a peer with whom the caller holds the
// session, see [Replica.NewSession]: hold is given this replica's side, and
// returns when the session is closed.
func (r *Replica) RepairWith(ctx context.Context, hold func(*session.Core, session.Store) (session.Report, error)) (RepairReport, error) {
	return r.repair(ctx, func(store session.Store) (session.Report, error) {
		core, err := r.newCore(SyncOptions{})
		if err != nil {
			return session.Report{}, err
		}
		return hold(core, store)
	})
}

// repair makes good what is damaged; fetch, unless it is nil, holds a session
// with a peer.
func (r *Replica) repair(ctx context.Context, fetch func(session.Store) (session.Report, error)) (rep RepairReport, err error) {
	found, err := r.Verify(ctx, nil)
	if err != nil {
		return rep, err
	}
	rep.Found = found.Damage
	if fetch != nil {
		rep.Session, err = r.fetchDamaged(fetch)
		if err != nil {
			return rep, err
		}
	}
	if err := r.remake(rep.Found); err != nil {
		return rep, err
	}
	r.mu.Lock()
	for id, d := range r.damage {
		// With a peer, what the store has lost has come again.
		if d.Scope == "" && (d.Local() || fetch != nil) {
			delete(r.damage, id)
		}
	}
	r.mu.Unlock()
	left, err := r.Verify(ctx, nil)
	rep.Left = left.Damage
	return rep, err
}

// fetchDamaged holds a session in which what is damaged does not count as
// stored.
func (r *Replica) fetchDamaged(fetch func(session.Store) (session.Report, error)) (session.Report, error) {
	r.mu.Lock()
	r.mending = true
	cuts := map[string]map[clock.Origin]uint64{}
	for name, s := range r.scopes {
		for d := range s.broken {
			if cuts[name] == nil {
				cuts[name] = map[clock.Origin]uint64{}
			}
			if n, ok := cuts[name][d.Origin]; !ok || d.N <= n {
				cuts[name][d.Origin] = d.N - 1
			}
		}
	}
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		r.mending = false
		r.mu.Unlock()
	}()
	return fetch(repairStore{peerStore{r}, cuts})
}

// remake makes the derived rows again where they are damaged or changes came
// back: of whole scopes where all changes are there, else of single records.
func (r *Replica) remake(found []Damage) error {
	records := map[string]map[string]bool{}
	for _, d := range found {
		if d.Scope == "" {
			continue
		}
		if records[d.Scope] == nil {
			records[d.Scope] = map[string]bool{}
		}
		if d.Record != "" {
			records[d.Scope][d.Record] = true
		}
	}
	r.mu.RLock()
	for name, s := range r.scopes {
		if s.rebuild && records[name] == nil {
			records[name] = map[string]bool{}
		}
	}
	r.mu.RUnlock()
	for _, name := range slices.Sorted(maps.Keys(records)) {
		keys := records[name]
		done, err := r.rebuildScope(name)
		if err == nil && !done {
			err = r.rebuildRecords(name, keys)
		}
		if err != nil {
			return fmt.Errorf("replica: repair scope %q: %w", name, err)
		}
	}
	if err := r.startIncarnation(); err != nil { // which writes the identity too
		return err
	}
	return r.remakeNames()
}

// remakeNames writes the rows of origins and scopes again: what they say was
// found elsewhere.
func (r *Replica) remakeNames() error {
	r.mu.Lock()
	var g group
	for n, o := range r.origins.origins {
		if !o.IsZero() {
			key := numberKey(rowOrigin, uint32(n))
			g = append(g, row{key, encodePlain(key, writeOrigin(o))})
		}
	}
	for name, s := range r.scopes {
		key := numberKey(rowScope, s.number)
		g = append(g, row{key, encodePlain(key, []byte(name))})
	}
	for _, part := range inPieces(g) {
		r.stage(part)
	}
	b := r.commits.current
	r.mu.Unlock()
	return r.await(b)
}

// repairStore is what a session sees of the replica while it is repaired: an
// origin's history ends before its first damaged change.
type repairStore struct {
	peerStore
	cuts map[string]map[clock.Origin]uint64 // the last whole change
}

var _ session.Store = repairStore{}

// Status is the replica's, cut.
func (p repairStore) Status() (session.Status, error) {
	st, err := p.peerStore.Status()
	if err != nil {
		return st, err
	}
	for i := range st.Scopes {
		s := &st.Scopes[i]
		cuts := p.cuts[s.Name]
		if len(cuts) == 0 {
			continue
		}
		s.Digest = [len(s.Digest)]byte{}
		s.Stored, s.Chains = s.Stored.Clone(), maps.Clone(s.Chains)
		for o, n := range cuts {
			if s.Stored.Get(o) <= n {
				continue // its clock ends there anyway
			}
			s.Stored.Set(o, n)
			delete(s.Chains, o)
			if n == 0 {
				continue
			}
			at, err := p.Chains(s.Name, o, []uint64{n})
			if err != nil {
				return st, err
			}
			s.Chains[o] = at[0].Hash
		}
		var applied clock.Context
		for rg := range s.Applied.Ranges() {
			if n, ok := cuts[rg.Origin]; ok {
				rg.To = min(rg.To, n)
			}
			if rg.From <= rg.To {
				applied.AddRange(rg)
			}
		}
		s.Applied = applied
	}
	return st, nil
}

// Chains does not know what is damaged.
func (p repairStore) Chains(scope string, o clock.Origin, ns []uint64) ([]session.ChainAt, error) {
	out := make([]session.ChainAt, 0, len(ns))
	for _, n := range ns {
		at, err := p.peerStore.Chains(scope, o, []uint64{n})
		if err != nil {
			at = []session.ChainAt{{N: n}}
		}
		out = append(out, at...)
	}
	return out, nil
}
