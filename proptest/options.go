package proptest

import (
	"errors"
	"fmt"
)

// DefaultSeed is the seed of a search for which none is set.
const DefaultSeed int64 = 20300101

// The limits of [Options].
const (
	maxReplicas = 16
	maxSteps    = 64 // what one history did is kept as bits of a word
)

// Options say how long and where to look. The zero value is the default.
//
// A search is a function of the type, the options and nothing else: the same
// options find the same counter-example again.
type Options struct {
	// Seed of the search. 0 means [DefaultSeed].
	Seed int64
	// Histories for each law. 0 means 100.
	Histories int
	// Replicas of a history, from 2 to 16. 0 means 3.
	Replicas int
	// Steps of a history before it ends, at most 64. 0 means 20.
	Steps int
	// DisableShrinking gives the counter-example as it was found.
	DisableShrinking bool
}

// Validate reports every fault of the options at once.
func (o Options) Validate() error {
	var faults []error
	limit := func(name string, got, least, most int) {
		if got != 0 && (got < least || got > most) {
			faults = append(faults, fmt.Errorf("proptest: option %s is %d, and may be %d to %d", name, got, least, most))
		}
	}
	limit("Histories", o.Histories, 1, 1<<30)
	limit("Replicas", o.Replicas, 2, maxReplicas)
	limit("Steps", o.Steps, 1, maxSteps)
	return errors.Join(faults...)
}

// withDefaults fills in what is zero.
func (o Options) withDefaults() Options {
	if o.Seed == 0 {
		o.Seed = DefaultSeed
	}
	if o.Histories == 0 {
		o.Histories = 100
	}
	if o.Replicas == 0 {
		o.Replicas = 3
	}
	if o.Steps == 0 {
		o.Steps = 20
	}
	return o
}
