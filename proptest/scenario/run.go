package scenario

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// Runner runs scenarios against the worlds of an opener.
//
// A Runner keeps nothing between scenarios; several goroutines may use copies
// of one if the opener allows it.
type Runner struct {
	Opener Opener
	// MaxAssignments bounds how often permute_ids runs a scenario. Up to four
	// replicas all assignments fit into the default; above that a fixed sample is
	// taken. 0 means 24.
	MaxAssignments int
	// MaxSteps bounds the steps of one run, rounds of repeats included. 0 means
	// 5,000,000.
	MaxSteps int
	// TraceLines is how many steps a failure shows. 0 means 40.
	TraceLines int
	// Elapsed is a running clock for budgets of time. Without one these are
	// reported as not measured.
	Elapsed func() time.Duration
}

func (r Runner) withDefaults() Runner {
	r.MaxAssignments = orDefault(r.MaxAssignments, 24)
	r.MaxSteps = orDefault(r.MaxSteps, 5_000_000)
	r.TraceLines = orDefault(r.TraceLines, 40)
	return r
}

func orDefault(v, otherwise int) int {
	if v <= 0 {
		return otherwise
	}
	return v
}

// File runs all scenarios of a file, in their order.
func (r Runner) File(f *File) Report {
	report := Report{Group: f.Group}
	for _, s := range f.Scenarios {
		result := r.Scenario(s)
		result.Group = f.Group
		report.Results = append(report.Results, result)
	}
	return report
}

// Scenario runs one scenario under every assignment of ids that it asks for,
// and stops at the first that fails. A panic of the world is a failure.
func (r Runner) Scenario(s *Scenario) Result {
	r = r.withDefaults()
	result := Result{ID: s.ID, Title: s.Title, Level: s.Level, Outcome: Passed}
	fail := func(f *Failure) Result {
		result.Outcome, result.Reason, result.Failure = Failed, f.Problem, f
		return result
	}
	if err := s.Validate(); err != nil {
		return fail(&Failure{IDs: s.Replicas, At: "the file", Problem: err.Error()})
	}
	if reason := lacking(s, r.Opener.Capabilities()); reason != "" {
		result.Outcome, result.Reason = Skipped, reason
		return result
	}
	for i, ids := range assignments(s, r.MaxAssignments) {
		run := newRun(r, s, ids, i == 0)
		err := run.all()
		var broken *broken
		switch {
		case err == nil:
			result.Runs++
			result.Costs = worst(result.Costs, run.costs)
		case errors.Is(err, errUnfit):
			result.Unfit++
		case errors.As(err, &broken):
			return fail(run.failure(broken.problem, broken.mismatches))
		default:
			return fail(run.failure(err.Error(), nil))
		}
	}
	if result.Runs == 0 {
		return fail(&Failure{IDs: s.Replicas, At: "require", Problem: "its require steps hold under no assignment of ids"})
	}
	for _, c := range result.Costs {
		if !c.Met() && c.Level == Must {
			return fail(&Failure{IDs: s.Replicas, At: "budget", Problem: fmt.Sprintf("%s is %g, the budget %g", c.Name, c.Got, c.Max)})
		}
	}
	return result
}

// assignments returns the orders of names by ascending id under which a
// scenario runs: the given one, or all permutations, or a fixed sample of them.
func assignments(s *Scenario, most int) [][]string {
	if !s.PermuteIDs || len(s.Replicas) < 2 || most == 1 {
		return [][]string{s.Replicas}
	}
	if len(s.Replicas) <= 4 && factorial(len(s.Replicas)) <= most {
		return permutations(s.Replicas)
	}
	reversed := slices.Clone(s.Replicas)
	slices.Reverse(reversed)
	sample := [][]string{s.Replicas, reversed}
	source := rand.New(rand.NewPCG(1, 2))
	for tries := 0; len(sample) < most && tries < 10*most; tries++ {
		next := slices.Clone(s.Replicas)
		source.Shuffle(len(next), func(i, j int) { next[i], next[j] = next[j], next[i] })
		if !slices.ContainsFunc(sample, func(have []string) bool { return slices.Equal(have, next) }) {
			sample = append(sample, next)
		}
	}
	return sample
}

func factorial(n int) int {
	if n < 2 {
		return 1
	}
	return n * factorial(n-1)
}

// permutations returns all orders of a short list, the given one first.
func permutations[T any](list []T) [][]T {
	if len(list) <= 1 {
		return [][]T{slices.Clone(list)}
	}
	var out [][]T
	for i := range list {
		rest := slices.Delete(slices.Clone(list), i, i+1)
		for _, tail := range permutations(rest) {
			out = append(out, append([]T{list[i]}, tail...))
		}
	}
	return out
}

