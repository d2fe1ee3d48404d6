package replica

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/concord-crdt/concord/merge"
)

// Durability says when a write counts as done.
type Durability uint8

const (
	// Synced: on the disk, surviving a loss of power. The default. Writes that
	// wait at the same time share one flush.
	Synced Durability = iota
	// Relaxed: with the operating system, surviving a kill of the process. A
	// loss of power may take the last moments with it.
	Relaxed
)

// Options configure a replica. Zero values mean the defaults.
type Options struct {
	Actor string // who writes, unless a write says otherwise
	Role  string

	Schema merge.Schema // zero: fields take their type from their first use

	Durability  Durability
	DisableDisk bool // keep everything in memory; for tests and replays

	// Inbox keeps what peers send from being applied until the application lets
	// it in, see [Replica.Take]: it is stored and passed on, and shows nowhere.
	Inbox bool

	// Identity is the seed, of 32 bytes, of the key that names a new replica, for
	// tests and for provisioning: it decides the id, see [IDOf]. Two replicas with
	// one seed are one replica to their peers. nil: a random one. A directory that
	// has an identity keeps it, and opens only if this is nil or the same.
	Identity []byte

	// CacheBytes is how much memory records may take that are kept decoded, by
	// estimate: 16 MiB by default.
	CacheBytes int

	Logger hclog.Logger     // nil: silent
	Wall   func() time.Time // the wall clock; nil: time.Now
}

const defaultCacheBytes = 16 << 20

func (o *Options) defaults() {
	if o.CacheBytes == 0 {
		o.CacheBytes = defaultCacheBytes
	}
	if o.Logger == nil {
		o.Logger = hclog.NewNullLogger()
	}
	if o.Wall == nil {
		o.Wall = time.Now
	}
}

// Validate reports every fault of the options at once.
func (o Options) Validate() error {
	var errs []error
	if o.CacheBytes < 0 {
		errs = append(errs, fmt.Errorf("replica: CacheBytes is %d; want 0 for the default, or more", o.CacheBytes))
	}
	if o.Identity != nil && len(o.Identity) != ed25519.SeedSize {
		errs = append(errs, fmt.Errorf("replica: Identity of %d bytes; want %d, or nil for a random one", len(o.Identity), ed25519.SeedSize))
	}
	if o.Durability > Relaxed {
		errs = append(errs, fmt.Errorf("replica: unknown Durability %d", o.Durability))
	}
	if err := o.Schema.Validate(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
