package crdt_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt"
)

var update = flag.Bool("update", false, "write the golden vectors anew, as long as their format is not frozen; explain the difference in the commit")

// goldenFile holds changes, deltas and stored records as they are written
// today, with the digests that belong to them. docs/formats.md says what the
// bytes mean.
const goldenFile = "../testdata/v0/crdt.json"

// vector is one encoding.
type vector struct {
	Format string            `json:"format"` // change, delta or record
	Name   string            `json:"name"`
	Bytes  string            `json:"bytes"`
	Gives  map[string]string `json:"gives,omitempty"` // what is computed from the bytes
}

// recoders decode the bytes of a format, encode what they read again, and
// compute what belongs to it.
var recoders = map[string]func([]byte) (again []byte, gives map[string]string, err error){
	"change": func(b []byte) ([]byte, map[string]string, error) {
		c, err := crdt.DecodeChange(b)
		if err != nil {
			return nil, nil, err
		}
		return c.Encode(), goldenHashes(b, c.Dot), nil
	},
	"delta": func(b []byte) ([]byte, map[string]string, error) {
		d, err := crdt.DecodeDelta(b)
		if err != nil {
			return nil, nil, err
		}
		return d.Encode(), nil, nil
	},
	"record": func(b []byte) ([]byte, map[string]string, error) {
		return recodeRecord(b, nil)
	},
	"folded record": func(b []byte) ([]byte, map[string]string, error) { // by mark 1 of goldenMark
		f, err := (*crdt.Floor)(nil).Raise(goldenMark(), goldenMarkRef)
		if err != nil {
			return nil, nil, err
		}
		return recodeRecord(b, f)
	},
	"husk": func(b []byte) ([]byte, map[string]string, error) {
		h, err := crdt.DecodeHusk(b)
		if err != nil {
			return nil, nil, err
		}
		return h.Encode(), nil, nil
	},
	"mark": func(b []byte) ([]byte, map[string]string, error) {
		m, err := crdt.DecodeMark(b)
		if err != nil {
			return nil, nil, err
		}
		return m.Encode(), nil, nil
	},
	"restamp": func(b []byte) ([]byte, map[string]string, error) {
		x, err := crdt.DecodeRestamp(b)
		return x.Encode(), nil, err
	},
	"seal": func(b []byte) ([]byte, map[string]string, error) {
		x, err := crdt.DecodeSeal(b)
		return x.Encode(), nil, err
	},
}

func recodeRecord(b []byte, f *crdt.Floor) ([]byte, map[string]string, error) {
	r, err := f.DecodeRecord(b)
	if err != nil {
		return nil, nil, err
	}
	digest := r.Digest()
	return write(r), map[string]string{"digest": hex.EncodeToString(digest[:])}, nil
}

// goldenMark cuts after the second change of device 1.
func goldenMark() *crdt.Mark {
	m := &crdt.Mark{Number: 1, Policy: 3, Steward: origin(2).Replica,
		Members: []crdt.Member{{Origin: origin(1), Acked: 2}, {Origin: origin(2)}}}
	m.Cut.Advance(clock.Dot{Origin: origin(1), N: 2})
	return m
}

var goldenMarkRef = crdt.Ref{Dot: clock.Dot{Origin: origin(2), N: 9}, Digest: 0x05060708}

// goldenHashes are the hash of a change, and for the first change of an origin
// the digests of its chain in the scope "visits".
func goldenHashes(b []byte, d clock.Dot) map[string]string {
	h := crdt.HashOf(b)
	gives := map[string]string{"hash": hex.EncodeToString(h[:])}
	if d.N == 1 {
		start := crdt.ChainStart("visits", d.Origin)
		chain := crdt.Chain(start, h)
		gives["chain start"], gives["chain"] = hex.EncodeToString(start[:]), hex.EncodeToString(chain[:])
	}
	return gives
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
		b, err := hex.DecodeString(v.Bytes)
		if err != nil {
			t.Fatalf("%s %s: %v", v.Format, v.Name, err)
		}
		again, gives, err := recoders[v.Format](b)
		if err != nil {
			t.Errorf("%s %s: %v", v.Format, v.Name, err)
			continue
		}
		if !bytes.Equal(again, b) {
			t.Errorf("%s %s: read\n%x, wrote\n%x", v.Format, v.Name, b, again)
		}
		if diff := cmp.Diff(v.Gives, gives); diff != "" {
			t.Errorf("%s %s gives (-file +now):\n%s", v.Format, v.Name, diff)
		}
	}
}