// lacking returns why a world with these capabilities cannot run a scenario, or
// nothing.
func lacking(s *Scenario, have []Capability) string {
	lacks := func(c Capability) bool { return !slices.Contains(have, c) }
	for _, c := range s.Needs {
		if lacks(c) {
			return fmt.Sprintf("needs %s, which is missing here", c)
		}
	}
	if s.Policy != nil && lacks(CanRule) {
		return fmt.Sprintf("it has a policy, and %s are missing here", CanRule)
	}
	return lackingSteps(s.Steps, &s.Expect, "", lacks)
}

func lackingSteps(steps []Step, expect *Expect, prefix string, lacks func(Capability) bool) string {
	for i := range steps {
		s := &steps[i]
		number := fmt.Sprint(prefix, i+1)
		for _, c := range s.needs() {
			if lacks(c) {
				return fmt.Sprintf("step %s (%s) needs %s, which is missing here", number, s.what(), c)
			}
		}
		if reason := lackingSteps(s.Steps, s.Expect, number+".", lacks); reason != "" {
			return reason
		}
	}
	if expect != nil {
		for _, c := range expect.needs() {
			if lacks(c) {
				return fmt.Sprintf("what it expects needs %s, which is missing here", c)
			}
		}
	}
	return ""
}

// needs are the capabilities of one step.
func (s *Step) needs() []Capability {
	sp, ok := specs[s.Do]
	if !ok {
		return nil
	}
	needs := sp.needs
	if s.Do == "record.edit" {
		inner, _ := innerOf(s.Op)
		needs = slices.Concat(needs, inner.needs)
	}
	if s.Inner != nil {
		needs = slices.Concat(needs, s.Inner.needs())
	}
	if s.Actor != "" || s.Role != "" || s.Seniority != 0 || s.Seen != "" || s.Intent != "" {
		needs = append(slices.Clone(needs), CanRule)
	}
	if s.Wants != nil {
		needs = append(slices.Clone(needs), (&Expect{Values: s.Wants}).needs()...)
	}
	return needs
}

// needs are the capabilities that it takes to look at what is expected.
func (e *Expect) needs() []Capability {
	var needs []Capability
	for _, key := range e.keys() {
		switch key.Kind {
		case KindSpans:
			needs = append(needs, CanMark)
		case KindRecord:
			needs = append(needs, CanRule)
		}
	}
	if e.Anchors != nil {
		needs = append(needs, CanAnchor)
	}
	if e.overlay() {
		needs = append(needs, CanRule)
	}
	return needs
}

// A broken is what does not hold; any other error is a fault of the world.
type broken struct {
	problem    string
	mismatches []Mismatch
}

func (b *broken) Error() string { return b.problem }

// errUnfit ends a run whose assignment of ids a require step leaves out.
var errUnfit = errors.New("scenario: the assignment of ids does not fit")

// all opens a world and takes the run from the first step to the last
// expectation.
func (r *run) all() (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v\n%s", v, strings.TrimSpace(string(debug.Stack())))
		}
	}()
	if err := r.open(); err != nil {
		return err
	}
	defer func() {
		if e := r.world.Close(); err == nil && e != nil {
			err = fmt.Errorf("closing the world: %w", e)
		}
	}()
	var began time.Duration
	if r.Elapsed != nil {
		began = r.Elapsed()
	}
	if err := r.steps(r.s.Steps, ""); err != nil {
		return err
	}
	r.at, r.current = "expect", nil
	if err := r.expect(&r.s.Expect); err != nil {
		return err
	}
	if r.Elapsed != nil {
		r.wall = r.Elapsed() - began
	}
	return r.measure()
}

func (r *run) failure(problem string, mismatches []Mismatch) *Failure {
	f := &Failure{IDs: r.ids, Trace: r.trace.lines(), Omitted: r.trace.omitted(), At: r.at,
		Problem: problem, Mismatches: mismatches, Intent: r.s.FrameworkExpect}
	if r.current != nil {
		f.Step = r.current.line()
		f.At += " " + f.Step
	}
	return f
}

// A trace keeps the last steps of a long story, and writes them down only when
// somebody wants to read it.
type trace struct {
	ring  []told
	most  int
	total int
}

type told struct {
	at   string
	step *Step
	note string
}

func (t *trace) add(at string, s *Step, note string) {
	if note != "" {
		note = "  -> " + note
	}
	entry := told{at: at, step: s, note: note}
	if len(t.ring) < t.most {
		t.ring = append(t.ring, entry)
	} else {
		t.ring[t.total%t.most] = entry
	}
	t.total++
}

func (t *trace) lines() []string {
	ring := t.ring
	if t.total > t.most {
		at := t.total % t.most
		ring = slices.Concat(t.ring[at:], t.ring[:at])
	}
	lines := make([]string, len(ring))
	for i, entry := range ring {
		lines[i] = entry.at + " " + entry.step.line() + entry.note
	}
	return lines
}

func (t *trace) omitted() int { return t.total - len(t.ring) }
