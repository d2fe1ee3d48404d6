package replica

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt"
)

var update = flag.Bool("update", false, "write the golden vectors anew, as long as their format is not frozen; explain the difference in the commit")

// goldenFile holds rows, the side file and a backup as they are written today.
// docs/formats.md says what the bytes mean.
const goldenFile = "../testdata/v0/replica.json"

// vector is one encoding. The checksum of a row is over its value and its key.
type vector struct {
	Format string `json:"format"`
	Name   string `json:"name"`
	Key    string `json:"key,omitempty"`
	Bytes  string `json:"bytes"`
}

// recoders decode the bytes of a format and encode what they read again.
var recoders = map[string]func(key, b []byte) ([]byte, error){
	"change row": func(key, b []byte) ([]byte, error) {
		c, err := decodeChangeRow(key, b)
		if err != nil {
			return nil, err
		}
		return c.encode(key), nil
	},
	"header row": func(key, b []byte) ([]byte, error) {
		h, err := decodeHeader(key, b)
		if err != nil {
			return nil, err
		}
		return h.encode(key), nil
	},
	"fate row": func(key, b []byte) ([]byte, error) {
		f, err := decodeFateRow(key, b)
		if err != nil {
			return nil, err
		}
		return f.encode(key), nil
	},
	"sum row": func(key, b []byte) ([]byte, error) {
		s, err := decodeSum(key, b)
		if err != nil {
			return nil, err
		}
		return s.encode(key), nil
	},
	"repair row": func(key, b []byte) ([]byte, error) {
		p, err := decodeRepair(key, b)
		if err != nil {
			return nil, err
		}
		return p.encode(key), nil
	},
	"early row": func(key, b []byte) ([]byte, error) {
		_, d, err := splitEarlyKey(key)
		if err != nil {
			return nil, err
		}
		in, err := decodeEarly(row{key, b}, d)
		if err != nil {
			return nil, err
		}
		return encodeEarly(key, in), nil
	},
	"plain row": func(key, b []byte) ([]byte, error) {
		body, err := decodePlain("plain", key, b)
		if err != nil {
			return nil, err
		}
		return encodePlain(key, body), nil
	},
	"side file": func(_, b []byte) ([]byte, error) {
		s := &side{}
		if err := codec.DecodeEnvelope(b, s, maxSideBytes); err != nil {
			return nil, err
		}
		return codec.AppendEnvelope(nil, s)
	},
	"backup": func(_, b []byte) ([]byte, error) {
		in, out, e := bytes.NewReader(b), &bytes.Buffer{}, codec.NewWriter(nil)
		e.Uint32(0)
		for in.Len() > 0 {
			r, err := readBlock(in)
			if err != nil {
				return nil, err
			}
			e.Raw(r.Raw(r.Remaining()))
			if err := writeBlock(out, e); err != nil {
				return nil, err
			}
		}
		return out.Bytes(), nil
	},
	"witness": func(_, b []byte) ([]byte, error) { return goldenWitness(b, nil) },
}

// goldenWitness returns what the file holds that a witness wrote: one that found
// old, or one that is to note now.
func goldenWitness(old []byte, now *counts) ([]byte, error) {
	dir, err := os.MkdirTemp("", "witness")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := dir + "/witness"
	if old != nil {
		if err := os.WriteFile(file, old, 0o600); err != nil {
			return nil, err
		}
	}
	w, found, err := openWitness(dir)
	if err != nil {
		return nil, err
	}
	defer w.close()
	if now == nil {
		if !found {
			return nil, fmt.Errorf("%x is no witness", old)
		}
		c := w.last
		now, w.last = &c, counts{}
		if err := os.Truncate(file, 0); err != nil {
			return nil, err
		}
	}
	if err := w.write(*now); err != nil {
		return nil, err
	}
	return os.ReadFile(file)
}

