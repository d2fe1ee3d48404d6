package crdt_test

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
)

// corpus is a fleet's changes, and its records in their stored form.
func corpus(f *testing.F) (changes []*crdt.Change, records []*crdt.Record) {
	for seed := range uint64(6) {
		ds := fleet(f, rand.New(rand.NewPCG(seed, 2)), 20)
		changes = append(changes, allChanges(ds)...)
		for _, d := range ds {
			records = append(records, d.record)
		}
	}
	return changes, records
}

// takes gives a change to a record as an intake does, whatever it says.
func takes(r *crdt.Record, c *crdt.Change) {
	for i := range c.Parts {
		p := &c.Parts[i]
		if len(r.Missing(p)) > 0 {
			r.ApplyVoid(c, p, 0)
			continue
		}
		if r.Check(c, p) == nil {
			r.Apply(c, p, 0, func(crdt.Event) {})
		}
	}
	state(r)
}

func FuzzDecodeChange(f *testing.F) {
	changes, records := corpus(f)
	for _, c := range changes {
		f.Add(c.Encode())
	}
	stored := write(records[0])
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := crdt.DecodeChange(b)
		if err != nil {
			return
		}
		if again := c.Encode(); !bytes.Equal(again, b) {
			t.Fatalf("%x was read, and is written as %x", b, again)
		}
		takes(&crdt.Record{}, c)
		r, err := crdt.DecodeRecord(stored)
		if err != nil {
			t.Fatal(err)
		}
		takes(r, c)
		if _, err := crdt.DecodeRecord(write(r)); err != nil {
			t.Fatalf("a record that took %x cannot be read again: %v", b, err)
		}
	})
}

func FuzzDecodeRecord(f *testing.F) {
	changes, records := corpus(f)
	for _, r := range records {
		f.Add(write(r))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := crdt.DecodeRecord(b)
		if err != nil {
			return
		}
		if again := write(r); !bytes.Equal(again, b) {
			t.Fatalf("%x was read, and is written as %x", b, again)
		}
		state(r)
		e := r.Edit("r", crdt.EditOptions{Dot: clock.Dot{Origin: origin(99), N: 1}})
		e.Text("text").Append("x")
		e.Counter("count").Add(1)
		e.Register("reg").Set(1)
		_, _, _ = e.Part(false)
		e.Undo()
		other := clone(t, records[0])
		other.Join(r, func(crdt.Event) {})
		state(other)
		r.Join(records[0], nil)
		for _, c := range changes[:20] {
			takes(r, c)
		}
	})
}

func FuzzDecodeDelta(f *testing.F) {
	for name := range kinds {
		r := rand.New(rand.NewPCG(1, 1))
		x := kinds[name](1)
		for range 6 {
			if d, err := x.mutate(r); err == nil && d != nil {
				f.Add(d.([]byte))
			}
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := crdt.DecodeDelta(b)
		if err != nil {
			return
		}
		if again := d.Encode(); !bytes.Equal(again, b) {
			t.Fatalf("%x was read, and is written as %x", b, again)
		}
		wall := begin
		m := crdt.NewMap(origin(9), newHLC(&wall))
		if _, err := m.Update(func(m crdt.MapField) error { return m.Text("a").Append("xy") }); err != nil {
			t.Fatal(err)
		}
		if m.Join(d, func(crdt.Event) {}) != nil {
			return
		}
		before := m.State().Digest()
		if err := m.Join(d, nil); err != nil || m.State().Digest() != before {
			t.Fatalf("a second time: %v", err)
		}
		other := crdt.NewMap(origin(8), nil)
		other.JoinState(m.State(), nil)
		dump([]crdt.Field{m.Field(), other.Field()})
	})
}

func FuzzDecodeHusk(f *testing.F) {
	f.Add((&crdt.Husk{Stamp: 7, Keys: []string{"a", "b"}}).Encode())
	f.Add([]byte{0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := crdt.DecodeHusk(b)
		if err != nil {
			return
		}
		if again := h.Encode(); !bytes.Equal(again, b) {
			t.Fatalf("%x decodes and encodes to %x", b, again)
		}
		if _, err := crdt.DecodeChange(b); err == nil || !crdt.IsHusk(b) || crdt.ChangeHash(b) != h.Hash {
			t.Fatalf("%x is a husk and a change", b)
		}
	})
}

func FuzzDecodeMark(f *testing.F) {
	m := crdt.Mark{Number: 2, Before: crdt.Ref{Dot: clock.Dot{Origin: origin(1), N: 3}, Digest: 4}, Policy: 5, Steward: origin(1).Replica,
		Members: []crdt.Member{{Origin: origin(1), Acked: 6}, {Origin: origin(2)}}}
	m.Cut.Set(origin(1), 7)
	f.Add(m.Encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := crdt.DecodeMark(b)
		if err != nil {
			return
		}
		if again := m.Encode(); !bytes.Equal(again, b) {
			t.Errorf("read\n%x, wrote\n%x", b, again)
		}
	})
}

func FuzzDecodeSeal(f *testing.F) {
	x := crdt.Seal{Origin: origin(1), Last: 300, Chain: crdt.HashOf([]byte("chain"))}
	f.Add(x.Encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := crdt.DecodeSeal(b)
		if err != nil {
			return
		}
		if again := x.Encode(); !bytes.Equal(again, b) {
			t.Errorf("read\n%x, wrote\n%x", b, again)
		}
	})
}

func FuzzDecodeRestamp(f *testing.F) {
	x := crdt.Restamp{Origin: origin(1), From: 2, To: 300, Back: time.Hour}
	f.Add(x.Encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := crdt.DecodeRestamp(b)
		if err != nil {
			return
		}
		if again := x.Encode(); !bytes.Equal(again, b) {
			t.Errorf("read\n%x, wrote\n%x", b, again)
		}
	})
}