// TestGoldenLaterShape decodes a change with a shape of a later version: what
// stands before the shape is read, the rest is not.
func TestGoldenLaterShape(t *testing.T) {
	b := patched(1, crdt.Key{Name: "later", Type: 200}, &crdt.Patch{Shape: 5}).Encode()
	c, err := crdt.DecodeChange(b)
	if !errors.Is(err, crdt.ErrUnknownShape) {
		t.Fatalf("got %v", err)
	}
	if c.Dot != (clock.Dot{Origin: origin(1), N: 1}) || c.Stamp != 7 {
		t.Errorf("read as %v at %v", c.Dot, c.Stamp)
	}
}

// goldenVectors makes the vectors with today's writers.
func goldenVectors(t *testing.T) []vector {
	var vs []vector
	add := func(format, name string, b []byte) {
		t.Helper()
		_, gives, err := recoders[format](b)
		if err != nil {
			t.Fatalf("%s %s: %v", format, name, err)
		}
		vs = append(vs, vector{format, name, hex.EncodeToString(b), gives})
	}
	change := func(name string, c *crdt.Change) {
		t.Helper()
		if c == nil {
			t.Fatalf("%s: nothing was changed", name)
		}
		add("change", name, c.Encode())
	}
	for _, c := range fieldCases {
		d := newDevice(1)
		for i, f := range c.edits {
			made := d.edit(t, nil, func(e *crdt.RecordEditor) { f(e) })
			change(c.name+goldenSteps[min(i, len(c.edits)-1)], made)
		}
		if len(c.edits) > 0 {
			add("record", c.name, write(d.record))
		}
	}
	add("record", "empty", write(&crdt.Record{}))
	existence(t, change, add)
	sealed(t, change, add)
	parts(change)
	settled(t, change, add)
	add("husk", "two records", (&crdt.Husk{Hash: crdt.HashOf([]byte("some bytes")), Stamp: clock.Earliest, Keys: []string{"a", "b"}}).Encode())
	for _, d := range goldenDeltas(t) {
		add("delta", d.name, d.delta.Encode())
	}
	return vs
}

var goldenSteps = []string{"/1", "/2", "/3", "/4"}

// fieldCases make each type by one to four changes of one replica.
var fieldCases = []struct {
	name  string
	edits []func(e *crdt.RecordEditor)
}{
	{"register", steps(
		func(e *crdt.RecordEditor) { e.Register("name").Set("Ana") },
		func(e *crdt.RecordEditor) { e.Register("name").Set(int64(7)) },
		func(e *crdt.RecordEditor) { e.Register("name").Clear() })},
	{"group", steps(func(e *crdt.RecordEditor) { e.Group("dose").Set(map[string]any{"amount": 5, "unit": "mg"}) })},
	{"counter", steps(
		func(e *crdt.RecordEditor) { e.Counter("visits").Add(3) },
		func(e *crdt.RecordEditor) { e.Counter("visits").Add(-1) },
		func(e *crdt.RecordEditor) { e.Counter("visits").Reset() })},
	{"set", steps(
		func(e *crdt.RecordEditor) { e.Set("tags").Add("red"); e.Set("tags").Add(int64(1)) },
		func(e *crdt.RecordEditor) { e.Set("tags").Remove("red") })},
	{"remove-set", steps(
		func(e *crdt.RecordEditor) { e.RemoveSet("tags").Add("red") },
		func(e *crdt.RecordEditor) { e.RemoveSet("tags").Remove("red") })},
	{"flag", steps(
		func(e *crdt.RecordEditor) { e.Flag("open").Enable() },
		func(e *crdt.RecordEditor) { e.Flag("open").Disable() })},
	{"disable-flag", steps(
		func(e *crdt.RecordEditor) { e.DisableFlag("open").Enable() },
		func(e *crdt.RecordEditor) { e.DisableFlag("open").Disable() })},
	{"map", steps(
		func(e *crdt.RecordEditor) {
			m := e.Map("contact")
			m.Put("city", "Minsk")
			m.Map("phones").Put("home", "1")
			m.Set("empty")
		},
		func(e *crdt.RecordEditor) { e.Map("contact").Delete("phones") })},
	{"text", steps(
		func(e *crdt.RecordEditor) { e.Text("note").Insert(0, "naïve") },
		func(e *crdt.RecordEditor) { e.Text("note").Insert(2, "x") },
		func(e *crdt.RecordEditor) { e.Text("note").Delete(1, 3) })},
	{"list", steps(
		func(e *crdt.RecordEditor) { e.List("items").Insert(0, "a", int64(2)) },
		func(e *crdt.RecordEditor) { e.List("items").Set(0, "b") },
		func(e *crdt.RecordEditor) { e.List("items").Delete(0, 1) })},
	{"log", steps(func(e *crdt.RecordEditor) { e.Log("events").Append("seen") })},
	{"stock", steps(
		func(e *crdt.RecordEditor) { e.Stock("boxes").Add(-4) },
		func(e *crdt.RecordEditor) { e.Stock("boxes").Recount(90, clock.Earliest) })},
	{"bounded", steps(
		func(e *crdt.RecordEditor) { e.Bounded("seats").Open(0, 100, 40) },
		func(e *crdt.RecordEditor) { e.Bounded("seats").Add(-5) },
		func(e *crdt.RecordEditor) { e.Bounded("seats").Transfer(origin(2), 20) })},
	{"proposal", steps(
		func(e *crdt.RecordEditor) { e.Proposal("price").Propose(int64(9)) },
		func(e *crdt.RecordEditor) { e.Proposal("price").Decide(firstEntry, true) },
		func(e *crdt.RecordEditor) { e.Proposal("price").Decide(firstEntry, false) })},
	{"verdict", steps(
		func(e *crdt.RecordEditor) { e.Register("dose").Set(int64(9000)) },
		func(e *crdt.RecordEditor) { e.Verdict(firstEntry.Dot, true) },
		func(e *crdt.RecordEditor) { e.Verdict(firstEntry.Dot, false) })},
	{"evidence", steps(func(e *crdt.RecordEditor) {
		e.Register("driver").Set("d2")
		e.Evidence(crdt.Evidence{Reference: "driver", Record: "driver/d2",
			Heads:  []crdt.Ref{{Dot: clock.Dot{Origin: origin(2), N: 3}, Digest: 0x01020304}},
			Fields: map[string]any{"certified": true, "rating": int64(4)}})
	})},
}

