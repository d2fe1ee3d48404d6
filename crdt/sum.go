package crdt

import (
	"crypto/sha256"
	"math/bits"

	"github.com/concord-crdt/concord/codec"
)

// Sum is a multiset hash: the sum, modulo 2^256, of the SHA-256 hashes of the
// members. Adding and taking away one member is O(1), so a record's digest
// follows its edits. Addition resists what an exclusive-or does not: members
// chosen to cancel each other by linear algebra.
//
// Source: Bellare and Micciancio, "A New Paradigm for Collision-Free Hashing:
// Incrementality at Reduced Cost", EUROCRYPT 1997; Meyer, "Range-Based Set
// Reconciliation", 2022, for its use in reconciliation.
type Sum [4]uint64

// Add adds a member's hash.
func (s *Sum) Add(h [32]byte) {
	var c uint64
	for i, w := range words(h) {
		s[i], c = bits.Add64(s[i], w, c)
	}
}

// Sub takes a member's hash away.
func (s *Sum) Sub(h [32]byte) {
	var b uint64
	for i, w := range words(h) {
		s[i], b = bits.Sub64(s[i], w, b)
	}
}

// Write appends the 32 bytes of the sum.
func (s *Sum) Write(w *codec.Writer) {
	for _, x := range s {
		w.Uint64(x)
	}
}

// ReadSum reads what Write wrote.
func ReadSum(r *codec.Reader) (s Sum) {
	for i := range s {
		s[i] = r.Uint64()
	}
	return s
}

func words(h [32]byte) (w [4]uint64) {
	for i := range w {
		for _, b := range h[8*i : 8*i+8] {
			w[i] = w[i]<<8 | uint64(b)
		}
	}
	return w
}

func entryHash(e Entry) [32]byte {
	var buf [128]byte
	w := codec.NewWriter(buf[:0])
	writeFullDot(w, e.ID.Dot)
	w.Uint32(e.ID.Index)
	w.Raw(e.Value)
	return sha256.Sum256(w.Bytes())
}
