package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/concord-crdt/concord/proptest/sim"
)

func newSimCommand(e *env) *cobra.Command {
	s := simRun{env: e}
	var faults string
	var replay uint64
	c := &cobra.Command{
		Use:   "sim",
		Short: "Simulate fleets of devices on which everything goes wrong",
		Long: `Simulate fleets of devices, each a whole replica on a simulated disk, that write
and meet while everything goes wrong that can. A seed decides all of it; the same
seed gives the same history. Then the faults end, the devices come to rest, and
must show what Concord promises: equal states and views, nothing lost, no name
of a change used twice, and the values that follow from what each actor did and
saw.

The faults, for --faults:
` + faultList() + `
If a history fails, its last lines are shown, and the command that plays it
again and tells all of it. The exit code is then 1.`,
		Example: `  concord sim --seeds 2000
  concord sim --seeds 500 --devices 12 --faults power,restore,clone
  concord sim --replay 17`,
		Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case s.batch.Seeds < 1:
				return usageErrorf("--seeds is 0; use 1 or more")
			case s.batch.Devices != 0 && (s.batch.Devices < 2 || s.batch.Devices > 12):
				return usageErrorf("--devices is %d; use 2 to 12", s.batch.Devices)
			case s.batch.Writes < 0:
				return usageErrorf("--writes is %d; use 1 or more", s.batch.Writes)
			}
			if faults != "all" {
				list, err := sim.ParseFaults(faults)
				if err != nil {
					return usageErrorf("--faults: %v", err)
				}
				s.batch.Faults = list
			}
			if cmd.Flags().Changed("replay") {
				return s.replay(replay)
			}
			return s.all(cmd.Context())
		},
	}
	c.Flags().Uint64Var(&s.batch.Seeds, "seeds", 100, "`number` of histories")
	c.Flags().Uint64Var(&s.batch.From, "from", 1, "`seed` of the first")
	c.Flags().IntVar(&s.batch.Devices, "devices", 0, "`number` of devices, 2 to 12; 0: each seed decides")
	c.Flags().IntVar(&s.batch.Writes, "writes", 0, "about this `number` of writes in each; 0: each seed decides")
	c.Flags().StringVar(&faults, "faults", "all", "`list` of faults that may happen, separated by commas; all; or none")
	c.Flags().IntVar(&s.batch.Jobs, "jobs", runtime.GOMAXPROCS(0), "`number` of histories at the same time")
	c.Flags().Uint64Var(&replay, "replay", 0, "play the history of this `seed` alone, and tell what happens")
	return c
}

// faultList is the names of all faults, in lines of a help text.
func faultList() string {
	var b strings.Builder
	line := " "
	for _, k := range sim.Faults() {
		if len(line)+len(k.String()) > 76 {
			b.WriteString(line + "\n")
			line = " "
		}
		line += " " + k.String()
	}
	return b.String() + line + "\n"
}

// simRun plays histories.
type simRun struct {
	*env
	batch sim.Batch
}

var errBroken = errors.New("an invariant does not hold")

// timelineLines is how much of a history is shown that failed.
const timelineLines = 30

func (s *simRun) all(ctx context.Context) error {
	// Histories make much garbage and hold little.
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	line := newStatusLine(s.env)
	defer line.clear()
	began := time.Now()
	last := began
	s.batch.Done = func(sum *sim.Summary, r *sim.Result) {
		if r.Failure != nil && !s.flags.json {
			line.clear()
			s.tell(r.Failure)
		}
		if now := time.Now(); now.Sub(last) >= refresh {
			last = now
			line.show(simProgress(sum, s.batch.Seeds, now.Sub(began)))
		}
	}
	sum := sim.RunBatch(ctx, s.batch)
	line.clear()
	if err := s.report(&sum, time.Since(began)); err != nil {
		return err
	}
	if len(sum.Failures) > 0 {
		return fmt.Errorf("%w: %s of %d failed", errBroken, count(len(sum.Failures), "seed"), sum.Seeds)
	}
	return ctx.Err()
}

