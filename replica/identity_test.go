package replica_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/replica"
)

func TestIdentityDecidesTheID(t *testing.T) {
	seed, other := bytes.Repeat([]byte{7}, 32), bytes.Repeat([]byte{8}, 32)
	dir := t.TempDir()
	r, err := replica.Open(dir, replica.Options{Identity: seed})
	if err != nil {
		t.Fatal(err)
	}
	first := r.Origin()
	if first.Replica != replica.IDOf(seed) {
		t.Errorf("got id %v, want %v", first.Replica, replica.IDOf(seed))
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := replica.Open(dir, replica.Options{Identity: other}); !errors.Is(err, replica.ErrIdentity) {
		t.Errorf("the directory of another replica: got %v, want ErrIdentity", err)
	}
	for _, identity := range [][]byte{nil, seed} {
		r, err := replica.Open(dir, replica.Options{Identity: identity})
		if err != nil {
			t.Fatal(err)
		}
		if r.Origin() != first {
			t.Errorf("opened again as %v, want %v", r.Origin(), first)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := replica.Open(t.TempDir(), replica.Options{Identity: []byte("short")}); err == nil {
		t.Error("a seed of 5 bytes was taken")
	}
}

func TestDigestIsEqualForEqualRecords(t *testing.T) {
	a, b := openStore(t, "", replica.Options{DisableDisk: true}), openStore(t, "", replica.Options{DisableDisk: true})
	digests := func() (x, y [16]byte) {
		for r, into := range map[*replica.Replica]*[16]byte{a: &x, b: &y} {
			h, err := r.Collection("notes").Digest(t.Context(), "n")
			if err != nil {
				t.Fatal(err)
			}
			*into = h
		}
		return x, y
	}
	if x, y := digests(); x != y {
		t.Errorf("a record that is nowhere has digests %x and %x", x, y)
	}
	dot := clock.Dot{}
	version, err := a.Collection("notes").UpdateVersion(t.Context(), "n", func(p *replica.Record) error {
		dot = p.Dot()
		return p.Counter("c").Add(1)
	})
	if err != nil || version.IsZero() || dot != (clock.Dot{Origin: a.Origin(), N: 1}) {
		t.Errorf("the first change is %v with version %v and error %v", dot, version, err)
	}
	if x, y := digests(); x == y {
		t.Error("one replica changed the record, and the digests are equal")
	}
	exchange(t, a, b, replica.SyncOptions{})
	if x, y := digests(); x != y {
		t.Errorf("after a sync the digests are %x and %x", x, y)
	}
	state, err := b.Collection("notes").State(t.Context(), "n")
	if err != nil {
		t.Fatal(err)
	}
	rec, err := crdt.DecodeRecord(state)
	if err != nil {
		t.Fatal(err)
	}
	if x, _ := digests(); rec.Digest() != x {
		t.Errorf("the state that was read has digest %x, want %x", rec.Digest(), x)
	}
}