// firstEntry is the first entry of the first change of device 1.
var firstEntry = crdt.EntryID{Dot: clock.Dot{Origin: origin(1), N: 1}}

func steps(fs ...func(*crdt.RecordEditor)) []func(*crdt.RecordEditor) { return fs }

// existence has two births of one record, siblings, a text of two authors, a
// deletion and a restore.
func existence(t *testing.T, change func(string, *crdt.Change), add func(string, string, []byte)) {
	a, b := newDevice(1), newDevice(2)
	both := func(s string) func(*crdt.RecordEditor) {
		return func(e *crdt.RecordEditor) { e.Register("name").Set(s); e.Text("note").Insert(0, s) }
	}
	ca, cb := a.edit(t, nil, both("a")), b.edit(t, nil, both("b"))
	change("two births/a", ca)
	change("two births/b", cb)
	a.receive(t, cb)
	b.receive(t, ca)
	add("record", "two births", write(a.record))
	seen := clock.VersionVector{}
	seen.Advance(ca.Dot)
	change("a write that saw one of two siblings", a.edit(t, &seen, func(e *crdt.RecordEditor) { e.Register("name").Set("c") }))
	change("a text between two authors", b.edit(t, nil, func(e *crdt.RecordEditor) { e.Text("note").Insert(1, "zz"); e.Text("note").Delete(3, 1) }))
	d := a.delete(t)
	change("deletion", d)
	add("record", "deleted", write(a.record))
	change("restore", a.restore(t, d))
	add("record", "restored", write(a.record))
}

// settled has writes to versioned fields, what folds them and what moves stamps.
func settled(t *testing.T, change func(string, *crdt.Change), add func(string, string, []byte)) {
	d := newDevice(1)
	d.versioned = everyField
	write2 := func(v int) *crdt.Change {
		return d.edit(t, nil, func(e *crdt.RecordEditor) { e.Register("dose").Set(v); e.Stock("boxes").Add(int64(v)) })
	}
	write2(5)
	change("a write to a versioned field", write2(7))
	write2(9)
	add("record", "versioned", write(d.record))
	f, err := (*crdt.Floor)(nil).Raise(goldenMark(), goldenMarkRef)
	if err != nil {
		t.Fatal(err)
	}
	d.record.Fold(f, crdt.FoldRules{})
	change("a change under a settle mark", write2(11))
	add("folded record", "two of four writes are settled", write(d.record))
	add("mark", "the first", goldenMark().Encode())
	second := goldenMark()
	second.Number, second.Before = 2, goldenMarkRef
	add("mark", "a second one", second.Encode())
	s := newDevice(2)
	change("settle mark", s.edit(t, nil, func(e *crdt.RecordEditor) { e.Settle(goldenMark()) }))
	x := crdt.Restamp{Origin: origin(2), From: 1, To: 300, Back: time.Hour}
	add("restamp", "an hour back", x.Encode())
	change("restamp", s.edit(t, nil, func(e *crdt.RecordEditor) { e.Restamp(x) }))
}

