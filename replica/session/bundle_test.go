package session

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt"
)

var bundleHead = BundleHead{From: origin('a', 1), Wall: clock.Earliest, Policy: crdt.Hash{7}}

// bundle writes all that a store has, but the first skip changes of each origin.
func bundle(t testing.TB, s *fakeStore, skip int) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := NewBundleWriter(&b, bundleHead)
	if err != nil {
		t.Fatal(err)
	}
	for name, sc := range s.scopes {
		for o, rows := range sc.rows {
			var changes []Change
			for i := skip; i < len(rows); i++ {
				ch := Change{Dot: clock.Dot{Origin: o, N: uint64(i) + 1}, Encoded: rows[i].encoded}
				if i == skip {
					ch.Before, _ = sc.chainAt(o, uint64(i))
				}
				changes = append(changes, ch)
			}
			if err := w.Write(name, changes); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// unbundle returns the chunks of a bundle.
func unbundle(b []byte) (chunks []BundleChunk, err error) {
	err = ReadBundle(bytes.NewReader(b), func(h BundleHead, c BundleChunk) error {
		if h != bundleHead {
			return fmt.Errorf("head %v", h)
		}
		chunks = append(chunks, c)
		return nil
	})
	return chunks, err
}

func TestBundleCarriesChangesWithTheirChain(t *testing.T) {
	for _, skip := range []int{0, 3} {
		a := newFake('a')
		a.writeMany("s", 2*maxChunkChanges+10)
		chunks, err := unbundle(bundle(t, a, skip))
		if err != nil {
			t.Fatal(err)
		}
		rows := a.scopes["s"].rows[a.self]
		n := skip
		for _, c := range chunks {
			if c.Scope != "s" || len(c.Faults) > 0 {
				t.Fatalf("a chunk of scope %q with faults %v", c.Scope, c.Faults)
			}
			for _, in := range c.Changes {
				before, _ := a.scopes["s"].chainAt(a.self, uint64(n))
				if in.Dot.N != uint64(n)+1 || in.Before != before || !bytes.Equal(in.Encoded, rows[n].encoded) || in.Hash != rows[n].hash {
					t.Fatalf("change %d came as %v after %x", n+1, in.Dot, in.Before)
				}
				n++
			}
		}
		if n != len(rows) || len(chunks) < 3 {
			t.Errorf("%d chunks with %d changes, want %d changes in 3 chunks or more", len(chunks), n-skip, len(rows)-skip)
		}
	}
}

//concord:edge large changes
func TestBundleOfLargeChanges(t *testing.T) {
	a := newFake('a')
	for range 3 {
		a.writeBig("s", 300<<10)
	}
	chunks, err := unbundle(bundle(t, a, 0))
	if err != nil || len(chunks) != 3 {
		t.Fatalf("got %d chunks and %v, want 3", len(chunks), err)
	}
}

//concord:fault bytes that were altered
func TestDamagedBundlesAreRefusedWhole(t *testing.T) {
	a := newFake('a')
	a.writeMany("s", 3)
	a.writeMany("u/1", 2)
	whole := bundle(t, a, 0)
	refused := func(how string, b []byte) {
		t.Helper()
		if _, err := unbundle(b); !errors.Is(err, ErrBundle) {
			t.Errorf("%s: got %v, want ErrBundle", how, err)
		}
	}
	for bit := range 8 * len(whole) {
		b := slices.Clone(whole)
		b[bit/8] ^= 1 << (bit % 8)
		refused(fmt.Sprintf("bit %d flipped", bit), b)
	}
	for n := range whole {
		refused(fmt.Sprintf("cut to %d bytes", n), whole[:n])
	}
	refused("twice", append(slices.Clone(whole), whole...))

	frames := slices.Collect(func(yield func(codec.Frame) bool) {
		for f, err := range codec.Frames(bytes.NewReader(whole), 0) {
			f.Body = slices.Clone(f.Body)
			if err != nil || !yield(f) {
				return
			}
		}
	})
	join := func(frames ...codec.Frame) (b []byte) {
		for _, f := range frames {
			b = codec.AppendFrame(b, f)
		}
		return b
	}
	refused("a chunk left out", join(slices.Delete(slices.Clone(frames), 1, 2)...))
	refused("a chunk twice", join(frames[0], frames[1], frames[1], frames[3]))
	refused("chunks exchanged", join(frames[0], frames[2], frames[1], frames[3]))
	refused("no head", join(frames[1:]...))
	refused("two heads", join(slices.Insert(slices.Clone(frames), 1, frames[0])...))
	refused("unknown frame", join(slices.Insert(slices.Clone(frames), 1, codec.Frame{Type: 40})...))
	if _, err := unbundle(join(slices.Insert(slices.Clone(frames), 1, codec.Frame{Type: 40, Flags: codec.FlagIgnorable})...)); err != nil {
		t.Errorf("a frame that may be skipped: %v", err)
	}
}

// laterBundle is a head of a version to come.
type laterBundle struct{ BundleHead }

func (h *laterBundle) Version() uint64 { return 2 }

//concord:edge a later version
func TestBundleOfALaterVersion(t *testing.T) {
	head, err := codec.AppendEnvelope(nil, &laterBundle{bundleHead})
	if err != nil {
		t.Fatal(err)
	}
	_, err = unbundle(codec.AppendFrame(nil, codec.Frame{Type: frameBundle, Body: head}))
	if !errors.Is(err, ErrBundle) || !errors.Is(err, codec.ErrVersion) {
		t.Errorf("got %v, want ErrBundle for ErrVersion", err)
	}
}

//concord:edge hostile bytes
func TestBundleWithAChangeThatDoesNotDecode(t *testing.T) {
	a, b := newFake('a'), newFake('b')
	a.writeMany("s", 1)
	b.writeMany("s", 1)
	sound := a.scopes["s"].rows[a.self][0].encoded
	torn := append(slices.Clone(sound[:len(sound)-1]), 0xff)
	other := b.scopes["s"].rows[b.self][0].encoded
	var out bytes.Buffer
	w, err := NewBundleWriter(&out, bundleHead)
	if err != nil {
		t.Fatal(err)
	}
	err = w.Write("s", []Change{
		{Dot: clock.Dot{Origin: a.self, N: 1}, Encoded: torn, Before: crdt.ChainStart("s", a.self)},
		{Dot: clock.Dot{Origin: a.self, N: 2}, Encoded: sound},
		{Dot: clock.Dot{Origin: b.self, N: 1}, Encoded: other, Before: crdt.ChainStart("s", b.self)},
	})
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	chunks, err := unbundle(out.Bytes())
	if err != nil || len(chunks) != 1 {
		t.Fatalf("got %d chunks and %v", len(chunks), err)
	}
	c := chunks[0]
	if len(c.Changes) != 1 || c.Changes[0].Dot.Origin != b.self {
		t.Errorf("sound are %v, want the change of b", c.Changes)
	}
	if len(c.Faults) != 2 || c.Faults[0].Verdict.Code != CodeMalformed || c.Faults[1].Verdict.Code != CodeGap {
		t.Errorf("faults are %v, want malformed and gap", c.Faults)
	}
}

// brokenStream fails in the middle.
type brokenStream struct{ r io.Reader }

var errStream = errors.New("stream")

func (s brokenStream) Read(b []byte) (int, error) {
	n, err := s.r.Read(b)
	if err == io.EOF {
		err = errStream
	}
	return n, err
}

//concord:fault a stream that breaks
func TestBundleFromABrokenStream(t *testing.T) {
	a := newFake('a')
	a.writeMany("s", 3)
	b := bundle(t, a, 0)
	err := ReadBundle(brokenStream{bytes.NewReader(b[:len(b)/2])}, func(BundleHead, BundleChunk) error { return nil })
	if !errors.Is(err, errStream) || errors.Is(err, ErrBundle) {
		t.Errorf("got %v, want the stream's error and not ErrBundle", err)
	}
	if err := ReadBundle(bytes.NewReader(b), func(BundleHead, BundleChunk) error { return errStream }); !errors.Is(err, errStream) {
		t.Errorf("got %v, want the error of take", err)
	}
}

//concord:edge hostile bytes
func FuzzReadBundle(f *testing.F) {
	a := newFake('a')
	a.writeMany("s", 3)
	a.write("u/1", strings.Repeat("k", 40), "bo")
	whole := bundle(f, a, 0)
	f.Add(whole)
	f.Add(whole[:len(whole)-9])
	f.Fuzz(func(t *testing.T, b []byte) {
		err := ReadBundle(bytes.NewReader(b), func(_ BundleHead, c BundleChunk) error {
			for _, in := range c.Changes {
				if in.Hash != crdt.HashOf(in.Encoded) {
					t.Errorf("change %v has another hash", in.Dot)
				}
			}
			return nil
		})
		if err != nil && !errors.Is(err, ErrBundle) {
			t.Errorf("refused with %v, which is not ErrBundle", err)
		}
	})
}
