package clock_test

import (
	"errors"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/concord-crdt/concord/clock"
)

// device is what a clock needs: a wall clock that is set by hand, and a place
// for the bound that may fail.
type device struct {
	wall   time.Time
	bound  clock.Stamp
	writes int
	full   error
}

func (d *device) now() time.Time { return d.wall }

func (d *device) persist(bound clock.Stamp) error {
	if d.full != nil {
		return d.full
	}
	d.bound = bound
	d.writes++
	return nil
}

// open starts a clock as after a restart.
func (d *device) open() *clock.HLC { return clock.NewHLC(d.now, d.bound, d.persist) }

func next(t *testing.T, c *clock.HLC) clock.Stamp {
	t.Helper()
	s, err := c.Now()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestHLCFollowsTheWallClock(t *testing.T) {
	d := &device{wall: noon}
	c := clock.NewHLC(d.now, 0, nil)
	check(t, "before the first", c.Last(), clock.Stamp(0))
	check(t, "first", next(t, c), clock.NewStamp(noon, 0))
	check(t, "same millisecond", next(t, c), clock.NewStamp(noon, 1))
	d.wall = noon.Add(time.Millisecond)
	check(t, "next millisecond", next(t, c), clock.NewStamp(d.wall, 0))
	d.wall = noon.Add(-time.Hour)
	check(t, "wall clock went back", next(t, c), clock.NewStamp(noon.Add(time.Millisecond), 1))
	check(t, "Last", c.Last(), clock.NewStamp(noon.Add(time.Millisecond), 1))
}

// Wall clocks that jump, stand still, and show 1970, 2099 or nonsense.
func TestHLCAlwaysRises(t *testing.T) {
	walls := []time.Time{
		noon, noon.Add(-time.Hour), time.Unix(0, 0), time.Unix(-5, 0), noon, noon,
		time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC), noon, {}, time.Unix(1<<62, 0),
		time.UnixMilli(1<<48 - 1), time.UnixMilli(1 << 48), time.UnixMilli(math.MaxInt64), noon.Add(time.Hour),
	}
	for range 2 { // the second time all of them lie in the past
		d := &device{}
		c := d.open()
		var before clock.Stamp
		for i, w := range append(walls, walls...) {
			d.wall = w
			if i%5 == 4 {
				c = d.open()
			}
			for range 3 {
				s := next(t, c)
				if s <= before {
					t.Fatalf("wall clock %v: %v after %v", w, s, before)
				}
				if s > d.bound {
					t.Fatalf("wall clock %v: %v above the durable bound %v", w, s, d.bound)
				}
				before = s
			}
		}
		if year := before.Time().Year(); year != 2099 {
			t.Errorf("the clock ends in %d: it followed a wall clock to the end of the range", year)
		}
	}
}

func TestHLCCarries(t *testing.T) {
	d := &device{wall: noon}
	c := clock.NewHLC(d.now, clock.NewStamp(noon, math.MaxUint16-1), nil)
	check(t, "last of the millisecond", next(t, c), clock.NewStamp(noon, math.MaxUint16))
	check(t, "carried", next(t, c), clock.NewStamp(noon.Add(time.Millisecond), 0))
	d.wall = noon.Add(time.Millisecond)
	check(t, "the wall clock comes after", next(t, c), clock.NewStamp(d.wall, 1))
}

func TestHLCObserves(t *testing.T) {
	d := &device{wall: noon}
	c := d.open()
	next(t, c)
	far := clock.NewStamp(noon.Add(9*time.Minute), 40)
	writes := d.writes
	c.Observe(far)
	c.Observe(far - 5)
	check(t, "Last", c.Last(), far)
	check(t, "observing writes nothing", d.writes, writes)
	check(t, "after what was observed", next(t, c), far.Next())
	if d.bound < far.Next() {
		t.Errorf("bound %v is below %v", d.bound, far.Next())
	}
}

// No stamp that is observed takes the clock to where it has none left.
func TestHLCIsNotDraggedToTheEnd(t *testing.T) {
	d := &device{wall: noon}
	c := d.open()
	for _, s := range []clock.Stamp{clock.MaxStamp, clock.MaxStamp - 1, clock.MaxStamp - 1<<40} {
		c.Observe(s)
		check(t, "Last", c.Last(), clock.Stamp(0))
	}
	// The highest that is followed, found by bisection.
	lo, hi := clock.Stamp(0), clock.MaxStamp
	for lo < hi {
		mid := lo + (hi-lo)/2 + 1
		probe := clock.NewHLC(d.now, 0, nil)
		if probe.Observe(mid); probe.Last() == mid {
			lo = mid
		} else {
			hi = mid - 1
		}
	}
	check(t, "room", clock.MaxStamp-lo, clock.Stamp(366*24*60*60*1000)<<16)
	c.Observe(lo)
	for range 100 {
		c = d.open()
		for range 100 {
			next(t, c)
		}
	}
}

