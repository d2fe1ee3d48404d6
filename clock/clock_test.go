package clock_test

import (
	"testing"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
)

// The origins of the tests, in canonical order. The second and third are two
// incarnations of one replica.
var (
	oa = clock.Origin{Replica: clock.ReplicaID{0x0a}, Incarnation: 9}
	ob = clock.Origin{Replica: clock.ReplicaID{0x0b}, Incarnation: 1}
	oc = clock.Origin{Replica: clock.ReplicaID{0x0b}, Incarnation: 2}
)

// vector makes a vector with the given last numbers of oa, ob and oc.
func vector(a, b, c uint64) *clock.VersionVector {
	v := new(clock.VersionVector)
	v.Set(oa, a)
	v.Set(ob, b)
	v.Set(oc, c)
	return v
}

// context makes a context of the given ranges.
func context(ranges ...clock.Range) *clock.Context {
	c := new(clock.Context)
	for _, r := range ranges {
		c.AddRange(r)
	}
	return c
}

// encoder is what writes itself with a table.
type encoder interface {
	Write(w *codec.Writer, t *clock.Table)
}

// encode returns the table and the body that e writes.
func encode(e encoder) []byte {
	var body, out codec.Writer
	var t clock.Table
	e.Write(&body, &t)
	t.Write(&out)
	out.Raw(body.Bytes())
	return out.Bytes()
}

// decode reads what encode wrote, to the end.
func decode[T any](b []byte, read func(*codec.Reader, *clock.Table) T) (T, error) {
	r := codec.NewReader(b)
	t := clock.ReadTable(r, clock.MaxOrigins)
	x := read(r, t)
	t.CheckUse(r)
	return x, r.Close()
}

func decodeVector(b []byte) (clock.VersionVector, error) {
	return decode(b, clock.ReadVersionVector)
}

func decodeContext(b []byte) (clock.Context, error) {
	return decode(b, clock.ReadContext)
}

func check(t *testing.T, what string, got, want any) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}
