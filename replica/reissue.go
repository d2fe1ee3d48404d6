package replica

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/replica/session"
)

// reissue is called when a peer knows more, or other, of this replica's past
// than its store does: the directory was restored, or lost its end. The replica
// goes on as a new incarnation; what it wrote after the last change that both
// agree on is made again under the new name, what came from others is joined
// anew, and the old rows are given up.
func (r *Replica) reissue(name string, o clock.Origin, common uint64) (clock.Origin, error) {
	r.mu.Lock()
	for len(r.commits.current.groups) > 0 {
		b := r.commits.current
		r.mu.Unlock()
		if err := r.await(b); err != nil {
			return clock.Origin{}, err
		}
		r.mu.Lock()
	}
	err := r.usable()
	if err == nil {
		err = r.reissueScope(name, o, common)
	}
	origin, b := r.origin, r.commits.current
	r.mu.Unlock()
	if err != nil {
		return origin, fmt.Errorf("replica: issue changes again: %w", err)
	}
	return origin, r.await(b)
}

// reissueScope does it for one scope. The caller holds r.mu, and nothing is
// staged.
func (r *Replica) reissueScope(name string, o clock.Origin, common uint64) error {
	s := r.scopes[name]
	if s == nil {
		return fmt.Errorf("scope %q: %w", name, ErrNotFound)
	}
	if o.Replica != r.origin.Replica {
		return fmt.Errorf("origin %v is another replica's", o)
	}
	if err := r.newIncarnation(); err != nil {
		return err
	}
	rows, err := r.scopeRows(s)
	if err != nil {
		return err
	}
	var lost []*crdt.Change
	g, err := r.clearScope(s)
	if err != nil {
		return err
	}
	fresh := newScope(name, s.number)
	fresh.maxed = s.maxed
	r.scopes[name] = fresh
	r.cache.clear()
	for _, x := range rows {
		if x.change.Dot.Origin == o && x.change.Dot.N > common {
			g = append(g, row{key: x.key})
			lost = append(lost, x.change)
		}
	}
	r.stage(g)
	for _, x := range rows {
		if x.change.Dot.Origin == o && x.change.Dot.N > common {
			continue
		}
		in := session.Incoming{Dot: x.change.Dot, Encoded: x.row.change, Hash: crdt.HashOf(x.row.change),
			Before: fresh.chain(x.change.Dot.Origin), Change: x.change, Unknown: x.unknown}
		if _, err := r.receive(name, &in); err != nil {
			return err
		}
	}
	if err := r.retry(fresh); err != nil {
		return err
	}
	slices.SortFunc(lost, func(a, b *crdt.Change) int { return cmp.Compare(a.Dot.N, b.Dot.N) })
	again := crdt.NewReissue(o, common, r.origin, func(key string) (*crdt.Record, error) {
		rec, err := r.record(fresh, name, key)
		if err != nil {
			return nil, err
		}
		return rec.record, nil
	})
	for _, c := range lost {
		c, err := again.Change(c, r.newDot(fresh).N)
		if err != nil {
			return err
		}
		b := c.Encode()
		in := session.Incoming{Dot: c.Dot, Encoded: b, Hash: crdt.HashOf(b), Before: fresh.chain(c.Dot.Origin), Change: c}
		if _, err := r.receive(name, &in); err != nil {
			return err
		}
	}
	r.log.Warn("issued changes again under a new incarnation", "scope", name, "old", o.String(), "new", r.origin.String(), "changes", len(lost))
	return nil
}

// newIncarnation ends the present one. The side file names the new one before
// anything is written under it.
func (r *Replica) newIncarnation() error {
	n, err := randomIncarnation()
	if err != nil {
		return err
	}
	before := r.side.Incarnation
	r.side.Incarnation = n
	if err := r.sideIO.write(r.side); err != nil {
		r.side.Incarnation = before
		return err
	}
	r.origin = r.side.origin()
	return nil
}

// scopeRow is a change row with what it says.
type scopeRow struct {
	key     []byte
	row     *changeRow
	change  *crdt.Change
	unknown error
}

// scopeRows reads all change rows of a scope in the order in which they were
// entered.
func (r *Replica) scopeRows(s *scope) ([]scopeRow, error) {
	var rows []scopeRow
	for x, err := range r.store.scan(numberKey(rowChange, s.number), nil) {
		if err != nil {
			return nil, err
		}
		row, err := decodeChangeRow(x.key, x.value)
		if err != nil {
			return nil, err
		}
		_, num, n, err := splitDotKey(x.key)
		if err != nil {
			return nil, err
		}
		o, _ := r.origins.origin(num)
		c, err := crdt.DecodeChange(row.change)
		if err != nil {
			c = &crdt.Change{Dot: clock.Dot{Origin: o, N: n}}
		}
		rows = append(rows, scopeRow{x.key, row, c, err})
	}
	slices.SortFunc(rows, func(a, b scopeRow) int { return cmp.Compare(a.row.seq, b.row.seq) })
	return inDotOrder(rows), nil
}

// inDotOrder keeps the order of rows but for those of one origin that stand
// before an earlier one, as a change does that waited and was entered later:
// they move behind it.
func inDotOrder(rows []scopeRow) []scopeRow {
	out := make([]scopeRow, 0, len(rows))
	next := map[clock.Origin]uint64{}
	early := map[clock.Dot]scopeRow{}
	for _, x := range rows {
		early[x.change.Dot] = x
		o := x.change.Dot.Origin
		for {
			d := clock.Dot{Origin: o, N: next[o] + 1}
			y, ok := early[d]
			if !ok {
				break
			}
			delete(early, d)
			next[o]++
			out = append(out, y)
		}
	}
	return out
}

// clearScope lists the rows that are derived from changes, for deletion.
func (r *Replica) clearScope(s *scope) (g group, err error) {
	for _, kind := range []byte{rowHeader, rowSnapshot, rowFate, rowSum} {
		for x, err := range r.store.scan(numberKey(kind, s.number), nil) {
			if err != nil {
				return nil, err
			}
			g = append(g, row{key: x.key})
		}
	}
	return g, nil
}
