package session

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt"
)

// messagesFile holds the bodies of messages that can be read alone, and a
// bundle, as they are written today; the transcripts beside this package show
// them within sessions. The flag -update writes both anew.
const messagesFile = "../../testdata/v0/session.json"

// message is one encoding.
type message struct {
	Format string `json:"format"`
	Name   string `json:"name"`
	Bytes  string `json:"bytes"`
}

// again makes a recoder of a decoder and an encoder.
func again[T any](decode func([]byte) (T, error), encode func(T) ([]byte, error)) func([]byte) ([]byte, error) {
	return func(b []byte) ([]byte, error) {
		v, err := decode(b)
		if err != nil {
			return nil, err
		}
		return encode(v)
	}
}

// goldenReader is the replica that the status is for.
var goldenReader = clock.ReplicaID{1}

// recoders decode the bytes of a format and encode what they read again.
var recoders = map[string]func([]byte) ([]byte, error){
	"hello": again(func(b []byte) (*hello, error) {
		h := new(hello)
		return h, codec.DecodeEnvelope(b, h, maxHelloBytes)
	}, func(h *hello) ([]byte, error) { return codec.AppendEnvelope(nil, h) }),
	"status": again(func(b []byte) ([]peerScope, error) {
		cfg := Config{}
		cfg.setDefaults()
		return decodeStatus(b, &cfg, goldenReader)
	}, func(list []peerScope) ([]byte, error) {
		var scopes []*ScopeStatus
		for _, p := range list {
			s := &ScopeStatus{Name: p.name, Stored: p.stored, Applied: clock.ContextOf(p.stored), Fingerprint: p.fingerprint,
				Chains: map[clock.Origin]crdt.Hash{}}
			if s.appliedDigest() != p.applied {
				s.Applied = goldenApplied() // the digest alone travels
			}
			for _, c := range p.chains {
				s.Chains[c.origin] = c.hash
			}
			scopes = append(scopes, s)
		}
		return encodeStatus(scopes, goldenReader), nil
	}),
	"chain query":  again(decodeChainQuery, func(q chainQuery) ([]byte, error) { return q.encode(), nil }),
	"chain answer": again(decodeChainAnswer, func(a chainAnswer) ([]byte, error) { return a.encode(), nil }),
	"chunk": again(func(b []byte) (*chunk, error) { return decodeChunk(b, 1<<20) }, func(c *chunk) ([]byte, error) {
		b, _, err := encodeChunk(c.number, c.scope, goldenChanges(c))
		return b, err
	}),
	"ack":  again(decodeAck, func(a ack) ([]byte, error) { return a.encode(leastFrameBytes), nil }),
	"want": again(decodeWant, func(q want) ([]byte, error) { return q.encode(), nil }),
	"fragments": again(func(b []byte) (*fragments, error) {
		f, _, err := decodeFragments(b, 1<<20)
		return f, err
	}, func(f *fragments) ([]byte, error) { return f.encode(), nil }),
	"caught up": again(decodeCaughtUp, func(round uint64) ([]byte, error) { return encodeCaughtUp(round), nil }),
	"bye":       again(decodeBye, func(b bye) ([]byte, error) { return b.encode(), nil }),
	"bundle": func(b []byte) ([]byte, error) {
		var out bytes.Buffer
		var w *BundleWriter
		err := ReadBundle(bytes.NewReader(b), func(h BundleHead, c BundleChunk) (err error) {
			if w == nil {
				if w, err = NewBundleWriter(&out, h); err != nil {
					return err
				}
			}
			var changes []Change
			for i := range c.Changes {
				changes = append(changes, Change{c.Changes[i].Dot, c.Changes[i].Encoded, c.Changes[i].Before})
			}
			return w.Write(c.Scope, changes)
		})
		if err != nil {
			return nil, err
		}
		err = w.Close()
		return out.Bytes(), err
	},
}

// goldenChanges are the changes of a chunk, as a store gives them.
func goldenChanges(c *chunk) (changes []Change) {
	begun := map[int]bool{}
	for _, it := range c.items {
		ch := Change{Dot: it.dot, Encoded: it.encoded}
		if !begun[it.run] {
			begun[it.run] = true
			ch.Before = c.runs[it.run].before
		}
		changes = append(changes, ch)
	}
	return changes
}

