package sim

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Batch says which histories [RunBatch] plays.
type Batch struct {
	From  uint64 // the first seed
	Seeds uint64 // how many
	Jobs  int    // at the same time; 0: one
	Options
	// Done, when not nil, is called after each history, one call at a time, in no
	// certain order.
	Done func(*Summary, *Result)
}

// Summary is what became of several histories.
type Summary struct {
	Seeds      uint64 // that were played
	Failures   []*Failure
	Writes     int
	Sessions   uint64
	Messages   uint64
	Bytes      uint64
	DeviceTime time.Duration // that all devices together lived
	Faults     Counters
}

func (s *Summary) add(r *Result) {
	s.Seeds++
	if r.Failure != nil {
		s.Failures = append(s.Failures, r.Failure)
	}
	s.Writes += r.Writes
	s.Sessions += r.Sessions
	s.Messages += r.Messages
	s.Bytes += r.Bytes
	s.DeviceTime += r.DeviceTime()
	s.Faults.Add(&r.Faults)
}

// RunBatch plays histories until all are done or ctx ends. Each is played in one
// goroutine and depends on its seed alone. Narrate of the options is not called.
func RunBatch(ctx context.Context, b Batch) Summary {
	b.Narrate = nil
	var (
		mu      sync.Mutex
		next    = b.From
		sum     Summary
		workers sync.WaitGroup
	)
	for range max(1, b.Jobs) {
		workers.Go(func() {
			for {
				mu.Lock()
				seed := next
				if next++; seed-b.From >= b.Seeds || ctx.Err() != nil {
					mu.Unlock()
					return
				}
				mu.Unlock()
				r := Run(seed, b.Options)
				mu.Lock()
				sum.add(&r)
				if b.Done != nil {
					b.Done(&sum, &r)
				}
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	slices.SortFunc(sum.Failures, func(a, b *Failure) int { return cmp.Compare(a.Seed, b.Seed) })
	return sum
}

// Missing lists the faults that were allowed and never happened.
func (s *Summary) Missing(allowed []Fault) []Fault {
	if allowed == nil {
		allowed = Faults()
	}
	return slices.DeleteFunc(slices.Clone(allowed), func(k Fault) bool { return s.Faults.Of(k) > 0 })
}

// Explain plays a history that failed again, and returns its last lines.
func Explain(seed uint64, o Options, lines int) []string {
	var last []string
	o.Narrate = func(line string) {
		last = append(last, line)
		if len(last) > 2*lines {
			last = slices.Delete(last, 0, lines)
		}
	}
	Run(seed, o)
	return last[max(0, len(last)-lines):]
}

// Command is the command that plays a history again and tells all of it.
func Command(seed uint64, o Options) string {
	s := fmt.Sprintf("concord sim --replay %d", seed)
	if o.Devices != 0 {
		s += fmt.Sprintf(" --devices %d", o.Devices)
	}
	if o.Writes != 0 {
		s += fmt.Sprintf(" --writes %d", o.Writes)
	}
	if o.Faults != nil {
		var names []string
		for _, k := range o.Faults {
			names = append(names, k.String())
		}
		if len(names) == 0 {
			names = []string{"none"}
		}
		s += " --faults " + strings.Join(names, ",")
	}
	return s
}
