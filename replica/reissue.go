package replica

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
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

// repair is a reissue under way. It is stored before the first row is given up
// and taken away with the last change that was made again, so that a crash
// between finds what is still to be done.
type repair struct {
	scope  string
	old    clock.Origin
	common uint64
	fresh  clock.Origin
	lost   [][]byte // the changes to make again, in order
}

func repairKey(scope string) []byte { return metaKey("repair/" + scope) }

func (p *repair) encode(key []byte) []byte {
	w := codec.NewWriter(nil)
	w.String(p.scope)
	w.Raw(writeOrigin(p.old))
	w.Uvarint(p.common)
	w.Raw(writeOrigin(p.fresh))
	w.Uvarint(uint64(len(p.lost)))
	for _, b := range p.lost {
		w.Blob(b)
	}
	return encodePlain(key, w.Bytes())
}

func decodeRepair(key, value []byte) (*repair, error) {
	b, err := decodePlain("repair", key, value)
	if err != nil {
		return nil, err
	}
	r := codec.NewReader(b)
	p := &repair{scope: r.String("scope", maxKeyBytes)}
	p.old, _ = readOrigin(r.Raw(24))
	p.common = r.Uvarint()
	p.fresh, _ = readOrigin(r.Raw(24))
	for range r.Count("changes", maxRowBytes, 1) {
		p.lost = append(p.lost, r.Blob("change", maxRowBytes))
	}
	if err := r.Close(); err != nil {
		return nil, &CorruptError{Row: "repair", Key: key, Err: err}
	}
	return p, nil
}

// returning is an origin of this replica in a scope. By it the replica remembers
// up to which change peers sent it its own: these are not lost, whatever another
// session found out about the common past before they came, and making them again
// would have them twice.
type returning struct {
	scope  string
	origin clock.Origin
}

// cameBack notes that a peer sent an own change. The caller holds r.mu.
func (r *Replica) cameBack(scope string, d clock.Dot) {
	if d.Origin.Replica != r.origin.Replica {
		return
	}
	if r.returned == nil {
		r.returned = map[returning]uint64{}
	}
	k := returning{scope, d.Origin}
	r.returned[k] = max(r.returned[k], d.N)
}

// reissueScope does it for one scope. The caller holds r.mu, and nothing is
// staged.
func (r *Replica) reissueScope(name string, o clock.Origin, common uint64) error {
	if o.Replica != r.origin.Replica {
		return fmt.Errorf("origin %v is another replica's", o)
	}
	r.shared = true // a third replica may know still more of it
	if err := r.newIncarnation(); err != nil {
		return err
	}
	s := r.scopes[name]
	if s == nil {
		return nil // it has nothing to make again
	}
	common, err := r.pastPruned(s, o, max(common, r.returned[returning{name, o}]))
	if err != nil {
		return err
	}
	p := &repair{scope: name, old: o, common: common, fresh: r.origin}
	num := r.origins.numbers[o]
	for n := common + 1; n <= s.stored.Get(o); n++ {
		row, err := r.readChange(s.number, place{num, n})
		if err != nil {
			return err
		}
		p.lost = append(p.lost, row.change)
	}
	key := repairKey(name)
	if err := r.store.commit([]group{{{key, p.encode(key)}}}); err != nil {
		return err
	}
	return r.repairScope(s, p)
}

// repairScope gives up what is derived and what was lost, enters the changes
// that stay once more, and then makes the lost ones again.
func (r *Replica) repairScope(s *scope, p *repair) error {
	rows, err := r.scopeRows(s)
	if err != nil {
		return err
	}
	kept, sum, err := r.keepRecords(s, rows)
	if err != nil {
		return err
	}
	g, err := r.clearScope(s, kept)
	if err != nil {
		return err
	}
	stays := rows[:0]
	for _, x := range rows {
		d := x.change.Dot
		if d.Origin == p.old && d.N > p.common || d.Origin == p.fresh {
			g = append(g, row{key: x.key})
			continue
		}
		stays = append(stays, x)
	}
	if err := r.store.commit(inPieces(g)); err != nil {
		return err
	}
	fresh, err := r.enterAgain(s, stays, sum)
	if err != nil {
		return err
	}
	again := crdt.NewReissue(p.old, p.common, p.fresh, func(key string) (*crdt.Record, error) {
		o, err := r.record(fresh, s.name, key)
		if err != nil {
			return nil, err
		}
		return o.record, nil
	})
	for i, b := range p.lost {
		c, err := crdt.DecodeChange(b)
		if err != nil {
			return err
		}
		if c, err = again.Change(c, uint64(i)+1); err != nil {
			return err
		}
		b := c.Encode()
		in := session.Incoming{Dot: c.Dot, Encoded: b, Hash: crdt.HashOf(b), Before: fresh.chain(c.Dot.Origin), Change: c}
		v, err := r.receive(s.name, &in)
		if err != nil {
			return err
		}
		if v.Outcome == session.Refused {
			return fmt.Errorf("change %v, issued again, is refused: %v", in.Dot, v)
		}
	}
	r.stage(group{{key: repairKey(s.name)}})
	r.log.Warn("issued changes again under a new incarnation", "scope", s.name, "old", p.old.String(), "new", p.fresh.String(), "changes", len(p.lost))
	return nil
}

// inPieces cuts a group that need not be whole, so that it fits any transaction.
func inPieces(g group) []group {
	var gs []group
	for len(g) > 0 {
		n := min(len(g), 256)
		gs = append(gs, g[:n])
		g = g[n:]
	}
	return gs
}

// resumeRepairs finishes what a crash cut off.
func (r *Replica) resumeRepairs() error {
	for x, err := range r.store.scan(metaKey("repair/"), nil) {
		if err != nil {
			return err
		}
		p, err := decodeRepair(x.key, x.value)
		if err != nil {
			return err
		}
		s := r.scopes[p.scope]
		if s == nil {
			s = newScope(p.scope, r.numbers)
		}
		if err := r.repairScope(s, p); err != nil {
			return fmt.Errorf("replica: resume repair of %q: %w", p.scope, err)
		}
	}
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
		c, err := row.read(clock.Dot{Origin: o, N: n})
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
// Those of records that are kept stay.
func (r *Replica) clearScope(s *scope, kept map[string]bool) (g group, err error) {
	for _, kind := range []byte{rowSum, rowHeader, rowSnapshot, rowFate} {
		for x, err := range r.store.scan(numberKey(kind, s.number), nil) {
			if err != nil {
				return nil, err
			}
			if !ofKept(kept, x.key) {
				g = append(g, row{key: x.key})
			}
		}
	}
	return g, nil
}
