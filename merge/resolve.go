package merge

import (
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/internal/planted"
)

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
	// Winner is an index among the candidates; -1 if there are none, or if
	// none of them may be shown as decided.
	Winner int
	By     Decider
	// Step is the index of the deciding step among the rule's; with [ByEntry],
	// of the last that was asked. -1 when none was.
	Step int
	// Unresolved means that a requirement holds for no candidate: all are
	// offered, and none is shown.
	Unresolved bool
	// Open means that all candidates are proposals without an approval.
	Open bool
	// Review means that a person is asked; the latest is shown meanwhile.
	Review bool
	// Provisional means that a function was missing, so that a program which
	// has it may show something else.
	Provisional bool
}

// Judgement is what a step found of a candidate.
type Judgement struct {
	Candidate int // an index among the candidates
	Key       Key // empty for a step that gives none
	Kept      bool
	// Fault says why an expression failed for the candidate; empty if it did not.
	Fault string
}

// StepReport is what a step did: whom it was asked about, and what it found.
type StepReport struct {
	Index      int // among the rule's steps
	Step       Step
	Judgements []Judgement
}

// Explanation is a resolution with the way to it.
type Explanation struct {
	Resolution
	// Steps that were asked, in order. Step, in the resolution, is the one that
	// left one candidate.
	Steps []StepReport
}

// Resolve lets the rule's steps take their turn on a set of candidates until
// one is left. Of those that no step tells apart the greatest entry wins. Unless
// the rule is sticky, candidates that another one superseded take no part. The
// outcome is the same in whatever order the candidates come.
//
// Resolve is O(candidates · steps), and what expressions cost; each is bounded.
// It modifies nothing. A nil f is a record of which nothing is known.
func (r *FieldRules) Resolve(set []Candidate, f *Facts) Resolution {
	return r.resolve(set, f, nil)
}

// Explain is [FieldRules.Resolve] with the way to it. It costs more memory.
func (r *FieldRules) Explain(set []Candidate, f *Facts) Explanation {
	var steps []StepReport
	return Explanation{r.resolve(set, f, &steps), steps}
}

func (r *FieldRules) resolve(set []Candidate, f *Facts, trace *[]StepReport) Resolution {
	if len(set) == 0 {
		return Resolution{Winner: -1, By: BySole, Step: -1}
	}
	if len(set) == 1 && !r.alone {
		return Resolution{Winner: 0, By: BySole, Step: -1}
	}
	var room [16]int
	n := narrowing{rules: r, set: set, facts: f, trace: trace, left: room[:0]}
	for i := range set {
		n.left = append(n.left, i)
	}
	canonical := func(a, b int) int { return set[a].Compare(&set[b]) }
	if !slices.IsSortedFunc(n.left, canonical) && !planted.Is(planted.TieByArrival) {
		slices.SortFunc(n.left, canonical)
	}
	if last := len(set) - 1; planted.Is(planted.PairwiseFolding) && last > 1 {
		first := r.resolve(set[:last], f, nil)
		pair := r.resolve([]Candidate{set[max(first.Winner, 0)], set[last]}, f, nil)
		if pair.Winner == 0 {
			return first
		}
		pair.Winner = last
		return pair
	}
	if !r.rule.Sticky {
		n.dropSuperseded()
	}
	out := Resolution{Winner: -1, By: BySole, Step: -1}
	for i := range r.steps {
		s := &r.steps[i]
		if len(n.left) == 1 && !s.alone() {
			continue
		}
		many := len(n.left) > 1
		n.step(i, s, &out)
		if len(n.left) == 0 {
			out.By, out.Step = ByStep, i
			return out
		}
		if many {
			out.By, out.Step = ByEntry, i
			if len(n.left) == 1 {
				out.By = ByStep
			}
		}
		if s.final() {
			break
		}
	}
	if len(n.left) > 1 {
		out.By = ByEntry
		n.dropSuperseded()
	}
	out.Winner = n.left[len(n.left)-1]
	return out
}

// narrowing is a set of candidates on its way to one.
type narrowing struct {
	rules *FieldRules
	set   []Candidate
	left  []int // into set, in canonical order
	facts *Facts
	in    *exprInputs
	asked *Facts // what functions are given
	trace *[]StepReport
}

// step keeps what a step keeps, none if it finds nobody.
func (n *narrowing) step(i int, s *compiledStep, out *Resolution) {
	if n.trace != nil {
		report := StepReport{Index: i, Step: s.Step, Judgements: make([]Judgement, len(n.left))}
		for j, at := range n.left {
			report.Judgements[j].Candidate = at
		}
		*n.trace = append(*n.trace, report)
		defer n.noteKept(&report)
	}
	switch s.Do {
	case StepRequire:
		n.require(s)
		out.Unresolved = len(n.left) == 0
	case StepApprove:
		n.keep(func(c *Candidate) bool { return c.Verdict == crdt.Approved })
		if out.Open = len(n.left) == 0; !out.Open {
			n.greatest(s)
		}
	case StepWindow:
		if n.withinOne(s.window) {
			n.greatest(s)
		}
	case StepGo:
		if s.function == nil {
			out.Provisional = true
			return
		}
		n.prepareFunction()
		n.greatest(s)
	case StepReview:
		out.Review = true
		n.greatest(s)
	case StepMerge, StepNone:
	default:
		n.greatest(s)
	}
}

