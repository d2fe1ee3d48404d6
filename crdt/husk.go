package crdt

import (
	"fmt"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
)

// Husk is what is kept of a change that is settled and whose bytes were dropped:
// its hash, by which the chain of its origin is still proven, and the records
// that have its effect. It stands where the change stood, in a store and on the
// wire, and takes the place of its canonical form.
//
// The zero value is no husk. Must not be modified once it was encoded.
type Husk struct {
	Hash  Hash        // of the change
	Stamp clock.Stamp // as it was written
	Keys  []string    // the records that it touches, sorted; at least one
}

// huskVersion stands where a change has its version, behind a table without
// origins, which no change has.
const huskVersion = 0

// Husk is what remains of a change with this hash.
func (c *Change) Husk(h Hash) *Husk {
	x := &Husk{Hash: h, Stamp: c.Stamp}
	for i := range c.Parts {
		x.Keys = append(x.Keys, c.Parts[i].Key)
	}
	return x
}

// Encode is the canonical form of the husk. Its dot is not in it.
func (h *Husk) Encode() []byte {
	w := codec.NewWriter(make([]byte, 0, 32+32*len(h.Keys)))
	var none clock.Table
	none.Write(w)
	w.Byte(huskVersion)
	w.Raw(h.Hash[:])
	w.Uint64(uint64(h.Stamp))
	w.Uvarint(uint64(len(h.Keys)))
	for _, k := range h.Keys {
		w.String(k)
	}
	return w.Bytes()
}

// IsHusk reports whether an encoding is that of a husk and not of a change.
func IsHusk(encoded []byte) bool {
	return len(encoded) > 1 && encoded[0] == 0 && encoded[1] == huskVersion
}

// DecodeHusk reads what [Husk.Encode] wrote, and nothing else. The error is one
// of the codec's. O(bytes).
func DecodeHusk(b []byte) (*Husk, error) {
	r := codec.NewReader(b)
	t := clock.ReadTable(r, MaxOrigins)
	if v := r.Byte(); (v != huskVersion || t.Len() > 0) && r.Err() == nil {
		r.Fail("husk", &codec.VersionError{What: "husk", Got: uint64(v), Max: huskVersion})
	}
	h := &Husk{}
	copy(h.Hash[:], r.Raw(len(h.Hash)))
	h.Stamp = clock.Stamp(r.Uint64())
	n := r.Count("keys", MaxParts, 1)
	if n == 0 {
		r.Fail("keys", codec.ErrMalformed)
	}
	for i := 0; i < n && r.Err() == nil; i++ {
		k := r.String("key", MaxKeyBytes)
		if i > 0 && h.Keys[i-1] >= k {
			r.Fail("keys", codec.ErrNotCanonical)
		}
		h.Keys = append(h.Keys, k)
	}
	if err := r.Close(); err != nil {
		return nil, fmt.Errorf("crdt: decode husk: %w", err)
	}
	return h, nil
}

// Change is as much of the change named d as the husk tells: whose it is, its
// stamp, and the records that it touches.
func (h *Husk) Change(d clock.Dot) *Change {
	c := &Change{Dot: d, Stamp: h.Stamp}
	for _, k := range h.Keys {
		c.Parts = append(c.Parts, Part{Key: k})
	}
	return c
}

// ChangeHash is the hash of a change, from its canonical form or its husk. Bytes
// that are neither hash as they are. O(bytes).
func ChangeHash(encoded []byte) Hash {
	if IsHusk(encoded) {
		if h, err := DecodeHusk(encoded); err == nil {
			return h.Hash
		}
	}
	return HashOf(encoded)
}
