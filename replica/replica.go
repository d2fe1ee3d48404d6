package replica

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/merge"
)

// Replica is a full copy of its scopes in an embedded store, edited without
// asking anyone.
//
// Writes are atomic and, by default, on the disk when they return. Reads see
// what was written. All methods are safe for concurrent use; a replica is open
// in one process at a time.
type Replica struct {
	path    string
	options Options
	log     hclog.Logger
	store   store
	sideIO  sideFile

	active atomic.Pointer[governing]

	mu       sync.RWMutex
	policies *policyTree
	queue    queue
	ruled    bool // a version of the policy has come since [Replica.reconsider]
	side     *side
	origin   clock.Origin
	hlc      *clock.HLC
	origins  *originTable
	scopes   map[string]*scope
	numbers  uint32 // of scopes
	seq      uint64
	durable  uint64 // the last seq that the store has
	cache    *cache
	commits  committer
	watchers watchers
	inbox    inbox
	early    early
	returned map[returning]uint64
	agreed   clock.Stamp // time of the last session, where the own clock was never set
	agreedAt time.Time   // when, by the monotonic clock
	space    *spaceGate
	changes  uint64 // stored, over all scopes
	witness  *witness
	shared   bool                       // the incarnation that is to end may live on elsewhere, or have told more than is known
	renew    bool                       // the next write starts a new incarnation
	finished map[clock.Origin]*finished // the incarnations that this store went through
	form     *form                      // that is being sent in pieces
	unnamed  bool                       // some scope's name is lost
	healed   bool                       // some scope is to be rebuilt
	folding  bool                       // some scope has records above which its floor was raised
	mending  bool                       // a repair is under way, and will rebuild
	damage   map[string]Damage          // by Damage.id
	broken   error
	closed   bool
}

// Open opens the replica in dir, which is made when it is not there. The
// caller must Close it.
//
// Errors: [*LockedError] if another process has it open, [ErrNotReplica] if the
// directory holds something else, [ErrKey] if the encryption key is another,
// [*SpaceError] if the disk is too full to open it, [ErrCorrupt] if the engine
// cannot read its own files. A damaged row is no error: see [Replica.Damage].
func Open(dir string, o Options) (*Replica, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o.defaults()
	_, findings := o.Policy.Compile(o.Functions)
	if err := findings.Err(); err != nil {
		return nil, fmt.Errorf("replica: %w", err)
	}
	r := &Replica{
		path:    dir,
		options: o,
		log:     o.Logger.Named("replica"),
		cache:   newCache(o.CacheBytes),
	}
	r.commits.current = &batch{}
	r.policies = newPolicyTree(&r.options.Policy)
	r.govern()
	if err := r.openStore(); err != nil {
		return nil, err
	}
	if err := r.begin(); err != nil {
		return nil, errors.Join(err, r.witness.close(), r.store.close())
	}
	for _, f := range findings {
		r.log.Warn("policy", "at", f.Place(), "problem", f.Problem, "remedy", f.Remedy)
	}
	r.log.Debug("opened", "path", dir, "origin", r.origin.String(), "scopes", len(r.scopes))
	return r, nil
}

// openStore opens the engine, and finds the files beside it.
func (r *Replica) openStore() (err error) {
	o := &r.options
	switch {
	case o.Medium != nil:
		r.sideIO = sideFile{o.Medium}
		r.space = mediumGate(r.path, o)
		r.store, err = openMedium(o.Medium, r.space)
		return err
	case !o.DisableDisk:
		if err := prepareDir(r.path); err != nil {
			return err
		}
		r.sideIO = sideFile{dirFiles(r.path)}
		r.space = newSpaceGate(r.path, o)
	}
	s, err := openBadger(filepath.Join(r.path, "data"), o, r.space)
	if err == nil {
		r.store = s
	}
	return err
}

// begin reads what the replica needs to go on, and finishes what was cut off.
func (r *Replica) begin() error {
	fresh, err := r.loadIdentity()
	if err != nil {
		return err
	}
	witnessed := false
	switch {
	case r.options.Medium != nil:
		r.witness, witnessed, err = mediumWitness(r.options.Medium)
	case r.sideIO.files != nil:
		r.witness, witnessed, err = openWitness(r.path)
	}
	if err != nil {
		return err
	}
	r.mu.Lock()
	if err = r.load(); err == nil {
		r.checkWitness(witnessed)
		err = r.checkIdentity(fresh)
	}
	if err == nil {
		err = r.resumeRepairs()
	}
	b := r.commits.current
	r.mu.Unlock()
	if err := errors.Join(err, r.await(b)); err != nil {
		return err
	}
	return errors.Join(r.resumeFragments(), r.resumeRebuilds(), r.settleRecords())
}

