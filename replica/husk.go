package replica

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
)

// ErrPruned means that something needs the bytes of changes that are no longer
// kept, see [Options.HistoryBytes].
var ErrPruned = errors.New("replica: the history is no longer kept")

// hash is that of the change, whether its bytes are kept or not.
func (c *changeRow) hash() crdt.Hash { return crdt.ChangeHash(c.change) }

// husk reports whether the bytes of the change were dropped.
func (c *changeRow) husk() bool { return crdt.IsHusk(c.change) }

// read is what the row says of the change named d: of a husk, its stamp and keys.
func (c *changeRow) read(d clock.Dot) (*crdt.Change, error) {
	if !c.husk() {
		return crdt.DecodeChange(c.change)
	}
	h, err := crdt.DecodeHusk(c.change)
	if err != nil {
		return nil, err
	}
	return h.Change(d), nil
}

// settledRow is a change below the floor whose bytes may be dropped.
type settledRow struct {
	place
	seq   uint64
	bytes uint64
}

// pruneBatch is how many husks are made while others wait.
const pruneBatch = 256

// prune drops the bytes of settled changes, the oldest first, until those of the
// rest fit the budget for history. A cut between two batches loses nothing: each
// row is a change or a husk. The caller does not hold r.mu.
func (r *Replica) prune(ctx context.Context) error {
	budget := r.options.HistoryBytes
	if budget == 0 {
		return nil
	}
	r.mu.RLock()
	err := r.usable()
	var scopes []*scope
	for _, s := range r.scopes {
		if s.floor != nil && s.settled == s.floor.Number() && !s.rebuild {
			scopes = append(scopes, s)
		}
	}
	r.mu.RUnlock()
	slices.SortFunc(scopes, func(a, b *scope) int { return cmp.Compare(a.number, b.number) })
	for _, s := range scopes {
		if err == nil {
			err = r.pruneScope(ctx, s, uint64(budget))
		}
	}
	return err
}

func (r *Replica) pruneScope(ctx context.Context, s *scope, budget uint64) error {
	rows, kept, err := r.settledRows(ctx, s)
	if err != nil {
		return err
	}
	slices.SortFunc(rows, func(a, b settledRow) int { return cmp.Compare(a.seq, b.seq) })
	n, dropped := 0, uint64(0)
	for ; n < len(rows) && kept-dropped > budget; n++ {
		dropped += rows[n].bytes
	}
	if n == 0 {
		return nil
	}
	for part := range slices.Chunk(rows[:n], pruneBatch) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := r.pruneRows(s, part); err != nil {
			return err
		}
	}
	r.log.Info("dropped settled history", "scope", s.name, "changes", n, "bytes", dropped)
	return nil
}

// settledRows lists the changes that may become husks, and what all of them weigh.
// It holds a few words for each, and for each record.
func (r *Replica) settledRows(ctx context.Context, s *scope) (rows []settledRow, bytes uint64, err error) {
	written := map[string]uint64{} // up to which row the snapshots reach
	reaches := func(key string, seq uint64) (bool, error) {
		at, ok := written[key]
		if !ok {
			h, found, err := r.readHeader(s.number, key)
			if err != nil && !errors.Is(err, ErrCorrupt) {
				return false, err
			}
			if err == nil && found {
				at = h.snapshot
			}
			written[key] = at
		}
		return at >= seq, nil
	}
	r.mu.RLock()
	floor := s.floor
	r.mu.RUnlock()
	for x, err := range r.store.scan(numberKey(rowChange, s.number), nil) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, 0, err
		}
		_, num, n, err := splitDotKey(x.key)
		if err != nil {
			continue
		}
		d := clock.Dot{Origin: r.originOf(num), N: n}
		if !floor.Covers(d) {
			continue
		}
		row, err := decodeChangeRow(x.key, x.value)
		if err != nil || row.fate != Applied || row.husk() {
			continue
		}
		c, err := crdt.DecodeChange(row.change)
		if err != nil || slices.ContainsFunc(c.Parts, func(p crdt.Part) bool { return isScopeKey(p.Key) }) {
			continue
		}
		free := true
		for i := 0; free && i < len(c.Parts); i++ {
			if free, err = reaches(c.Parts[i].Key, row.seq); err != nil {
				return nil, 0, err
			}
		}
		if free {
			rows = append(rows, settledRow{place{num, n}, row.seq, uint64(len(row.change))})
			bytes += uint64(len(row.change))
		}
	}
	return rows, bytes, nil
}

// pruneRows makes husks of rows, unless they are other ones by now.
func (r *Replica) pruneRows(s *scope, rows []settledRow) error {
	r.mu.Lock()
	err := r.usable()
	if err == nil && (r.scopes[s.name] != s || s.rebuild) {
		err = fmt.Errorf("scope %q is being made again", s.name)
	}
	var g group
	for i := 0; err == nil && i < len(rows); i++ {
		at := rows[i]
		was, rerr := r.readChange(s.number, at.place)
		if errors.Is(rerr, ErrCorrupt) || rerr == nil && (was.seq != at.seq || was.fate != Applied || was.husk()) {
			continue
		}
		if err = rerr; err != nil {
			break
		}
		c, cerr := crdt.DecodeChange(was.change)
		if cerr != nil {
			continue
		}
		was.change = c.Husk(crdt.HashOf(was.change)).Encode()
		key := dotKey(rowChange, s.number, at.origin, at.n)
		g = append(g, row{key, was.encode(key)})
	}
	for _, part := range inPieces(g) {
		r.stage(part)
	}
	b := r.commits.current
	r.mu.Unlock()
	return errors.Join(err, r.await(b))
}
