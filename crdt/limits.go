package crdt

import (
	"fmt"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
)

// The limits of the format. Who writes keeps to them, and all who read refuse
// what passes them, stored or sent.
const (
	// MaxOrigins is how many origins a change may name.
	MaxOrigins = clock.MaxOrigins
	// MaxParts is how many records a change may touch.
	MaxParts = 256
	// MaxKeyBytes is the length of a record's key, and of the key of an intent.
	MaxKeyBytes = 512

	maxActorBytes = 256     // of an actor, a role, the action of an intent
	maxRefs       = 1 << 20 // changes that a change names, and origins in a stored record
	maxExtension  = 64 << 10
	maxEntries    = 1 << 20 // that a change adds, and that it removes
	maxNameBytes  = 4096
	maxValueBytes = 1 << 20
	maxGrownBytes = 4 << 20
	maxLevelBytes = 64      // of a folded stock
	maxStored     = 1 << 26 // changes, entries or dots of a stored record
)

// Check refuses a change that could be written and not be read again, since it
// touches more than [MaxParts] records, names more than [MaxOrigins] origins, or
// its author is refused by [Author.Check]. encoded is what [Change.Encode] gave.
// It is for who made the change: one that was read is within the limits.
//
// O(origins that the change names). The error wraps [codec.ErrLimit], unless a
// name of the author is not UTF-8.
func (c *Change) Check(encoded []byte) error {
	if err := c.Author.Check(); err != nil {
		return err
	}
	if n := len(c.Parts); n > MaxParts {
		return fmt.Errorf("crdt: change %v: %w", c.Dot, &codec.LimitError{What: "parts", Got: uint64(n), Max: MaxParts})
	}
	r := codec.NewReader(encoded)
	if clock.ReadTable(r, MaxOrigins); r.Err() != nil {
		return fmt.Errorf("crdt: change %v: %w", c.Dot, r.Err())
	}
	return nil
}
