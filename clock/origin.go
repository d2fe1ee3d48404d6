package clock

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"fmt"
	"strconv"
)

// ReplicaID names a replica: one store on one device.
//
// It is the first 16 bytes of SHA-256 of the device's public key; nothing here
// depends on that. Ids are ordered by their bytes.
type ReplicaID [16]byte

// ParseReplicaID reads an id as [ReplicaID.String] writes it: 32 hexadecimal
// digits. Capitals are accepted. Anything else is an error.
func ParseReplicaID(s string) (ReplicaID, error) {
	var id ReplicaID
	if len(s) != hex.EncodedLen(len(id)) {
		return ReplicaID{}, fmt.Errorf("clock: replica id has %d characters, not %d hexadecimal digits",
			len(s), hex.EncodedLen(len(id)))
	}
	if _, err := hex.Decode(id[:], []byte(s)); err != nil {
		return ReplicaID{}, fmt.Errorf("clock: replica id: %w", err)
	}
	return id, nil
}

// Compare returns -1, 0 or +1: the order of the ids' bytes.
func (id ReplicaID) Compare(o ReplicaID) int { return bytes.Compare(id[:], o[:]) }

// String returns the id as 32 hexadecimal digits.
func (id ReplicaID) String() string { return hex.EncodeToString(id[:]) }

// MarshalText returns what String returns.
func (id ReplicaID) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, id[:]), nil }

// UnmarshalText reads what [ParseReplicaID] reads, with the same errors. On an
// error the id is left as it was.
func (id *ReplicaID) UnmarshalText(text []byte) error {
	parsed, err := ParseReplicaID(string(text))
	if err != nil {
		return err
	}
	*id = parsed
	return nil
}

// Origin is who a dot belongs to: an incarnation of a replica.
//
// A replica that may have forgotten what it told others (a restored backup, a
// cloned disk) goes on as a new incarnation, so that a dot never names two
// changes. Incarnations are random, not counted, since a clone and its original
// would count to the same number.
//
// Origins are comparable with ==. The zero value stands for no origin.
type Origin struct {
	Replica     ReplicaID
	Incarnation uint64
}

// Compare returns -1, 0 or +1: canonical order, by replica, then incarnation.
func (o Origin) Compare(p Origin) int { return compareOrigins(&o, &p) }

// compareOrigins is Compare without copies: searches in vectors spend their time
// here, and with pointers and whole words they take a third
// (BenchmarkVersionVector).
func compareOrigins(o, p *Origin) int {
	if a, b := word(&o.Replica, 0), word(&p.Replica, 0); a != b {
		return cmp.Compare(a, b)
	}
	if a, b := word(&o.Replica, 8), word(&p.Replica, 8); a != b {
		return cmp.Compare(a, b)
	}
	return cmp.Compare(o.Incarnation, p.Incarnation)
}

// word returns eight bytes from index i on, in the order of an integer that
// compares as they do.
func word(id *ReplicaID, i int) uint64 {
	b := id[i : i+8 : i+8]
	return uint64(b[0])<<56 | uint64(b[1])<<48 | uint64(b[2])<<40 | uint64(b[3])<<32 |
		uint64(b[4])<<24 | uint64(b[5])<<16 | uint64(b[6])<<8 | uint64(b[7])
}

// IsZero reports whether o is the zero value.
func (o Origin) IsZero() bool { return o == Origin{} }

// String returns a short form for people: the first eight digits of the replica
// id and the incarnation, both hexadecimal, as in 0a1b2c3d…/9f. Different
// replicas may share it.
func (o Origin) String() string { return string(o.appendTo(nil)) }

func (o Origin) appendTo(b []byte) []byte {
	b = hex.AppendEncode(b, o.Replica[:4])
	b = append(b, "…/"...)
	return strconv.AppendUint(b, o.Incarnation, 16)
}
