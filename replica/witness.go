package replica

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/concord-crdt/concord/codec"
)

// witness is a small file that says how much the store held when the last
// commit was acknowledged. The engine drops the end of its log silently where a
// bit of it has turned; the witness tells. It is not flushed: it survives a kill,
// and after a loss of power it may be older than the store, never newer than
// what was written.
type witness struct {
	file witnessFile
	last counts
}

// witnessFile is what a witness is written to.
type witnessFile interface {
	WriteAt(b []byte, at int64) (int, error)
	Close() error
}

// counts is how much a store holds.
type counts struct {
	seq     uint64 // the last number given to a row
	changes uint64 // that are stored, over all scopes
}

const witnessBytes = 1 + 8 + 8 + 4

// openWitness opens or makes the file in dir; found is false if it says nothing
// that can be read.
func openWitness(dir string) (w *witness, found bool, err error) {
	f, err := os.OpenFile(filepath.Join(dir, "witness"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, false, fmt.Errorf("replica: witness: %w", err)
	}
	b := make([]byte, witnessBytes)
	n, _ := f.ReadAt(b, 0)
	w = &witness{file: f}
	return w, w.read(b[:n]), nil
}

// read takes up what the file says, and reports whether it says anything.
func (w *witness) read(b []byte) bool {
	r := codec.NewReader(b)
	version, c := r.Byte(), counts{r.Uint64(), r.Uint64()}
	r.Checksum(0)
	if r.Err() != nil || version != rowVersion {
		return false
	}
	w.last = c
	return true
}

func (w *witness) write(c counts) error {
	if w == nil || c == w.last {
		return nil
	}
	e := codec.NewWriter(make([]byte, 0, witnessBytes))
	e.Byte(rowVersion)
	e.Uint64(c.seq)
	e.Uint64(c.changes)
	e.Checksum(0)
	if _, err := w.file.WriteAt(e.Bytes(), 0); err != nil {
		return fmt.Errorf("replica: witness: %w", err)
	}
	w.last = c
	return nil
}

func (w *witness) close() error {
	if w == nil {
		return nil
	}
	if err := w.file.Close(); err != nil && !errors.Is(err, fs.ErrClosed) {
		return fmt.Errorf("replica: witness: %w", err)
	}
	return nil
}

// checkWitness compares what is here with what was acknowledged. The caller
// holds r.mu, and the store is loaded.
func (r *Replica) checkWitness(found bool) {
	if !found || r.witness == nil {
		return
	}
	was := r.witness.last
	if r.seq >= was.seq && r.changes >= was.changes {
		return
	}
	r.damaged(Damage{Row: "store", Err: fmt.Errorf("%w: it ends at row %d with %d changes, and held row %d with %d",
		ErrLost, r.seq, r.changes, was.seq, was.changes)})
	r.doubt("the store has lost its end")
}
