package proptest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// stepKind is what a step of a history does.
type stepKind uint8

const (
	operate stepKind = iota // a replica does an operation
	deliver                 // a replica is given deltas
	join                    // a replica takes over the state of another
	tick                    // a wall clock moves, or all of them
	restart                 // a replica is encoded and decoded
	compact                 // a replica is made smaller
)

// step is one line of a history.
type step struct {
	kind  stepKind
	on    int // who acts, or is given something; -1 for all clocks
	from  int // whose state
	id    int // of an operation; it stays the same when steps before are removed
	op    int
	draws []uint64
	what  []int // the operations whose deltas are given, in order
	moved time.Duration
}

// history is what happens: a list of steps, of which those that need something
// that is not there do nothing.
type history struct {
	replicas int
	steps    []step
	salt     uint64 // of what a law shuffles
}

// Format keeps reports of the search engine short: histories are told by the
// world that plays them.
func (h *history) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "%d steps", len(h.steps)) }

// shape is what the histories of a type and a law may hold.
type shape struct {
	replicas, steps   int
	weights           []int // of operations
	deltas, states    bool
	restart, compacts bool
}

func (s *shape) draw(r *rand.Rand) *history {
	h := &history{replicas: s.replicas, salt: r.Uint64() % 8}
	total := 0
	for _, w := range s.weights {
		total += w
	}
	made := 0
	n := 1 + r.IntN(s.steps)
	for range n {
		x := step{on: r.IntN(s.replicas), from: r.IntN(s.replicas)}
		switch k := r.IntN(20); {
		case k == 0:
			s.drawTick(r, &x)
		case k < 3 && (s.restart || s.compacts):
			x.kind = restart
			if s.compacts && (!s.restart || r.IntN(2) == 0) {
				x.kind = compact
			}
		case k < 9 && made > 0:
			s.drawMeeting(r, &x, h)
		default:
			x.kind, x.id, x.draws = operate, made, newDraws(r)
			made++
			for w := r.IntN(total); w >= s.weights[x.op]; x.op++ {
				w -= s.weights[x.op]
			}
		}
		h.steps = append(h.steps, x)
	}
	return h
}

func (s *shape) drawTick(r *rand.Rand, x *step) {
	x.kind = tick
	x.moved = []time.Duration{time.Second, time.Minute, -time.Minute}[r.IntN(3)]
	if r.IntN(3) == 0 {
		x.on, x.moved = -1, time.Hour
	}
}

// drawMeeting lets a replica get something: the state of another; or deltas,
// none of them, each on its way for as long as it takes, some twice.
func (s *shape) drawMeeting(r *rand.Rand, x *step, h *history) {
	if s.states && (!s.deltas || r.IntN(3) == 0) {
		x.kind = join
		if x.from == x.on {
			x.from = (x.on + 1) % s.replicas
		}
		return
	}
	x.kind = deliver
	var ids []int
	for _, o := range h.steps {
		if o.kind == operate {
			ids = append(ids, o.id)
		}
	}
	switch r.IntN(4) {
	case 0: // all there are, as they were made
		x.what = ids
	case 1: // a batch in any order
		r.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
		x.what = ids[:1+r.IntN(len(ids))]
	case 2: // one, twice
		id := ids[r.IntN(len(ids))]
		x.what = []int{id, id}
	default:
		x.what = []int{ids[r.IntN(len(ids))]}
	}
}

// clone is a history of its own, for the shrinker to alter.
func (h *history) clone() *history {
	c := *h
	c.steps = slices.Clone(h.steps)
	return &c
}
