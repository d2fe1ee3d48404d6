package replica

import (
	"fmt"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
)

// A scope's clock must fit the messages and rows that it stands in, and the
// vector of a record lies within it. So the limit of a vector is a limit of the
// scope, and it is kept where a new origin would come in: such a change is
// refused, with a reason that its author is told, and not kept from being read
// when it is everywhere. Its author keeps it.
const (
	maxScopeOrigins = clock.MaxOrigins
	// ownOrigins are kept free for the incarnations of this replica, which must
	// be able to issue changes again.
	ownOrigins = 64
)

// roomFor refuses an origin that is new in a scope which has as many as it can
// take. The error wraps [ErrTooLarge].
func (r *Replica) roomFor(s *scope, o clock.Origin) error {
	most := maxScopeOrigins
	if o.Replica != r.origin.Replica {
		most -= ownOrigins
	}
	if s.stored.Len() < most || s.stored.Get(o) > 0 {
		return nil
	}
	return fmt.Errorf("replica: scope %q has changes of %d origins, and %v would be another: %w", s.name, s.stored.Len(), o,
		&codec.LimitError{What: "origins of a scope", Got: uint64(s.stored.Len()) + 1, Max: uint64(most)})
}
