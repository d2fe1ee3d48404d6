package merge

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/concord-crdt/concord/clock"
)

// Key is what a step gives to a candidate: a tuple of atoms. The greatest key
// wins.
//
// Keys have one total order, so no rule can prefer a to b, b to c and c to a;
// and since a key is computed for each candidate by itself, no order in which
// candidates arrive can matter. There is no floating point in a key: what two
// machines round differently, two replicas would show differently.
//
// Compare is O(atoms). The zero value is the empty tuple, less than all others.
// Safe for concurrent use.
type Key struct {
	first Atom // zero when the tuple is empty
	rest  []Atom
}

// KeyOf is the tuple of the atoms given, without those that are zero.
func KeyOf(atoms ...Atom) (k Key) {
	for _, a := range atoms {
		switch {
		case a.kind == atomNone:
		case k.first.kind == atomNone:
			k.first = a
		default:
			k.rest = append(k.rest, a)
		}
	}
	return k
}

// Compare orders keys: atom by atom, and a tuple before those that it begins.
// It is 0 for equal keys and no others.
func (k Key) Compare(o Key) int {
	if c := k.first.Compare(o.first); c != 0 {
		return c
	}
	for i := range min(len(k.rest), len(o.rest)) {
		if c := k.rest[i].Compare(o.rest[i]); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(k.rest), len(o.rest))
}

// String lists the atoms, for people.
func (k Key) String() string {
	if k.first.kind == atomNone {
		return "()"
	}
	var b strings.Builder
	b.WriteString("(" + k.first.String())
	for _, a := range k.rest {
		b.WriteString(", " + a.String())
	}
	b.WriteString(")")
	return b.String()
}

// Atom is one place of a [Key]: a boolean, an integer, a string, a stamp or a
// time. Atoms of different kinds order by kind, so that every two atoms compare;
// a rule that means something gives the same kind in one place to all
// candidates. The zero value is no atom.
type Atom struct {
	kind atomKind
	n    uint64 // order-preserving
	s    string
}

type atomKind uint8

// The order is part of the meaning of rules: it is never changed.
const (
	atomNone atomKind = iota
	atomBool
	atomInt
	atomString
	atomStamp
	atomEarlier
	atomMoment
)

// Bool is the atom of a boolean: true is greater.
func Bool(b bool) Atom {
	if b {
		return Atom{kind: atomBool, n: 1}
	}
	return Atom{kind: atomBool}
}

// Int is the atom of an integer.
func Int(i int64) Atom { return Atom{kind: atomInt, n: uint64(i) ^ 1<<63} }

// Text is the atom of a string, by its bytes: no locale has a say.
func Text(s string) Atom { return Atom{kind: atomString, s: s} }

// Later is the atom of a stamp: the later is greater.
func Later(s clock.Stamp) Atom { return Atom{kind: atomStamp, n: uint64(s)} }

// Earlier is the atom of a stamp in reverse: the earlier is greater.
func Earlier(s clock.Stamp) Atom { return Atom{kind: atomEarlier, n: ^uint64(s)} }

// Moment is the atom of a time: the later is greater. It counts nanoseconds.
func Moment(t time.Time) Atom {
	return Atom{kind: atomMoment, n: uint64(t.Unix()) ^ 1<<63, s: fmt.Sprintf("%09d", t.Nanosecond())}
}

// Compare orders atoms by kind (boolean, integer, string, stamp, reversed
// stamp, time), then by value. It is 0 for equal atoms and no others.
func (a Atom) Compare(b Atom) int {
	if a.kind != b.kind {
		return cmp.Compare(a.kind, b.kind)
	}
	if c := cmp.Compare(a.n, b.n); c != 0 {
		return c
	}
	return strings.Compare(a.s, b.s)
}

// String is the value, for people.
func (a Atom) String() string {
	switch a.kind {
	case atomBool:
		return strconv.FormatBool(a.n == 1)
	case atomInt:
		return strconv.FormatInt(int64(a.n^1<<63), 10)
	case atomString:
		return strconv.Quote(a.s)
	case atomStamp:
		return clock.Stamp(a.n).String()
	case atomEarlier:
		return "earlier " + clock.Stamp(^a.n).String()
	case atomMoment:
		nanos, _ := strconv.ParseInt(a.s, 10, 64)
		return time.Unix(int64(a.n^1<<63), nanos).UTC().Format(time.RFC3339Nano)
	}
	return "nothing"
}
