package fleet

import (
	"sync"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/proptest/scenario"
)

// names are the changes that a world has spoken of. A dot is one within its
// scope, so that a name has the record too.
type names struct {
	mu   sync.Mutex
	dots map[scenario.Change]clock.Dot
}

func newNames() *names { return &names{dots: map[scenario.Change]clock.Dot{}} }

func (n *names) name(record string, d clock.Dot) scenario.Change {
	n.mu.Lock()
	defer n.mu.Unlock()
	c := scenario.Change(record + " " + d.String())
	n.dots[c] = d
	return c
}

func (n *names) dot(c scenario.Change) (clock.Dot, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	d, ok := n.dots[c]
	return d, ok
}
