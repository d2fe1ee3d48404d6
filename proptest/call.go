package proptest

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/proptest/scenario"
)

// Replica is one of the replicas of a history, as a type sees it.
type Replica struct {
	// Name is A, B, C and so on.
	Name string
	// Number counts from 0.
	Number int

	wall time.Time
	hlc  *clock.HLC
}

func newReplica(n int) *Replica {
	r := &Replica{Name: string(rune('A' + n)), Number: n, wall: scenario.Start}
	r.hlc = clock.NewHLC(r.Now, 0, nil)
	return r
}

// Origin is a name for the replica's changes.
func (r *Replica) Origin() clock.Origin {
	return clock.Origin{Replica: clock.ReplicaID{byte(r.Number + 1)}, Incarnation: uint64(r.Number + 1)}
}

// Now is the replica's wall clock. It stands still within a step of a
// history, moves in some of them, and may be minutes wrong.
func (r *Replica) Now() time.Time { return r.wall }

// HLC is the replica's hybrid logical clock.
func (r *Replica) HLC() *clock.HLC { return r.hlc }

// Call is one operation as it is done: who does it, and the values that it
// draws. Each value drawn is part of the history: it is printed with it, and
// made simpler when a counter-example is shrunk. The first eight of a call are
// random, further ones are the simplest.
type Call struct {
	*Replica
	draws []uint64
	args  []any
	note  any
}

// drawsPerCall is how many random values an operation has.
const drawsPerCall = 8

func (c *Call) draw() (v uint64) {
	if len(c.draws) > 0 {
		v, c.draws = c.draws[0], c.draws[1:]
	}
	return v
}

// Int draws a number from 0 up to n, without n. 0 is the simplest, and the only
// one if n is less than 1.
func (c *Call) Int(n int) int {
	v := 0
	if d := c.draw(); n > 0 {
		v = int(d % uint64(n))
	}
	c.args = append(c.args, v)
	return v
}

// Pick draws one of several values. The first is the simplest. Without any it
// gives the zero value.
func Pick[T any](c *Call, from ...T) (v T) {
	if d := c.draw(); len(from) > 0 {
		v = from[d%uint64(len(from))]
	}
	c.args = append(c.args, v)
	return v
}

// show puts what an operation made of its last draw in the place of it, for
// people.
func (c *Call) show(v any) { c.args[len(c.args)-1] = v }

// Note keeps something about the call for [Event.Note]: what an operation saw or
// made, and a specification needs to know.
func (c *Call) Note(v any) { c.note = v }

// Event is an operation that was done, and changed something.
type Event struct {
	// Replica did it, at its own wall clock's time.
	Replica string
	At      time.Time
	Op      string
	// Args are the values that it drew, in order.
	Args []any
	// Note is what it gave to [Call.Note].
	Note any

	id     int // as in the history
	number int // from 1, as in the trace
	saw    uint64
}

// Saw reports whether the replica that did e had taken in o before.
func (e Event) Saw(o Event) bool { return e.saw&(1<<o.id) != 0 }

// Is reports whether two events are one and the same.
func (e Event) Is(o Event) bool { return e.id == o.id }

// String is the operation with its values.
func (e Event) String() string { return describe(e.Op, e.Args) }

func describe(op string, args []any) string {
	words := make([]string, 0, len(args)+1)
	words = append(words, op)
	for _, a := range args {
		words = append(words, render(a))
	}
	return strings.Join(words, " ")
}

// newDraws are the values of a call.
func newDraws(r *rand.Rand) []uint64 {
	draws := make([]uint64, drawsPerCall)
	for i := range draws {
		draws[i] = r.Uint64()
		if r.IntN(2) == 0 {
			draws[i] %= 4 // values that meet are more telling than large ones
		}
	}
	return draws
}

// failure of an operation that panicked, told as any other.
func recovered(err *error) {
	if p := recover(); p != nil {
		*err = &fault{problem: fmt.Sprintf("panic: %v", p)}
	}
}
