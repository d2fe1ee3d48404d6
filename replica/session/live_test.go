package session

import (
	"fmt"
	"testing"
)

// net is several pairs over shared stores, of which each tells its sessions
// when it changed.
type net struct {
	pairs []*pair
}

func (n *net) connect(a, b *fakeStore, ca, cb Config) *pair {
	p := newPair(a, b, ca, cb)
	a.onChange = append(a.onChange, func() { p.a.changed = true })
	b.onChange = append(b.onChange, func() { p.b.changed = true })
	n.pairs = append(n.pairs, p)
	p.start()
	return p
}

func (n *net) run() {
	for moved := true; moved; {
		moved = false
		for _, p := range n.pairs {
			moved = p.pump() || moved
		}
	}
}

func TestLiveChain(t *testing.T) {
	a, b, c := newFake('a'), newFake('b'), newFake('c')
	a.writeMany("s", 3)
	c.writeMany("s", 2)
	var n net
	ab := n.connect(a, b, Config{Live: true}, Config{Live: true})
	bc := n.connect(b, c, Config{Live: true}, Config{Live: true})
	n.run()
	mustEqual(t, a, b)
	mustEqual(t, b, c)
	stores := []*fakeStore{a, b, c}
	for i := range 60 {
		stores[i%3].write(fmt.Sprintf("s%d", i%2), fmt.Sprintf("k%d", i), "ann")
		n.run()
		mustEqual(t, a, b)
		mustEqual(t, b, c)
	}
	for _, s := range []*side{ab.a, ab.b, bc.a, bc.b} {
		if s.core.phase != PhaseLive {
			t.Errorf("phase %v", s.core.phase)
		}
		if got := s.core.report.Sent.Verdicts; got.Applied != got.Total() {
			t.Errorf("verdicts %+v: something was sent where it had come from", got)
		}
	}
	for _, s := range stores {
		for d, times := range s.applied {
			if times != 1 {
				t.Errorf("%v applied %s %d times", s.self, d, times)
			}
		}
	}
	caught := 0
	for _, e := range ab.a.events {
		if _, ok := e.(CaughtUp); ok {
			caught++
		}
	}
	if caught < 20 {
		t.Errorf("caught up %d times", caught)
	}

	ab.a.core.Stop(ab.now)
	bc.b.core.Stop(bc.now)
	n.run()
	for _, p := range n.pairs {
		p.mustEnd(t)
	}
}

// TestLiveTriangle writes where every change can arrive on two ways.
func TestLiveTriangle(t *testing.T) {
	stores := []*fakeStore{newFake('a'), newFake('b'), newFake('c')}
	var n net
	for i, s := range stores {
		n.connect(s, stores[(i+1)%3], Config{Live: true}, Config{Live: true})
	}
	n.run()
	rnd := seeded(3)
	for i := range 200 {
		stores[rnd.Intn(3)].write("s", fmt.Sprint(i), "ann")
		for range rnd.Intn(4) {
			n.pairs[rnd.Intn(3)].pump()
		}
	}
	n.run()
	mustEqual(t, stores[0], stores[1])
	mustEqual(t, stores[1], stores[2])
	for _, p := range n.pairs {
		for _, s := range []*side{p.a, p.b} {
			if s.closed != nil {
				t.Fatalf("closed: %v", s.closed.Err)
			}
			if got := s.core.report; got.Sent.Verdicts.Refused > 0 || len(got.Alarms) > 0 {
				t.Errorf("verdicts %+v, alarms %v", got.Sent.Verdicts, got.Alarms)
			}
		}
	}
}

func TestLiveBurst(t *testing.T) {
	// Changes are made faster than the link carries them.
	a, b := newFake('a'), newFake('b')
	var n net
	p := n.connect(a, b, Config{Live: true}, Config{Live: true})
	p.step = 100
	n.run()
	for i := range 500 {
		a.write(fmt.Sprintf("s%d", i%3), fmt.Sprint(i), "ann")
		p.pump()
	}
	n.run()
	mustEqual(t, a, b)
	if got := p.a.core.report.Sent.Changes.Changes; got != 500 {
		t.Errorf("%d changes were sent", got)
	}
}

func TestLiveNeedsBoth(t *testing.T) {
	a, b := newFake('a'), newFake('b')
	a.writeMany("s", 3)
	mustSync(t, a, b, Config{Live: true}, Config{})
	mustSync(t, a, b, Config{}, Config{Live: true})
}

func TestStop(t *testing.T) {
	for steps := range 40 {
		a, b := newFake('a'), newFake('b')
		a.writeMany("s", 50)
		b.writeMany("s", 50)
		cfg := Config{StartChunkBytes: 300, MostChunkBytes: 300, LeastChunkBytes: 100}
		p := newPair(a, b, cfg, cfg)
		p.start()
		for range steps {
			p.pump()
		}
		p.a.core.Stop(p.now)
		p.run()
		if p.a.closed == nil || p.b.closed == nil {
			t.Fatalf("%d steps: not closed", steps)
		}
		if err := p.a.closed.Err; err != nil {
			t.Errorf("%d steps: the side that stops: %v", steps, err)
		}
		r := p.a.closed.Report
		if r.Sent.Verdicts.Total() != r.Sent.Changes.Changes {
			t.Errorf("%d steps: %d of %d changes were acknowledged", steps, r.Sent.Verdicts.Total(), r.Sent.Changes.Changes)
		}
		mustSync(t, a, b, Config{}, Config{})
		mustEqual(t, a, b)
	}
}
