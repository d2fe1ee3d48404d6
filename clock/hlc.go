package clock

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/concord-crdt/concord/internal/planted"
)

// ErrExhausted reports that a clock stands at [MaxStamp] and has no stamp left.
var ErrExhausted = errors.New("clock: no stamp is left before the end of the range")

// BoundAhead is how far ahead of the wall clock a new durable bound is set.
const BoundAhead = 5 * time.Second

// boundStep is how far a new durable bound is set ahead of a stamp that is itself
// ahead of the wall clock. Stamps only count then, and a millisecond has 65,536
// of them. A longer step would add up: a program that opens its store, writes
// once and ends, in a loop, begins each time at the bound of the time before.
const boundStep = time.Millisecond

// ceiling is the greatest stamp that a clock follows a wall clock or another
// stamp to: a year before the end of the range, in the year 10888. Nothing
// honest shows that; a clock that followed would soon have no stamp left, and
// its replica could not write any more. Above it clocks only count.
const ceiling = MaxStamp - 366*24*60*60*1000<<logicalBits

// HLC is a hybrid logical clock: it gives out stamps that always rise, and keep
// to the wall clock where that rises too.
//
// A stamp is greater than every stamp given out or observed before (one
// exception is with Observe), also when the wall clock goes back, stands still,
// or shows 1970 or 2099. While the wall clock lags, the logical part counts, and
// carries into the milliseconds.
//
// Across restarts the order holds by a durable bound: no stamp above it is given
// out before a greater one is durable. The bound is set [BoundAhead] ahead of the
// wall clock, so it is raised at most once in 5 seconds of stamps that follow the
// wall clock, once in 65,536 stamps that only count, and never while none are
// taken. After a restart the clock is up to 5 seconds ahead of the wall clock,
// and no more for restarting often: by a millisecond each time.
//
// Now is O(1): some 30 ns (BenchmarkHLC) and what the wall clock takes, and when
// the bound is raised what persist takes. Nothing is allocated.
//
// Now returns [ErrExhausted], or an error that wraps that of persist.
//
// Safe for concurrent use. Use [NewHLC].
//
// Source: Kulkarni et al., "Logical Physical Clocks", OPODIS 2014; the durable
// bound is that of CockroachDB's hlc package.
type HLC struct {
	wall    func() time.Time
	persist func(Stamp) error

	mu    sync.Mutex
	last  Stamp // the greatest given out or observed, or the bound it began with
	bound Stamp // durable; not used if persist is nil
}

// NewHLC returns a clock that gives out stamps above bound.
//
// Function wall shows the time; it must not be nil, and may be called by several
// goroutines at once. It is first called by Now.
//
// Bound is the one that was made durable last, or the greatest stamp that was
// applied if that is greater; 0 for a new replica. A replica that starts a new
// incarnation since its bound was too far ahead gives the agreed time instead
// (see [Agreed]), as nothing was stamped yet under the new one.
//
// Function persist makes a bound durable before it returns. Now calls it,
// seldom, one call at a time, and gives out nothing above the earlier bound if
// it fails. It must not use the clock. It may be nil: then a clock that is made
// again from the same bound may give out the same stamps again.
func NewHLC(wall func() time.Time, bound Stamp, persist func(Stamp) error) *HLC {
	return &HLC{wall: wall, persist: persist, last: bound, bound: bound}
}

// Now gives out the next stamp: the wall clock's if that is greater than the
// last one, else the one after the last.
//
// It waits for persist when the stamp passes the durable bound. When persist
// fails, its error is returned, wrapped, the clock stands where it stood, and
// the next call tries again. At [MaxStamp] it returns [ErrExhausted] for ever.
func (c *HLC) Now() (Stamp, error) {
	wall := NewStamp(c.wall(), 0)
	if wall > ceiling {
		wall = 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last == MaxStamp {
		return 0, ErrExhausted
	}
	s := max(c.last.Next(), wall)
	if c.persist != nil && s > c.bound && !planted.Is(planted.BoundNotKept) {
		bound := max(wall.Add(BoundAhead), s.Add(boundStep))
		if err := c.persist(bound); err != nil {
			return 0, fmt.Errorf("clock: make bound %v durable: %w", bound, err)
		}
		c.bound = bound
	}
	c.last = s
	return s, nil
}

// Observe tells the clock of a stamp that was applied: every later one is
// greater.
//
// The caller makes sure that s is not ahead (see [Ahead]), or one wrong clock
// takes all others with it. As a last resort, stamps of the last year of the
// range, which would leave the clock without stamps to give out, are not
// followed.
//
// Nothing is made durable by this. The observed stamp is durable with what was
// applied, and NewHLC starts above it.
func (c *HLC) Observe(s Stamp) {
	if s > ceiling || planted.Is(planted.StampNotObserved) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = max(c.last, s)
}

// Last returns the greatest stamp given out or observed, or the bound that the
// clock began with if there was none greater.
func (c *HLC) Last() Stamp {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}
