package replica

import (
	"context"
	"errors"
	"fmt"

	"github.com/dgraph-io/badger/v4"
)

// Compact gives back the room that overwritten rows still take on the disk: old
// snapshots and headers, and changes that were made again. Every record stays as
// it is. It needs room for a second copy of what it works on, and writes as
// much; others read and write meanwhile.
//
// Of settled changes it drops the bytes that the budget for history does not
// cover, see [Options.HistoryBytes]; what is not settled stays whole, since any
// peer may still ask for it.
func (r *Replica) Compact(ctx context.Context) error {
	r.mu.RLock()
	err := r.usable()
	r.mu.RUnlock()
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		err = r.space.writable()
	}
	if err == nil {
		err = r.prune(ctx)
	}
	if err == nil {
		err = r.store.compact()
	}
	if err != nil {
		return fmt.Errorf("replica: compact: %w", err)
	}
	return nil
}

func (s *badgerStore) compact() error {
	return guard("compact", func() error {
		if err := s.db.Flatten(2); err != nil {
			return err
		}
		if s.memory {
			return nil
		}
		if err := s.db.RunValueLogGC(0.5); err != nil && !errors.Is(err, badger.ErrNoRewrite) {
			return err
		}
		return nil
	})
}
