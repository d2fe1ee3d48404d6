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
// The words are those of one number of 256 bits, the most significant first; a
// hash is read, and a sum is written, most significant byte first.
//
// Safe for concurrent reading only. The zero value is the sum of no members.
//
// Source: Bellare and Micciancio, "A New Paradigm for Collision-Free Hashing:
// Incrementality at Reduced Cost", EUROCRYPT 1997; Meyer, "Range-Based Set
// Reconciliation", 2022, for its use in reconciliation.
type Sum [4]uint64

// Add adds a member's hash. A member that is added twice counts twice.
func (s *Sum) Add(h [32]byte) {
	var c uint64
	w := words(h)
	for i := len(w) - 1; i >= 0; i-- {
		s[i], c = bits.Add64(s[i], w[i], c)
	}
}

// Sub takes a member's hash away, the inverse of Add.
func (s *Sum) Sub(h [32]byte) {
	var b uint64
	w := words(h)
	for i := len(w) - 1; i >= 0; i-- {
		s[i], b = bits.Sub64(s[i], w[i], b)
	}
}

// Write appends the 32 bytes of the sum, most significant byte first.
func (s *Sum) Write(w *codec.Writer) {
	for _, x := range s {
		w.Uint64(x)
	}
}

// ReadSum reads what [Sum.Write] wrote: any 32 bytes are a sum. Fewer are
// [codec.ErrTruncated], recorded in r.
func ReadSum(r *codec.Reader) (s Sum) {
	for i := range s {
		s[i] = r.Uint64()
	}
	return s
}

// words splits a hash into words, the most significant first.
func words(h [32]byte) (w [4]uint64) {
	for i := range w {
		for _, b := range h[8*i : 8*i+8] {
			w[i] = w[i]<<8 | uint64(b)
		}
	}
	return w
}

// entryHash is an entry's share in the sum of a state.
func entryHash(e Entry) [32]byte {
	var buf [128]byte
	w := codec.NewWriter(buf[:0])
	writeFullDot(w, e.ID.Dot)
	w.Uint32(e.ID.Index)
	w.Raw(e.Value)
	return sha256.Sum256(w.Bytes())
}
