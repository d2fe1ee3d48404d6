package sim_test

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/concord-crdt/concord/proptest/sim"
)

// underRace says that the race detector is on.
var underRace bool

var (
	seeds = flag.Uint64("seeds", 30, "how many histories to run")
	from  = flag.Uint64("from", 1, "the seed of the first")
)

// TestHistoriesHold is a short form of concord sim.
//
//concord:fault every fault of the simulator
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

// bound is within how many histories a plant must show.
const bound = 100

// TestPlantsAreFound breaks, one at a time, what the replica builds on: a
// simulator that finds nothing then finds nothing ever.
//
//concord:fault disks that lie
func TestPlantsAreFound(t *testing.T) {
	if underRace {
		t.Skip("hundreds of histories; a run without the race detector has them")
	}
	var table strings.Builder
	for _, plant := range sim.Plants() {
		var failure *sim.Failure
		seed := uint64(1)
		for ; failure == nil && seed <= bound; seed++ {
			failure = sim.Run(seed, sim.Options{Plant: plant, Devices: 4}).Failure
		}
		if failure == nil {
			t.Errorf("%d histories do not notice %v", bound, plant)
			continue
		}
		line, _, _ := strings.Cut(failure.Problem, "\n")
		fmt.Fprintf(&table, "%-32v %4d  %s: %.90s\n", plant, seed-1, failure.Invariant, line)
	}
	t.Logf("fails with\n%s", &table)
}

// TestEveryWayShowsTheSame has newcomers get a fleet's changes in every way.
//
//concord:fault sessions that are cut, bundles out of order
func TestEveryWayShowsTheSame(t *testing.T) {
	for seed := range uint64(4) {
		if r := sim.Run(seed, sim.Options{Devices: 4, EveryWay: true}); r.Failure != nil {
			t.Error(r.Failure)
		}
	}
}

func BenchmarkHistories(b *testing.B) {
	var messages uint64
	var devices time.Duration
	seed := uint64(0)
	for b.Loop() {
		seed++
		r := sim.Run(seed, sim.Options{})
		if r.Failure != nil {
			b.Fatal(r.Failure)
		}
		messages += r.Messages
		devices += r.DeviceTime()
	}
	b.ReportMetric(float64(messages)/b.Elapsed().Seconds(), "messages/s")
	b.ReportMetric(devices.Hours()/b.Elapsed().Seconds(), "device-hours/s")
}
