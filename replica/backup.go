package replica

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/concord-crdt/concord/codec"
)

// A backup is a sequence of blocks: a length of four bytes, that many bytes, and
// their checksum in the last four. The first block has the side file, those
// after it rows, the last no row and the number of all of them.
const (
	backupVersion = 1
	backupBlock   = 1 << 20
	// maxBackupBlock is what a block with the largest row can come to.
	maxBackupBlock = maxRowBytes + backupBlock
)

// Backup writes all that the replica holds to w, as it is at one moment, while
// others write. With [Restore] it becomes a replica again.
//
// A backup counts as a peer: what it contains is on the disk and noted as shown
// before the first byte is written, so that nobody uses its dots again. It holds
// the replica's key: keep it as you would keep the store. It is not encrypted.
//
// It takes no more memory than the largest row, and fails if the store is
// damaged so that a row cannot be read from the engine; damage within rows is
// copied, and found again by [Replica.Verify].
func (r *Replica) Backup(ctx context.Context, w io.Writer) error {
	r.mu.RLock()
	err := r.usable()
	r.mu.RUnlock()
	if err == nil {
		err = r.settled(func(v reader) error { return r.backup(ctx, v, w) })
	}
	if err != nil {
		return fmt.Errorf("replica: backup: %w", err)
	}
	return nil
}

func (r *Replica) backup(ctx context.Context, v reader, w io.Writer) error {
	side, err := r.offerAll()
	if err != nil {
		return err
	}
	e := codec.NewWriter(nil)
	e.Uint32(0)
	e.Byte(backupVersion)
	e.Raw(side)
	if err := writeBlock(w, e); err != nil {
		return err
	}
	rows := uint64(0)
	for _, kind := range rowKinds {
		for x, err := range v.scan([]byte{kind}, nil) {
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				return err
			}
			if bytes.Equal(x.key, metaKey(tokenName)) {
				continue // it belongs to the place, not to the data
			}
			e.Blob(x.key)
			e.Blob(x.value)
			rows++
			if e.Len() >= backupBlock {
				if err := writeBlock(w, e); err != nil {
					return err
				}
			}
		}
	}
	if e.Len() > 4 {
		if err := writeBlock(w, e); err != nil {
			return err
		}
	}
	e.Blob(nil)
	e.Uvarint(rows)
	return writeBlock(w, e)
}

// offerAll notes that all own changes may be seen, and returns the side file for
// the backup.
func (r *Replica) offerAll() ([]byte, error) {
	if err := r.store.sync(); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	raised := false
	for name, s := range r.scopes {
		if n := s.stored.Get(r.origin); n > r.side.Marks[name] {
			r.side.Marks[name] = n
			raised = true
		}
	}
	if raised {
		if err := r.sideIO.write(r.side); err != nil {
			return nil, err
		}
	}
	copied := *r.side
	copied.Binding = binding{}
	return codec.AppendEnvelope(nil, &copied)
}

// writeBlock writes what e has behind its first four bytes, and begins the next
// block.
func writeBlock(w io.Writer, e *codec.Writer) error {
	e.Checksum(4)
	b := e.Bytes()
	head := codec.NewWriter(b[:0])
	head.Uint32(uint32(len(b) - 4))
	if _, err := w.Write(b); err != nil {
		return err
	}
	e.Reset()
	e.Uint32(0)
	return nil
}

// readBlock reads what writeBlock wrote.
func readBlock(rd io.Reader) (*codec.Reader, error) {
	var head [4]byte
	if _, err := io.ReadFull(rd, head[:]); err != nil {
		return nil, fmt.Errorf("block: %w", err)
	}
	n := codec.NewReader(head[:]).Uint32()
	if n < 4 || n > maxBackupBlock {
		return nil, &codec.LimitError{What: "backup block", Got: uint64(n), Max: maxBackupBlock}
	}
	var buf bytes.Buffer // grows with what is there, not with what is promised
	if m, err := io.CopyN(&buf, rd, int64(n)); err != nil {
		return nil, fmt.Errorf("block of %d bytes ends after %d: %w", n, m, err)
	}
	b := buf.Bytes()
	check := codec.NewReader(b)
	check.Raw(len(b) - 4)
	check.Checksum(0)
	if err := check.Err(); err != nil {
		return nil, fmt.Errorf("block: %w", err)
	}
	return codec.NewReader(b[:len(b)-4]), nil
}

// Restore makes a replica in dir, which must be empty or not be there, from what
// [Replica.Backup] wrote. It is opened with [Open]; its first write starts a new
// incarnation, so that original and restored replica may both go on. Of o it
// takes what concerns the store itself: the profile and the encryption key.
//
// What was restored is read to its end before the replica can be opened: a
// backup that was cut gives an error, and a directory that is no replica.
func Restore(ctx context.Context, dir string, rd io.Reader, o Options) error {
	if err := restore(ctx, dir, rd, o); err != nil {
		return fmt.Errorf("replica: restore into %s: %w", dir, err)
	}
	return nil
}

func restore(ctx context.Context, dir string, rd io.Reader, o Options) (err error) {
	if err := o.Validate(); err != nil {
		return err
	}
	o.defaults()
	o.Durability, o.DisableDisk = Relaxed, false // it is flushed at the end
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return fmt.Errorf("it has %d entries: %w", len(entries), ErrNotReplica)
	}
	first, err := readBlock(rd)
	if err != nil {
		return err
	}
	if v := first.Byte(); v != backupVersion {
		return &codec.VersionError{What: "backup", Got: uint64(v), Max: backupVersion}
	}
	s := &side{}
	if err := codec.DecodeEnvelope(first.Raw(first.Remaining()), s, maxSideBytes); err != nil {
		return fmt.Errorf("identity: %w", err)
	}
	if err := prepareDir(dir); err != nil {
		return err
	}
	store, err := openBadger(filepath.Join(dir, "data"), &o, newSpaceGate(dir, &o))
	if err != nil {
		return err
	}
	err = errors.Join(restoreRows(ctx, store, rd), store.sync(), store.close())
	if err != nil {
		// A part of a replica must not be opened as one.
		return errors.Join(err, os.RemoveAll(filepath.Join(dir, "data")))
	}
	s.Generation = 0
	return sideFile{dirFiles(dir)}.write(s)
}

func restoreRows(ctx context.Context, s store, rd io.Reader) error {
	for rows := uint64(0); ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		b, err := readBlock(rd)
		if err != nil {
			return err
		}
		var g group
		for b.Remaining() > 0 {
			key := b.Blob("key", maxKeyBytes+64)
			if len(key) == 0 {
				if n := b.Uvarint(); b.Close() != nil || n != rows+uint64(len(g)) {
					return fmt.Errorf("%d rows, and the backup had %d: %w", rows+uint64(len(g)), n, codec.ErrMalformed)
				}
				return s.commit(inPieces(g))
			}
			g = append(g, row{bytes.Clone(key), append([]byte{}, b.Blob("value", maxRowBytes)...)})
			if err := b.Err(); err != nil {
				return err
			}
		}
		rows += uint64(len(g))
		if err := s.commit(inPieces(g)); err != nil {
			return err
		}
	}
}
