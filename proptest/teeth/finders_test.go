package teeth_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/merge"
	"github.com/concord-crdt/concord/proptest"
	"github.com/concord-crdt/concord/proptest/scopes"
	"github.com/concord-crdt/concord/proptest/sim"
)

// finder plays the history of a seed, and returns what was not as it must be.
type finder struct {
	name string // as in the table
	play func(seed uint64) error
}

// Fleets of whole replicas, with all faults of the world around them or some.
var (
	fleets   = fleetsWith("fleets", sim.Options{Devices: 4})
	calm     = fleetsWith("fleets in a calm world", sim.Options{Devices: 4, Faults: []sim.Fault{}})
	restored = fleetsWith("fleets with restored and copied directories", sim.Options{Devices: 4,
		Faults: []sim.Fault{sim.FaultRestore, sim.FaultClone, sim.FaultKill}})
)

func fleetsWith(name string, o sim.Options) finder {
	return finder{name, func(seed uint64) error {
		if f := sim.Run(seed, o).Failure; f != nil {
			return f
		}
		return nil
	}}
}

// Records of one scope, edited apart and folded.
var scopeHistories = finder{"scopes", scopes.Run}

// Candidates of a rule with steps of every kind, in any order.
var rules = finder{"laws of rules", func(seed uint64) error {
	steps := [][]merge.Step{
		{merge.Latest},
		{merge.Authority("doctor", "nurse"), merge.Latest},
		{merge.Seniority, merge.Earliest},
		{merge.Require("size(candidates) != 2"), merge.Latest},
	}[seed%4]
	return proptest.CheckRule(proptest.Rule{Name: "steps", Steps: steps, Roles: []string{"doctor", "nurse", "clerk"}},
		proptest.Options{Seed: int64(seed), Histories: 1, DisableShrinking: true})
}}

// Clocks that restart, hear of stamps, and look at a wall that stands or jumps.
var clocks = finder{"clocks", func(seed uint64) error {
	r := rand.New(rand.NewPCG(seed, 0xc10c))
	wall := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	var bound, last clock.Stamp
	open := func() *clock.HLC {
		return clock.NewHLC(func() time.Time { return wall }, bound, func(s clock.Stamp) error { bound = s; return nil })
	}
	c := open()
	for range 40 {
		switch r.IntN(6) {
		case 0:
			wall = wall.Add(time.Duration(r.IntN(20)-10) * time.Second)
		case 1:
			c = open()
		case 2:
			s := clock.NewStamp(wall, uint16(1<<16-1-r.IntN(4)))
			c.Observe(s)
			last = max(last, s)
			bound = max(bound, s) // it was applied
		default:
			s, err := c.Now()
			if err != nil {
				return err
			}
			if s <= last {
				return fmt.Errorf("stamp %v comes after %v", s, last)
			}
			last = s
		}
	}
	return nil
}}

// Changes whose bytes were altered: none is read, or it is written as it was read.
var encodings = finder{"encodings", func(seed uint64) error {
	r := rand.New(rand.NewPCG(seed, 0xb17e5))
	origin := clock.Origin{Replica: clock.ReplicaID{byte(r.IntN(250) + 1)}, Incarnation: r.Uint64()}
	rec := &crdt.Record{}
	for n := range uint64(4) {
		e := rec.Edit("r", crdt.EditOptions{Dot: clock.Dot{Origin: origin, N: n + 1}})
		_ = errors.Join(e.Register("reg").Set(r.IntN(300)), e.Counter("n").Add(1), e.Text("text").Insert(0, "abc"))
		part, _, err := e.Part(false)
		if err != nil {
			return err
		}
		c := &crdt.Change{Dot: clock.Dot{Origin: origin, N: n + 1}, Stamp: clock.Stamp(n + 1), Parts: []crdt.Part{part}}
		b := c.Encode()
		e.Commit(c, crdt.HashOf(b).Digest())
		for range 20 {
			if err := reread(mutate(r, b)); err != nil {
				return err
			}
		}
	}
	return nil
}}

// mutate turns bits, takes bytes out, and writes numbers in more bytes than they
// take.
func mutate(r *rand.Rand, b []byte) []byte {
	b = bytes.Clone(b)
	for range 1 + r.IntN(2) {
		i := r.IntN(len(b))
		switch r.IntN(4) {
		case 0:
			b[i] ^= 1 << r.IntN(8)
		case 1:
			b = append(b[:i], b[i+1:]...)
		case 2:
			b = append(b[:i], append([]byte{byte(r.IntN(4))}, b[i:]...)...)
		default:
			b = append(b[:i], append([]byte{b[i] | 0x80, 0}, b[i+1:]...)...)
		}
		if len(b) == 0 {
			return []byte{0}
		}
	}
	return b
}

func reread(b []byte) error {
	c, err := crdt.DecodeChange(b)
	if err != nil || c == nil {
		return nil
	}
	if again := c.Encode(); !bytes.Equal(again, b) {
		return fmt.Errorf("%x is read, and written as %x: %w", b, again, codec.ErrNotCanonical)
	}
	return nil
}
