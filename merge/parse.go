package merge

import (
	"fmt"
	"math"
	"strings"

	"github.com/concord-crdt/concord/crdt"
	"go.yaml.in/yaml/v3"
)

// ParsePolicy reads a policy file, YAML or JSON, and validates it. name is how
// findings call the file. The findings come in the order of the file; if there
// are errors among them, the policy is nil.
//
// Parsing is strict: an unknown key, a key that is there twice, an alias, a
// second document or a value of another kind is an error. So is what
// [Policy.Validate] calls one.
//
// ParsePolicy is O(file), and takes files of up to a mebibyte. It trusts
// nothing that it reads.
func ParsePolicy(name string, b []byte) (*Policy, Findings) {
	r := &reader{file: name, places: map[path]*yaml.Node{}}
	p := &Policy{}
	if root := r.readDocument(b); root != nil {
		r.policy(root, p)
	}
	// What could not be read would only be found missing.
	if r.findings.Err() == nil {
		c := p.check()
		for _, f := range c.findings {
			r.locate(f, c.failed[path(f.Path)])
		}
		r.findings = append(r.findings, c.findings...)
	}
	r.findings.sort()
	if r.findings.Err() != nil {
		return nil, r.findings
	}
	return p, r.findings
}

// locate gives a finding its place: that of its path, or of the nearest thing
// around it; within an expression, that of the fault.
func (r *reader) locate(f *Finding, in []exprFault) {
	f.File = r.file
	at := f.Path
	for at != "" && r.places[path(at)] == nil {
		at = at[:max(strings.LastIndexByte(at, '.'), strings.LastIndexByte(at, '['), 0)]
	}
	n := r.places[path(at)]
	if n == nil {
		f.Line, f.Column = 1, 1
		return
	}
	f.Line, f.Column = n.Line, n.Column
	for _, x := range in {
		if offset, ok := inScalar(n); ok && x.problem == f.Problem && x.line == 1 {
			f.Column += offset + x.column
			return
		}
	}
}

