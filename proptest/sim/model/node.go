package model

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
)

// row is a change as one replica stores it.
type row struct {
	change *crdt.Change
	hash   crdt.Hash
	chain  crdt.Hash
	act    *act
}

// node is a replica: rows are what it has on its disk, the rest follows from
// them.
type node struct {
	fleet   *fleet
	name    string
	origin  clock.Origin
	rows    map[clock.Origin][]*row // stored; the n-th is at n-1
	order   []*row                  // as they came
	waiting []*row
	applied clock.Context
	records map[string]*crdt.Record
	dead    map[string]map[clock.Dot]clock.Dot // without RestoreRemovesNothing: births, and who deleted them

	hlc   *clock.HLC
	wall  time.Time
	forms map[string]clock.VersionVector // forms that are open: what their actors saw

	backup  *backup
	suspect bool // restored, and has not met who knows most of it since
	cloned  bool // made from another's directory: the next write needs a new incarnation
}

// backup is a copy of a directory, with its side file.
type backup struct {
	order  []*row
	origin clock.Origin
}

const scope = "sim"

func newNode(f *fleet, name string, o clock.Origin) *node {
	n := &node{fleet: f, name: name, origin: o, wall: f.begin}
	n.hlc = clock.NewHLC(func() time.Time { return n.wall }, 0, nil)
	n.clear()
	return n
}

func (n *node) clear() {
	n.rows = map[clock.Origin][]*row{}
	n.order, n.waiting = nil, nil
	n.applied = clock.Context{}
	n.records = map[string]*crdt.Record{}
	n.dead = map[string]map[clock.Dot]clock.Dot{}
	n.forms = map[string]clock.VersionVector{}
}

func (n *node) record(key string) *crdt.Record {
	r := n.records[key]
	if r == nil {
		r = &crdt.Record{}
		n.records[key] = r
		n.dead[key] = map[clock.Dot]clock.Dot{}
	}
	return r
}

func (n *node) without(r Rule) bool { return n.fleet.without&r != 0 }

// next is the name of the node's next change.
func (n *node) next() clock.Dot {
	return clock.Dot{Origin: n.origin, N: uint64(len(n.rows[n.origin])) + 1}
}

func (n *node) chainAt(o clock.Origin, i uint64) crdt.Hash {
	if i == 0 {
		return crdt.ChainStart(scope, o)
	}
	return n.rows[o][i-1].chain
}

// live are the births of a record that a reader of this node sees.
func (n *node) live(key string) []clock.Dot {
	if !n.without(RestoreRemovesNothing) {
		return n.record(key).Live(crdt.DeleteWins)
	}
	return slices.DeleteFunc(n.record(key).Births(), func(b clock.Dot) bool { return !n.dead[key][b].IsZero() })
}

// store takes a change in dot order; one that is here changes nothing.
func (n *node) store(c *crdt.Change, hash crdt.Hash, a *act) error {
	o := c.Dot.Origin
	have := uint64(len(n.rows[o]))
	if c.Dot.N <= have {
		if n.rows[o][c.Dot.N-1].hash != hash {
			return fmt.Errorf("%s has another change under %v", n.name, c.Dot)
		}
		return nil
	}
	if c.Dot.N != have+1 {
		return nil // refused: a gap
	}
	r := &row{c, hash, crdt.Chain(n.chainAt(o, have), hash), a}
	n.rows[o] = append(n.rows[o], r)
	n.order = append(n.order, r)
	n.hlc.Observe(c.Stamp)
	n.waiting = append(n.waiting, r)
	for again := true; again; {
		before := len(n.waiting)
		n.waiting = slices.DeleteFunc(n.waiting, n.take)
		again = len(n.waiting) < before && len(n.waiting) > 0
	}
	return nil
}

