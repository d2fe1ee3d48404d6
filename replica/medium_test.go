package replica_test

import (
	"errors"
	"io/fs"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/concord-crdt/concord/replica"
)

// shelf is the least medium: maps.
type shelf struct {
	rows  map[string][]byte
	files map[string][]byte
	place uint64
	fails error // of the next writes
}

var _ replica.Medium = (*shelf)(nil)

func newShelf() *shelf { return &shelf{rows: map[string][]byte{}, files: map[string][]byte{}} }

func (s *shelf) Engine() (replica.Engine, error) { return shelfEngine{s}, nil }

func (s *shelf) ReadFile(name string) ([]byte, error) {
	if b, ok := s.files[name]; ok {
		return b, nil
	}
	return nil, fs.ErrNotExist
}

func (s *shelf) WriteFile(name string, b []byte, _ bool) error {
	if s.fails == nil {
		s.files[name] = slices.Clone(b)
	}
	return s.fails
}

func (s *shelf) Home() ([16]byte, uint64) { return [16]byte{1}, s.place }

func (s *shelf) Space() (free, size uint64, known bool) { return 0, 0, false }

type shelfEngine struct{ *shelf }

func (e shelfEngine) Get(key []byte) ([]byte, bool, error) {
	v, ok := e.rows[string(key)]
	return v, ok, nil
}

func (e shelfEngine) keys(prefix []byte) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(e.rows)), func(k string) bool { return !strings.HasPrefix(k, string(prefix)) })
}

func (e shelfEngine) Scan(prefix, from []byte) iter.Seq2[replica.Row, error] {
	return func(yield func(replica.Row, error) bool) {
		for _, k := range e.keys(prefix) {
			if k >= string(from) && !yield(replica.Row{Key: []byte(k), Value: e.rows[k]}, nil) {
				return
			}
		}
	}
}

func (e shelfEngine) Last(prefix, before []byte) (r replica.Row, found bool, err error) {
	for _, k := range e.keys(prefix) {
		if before == nil || k < string(before) {
			r, found = replica.Row{Key: []byte(k), Value: e.rows[k]}, true
		}
	}
	return r, found, nil
}

func (e shelfEngine) At(f func(replica.EngineReader) error) error { return f(e) }

func (e shelfEngine) Commit(groups [][]replica.Row) error {
	if e.fails != nil {
		return e.fails
	}
	for _, r := range slices.Concat(groups...) {
		if r.Value == nil {
			delete(e.rows, string(r.Key))
		} else {
			e.rows[string(r.Key)] = r.Value
		}
	}
	return nil
}

func (e shelfEngine) Sync() error    { return e.fails }
func (e shelfEngine) Compact() error { return nil }
func (e shelfEngine) Close() error   { return nil }

func TestMedium(t *testing.T) {
	s := newShelf()
	open := func() *replica.Replica {
		r, err := replica.Open("a shelf", replica.Options{Medium: s})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	set := func(r *replica.Replica, v int) error {
		return r.Collection("c").Update(t.Context(), "k", func(p *replica.Record) error { return p.Register("x").Set(v) })
	}
	r := open()
	if err := set(r, 1); err != nil {
		t.Fatal(err)
	}
	first := r.Origin()
	s.fails = errors.New("it fell down")
	if err := set(r, 2); !errors.Is(err, s.fails) {
		t.Errorf("a write that the medium refuses: %v", err)
	}
	s.fails = nil
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}

	r = open()
	v, err := r.Collection("c").View(t.Context(), "k")
	if f, _ := v.Field("x"); err != nil || f.Value != int64(1) || r.Origin() != first || len(r.Damage()) > 0 {
		t.Errorf("opened again as %v it shows %+v, damage %v, %v", r.Origin(), v, r.Damage(), err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}

	s.place++ // a copy
	r = open()
	if err := set(r, 3); err != nil || r.Origin() == first {
		t.Errorf("the copy writes as %v, %v", r.Origin(), err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestMediumGoesWithNoDirectory(t *testing.T) {
	for _, o := range []replica.Options{{DisableDisk: true}, {EncryptionKey: make([]byte, 16)}} {
		o.Medium = newShelf()
		if err := o.Validate(); err == nil {
			t.Errorf("valid: %+v", o)
		}
	}
}
