package merge

import (
	"errors"
	"fmt"
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
)

// Function gives a candidate its key, by code of the application's own. It
// must be pure: its answer follows from its arguments alone, and is the same on
// every replica. It must modify nothing.
type Function func(c *Candidate, f *Facts) Key

// Functions are the functions that policies may name, under [FunctionName].
type Functions map[string]Function

// Rules are a policy made ready to decide: expressions are typed and compiled,
// and named functions are found. Compile once, decide often.
//
// Nil are the rules of no policy. Safe for concurrent use.
type Rules struct {
	policy      Policy
	collections map[string]*CollectionRules
	missing     []string
}

// Compile makes the policy ready to decide. The findings are those of
// [Policy.Validate]; if there are errors among them, the rules are nil.
//
// A function that the policy names and functions lacks is no error: another
// version of the program may have it. The fields that ask for it are shown
// without that step, and [Resolution.Provisional] says so.
//
// The rules keep the policy, which must not be modified afterwards.
func (p *Policy) Compile(functions Functions) (*Rules, Findings) {
	c := p.check()
	if c.findings.Err() != nil {
		return nil, c.findings
	}
	r := &Rules{policy: *c.p, collections: make(map[string]*CollectionRules, len(c.p.Collections))}
	for name := range c.p.Collections {
		rules, err := c.compile(name, functions)
		if err != nil {
			c.fault(path("collections").key(name), err.Error(), "simplify the expression")
			return nil, c.findings
		}
		r.collections[name] = rules
		for _, f := range rules.fields {
			r.missing = append(r.missing, f.missing...)
		}
	}
	slices.Sort(r.missing)
	r.missing = slices.Compact(r.missing)
	return r, c.findings
}

// Policy is what the rules were compiled from. It must not be modified.
func (r *Rules) Policy() *Policy {
	if r == nil {
		return &Policy{}
	}
	return &r.policy
}

// Missing lists the functions that the policy names and that were not given,
// as [FunctionName] writes them.
func (r *Rules) Missing() []string {
	if r == nil {
		return nil
	}
	return slices.Clone(r.missing)
}

// Collection returns the rules of a collection. Without a policy they are those
// of one that takes everything. The error is that of [Policy.Collection].
func (r *Rules) Collection(name string) (*CollectionRules, error) {
	if r == nil || r.policy.isOpen() {
		_, err := (*Policy)(nil).Collection(name)
		return &noRules, err
	}
	if _, err := r.policy.Collection(name); err != nil {
		return nil, err
	}
	return r.collections[name], nil
}

// CollectionRules are the compiled rules of one collection. Nil are those of a
// collection that takes everything. Safe for concurrent use.
type CollectionRules struct {
	collection  Collection
	fields      map[string]*FieldRules
	levels      int // of fields that read others, see FieldRules.level
	constraints []compiledConstraint
	// approvals are the registers and groups whose writes wait for a verdict.
	approvals []string
	// other is the rule of fields that the policy does not have.
	other               *FieldRules
	immediate, deferred *program            // of detection; nil for none
	reads               map[string][]Read   // what a write of a field must know of other records
	fed                 map[string][]string // the fields whose view a write of a field can alter
}

// compiledConstraint is a condition on the view of a record.
type compiledConstraint struct {
	*program
	feeds map[string]bool // the fields that it reads, and those that their rules read
	refs  []string        // the references that it reads
}

// noRules are the rules of a collection without any.
var noRules CollectionRules

// Collection is what the rules were compiled from. It must not be modified.
func (c *CollectionRules) Collection() *Collection {
	if c == nil {
		return &everything
	}
	return &c.collection
}

// Field returns the rules of a field: those of the policy, or the default for
// one that the policy does not have.
func (c *CollectionRules) Field(name string) *FieldRules {
	if c != nil {
		if f, ok := c.fields[name]; ok {
			return f
		}
		if c.other != nil {
			return c.other
		}
	}
	return &undeclared
}

// Constraint decides whether the i-th constraint of the collection holds for a
// record. An expression that fails does not hold; the error says why.
func (c *CollectionRules) Constraint(i int, f *Facts) (bool, error) {
	if c == nil || i < 0 || i >= len(c.constraints) {
		return false, fmt.Errorf("merge: constraint %d: %w", i, errNoConstraint)
	}
	return c.constraints[i].program.holds(&exprInputs{facts: f, now: -1})
}

var errNoConstraint = errors.New("there is none")

// FieldRules are the compiled rules of one field. Safe for concurrent use.
type FieldRules struct {
	rule     FieldRule
	declared bool
	steps    []compiledStep
	// alone reports whether a sole candidate is judged too.
	alone bool
	// level is 0 for a field whose rule reads no other field, and one more than
	// the highest of those that it reads.
	level     int
	versioned bool
	base      bool // an expression reads the common ancestor's value
	missing   []string
	read      func(any) any
}

// undeclared is the rule of a field that the policy does not have; kept is that
// of one in a collection with constraints.
var (
	undeclared = FieldRules{steps: []compiledStep{{Step: Latest}}}
	kept       = FieldRules{steps: undeclared.steps, versioned: true}
)

// Rule is what the rules were compiled from. It must not be modified.
func (r *FieldRules) Rule() *FieldRule { return &r.rule }

// Declared reports whether the policy has the field.
func (r *FieldRules) Declared() bool { return r.declared }

// Versioned reports whether the field keeps every write until it is settled,
// see [Policy.Versioned].
func (r *FieldRules) Versioned() bool { return r.versioned }

// compiledStep is a step with what it runs.
type compiledStep struct {
	Step
	program  *program
	function Function
	window   []stampInterval
}

