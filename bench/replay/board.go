package replay

import (
	"context"
	"sync"

	"github.com/concord-crdt/concord/bench/trace"
	"github.com/concord-crdt/concord/clock"
)

// board is where agents that run at the same time read which transactions have
// been made, and under which names. It is the recording that speaks here: what
// the changes say travels between the stores alone.
type board struct {
	mu      sync.Mutex
	changed chan struct{} // closed and replaced when something is published
	origins []clock.Origin
	numbers [][]uint64 // by agent: the number of its last change after each of its transactions
	done    int
}

func newBoard(agents int) *board {
	return &board{
		changed: make(chan struct{}),
		origins: make([]clock.Origin, agents),
		numbers: make([][]uint64, agents),
	}
}

// publish notes that an agent has made its next transaction, and returns how
// many there are of all agents.
func (b *board) publish(agent int, last clock.Dot) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.origins[agent] = last.Origin
	b.numbers[agent] = append(b.numbers[agent], last.N)
	b.done++
	close(b.changed)
	b.changed = make(chan struct{})
	return b.done
}

// wait returns the names of everything in a history, once all of it has been
// made.
func (b *board) wait(ctx context.Context, h trace.History) (*clock.VersionVector, error) {
	for {
		b.mu.Lock()
		v, ok := b.version(h)
		changed := b.changed
		b.mu.Unlock()
		if ok {
			return v, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func (b *board) version(h trace.History) (*clock.VersionVector, bool) {
	for agent, n := range h {
		if len(b.numbers[agent]) < int(n) {
			return nil, false
		}
	}
	v := &clock.VersionVector{}
	for agent, n := range h {
		if n > 0 {
			v.Set(b.origins[agent], b.numbers[agent][n-1])
		}
	}
	return v, true
}
