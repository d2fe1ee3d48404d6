package model

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
)

// fleet is the replicas of one history.
type fleet struct {
	rand    *rand.Rand
	without Rule
	nodes   []*node
	acts    []*act
	begin   time.Time
	runes   rune
	spread  map[clock.Dot]crdt.Hash // what has been seen by another than its author
	refused error
}

// steps of a history.
const steps = 60

// Run plays the history of a seed, among replicas that go without some rules,
// and compares what it ends with. It returns nil, or the first fault.
//
// It costs about a millisecond, and starts no goroutine.
func Run(seed uint64, without Rule) error {
	f := &fleet{
		rand: rand.New(rand.NewPCG(seed, 0)), without: without, runes: 0x4e00,
		begin: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC), spread: map[clock.Dot]crdt.Hash{},
	}
	for i := range 3 + f.rand.IntN(3) {
		n := newNode(f, string(rune('A'+i)), clock.Origin{Replica: clock.ReplicaID{byte(i + 1)}, Incarnation: 1 + f.rand.Uint64N(1<<32)})
		f.nodes = append(f.nodes, n)
	}
	for step := range steps {
		if err := f.step(); err != nil {
			return fmt.Errorf("model: seed %d, step %d: %w", seed, step, err)
		}
	}
	if err := f.quiet(); err != nil {
		return fmt.Errorf("model: seed %d, at the end: %w", seed, err)
	}
	return nil
}

func (f *fleet) key() string { return string(rune('k' + f.rand.IntN(2))) }

// rune is a character that no other act inserts.
func (f *fleet) rune() rune {
	f.runes++
	return f.runes
}

func (f *fleet) any() *node { return f.nodes[f.rand.IntN(len(f.nodes))] }

func (f *fleet) step() error {
	n := f.any()
	n.wall = n.wall.Add(time.Duration(f.rand.IntN(90)) * time.Second)
	switch k := f.rand.IntN(40); {
	case k < 21:
		return n.do()
	case k < 33:
		return f.meet(n, f.any(), true)
	case k < 35:
		key := f.key()
		n.forms[key] = n.record(key).Vector().Clone()
	case k < 36:
		return n.restart()
	case k < 37:
		n.backup = &backup{slices.Clone(n.order), n.origin}
	case k < 38:
		return f.restore(n)
	case k < 39:
		f.clone(n)
	default:
		// The clock of a device that was set wrong, by less than is refused.
		n.wall = n.wall.Add(time.Duration(f.rand.IntN(10)-5) * time.Minute)
	}
	return nil
}

// restore puts a backup in place, one at a time: that a third replica meets two
// restored ones before anybody else does is open.
func (f *fleet) restore(n *node) error {
	if n.backup == nil || n.cloned || slices.ContainsFunc(f.nodes, func(o *node) bool { return o.suspect }) {
		return nil
	}
	gone := n.order
	if err := n.restoreBackup(); err != nil {
		return err
	}
	for _, r := range gone {
		if !slices.ContainsFunc(f.nodes, func(o *node) bool { return o.has(r.act.id) }) {
			r.act.lost = true
		}
	}
	return nil
}

// has reports whether a replica stores an act, under whatever name.
func (n *node) has(id int) bool {
	return slices.ContainsFunc(n.order, func(r *row) bool { return r.act.id == id })
}

// clone copies a directory to another device. Nothing but its machine tells
// that it is not the original.
func (f *fleet) clone(n *node) {
	if len(f.nodes) > 5 || n.suspect || n.cloned {
		return
	}
	c := newNode(f, n.name+"'", n.origin)
	c.wall = n.wall
	if err := c.replay(n.order); err == nil {
		c.cloned = true
		f.nodes = append(f.nodes, c)
	}
}

// knower is the replica that has most of what n's present incarnation wrote.
func (f *fleet) knower(n *node) *node {
	var best *node
	for _, o := range f.nodes {
		if o != n && (best == nil || len(o.rows[n.origin]) > len(best.rows[n.origin])) {
			best = o
		}
	}
	return best
}

// meet holds one session. A replica that was restored meets first who knows
// most of it.
func (f *fleet) meet(a, b *node, faults bool) error {
	if b.suspect {
		a, b = b, a
	}
	if a.suspect {
		b = f.knower(a)
	}
	if a == b {
		return nil
	}
	for _, s := range [][2]*node{{a, b}, {b, a}} {
		if !f.withoutRule(ChainAtContact) && !s[0].cloned {
			if err := s[0].checkPast(s[1]); err != nil {
				return err
			}
		}
		s[0].suspect = false
	}
	if err := f.send(a, b, faults); err != nil {
		return err
	}
	return f.send(b, a, faults)
}

func (f *fleet) withoutRule(r Rule) bool { return f.without&r != 0 }

// send brings over what the receiver has not stored: each origin's changes in
// the order of their dots, the origins interleaved as it happens.
func (f *fleet) send(from, to *node, faults bool) error {
	var queues [][]*row
	origins := make([]clock.Origin, 0, len(from.rows))
	for o := range from.rows {
		origins = append(origins, o)
	}
	slices.SortFunc(origins, clock.Origin.Compare)
	total := 0
	for _, o := range origins {
		if have := len(to.rows[o]); have < len(from.rows[o]) {
			queues = append(queues, from.rows[o][have:])
			total += len(queues[len(queues)-1])
		}
	}
	cut := total
	if faults && f.rand.IntN(3) == 0 {
		cut = f.rand.IntN(total + 1)
	}
	for ; cut > 0; cut-- {
		i := f.rand.IntN(len(queues))
		r := queues[i][0]
		if queues[i] = queues[i][1:]; len(queues[i]) == 0 {
			queues = slices.Delete(queues, i, i+1)
		}
		for range 1 + f.rand.IntN(8)/7 {
			if err := f.deliver(r, to); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *fleet) deliver(r *row, to *node) error {
	d := r.change.Dot
	if h, ok := f.spread[d]; ok && h != r.hash {
		return fmt.Errorf("dot %v was given to two changes", d)
	}
	f.spread[d] = r.hash
	return to.store(r.change, r.hash, r.act)
}

// quiet lets all meet until nothing moves, and compares.
func (f *fleet) quiet() error {
	for moved := true; moved; {
		moved = false
		before := f.count()
		for _, a := range f.nodes {
			for _, b := range f.nodes {
				if err := f.meet(a, b, false); err != nil {
					return err
				}
			}
		}
		moved = f.count() != before
	}
	return f.compare()
}

func (f *fleet) count() (n int) {
	for _, x := range f.nodes {
		n += len(x.order)
	}
	return n
}
