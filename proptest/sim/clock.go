package sim

import "time"

// begin is when histories begin, as true clocks show it.
var begin = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// wallClock is the clock of a device: what it shows is true time with an
// offset, unless it stands still.
type wallClock struct {
	offset time.Duration
	frozen time.Time // what it shows; zero: it runs
}

func (w *wallClock) at(now time.Duration) time.Time {
	if !w.frozen.IsZero() {
		return w.frozen
	}
	return begin.Add(now + w.offset)
}

// set makes the clock show a moment, and go on from there.
func (w *wallClock) set(now time.Duration, show time.Time) {
	w.frozen = time.Time{}
	w.offset = show.Sub(begin) - now
}

var (
	never = time.Date(1970, 1, 1, 0, 0, 30, 0, time.UTC)
	late  = time.Date(2099, 6, 1, 12, 0, 0, 0, time.UTC)
	// afterAll is later than any stamp of a history.
	afterAll = time.Date(2110, 1, 1, 0, 0, 0, 0, time.UTC)
)
