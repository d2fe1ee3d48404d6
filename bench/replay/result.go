package replay

import (
	"fmt"
	"time"

	"github.com/concord-crdt/concord/bench/trace"
)

// Options say how to replay. The zero value is ready.
type Options struct {
	// Progress is told now and then how many transactions are done. It must
	// return soon.
	Progress func(done, total int)
}

// Result is what a replay found. Durations are of the wall clock.
type Result struct {
	Trace        string
	Agents       int
	Transactions int
	Patches      int
	Changes      int // transactions that altered something

	// Replay is from the first edit until every agent has everything.
	Replay time.Duration
	// Local is the part of it that went into making changes, Remote into
	// taking over those of others, of all agents together. Of Memory only.
	Local, Remote time.Duration
	// Cold is how long a newcomer took to take over everything.
	Cold time.Duration

	ChangeBytes uint64 // the canonical forms of all changes
	WireBytes   uint64 // of all live sessions, both ways
	ColdBytes   uint64 // of the newcomer's session, both ways
	StoredBytes uint64 // the stored form of one agent's record at the end; of Memory only

	// Different names those whose text is not the one of the recording.
	Different []string
}

// Equal reports whether everybody has the text of the recording.
func (r *Result) Equal() bool { return len(r.Different) == 0 }

func newResult(t *trace.Trace, agents int) *Result {
	return &Result{Trace: t.Name, Agents: agents, Transactions: len(t.Txns), Patches: t.NumPatches()}
}

// check notes who has another text than the recording.
func (r *Result) check(who, text string, t *trace.Trace) {
	if text != t.End {
		r.Different = append(r.Different, who)
	}
}

// agentName names an agent to people. The one beyond those of a sequential
// trace only reads.
func agentName(t *trace.Trace, n int) string {
	if n >= t.Agents {
		return "follower"
	}
	return fmt.Sprintf("agent %d", n)
}

// numAgents is how many replicas a trace needs beside the newcomer: one who
// follows where there is a single author.
func numAgents(t *trace.Trace) int { return max(t.Agents, 2) }

// The place of the text in a store.
const (
	collection = "documents"
	key        = "text"
	field      = "body"
)

// editText is what a field of package crdt or of a replica's record offers.
type editText interface {
	Replace(pos, n int, s string) error
}

// edit applies a transaction's patches.
func edit(text editText, patches []trace.Patch) error {
	for i, p := range patches {
		if err := text.Replace(p.Pos, p.Delete, p.Insert); err != nil {
			return fmt.Errorf("patch %d: %w", i, err)
		}
	}
	return nil
}
