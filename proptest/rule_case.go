package proptest

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/merge"
	"github.com/concord-crdt/concord/proptest/scenario"
)

// maxCandidates of a set: enough for a cycle, an odd one out and a late one.
const maxCandidates = 5

// ruleCase is one set of candidates, as the values that draw them.
type ruleCase struct{ draws [][]uint64 }

// Format keeps reports of the search engine short.
func (c *ruleCase) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "%d candidates", len(c.draws)) }

func drawCase(r *rand.Rand) *ruleCase {
	c := &ruleCase{}
	for range 1 + r.IntN(maxCandidates) {
		c.draws = append(c.draws, newDraws(r))
	}
	return c
}

// simpler lists cases that are one step simpler.
func (c *ruleCase) simpler() iter.Seq[*ruleCase] {
	return func(yield func(*ruleCase) bool) {
		for i := range c.draws {
			if len(c.draws) > 1 && !yield(&ruleCase{slices.Delete(slices.Clone(c.draws), i, i+1)}) {
				return
			}
		}
		for i := range c.draws {
			for s := range (&step{draws: c.draws[i]}).withSmaller() {
				draws := slices.Clone(c.draws)
				draws[i] = s.draws
				if !yield(&ruleCase{draws}) {
					return
				}
			}
		}
	}
}

// set makes the candidates: each by another replica, in canonical order.
func (c *ruleCase) set(r *Rule) []merge.Candidate {
	set := make([]merge.Candidate, len(c.draws))
	for i, draws := range c.draws {
		call := &Call{Replica: newReplica(i), draws: draws}
		if r.Draw != nil {
			set[i] = r.Draw(call)
		} else {
			set[i] = r.draw(call)
		}
		set[i].Entry = crdt.EntryID{Dot: clock.Dot{Origin: call.Origin(), N: 1}}
	}
	return set
}

func (r *Rule) draw(c *Call) merge.Candidate {
	x := merge.Candidate{Actor: c.Name}
	if len(r.Values) > 0 {
		x.Value = Pick(c, r.Values...)
	} else {
		x.Value = int64(c.Int(9))
	}
	if len(r.Roles) > 0 {
		x.Role = Pick(c, r.Roles...)
	}
	x.Stamp = clock.NewStamp(scenario.Start.Add(time.Duration(c.Int(4))*time.Minute), 0)
	return x
}

// otherwise is the same set as other memory: maps filled in another order, times
// in another zone, slices of their own.
func otherwise(set []merge.Candidate, east bool) []merge.Candidate {
	out := slices.Clone(set)
	for i := range out {
		out[i].Value = otherValue(out[i].Value, east, 0)
	}
	return out
}

func otherValue(v any, east bool, depth int) any {
	if depth > renderDepth {
		return v
	}
	switch v := v.(type) {
	case time.Time:
		hours := -9
		if east {
			hours = 13
		}
		return v.In(time.FixedZone("elsewhere", hours*3600))
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = otherValue(v[i], east, depth+1)
		}
		return out
	case map[string]any:
		out := map[string]any{}
		for k, x := range v {
			out[k] = otherValue(x, east, depth+1)
		}
		return out
	}
	return v
}

// tell names the candidates, a line each.
func tellSet(set []merge.Candidate) (lines []string) {
	for _, c := range set {
		line := fmt.Sprintf("%s writes %s", letter(c), render(c.Value))
		if c.Role != "" {
			line += " as " + c.Role
		}
		if c.Stamp != 0 {
			line += c.Stamp.Time().UTC().Format(" at 15:04:05")
		}
		lines = append(lines, line)
	}
	return lines
}

// letter is the replica that wrote a candidate.
func letter(c merge.Candidate) string {
	return string(rune('A' + c.Entry.Dot.Origin.Replica[0] - 1))
}

func letters(set []merge.Candidate) (s string) {
	for i, c := range set {
		if i > 0 {
			s += " "
		}
		s += letter(c)
	}
	return s
}

// orders lists arrangements of a set: all of up to four, and of more the
// rotations of the set and of its reverse.
func orders(set []merge.Candidate) iter.Seq[[]merge.Candidate] {
	if len(set) <= 4 {
		return permutations(set)
	}
	return func(yield func([]merge.Candidate) bool) {
		for range 2 {
			for k := range set {
				if !yield(slices.Concat(set[k:], set[:k])) {
					return
				}
			}
			set = slices.Clone(set)
			slices.Reverse(set)
		}
	}
}
