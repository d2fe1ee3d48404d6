package fleet

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/merge"
	"github.com/concord-crdt/concord/proptest/scenario"
	"github.com/concord-crdt/concord/replica"
	"github.com/concord-crdt/concord/replica/session"
)

// The record of the scenario.
const (
	collection = "scenario"
	recordKey  = "r"
)

// node is one replica of a world. The value outlives the replica that it opens.
type node struct {
	name string
	seed []byte
	dir  string // empty: in memory
	r    *replica.Replica

	policy merge.Policy
	names  *names
	// origins gives what replicas of the world write under.
	origins func(name string) (clock.Origin, bool)

	mu   sync.Mutex
	wall time.Time
}

func newNode(name string, seed []byte, dir string, w *world) *node {
	return &node{name: name, seed: seed, dir: dir, wall: w.start, policy: w.policy, names: w.names, origins: w.origin}
}

func (n *node) open() error {
	r, err := replica.Open(n.dir, n.options())
	if err != nil {
		return fmt.Errorf("fleet: open %s: %w", n.name, err)
	}
	n.r = r
	return nil
}

// Close closes the replica, if it is open.
func (n *node) Close() error {
	if n.r == nil {
		return nil
	}
	err := n.r.Close()
	n.r = nil
	if err != nil {
		return fmt.Errorf("fleet: close %s: %w", n.name, err)
	}
	return nil
}

// SetWall moves the wall clock.
func (n *node) SetWall(t time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.wall = t
}

// now is the wall clock, for the replica and its sessions.
func (n *node) now() time.Time {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.wall
}

// Edit performs one operation as one change.
func (n *node) Edit(a scenario.Author, e scenario.Edit) (scenario.Change, error) {
	op, err := n.prepare(e)
	if err != nil {
		return "", err
	}
	record := e.Record
	if record == "" {
		record = collection + "/" + recordKey
	}
	return n.change(a, record, op)
}

func (n *node) record() *replica.Collection { return n.r.Collection(collection) }

// Digest is that of the record, or under a policy of all records.
func (n *node) Digest() (string, error) {
	if n.ruled() {
		return n.digestOfAll()
	}
	h, err := n.record().Digest(background(), recordKey)
	return fmt.Sprintf("%x", h), err
}

// Delta returns the changes since a mark as a bundle.
func (n *node) Delta(since scenario.Mark, own bool) ([]byte, scenario.Mark, error) {
	clocks, _ := since.(replica.Clocks)
	return n.export(replica.ExportOptions{Since: clocks, Own: own})
}

// State returns all changes as a bundle.
func (n *node) State() ([]byte, error) {
	b, _, err := n.export(replica.ExportOptions{})
	return b, err
}

// Stored returns the state of the record without its history.
func (n *node) Stored() ([]byte, error) { return n.record().State(background(), recordKey) }

func (n *node) export(o replica.ExportOptions) ([]byte, replica.Clocks, error) {
	var b bytes.Buffer
	at, err := n.r.Export(background(), &b, o)
	return b.Bytes(), at, err
}

// Deliver imports a bundle. A change that waits is no error, one that was refused
// is.
func (n *node) Deliver(message []byte) error {
	report, err := n.r.Import(background(), bytes.NewReader(message))
	if errors.Is(err, session.ErrBundle) {
		return fmt.Errorf("%w: %w", scenario.ErrRefused, err)
	}
	if err != nil {
		return err
	}
	for _, i := range report.Items {
		if i.Verdict.Outcome == session.Refused {
			return fmt.Errorf("%w: %w", scenario.ErrRefused, i.Err())
		}
	}
	return nil
}
