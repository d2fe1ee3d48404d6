package scenario

import (
	"errors"
	"time"
)

// Opener makes worlds. A runner opens one for every run of a scenario: for
// every assignment of ids to names.
type Opener interface {
	// Capabilities lists what the worlds can do beyond [World] and [Replica].
	Capabilities() []Capability
	// Open returns a world with the replicas of the setup, empty, their wall
	// clocks at Start.
	Open(Setup) (World, error)
}

// Setup says what a run starts from.
type Setup struct {
	Scenario string
	// Replicas are the names in ascending order of the ids that the replicas
	// must get. It is what permute_ids permutes.
	Replicas []string
	// Policy is active on every replica from the start; nil: none.
	Policy *Policy
	// Start is where the wall clocks stand.
	Start time.Time
	// Durable says that some step needs a replica on a disk.
	Durable bool
}

// World is the replicas of one run. The runner uses it from one goroutine.
type World interface {
	// Replica returns the replica with a name of the setup. The runner asks once;
	// the value stays valid over a restart and a restore.
	Replica(name string) Replica
	// Fresh returns an empty replica beyond those of the setup, with an id of its
	// own and under the same policy. It takes messages and is read, no more; if it
	// is an [io.Closer] it is closed after that.
	Fresh() (Replica, error)
	// Sync brings everything that one replica has to another; nothing flows back.
	// It returns how many changes the receiver did not have, waiting ones too: a
	// runner that wants all to know all stops when this is zero everywhere.
	Sync(from, to string) (news int, err error)
	// Close frees what the run used.
	Close() error
}

// Replica is one replica of a world. All operations act on one record, that of
// the scenario, whose fields are the objects, unless a [Target] names another.
type Replica interface {
	// SetWall moves the wall clock, also backwards.
	SetWall(time.Time)
	// Edit performs one operation as one change, and names that change. An error
	// means that nothing changed. An operation that changes nothing makes no
	// change and returns the empty name.
	Edit(Author, Edit) (Change, error)
	// Read returns an object in the form of one of the kinds up to KindMulti. An
	// absent object reads as empty, zero or nil.
	Read(Kind, string) (any, error)
	// Digest returns a text that is equal for equal states, and only for these.
	Digest() (string, error)
	// Delta returns, as one message, the changes since a mark, and the mark of
	// now. A nil mark is the start. With own, changes of others are left out.
	Delta(since Mark, own bool) ([]byte, Mark, error)
	// State returns the whole state as one message.
	State() ([]byte, error)
	// Deliver takes a message in. One that is damaged or of an unknown version is
	// refused as a whole, by an error that wraps ErrRefused; one whose causes are
	// missing is not an error, it waits.
	Deliver([]byte) error
}

// ErrRefused must be wrapped by every error by which a replica refuses bytes
// knowingly: damaged, of an unknown version, with an impossible stamp. An
// adapter wraps the typed errors that it knows, and no others:
//
//	if errors.Is(err, codec.ErrChecksum) { err = fmt.Errorf("%w: %w", scenario.ErrRefused, err) }
var ErrRefused = errors.New("scenario: refused")

// Mark is where a replica's deltas begin; only its maker reads it.
type Mark any

// Change names a change; equal names are the same change.
type Change string

// Token is what an actor saw when it read a record; only its maker reads it.
type Token any

// Author says who performs an operation. Its zero value says nothing.
type Author struct {
	Actor     string
	Role      string
	Seniority int
	Intent    string
	Seen      Token // nil: what the replica shows at the operation
}

// Target is what an operation acts on.
type Target struct {
	Record string   // collection/key, or empty for the record of the scenario
	Field  string   // the object
	Path   []string // keys below it, from the outside in; nil for the object itself
}

// Edit is one operation on one target.
type Edit struct {
	Target
	Op Op
}

// Durable is a replica that lives on a disk, for [CanRestart] and [CanRestore].
type Durable interface {
	Replica
	// Restart closes the replica and opens it again from what it stored.
	Restart() error
	// Backup copies the store, side file included, as it lies on the disk.
	Backup() (Backup, error)
	// Restore puts an earlier backup of this replica in the place of its store,
	// byte for byte.
	Restore(Backup) error
}

// Backup is a copy of a store; only its maker reads it.
type Backup any

// Undoer is a replica that can take back its own last operation, for [CanUndo].
type Undoer interface {
	Replica
	Undo() error
}

// Anchorer is a replica with stable positions in texts, for [CanAnchor].
type Anchorer interface {
	Replica
	// Anchor names the position; it sticks to the character before it or to the
	// one after it.
	Anchor(t Target, pos int, unit, bias string) (Anchor, error)
	// Position returns where an anchor is now, in code points. It may come from
	// another replica.
	Position(Anchor) (int, error)
}

// Anchor is a stable position; replicas of one world exchange it.
type Anchor any

// Measurer is a replica that knows the length of a text or list without
// returning it. The runner uses it, where it is there, to find the end.
type Measurer interface {
	Replica
	Len(t Target, unit string) (int, error)
}

// Storer is a replica that keeps its state in another form than that of its
// messages, which may be the changes that led to it. Where a replica is one,
// budgets of state weigh this form.
type Storer interface {
	Replica
	Stored() ([]byte, error)
}

// Partitioner is a world with a network of its own. Where a world is none, the
// runner itself keeps syncs from crossing a partition.
type Partitioner interface {
	World
	// Partition lets each group sync within itself only.
	Partition(groups [][]string) error
	// Heal ends it.
	Heal() error
}

// Versioner is a world that can write messages as a later version of the format
// would, for [CanShiftVersion].
type Versioner interface {
	World
	// Later returns a message that is valid in all but its version, which is so
	// many versions later.
	Later(message []byte, versions int) ([]byte, error)
}

// ClockPoisoner is a world that can forge stamps, for [CanInjectHLC].
type ClockPoisoner interface {
	World
	// Poison hands the replica a delta stamped at the top of the range, and
	// returns the replica's answer.
	Poison(to string) error
}
