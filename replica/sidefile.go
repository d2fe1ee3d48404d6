package replica

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
)

// side is what a replica must remember apart from its store: who it is, the
// stretch of its life that it surely remembers, how far its clock was promised,
// where it is at home, and what it has shown to others. It is written to two
// slots in turn, each flushed before it counts, so that a cut in the middle of a
// write leaves the other whole.
type side struct {
	Generation  uint64
	Seed        []byte // of the Ed25519 key that names the replica
	Incarnation uint64
	Bound       clock.Stamp // no stamp above it was given out
	// Binding is where the incarnation is at home. A copy finds itself elsewhere.
	Binding binding
	// Marks are by scope the highest own change of the incarnation that any peer
	// may have seen.
	Marks map[string]uint64
}

// Kind and the methods below make side a [codec.Message].
func (s *side) Kind() string    { return "replica" }
func (s *side) Version() uint64 { return 1 }

func (s *side) WriteFields(w *codec.FieldWriter, _ uint64) {
	w.Uint(s.Generation)
	w.Bytes(s.Seed)
	w.Uint(s.Incarnation)
	w.Uint(uint64(s.Bound))
	w.Bytes(s.Binding.machine[:])
	w.Uint(s.Binding.directory)
	w.Bytes(s.Binding.token[:])
	w.List(2 * len(s.Marks))
	for _, name := range slices.Sorted(maps.Keys(s.Marks)) {
		w.String(name)
		w.Uint(s.Marks[name])
	}
}

func (s *side) ReadFields(r *codec.FieldReader, _ uint64) {
	s.Generation = r.Uint("generation")
	s.Seed = r.Bytes("seed", ed25519.SeedSize)
	s.Incarnation = r.Uint("incarnation")
	s.Bound = clock.Stamp(r.Uint("bound"))
	copy(s.Binding.machine[:], r.Bytes("machine", len(s.Binding.machine)))
	s.Binding.directory = r.Uint("directory")
	copy(s.Binding.token[:], r.Bytes("token", len(s.Binding.token)))
	s.Marks = map[string]uint64{}
	for n := r.List("marks", maxMarks) / 2; n > 0 && r.Err() == nil; n-- {
		name := r.String("scope", maxKeyBytes)
		s.Marks[name] = r.Uint("mark")
	}
	if len(s.Seed) != ed25519.SeedSize {
		r.Fail("seed", codec.ErrMalformed)
	}
}

func (s *side) replicaID() clock.ReplicaID { return IDOf(s.Seed) }

// IDOf is the id of the replica whose key has this seed ([Options.Identity]):
// the first 16 bytes of SHA-256 of the public Ed25519 key. The seed must have 32
// bytes; of another it is the zero id.
func IDOf(identity []byte) (id clock.ReplicaID) {
	if len(identity) != ed25519.SeedSize {
		return id
	}
	public := ed25519.NewKeyFromSeed(identity).Public().(ed25519.PublicKey)
	sum := sha256.Sum256(public)
	copy(id[:], sum[:])
	return id
}

func (s *side) origin() clock.Origin {
	return clock.Origin{Replica: s.replicaID(), Incarnation: s.Incarnation}
}

// newSide makes a replica: a key, random unless its seed is given, and a first
// incarnation, always random. An incarnation is never a counter: a clone and its
// original would both take the next one.
func newSide(seed []byte, random io.Reader) (*side, error) {
	s := &side{Seed: slices.Clone(seed)}
	if s.Seed == nil {
		s.Seed = make([]byte, ed25519.SeedSize)
		if _, err := io.ReadFull(random, s.Seed); err != nil {
			return nil, fmt.Errorf("replica: make a key: %w", err)
		}
	}
	var err error
	s.Incarnation, err = randomIncarnation(random)
	return s, err
}

func randomIncarnation(random io.Reader) (uint64, error) {
	var b [8]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return 0, fmt.Errorf("replica: make an incarnation: %w", err)
	}
	return codec.NewReader(b[:]).Uint64(), nil
}

const (
	maxMarks     = 1 << 16
	maxSideBytes = 16 << 20
)

// files are the small files beside the store.
type files interface {
	ReadFile(name string) ([]byte, error)
	WriteFile(name string, b []byte, durable bool) error
}

// sideFile keeps a side in its two slots; without files, in memory.
type sideFile struct{ files files }

func slot(generation uint64) string { return fmt.Sprintf("identity.%d", generation%2) }

// read returns the newest slot that is whole; nil if there is none at all.
// damaged says that the other slot cannot be read, so that this one may not be
// what was written last.
func (f sideFile) read() (best *side, damaged bool, err error) {
	var faults []error
	for g := range uint64(2) {
		b, err := f.files.ReadFile(slot(g))
		if errors.Is(err, fs.ErrNotExist) || err == nil && len(b) == 0 {
			continue // empty: its writing had only begun
		}
		if err != nil {
			return nil, false, fmt.Errorf("replica: identity: %w", err)
		}
		s := &side{}
		if err := codec.DecodeEnvelope(b, s, maxSideBytes); err != nil {
			faults = append(faults, &CorruptError{Row: "identity", Key: []byte{byte(g)}, Err: err})
			continue
		}
		if best == nil || s.Generation > best.Generation {
			best = s
		}
	}
	if best == nil && len(faults) > 0 {
		return nil, true, errors.Join(faults...)
	}
	return best, len(faults) > 0, nil
}

// write makes s durable in the slot that does not hold the newest.
func (f sideFile) write(s *side) error {
	s.Generation++
	if f.files == nil {
		return nil
	}
	b, err := codec.AppendEnvelope(nil, s)
	if err != nil {
		return fmt.Errorf("replica: identity: %w", err)
	}
	if err := f.files.WriteFile(slot(s.Generation), b, true); err != nil {
		return fmt.Errorf("replica: identity: %w", err)
	}
	return nil
}

// dirFiles are files in a directory.
type dirFiles string

func (d dirFiles) ReadFile(name string) ([]byte, error) {
	return os.ReadFile(filepath.Join(string(d), name))
}

func (d dirFiles) WriteFile(name string, b []byte, durable bool) error {
	path := filepath.Join(string(d), name)
	_, err := os.Lstat(path)
	fresh := errors.Is(err, fs.ErrNotExist)
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(b)
	if durable {
		err = errors.Join(err, file.Sync())
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	if durable && fresh {
		return syncDir(string(d))
	}
	return nil
}

// syncDir makes new file names durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("replica: identity: %w", err)
	}
	serr := d.Sync()
	if errors.Is(serr, errors.ErrUnsupported) {
		serr = nil
	}
	if err := errors.Join(serr, d.Close()); err != nil {
		return fmt.Errorf("replica: identity %s: %w", hex.EncodeToString([]byte(dir)), err)
	}
	return nil
}
