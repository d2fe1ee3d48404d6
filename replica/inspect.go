package replica

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dgraph-io/badger/v4"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt"
)

// Read calls f with a record as it is kept, below its view. f must not change or
// keep it, nor call the replica. A record that was never written is empty.
func (c *Collection) Read(ctx context.Context, key string, f func(*crdt.Record) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := c.check(key); err != nil {
		return err
	}
	c.r.mu.Lock()
	defer c.r.mu.Unlock()
	if err := c.r.usable(); err != nil {
		return err
	}
	name := c.r.policy().Scope(c.name, key)
	o, err := c.r.record(c.r.scopes[name], name, key)
	if err == nil {
		err = f(o.record)
	}
	if err != nil {
		return fmt.Errorf("%s/%s: %w", c.name, key, err)
	}
	return nil
}

// Fields yields the fields of the record that are there, as they are within the
// change, below any view. Entries of a log, a stock or a proposal show only once
// their change is made. What was yielded is good until that field is edited.
func (p *Record) Fields() iter.Seq[crdt.Field] {
	return p.opened.record.Fields(p.tx.r.deletePolicyOf(p.tx.name))
}

// Origins lists whose changes the replica has met, and its own, sorted.
func (r *Replica) Origins() []clock.Origin {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.met()
}

// Origins is [Replica.Origins] for use within a change.
func (p *Record) Origins() []clock.Origin { return p.tx.r.met() }

// met lists the origins known. The caller holds r.mu.
func (r *Replica) met() []clock.Origin {
	out := []clock.Origin{r.origin}
	for _, o := range r.origins.origins {
		if !o.IsZero() {
			out = append(out, o)
		}
	}
	slices.SortFunc(out, clock.Origin.Compare)
	return slices.Compact(out)
}

// Identity is what a replica keeps beside its store of who it is. The key is
// left out.
type Identity struct {
	Generation uint64 // of two slots the higher counts
	Origin     clock.Origin
	Bound      clock.Stamp // no stamp above it was given out
	// Offered is by scope the highest own change that any peer may have seen.
	Offered map[string]uint64
}

// ReadIdentity decodes an identity file.
func ReadIdentity(b []byte) (Identity, error) {
	s := &side{}
	if err := codec.DecodeEnvelope(b, s, maxSideBytes); err != nil {
		return Identity{}, fmt.Errorf("replica: identity: %w", err)
	}
	return Identity{s.Generation, s.origin(), s.Bound, maps.Clone(s.Marks)}, nil
}

// IdentityIn reads the identity that a store's directory holds: that of the
// newer of two files, as far as they can be read.
func IdentityIn(dir string) (best Identity, err error) {
	var faults []error
	for g := range uint64(2) {
		b, err := dirFiles(dir).ReadFile(slot(g))
		if errors.Is(err, fs.ErrNotExist) || err == nil && len(b) == 0 {
			continue
		}
		var id Identity
		if err == nil {
			id, err = ReadIdentity(b)
		}
		if err != nil {
			faults = append(faults, err)
		} else if best.Origin.IsZero() || id.Generation > best.Generation {
			best = id
		}
	}
	switch {
	case !best.Origin.IsZero():
		return best, nil
	case len(faults) > 0:
		return best, errors.Join(faults...)
	}
	return best, fmt.Errorf("%w: %s has no identity", ErrNotReplica, dir)
}

// StoredRow is one row of a store, as it lies there. What does not apply to its
// kind is zero.
type StoredRow struct {
	Kind   string // change, header, snapshot, fate, scope, origin, sum, meta, early, fragment or unknown
	Key    []byte
	Bytes  int    // of key and value
	Scope  string // name of the scope
	Record string // of a header or a snapshot
	Dot    clock.Dot
	Fate   Fate
	Seq    uint64 // the order in which the store entered a change
	Change *crdt.Change
	Husk   bool // the bytes of the change are no longer kept: Change has its stamp and keys
	Header *StoredHeader
	Reason string // of a fate
	Origin clock.Origin
	Meta   *StoredMeta
	Err    error // what is wrong with the row; the rest is then as far as it was read
}

// StoredHeader is what a store keeps of each record beside its changes.
type StoredHeader struct {
	Live          bool
	Digest        crdt.Hash
	LastSeq       uint64 // the change entered last
	SnapshotSeq   uint64 // the change up to which the snapshot goes; zero: there is none
	SnapshotBytes uint64
	TailBytes     uint64 // of the changes since
	Vector        clock.VersionVector
	Heads         []clock.Dot
	Births        []clock.Dot
}

