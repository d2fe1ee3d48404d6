// Package trace reads recorded editing sessions: what people typed into a text,
// keystroke by keystroke, alone or together.
//
// The format is that of the editing-traces collection (Joseph Gentle,
// CC BY 4.0): gzipped JSON, in two kinds.
//
//   - Sequential: {startContent, endContent, txns: [{patches}]}. One author;
//     every transaction applies to the text that the one before it left.
//   - Concurrent: {kind: "concurrent", endContent, numAgents, txns: [{parents,
//     agent, patches}]}. A transaction applies to the text that merges exactly
//     its parents' histories; parents are indexes of earlier transactions.
//
// A patch is [position, deleted, inserted], in Unicode code points of the text
// as the patches before it in the transaction left it.
package trace

import (
	"errors"
	"fmt"
)

// Trace is one recorded session.
type Trace struct {
	Name   string
	Agents int    // authors; numbered from 0
	End    string // what the text must be in the end
	Txns   []Txn
}

// Txn is what one agent did in one go.
type Txn struct {
	Agent   int
	Parents []int // indexes of earlier transactions, on whose merged text the patches apply
	Patches []Patch
}

// Patch deletes Delete code points at Pos and inserts Insert there.
type Patch struct {
	Pos    int
	Delete int
	Insert string
}

// Errors of a trace.
var (
	// ErrFormat means that a file is not a trace, or says things that cannot be.
	ErrFormat = errors.New("trace: not a recorded session")
	// ErrBranch means that one agent wrote on two branches at once, as no
	// replica can.
	ErrBranch = errors.New("trace: an agent's transactions are not a line")
)

// History tells what a transaction stands on: for each agent, how many of its
// transactions are among the ancestors. An agent's transactions are a line, so
// this is the whole set.
type History []int32

// Histories returns the history of every transaction, and behind them the one
// of the whole trace. It reports what cannot be replayed: [ErrFormat],
// [ErrBranch].
//
// O(transactions · agents) in time and memory.
func (t *Trace) Histories() ([]History, error) {
	if t.Agents < 1 || t.Agents > maxAgents {
		return nil, fmt.Errorf("%w: %d agents", ErrFormat, t.Agents)
	}
	if len(t.Txns) > maxHistory/t.Agents {
		return nil, fmt.Errorf("%w: %d transactions of %d agents are too many", ErrFormat, len(t.Txns), t.Agents)
	}
	n := t.Agents
	flat := make([]int32, (len(t.Txns)+1)*n)
	hs := make([]History, len(t.Txns)+1)
	for i := range hs {
		hs[i] = flat[i*n : (i+1)*n : (i+1)*n]
	}
	all := hs[len(t.Txns)]
	for i := range t.Txns {
		x := &t.Txns[i]
		if x.Agent < 0 || x.Agent >= n {
			return nil, fmt.Errorf("%w: transaction %d is by agent %d of %d", ErrFormat, i, x.Agent, n)
		}
		for _, p := range x.Parents {
			if p < 0 || p >= i {
				return nil, fmt.Errorf("%w: transaction %d has parent %d", ErrFormat, i, p)
			}
			for a, k := range hs[p] {
				hs[i][a] = max(hs[i][a], k)
			}
			// A parent is its agent's last transaction in that history.
			by := t.Txns[p].Agent
			hs[i][by] = max(hs[i][by], hs[p][by]+1)
		}
		if hs[i][x.Agent] != all[x.Agent] {
			return nil, fmt.Errorf("%w: transaction %d of agent %d does not stand on its transaction before", ErrBranch, i, x.Agent)
		}
		all[x.Agent]++
	}
	return hs, nil
}

const (
	maxAgents  = 10_000
	maxHistory = 1 << 28 // entries of all histories together
)

// ByAgent lists each agent's transactions in order.
func (t *Trace) ByAgent() [][]int {
	by := make([][]int, t.Agents)
	for i := range t.Txns {
		by[t.Txns[i].Agent] = append(by[t.Txns[i].Agent], i)
	}
	return by
}

// NumPatches counts the patches of all transactions.
func (t *Trace) NumPatches() (n int) {
	for i := range t.Txns {
		n += len(t.Txns[i].Patches)
	}
	return n
}
