package replica

import (
	"context"
	"fmt"
	"iter"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
)

// ChangeInfo is one change in the history of a record.
type ChangeInfo struct {
	Dot    clock.Dot
	Stamp  clock.Stamp
	Author crdt.Author
	Fate   Fate
	Heads  []clock.Dot // what the author's replica had applied
	Saw    []clock.Dot // whose entries the change supersedes
	Birth  bool
	Delete bool
	// Restore are the deletions that the change takes back.
	Restore []clock.Dot
	Patch   *crdt.Patch // nil if no field was altered; not to be modified
	Bytes   int         // of the change as it is stored and sent
	// Pruned says that the bytes of the change are no longer kept: beside Dot, Stamp
	// and Fate nothing is known of it, and the history ends here.
	Pruned bool
}

// History yields the changes of a record, the one entered last first, as far
// as they are kept, and ends at the first error. Where the budget for history has
// dropped what is older, the last one yielded says so.
func (c *Collection) History(ctx context.Context, key string) iter.Seq2[ChangeInfo, error] {
	return func(yield func(ChangeInfo, error) bool) {
		s, at, err := c.newest(key)
		for err == nil && at.n != 0 {
			var info ChangeInfo
			if err = ctx.Err(); err == nil {
				info, at, err = c.r.changeInfo(s, at, key)
			}
			if err == nil && !yield(info, nil) {
				return
			}
		}
		if err != nil {
			yield(ChangeInfo{}, fmt.Errorf("%s/%s: %w", c.name, key, err))
		}
	}
}

// newest finds where the history of a record begins.
func (c *Collection) newest(key string) (*scope, place, error) {
	if err := c.check(key); err != nil {
		return nil, place{}, err
	}
	c.r.mu.RLock()
	err := c.r.usable()
	s := c.r.scopes[c.r.policy().Scope(c.name, key)]
	c.r.mu.RUnlock()
	if err != nil || s == nil {
		return nil, place{}, orNotFound(err)
	}
	h, found, err := c.r.readHeader(s.number, key)
	if err != nil || !found {
		return nil, place{}, orNotFound(err)
	}
	return s, h.last, nil
}

func orNotFound(err error) error {
	if err == nil {
		return ErrNotFound
	}
	return err
}

func (r *Replica) changeInfo(s *scope, at place, key string) (info ChangeInfo, next place, err error) {
	row, err := r.readChange(s.number, at)
	if err != nil {
		return info, next, err
	}
	c, err := row.read(clock.Dot{Origin: r.originOf(at.origin), N: at.n})
	if err != nil {
		return info, next, err
	}
	if row.husk() {
		return ChangeInfo{Dot: c.Dot, Stamp: c.Stamp, Fate: row.fate, Pruned: true}, place{}, nil
	}
	info = ChangeInfo{Dot: c.Dot, Stamp: c.Stamp, Author: c.Author, Fate: row.fate, Bytes: len(row.change)}
	i, ok := partOf(c, key)
	if !ok || i >= len(row.parts) {
		return info, next, &CorruptError{Row: "change", Record: key, Err: fmt.Errorf("change %v does not name record %q", c.Dot, key)}
	}
	p := &c.Parts[i]
	info.Heads, info.Saw = crdt.Dots(p.Heads), crdt.Dots(p.Saw)
	info.Birth, info.Delete, info.Patch = p.Birth != nil, p.Delete != nil, p.Patch
	info.Restore = crdt.Dots(p.Restore)
	return info, row.parts[i].before, nil
}
