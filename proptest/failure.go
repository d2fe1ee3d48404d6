package proptest

import (
	"fmt"
	"strings"
)

// Failure is a counter-example: a law, and the shortest history found that
// breaks it.
type Failure struct {
	// Subject is the type or policy, and Law what it breaks.
	Subject string
	Law     string
	// Means is the law in words.
	Means string
	// Problem is what does not hold.
	Problem string
	// Sides are the views that differ, each with whose it is.
	Sides []Side
	// Trace tells what happened, a line for each thing that somebody did.
	Trace []string
	// Seed and History find it again: the counter-example came up at the
	// History-th try, from 1, and was made simpler Shrinks times.
	Seed    int64
	History int
	Shrinks int
	// Scenario is the history as a file for concord scenario run. It is nil for
	// what the format has no words for; NoScenario says what.
	Scenario   []byte
	NoScenario string
}

// Side is one of several views that should be one.
type Side struct{ Whose, Shows string }

// Error tells the whole counter-example, on several lines.
func (f *Failure) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "proptest: %s breaks %q: %s\n", f.Subject, f.Law, f.Means)
	for i, line := range f.Trace {
		fmt.Fprintf(&b, "  %2d  %s\n", i+1, strings.TrimRight(line, " "))
	}
	fmt.Fprintf(&b, "  %s\n", f.Problem)
	for _, s := range f.Sides {
		fmt.Fprintf(&b, "    %s: %s\n", s.Whose, s.Shows)
	}
	fmt.Fprintf(&b, "  seed %d, history %d, made simpler %s", f.Seed, f.History, times(f.Shrinks))
	if f.NoScenario != "" {
		fmt.Fprintf(&b, "\n  no scenario file: %s", f.NoScenario)
	}
	return b.String()
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// fault is what a law finds.
type fault struct {
	problem string
	sides   []Side
}

func (f *fault) Error() string {
	var b strings.Builder
	b.WriteString(f.problem)
	for _, s := range f.sides {
		fmt.Fprintf(&b, "; %s: %s", s.Whose, s.Shows)
	}
	return b.String()
}
