package session

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt"
)

// Messages have one encoding each: what can be read and is written otherwise is
// refused.

// goldenFrames are the golden messages with the types of their frames.
func goldenFrames(t testing.TB) (frames []codec.Frame) {
	types := map[string]byte{"hello": frameHello, "status": frameStatus, "chain query": frameChainQuery, "chain answer": frameChainAnswer,
		"chunk": frameChunk, "ack": frameAck, "caught up": frameCaughtUp, "bye": frameBye}
	for _, m := range goldenMessages(t) {
		b, err := hex.DecodeString(m.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		if kind, ok := types[m.Format]; ok {
			frames = append(frames, codec.Frame{Type: kind, Body: b})
		}
	}
	return frames
}

// statusOf writes a status that was read: of an applied clock it has the digest
// alone.
func statusOf(scopes []peerScope) []byte {
	var t clock.Table
	body := codec.NewWriter(nil)
	body.Uvarint(uint64(len(scopes)))
	for _, s := range scopes {
		body.String(s.name)
		all := ScopeStatus{Applied: clock.ContextOf(s.stored)}
		if s.applied == all.appliedDigest() {
			body.Byte(statusAppliedAll)
		} else {
			body.Byte(0)
			writeHash(body, s.applied)
		}
		s.stored.Write(body, &t)
		writeHash(body, s.fingerprint)
		body.Uvarint(uint64(len(s.chains)))
		for _, c := range s.chains {
			clock.WriteOrigin(body, &t, c.origin)
			writeHash(body, c.hash)
		}
	}
	w := codec.NewWriter(nil)
	t.Write(w)
	w.Raw(body.Bytes())
	return w.Bytes()
}

func table(origins ...clock.Origin) *clock.Table {
	var t clock.Table
	for _, o := range origins {
		t.Number(o)
	}
	return &t
}

//concord:edge hostile bytes
func TestStatusHasOneEncoding(t *testing.T) {
	a, b := goldenOrigin(2), goldenOrigin(3)
	hash := crdt.HashOf([]byte("some bytes"))
	var stored clock.VersionVector
	stored.Set(a, 5)
	stored.Set(b, 7)
	all := ScopeStatus{Applied: clock.ContextOf(stored)}
	status := func(origins *clock.Table, flags byte, applied crdt.Hash) []byte {
		w, body := codec.NewWriter(nil), codec.NewWriter(nil)
		body.Uvarint(1)
		body.String("visits")
		body.Byte(flags)
		if flags == 0 {
			writeHash(body, applied)
		}
		stored.Write(body, origins)
		writeHash(body, hash)
		body.Uvarint(0)
		origins.Write(w)
		w.Raw(body.Bytes())
		return w.Bytes()
	}
	var cfg Config
	cfg.setDefaults()
	for _, c := range []struct {
		name  string
		bytes []byte
		want  error
	}{
		{"nothing waits", status(table(a, b), statusAppliedAll, hash), nil},
		{"something waits", status(table(a, b), 0, hash), nil},
		{"nothing waits, by its digest", status(table(a, b), 0, all.appliedDigest()), codec.ErrNotCanonical},
		{"origins out of order", status(table(b, a), statusAppliedAll, hash), codec.ErrNotCanonical},
		{"origin that is not used", status(table(a, b, goldenOrigin(4)), statusAppliedAll, hash), codec.ErrNotCanonical},
		{"origin of zeros", status(table(a, b, clock.Origin{}), statusAppliedAll, hash), codec.ErrMalformed},
	} {
		if _, err := decodeStatus(c.bytes, &cfg, goldenReader); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
}

//concord:edge hostile bytes
func TestAckHasOneEncoding(t *testing.T) {
	type row struct {
		outcome Outcome
		count   uint64
		code    Code
		reason  string
	}
	for _, c := range []struct {
		name string
		rows []row
		want error
	}{
		{"all applied", nil, nil},
		{"two outcomes", []row{{Applied, 2, 0, ""}, {Duplicate, 1, 0, ""}}, nil},
		{"two reasons", []row{{Waiting, 2, CodeMissingHead, "a"}, {Waiting, 1, CodeMissingHead, "b"}}, nil},
		{"all applied, one by one", []row{{Applied, 3, 0, ""}}, codec.ErrNotCanonical},
		{"a row in two", []row{{Duplicate, 1, 0, ""}, {Duplicate, 2, 0, ""}}, codec.ErrNotCanonical},
		{"a row with a reason in two", []row{{Applied, 1, 0, ""}, {Refused, 1, CodeFork, "x"}, {Refused, 2, CodeFork, "x"}}, codec.ErrNotCanonical},
		{"an empty row", []row{{Duplicate, 0, 0, ""}}, codec.ErrMalformed},
	} {
		w := codec.NewWriter(nil)
		w.Uvarint(7)
		w.Uvarint(uint64(len(c.rows)))
		for _, x := range c.rows {
			w.Byte(byte(x.outcome))
			w.Uvarint(x.count)
			if x.outcome >= Waiting {
				w.Uvarint(uint64(x.code))
				w.String(x.reason)
			}
		}
		a, err := decodeAck(w.Bytes())
		if !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
		if err == nil && !slices.Equal(a.encode(1000), w.Bytes()) {
			t.Errorf("%s: written as %x, want %x", c.name, a.encode(1000), w.Bytes())
		}
	}
}

// TestAckWithoutRoomHasOneEncoding: where reasons are left out, what is equal
// without them is one row.
func TestAckWithoutRoomHasOneEncoding(t *testing.T) {
	a := ack{number: 1}
	for i := range maxChunkChanges {
		a.verdicts = append(a.verdicts, Verdict{Refused, CodeInvalid, fmt.Sprintf("reason %0*d", i%150, i)})
	}
	for _, room := range []int{leastFrameBytes, 20_000, 1 << 20} {
		b := a.encode(room)
		if len(b) > room {
			t.Errorf("%d bytes, with room for %d", len(b), room)
		}
		back, err := decodeAck(b)
		if err != nil || len(back.verdicts) != len(a.verdicts) {
			t.Fatalf("room for %d: %d verdicts, %v", room, len(back.verdicts), err)
		}
		if got := back.encode(1 << 20); !slices.Equal(got, b) {
			t.Errorf("room for %d: %d bytes are written as %d", room, len(b), len(got))
		}
	}
}

//concord:edge hostile bytes
func TestChunkHasOneEncoding(t *testing.T) {
	a, b := goldenOrigin(2), goldenOrigin(3)
	first, other := change(clock.Dot{Origin: a, N: 1}, "k", "ann").Encode(), change(clock.Dot{Origin: b, N: 1}, "k", "bob").Encode()
	second := change(clock.Dot{Origin: a, N: 2}, "k", "ann").Encode()
	rest := func(encoded []byte) []byte {
		_, rest, err := split(encoded)
		if err != nil {
			t.Fatal(err)
		}
		return rest
	}
	type item struct {
		names []uint64 // nil: as of the change before
		rest  []byte
	}
	chunk := func(flags byte, origins *clock.Table, runs []uint64, order [][2]uint64, items ...item) []byte {
		w := codec.NewWriter(nil)
		w.Uvarint(1)
		w.Byte(flags)
		w.String("s")
		origins.Write(w)
		w.Uvarint(uint64(len(runs)))
		for _, o := range runs {
			w.Uvarint(o)
			w.Uvarint(1)
		}
		w.Uvarint(uint64(len(items)))
		for _, x := range order {
			w.Uvarint(x[0])
			w.Uvarint(x[1])
		}
		for _, it := range items {
			if it.names == nil {
				w.Uvarint(0)
			} else {
				w.Uvarint(uint64(len(it.names)) + 1)
				for _, n := range it.names {
					w.Uvarint(n)
				}
			}
			w.Blob(it.rest)
		}
		return w.Bytes()
	}
	one, two, three := item{[]uint64{0}, rest(first)}, item{[]uint64{1}, rest(other)}, item{nil, rest(second)}
	again := item{[]uint64{0}, rest(second)}
	for _, c := range []struct {
		name  string
		bytes []byte
		want  error
	}{
		{"two runs", chunk(0, table(a, b), []uint64{0, 1}, [][2]uint64{{0, 1}, {1, 1}}, one, two), nil},
		{"a run of two", chunk(0, table(a), []uint64{0}, [][2]uint64{{0, 2}}, one, three), nil},
		{"numbers anew, too early", chunk(chunkAnew, table(a), []uint64{0}, [][2]uint64{{0, 2}}, one, three), codec.ErrNotCanonical},
		{"another flag", chunk(2, table(a), []uint64{0}, [][2]uint64{{0, 2}}, one, three), codec.ErrMalformed},
		{"origins out of order", chunk(0, table(b, a), []uint64{1, 0}, [][2]uint64{{0, 1}, {1, 1}},
			item{[]uint64{1}, rest(first)}, item{[]uint64{0}, rest(other)}), codec.ErrNotCanonical},
		{"origin that is not used", chunk(0, table(a, b), []uint64{0}, [][2]uint64{{0, 2}}, one, three), codec.ErrNotCanonical},
		{"runs out of order", chunk(0, table(a, b), []uint64{1, 0}, [][2]uint64{{1, 1}, {0, 1}}, one, two), codec.ErrNotCanonical},
		{"a row in two", chunk(0, table(a), []uint64{0}, [][2]uint64{{0, 1}, {0, 1}}, one, three), codec.ErrNotCanonical},
		{"the same origins, said again", chunk(0, table(a), []uint64{0}, [][2]uint64{{0, 2}}, one, again), codec.ErrNotCanonical},
		{"run without a change", chunk(0, table(a, b), []uint64{0, 1}, [][2]uint64{{0, 2}}, one, three), codec.ErrNotCanonical},
	} {
		ch, err := decodeChunk(c.bytes, 1<<20)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
		if err != nil {
			continue
		}
		again, _, err := encodeChunk(ch.number, ch.scope, goldenChanges(ch))
		if err != nil || !slices.Equal(again, c.bytes) {
			t.Errorf("%s: %x is written as %x, %v", c.name, c.bytes, again, err)
		}
	}
}

func TestQueriesNameSomething(t *testing.T) {
	q := chainQuery{1, "s", clock.Origin{}, []uint64{1}}
	if _, err := decodeChainQuery(q.encode()); !errors.Is(err, codec.ErrMalformed) {
		t.Errorf("a query of no origin: %v", err)
	}
	if _, err := decodeCaughtUp(encodeCaughtUp(0)); !errors.Is(err, codec.ErrMalformed) {
		t.Errorf("caught up with no status: %v", err)
	}
}
