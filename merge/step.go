package merge

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Step is one rule of an overlay. It gives each candidate a key, or keeps some
// of them; what is left goes on to the next step. It compares no two candidates,
// so nothing can be intransitive.
//
// The zero value is no step, and keeps all.
type Step struct {
	Do StepKind
	// Roles of authority and window, highest first; of approve, those whose
	// verdict counts.
	Roles []string
	// Window names the intervals of a window.
	Window string
	// Expr is the CEL expression of require (a boolean) and rank (a key: an
	// integer, string, boolean or timestamp, or a list of these).
	Expr string
	// Function and FunctionVersion name a registered function of go.
	Function        string
	FunctionVersion uint32
}

// StepKind says what a step does. The numbers are part of the digest: they are
// never changed.
type StepKind uint8

// The kinds of steps.
const (
	StepNone StepKind = 0
	// StepLatest keeps the greatest effective stamp: last write wins. Of equal
	// stamps the greater entry wins, so it always decides.
	StepLatest StepKind = 1
	// StepEarliest keeps the least effective stamp: first write wins. It always
	// decides, in the same way.
	StepEarliest StepKind = 2
	// StepAuthority keeps the candidates of the first role in the list that any
	// candidate has. Roles that are not listed come last.
	StepAuthority StepKind = 3
	// StepSeniority keeps the greatest seniority of the authors.
	StepSeniority StepKind = 4
	// StepWindow is authority where all candidates lie in one interval of a
	// window, and keeps all elsewhere.
	StepWindow StepKind = 5
	// StepRequire keeps those for which an expression holds. If it holds for
	// none, the field is unresolved. It is asked about a sole candidate too.
	StepRequire StepKind = 6
	// StepRank keeps the greatest key that an expression gives.
	StepRank StepKind = 7
	// StepGo keeps the greatest key that a registered function gives.
	StepGo StepKind = 8
	// StepMerge keeps all, for types that join by themselves.
	StepMerge StepKind = 9
	// StepReview decides nothing: the latest is shown, and a person is asked.
	StepReview StepKind = 10
	// StepApprove keeps, of the approved candidates, the one with the latest
	// stamp. If none is approved, nothing is shown. It is asked about a sole
	// candidate too.
	StepApprove StepKind = 11
)

var stepNames = [...]string{
	StepNone: "none", StepLatest: "latest", StepEarliest: "earliest", StepAuthority: "authority",
	StepSeniority: "seniority", StepWindow: "window", StepRequire: "require", StepRank: "rank",
	StepGo: "go", StepMerge: "merge", StepReview: "review", StepApprove: "approve",
}

// String is the word for the kind in a policy file.
func (k StepKind) String() string { return nameOf("step", stepNames[:], int(k)) }

// The steps that need nothing to be said. They must not be modified.
var (
	Latest    = Step{Do: StepLatest}
	Earliest  = Step{Do: StepEarliest}
	Seniority = Step{Do: StepSeniority}
	Merge     = Step{Do: StepMerge}
	Review    = Step{Do: StepReview}
)

// Authority prefers the candidates whose role comes first in the list.
//
// It decides between writes that did not see each other: whoever corrects a
// value that they saw replaces it, whatever the roles, unless the field is
// sticky.
func Authority(roles ...string) Step { return Step{Do: StepAuthority, Roles: slices.Clone(roles)} }

// Window is [Authority] within the intervals of a window.
func Window(name string, roles ...string) Step {
	return Step{Do: StepWindow, Window: name, Roles: slices.Clone(roles)}
}

// Require keeps the candidates for which a CEL expression holds.
func Require(expr string) Step { return Step{Do: StepRequire, Expr: expr} }

// Rank keeps the candidates with the greatest key of a CEL expression.
func Rank(expr string) Step { return Step{Do: StepRank, Expr: expr} }

// Go keeps the candidates with the greatest key of a registered function.
func Go(name string, version uint32) Step {
	return Step{Do: StepGo, Function: name, FunctionVersion: version}
}

// Approve shows the latest candidate that one of the roles has approved.
func Approve(roles ...string) Step { return Step{Do: StepApprove, Roles: slices.Clone(roles)} }

// String writes the step as people would.
func (s Step) String() string {
	switch s.Do {
	case StepAuthority:
		return "authority: " + strings.Join(s.Roles, ", ")
	case StepApprove:
		return strings.TrimSuffix("approve: "+strings.Join(s.Roles, ", "), ": ")
	case StepWindow:
		return fmt.Sprintf("window %s: %s", s.Window, strings.Join(s.Roles, ", "))
	case StepRequire, StepRank:
		return s.Do.String() + ": " + s.Expr
	case StepGo:
		return "go: " + s.function()
	}
	return s.Do.String()
}

// function is the name of a registered function with its version.
func (s Step) function() string { return FunctionName(s.Function, s.FunctionVersion) }

// FunctionName is how a policy names a registered function: NAME@VERSION.
func FunctionName(name string, version uint32) string {
	return name + "@" + strconv.FormatUint(uint64(version), 10)
}

// parseFunction is the inverse of FunctionName.
func parseFunction(s string) (name string, version uint32, ok bool) {
	name, v, found := strings.Cut(s, "@")
	n, err := strconv.ParseUint(v, 10, 32)
	return name, uint32(n), found && err == nil && name != "" && n > 0 && FunctionName(name, uint32(n)) == s
}

// final reports whether nothing has a say after the step.
func (s Step) final() bool {
	switch s.Do {
	case StepLatest, StepEarliest, StepMerge, StepReview, StepApprove:
		return true
	}
	return false
}

// alone reports whether the step is asked about a sole candidate.
func (s Step) alone() bool { return s.Do == StepRequire || s.Do == StepApprove }
