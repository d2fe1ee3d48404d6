package scenario

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// Fault is one thing that is wrong with a scenario file. [Parse] returns all
// that it finds, joined.
type Fault struct {
	File     string
	Line     int    // 0 when a scenario was built and not read
	Scenario string // its id, empty for faults of the file
	Step     string // its number from 1, 3.2 for the second step inside the third; or "expect"
	Problem  string
	Advice   string // what to do
}

// Error says where, what and what to do, on one line.
func (f *Fault) Error() string {
	var b strings.Builder
	b.WriteString("scenario: " + f.File)
	if f.Line > 0 {
		fmt.Fprintf(&b, ":%d", f.Line)
	}
	if f.Scenario != "" {
		b.WriteString(": " + f.Scenario)
	}
	switch {
	case f.Step == "expect":
		b.WriteString(": expect")
	case f.Step != "":
		b.WriteString(": step " + f.Step)
	}
	b.WriteString(": " + f.Problem)
	if f.Advice != "" {
		b.WriteString("; " + f.Advice)
	}
	return b.String()
}

// maxFaults is where a parser stops collecting: nobody reads on.
const maxFaults = 100

// parser collects faults while it reads a file.
type parser struct {
	file     string
	data     []byte
	scenario string
	step     string
	replicas []string // of the scenario, known when its steps are read
	repeats  int      // how many repeats enclose the step
	faults   []error
}

func (p *parser) fault(n *node, advice, format string, args ...any) {
	if len(p.faults) >= maxFaults {
		return
	}
	f := &Fault{File: p.file, Scenario: p.scenario, Step: p.step, Problem: fmt.Sprintf(format, args...), Advice: advice}
	if n != nil {
		f.Line = bytes.Count(p.data[:min(int(n.offset), len(p.data))], []byte{'\n'}) + 1
	}
	p.faults = append(p.faults, f)
}

func (p *parser) err() error { return errors.Join(p.faults...) }

// want reports a value of the wrong form.
func (p *parser) want(n *node, key, form string) {
	p.fault(n, "", "%s must be %s, but is %s", key, form, n.kind)
}

// nearest is advice about a name that is not in a list: the one that a typing
// error may have missed, and the list where it is short.
func nearest(name string, list []string) string {
	best, distance := "", 3
	for _, candidate := range list {
		if d := editDistance(name, candidate); d < distance {
			best, distance = candidate, d
		}
	}
	all := "use one of " + strings.Join(list, ", ")
	switch {
	case best == "":
		return all
	case len(all) < 240:
		return fmt.Sprintf("did you mean %s? If not, %s", best, all)
	}
	return fmt.Sprintf("did you mean %s?", best)
}

// editDistance is the number of single-byte edits between two short names.
func editDistance(a, b string) int {
	if len(a) > 40 || len(b) > 40 {
		return max(len(a), len(b))
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