func TestGoldenMessages(t *testing.T) {
	now := goldenMessages(t)
	if *update {
		b, err := json.MarshalIndent(now, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(messagesFile, append(b, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.ReadFile(messagesFile)
	if err != nil {
		t.Fatal(err)
	}
	var golden []message
	if err := json.Unmarshal(file, &golden); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(golden, now); diff != "" {
		t.Errorf("what is written now (-file +now):\n%s", diff)
	}
	for _, m := range golden {
		b, err := hex.DecodeString(m.Bytes)
		if err != nil {
			t.Fatalf("%s %s: %v", m.Format, m.Name, err)
		}
		got, err := recoders[m.Format](b)
		if err != nil {
			t.Errorf("%s %s: %v", m.Format, m.Name, err)
		} else if !bytes.Equal(got, b) {
			t.Errorf("%s %s: read\n%x, wrote\n%x", m.Format, m.Name, b, got)
		}
	}
}

// goldenApplied is an applied clock with a hole.
func goldenApplied() (c clock.Context) {
	c.AddRange(clock.Range{Origin: goldenOrigin(1), From: 1, To: 3})
	c.AddRange(clock.Range{Origin: goldenOrigin(1), From: 5, To: 5})
	return c
}

func goldenOrigin(n byte) clock.Origin {
	return clock.Origin{Replica: clock.ReplicaID{n}, Incarnation: uint64(n) + 100}
}

// goldenMessages makes the vectors with today's writers.
func goldenMessages(t testing.TB) (ms []message) {
	add := func(format, name string, b []byte, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s %s: %v", format, name, err)
		}
		ms = append(ms, message{format, name, hex.EncodeToString(b)})
	}
	a, b := goldenOrigin(1), goldenOrigin(2)
	hash := crdt.HashOf([]byte("some bytes"))
	h := &hello{min: 1, max: 1, self: a, policy: hash, wall: clock.Earliest, digest: hash, count: 2, all: true,
		frameBytes: 64 << 10, chunkBytes: 4 << 20, inFlight: 64, flightBytes: 1 << 20, scopeLimit: 10_000, keepalive: 25_000}
	out, err := codec.AppendEnvelope(nil, h)
	add("hello", "all scopes", out, err)
	h.all, h.scopes, h.direction, h.live, h.keepalive = false, []string{"visits", "stock/hall-2"}, Pull, true, 0
	out, err = codec.AppendEnvelope(nil, h)
	add("hello", "two scopes, pull, live, without keepalive", out, err)

	var stored clock.VersionVector
	stored.Advance(clock.Dot{Origin: a, N: 5})
	stored.Advance(clock.Dot{Origin: b, N: 300})
	scopes := []*ScopeStatus{
		{Name: "stock", Stored: stored, Applied: clock.ContextOf(stored), Fingerprint: hash, Chains: map[clock.Origin]crdt.Hash{a: hash}},
		{Name: "visits", Stored: stored, Applied: goldenApplied(), Fingerprint: hash, Chains: map[clock.Origin]crdt.Hash{a: hash}},
	}
	add("status", "two scopes, one with something that waits", encodeStatus(scopes, goldenReader), nil)
	add("chain query", "three numbers", (&chainQuery{1, "visits", a, []uint64{1, 2, 300}}).encode(), nil)
	add("chain answer", "one known", (&chainAnswer{1, []ChainAt{{Known: true, Hash: hash}, {}}}).encode(), nil)

	var changes []Change
	before := map[clock.Origin]crdt.Hash{a: crdt.ChainStart("visits", a), b: hash}
	for _, d := range []clock.Dot{{Origin: a, N: 1}, {Origin: a, N: 2}, {Origin: b, N: 7}, {Origin: a, N: 3}} {
		e := change(d, "visits/1", "ann").Encode()
		changes = append(changes, Change{d, e, before[d.Origin]})
		before[d.Origin] = crdt.Chain(before[d.Origin], crdt.HashOf(e))
	}
	out, _, err = encodeChunk(1, "visits", changes)
	add("chunk", "two origins", out, err)
	add("ack", "all applied", (&ack{number: 1, verdicts: make([]Verdict, 3)}).encode(leastFrameBytes), nil)
	add("ack", "each outcome", (&ack{number: 300, verdicts: []Verdict{{}, {}, {Outcome: Duplicate},
		{Waiting, CodeMissingHead, "needs another"}, {Rejected, CodeInvalid, ""}, {Refused, CodeQuota, "full"}}}).encode(leastFrameBytes), nil)
	husk := &crdt.Husk{Hash: hash, Stamp: clock.Earliest, Keys: []string{"visits/1", "visits/2"}}
	out, _, err = encodeChunk(2, "visits", []Change{{clock.Dot{Origin: b, N: 8}, husk.Encode(), hash}})
	add("chunk", "a husk", out, err)
	add("want", "two records, one begun", (&want{"visits", []Want{{Key: "visits/1"}, {"visits/2", 300, hash}}}).encode(), nil)
	add("want", "nothing more", (&want{scope: "visits"}).encode(), nil)
	add("fragments", "the last, one not there", (&fragments{3, "visits", true, []Piece{
		{Key: "visits/1"}, {"visits/2", 310, hash, 300, []byte("ten bytes!")}}}).encode(), nil)
	add("caught up", "with status 2", encodeCaughtUp(2), nil)
	add("bye", "done", (&bye{}).encode(), nil)
	add("bye", "limit", (&bye{ByeLimit, "too much"}).encode(), nil)

	var bundle bytes.Buffer
	w, err := NewBundleWriter(&bundle, BundleHead{From: a, Wall: clock.Earliest, Policy: hash})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write("visits", slices.Clone(changes)); err != nil {
		t.Fatal(err)
	}
	if err := w.Write("stock", changes[2:3]); err != nil {
		t.Fatal(err)
	}
	err = w.Close()
	add("bundle", "two chunks", bundle.Bytes(), err)
	return ms
}
