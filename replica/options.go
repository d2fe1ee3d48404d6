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

	// Profile is the size of the machine: see [SmallFootprint] and [Server].
	Profile Profile

	// Space says what is still done when the disk runs full.
	Space SpaceLimits

	// EncryptionKey encrypts the store on the disk, by AES: 16, 24 or 32 bytes;
	// nil: it is not encrypted. A store is opened with the key that it was made
	// with, else with [ErrKey]. The files beside the store, with the replica's
	// identity, are not encrypted.
	EncryptionKey []byte

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
	if o.Profile > Large {
		errs = append(errs, fmt.Errorf("replica: unknown Profile %d", o.Profile))
	}
	if n := len(o.EncryptionKey); n != 0 && n != 16 && n != 24 && n != 32 {
		errs = append(errs, fmt.Errorf("replica: EncryptionKey of %d bytes; want 16, 24 or 32", n))
	}
	if err := o.Space.validate(); err != nil {
		errs = append(errs, err)
	}
	if err := o.Schema.Validate(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
