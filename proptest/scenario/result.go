package scenario

import (
	"errors"
	"fmt"
	"strings"
)

// Outcome is how a scenario ended.
type Outcome string

// The outcomes.
const (
	Passed  Outcome = "pass"
	Failed  Outcome = "fail"
	Skipped Outcome = "skip"
)

// Result is what came of one scenario.
type Result struct {
	Group   string
	ID      string
	Title   string
	Level   Level
	Outcome Outcome
	// Reason says why a scenario was skipped, or how it failed, in one line.
	Reason string
	// Runs counts the assignments of ids that ran to their end, Unfit those that
	// a require step left out.
	Runs, Unfit int
	// Failure is set if and only if the scenario failed.
	Failure *Failure
	// Costs lists what the budget asks about, the worst of all runs.
	Costs []Cost
}

// Failure tells what happened until something did not hold.
type Failure struct {
	IDs        []string // names in ascending order of ids
	Trace      []string // the last steps that were done, one a line
	Omitted    int      // steps before these
	At         string   // the step's number, or "expect"
	Step       string   // the step, on one line
	Problem    string
	Mismatches []Mismatch
	Intent     string // what the file says about it to its reader
}

// Mismatch is one value that is not what it should be.
type Mismatch struct {
	Replica string
	What    string
	Got     string
	Want    []string // one of these
}

// Cost is one measured line of a budget.
type Cost struct {
	Name     string
	Level    Level
	Got, Max float64
	Measured bool // false: the runner had no means to
}

// Met reports whether the cost stays within its budget, as far as is known.
func (c Cost) Met() bool { return !c.Measured || c.Got <= c.Max }

// String returns one line, or the whole story of a failure.
func (r Result) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s (%s): %s", r.Outcome, r.Group, r.ID, r.Level, r.Title)
	if r.Outcome == Skipped {
		fmt.Fprintf(&b, "\n  %s", r.Reason)
	}
	for _, c := range r.Costs {
		verdict := "ok"
		switch {
		case !c.Measured:
			verdict = "not measured"
		case !c.Met():
			verdict = "over budget"
		}
		fmt.Fprintf(&b, "\n  %s %g of %g (%s): %s", c.Name, c.Got, c.Max, c.Level, verdict)
	}
	if r.Failure != nil {
		r.Failure.write(&b)
	}
	return b.String()
}

func (f *Failure) write(b *strings.Builder) {
	fmt.Fprintf(b, "\n  ids ascend: %s", strings.Join(f.IDs, ", "))
	if f.Intent != "" {
		fmt.Fprintf(b, "\n  expected of any implementation: %s", f.Intent)
	}
	if f.Omitted > 0 {
		fmt.Fprintf(b, "\n  %d steps, then", f.Omitted)
	}
	for _, line := range f.Trace {
		b.WriteString("\n  " + line)
	}
	fmt.Fprintf(b, "\n  at %s: %s", f.At, f.Problem)
	for _, m := range f.Mismatches {
		fmt.Fprintf(b, "\n    %s %s\n      got  %s", m.Replica, m.What, m.Got)
		for i, want := range m.Want {
			word := "want"
			if i > 0 {
				word = "  or"
			}
			fmt.Fprintf(b, "\n      %s %s", word, want)
		}
	}
}

// Report is what came of a file.
type Report struct {
	Group   string
	Results []Result
}

// Count returns how many scenarios ended so.
func (r Report) Count(o Outcome) int {
	n := 0
	for _, result := range r.Results {
		if result.Outcome == o {
			n++
		}
	}
	return n
}

// Err returns the failures that count, joined: those of scenarios that must
// pass. A failed "should" is listed in the results and is no error.
func (r Report) Err() error {
	var errs []error
	for _, result := range r.Results {
		if result.Outcome == Failed && result.Level != Should {
			errs = append(errs, errors.New(result.String()))
		}
	}
	return errors.Join(errs...)
}

// String returns one line a scenario, and the whole story of each failure.
func (r Report) String() string {
	var b strings.Builder
	for _, result := range r.Results {
		b.WriteString(result.String() + "\n")
	}
	fmt.Fprintf(&b, "%s: %d passed, %d failed, %d skipped\n", r.Group, r.Count(Passed), r.Count(Failed), r.Count(Skipped))
	return b.String()
}
