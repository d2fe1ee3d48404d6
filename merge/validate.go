package merge

import (
	"fmt"
	"slices"
	"time"

	"github.com/concord-crdt/concord/crdt"
)

// Validate lists everything that is wrong with the policy, and what looks it:
// names, roles, types, rules that contradict each other or leave a question
// open, expressions that do not type, quantities that overwrite each other. A
// policy without errors among the findings can be compiled.
//
// Validate is O(policy) and types every expression, some tenths of a millisecond
// each.
func (p *Policy) Validate() Findings {
	return p.check().findings
}

func (p *Policy) check() *checker {
	c := &checker{exprs: map[path]*expression{}, failed: map[path][]exprFault{}}
	if p == nil {
		p = &Policy{}
	}
	c.p = p
	c.policy()
	return c
}

// checker goes through a policy once. It keeps the expressions that it typed.
type checker struct {
	p        *Policy
	findings Findings
	exprs    map[path]*expression
	failed   map[path][]exprFault // where in an expression its faults are
}

func (c *checker) fault(at path, problem, remedy string) {
	c.findings = append(c.findings, &Finding{Severity: SeverityError, Path: string(at), Problem: problem, Remedy: remedy})
}

func (c *checker) warn(at path, problem, remedy string) {
	c.findings = append(c.findings, &Finding{Severity: SeverityWarning, Path: string(at), Problem: problem, Remedy: remedy})
}

func (c *checker) policy() {
	p := c.p
	if !p.isOpen() && p.Name == "" {
		c.warn("policy", "the policy has no name", "say policy: NAME, so that its versions can be told from those of another")
	}
	if !p.isOpen() && p.Version == 0 {
		c.warn("version", "the policy has no version", "say version: 1, and count from there")
	}
	if p.Name != "" {
		c.name("policy", "policy", p.Name)
	}
	for i, r := range p.Roles {
		at := path("roles").index(i)
		if err := checkFieldName(r); err != nil {
			c.fault(at, fmt.Sprintf("role %q: %v", r, err), "name it otherwise")
		}
		if slices.Contains(p.Roles[:i], r) {
			c.fault(at, fmt.Sprintf("role %q is there twice", r), "keep the place that its seniority gives it")
		}
	}
	c.roles("activate", p.Activate)
	for _, name := range sortedNames(p.Windows) {
		c.window(name, p.Windows[name])
	}
	for _, name := range sortedNames(p.Collections) {
		col := p.Collections[name]
		c.collection(path("collections").key(name), name, &col)
	}
	c.parentCycles()
}

func (c *checker) name(at path, what, name string) {
	if err := checkName(name); err != nil {
		c.fault(at, fmt.Sprintf("%s %q: %v", what, name, err), "name it otherwise")
	}
}

// roles looks at a list of roles that a rule gives.
func (c *checker) roles(at path, named []string) {
	for i, r := range named {
		if !slices.Contains(c.p.Roles, r) {
			c.fault(at.index(i), fmt.Sprintf("%q is no role", r), "correct it, or add it to roles ("+list(c.p.Roles)+")")
		}
		if slices.Contains(named[:i], r) {
			c.fault(at.index(i), fmt.Sprintf("the role %q is there twice", r), "keep one of them")
		}
	}
}

func (c *checker) window(name string, in []Interval) {
	at := path("windows").key(name)
	c.name(at, "window", name)
	if len(in) == 0 {
		c.fault(at, "the window has no intervals", "list them as {from: TIME, to: TIME}, or take the window out")
	}
	for i, x := range in {
		if !x.From.Before(x.To) {
			c.fault(at.index(i), fmt.Sprintf("the interval ends at %s, before it begins", formatTime(x.To)), "write the earlier time as from")
		}
		if x.From.Nanosecond()%1e6 != 0 || x.To.Nanosecond()%1e6 != 0 {
			c.fault(at.index(i), "stamps count milliseconds, and the interval is finer", "round it to the millisecond")
		}
		for j, y := range in[:i] {
			if x.From.Before(y.To) && y.From.Before(x.To) {
				c.warn(at.index(i), fmt.Sprintf("it overlaps interval %d", j+1), "make one of them, or let them meet")
			}
		}
	}
}