// sealed has a seal, and the change of the next incarnation that claims rights by
// it.
func sealed(t *testing.T, change func(string, *crdt.Change), add func(string, string, []byte)) {
	a := newDevice(1)
	a.edit(t, nil, func(e *crdt.RecordEditor) { e.Bounded("seats").Open(0, 100, 40) })
	a.edit(t, nil, func(e *crdt.RecordEditor) { e.Bounded("seats").Add(-5) })
	x := crdt.Seal{Origin: a.origin, Last: 300, Chain: crdt.ChainStart("visits", a.origin)}
	add("seal", "at change 300", x.Encode())
	add("seal", "of an incarnation without changes", (&crdt.Seal{Origin: a.origin, Chain: x.Chain}).Encode())
	next := renewed(t, a, 2)
	change("seal", newDeviceAs(next).edit(t, nil, func(e *crdt.RecordEditor) { e.Seal(x) }))
	change("claim", next.edit(t, nil, func(e *crdt.RecordEditor) { e.Bounded("seats").Claim(sealOf(a.origin, 300, next.origin)) }))
	add("record", "claimed", write(next.record))
}

// newDeviceAs is another record of a device.
func newDeviceAs(d *device) *device {
	s := newDevice(9)
	s.origin, s.wall = d.origin, d.wall
	return s
}

// patched is a change of device n that holds one patch.
func patched(n byte, key crdt.Key, p *crdt.Patch) *crdt.Change {
	return &crdt.Change{Dot: clock.Dot{Origin: origin(n), N: 1}, Stamp: 7, Parts: []crdt.Part{{
		Key: "r", Birth: &crdt.Birth{}, Patch: &crdt.Patch{Shape: crdt.Keyed, Kids: []crdt.PatchKid{{Key: key, Patch: p}}},
	}}}
}

// parts has the parts and flags of changes that no type brings about.
func parts(change func(string, *crdt.Change)) {
	d := func(n uint64) clock.Dot { return clock.Dot{Origin: origin(1), N: n} }
	parent := crdt.Ref{Dot: clock.Dot{Origin: origin(3), N: 300}, Digest: 0x01020304}
	change("empty birth", &crdt.Change{Dot: d(1), Stamp: 1, Parts: []crdt.Part{{Key: "visits/1", Birth: &crdt.Birth{}}}})
	change("birth under a known parent", &crdt.Change{Dot: d(2), Stamp: 2, Parts: []crdt.Part{
		{Key: "visits/2", Birth: &crdt.Birth{ParentBirths: []crdt.Ref{parent}}}}})
	change("birth under the key of a parent", &crdt.Change{Dot: d(3), Stamp: 3, Parts: []crdt.Part{
		{Key: "visits/3", Birth: &crdt.Birth{ParentKey: "patients/p"}}}})
	change("author with intent and policy", &crdt.Change{Dot: d(4), Stamp: clock.MaxStamp,
		Author: crdt.Author{Actor: "ann", Role: "nurse", Intent: crdt.Intent{Action: "deliver", Key: "parcel-42"}, Policy: 300},
		Parts:  []crdt.Part{{Key: "é", Birth: &crdt.Birth{}}}})
	change("extension", &crdt.Change{Dot: d(5), Stamp: 5, Extension: []byte{0xff, 0}, Parts: []crdt.Part{{Key: "r", Birth: &crdt.Birth{}}}})
	one := crdt.Ref{Dot: d(1), Digest: 0xfffefdfc}
	value := func(i uint32, b byte) *crdt.Patch {
		return &crdt.Patch{Shape: crdt.Keyed, Kids: []crdt.PatchKid{{Key: crdt.Key{Name: "x", Type: crdt.TypeRegister},
			Patch: &crdt.Patch{Shape: crdt.Entries, Add: []crdt.Entry{{ID: crdt.EntryID{Dot: d(6), Index: i}, Value: []byte{b}}}}}}}
	}
	change("atomic group of two records", &crdt.Change{Dot: d(6), Stamp: 6, Parts: []crdt.Part{
		{Key: "a", Births: []crdt.Ref{one}, Heads: []crdt.Ref{one}, Patch: value(0, 1)},
		{Key: "b", Birth: &crdt.Birth{}, Patch: value(1, 2)},
	}})
	id := func(i uint32) crdt.EntryID { return crdt.EntryID{Dot: d(1), Index: i} }
	change("types of a later version", &crdt.Change{Dot: d(1), Stamp: 7, Parts: []crdt.Part{{Key: "r", Birth: &crdt.Birth{},
		Patch: &crdt.Patch{Shape: crdt.Keyed, Kids: []crdt.PatchKid{
			{Key: crdt.Key{Name: "f", Type: 200}, Patch: &crdt.Patch{Shape: crdt.Entries, Add: []crdt.Entry{{ID: id(0), Value: []byte("?")}}}},
			{Key: crdt.Key{Name: "f", Type: 201}, Patch: &crdt.Patch{Shape: crdt.Grown, Grow: []crdt.GrownEntry{
				{ID: id(1), Origins: []clock.Origin{origin(2), origin(3)}, Value: []byte("!")}}}},
		}}}}})
}

