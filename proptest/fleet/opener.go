package fleet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/merge"
	"github.com/concord-crdt/concord/proptest/scenario"
	"github.com/concord-crdt/concord/replica"
)

// Opener makes worlds of real replicas. Its zero value is ready to use, and safe
// for concurrent use.
type Opener struct {
	// Dir is where worlds that need a disk make their directories, which they
	// remove when they are closed. Empty: the system's directory for such files.
	Dir string
}

var (
	_ scenario.Opener        = Opener{}
	_ scenario.Versioner     = (*world)(nil)
	_ scenario.ClockPoisoner = (*world)(nil)
	_ scenario.Durable       = (*node)(nil)
	_ scenario.Measurer      = (*node)(nil)
	_ scenario.Storer        = (*node)(nil)
)

// Capabilities lists what replicas can do so far.
func (Opener) Capabilities() []scenario.Capability {
	return []scenario.Capability{
		scenario.CanResetCounter, scenario.CanRestart, scenario.CanRestore, scenario.CanInjectHLC, scenario.CanShiftVersion,
		scenario.CanRule,
	}
}

// Open makes a world. A replica costs some milliseconds.
func (o Opener) Open(s scenario.Setup) (scenario.World, error) {
	policy, err := parsePolicy(s.Policy)
	if err != nil {
		return nil, err
	}
	w := &world{nodes: map[string]*node{}, start: s.Start, policy: policy, names: newNames()}
	if s.Durable {
		if w.dir, err = os.MkdirTemp(o.Dir, "concord-scenario-"); err != nil {
			return nil, fmt.Errorf("fleet: %w", err)
		}
	}
	w.seeds = identities(len(s.Replicas))
	for i, name := range s.Replicas {
		if err := w.open(name, w.seeds[i], w.directory(i)); err != nil {
			return nil, errors.Join(err, w.Close())
		}
	}
	return w, nil
}

// world is the replicas of one run.
type world struct {
	dir    string // empty: in memory
	start  time.Time
	policy merge.Policy
	names  *names
	seeds  [][]byte
	nodes  map[string]*node
	fresh  []*node
}

func (w *world) directory(i int) string {
	if w.dir == "" {
		return ""
	}
	return filepath.Join(w.dir, fmt.Sprintf("replica-%d", i))
}

func (w *world) open(name string, seed []byte, dir string) error {
	n := newNode(name, seed, dir, w)
	if err := n.open(); err != nil {
		return err
	}
	w.nodes[name] = n
	return nil
}

// origin is what a replica writes under.
func (w *world) origin(name string) (clock.Origin, bool) {
	n := w.nodes[name]
	if n == nil || n.r == nil {
		return clock.Origin{}, false
	}
	return n.r.Origin(), true
}

// Replica returns a replica by its name.
func (w *world) Replica(name string) scenario.Replica {
	if n := w.nodes[name]; n != nil {
		return n
	}
	return nil
}

// Fresh returns an empty replica in memory.
func (w *world) Fresh() (scenario.Replica, error) {
	i := len(w.nodes) + len(w.fresh)
	n := newNode(fmt.Sprintf("fresh replica %d", len(w.fresh)+1), seed(i), "", w)
	if err := n.open(); err != nil {
		return nil, err
	}
	w.fresh = append(w.fresh, n)
	return n, nil
}

// Close closes the replicas and removes their directories.
func (w *world) Close() error {
	var errs []error
	for _, n := range w.fresh {
		errs = append(errs, n.Close())
	}
	for _, n := range w.nodes {
		errs = append(errs, n.Close())
	}
	if w.dir != "" {
		errs = append(errs, os.RemoveAll(w.dir))
	}
	return errors.Join(errs...)
}

// options are those of every replica. Durability is relaxed: no scenario takes
// the power away.
func (n *node) options() replica.Options {
	return replica.Options{
		DisableDisk: n.dir == "", Durability: replica.Relaxed, Identity: n.seed, Wall: n.now,
		Policy: n.policy, Functions: functions,
	}
}

// background is the context of what a scenario does. Nothing cancels a run.
func background() context.Context { return context.Background() }