// StoredRows yields the rows of the store in dir in the order of their keys, and
// ends at the first error of the engine; a damaged row is yielded with its Err.
// Nothing in dir is changed. A store that was not closed is read from a copy of
// its files, which is taken away afterwards. key is the store's encryption key;
// nil: it is not encrypted.
//
// Errors: [*LockedError] if a process has the store open, [ErrNotReplica] if
// there is none, [ErrKey] if the key is another.
func StoredRows(ctx context.Context, dir string, key []byte) iter.Seq2[StoredRow, error] {
	return func(yield func(StoredRow, error) bool) {
		stopped := false
		err := withEngine(filepath.Join(dir, "data"), key, func(s *badgerStore) error {
			n := namesIn(s)
			for x, err := range s.scan(nil, nil) {
				if err == nil {
					err = ctx.Err()
				}
				if err != nil {
					return err
				}
				if !yield(n.row(x), nil) {
					stopped = true
					return nil
				}
			}
			return nil
		})
		if err != nil && !stopped {
			yield(StoredRow{}, err)
		}
	}
}

// withEngine opens the files of a store for reading.
func withEngine(dir string, key []byte, f func(*badgerStore) error) error {
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: there is no %s", ErrNotReplica, dir)
	}
	return guard("inspect", func() error {
		o := lookingAt(dir, key)
		db, err := badger.Open(o)
		switch {
		case err == nil:
		case errors.Is(err, badger.ErrEncryptionKeyMismatch):
			return fmt.Errorf("replica: open %s: %w", dir, ErrKey)
		case lockedElsewhere(err):
			return &LockedError{Path: dir, PID: lockHolder(dir)}
		default:
			// What was not closed has a log to be read, and that the engine does
			// only where it can write.
			copied, cerr := copyOfEngine(dir)
			if cerr != nil {
				return errors.Join(fmt.Errorf("replica: open %s: %w", dir, err), cerr)
			}
			defer os.RemoveAll(copied)
			if db, err = badger.Open(o.WithDir(copied).WithValueDir(copied).WithReadOnly(false)); err != nil {
				return fmt.Errorf("replica: open a copy of %s: %w", dir, err)
			}
		}
		s := &badgerStore{db: db}
		return errors.Join(f(s), s.close())
	})
}

// lookingAt are the engine's options for reading alone.
func lookingAt(dir string, key []byte) badger.Options {
	o := badger.DefaultOptions(dir).WithLogger(nil).WithMetricsEnabled(false).WithReadOnly(true).
		WithMemTableSize(16 << 20).WithBlockCacheSize(0).WithIndexCacheSize(0).WithCompression(0)
	if len(key) > 0 {
		o = o.WithEncryptionKey(key).WithIndexCacheSize(8 << 20).WithBlockCacheSize(8 << 20)
	}
	return o
}

// lockedElsewhere reports whether the engine was refused the lock.
func lockedElsewhere(err error) bool {
	return strings.Contains(err.Error(), "Another process is using") || strings.Contains(err.Error(), "directory lock")
}

// copyOfEngine copies the files in dir into a new directory.
func copyOfEngine(dir string) (to string, err error) {
	if to, err = os.MkdirTemp("", "concord-inspect-"); err != nil {
		return "", fmt.Errorf("replica: copy %s: %w", dir, err)
	}
	if err = os.CopyFS(to, os.DirFS(dir)); err != nil {
		return "", errors.Join(fmt.Errorf("replica: copy %s: %w", dir, err), os.RemoveAll(to))
	}
	return to, nil
}

// storedNames are the names that rows refer to by number.
type storedNames struct {
	origins map[uint32]clock.Origin
	scopes  map[uint32]string
}

// namesIn reads the names as far as they can be read.
func namesIn(s *badgerStore) storedNames {
	n := storedNames{map[uint32]clock.Origin{}, map[uint32]string{}}
	for x, err := range s.scan([]byte{rowOrigin}, nil) {
		if err != nil {
			break // the scan of all rows tells it
		}
		if b, err := decodePlain("origin", x.key, x.value); err == nil {
			if o, err := readOrigin(b); err == nil {
				n.origins[numberOf(x.key)] = o
			}
		}
	}
	for x, err := range s.scan([]byte{rowScope}, nil) {
		if err != nil {
			break
		}
		if b, err := decodePlain("scope", x.key, x.value); err == nil {
			n.scopes[numberOf(x.key)] = string(b)
		}
	}
	return n
}

// storedKinds are the kinds of rows for people.
var storedKinds = map[byte]string{
	rowMeta: "meta", rowOrigin: "origin", rowScope: "scope", rowChange: "change",
	rowHeader: "header", rowSnapshot: "snapshot", rowFate: "fate", rowSum: "sum", rowEarly: "early",
	rowFragment: "fragment",
}

func (n *storedNames) row(x row) StoredRow {
	out := StoredRow{Key: x.key, Bytes: len(x.key) + len(x.value), Kind: "unknown"}
	if len(x.key) == 0 {
		return out
	}
	if kind, ok := storedKinds[x.key[0]]; ok {
		out.Kind = kind
	}
	switch x.key[0] {
	case rowChange, rowHeader, rowSnapshot, rowFate, rowSum, rowScope, rowFragment:
		number := numberOf(x.key)
		if out.Scope = n.scopes[number]; out.Scope == "" {
			out.Scope = fmt.Sprintf("(scope %d)", number)
		}
	}
	out.Err = n.decode(&out, x)
	return out
}

