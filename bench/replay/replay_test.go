package replay_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/concord-crdt/concord/bench/replay"
	"github.com/concord-crdt/concord/bench/trace"
	"github.com/concord-crdt/concord/replica"
)

// generate makes a concurrent trace and knows its texts without merging: the
// text has a segment for each agent, closed by a bar, and nobody else edits it.
// So the text of any history is the segments as their agents left them then.
func generate(seed uint64, agents, txns int) *trace.Trace {
	rng := rand.New(rand.NewPCG(seed, 0))
	t := &trace.Trace{Name: fmt.Sprintf("generated-%d", seed), Agents: agents}
	segments := make([][][]rune, agents) // by agent, after each of its transactions
	last := make([]int, agents)
	for i := range txns {
		x := trace.Txn{Agent: rng.IntN(agents)}
		if i == 0 {
			x = trace.Txn{Patches: []trace.Patch{{Insert: strings.Repeat("|", agents)}}}
			for a := range segments {
				segments[a] = [][]rune{{}}
			}
			segments[0] = [][]rune{{}, {}}
			t.Txns = append(t.Txns, x)
			continue
		}
		x.Parents = []int{last[x.Agent]}
		for range rng.IntN(3) {
			if p := rng.IntN(i); !slices.Contains(x.Parents, p) {
				x.Parents = append(x.Parents, p)
			}
		}
		t.Txns = append(t.Txns, x)
		hs, err := t.Histories()
		if err != nil {
			panic(err)
		}
		pos := x.Agent // the bars before
		for a := range x.Agent {
			pos += len(segments[a][hs[i][a]])
		}
		own := slices.Clone(segments[x.Agent][len(segments[x.Agent])-1])
		for range 1 + rng.IntN(3) {
			p := trace.Patch{Pos: rng.IntN(len(own) + 1)}
			p.Delete = rng.IntN(len(own) - p.Pos + 1)
			p.Insert = word(rng)
			own = slices.Replace(own, p.Pos, p.Pos+p.Delete, []rune(p.Insert)...)
			p.Pos += pos
			t.Txns[i].Patches = append(t.Txns[i].Patches, p)
		}
		segments[x.Agent] = append(segments[x.Agent], own)
		last[x.Agent] = i
	}
	for a := range segments {
		t.End += string(segments[a][len(segments[a])-1]) + "|"
	}
	return t
}

// word is some runes of one to four bytes, or nothing.
func word(rng *rand.Rand) string {
	alphabet := []rune("abcdeéλ語😀")
	w := make([]rune, rng.IntN(5))
	for i := range w {
		w[i] = alphabet[rng.IntN(len(alphabet))]
	}
	return string(w)
}

// typing is a sequential trace.
func typing() *trace.Trace {
	t, err := trace.Read(strings.NewReader(`{"startContent":"ab","endContent":"xcab!",
		"txns":[{"patches":[[0,0,"c"],[1,0,"d"]]},{"patches":[[1,1,""],[0,0,"x"]]},{"patches":[]},{"patches":[[4,0,"!"]]}]}`))
	if err != nil {
		panic(err)
	}
	t.Name = "typing"
	return t
}

func traces() []*trace.Trace {
	return []*trace.Trace{typing(), generate(1, 2, 60), generate(2, 5, 80)}
}

func check(t *testing.T, r *replay.Result, x *trace.Trace) {
	t.Helper()
	if !r.Equal() {
		t.Errorf("%s: another text in %q", x.Name, r.Different)
	}
	if r.Transactions != len(x.Txns) || r.Agents < 2 || r.Changes == 0 {
		t.Errorf("%s: result %+v", x.Name, *r)
	}
}

func TestMemory(t *testing.T) {
	for _, x := range traces() {
		for _, direct := range []bool{false, true} {
			done := 0
			r, err := replay.Memory(t.Context(), x, replay.MemoryOptions{
				DisableEncoding: direct,
				Options:         replay.Options{Progress: func(d, _ int) { done = d }},
			})
			if err != nil {
				t.Errorf("%s: %v", x.Name, err)
				continue
			}
			check(t, r, x)
			if done != len(x.Txns) {
				t.Errorf("%s: progress ended at %d of %d", x.Name, done, len(x.Txns))
			}
		}
	}
}

func TestNetwork(t *testing.T) {
	for _, x := range traces() {
		dir := t.TempDir()
		r, err := replay.Network(t.Context(), x, replay.NetworkOptions{Durability: replica.Relaxed, Dir: dir})
		if err != nil {
			t.Errorf("%s: %v", x.Name, err)
			continue
		}
		check(t, r, x)
		if r.WireBytes == 0 || r.ColdBytes == 0 {
			t.Errorf("%s: %d bytes on the wire, %d for the newcomer", x.Name, r.WireBytes, r.ColdBytes)
		}
		if stores, _ := os.ReadDir(filepath.Join(dir, x.Name)); len(stores) != r.Agents+2 {
			t.Errorf("%s: %d stores kept, want %d", x.Name, len(stores), r.Agents+2)
		}
		if _, err := replay.Network(t.Context(), x, replay.NetworkOptions{Dir: dir}); !errors.Is(err, os.ErrExist) {
			t.Errorf("%s: replay into the stores of another: %v", x.Name, err)
		}
	}
}

// A recording that ends in another text is told apart, by everybody.
func TestAnotherTextIsFound(t *testing.T) {
	x := typing()
	x.End += "?"
	m, err := replay.Memory(t.Context(), x, replay.MemoryOptions{})
	if err != nil {
		t.Fatal(err)
	}
	n, err := replay.Network(t.Context(), x, replay.NetworkOptions{Durability: replica.Relaxed})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []*replay.Result{m, n} {
		if r.Equal() || len(r.Different) != 4 {
			t.Errorf("another text in %q; want it everywhere", r.Different)
		}
	}
}

// A position outside of the text ends the replay, for all agents.
func TestImpossiblePositions(t *testing.T) {
	x := generate(3, 3, 20)
	x.Txns[10].Patches[0].Pos = 1 << 20
	if _, err := replay.Memory(t.Context(), x, replay.MemoryOptions{}); err == nil || !strings.Contains(err.Error(), "transaction 10") {
		t.Errorf("in memory: %v", err)
	}
	if _, err := replay.Network(t.Context(), x, replay.NetworkOptions{Durability: replica.Relaxed}); err == nil || !strings.Contains(err.Error(), "transaction 10") {
		t.Errorf("between stores: %v", err)
	}
}

func TestReplayEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := replay.Memory(ctx, typing(), replay.MemoryOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("in memory: %v", err)
	}
	if _, err := replay.Network(ctx, typing(), replay.NetworkOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("between stores: %v", err)
	}
}
