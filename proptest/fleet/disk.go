package fleet

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/concord-crdt/concord/proptest/scenario"
)

// Restart closes the replica and opens it again.
func (n *node) Restart() error {
	return errors.Join(n.Close(), n.open())
}

// backup is a directory as it lay on the disk.
type backup struct{ dir string }

// Backup copies the directory, side file included, while the replica is open:
// nothing writes meanwhile, so it is what a copy of the disk would hold.
func (n *node) Backup() (scenario.Backup, error) {
	to, err := os.MkdirTemp(filepath.Dir(n.dir), "backup-")
	if err == nil {
		err = copyTree(to, n.dir)
	}
	if err != nil {
		return nil, fmt.Errorf("fleet: back up %s: %w", n.name, err)
	}
	return backup{to}, nil
}

// Restore puts a backup in the place of the directory.
func (n *node) Restore(b scenario.Backup) error {
	from, ok := b.(backup)
	if !ok {
		return fmt.Errorf("fleet: a %T is no backup", b)
	}
	if err := n.Close(); err != nil {
		return err
	}
	if err := errors.Join(os.RemoveAll(n.dir), os.Mkdir(n.dir, 0o700), copyTree(n.dir, from.dir)); err != nil {
		return fmt.Errorf("fleet: restore %s: %w", n.name, err)
	}
	return n.open()
}

// copyTree copies all files of a directory, byte for byte.
func copyTree(to, from string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		switch {
		case d.IsDir():
			return os.MkdirAll(target, 0o700)
		case d.Type().IsRegular():
			return copyFile(target, path)
		}
		return nil
	})
}

// copyFile leaves holes where the file has zeros: stores set space aside for
// files that they have hardly begun to write.
func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(copySparse(out, in), out.Close())
}

func copySparse(out *os.File, in io.Reader) error {
	block, zeros := make([]byte, 1<<20), make([]byte, 1<<20)
	var size int64
	for {
		n, err := io.ReadFull(in, block)
		if n > 0 && !bytes.Equal(block[:n], zeros[:n]) {
			if _, err := out.WriteAt(block[:n], size); err != nil {
				return err
			}
		}
		size += int64(n)
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return out.Truncate(size)
		case err != nil:
			return err
		}
	}
}