func (c *checker) collection(at path, name string, col *Collection) {
	c.name(at, "collection", name)
	if col.Priority < Bulk || col.Priority > Critical {
		c.fault(at.key("priority"), fmt.Sprintf("unknown %v", col.Priority), "choose critical, high, normal or bulk")
	}
	if col.Partition != "" {
		c.name(at.key("partition"), "partition", col.Partition)
	}
	if col.Offline > OfflineNone {
		c.fault(at.key("offline"), fmt.Sprintf("unknown %v", col.Offline), "choose write, read or none")
	}
	if col.Delete > crdt.UpdateWins {
		c.fault(at.key("delete"), fmt.Sprintf("unknown policy of deletion %d", col.Delete), "choose delete-wins or update-wins")
	}
	c.duration(at.key("staleness"), col.Staleness)
	c.duration(at.key("detect").key("near"), col.Detect.Near)
	c.parent(at.key("parent"), col)
	c.refs(at.key("refs"), col)
	for _, field := range sortedNames(col.Fields) {
		r := col.Fields[field]
		c.field(at.key("fields").key(field), field, &r)
	}
	c.expressions(at, col)
	c.constraints(at.key("constraints"), col)
	c.levels(at, col)
	c.unsaid(at, col)
}

func (c *checker) duration(at path, d time.Duration) {
	if d < 0 {
		c.fault(at, fmt.Sprintf("%v is before now", d), "write how long, such as 15m")
	}
}

func (c *checker) parent(at path, col *Collection) {
	if col.Parent.Collection == "" {
		if col.Parent.Required {
			c.fault(at, "a parent is required, and no collection is named", "say {collection: NAME, required: true}")
		}
		return
	}
	parent, ok := c.p.Collections[col.Parent.Collection]
	if !ok {
		c.fault(at, fmt.Sprintf("there is no collection %q", col.Parent.Collection), "correct it, or declare it ("+list(sortedNames(c.p.Collections))+")")
		return
	}
	if col.Offline == OfflineWrite && parent.Offline == OfflineNone {
		c.warn(at, fmt.Sprintf("records are written offline, and their parents in %q are not kept on devices", col.Parent.Collection),
			"say offline: read for the parent, or less than write here")
	}
}

// parentCycles finds collections whose every record would need a parent
// before it.
func (c *checker) parentCycles() {
	for _, name := range sortedNames(c.p.Collections) {
		seen := []string{}
		for at := name; c.p.Collections[at].Parent.Required && !slices.Contains(seen, at); {
			seen = append(seen, at)
			if at = c.p.Collections[at].Parent.Collection; at == name {
				c.fault(path("collections").key(name).key("parent"), fmt.Sprintf("parents are required all the way round from %q to itself, so no record is ever shown", name),
					"take required from one of them")
			}
		}
	}
}

func (c *checker) refs(at path, col *Collection) {
	for _, name := range sortedNames(col.Refs) {
		r := col.Refs[name]
		if _, ok := c.p.Collections[r.Collection]; !ok {
			c.fault(at.key(name), fmt.Sprintf("there is no collection %q", r.Collection), "correct it, or declare it ("+list(sortedNames(c.p.Collections))+")")
		}
		if r.At > AtNow {
			c.fault(at.key(name).key("at"), fmt.Sprintf("unknown %v", r.At), "choose write or now")
		}
		switch f, ok := col.Fields[name]; {
		case !ok:
			c.fault(at.key(name), fmt.Sprintf("there is no field %q to hold the key", name), "name the field that holds it, or declare one of that name")
		case f.Type != crdt.TypeRegister || f.Of != String:
			c.fault(at.key(name), fmt.Sprintf("the field %q cannot hold a key", name), "make it {type: register, of: string}")
		}
	}
}

func (c *checker) constraints(at path, col *Collection) {
	for i, k := range col.Constraints {
		at := at.index(i)
		if err := checkFieldName(k.Name); err != nil {
			c.fault(at.key("name"), fmt.Sprintf("constraint %q: %v", k.Name, err), "give it a name that people understand when it holds a write back")
		}
		if slices.ContainsFunc(col.Constraints[:i], func(o Constraint) bool { return o.Name == k.Name }) {
			c.fault(at.key("name"), fmt.Sprintf("the constraint %q is there twice", k.Name), "name them apart")
		}
		if len(k.Approve) == 0 {
			c.warn(at, "nobody may approve what breaks it", "say approve: [ROLE], or such a write stays held until it is corrected")
		}
		c.roles(at.key("approve"), k.Approve)
		if x := c.exprs[at.key("must")]; x != nil && len(x.reads) == 0 {
			c.fault(at.key("must"), "it reads no field of the record", "write a condition on record.FIELD")
		}
	}
}

// unsaid warns of what a critical collection leaves to defaults.
func (c *checker) unsaid(at path, col *Collection) {
	if col.Priority != Critical {
		return
	}
	var fields []string
	for _, name := range sortedNames(col.Fields) {
		if r := col.Fields[name]; r.Consistency == ConsistencyUnsaid {
			fields = append(fields, name)
		}
	}
	if len(fields) > 0 {
		c.warn(at, "the collection is critical, and the level of consistency is left to the default for "+list(fields),
			"say consistency: causal, reserved, approved or eventual for each")
	}
}