// inScalar is where the text of a scalar begins, counted from its first
// character, if the text stands in one line as it is.
func inScalar(n *yaml.Node) (offset int, ok bool) {
	if n.Kind != yaml.ScalarNode || strings.Contains(n.Value, "\n") {
		return 0, false
	}
	switch n.Style {
	case 0:
		return 0, true
	case yaml.DoubleQuotedStyle:
		return 1, !strings.ContainsAny(n.Value, `"\`)
	case yaml.SingleQuotedStyle:
		return 1, !strings.Contains(n.Value, "'")
	}
	return 0, false
}

func (r *reader) policy(n *yaml.Node, p *Policy) {
	for _, e := range r.mapping(n, "", "policy", "version", "roles", "activate", "windows", "collections") {
		switch e.at {
		case "policy":
			r.word(e, &p.Name)
		case "version":
			if v, ok := r.number(e, 1, math.MaxInt64); ok {
				p.Version = uint64(v)
			}
		case "roles":
			r.words(e, &p.Roles)
		case "activate":
			r.words(e, &p.Activate)
		case "windows":
			p.Windows = map[string][]Interval{}
			for _, w := range r.mapping(e.value, e.at) {
				p.Windows[w.key.Value] = r.window(w)
			}
		case "collections":
			p.Collections = map[string]Collection{}
			for _, c := range r.mapping(e.value, e.at) {
				p.Collections[c.key.Value] = r.collection(c)
			}
		}
	}
}

func (r *reader) window(e entry) (in []Interval) {
	for _, x := range r.items(e.value, e.at) {
		var v Interval
		for _, m := range r.mapping(x.value, x.at, "from", "to") {
			if m.key.Value == "from" {
				r.moment(m, &v.From)
			} else {
				r.moment(m, &v.To)
			}
		}
		in = append(in, v)
	}
	return in
}

func (r *reader) collection(e entry) (c Collection) {
	if isNothing(e.value) {
		return c
	}
	for _, e := range r.mapping(e.value, e.at, "priority", "partition", "offline", "parent", "delete", "staleness", "refs", "fields", "constraints", "detect") {
		switch e.key.Value {
		case "priority":
			chosen(r, e, ParsePriority, &c.Priority)
		case "partition":
			r.word(e, &c.Partition)
		case "offline":
			chosen(r, e, ParseOffline, &c.Offline)
		case "parent":
			c.Parent = r.parent(e)
		case "delete":
			chosen(r, e, parseDelete, &c.Delete)
		case "staleness":
			r.duration(e, &c.Staleness)
		case "refs":
			c.Refs = map[string]Reference{}
			for _, x := range r.mapping(e.value, e.at) {
				c.Refs[x.key.Value] = r.reference(x)
			}
		case "fields":
			c.Fields = map[string]FieldRule{}
			for _, x := range r.mapping(e.value, e.at) {
				c.Fields[x.key.Value] = r.field(x)
			}
		case "constraints":
			for _, x := range r.items(e.value, e.at) {
				c.Constraints = append(c.Constraints, r.constraint(x))
			}
		case "detect":
			c.Detect = r.detection(e)
		}
	}
	return c
}

func isNothing(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

func parseDelete(s string) (crdt.DeletePolicy, error) {
	i, err := choose("policy of deletion", deleteNames, s)
	return crdt.DeletePolicy(i), err
}

func (r *reader) parent(e entry) (p Parent) {
	if e.value.Kind == yaml.ScalarNode {
		r.word(e, &p.Collection)
		return p
	}
	for _, e := range r.mapping(e.value, e.at, "collection", "required") {
		if e.key.Value == "collection" {
			r.word(e, &p.Collection)
		} else {
			p.Required, _ = r.boolean(e)
		}
	}
	return p
}

func (r *reader) reference(e entry) (ref Reference) {
	if e.value.Kind == yaml.ScalarNode {
		r.word(e, &ref.Collection)
		return ref
	}
	for _, e := range r.mapping(e.value, e.at, "collection", "at") {
		if e.key.Value == "collection" {
			r.word(e, &ref.Collection)
		} else {
			chosen(r, e, ParseEvidenceTime, &ref.At)
		}
	}
	return ref
}

func (r *reader) constraint(e entry) (k Constraint) {
	for _, e := range r.mapping(e.value, e.at, "name", "must", "approve") {
		switch e.key.Value {
		case "name":
			r.word(e, &k.Name)
		case "must":
			r.word(e, &k.Must)
		case "approve":
			r.words(e, &k.Approve)
		}
	}
	return k
}

func (r *reader) detection(e entry) (d Detection) {
	for _, e := range r.section(e, "near", "immediate", "deferred") {
		switch e.key.Value {
		case "near":
			r.duration(e, &d.Near)
		case "immediate":
			r.word(e, &d.Immediate)
		case "deferred":
			r.word(e, &d.Deferred)
		}
	}
	return d
}

func (r *reader) field(e entry) (f FieldRule) {
	for _, e := range r.mapping(e.value, e.at, "type", "of", "min", "max", "consistency", "write", "recount",
		"resolve", "sticky", "quantity", "review", "intent") {
		switch e.key.Value {
		case "type":
			chosen(r, e, crdt.ParseType, &f.Type)
		case "of":
			r.of(e, &f)
		case "min", "max":
			n, ok := r.number(e, math.MinInt64, math.MaxInt64)
			if ok && e.key.Value == "min" {
				f.Min = &n
			} else if ok {
				f.Max = &n
			}
		case "consistency":
			chosen(r, e, ParseConsistency, &f.Consistency)
		case "write":
			r.words(e, &f.Write)
		case "recount":
			r.words(e, &f.Recount)
		case "resolve":
			f.Resolve = r.steps(e)
		case "sticky":
			f.Sticky, _ = r.boolean(e)
		case "quantity":
			if yes, ok := r.boolean(e); ok && yes {
				f.Quantity = IsQuantity
			} else if ok {
				f.Quantity = NotQuantity
			}
		case "review":
			for _, e := range r.section(e, "from") {
				n, _ := r.number(e, 1, millionth)
				f.Review = uint32(n)
			}
		case "intent":
			f.Intent = r.intent(e)
		}
	}
	return f
}

// of reads a kind, a type, or the fields of a group.
func (r *reader) of(e entry, f *FieldRule) {
	if e.value.Kind == yaml.MappingNode {
		f.Members = map[string]Kind{}
		for _, m := range r.mapping(e.value, e.at) {
			var k Kind
			chosen(r, m, ParseKind, &k)
			f.Members[m.key.Value] = k
		}
		return
	}
	s, ok := r.text(e.value, e.at)
	if !ok {
		return
	}
	if t, err := crdt.ParseType(s); err == nil {
		f.Below = t
		return
	}
	chosen(r, e, ParseKind, &f.Of)
}

func (r *reader) intent(e entry) (i Intent) {
	for _, e := range r.section(e, "key", "window", "conflict") {
		switch e.key.Value {
		case "key":
			r.words(e, &i.Key)
		case "window":
			r.duration(e, &i.Window)
		case "conflict":
			r.words(e, &i.Conflict)
		}
	}
	return i
}

func (r *reader) steps(e entry) (steps []Step) {
	es := r.items(e.value, e.at)
	if e.value.Kind == yaml.SequenceNode && len(es) == 0 {
		r.fault(e.value, e.at, "no step decides the field", "say resolve: [latest], or leave it out for the default")
	}
	for _, x := range es {
		steps = append(steps, r.step(x))
	}
	return steps
}

func (r *reader) step(e entry) (s Step) {
	if e.value.Kind == yaml.ScalarNode {
		chosen(r, e, parseStepWord, &s.Do)
		return s
	}
	es := r.mapping(e.value, e.at, "authority", "window", "require", "rank", "go", "approve")
	for _, e := range es {
		key := e.key.Value
		if len(es) > 1 && key != "window" && (key != "authority" || len(es) > 2) {
			r.fault(e.key, e.at, "several steps in one", "give each its own place in the list; only window goes with authority")
			return s
		}
		switch key {
		case "authority":
			if s.Do != StepWindow {
				s.Do = StepAuthority
			}
			r.words(e, &s.Roles)
		case "window":
			s.Do = StepWindow
			r.word(e, &s.Window)
		case "require":
			s.Do = StepRequire
			r.word(e, &s.Expr)
		case "rank":
			s.Do = StepRank
			r.word(e, &s.Expr)
		case "go":
			s.Do = StepGo
			var name string
			r.word(e, &name)
			var ok bool
			if s.Function, s.FunctionVersion, ok = parseFunction(name); !ok {
				r.fault(e.value, e.at, fmt.Sprintf("%q names no function", name), "write NAME@VERSION, such as length@1")
			}
		case "approve":
			s.Do = StepApprove
			r.words(e, &s.Roles)
		}
	}
	return s
}

// stepWords are the steps that need nothing to be said.
var stepWords = []string{StepLatest: "latest", StepEarliest: "earliest", StepSeniority: "seniority", StepMerge: "merge", StepReview: "review"}

func parseStepWord(s string) (StepKind, error) {
	i, err := choose("step", stepWords, s)
	return StepKind(i), err
}
