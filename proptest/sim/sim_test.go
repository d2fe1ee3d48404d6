package sim_test

import (
	"context"
	"flag"
	"slices"
	"strings"
	"testing"

	"github.com/concord-crdt/concord/proptest/sim"
)

// underRace says that the race detector is on.
var underRace bool

var (
	seeds = flag.Uint64("seeds", 30, "how many histories to run")
	from  = flag.Uint64("from", 1, "the seed of the first")
)

// TestHistoriesHold is a short form of concord sim.
func TestHistoriesHold(t *testing.T) {
	n := *seeds
	if underRace {
		n = min(n, 8)
	}
	sum := sim.RunBatch(context.Background(), sim.Batch{From: *from, Seeds: n, Jobs: 2})
	for _, f := range sum.Failures {
		t.Errorf("%v\n%s\nplay it again: %s", f, strings.Join(sim.Explain(f.Seed, sim.Options{}, 30), "\n"), sim.Command(f.Seed, sim.Options{}))
	}
	if missing := sum.Missing(nil); len(missing) > 0 && !underRace {
		t.Errorf("%d histories had none of the faults %v", n, missing)
	}
}

// TestSameSeedSameTimeline plays histories twice and compares what was told,
// byte for byte.
func TestSameSeedSameTimeline(t *testing.T) {
	for seed := range uint64(6) {
		var told [2][]string
		for i := range told {
			sim.Run(seed, sim.Options{Narrate: func(line string) { told[i] = append(told[i], line) }})
		}
		if i := slices.IndexFunc(told[0], func(string) bool { return true }); i < 0 {
			t.Fatalf("seed %d: nothing was told", seed)
		}
		for i, line := range told[0] {
			if i >= len(told[1]) || told[1][i] != line {
				t.Fatalf("seed %d: line %d is first\n%s\nand then\n%s", seed, i, line, told[1][min(i, len(told[1])-1)])
			}
		}
		if len(told[0]) != len(told[1]) {
			t.Fatalf("seed %d: %d lines, and then %d", seed, len(told[0]), len(told[1]))
		}
	}
}
