package replica

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
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

	// Policy says what the records are, and who decides about them. Zero: fields
	// take their type from their first use. It must not be modified afterwards.
	Policy merge.Policy
	// Functions are the rules written in Go that the policy may name.
	Functions merge.Functions

	Durability  Durability
	DisableDisk bool // keep everything in memory; for tests and replays

	// Steward says that this replica decides how far the past is settled, see
	// [Replica.Settle]. One replica of a fleet does; a mark of a second one waits
	// on every replica that has one of the first.
	Steward bool

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

	// HistoryBytes is how much is kept, in each scope, of changes that settle marks
	// have folded: beyond it [Replica.Settle] and [Replica.Compact] drop the bytes of
	// the oldest. What remains of these is a husk (hash, stamp, the records touched)
	// that still proves the history; a peer that lacks them is sent the records. Every
	// view stays. 0: everything is kept, which is the default; 1 keeps next to nothing.
	HistoryBytes int64

	// Profile is the size of the machine: see [SmallFootprint] and [Server].
	Profile Profile

	// Space says what is still done when the disk runs full.
	Space SpaceLimits

	// EncryptionKey encrypts the store on the disk, by AES: 16, 24 or 32 bytes;
	// nil: it is not encrypted. A store is opened with the key that it was made
	// with, else with [ErrKey]. The files beside the store, with the replica's
	// identity, are not encrypted.
	EncryptionKey []byte

	// Medium is what the replica is kept on, in the place of the directory that it
	// is opened with: a simulated disk, or storage where there are no files. The
	// directory's name then only stands in messages. nil: the directory. It goes
	// with neither DisableDisk nor EncryptionKey.
	Medium Medium

	// Rand gives the bytes of keys, incarnations and tokens, for runs that are
	// played again from a seed: two replicas that draw the same ones are taken for
	// each other's copies. nil: crypto/rand.
	Rand io.Reader

	Logger hclog.Logger     // nil: silent
	Wall   func() time.Time // the wall clock; nil: time.Now

	// Monotonic is what the timeouts of sessions are measured by: moments on a
	// clock that nobody sets. Which moment it begins at does not matter. nil:
	// time.Now, which goes on evenly when the wall clock is set. A simulation may
	// give its own time; how long a session waits for its next deadline it reckons
	// from the difference.
	Monotonic func() time.Time
}

const defaultCacheBytes = 16 << 20

func (o *Options) defaults() {
	if o.CacheBytes == 0 {
		o.CacheBytes = defaultCacheBytes
	}
	if o.Logger == nil {
		o.Logger = hclog.NewNullLogger()
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	if o.Wall == nil {
		o.Wall = time.Now
	}
	if o.Monotonic == nil {
		o.Monotonic = time.Now
	}
}

// Validate reports every fault of the options at once.
func (o Options) Validate() error {
	var errs []error
	if o.CacheBytes < 0 {
		errs = append(errs, fmt.Errorf("replica: CacheBytes is %d; want 0 for the default, or more", o.CacheBytes))
	}
	if o.HistoryBytes < 0 {
		errs = append(errs, fmt.Errorf("replica: HistoryBytes is %d; want 0 for all, or more", o.HistoryBytes))
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
	if o.Medium != nil && (o.DisableDisk || len(o.EncryptionKey) > 0) {
		errs = append(errs, errors.New("replica: Medium goes with neither DisableDisk nor EncryptionKey"))
	}
	if err := o.Space.validate(); err != nil {
		errs = append(errs, err)
	}
	if err := o.Policy.Validate().Err(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