func TestHLCExhausted(t *testing.T) {
	d := &device{wall: noon, bound: clock.MaxStamp - 2}
	c := d.open()
	check(t, "last but one", next(t, c), clock.MaxStamp-1)
	check(t, "bound", d.bound, clock.MaxStamp)
	check(t, "last", next(t, c), clock.MaxStamp)
	for range 3 {
		s, err := c.Now()
		if s != 0 || !errors.Is(err, clock.ErrExhausted) {
			t.Errorf("after the last: %v, %v", s, err)
		}
	}
	check(t, "Last", c.Last(), clock.MaxStamp)
}

func TestHLCBound(t *testing.T) {
	d := &device{wall: noon}
	c := d.open()
	check(t, "opening writes nothing", d.writes, 0)
	next(t, c)
	check(t, "bound", d.bound, clock.NewStamp(noon.Add(clock.BoundAhead), 0))
	for range 5000 { // one stamp each millisecond, up to the bound
		d.wall = d.wall.Add(time.Millisecond)
		next(t, c)
	}
	check(t, "the last stamp is the bound", c.Last(), d.bound)
	check(t, "writes up to the bound", d.writes, 1)
	next(t, c)
	check(t, "writes above the bound", d.writes, 2)

	// A wall clock that stands still: one write for each millisecond's worth.
	d = &device{wall: time.Unix(0, 0), bound: clock.NewStamp(noon, 0)}
	c = d.open()
	for range 3 << 16 {
		next(t, c)
	}
	check(t, "writes while counting", d.writes, 3)
}

// A clock that is opened, used once and closed, in a loop, stays near the wall
// clock: were the bound raised by 5 seconds each time, peers would soon hold
// its stamps for ahead.
func TestHLCOpenedInALoop(t *testing.T) {
	d := &device{wall: noon}
	for range 10_000 {
		next(t, d.open())
		d.wall = d.wall.Add(10 * time.Millisecond)
	}
	if ahead := d.bound.Time().Sub(d.wall); ahead > clock.BoundAhead {
		t.Errorf("the bound is ahead by %v", ahead)
	}
	for range 10_000 {
		next(t, d.open())
	}
	if ahead := d.bound.Time().Sub(d.wall); ahead > clock.BoundAhead+10_001*time.Millisecond {
		t.Errorf("with a wall clock that stands still, the bound is ahead by %v", ahead)
	}
}

func TestHLCWhenTheBoundCannotBeWritten(t *testing.T) {
	full := errors.New("disk full")
	d := &device{wall: noon, full: full}
	c := d.open()
	for range 3 {
		s, err := c.Now()
		if s != 0 || !errors.Is(err, full) {
			t.Fatalf("got %v, %v", s, err)
		}
	}
	check(t, "Last", c.Last(), clock.Stamp(0))
	d.full = nil
	check(t, "nothing was consumed", next(t, c), clock.NewStamp(noon, 0))
	d.full = full
	check(t, "stamps up to the bound go on", next(t, c), clock.NewStamp(noon, 1))
	d.wall = noon.Add(clock.BoundAhead + time.Millisecond)
	if s, err := c.Now(); s != 0 || !errors.Is(err, full) {
		t.Errorf("above the bound: %v, %v", s, err)
	}
	d.wall = noon
	check(t, "the clock stands where it stood", next(t, c), clock.NewStamp(noon, 2))
}

func TestHLCConcurrently(t *testing.T) {
	var bound clock.Stamp // only written under the clock's lock
	c := clock.NewHLC(func() time.Time { return noon }, 0, func(b clock.Stamp) error { bound = b; return nil })
	const goroutines, each = 4, 500
	stamps := make([][]clock.Stamp, goroutines)
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			for i := range each {
				s, err := c.Now()
				if err != nil {
					t.Error(err)
				}
				stamps[g] = append(stamps[g], s)
				c.Observe(s - clock.Stamp(i))
				c.Last()
			}
		})
	}
	wg.Wait()
	seen := make(map[clock.Stamp]bool)
	for _, own := range stamps {
		for i, s := range own {
			if seen[s] || i > 0 && s <= own[i-1] || s > bound {
				t.Fatalf("%v is a second time, out of order, or above the bound %v", s, bound)
			}
			seen[s] = true
		}
	}
	check(t, "stamps", len(seen), goroutines*each)
}