// take applies a row unless it has to wait.
func (n *node) take(r *row) bool {
	p := &r.change.Parts[0]
	rec := n.record(p.Key)
	void := r.act.void
	if !(void && n.without(RejectedWaits)) && n.waits(r, p, rec) {
		return false
	}
	if !void {
		switch err := rec.Check(r.change, p); {
		case err == nil:
		case errors.Is(err, crdt.ErrMissingElement) && !n.without(HeadsGate), errors.Is(err, crdt.ErrFork):
			return false
		case !errors.Is(err, crdt.ErrMissingElement):
			void = true
			n.fleet.refused = fmt.Errorf("%s refuses %v, which is valid: %w", n.name, r.change.Dot, err)
		}
	}
	if void {
		rec.ApplyVoid(r.change, p, r.hash.Digest())
	} else {
		rec.Apply(r.change, p, r.hash.Digest(), nil)
		n.noteExistence(r, p)
	}
	n.applied.Add(r.change.Dot)
	return true
}

func (n *node) waits(r *row, p *crdt.Part, rec *crdt.Record) bool {
	if n.without(HeadsGate) {
		return false
	}
	for _, d := range rec.Missing(p) {
		if !n.without(ClocksApart) || d.N > uint64(len(n.rows[d.Origin])) {
			return true
		}
	}
	return !n.without(ClocksApart) && slices.ContainsFunc(n.waiting, func(w *row) bool {
		return w.change.Dot.Origin == r.change.Dot.Origin && w.change.Dot.N < r.change.Dot.N &&
			w.change.Parts[0].Key == p.Key && !n.applied.Contains(w.change.Dot)
	})
}

// noteExistence keeps deletions as a replica does that lets a restore remove
// them.
func (n *node) noteExistence(r *row, p *crdt.Part) {
	dead := n.dead[p.Key]
	if p.Delete != nil {
		for _, b := range p.Delete.Births {
			dead[b.Dot] = r.change.Dot
		}
	}
	if len(p.Restore) > 0 {
		clear(dead)
	}
}

// restart forgets what is not on the disk, and opens again.
func (n *node) restart() error {
	before := n.view()
	order, backup, forms := n.order, n.backup, n.forms
	n.clear()
	if err := n.replay(order); err != nil {
		return err
	}
	n.backup, n.forms = backup, forms
	if after := n.view(); after != before {
		return fmt.Errorf("%s restarts: was\n%s\nis\n%s", n.name, before, after)
	}
	return nil
}

func (n *node) replay(order []*row) error {
	for _, r := range order {
		if err := n.store(r.change, r.hash, r.act); err != nil {
			return err
		}
	}
	return nil
}

// restoreBackup puts an older copy of the directory in the place of the
// present one. What existed nowhere else is lost, by no fault of the model.
func (n *node) restoreBackup() error {
	b := n.backup
	n.clear()
	n.origin, n.suspect = b.origin, true
	return n.replay(b.order)
}

// newIncarnation is a name that was never used: random, or without that rule
// the next number.
func (n *node) newIncarnation() {
	if n.without(RandomIncarnations) {
		n.origin.Incarnation++
	} else {
		n.origin.Incarnation = n.fleet.rand.Uint64()
	}
}

// checkPast is told what a peer knows of this node's changes. Where the node's
// own chain is shorter or another, it lost its past: it makes what it wrote
// since again under a new incarnation.
func (n *node) checkPast(peer *node) error {
	theirs := peer.rows[n.origin]
	common := 0
	for common < min(len(theirs), len(n.rows[n.origin])) && theirs[common].chain == n.rows[n.origin][common].chain {
		common++
	}
	if common == len(theirs) {
		return nil
	}
	old := n.origin
	lost := slices.Clone(n.rows[old][common:])
	keep := slices.DeleteFunc(slices.Clone(n.order), func(r *row) bool { return slices.Contains(lost, r) })
	n.newIncarnation()
	n.backup = nil
	n.clear()
	if err := n.replay(keep); err != nil {
		return err
	}
	again := crdt.NewReissue(old, uint64(common), n.origin, func(key string) (*crdt.Record, error) { return n.record(key), nil })
	names := map[clock.Dot]clock.Dot{}
	for _, r := range lost {
		c, err := again.Change(r.change, n.next().N)
		if err != nil {
			return err
		}
		names[r.change.Dot] = c.Dot
		a := r.act.renamed(old, uint64(common), names)
		a.dot = c.Dot
		if err := n.store(c, crdt.HashOf(c.Encode()), a); err != nil {
			return err
		}
	}
	return nil
}