// stampInterval is half-open.
type stampInterval struct{ from, to clock.Stamp }

func (c *checker) compile(name string, functions Functions) (*CollectionRules, error) {
	col := c.p.Collections[name]
	at := path("collections").key(name)
	out := &CollectionRules{collection: col, fields: make(map[string]*FieldRules, len(col.Fields))}
	record := c.p.recordTypes(&col)
	if len(col.Constraints) > 0 {
		out.other = &kept
	}
	for field, r := range col.Fields {
		_, value := record.forRule(field, &r)
		f := &FieldRules{rule: r, declared: true, read: value.read}
		f.versioned = r.versioned() || len(col.Constraints) > 0
		for i, s := range r.Steps() {
			x := compiledStep{Step: s}
			if checked := c.exprs[at.key("fields").key(field).key("resolve").index(i).key(s.Do.String())]; checked != nil {
				f.base = f.base || checked.base
				var err error
				if x.program, err = checked.program(); err != nil {
					return nil, err
				}
			}
			if s.Do == StepGo {
				if x.function = functions[s.function()]; x.function == nil {
					f.missing = append(f.missing, s.function())
				}
			}
			for _, in := range c.p.Windows[s.Window] {
				x.window = append(x.window, stampInterval{clock.NewStamp(in.From, 0), clock.NewStamp(in.To, 0)})
			}
			f.alone = f.alone || s.alone()
			f.steps = append(f.steps, x)
		}
		out.fields[field] = f
	}
	reads := c.readsOf(at, &col)
	out.order(reads)
	if err := c.compileConditions(out, at, reads); err != nil {
		return nil, err
	}
	out.approvals = approvals(&col)
	out.reads = c.evidenceReads(at, &col)
	return out, nil
}

// compileConditions compiles what is asked of the record as a whole.
func (c *checker) compileConditions(out *CollectionRules, at path, reads map[string][]string) (err error) {
	out.fed = map[string][]string{}
	for _, field := range sortedNames(out.fields) {
		for from := range within(reads, []string{field}) {
			out.fed[from] = append(out.fed[from], field)
		}
	}
	for i := range out.collection.Constraints {
		x := c.exprs[at.key("constraints").index(i).key("must")]
		k := compiledConstraint{refs: sortedNames(x.refs), feeds: within(reads, slices.Concat(x.reads, sortedNames(x.refs)))}
		if k.program, err = x.program(); err != nil {
			return err
		}
		out.constraints = append(out.constraints, k)
	}
	for key, p := range map[string]**program{"immediate": &out.immediate, "deferred": &out.deferred} {
		if x := c.exprs[at.key("detect").key(key)]; x != nil {
			if *p, err = x.program(); err != nil {
				return err
			}
		}
	}
	return nil
}

// within is the set of names that lead to others, with what these read in turn.
func within(reads map[string][]string, names []string) map[string]bool {
	in := map[string]bool{}
	for todo := slices.Clone(names); len(todo) > 0; todo = todo[1:] {
		if !in[todo[0]] {
			in[todo[0]] = true
			todo = append(todo, reads[todo[0]]...)
		}
	}
	return in
}

// order gives every field its level. There are no cycles: they were refused.
func (c *CollectionRules) order(reads map[string][]string) {
	for changed := true; changed; {
		changed = false
		for name, from := range reads {
			f := c.fields[name]
			for _, r := range from {
				if g := c.fields[r]; g != nil && f.level <= g.level {
					f.level, changed = g.level+1, true
				}
			}
			c.levels = max(c.levels, f.level)
		}
	}
}

// Versioned reports whether a field keeps every write until it is settled,
// with what each supersedes, so that rules find all that they read in the state:
// when its collection has constraints, since a change that breaks one is held
// whole; when it asks for approval or review from a share on, when its rule is
// sticky or written as an expression or in Go, and when its type keeps every write
// anyway. O(steps of the field's rule).
func (p *Policy) Versioned(collection, field string) bool {
	if p.isOpen() {
		return false
	}
	col := p.Collections[collection]
	r, ok := col.Fields[field]
	return len(col.Constraints) > 0 || ok && r.versioned()
}

// versioned reports whether the rule by itself makes the field so.
func (r *FieldRule) versioned() bool {
	switch r.Type {
	case crdt.TypeStock, crdt.TypeLog, crdt.TypeProposal:
		return true
	}
	return r.Sticky || r.Review > 0 || r.Consistency == Approved || !r.Intent.IsZero() ||
		slices.ContainsFunc(r.Resolve, func(s Step) bool {
			switch s.Do {
			case StepRequire, StepRank, StepGo, StepApprove:
				return true
			}
			return false
		})
}

// CompileRule makes one field's rule ready to decide by itself, outside of a
// policy: it may name any roles, and no window and no field of a record.
//
// It is for tests of a rule, and for tools. The findings are those of
// [Policy.Compile].
func CompileRule(r FieldRule, functions Functions) (*FieldRules, Findings) {
	p := Policy{Name: "rule", Version: 1, Collections: map[string]Collection{"rule": {Fields: map[string]FieldRule{"rule": r}}}}
	for _, named := range append([][]string{r.Write, r.Recount}, rolesOf(r.Resolve)...) {
		p.Roles = append(p.Roles, named...)
	}
	slices.Sort(p.Roles)
	p.Roles = slices.Compact(p.Roles)
	rules, findings := p.Compile(functions)
	if rules == nil {
		return nil, findings
	}
	return rules.collections["rule"].Field("rule"), findings
}

func rolesOf(steps []Step) (named [][]string) {
	for _, s := range steps {
		named = append(named, s.Roles)
	}
	return named
}