type goldenDelta struct {
	name  string
	delta *crdt.Delta
}

// goldenDeltas are those of types used alone.
func goldenDeltas(t *testing.T) (ds []goldenDelta) {
	add := func(name string) func(*crdt.Delta, error) {
		return func(d *crdt.Delta, err error) {
			t.Helper()
			if err != nil || d == nil {
				t.Fatalf("%s: %v, %v", name, d, err)
			}
			ds = append(ds, goldenDelta{name, d})
		}
	}
	wall := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	r := crdt.NewRegister[string](origin(1), newHLC(&wall))
	add("register")(r.Set("v"))
	add("register, superseding")(r.Set("w"))
	c := crdt.NewCounter(origin(1))
	add("counter")(c.Add(-2))
	s := crdt.NewSet[int](origin(1))
	add("set")(s.Add(5))
	add("set, removal")(s.Remove(5))
	return ds
}

// TestDigestsFromThePage computes hashes, chain and digest of a record from
// docs/formats.md, with nothing of this module but the inputs.
func TestDigestsFromThePage(t *testing.T) {
	d := newDevice(1)
	c := d.edit(t, nil, func(e *crdt.RecordEditor) { e.Register("name").Set("Ana") })
	cut := func(parts ...[]byte) (h crdt.Hash) {
		s := sha256.Sum256(slices.Concat(parts...))
		copy(h[:], s[:])
		return h
	}
	o := origin(1)
	full := binary.BigEndian.AppendUint64(slices.Clone(o.Replica[:]), o.Incarnation)
	start := cut([]byte("\x0dconcord chain"), []byte("\x06visits"), full)
	if got := crdt.ChainStart("visits", o); got != start {
		t.Errorf("chain start %x, want %x", got, start)
	}
	hash := cut(c.Encode())
	if got, want := crdt.Chain(start, hash), cut(start[:], hash[:]); got != want {
		t.Errorf("chain %x, want %x", got, want)
	}
	if got, want := hash.Digest(), binary.BigEndian.Uint32(hash[:4]); got != want {
		t.Errorf("digest of a reference %x, want %x", got, want)
	}
	dot := binary.BigEndian.AppendUint64(slices.Clone(full), 1)
	entry := sha256.Sum256(slices.Concat(dot, []byte{0, 0, 0, 0}, []byte("\xa3Ana")))
	want := cut(
		[]byte{1}, dot, // births
		[]byte{1, 0}, full, // table of origins
		[]byte{1, 0, 1, 0}, // context: one origin, number 0, up to 1; none with ranges
		[]byte{0},          // removed ahead of their entries
		entry[:],           // the sum of one member
	)
	if got := d.record.Digest(); got != want {
		t.Errorf("digest of the record %x, want %x", got, want)
	}
	// The carry goes towards the first byte, which is the most significant.
	var sum crdt.Sum
	sum.Add([32]byte{8: 0xff, 9: 0xff, 10: 0xff, 11: 0xff, 12: 0xff, 13: 0xff, 14: 0xff, 15: 0xff, 31: 1})
	sum.Add([32]byte{15: 2})
	w := codec.NewWriter(nil)
	if sum.Write(w); !bytes.Equal(w.Bytes(), []byte{7: 1, 15: 1, 31: 1}) {
		t.Errorf("sum of two members %x", w.Bytes())
	}
}
