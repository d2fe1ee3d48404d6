package replica

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/dgraph-io/badger/v4"
)

// store is the little that a replica asks of the engine below it.
type store interface {
	// get returns the value under key; found is false if there is none.
	get(key []byte) (value []byte, found bool, err error)
	// scan yields the rows whose keys start with prefix, from the key from
	// on (nil: the first), in order. What it yields may be kept.
	scan(prefix, from []byte) iter.Seq2[row, error]
	// last returns the last row whose key starts with prefix and is below
	// before (nil: any).
	last(prefix, before []byte) (r row, found bool, err error)
	// at calls f with the store as it is at one moment.
	at(f func(reader) error) error
	// commit writes the groups in order, each whole or not at all, as few
	// transactions as their sizes allow. They are durable when it returns, if
	// the store was opened so.
	commit(groups []group) error
	// sync makes everything committed durable.
	sync() error
	// compact gives back room that overwritten rows take.
	compact() error
	close() error
}

// reader reads the store at one moment, as the methods of [store] do.
type reader interface {
	get(key []byte) (value []byte, found bool, err error)
	scan(prefix, from []byte) iter.Seq2[row, error]
}

// row is a key and its value; a nil value deletes the key.
type row struct{ key, value []byte }

// group is the rows of one change, which are written together.
type group []row

type badgerStore struct {
	db     *badger.DB
	memory bool
	gate   *spaceGate
}

func openBadger(dir string, o *Options, gate *spaceGate) (*badgerStore, error) {
	b := badger.DefaultOptions(dir).
		WithLogger(nil).
		WithSyncWrites(o.Durability == Synced).
		WithMetricsEnabled(false).
		WithDetectConflicts(false).
		WithNumVersionsToKeep(1)
	if o.DisableDisk {
		b = b.WithInMemory(true).WithDir("").WithValueDir("").WithSyncWrites(false)
	}
	b = o.Profile.apply(b)
	if len(o.EncryptionKey) > 0 {
		b = b.WithEncryptionKey(o.EncryptionKey).WithIndexCacheSize(8 << 20).WithBlockCacheSize(8 << 20)
	}
	if gate != nil {
		if err := gate.open(); err != nil {
			return nil, err
		}
	}
	if !o.DisableDisk {
		if err := checkTables(dir); err != nil {
			return nil, err
		}
	}
	s := &badgerStore{memory: o.DisableDisk, gate: gate}
	err := guard("open", func() (err error) {
		s.db, err = badger.Open(b)
		return err
	})
	switch {
	case err == nil:
		return s, nil
	case errors.Is(err, ErrCorrupt):
		return nil, fmt.Errorf("replica: open %s: %w", dir, err)
	case errors.Is(err, badger.ErrEncryptionKeyMismatch) && len(o.EncryptionKey) == 0:
		// It is encrypted, or the file that would tell is damaged.
		return nil, fmt.Errorf("replica: open %s: %w", dir, &CorruptError{Row: "store", Err: ErrKey})
	case errors.Is(err, badger.ErrEncryptionKeyMismatch):
		return nil, fmt.Errorf("replica: open %s: %w", dir, ErrKey)
	case strings.Contains(err.Error(), "Another process is using") || strings.Contains(err.Error(), "directory lock"):
		return nil, &LockedError{Path: dir, PID: lockHolder(dir)}
	case errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.EROFS):
		return nil, fmt.Errorf("replica: open %s: %w", dir, err)
	}
	return nil, fmt.Errorf("replica: open %s: %w", dir, &CorruptError{Row: "store", Err: err})
}

// lockHolder reads the process id that the engine leaves in its lock file.
func lockHolder(dir string) int {
	b, err := os.ReadFile(filepath.Join(dir, "LOCK"))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return 0
	}
	return pid
}

func (s *badgerStore) get(key []byte) (value []byte, found bool, err error) {
	err = s.at(func(v reader) (err error) {
		value, found, err = v.get(key)
		return err
	})
	return value, found, err
}

func (s *badgerStore) scan(prefix, from []byte) iter.Seq2[row, error] {
	return func(yield func(row, error) bool) {
		var out row
		stopped := false
		err := s.at(func(v reader) error {
			for out, err := range v.scan(prefix, from) {
				if err != nil {
					return err
				}
				if !yield(out, nil) {
					stopped = true
					return nil
				}
			}
			return nil
		})
		if err != nil && !stopped {
			yield(out, err)
		}
	}
}

