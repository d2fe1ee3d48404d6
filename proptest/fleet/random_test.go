package fleet_test

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/concord-crdt/concord/proptest/fleet"
	"github.com/concord-crdt/concord/proptest/scenario"
)

// A history is a scenario made at random: edits of every type, clocks that move,
// syncs, bundles lost, doubled and out of order, partitions, restarts and
// restored directories. At its end all replicas must agree.
type history struct {
	*rand.Rand
	s        *scenario.Scenario
	durable  bool
	apart    bool
	restored bool
	keeps    bool // what is lost by a restore was given to another replica before
	lost     bool
	reset    bool
	names    []string            // of messages
	backups  map[string][]string // by replica
	total    int64               // of the counter
}

func newHistory(seed uint64, durable bool) *scenario.Scenario {
	h := &history{Rand: rand.New(rand.NewPCG(seed, 1)), durable: durable, backups: map[string][]string{}}
	h.keeps = h.IntN(2) == 0
	replicas := []string{"A", "B", "C", "D"}[:2+h.IntN(3)]
	h.s = &scenario.Scenario{ID: fmt.Sprintf("random-%d", seed), Level: scenario.Must, Title: "made at random", Source: "generator",
		Replicas: replicas}
	for range 10 + h.IntN(50) {
		h.add(h.step())
	}
	if h.apart {
		h.add(scenario.Step{Do: "heal"})
	}
	h.add(scenario.Step{Do: "sync_all"})
	h.s.Expect = scenario.Expect{Converged: true, Shape: []string{"text:t", "list:l", "set:s", "map:m", "counter:c", "register:r", "mv:r"}}
	if !h.lost && !h.reset {
		h.s.Expect.Values = scenario.Values{"counter:c": h.total}
	}
	return h.s
}

func (h *history) add(s scenario.Step) {
	if s.Do != "" {
		h.s.Steps = append(h.s.Steps, s)
	}
}

func (h *history) replica() string { return h.s.Replicas[h.IntN(len(h.s.Replicas))] }

func (h *history) other(than string) string {
	for {
		if name := h.replica(); name != than {
			return name
		}
	}
}

func (h *history) position() scenario.Position {
	return []scenario.Position{scenario.At(0), scenario.Mid, scenario.End}[h.IntN(3)]
}

func (h *history) value() any {
	return []any{"x", "y", "z", int64(1), "1", true, 2.5, ""}[h.IntN(8)]
}

func (h *history) path() []string {
	path := []string{"m"}
	for range 1 + h.IntN(3) {
		path = append(path, string(rune('a'+h.IntN(2))))
	}
	return path
}

func (h *history) step() scenario.Step {
	switch n := h.IntN(100); {
	case n < 60:
		return h.edit()
	case n < 70:
		from := h.replica()
		return scenario.Step{Do: "sync", From: from, To: h.other(from)}
	case n < 72:
		return scenario.Step{Do: "sync_all"}
	case n < 78:
		name := fmt.Sprintf("d%d", len(h.names))
		h.names = append(h.names, name)
		if h.IntN(4) == 0 {
			return scenario.Step{Do: "snapshot", On: h.replica(), Name: name}
		}
		return scenario.Step{Do: "delta", On: h.replica(), Name: name, Own: h.IntN(2) == 0}
	case n < 88:
		if len(h.names) == 0 || h.restored { // a bundle of a past that was lost may be refused
			return scenario.Step{}
		}
		return scenario.Step{Do: "deliver", What: h.names[h.IntN(len(h.names))], To: h.replica()}
	case n < 91:
		ahead := time.Duration(h.IntN(4000)-1000) * time.Millisecond
		return scenario.Step{Do: "clock", On: h.replica(), Advance: &ahead}
	case n < 94:
		if h.apart = !h.apart; !h.apart {
			return scenario.Step{Do: "heal"}
		}
		return scenario.Step{Do: "partition", Groups: [][]string{h.s.Replicas[:1], h.s.Replicas[1:]}}
	}
	if !h.durable {
		return scenario.Step{}
	}
	on := h.replica()
	switch n := h.IntN(4); {
	case n == 0:
		return scenario.Step{Do: "restart", On: on}
	case n == 1 || len(h.backups[on]) == 0:
		name := fmt.Sprintf("b%d", len(h.s.Steps))
		h.backups[on] = append(h.backups[on], name)
		return scenario.Step{Do: "snapshot", On: on, Name: name}
	}
	h.restore(on)
	return scenario.Step{}
}

// restore puts an old directory back, lets the replica write on, and has it take
// from the others before it gives: one of them may remember more of it than it
// does itself. If it gave to somebody who does not, its new changes and its lost
// ones would be a fork between others, which is an alarm and needs a person.
func (h *history) restore(on string) {
	h.restored = true
	if h.apart {
		h.apart = false
		h.add(scenario.Step{Do: "heal"})
	}
	if h.keeps {
		h.add(scenario.Step{Do: "sync", From: on, To: h.other(on)})
	} else {
		h.lost = true
	}
	h.add(scenario.Step{Do: "restore", On: on, From: h.backups[on][h.IntN(len(h.backups[on]))]})
	for range h.IntN(4) {
		s := h.edit()
		s.On = on
		h.add(s)
	}
	for _, other := range h.s.Replicas {
		if other != on {
			h.add(scenario.Step{Do: "sync", From: other, To: on})
		}
	}
}