// simProgress is a bar with how far it is.
func simProgress(sum *sim.Summary, seeds uint64, took time.Duration) string {
	const width = 30
	full := int(width * sum.Seeds / seeds)
	left := time.Duration(float64(took) / float64(sum.Seeds) * float64(seeds-sum.Seeds))
	return fmt.Sprintf("[%s%s] %d of %d, %d failed, %.0f messages/s, %v left", strings.Repeat("=", full), strings.Repeat(" ", width-full),
		sum.Seeds, seeds, len(sum.Failures), float64(sum.Messages)/took.Seconds(), left.Round(time.Second))
}

func (s *simRun) report(sum *sim.Summary, took time.Duration) error {
	seconds := took.Seconds()
	if s.flags.json {
		faults := map[string]uint64{}
		for _, k := range sim.Faults() {
			faults[k.String()] = sum.Faults.Of(k)
		}
		failures := []map[string]any{}
		for _, f := range sum.Failures {
			failures = append(failures, s.jsonFailure(f))
		}
		return s.printJSON(map[string]any{
			"seeds": sum.Seeds, "from": s.batch.From, "failed": len(sum.Failures), "failures": failures,
			"writes": sum.Writes, "sessions": sum.Sessions, "messages": sum.Messages, "bytes": sum.Bytes,
			"device_hours": sum.DeviceTime.Hours(), "seconds": seconds, "faults": faults,
		})
	}
	for i, k := range sim.Faults() {
		end := "   "
		if i%3 == 2 || i+1 == len(sim.Faults()) {
			end = "\n"
		}
		s.printf("%-10s %9d%s", k, sum.Faults.Of(k), end)
	}
	s.printf("%d seeds: %d failed; %d writes, %d sessions, %d messages, %s\n",
		sum.Seeds, len(sum.Failures), sum.Writes, sum.Sessions, sum.Messages, showBytes(sum.Bytes))
	s.printf("%v: %.0f messages/s, %.0f device-hours/s\n", took.Round(time.Millisecond), float64(sum.Messages)/seconds, sum.DeviceTime.Hours()/seconds)
	if missing := sum.Missing(s.batch.Faults); len(missing) > 0 {
		s.printf("never happened: %v; more seeds would show them\n", missing)
	}
	return nil
}

func (s *simRun) jsonFailure(f *sim.Failure) map[string]any {
	return map[string]any{
		"seed": f.Seed, "invariant": f.Invariant, "replicas": f.Replicas, "record": f.Record, "problem": f.Problem,
		"phase": f.Phase, "at_seconds": f.At.Seconds(), "replay": sim.Command(f.Seed, s.batch.Options),
	}
}

// tell shows a failure with how it came.
func (s *simRun) tell(f *sim.Failure) {
	s.printf("FAILED %v\n", f)
	for _, line := range sim.Explain(f.Seed, s.batch.Options, timelineLines) {
		s.printf("  %s\n", line)
	}
	s.printf("play it again: %s\n\n", sim.Command(f.Seed, s.batch.Options))
}

// replay plays one history and tells it.
func (s *simRun) replay(seed uint64) error {
	o := s.batch.Options
	if !s.flags.json {
		o.Narrate = func(line string) { s.printf("%s\n", line) }
	}
	r := sim.Run(seed, o)
	if s.flags.json {
		sum := map[string]any{"seed": seed, "topology": r.Topology, "devices": r.Devices, "writes": r.Writes, "sessions": r.Sessions,
			"messages": r.Messages, "bytes": r.Bytes, "rounds": r.Rounds, "failed": r.Failure != nil}
		if r.Failure != nil {
			sum["failure"] = s.jsonFailure(r.Failure)
		}
		if err := s.printJSON(sum); err != nil {
			return err
		}
	} else if r.Failure == nil {
		s.printf("all invariants hold: %d devices, %d writes, %d sessions, %d messages, at rest after %d rounds\n",
			r.Devices, r.Writes, r.Sessions, r.Messages, r.Rounds)
	}
	if r.Failure != nil {
		return fmt.Errorf("%w: %v", errBroken, r.Failure)
	}
	return nil
}