func (s *badgerStore) last(prefix, before []byte) (r row, found bool, err error) {
	from := before
	if from == nil {
		from = append(append([]byte{}, prefix...), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
	}
	err = s.at(func(v reader) error {
		it := v.(badgerReader).t.NewIterator(badger.IteratorOptions{Reverse: true})
		defer it.Close()
		// Seeking in reverse finds the greatest key at or below the one given.
		it.Seek(from)
		if before != nil && it.ValidForPrefix(prefix) && bytes.Equal(it.Item().Key(), before) {
			it.Next()
		}
		if !it.ValidForPrefix(prefix) {
			return nil
		}
		found = true
		r.key = it.Item().KeyCopy(nil)
		var err error
		r.value, err = it.Item().ValueCopy(nil)
		return err
	})
	if err != nil {
		return row{}, false, err
	}
	return r, found, nil
}

func (s *badgerStore) at(f func(reader) error) error {
	return guard("read", func() error {
		t := s.db.NewTransaction(false)
		defer t.Discard()
		return f(badgerReader{t})
	})
}

// badgerReader is a read transaction.
type badgerReader struct{ t *badger.Txn }

func (v badgerReader) get(key []byte) (value []byte, found bool, err error) {
	item, err := v.t.Get(key)
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("replica: read: %w", err)
	}
	if value, err = item.ValueCopy(nil); err != nil {
		return nil, false, fmt.Errorf("replica: read: %w", err)
	}
	return value, true, nil
}

func (v badgerReader) scan(prefix, from []byte) iter.Seq2[row, error] {
	return func(yield func(row, error) bool) {
		if from == nil {
			from = prefix
		}
		it := v.t.NewIterator(badger.IteratorOptions{PrefetchValues: true, PrefetchSize: 64, Prefix: prefix})
		defer it.Close()
		for it.Seek(from); it.ValidForPrefix(prefix); it.Next() {
			b, err := it.Item().ValueCopy(nil)
			if err != nil {
				yield(row{}, fmt.Errorf("replica: scan: %w", err))
				return
			}
			if !yield(row{it.Item().KeyCopy(nil), b}, nil) {
				return
			}
		}
	}
}

func (s *badgerStore) commit(groups []group) error {
	// The engine bounds a transaction by bytes and by entries.
	limitBytes, limitRows := s.db.MaxBatchSize()*9/10, s.db.MaxBatchCount()*9/10
	for len(groups) > 0 {
		var bytes, rows int64
		n := 0
		for ; n < len(groups); n++ {
			b, r := groups[n].weigh()
			bytes, rows = bytes+b, rows+r
			if n > 0 && (bytes > limitBytes || rows > limitRows) {
				break
			}
		}
		if err := s.gate.commit(uint64(bytes)); err != nil {
			return err
		}
		if n == 1 && (bytes > limitBytes || rows > limitRows) {
			early, rest := groups[0].splitSnapshot()
			apart := make([]group, len(early))
			for i, x := range early {
				apart[i] = group{x}
			}
			if err := s.commit(apart); err != nil {
				return err
			}
			groups[0] = rest
		}
		if err := s.commitOne(groups[:n]); err != nil {
			return err
		}
		groups = groups[n:]
	}
	return nil
}

func (g group) weigh() (bytes, rows int64) {
	for _, r := range g {
		bytes += int64(len(r.key) + len(r.value) + 64)
	}
	return bytes, int64(len(g))
}

// splitSnapshot takes the parts of a snapshot out of a group that is too large
// for one transaction. They may be written before it: until the header names
// them, nobody reads them.
func (g group) splitSnapshot() (early, rest group) {
	for _, r := range g {
		if r.key[0] == rowSnapshot && r.value != nil {
			early = append(early, r)
		} else {
			rest = append(rest, r)
		}
	}
	return early, rest
}

func (s *badgerStore) commitOne(groups []group) error {
	return guard("write", func() error {
		t := s.db.NewTransaction(true)
		defer t.Discard()
		for _, g := range groups {
			for _, r := range g {
				var err error
				if r.value == nil {
					err = t.Delete(r.key)
				} else {
					err = t.SetEntry(badger.NewEntry(r.key, r.value))
				}
				if err != nil {
					return fmt.Errorf("replica: write: %w", err)
				}
			}
		}
		if err := t.Commit(); err != nil {
			return fmt.Errorf("replica: commit: %w", err)
		}
		return nil
	})
}

func (s *badgerStore) sync() error {
	if s.memory {
		return nil
	}
	if err := s.db.Sync(); err != nil {
		return fmt.Errorf("replica: sync to disk: %w", err)
	}
	return nil
}

func (s *badgerStore) close() error {
	return guard("close", func() error {
		if err := s.db.Close(); err != nil {
			return fmt.Errorf("replica: close: %w", err)
		}
		return nil
	})
}