func TestGolden(t *testing.T) {
	now := goldenVectors(t)
	if *update {
		b, err := json.MarshalIndent(now, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(goldenFile, append(b, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.ReadFile(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	var golden []vector
	if err := json.Unmarshal(file, &golden); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(golden, now); diff != "" {
		t.Errorf("what is written now (-file +now):\n%s", diff)
	}
	for _, v := range golden {
		key, kerr := hex.DecodeString(v.Key)
		b, err := hex.DecodeString(v.Bytes)
		if err != nil || kerr != nil {
			t.Fatalf("%s %s: %v, %v", v.Format, v.Name, kerr, err)
		}
		again, err := recoders[v.Format](key, b)
		if err != nil {
			t.Errorf("%s %s: %v", v.Format, v.Name, err)
		} else if !bytes.Equal(again, b) {
			t.Errorf("%s %s: read\n%x, wrote\n%x", v.Format, v.Name, b, again)
		}
	}
}

// goldenOrigin names the replicas of the vectors.
func goldenOrigin(n byte) clock.Origin {
	return clock.Origin{Replica: clock.ReplicaID{n}, Incarnation: uint64(n) + 100}
}

// goldenVectors makes the vectors with today's writers. Scope 2 is "visits";
// origins 0 and 1 are the first two.
func goldenVectors(t testing.TB) []vector {
	t.Helper()
	var vs []vector
	add := func(format, name string, key, b []byte) {
		vs = append(vs, vector{format, name, hex.EncodeToString(key), hex.EncodeToString(b)})
	}
	const scope, record = 2, "visits/1"
	dot := clock.Dot{Origin: goldenOrigin(1), N: 1}
	change := (&crdt.Change{Dot: dot, Stamp: clock.Earliest, Author: crdt.Author{Actor: "ann"},
		Parts: []crdt.Part{{Key: record, Birth: &crdt.Birth{}}}}).Encode()
	hash := crdt.HashOf(change)
	chain := crdt.Chain(crdt.ChainStart("visits", dot.Origin), hash)
	tally := tally{records: 1, fates: 300}
	tally.sum.Add(item(record, hash))

	plain := func(name string, key, body []byte) { add("plain row", name, key, encodePlain(key, body)) }
	plain("origin", numberKey(rowOrigin, 0), writeOrigin(dot.Origin))
	plain("scope", numberKey(rowScope, scope), []byte("visits"))
	plain("snapshot", snapshotKey(scope, record, 9, 0), []byte("a part of a stored record"))
	plain("token", metaKey(tokenName), bytes.Repeat([]byte{7}, 16))
	plain("rebuild", rebuildKey("visits"), nil)

	key := dotKey(rowChange, scope, 0, 1)
	add("change row", "applied", key, (&changeRow{fate: Applied, seq: 1, chain: chain, tally: tally,
		parts: []partRow{{digest: hash}}, change: change}).encode(key))
	add("change row", "applied, of two records, with a signature", key, (&changeRow{fate: Applied, seq: 1 << 40, chain: chain, tally: tally,
		batch: codec.BatchHeader{Scheme: 1, Signer: []byte("key"), Claims: []byte{}, Signature: []byte("sig")},
		parts: []partRow{{place{1, 4}, chain, hash}, {place{0, 300}, hash, chain}}, change: change}).encode(key))
	key = dotKey(rowChange, scope, 1, 1<<40)
	add("change row", "waiting", key, (&changeRow{fate: Waiting, seq: 2, chain: chain, tally: tally, change: change}).encode(key))

	key = recordKey(rowHeader, scope, record)
	h := &header{digest: hash, last: place{0, 1}, lastSeq: 1}
	add("header row", "not live", key, h.encode(key))
	h = &header{live: true, digest: hash, last: place{1, 300}, lastSeq: 12, snapshot: 9, size: 25, tail: 700,
		heads: []clock.Dot{dot, {Origin: goldenOrigin(2), N: 300}}, births: []clock.Dot{dot}}
	h.vector.Advance(dot)
	h.vector.Advance(clock.Dot{Origin: goldenOrigin(2), N: 300})
	add("header row", "live, with a snapshot", key, h.encode(key))

	key = dotKey(rowFate, scope, 1, 1<<40)
	add("fate row", "waiting", key, (&fateRow{Waiting, "missing-head", "a head is not here", clock.Earliest}).encode(key))
	add("fate row", "rejected", key, (&fateRow{Rejected, "invalid", "", clock.Earliest + 1}).encode(key))

	key = numberKey(rowSum, scope)
	add("sum row", "visits", key, (&sumRow{"visits", 12, tally}).encode(key))
	key = earlyKey("visits", dot)
	early, err := decodeEarly(row{key, encodePlain(key, append(chain[:], change...))}, dot)
	if err != nil {
		t.Fatal(err)
	}
	add("early row", "visits", key, encodeEarly(key, early))
	key = repairKey("visits")
	add("repair row", "two changes", key, (&repair{"visits", dot.Origin, 3, goldenOrigin(2), [][]byte{change, change}}).encode(key))

	s := &side{Generation: 3, Seed: bytes.Repeat([]byte{9}, 32), Incarnation: 1<<63 + 1, Bound: clock.Earliest,
		Marks: map[string]uint64{"visits": 300, "stock": 1}}
	s.Binding.machine[0], s.Binding.directory, s.Binding.token[15] = 1, 1<<33, 2
	identity, err := codec.AppendEnvelope(nil, s)
	if err != nil {
		t.Fatal(err)
	}
	add("side file", "two marks", nil, identity)
	add("backup", "one row", nil, goldenBackup(t, identity))
	w, err := goldenWitness(nil, &counts{seq: 1 << 40, changes: 300})
	if err != nil {
		t.Fatal(err)
	}
	add("witness", "three hundred changes", nil, w)
	return vs
}

// goldenBackup is a backup of a store with one row.
func goldenBackup(t testing.TB, identity []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	block := func(w io.Writer, write func(e *codec.Writer)) {
		e := codec.NewWriter(nil)
		e.Uint32(0)
		write(e)
		if err := writeBlock(w, e); err != nil {
			t.Fatal(err)
		}
	}
	key := numberKey(rowOrigin, 0)
	block(&out, func(e *codec.Writer) { e.Byte(backupVersion); e.Raw(identity) })
	block(&out, func(e *codec.Writer) { e.Blob(key); e.Blob(encodePlain(key, writeOrigin(goldenOrigin(1)))) })
	block(&out, func(e *codec.Writer) { e.Blob(nil); e.Uvarint(1) })
	return out.Bytes()
}