// noteKept completes a report.
func (n *narrowing) noteKept(report *StepReport) {
	for j := range report.Judgements {
		report.Judgements[j].Kept = slices.Contains(n.left, report.Judgements[j].Candidate)
	}
}

func (n *narrowing) keep(ok func(*Candidate) bool) {
	n.left = slices.DeleteFunc(n.left, func(at int) bool { return !ok(&n.set[at]) })
}

// dropSuperseded keeps the candidates that no other one supersedes. All of
// them are superseded only in what no honest replicas wrote; then all stay.
func (n *narrowing) dropSuperseded() {
	if !slices.ContainsFunc(n.left, func(at int) bool { return len(n.set[at].SupersededBy) > 0 }) {
		return
	}
	kept := make([]int, 0, len(n.left))
	for _, at := range n.left {
		if !supersededWithin(n.set, at, n.left) {
			kept = append(kept, at)
		}
	}
	if len(kept) > 0 {
		n.left = kept
	}
}

// greatest keeps the candidates with the greatest key, in their order.
func (n *narrowing) greatest(s *compiledStep) {
	var room [8]Key
	keys := room[:0]
	in := n.inputs(s)
	for _, at := range n.left {
		k, err := n.key(s, at, in)
		keys = append(keys, k)
		n.note(at, k, err)
	}
	best := slices.MaxFunc(keys, Key.Compare)
	kept := n.left[:0]
	for j, at := range n.left {
		if keys[j].Compare(best) == 0 {
			kept = append(kept, at)
		}
	}
	n.left = kept
}

func (n *narrowing) require(s *compiledStep) {
	in := n.inputs(s)
	kept := n.left[:0]
	for _, at := range n.left {
		in.now = at
		holds, err := s.program.holds(in)
		n.note(at, KeyOf(Bool(holds)), err)
		if holds {
			kept = append(kept, at)
		}
	}
	n.left = kept
}

// inputs prepares what expressions read: of the candidates those that are left.
func (n *narrowing) inputs(s *compiledStep) *exprInputs {
	if s.program == nil {
		return nil
	}
	if n.in == nil {
		if n.facts == nil {
			n.facts = &Facts{}
		}
		n.in = &exprInputs{set: n.set, facts: n.facts, base: n.rules.read}
	}
	n.in.left, n.in.all = append(n.in.left[:0], n.left...), nil
	return n.in
}

// prepareFunction gives a function what an expression would read.
func (n *narrowing) prepareFunction() {
	n.asked = &Facts{}
	if n.facts != nil {
		*n.asked = *n.facts
	}
	n.asked.Candidates = make([]Candidate, len(n.left))
	for i, at := range n.left {
		n.asked.Candidates[i] = n.set[at]
	}
}

// note writes down what the step at hand found of a candidate.
func (n *narrowing) note(at int, k Key, err error) {
	if n.trace == nil {
		return
	}
	judgements := (*n.trace)[len(*n.trace)-1].Judgements
	found := &judgements[slices.IndexFunc(judgements, func(j Judgement) bool { return j.Candidate == at })]
	found.Key = k
	if err != nil {
		found.Fault = err.Error()
	}
}

// key is what a step gives to a candidate.
func (n *narrowing) key(s *compiledStep, at int, in *exprInputs) (Key, error) {
	c := &n.set[at]
	switch s.Do {
	case StepEarliest:
		return KeyOf(Earlier(c.Stamp)), nil
	case StepAuthority, StepWindow:
		i := slices.Index(s.Roles, c.Role)
		if i < 0 {
			i = len(s.Roles)
		}
		return KeyOf(Int(-int64(i))), nil
	case StepSeniority:
		return KeyOf(Int(c.Seniority)), nil
	case StepRank:
		in.now = at
		return s.program.key(in)
	case StepGo:
		return s.function(c, n.asked), nil
	}
	if planted.Is(planted.RuleReadsClock) {
		return KeyOf(Later(clock.Stamp(planted.Wall()))), nil
	}
	return KeyOf(Later(c.Stamp)), nil
}

// withinOne reports whether all that are left lie in one interval.
func (n *narrowing) withinOne(window []stampInterval) bool {
	return slices.ContainsFunc(window, func(in stampInterval) bool {
		for _, at := range n.left {
			if s := n.set[at].Stamp; s < in.from || s >= in.to {
				return false
			}
		}
		return true
	})
}
