package sim_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/concord-crdt/concord/replica"
)

// TestStoresInVirtualTime has whole replicas on their real engine write, meet
// over pipes that are cut, and restart, for ten minutes of virtual time. What
// the simulator puts in the engine's place is thereby itself; who runs first is
// the scheduler's choice, so that this is no history that can be played again.
func TestStoresInVirtualTime(t *testing.T) {
	for seed := range uint64(2) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) { stores(t, dir, rand.New(rand.NewPCG(seed, 1))) })
		})
	}
}

const minutes = 10

func stores(t *testing.T, dir string, random *rand.Rand) {
	rs := make([]*replica.Replica, 3)
	open := func(i int) {
		r, err := replica.Open(filepath.Join(dir, fmt.Sprint(i)), replica.Options{Durability: replica.Relaxed,
			Space: replica.SpaceLimits{DisableBallast: true}})
		if err != nil {
			t.Fatal(err)
		}
		rs[i] = r
	}
	for i := range rs {
		open(i)
	}
	ctx := context.Background()
	written := 0
	for range minutes {
		for range 8 {
			err := rs[random.IntN(3)].Collection("c").Update(ctx, fmt.Sprint(random.IntN(3)), func(p *replica.Record) error {
				if err := p.Text("text").Append("x"); err != nil {
					return err
				}
				return p.Counter("n").Add(1)
			})
			if err != nil {
				t.Fatal(err)
			}
			written++
		}
		i := random.IntN(3)
		if cut := random.IntN(2) == 0; cut {
			_ = pipe(rs[i], rs[(i+1)%3], cut) // it ends early
		} else if err := pipe(rs[i], rs[(i+1)%3], cut); err != nil {
			t.Fatal(err)
		}
		if random.IntN(3) == 0 {
			if err := rs[i].Close(); err != nil {
				t.Fatal(err)
			}
			open(i)
		}
		time.Sleep(time.Minute)
	}
	for range 2 {
		for i := range rs {
			if err := pipe(rs[i], rs[(i+1)%3], false); err != nil {
				t.Fatal(err)
			}
		}
	}
	total := int64(0)
	for k := range 3 {
		first, err := rs[0].Collection("c").Digest(ctx, fmt.Sprint(k))
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rs[1:] {
			if h, err := r.Collection("c").Digest(ctx, fmt.Sprint(k)); err != nil || h != first {
				t.Errorf("record %d: digests %x and %x, %v", k, h, first, err)
			}
		}
		v, err := rs[0].Collection("c").View(ctx, fmt.Sprint(k))
		if err != nil {
			t.Fatal(err)
		}
		if f, ok := v.Field("n"); ok {
			n, _ := f.Value.(int64)
			total += n
		}
	}
	if total != int64(written) {
		t.Errorf("the counters show %d of %d writes", total, written)
	}
	for _, r := range rs {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

// pipe holds a session between two replicas, and cuts it after some bytes if
// asked to.
func pipe(a, b *replica.Replica, cut bool) error {
	x, y := net.Pipe()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if cut {
		stop := time.AfterFunc(time.Millisecond, cancel)
		defer stop.Stop()
	}
	var both sync.WaitGroup
	var errs [2]error
	both.Go(func() { _, errs[0] = a.SyncConn(ctx, x, replica.SyncOptions{Live: cut}) })
	both.Go(func() { _, errs[1] = b.SyncConn(ctx, y, replica.SyncOptions{Live: cut}) })
	both.Wait()
	if errs[0] != nil {
		return errs[0]
	}
	return errs[1]
}
