package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/concord-crdt/concord/bench/replay"
	"github.com/concord-crdt/concord/bench/trace"
	"github.com/concord-crdt/concord/replica"
)

func newReplayCommand(e *env) *cobra.Command {
	r := replayRun{env: e}
	c := &cobra.Command{
		Use:   "replay TRACE.json.gz...",
		Short: "Replay recorded editing sessions, and compare the texts",
		Long: `Replay recorded editing sessions, in the format of the editing-traces collection.

Every author of the recording is a store of its own. Changes travel between
them over TCP on this machine, live, and each is made when its author has just
what the recording says that it had. In the end every text, and that of a
newcomer who fetches everything at once, must be the recorded one; else the
exit code is 1.

With --in-memory there are no stores and no network: this measures the data
types alone. Stores are relaxed, unless --durability says otherwise.`,
		Example: `  concord replay friendsforever.conc.json.gz
  concord replay --in-memory *.json.gz
  concord replay --durability synced --keep stores node_nodecc.conc.json.gz`,
		Args: takes(1, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if r.keep != "" && r.memory {
				return usageErrorf("--keep keeps stores, and --in-memory has none; leave one of them out")
			}
			if r.direct && !r.memory {
				return usageErrorf("--no-encoding is for --in-memory: what travels between stores is encoded")
			}
			o, err := e.options()
			if err != nil {
				return err
			}
			r.durability = o.Durability
			if !cmd.Flags().Changed("durability") && os.Getenv(durabilityVariable) == "" {
				r.durability = replica.Relaxed
			}
			return r.all(cmd.Context(), args)
		},
	}
	c.Flags().BoolVar(&r.memory, "in-memory", false, "without stores and network")
	c.Flags().BoolVar(&r.direct, "no-encoding", false, "with --in-memory: hand changes over as they are")
	c.Flags().StringVar(&r.keep, "keep", "", "keep the stores in this `directory`")
	return c
}

// replayRun replays traces one after the other.
type replayRun struct {
	*env
	memory     bool
	direct     bool
	keep       string
	durability replica.Durability
}

func (r *replayRun) all(ctx context.Context, paths []string) error {
	different := 0
	for _, path := range paths {
		result, err := r.one(ctx, path)
		if err != nil {
			return err
		}
		if !result.Equal() {
			different++
		}
		if r.flags.json {
			err = r.printJSON(r.jsonResult(result))
		} else {
			r.printResult(result)
		}
		if err != nil {
			return err
		}
	}
	if different > 0 {
		return fmt.Errorf("%d of %s did not end in the recorded text", different, count(len(paths), "trace"))
	}
	return nil
}

func (r *replayRun) one(ctx context.Context, path string) (*replay.Result, error) {
	line := newStatusLine(r.env)
	defer line.clear()
	line.show("reading " + plain(path))
	t, err := trace.Open(path)
	if err != nil {
		return nil, err
	}
	last := time.Time{}
	o := replay.Options{Progress: func(done, total int) {
		if now := time.Now(); done == total || now.Sub(last) >= refresh {
			last = now
			line.show(fmt.Sprintf("%s: %d of %s", plain(t.Name), done, count(total, "transaction")))
		}
	}}
	if r.memory {
		return replay.Memory(ctx, t, replay.MemoryOptions{Options: o, DisableEncoding: r.direct})
	}
	return replay.Network(ctx, t, replay.NetworkOptions{Options: o, Durability: r.durability, Dir: r.keep})
}

func (r *replayRun) durabilityName() string {
	if r.durability == replica.Synced {
		return "synced"
	}
	return "relaxed"
}

func (r *replayRun) printResult(x *replay.Result) {
	outcome := "equal: every text is the recorded one"
	if !x.Equal() {
		outcome = "NOT EQUAL: another text in " + strings.Join(x.Different, ", ")
	}
	r.printf("%s: %s, %s\n", plain(x.Trace), count(x.Agents, "replica"), count(x.Transactions, "transaction"))
	row := func(name, format string, args ...any) { r.printf("  %-12s %s\n", name, fmt.Sprintf(format, args...)) }
	if r.memory {
		how := "encoded and decoded"
		if r.direct {
			how = "handed over as they are"
		}
		row("replay", "%v, changes %s", round(x.Replay), how)
		row("local", "%v for %s, %v each", round(x.Local), count(x.Changes, "change"), each(x.Local, x.Changes))
		taken := x.Changes * (x.Agents - 1)
		row("remote", "%v for %d, %v each", round(x.Remote), taken, each(x.Remote, taken))
		row("newcomer", "%v, %v each", round(x.Cold), each(x.Cold, x.Changes))
		if !r.direct {
			row("size", "changes %s, stored form %s", showBytes(x.ChangeBytes), showBytes(x.StoredBytes))
		}
	} else {
		row("replay", "%v, live over TCP, %s", round(x.Replay), r.durabilityName())
		row("on the wire", "%s for %s to each of %d others", showBytes(x.WireBytes), count(x.Changes, "change"), x.Agents)
		row("newcomer", "%v, %s", round(x.Cold), showBytes(x.ColdBytes))
	}
	r.printf("  %s\n", outcome)
}

// round leaves three digits or so of a duration.
func round(d time.Duration) time.Duration {
	switch {
	case d >= 10*time.Second:
		return d.Round(100 * time.Millisecond)
	case d >= 100*time.Millisecond:
		return d.Round(time.Millisecond)
	}
	return d.Round(time.Microsecond)
}

func each(d time.Duration, n int) time.Duration {
	if n == 0 {
		return 0
	}
	return (d / time.Duration(n)).Round(10 * time.Nanosecond)
}

func (r *replayRun) jsonResult(x *replay.Result) map[string]any {
	j := map[string]any{
		"trace": x.Trace, "equal": x.Equal(), "replicas": x.Agents, "transactions": x.Transactions,
		"patches": x.Patches, "changes": x.Changes, "in_memory": r.memory,
		"replay_milliseconds": milliseconds(x.Replay), "newcomer_milliseconds": milliseconds(x.Cold),
	}
	if !x.Equal() {
		j["different"] = x.Different
	}
	if r.memory {
		j["encoded"] = !r.direct
		j["local_milliseconds"], j["remote_milliseconds"] = milliseconds(x.Local), milliseconds(x.Remote)
		j["change_bytes"], j["stored_bytes"] = x.ChangeBytes, x.StoredBytes
	} else {
		j["durability"] = r.durabilityName()
		j["wire_bytes"], j["newcomer_wire_bytes"] = x.WireBytes, x.ColdBytes
	}
	return j
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
