package replica

import (
	"encoding/hex"
	"fmt"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
)

// The rows of the store, by the first byte of their keys. Numbers are fixed
// width and big-endian, so the order of keys is the order of what they name,
// and nothing from the wire can reach into another row.
//
//	m NAME                       facts about the store
//	o NUMBER                     an origin, interned
//	p NUMBER                     a scope's name, interned
//	c SCOPE ORIGIN N             a change
//	h SCOPE KEY                  a record's header
//	s SCOPE LENGTH KEY SEQ PART  a record's snapshot at a seq, in parts
//	w SCOPE ORIGIN N             a change that waits, or was rejected: its reason
//	k SCOPE                      the scope's tally after the last commit
//	f SCOPE LENGTH KEY PART      a fragment of a record that is to come, in parts
//	e LENGTH SCOPE ORIGIN N      a change that came before those it follows, see early
const (
	rowMeta     = 'm'
	rowOrigin   = 'o'
	rowScope    = 'p'
	rowChange   = 'c'
	rowHeader   = 'h'
	rowSnapshot = 's'
	rowFate     = 'w'
	rowSum      = 'k'
	rowEarly    = 'e'
	rowFragment = 'f'
)

// rowKinds are all of them.
var rowKinds = []byte{rowMeta, rowOrigin, rowScope, rowChange, rowHeader, rowSnapshot, rowFate, rowSum, rowEarly, rowFragment}

func metaKey(name string) []byte { return append([]byte{rowMeta}, name...) }

func numberKey(row byte, n uint32) []byte {
	w := codec.NewWriter(make([]byte, 0, 5))
	w.Byte(row)
	w.Uint32(n)
	return w.Bytes()
}

func recordKey(row byte, scope uint32, key string) []byte {
	w := codec.NewWriter(make([]byte, 0, 5+len(key)))
	w.Byte(row)
	w.Uint32(scope)
	w.Raw([]byte(key))
	return w.Bytes()
}

// snapshotKey with part zero is the first of a snapshot's rows; snapshotPrefix
// is before all of a record's snapshots.
func snapshotKey(scope uint32, key string, seq uint64, part uint32) []byte {
	w := codec.NewWriter(make([]byte, 0, 24+len(key)))
	w.Raw(snapshotPrefix(scope, key))
	w.Uint64(seq)
	w.Uint32(part)
	return w.Bytes()
}

func snapshotPrefix(scope uint32, key string) []byte {
	w := codec.NewWriter(make([]byte, 0, 12+len(key)))
	w.Byte(rowSnapshot)
	w.Uint32(scope)
	w.Uint32(uint32(len(key)))
	w.Raw([]byte(key))
	return w.Bytes()
}

func dotKey(row byte, scope, origin uint32, n uint64) []byte {
	w := codec.NewWriter(make([]byte, 0, 17))
	w.Byte(row)
	w.Uint32(scope)
	w.Uint32(origin)
	w.Uint64(n)
	return w.Bytes()
}

// splitDotKey is the inverse of dotKey.
func splitDotKey(k []byte) (scope, origin uint32, n uint64, err error) {
	r := codec.NewReader(k)
	r.Byte()
	scope, origin, n = r.Uint32(), r.Uint32(), r.Uint64()
	if err := r.Close(); err != nil {
		return 0, 0, 0, fmt.Errorf("replica: row key %s: %w", hex.EncodeToString(k), err)
	}
	return scope, origin, n, nil
}

// place is a dot as the store knows it: the origin by its number.
type place struct {
	origin uint32
	n      uint64
}

// originTable interns origins for good: a number is written before the first
// row that uses it, in the same transaction.
type originTable struct {
	numbers map[clock.Origin]uint32
	origins []clock.Origin
}

func newOriginTable() *originTable { return &originTable{numbers: map[clock.Origin]uint32{}} }

func (t *originTable) add(o clock.Origin) uint32 {
	n := uint32(len(t.origins))
	t.origins = append(t.origins, o)
	t.numbers[o] = n
	return n
}

func (t *originTable) origin(n uint32) (clock.Origin, bool) {
	if int(n) >= len(t.origins) {
		return clock.Origin{}, false
	}
	return t.origins[n], true
}

func writeOrigin(o clock.Origin) []byte {
	w := codec.NewWriter(make([]byte, 0, 24))
	w.Raw(o.Replica[:])
	w.Uint64(o.Incarnation)
	return w.Bytes()
}

func readOrigin(b []byte) (o clock.Origin, err error) {
	r := codec.NewReader(b)
	copy(o.Replica[:], r.Raw(len(o.Replica)))
	o.Incarnation = r.Uint64()
	return o, r.Close()
}
