package merge

import "slices"

// Decider says what left one candidate.
type Decider uint8

const (
	// BySole means that there was one candidate, or none.
	BySole Decider = iota
	// ByStep means that one of the rule's steps decided.
	ByStep
	// ByEntry means that all steps left a tie, and the greater entry won.
	ByEntry
)

// String is a word for people.
func (d Decider) String() string {
	switch d {
	case BySole:
		return "sole"
	case ByStep:
		return "step"
	}
	return "entry"
}

// Resolution says which candidate is shown, and why.
type Resolution struct {
	// Winner is an index among the candidates, -1 if there are none.
	Winner int
	By     Decider
	// Step is the index of the deciding step among the rule's; with [ByEntry],
	// of the last that was asked. -1 when none was.
	Step int
}

// defaultSteps is what a register without a rule is resolved by.
var defaultSteps = []Step{Latest}

// stepsOrDefault is what a rule's steps mean.
func stepsOrDefault(steps []Step) []Step {
	if len(steps) == 0 {
		return defaultSteps
	}
	return steps
}

// Resolve lets steps take their turn on a set of candidates until one is left.
// Of those with equal keys under all steps the greatest entry wins. No steps
// means [Latest]. The outcome is the same in whatever order the candidates come.
//
// Resolve is O(candidates · steps), and asks no step about a sole candidate. It
// modifies nothing.
func Resolve(set []Candidate, steps []Step) Resolution {
	switch len(set) {
	case 0:
		return Resolution{-1, BySole, -1}
	case 1:
		return Resolution{0, BySole, -1}
	}
	steps = stepsOrDefault(steps)
	canonical := func(a, b Candidate) int { return a.Compare(&b) }
	left := slices.Clone(set)
	if !slices.IsSortedFunc(left, canonical) {
		slices.SortFunc(left, canonical)
	}
	out := Resolution{By: ByEntry, Step: -1}
	for i, s := range steps {
		if s == nil {
			continue
		}
		left, out.Step = greatest(left, s), i
		if len(left) == 1 {
			out.By = ByStep
			break
		}
		if s.final() {
			break
		}
	}
	winner := left[len(left)-1].Entry
	out.Winner = slices.IndexFunc(set, func(c Candidate) bool { return c.Entry == winner })
	return out
}

// greatest keeps the candidates with the greatest key, in their order. It uses
// the room of set.
func greatest(set []Candidate, s Step) []Candidate {
	var room [8]Key
	keys := room[:0]
	for i := range set {
		keys = append(keys, s.Key(&set[i], set))
	}
	best := slices.MaxFunc(keys, Key.Compare)
	kept := set[:0]
	for i := range keys {
		if keys[i].Compare(best) == 0 {
			kept = append(kept, set[i])
		}
	}
	return kept
}
