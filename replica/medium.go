package replica

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
)

// Medium is what a replica is kept on when it is not a directory
// ([Options.Medium]): rows in an engine, and small files beside it. It decides
// what survives: all that the replica promises of crashes rests on it.
//
// The replica calls its methods from several goroutines. It keeps what it is
// given back, and changes nothing that it gives.
type Medium interface {
	// Engine opens the rows. One engine is open at a time.
	Engine() (Engine, error)
	// ReadFile reads a small file; [fs.ErrNotExist] if it is not there.
	ReadFile(name string) ([]byte, error)
	// WriteFile replaces a small file, not at once: what is in it if power is lost
	// meanwhile is not said. If durable is set it is on the disk on return; else it
	// survives the end of the process.
	WriteFile(name string, b []byte, durable bool) error
	// Home is where the medium is: a hash of the machine, and a number of the
	// place on it. A copy has another machine or another place; what is moved or
	// put back has not.
	Home() (machine [16]byte, place uint64)
	// Space is how many bytes are left, of how many, if that is known.
	Space() (free, size uint64, known bool)
}

// Engine keeps rows in the order of their keys.
type Engine interface {
	EngineReader
	// Last returns the last row whose key starts with prefix and is below before
	// (nil: any).
	Last(prefix, before []byte) (r Row, found bool, err error)
	// At calls f with the rows as they are at one moment.
	At(f func(EngineReader) error) error
	// Commit writes the groups in order, each whole or not at all. They survive
	// the end of the process when it returns nil, and a loss of power too if the
	// engine is one that syncs; after an error, any number of the first ones are
	// written.
	Commit(groups [][]Row) error
	// Sync makes everything committed survive a loss of power.
	Sync() error
	// Compact gives back room that overwritten rows take.
	Compact() error
	Close() error
}

// EngineReader reads rows.
type EngineReader interface {
	// Get returns the value under key; found is false if there is none.
	Get(key []byte) (value []byte, found bool, err error)
	// Scan yields the rows whose keys start with prefix, from the key from on
	// (nil: the first), in order.
	Scan(prefix, from []byte) iter.Seq2[Row, error]
}

// Row is a key and its value; a nil Value in a commit deletes the key.
type Row struct{ Key, Value []byte }

// mediumStore makes a store of an engine.
type mediumStore struct {
	mediumReader
	e    Engine
	gate *spaceGate
}

var _ store = mediumStore{}

func openMedium(m Medium, gate *spaceGate) (store, error) {
	if err := gate.open(); err != nil {
		return nil, err
	}
	e, err := m.Engine()
	if err != nil {
		return nil, fmt.Errorf("replica: open the medium: %w", err)
	}
	return mediumStore{mediumReader{e}, e, gate}, nil
}

// mediumGate is the gate before a medium.
func mediumGate(name string, o *Options) *spaceGate {
	g := &spaceGate{dir: name, limits: o.Space, fileless: true, free: func(string) (free, size uint64, ok bool) { return o.Medium.Space() }}
	_, size, _ := o.Medium.Space()
	g.limits.defaults(o.Profile, size)
	g.limits.DisableBallast = true
	return g
}

type mediumReader struct{ e EngineReader }

func (v mediumReader) get(key []byte) (value []byte, found bool, err error) {
	value, found, err = v.e.Get(key)
	if err != nil {
		err = fmt.Errorf("replica: read: %w", err)
	}
	return value, found, err
}

func (v mediumReader) scan(prefix, from []byte) iter.Seq2[row, error] {
	return func(yield func(row, error) bool) {
		for x, err := range v.e.Scan(prefix, from) {
			if err != nil {
				yield(row{}, fmt.Errorf("replica: scan: %w", err))
				return
			}
			if !yield(row{x.Key, x.Value}, nil) {
				return
			}
		}
	}
}

func (s mediumStore) last(prefix, before []byte) (r row, found bool, err error) {
	x, found, err := s.e.Last(prefix, before)
	if err != nil {
		err = fmt.Errorf("replica: read: %w", err)
	}
	return row{x.Key, x.Value}, found, err
}

func (s mediumStore) at(f func(reader) error) error {
	return s.e.At(func(v EngineReader) error { return f(mediumReader{v}) })
}

func (s mediumStore) commit(groups []group) error {
	out := make([][]Row, len(groups))
	bytes := int64(0)
	for i, g := range groups {
		weight, _ := g.weigh()
		bytes += weight
		out[i] = make([]Row, len(g))
		for j, x := range g {
			out[i][j] = Row{x.key, x.value}
		}
	}
	if err := s.gate.commit(uint64(bytes)); err != nil {
		return err
	}
	if err := s.e.Commit(out); err != nil {
		return fmt.Errorf("replica: commit: %w", err)
	}
	return nil
}

func (s mediumStore) sync() error {
	if err := s.e.Sync(); err != nil {
		return fmt.Errorf("replica: sync to disk: %w", err)
	}
	return nil
}

func (s mediumStore) compact() error { return s.e.Compact() }

func (s mediumStore) close() error {
	if err := s.e.Close(); err != nil {
		return fmt.Errorf("replica: close: %w", err)
	}
	return nil
}

// mediumWitness reads the witness of a medium; found is false if it says
// nothing that can be read.
func mediumWitness(m Medium) (w *witness, found bool, err error) {
	b, err := m.ReadFile("witness")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, false, fmt.Errorf("replica: witness: %w", err)
	}
	w = &witness{file: mediumFile{m}}
	return w, w.read(b), nil
}

// mediumFile is the file of a witness.
type mediumFile struct{ m Medium }

func (f mediumFile) WriteAt(b []byte, _ int64) (int, error) {
	return len(b), f.m.WriteFile("witness", b, false)
}

func (f mediumFile) Close() error { return nil }