func (n *storedNames) decode(out *StoredRow, x row) error {
	switch x.key[0] {
	case rowOrigin:
		b, err := decodePlain(out.Kind, x.key, x.value)
		if err != nil {
			return err
		}
		out.Origin, err = readOrigin(b)
		return err
	case rowChange:
		return n.decodeChange(out, x)
	case rowHeader:
		out.Record = string(x.key[min(5, len(x.key)):])
		h, err := decodeHeader(x.key, x.value)
		if err != nil {
			return err
		}
		out.Header = &StoredHeader{h.live, h.digest, h.lastSeq, h.snapshot, h.size, h.tail, h.vector, h.heads, h.births}
		return nil
	case rowSnapshot:
		r := codec.NewReader(x.key)
		r.Byte()
		r.Uint32()
		out.Record = string(r.Raw(int(min(r.Uint32(), maxKeyBytes))))
		if out.Seq = r.Uint64(); r.Err() != nil {
			return r.Err()
		}
		_, err := decodePlain(out.Kind, x.key, x.value)
		return err
	case rowFate:
		if err := n.dot(out, x.key); err != nil {
			return err
		}
		f, err := decodeFateRow(x.key, x.value)
		if err != nil {
			return err
		}
		out.Fate, out.Reason = f.fate, f.code+": "+f.reason
		return nil
	case rowSum:
		_, err := decodeSum(x.key, x.value)
		return err
	case rowEarly:
		var err error
		if out.Scope, out.Dot, err = splitEarlyKey(x.key); err != nil {
			return err
		}
		_, err = unseal(out.Kind, x.key, x.value)
		return err
	case rowFragment:
		var err error
		if _, out.Record, _, err = splitFragmentKey(x.key); err != nil {
			return err
		}
		_, err = decodePlain(out.Kind, x.key, x.value)
		return err
	case rowScope:
		_, err := decodePlain(out.Kind, x.key, x.value)
		return err
	case rowMeta:
		return n.decodeMeta(out, x)
	}
	return nil
}

func (n *storedNames) dot(out *StoredRow, key []byte) error {
	_, origin, number, err := splitDotKey(key)
	out.Dot = clock.Dot{Origin: n.origins[origin], N: number}
	return err
}

func (n *storedNames) decodeChange(out *StoredRow, x row) error {
	if err := n.dot(out, x.key); err != nil {
		return err
	}
	row, err := decodeChangeRow(x.key, x.value)
	if err != nil {
		return err
	}
	out.Fate, out.Seq = row.fate, row.seq
	out.Husk = row.husk()
	out.Change, err = row.read(out.Dot)
	return err
}

// StoredKeys lists records that exist in the store in dir, as COLLECTION/KEY, or,
// without a slash in the prefix, collections: those that begin with the prefix,
// at most as many as asked for. It reads as many headers as it lists, changes
// nothing, and fails on a store that is open or was not closed, or encrypted by
// another key than encryption; nil: it is not encrypted.
func StoredKeys(dir string, encryption []byte, prefix string, most int) (names []string, err error) {
	collection, key, within := strings.Cut(prefix, "/")
	err = guard("inspect", func() error {
		db, err := badger.Open(lookingAt(filepath.Join(dir, "data"), encryption))
		if err != nil {
			return fmt.Errorf("replica: open %s: %w", dir, err)
		}
		s := &badgerStore{db: db}
		for number, scope := range namesIn(s).scopes {
			of := collectionOf(scope)
			switch {
			case isSystemScope(scope):
			case !within && strings.HasPrefix(of, prefix):
				names = append(names, of)
			case within && of == collection:
				for x, err := range s.scan(recordKey(rowHeader, number, key), nil) {
					if err != nil || len(names) >= most {
						break
					}
					if h, err := decodeHeader(x.key, x.value); err == nil && h.live {
						names = append(names, of+"/"+string(x.key[5:]))
					}
				}
			}
		}
		return s.close()
	})
	slices.Sort(names)
	names = slices.Compact(names)
	return names[:min(len(names), most)], err
}

// ReadWitness decodes the file in which a store notes how much it held when it
// last acknowledged a commit: the number of its last row, and of its changes.
func ReadWitness(b []byte) (rows, changes uint64, err error) {
	r := codec.NewReader(b)
	version := r.Byte()
	rows, changes = r.Uint64(), r.Uint64()
	r.Checksum(0)
	if err := r.Close(); err != nil {
		return 0, 0, fmt.Errorf("replica: witness: %w", err)
	}
	if version != rowVersion {
		return 0, 0, fmt.Errorf("replica: witness: %w", &codec.VersionError{What: "witness", Got: uint64(version), Max: rowVersion})
	}
	return rows, changes, nil
}
