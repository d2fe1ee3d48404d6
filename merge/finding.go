package merge

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Finding is one thing that is wrong with a policy, or looks it, with a way
// out. It is an error that says both.
type Finding struct {
	Severity Severity
	// File, Line and Column say where, counting from 1; Line is zero for a policy
	// that was written in Go.
	File         string
	Line, Column int
	// Path is the place within the policy, such as
	// collections.medication.fields.dose.resolve[0].
	Path    string
	Problem string
	Remedy  string
}

// Severity says whether a policy with the finding can be used.
type Severity uint8

// The severities.
const (
	// SeverityError is a fault: the policy is refused.
	SeverityError Severity = iota
	// SeverityWarning is what someone should look at.
	SeverityWarning
)

// String is the word for people.
func (s Severity) String() string {
	if s == SeverityWarning {
		return "warning"
	}
	return "error"
}

// Place says where the finding is: file, line and column, or the path.
func (f *Finding) Place() string {
	switch {
	case f.Line > 0 && f.File != "":
		return fmt.Sprintf("%s:%d:%d", f.File, f.Line, f.Column)
	case f.Line > 0:
		return fmt.Sprintf("%d:%d", f.Line, f.Column)
	case f.Path != "":
		return f.Path
	}
	return "policy"
}

// Error is the whole finding in one line.
func (f *Finding) Error() string {
	return fmt.Sprintf("merge: %s: %s; %s", f.Place(), f.Problem, f.Remedy)
}

// Findings are what a look at a policy found: by place for a file, and in the
// order of the policy's parts for one that was written in Go.
type Findings []*Finding

// Err joins the findings that are errors; nil if there are none.
func (fs Findings) Err() error {
	var errs []error
	for _, f := range fs {
		if f.Severity == SeverityError {
			errs = append(errs, f)
		}
	}
	return errors.Join(errs...)
}

// sort orders findings by place, and errors first at one place.
func (fs Findings) sort() {
	slices.SortStableFunc(fs, func(a, b *Finding) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Severity, b.Severity))
	})
}

// path names a place within a policy.
type path string

func (p path) key(name string) path {
	if name == "" || strings.ContainsAny(name, ".[]\" \t\n") {
		return path(fmt.Sprintf("%s[%q]", p, name))
	}
	if p == "" {
		return path(name)
	}
	return p + "." + path(name)
}

func (p path) index(i int) path { return path(fmt.Sprintf("%s[%d]", p, i)) }
