package session

import (
	"fmt"
	"math/rand"
	"testing"
	"time"
)

// TestRandomFleets has a few replicas write, meet each other over links that
// break, lose their past and find it, in an order that a seed decides. At the
// end all must hold the same, and nothing that was written be missing.
//
//concord:fault messages lost, cut and late
func TestRandomFleets(t *testing.T) {
	for seed := range int64(60) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { randomFleet(t, seeded(seed)) })
	}
}

func randomFleet(t *testing.T, rnd *rand.Rand) {
	stores := make([]*fakeStore, 2+rnd.Intn(3))
	for i := range stores {
		stores[i] = newFake(byte('a' + i))
		stores[i].spare = uint64(1000 * (i + 1))
	}
	written := map[string]bool{}
	copies := map[int]*fakeStore{}
	config := func() Config {
		c := Config{StartChunkBytes: 100 << rnd.Intn(6), Live: rnd.Intn(3) == 0, Direction: Direction(rnd.Intn(5) % 3)}
		c.MostChunkBytes, c.LeastChunkBytes = 8*c.StartChunkBytes, c.StartChunkBytes/2
		if rnd.Intn(4) == 0 {
			c.Scopes = []string{"s0", "s1"}
		}
		return c
	}
	serial := 0
	write := func(s *fakeStore) {
		serial++
		actor := "ann"
		switch rnd.Intn(12) {
		case 0:
			actor = "wait"
		case 1:
			actor = "reject"
		}
		key := fmt.Sprintf("k%d", serial)
		s.write(fmt.Sprintf("s%d", rnd.Intn(4)), key, actor)
		written[key] = true
	}
	for range 40 {
		i := rnd.Intn(len(stores))
		switch rnd.Intn(8) {
		case 0, 1, 2:
			for range rnd.Intn(30) {
				write(stores[i])
			}
		case 3:
			if rnd.Intn(3) == 0 {
				copies[i] = stores[i].clone()
			}
		default:
			j := (i + 1 + rnd.Intn(len(stores)-1)) % len(stores)
			p := newPair(stores[i], stores[j], config(), config())
			p.step = 1 + rnd.Intn(400)
			stores[i].onChange = []func(){func() { p.a.changed = true }}
			stores[j].onChange = []func(){func() { p.b.changed = true }}
			p.start()
			for range rnd.Intn(60) {
				if rnd.Intn(10) == 0 {
					write([]*fakeStore{stores[i], stores[j]}[rnd.Intn(2)])
				}
				p.now = p.now.Add(time.Duration(rnd.Intn(400)) * time.Millisecond)
				p.pump()
			}
			if rnd.Intn(2) == 0 {
				p.a.core.Stop(p.now)
			}
			if rnd.Intn(3) > 0 {
				p.run()
			}
			p.cut()
			stores[i].onChange, stores[j].onChange = nil, nil
			for _, s := range []*side{p.a, p.b} {
				if n := s.closed.Report; len(n.Alarms) > 0 || n.Sent.Verdicts.Refused > 0 || n.Received.Verdicts.Refused > 0 {
					t.Fatalf("alarms %+v, items %+v", n.Alarms, n.Items)
				}
			}
		}
	}
	// A store that comes back from a copy keeps what the others still know.
	for i, c := range copies {
		for range rnd.Intn(5) {
			write(c)
		}
		lost := stores[i]
		stores[i] = c
		next := stores[(i+1)%len(stores)]
		mustSync(t, lost, next, Config{}, Config{}) // what was written since is somewhere
		mustSync(t, c, next, Config{}, Config{})
		break
	}
	for range len(stores) {
		for i := range stores {
			mustSync(t, stores[i], stores[(i+1)%len(stores)], Config{}, Config{})
		}
	}
	for _, s := range stores[1:] {
		mustEqual(t, stores[0], s)
	}
	have := stores[0].keys()
	for key := range written {
		if !have[key] {
			t.Errorf("%s is lost", key)
		}
	}
	ra, rb := mustSync(t, stores[0], stores[1], Config{}, Config{})
	if ra.RoundTrips != 1 || ra.Sent.Chunks+rb.Sent.Chunks > 0 {
		t.Errorf("all is equal, but: %+v", ra)
	}
}