// prepareDir makes the directory, and refuses one that holds other things: a
// mistyped path must not fill somebody's folder.
func prepareDir(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		if err := os.MkdirAll(filepath.Join(dir, "data"), 0o700); err != nil {
			return fmt.Errorf("replica: open %s: %w", dir, err)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("replica: open %s: %w", dir, err)
	}
	if len(entries) > 0 && !slices.ContainsFunc(entries, func(e os.DirEntry) bool { return e.Name() == "data" && e.IsDir() }) {
		return fmt.Errorf("replica: open %s: it has %d entries and no store; give an empty or new directory: %w", dir, len(entries), ErrNotReplica)
	}
	if err := os.MkdirAll(filepath.Join(dir, "data"), 0o700); err != nil {
		return fmt.Errorf("replica: open %s: %w", dir, err)
	}
	return nil
}

// loadIdentity reads the side file, or makes one; fresh says that it did.
func (r *Replica) loadIdentity() (fresh bool, err error) {
	if r.sideIO.files != nil {
		damaged := false
		if r.side, damaged, err = r.sideIO.read(); err != nil {
			return false, err
		}
		if damaged {
			r.damaged(Damage{Row: "identity", Err: errors.New("one of its two slots cannot be read")})
			r.doubt("the identity may not be the last one written")
		}
	}
	if err := r.checkSeed(); err != nil {
		return false, err
	}
	if fresh = r.side == nil; fresh {
		if r.side, err = newSide(r.options.Identity, r.options.Rand); err != nil {
			return false, err
		}
		r.side.Marks = map[string]uint64{}
		if err := r.sideIO.write(r.side); err != nil {
			return false, err
		}
	}
	r.origin = r.side.origin()
	r.hlc = clock.NewHLC(r.options.Wall, r.side.Bound, r.persistBound)
	return fresh, nil
}

// checkSeed refuses a directory that belongs to another replica than the one
// asked for.
func (r *Replica) checkSeed() error {
	if r.side == nil || r.options.Identity == nil || slices.Equal(r.side.Seed, r.options.Identity) {
		return nil
	}
	return fmt.Errorf("%w: %s holds replica %v, and Options.Identity names %v", ErrIdentity, r.path, r.side.replicaID(), IDOf(r.options.Identity))
}

// persistBound makes a promise durable before stamps beyond the last one are
// given out. The caller holds r.mu, since it asked the clock for a stamp.
func (r *Replica) persistBound(bound clock.Stamp) error {
	before := r.side.Bound
	r.side.Bound = bound
	if err := r.sideIO.write(r.side); err != nil {
		r.side.Bound = before
		return err
	}
	return nil
}

// scope returns a scope, made on first use; its rows go into g.
func (r *Replica) scope(name string, g *group) *scope {
	if s, ok := r.scopes[name]; ok {
		return s
	}
	s := newScope(name, r.numbers)
	s.absence.known = true
	s.listed = r.deletePolicyOf(name)
	key := numberKey(rowScope, r.numbers)
	*g = append(*g, row{key, encodePlain(key, []byte(name))})
	r.numbers++
	r.scopes[name] = s
	return s
}

// number interns an origin; its row goes into g.
func (r *Replica) number(o clock.Origin, g *group) uint32 {
	if n, ok := r.origins.numbers[o]; ok {
		return n
	}
	n := r.origins.add(o)
	key := numberKey(rowOrigin, n)
	*g = append(*g, row{key, encodePlain(key, writeOrigin(o))})
	return n
}

// Close waits for writes under way, and closes the store. Watches end.
func (r *Replica) Close() error {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return ErrClosed
	}
	r.closed = true
	b := r.commits.current
	r.mu.Unlock()
	err := r.await(b)
	r.watchers.close()
	return errors.Join(err, r.witness.close(), r.store.close())
}

// usable reports why the replica cannot be used. The caller holds r.mu.
func (r *Replica) usable() error {
	if r.closed {
		return ErrClosed
	}
	return r.broken
}

// Origin names this replica and its present incarnation.
func (r *Replica) Origin() clock.Origin {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.origin
}

// Path is the directory that the replica was opened in.
func (r *Replica) Path() string { return r.path }

// Policy is the policy in force: the last version that was activated, or the one
// that the replica was opened with. It must not be modified.
func (r *Replica) Policy() merge.Policy { return *r.policy() }

// wall is the wall clock.
func (r *Replica) wall() time.Time { return r.options.Wall() }

// Collections lists the names of the collections that hold something here.
func (r *Replica) Collections() []string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var names []string
	for name := range r.scopes {
		if !isSystemScope(name) {
			names = append(names, collectionOf(name))
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
