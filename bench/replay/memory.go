package replay

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/concord-crdt/concord/bench/trace"
	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt"
)

// MemoryOptions are the options of [Memory].
type MemoryOptions struct {
	Options
	// DisableEncoding hands changes over as they are. By default they are
	// encoded by their author and decoded by each receiver, as on the way
	// between devices.
	DisableEncoding bool
}

// Memory replays a trace in memory: each agent is a [crdt.Record], and its
// changes go into the records of the others without store or network.
//
// It runs in one goroutine. Origins and stamps are made up from numbers, so
// equal traces give equal changes.
//
// An error means that the replay could not go on: a position outside of the
// text, or a change that a receiver refused. A text that is not the recording's
// is no error but a [Result] that is not Equal.
func Memory(ctx context.Context, t *trace.Trace, o MemoryOptions) (*Result, error) {
	m, err := newMemory(t, o)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	for i := range t.Txns {
		if i%256 == 0 {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			if o.Progress != nil {
				o.Progress(i, len(t.Txns))
			}
		}
		if err := m.transaction(i); err != nil {
			return nil, fmt.Errorf("replay: %s: transaction %d: %w", t.Name, i, err)
		}
	}
	for _, a := range m.agents {
		if err := m.catchUp(a, m.histories[len(t.Txns)]); err != nil {
			return nil, fmt.Errorf("replay: %s: %w", t.Name, err)
		}
	}
	m.result.Replay = time.Since(start)
	if err := m.finish(); err != nil {
		return nil, fmt.Errorf("replay: %s: newcomer: %w", t.Name, err)
	}
	if o.Progress != nil {
		o.Progress(len(t.Txns), len(t.Txns))
	}
	return m.result, nil
}

// memory is a replay under way.
type memory struct {
	trace     *trace.Trace
	encode    bool
	histories []trace.History
	byAgent   [][]int
	agents    []*memoryAgent
	made      []handed // by transaction
	stamp     clock.Stamp
	result    *Result
}

type memoryAgent struct {
	origin clock.Origin
	record *crdt.Record
	have   trace.History // applied, own ones included
	dots   uint64        // own changes
}

// handed is a change on its way: in its canonical form, or as it is.
type handed struct {
	encoded []byte
	change  *crdt.Change // nil where it is encoded, or altered nothing
	digest  uint32
}

func newMemory(t *trace.Trace, o MemoryOptions) (*memory, error) {
	hs, err := t.Histories()
	if err != nil {
		return nil, err
	}
	m := &memory{
		trace: t, encode: !o.DisableEncoding, histories: hs, byAgent: t.ByAgent(),
		made: make([]handed, len(t.Txns)), stamp: clock.NewStamp(time.Unix(1, 0), 0),
		result: newResult(t, numAgents(t)),
	}
	for n := range m.result.Agents {
		m.agents = append(m.agents, newMemoryAgent(t, n))
	}
	return m, nil
}

func newMemoryAgent(t *trace.Trace, n int) *memoryAgent {
	a := &memoryAgent{record: &crdt.Record{}, have: make(trace.History, t.Agents)}
	a.origin.Replica[0], a.origin.Replica[1] = byte(n>>8), byte(n)
	a.origin.Replica[15] = 1
	a.origin.Incarnation = 1
	return a
}

// transaction makes transaction i on exactly its parents' history.
func (m *memory) transaction(i int) error {
	x := &m.trace.Txns[i]
	a := m.agents[x.Agent]
	if err := m.catchUp(a, m.histories[i]); err != nil {
		return err
	}
	start := time.Now()
	defer func() { m.result.Local += time.Since(start) }()
	ed := a.record.Edit(key, crdt.EditOptions{Dot: clock.Dot{Origin: a.origin, N: a.dots + 1}})
	if err := edit(ed.Text(field), x.Patches); err != nil {
		return err
	}
	part, changed, err := ed.Part(false)
	if err != nil {
		return err
	}
	a.have[x.Agent]++
	if !changed {
		return nil
	}
	a.dots++
	m.stamp = m.stamp.Next()
	m.result.Changes++
	c := &crdt.Change{Dot: clock.Dot{Origin: a.origin, N: a.dots}, Stamp: m.stamp, Parts: []crdt.Part{part}}
	h := handed{change: c, digest: uint32(i)}
	if m.encode {
		b := c.Encode()
		h = handed{encoded: b, digest: crdt.HashOf(b).Digest()}
		m.result.ChangeBytes += uint64(len(b))
	}
	ed.Commit(c, h.digest)
	m.made[i] = h
	return nil
}

// catchUp gives an agent what it lacks of a history, causes before effects.
func (m *memory) catchUp(a *memoryAgent, h trace.History) error {
	var missing []int
	for by, n := range h {
		missing = append(missing, m.byAgent[by][a.have[by]:max(n, a.have[by])]...)
		a.have[by] = max(n, a.have[by])
	}
	if len(missing) == 0 {
		return nil
	}
	slices.Sort(missing)
	start := time.Now()
	defer func() { m.result.Remote += time.Since(start) }()
	return m.apply(a.record, missing)
}

// apply takes the changes of transactions into a record.
func (m *memory) apply(r *crdt.Record, txns []int) error {
	for _, i := range txns {
		h := &m.made[i]
		c := h.change
		if h.encoded != nil {
			var err error
			if c, err = crdt.DecodeChange(h.encoded); err != nil {
				return fmt.Errorf("change of transaction %d: %w", i, err)
			}
		}
		if c == nil {
			continue
		}
		p := &c.Parts[0]
		if missing := r.Missing(p); len(missing) > 0 {
			return fmt.Errorf("change of transaction %d waits for %v", i, missing[0])
		}
		if err := r.Check(c, p); err != nil {
			return fmt.Errorf("change of transaction %d: %w", i, err)
		}
		r.Apply(c, p, h.digest, nil)
	}
	return nil
}

// finish lets a newcomer take over everything, and compares all texts.
func (m *memory) finish() error {
	newcomer := newMemoryAgent(m.trace, m.result.Agents)
	all := make([]int, len(m.made))
	for i := range all {
		all[i] = i
	}
	start := time.Now()
	if err := m.apply(newcomer.record, all); err != nil {
		return err
	}
	m.result.Cold = time.Since(start)
	for n, a := range m.agents {
		m.result.check(agentName(m.trace, n), textOf(a.record), m.trace)
	}
	m.result.check("newcomer", textOf(newcomer.record), m.trace)

	var w codec.Writer
	newcomer.record.Write(&w)
	m.result.StoredBytes = uint64(w.Len())
	read, err := crdt.DecodeRecord(w.Bytes())
	if err != nil {
		return fmt.Errorf("stored form: %w", err)
	}
	m.result.check("stored form", textOf(read), m.trace)
	return nil
}

func textOf(r *crdt.Record) string {
	return r.Field(field, crdt.TypeText, crdt.DeleteWins).Text()
}