func (h *history) edit() scenario.Step {
	s := scenario.Step{On: h.replica(), MayFail: true}
	switch h.IntN(16) {
	case 0, 1:
		s.Do, s.Obj, s.Pos, s.Text = "text.insert", "t", h.position(), []string{"ab", "ü", "😀", "x\ny"}[h.IntN(4)]
	case 2:
		s.Do, s.Obj, s.Pos, s.Text, s.Dir = "text.type", "t", h.position(), "uvw", []string{"forward", "backward"}[h.IntN(2)]
	case 3:
		s.Do, s.Obj, s.Pos, s.Len = "text.delete", "t", scenario.At(h.IntN(4)), 1+h.IntN(3)
	case 4:
		s.Do, s.Obj, s.Pos, s.List = "list.insert", "l", h.position(), []any{h.value(), h.value()}[:1+h.IntN(2)]
	case 5:
		s.Do, s.Obj, s.Pos, s.Len = "list.delete", "l", scenario.At(h.IntN(3)), 1+h.IntN(2)
	case 6:
		s.Do, s.Obj, s.Pos, s.Value = "list.set", "l", scenario.At(h.IntN(3)), h.value()
	case 7:
		s.Do, s.Obj, s.Value = "set.add", "s", h.value()
	case 8:
		s.Do, s.Obj, s.Value = "set.remove", "s", h.value()
	case 9:
		s.Do, s.Path, s.Value = "map.set", h.path(), h.value()
	case 10:
		s.Do, s.Path = "map.delete", h.path()
	case 11:
		s.Do, s.Path, s.By = "map.counter_add", h.path(), big.NewInt(int64(h.IntN(9)-2))
	case 12:
		s.Do, s.Path, s.Pos, s.Text = "map.text_insert", h.path(), scenario.At(0), "mn"
	case 13:
		by := int64(h.IntN(20) - 5)
		h.total += by
		s.Do, s.Obj, s.By, s.MayFail = "counter.add", "c", big.NewInt(by), false
	case 14:
		s.Do, s.Obj, s.Value = []string{"register.set", "mv.set"}[h.IntN(2)], "r", h.value()
	case 15:
		switch h.IntN(3) {
		case 0:
			s.Do, s.Obj = "counter.reset", "c"
			h.reset = true
		case 1:
			s.Do, s.Obj = "register.clear", "r"
		default:
			s.Do, s.Path = "map.new", h.path()
		}
	}
	return s
}

// lessen leaves out steps, but for the last that bring all together, as long as
// the history fails in the same way: how says in which.
func lessen(r scenario.Runner, s *scenario.Scenario, how string) *scenario.Scenario {
	short := *s
	last := s.Steps[len(s.Steps)-1:]
	fails := func(steps []scenario.Step) bool {
		t := *s
		t.Steps = steps
		result := r.Scenario(&t)
		return t.Validate() == nil && result.Outcome == scenario.Failed && kindOf(result.Failure.Problem) == how
	}
	steps := s.Steps[:len(s.Steps)-1]
	for piece := max(len(steps)/2, 1); piece > 0; piece /= 2 {
		for i := 0; i < len(steps); {
			rest := slices.Concat(steps[:i], steps[min(i+piece, len(steps)):])
			if fails(slices.Concat(rest, last)) {
				steps = rest
			} else {
				i += piece
			}
		}
	}
	short.Steps = slices.Concat(steps, last)
	return &short
}

// kindOf is a problem without what differs from run to run: names and numbers.
func kindOf(problem string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsDigit(r) || r >= 'a' && r <= 'f' || unicode.IsUpper(r) {
			return -1
		}
		return r
	}, problem)
}

// underRace says that the race detector is on.
var underRace bool

//concord:fault restarts and directories put back
func TestRandomHistories(t *testing.T) {
	runner := scenario.Runner{Opener: fleet.Opener{Dir: t.TempDir()}, TraceLines: 1000}
	for _, kind := range []struct {
		name    string
		durable bool
		seeds   int
	}{{"memory", false, 40}, {"disk", true, 15}} {
		t.Run(kind.name, func(t *testing.T) {
			if underRace {
				kind.seeds /= 6
			}
			for seed := range uint64(kind.seeds) {
				s := newHistory(seed, kind.durable)
				if err := s.Validate(); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
				if result := runner.Scenario(s); result.Outcome == scenario.Failed {
					s = lessen(runner, s, kindOf(result.Failure.Problem))
					file, err := scenario.Format(&scenario.File{Group: "random", About: "found at random", Scenarios: []*scenario.Scenario{s}})
					t.Fatalf("seed %d: %v\nin fewer steps: %v\nas a scenario (%v):\n%s", seed, result, runner.Scenario(s), err, file)
				}
			}
		})
	}
}
