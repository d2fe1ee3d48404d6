package merge

import (
	"fmt"
	"slices"

	"github.com/concord-crdt/concord/crdt"
)

// millionth is the unit of shares: this many make a whole.
const millionth = 1_000_000

func (c *checker) field(at path, name string, r *FieldRule) {
	if err := checkFieldName(name); err != nil {
		c.fault(at, fmt.Sprintf("field %q: %v", name, err), "name it otherwise")
	}
	const choice = "choose one, such as register, group, counter, stock, set, map, list, log or text"
	switch {
	case r.Type == crdt.TypeElement:
		c.fault(at, "it has no type", choice)
		return
	case !r.Type.Known():
		c.fault(at.key("type"), fmt.Sprintf("it has the unknown type %v", r.Type), choice)
		return
	}
	c.roles(at.key("write"), r.Write)
	c.contents(at, r)
	c.extras(at, r)
	c.consistency(at, r)
	c.resolve(at, r)
	c.quantity(at, name, r)
}

// contents looks at what the field is of.
func (c *checker) contents(at path, r *FieldRule) {
	if int(r.Of) >= len(kindNames) {
		c.fault(at.key("of"), fmt.Sprintf("it is of the unknown %v", r.Of), "choose string, integer, boolean, timestamp, float or any")
	}
	switch r.Type {
	case crdt.TypeGroup:
		if len(r.Members) == 0 {
			c.warn(at, "the group does not say what its fields are, so no expression can read them", "say of: {NAME: KIND, ...}")
		}
		for _, m := range sortedNames(r.Members) {
			if err := checkFieldName(m); err != nil {
				c.fault(at.key("of").key(m), fmt.Sprintf("%q: %v", m, err), "name it otherwise")
			}
			if int(r.Members[m]) >= len(kindNames) {
				c.fault(at.key("of").key(m), fmt.Sprintf("it is of the unknown %v", r.Members[m]), "choose string, integer, boolean, timestamp, float or any")
			}
		}
		if r.Of != Any {
			c.fault(at.key("of"), "a group is of fields, and one kind is given", "say of: {NAME: KIND, ...}")
		}
	case crdt.TypeStock, crdt.TypeBounded, crdt.TypeCounter:
		if r.Of != Any && r.Of != Integer {
			c.fault(at.key("of"), fmt.Sprintf("a %v counts integers, and it says %v", r.Type, r.Of), "say of: integer, or leave it out")
		}
	case crdt.TypeText, crdt.TypeFlag, crdt.TypeDisableFlag:
		if r.Of != Any {
			c.fault(at.key("of"), fmt.Sprintf("a %v is not of a kind, and it says %v", r.Type, r.Of), "leave of out")
		}
	}
	if len(r.Members) > 0 && r.Type != crdt.TypeGroup {
		c.fault(at.key("of"), fmt.Sprintf("a %v has no fields", r.Type), "make it a group, or name one kind")
	}
	switch {
	case r.Below == 0:
	case r.Type != crdt.TypeMap:
		c.fault(at.key("of"), fmt.Sprintf("a %v is not of a type, and it says %v", r.Type, r.Below), "name a kind of value, or make it a map")
	case !r.Below.Known():
		c.fault(at.key("of"), fmt.Sprintf("it is of the unknown type %v", r.Below), "choose a kind, or a type such as counter")
	case r.Of != Any:
		c.fault(at.key("of"), fmt.Sprintf("it is of %v and of %v", r.Below, r.Of), "keep one of them")
	}
}

// extras looks at what only some types have.
func (c *checker) extras(at path, r *FieldRule) {
	only := func(key string, said bool, types ...crdt.Type) {
		if said && !slices.Contains(types, r.Type) {
			c.fault(at.key(key), fmt.Sprintf("a %v has no %s", r.Type, key), fmt.Sprintf("leave it out, or make the field a %v", types[0]))
		}
	}
	only("min", r.Min != nil, crdt.TypeBounded)
	only("max", r.Max != nil, crdt.TypeBounded)
	only("recount", len(r.Recount) > 0, crdt.TypeStock)
	only("intent", !r.Intent.IsZero(), crdt.TypeLog)
	only("review", r.Review > 0, crdt.TypeText, crdt.TypeList, crdt.TypeMap, crdt.TypeSet, crdt.TypeRemoveSet, crdt.TypeGroup, crdt.TypeRegister)
	if r.Type == crdt.TypeBounded && r.Min == nil && r.Max == nil {
		c.warn(at, "the bounded counter has no bounds", "say min or max, or make it a counter")
	}
	if r.Min != nil && r.Max != nil && *r.Min > *r.Max {
		c.fault(at.key("max"), fmt.Sprintf("max %d is less than min %d", *r.Max, *r.Min), "exchange them")
	}
	if r.Review > millionth {
		c.fault(at.key("review"), fmt.Sprintf("%d parts per million are more than the whole", r.Review), "say 50000 for 5 %")
	}
	if r.Quantity > NotQuantity {
		c.fault(at.key("quantity"), "neither true nor false", "say quantity: true or quantity: false")
	}
	c.roles(at.key("recount"), r.Recount)
	if i := r.Intent; r.Type == crdt.TypeLog && !i.IsZero() {
		at := at.key("intent")
		if len(i.Key) == 0 {
			c.fault(at, "no fields make two reports one fact", "say key: [FIELD, ...]")
		}
		if i.Window <= 0 {
			c.fault(at.key("window"), "without a window nothing is a further witness", "say window: 15m")
		}
		c.distinct(at.key("key"), i.Key)
		c.distinct(at.key("conflict"), i.Conflict)
		if len(i.Conflict) > 0 && len(i.Key) > 0 && !slices.ContainsFunc(i.Key, func(k string) bool { return !slices.Contains(i.Conflict, k) }) {
			c.warn(at.key("conflict"), "reports that agree in these agree in the key, so they are one fact and never a conflict", "leave one field of the key out of conflict")
		}
	}
}

func (c *checker) distinct(at path, names []string) {
	for i, n := range names {
		if err := checkFieldName(n); err != nil {
			c.fault(at.index(i), fmt.Sprintf("%q: %v", n, err), "name a field of the entry")
		}
		if slices.Contains(names[:i], n) {
			c.fault(at.index(i), fmt.Sprintf("%q is there twice", n), "keep one of them")
		}
	}
}

func (c *checker) consistency(at path, r *FieldRule) {
	approves := slices.ContainsFunc(r.Resolve, func(s Step) bool { return s.Do == StepApprove })
	at = at.key("consistency")
	switch r.Consistency {
	case Reserved:
		if r.Type != crdt.TypeBounded && r.Type != crdt.TypeRegister && r.Type != crdt.TypeGroup {
			c.fault(at, fmt.Sprintf("nothing of a %v can be reserved", r.Type), "make it a bounded counter (escrow), or a register or a group (a lease)")
		}
	case Approved:
		if !approves && r.Type != crdt.TypeProposal {
			c.fault(at, "writes count once they are approved, and no step says by whom", "say resolve: [{approve: [ROLE]}]")
		}
	case ConsistencyUnsaid:
		if approves {
			c.warn(at, "proposals wait for a verdict, and the level of consistency is left to the default", "say consistency: approved")
		}
	case Eventual, Causal:
		if approves {
			c.fault(at, fmt.Sprintf("proposals wait for a verdict, and that is not %v", r.Consistency), "say consistency: approved, or take the approve step out")
		}
	default:
		c.fault(at, fmt.Sprintf("unknown %v", r.Consistency), "choose eventual, causal, reserved or approved")
	}
}

func (c *checker) resolve(at path, r *FieldRule) {
	steps := at.key("resolve")
	for i, s := range r.Resolve {
		c.step(steps.index(i), s, r)
		if i < len(r.Resolve)-1 && s.final() {
			c.fault(steps.index(i+1), fmt.Sprintf("it has no say: %v, before it, always decides", s), "put the deciding step last, and keep one")
		}
		if slices.ContainsFunc(r.Resolve[:i], func(o Step) bool { return o.String() == s.String() && !s.final() }) {
			c.warn(steps.index(i), "the step is there twice, and the second has no say", "keep the first")
		}
	}
	if n := len(r.Resolve); n > 0 && r.resolves() && !r.Resolve[n-1].final() && r.Resolve[n-1].Do != StepNone {
		c.warn(steps, "what these steps leave is decided by the names of replicas", "end with latest, earliest or review")
	}
	if r.Sticky && !r.resolves() {
		c.fault(at.key("sticky"), fmt.Sprintf("a %v joins by itself, and no rank binds its writers", r.Type), "leave sticky out, or make it a register")
	}
	if r.Sticky && r.resolves() && !slices.ContainsFunc(r.Steps(), func(s Step) bool { return !s.final() || s.Do == StepEarliest }) {
		c.warn(at.key("sticky"), "the latest write is shown with and without it", "add the step that shall bind later writers, or leave sticky out")
	}
	if len(r.Resolve) == 0 && len(r.Write) > 1 && r.resolves() {
		c.warn(at, "the roles "+list(r.Write)+" may write it, and no rule says whose counts", "say resolve: [latest] if the last one does, or order them by authority")
	}
	if r.Type == crdt.TypeProposal && len(r.Resolve) == 0 {
		c.warn(at, "nothing says who may approve a proposal", "say resolve: [{approve: [ROLE]}]")
	}
}

func (c *checker) step(at path, s Step, r *FieldRule) {
	switch {
	case s.Do == StepNone || int(s.Do) >= len(stepNames):
		c.fault(at, "it is no step", "choose latest, earliest, authority, seniority, window, require, rank, go, merge, review or approve")
		return
	case s.Do == StepMerge && r.resolves():
		c.fault(at, fmt.Sprintf("two values of a %v cannot be merged", r.Type), "choose latest or another step, or make it a text, set, map or counter")
	case s.Do == StepApprove && r.Type == crdt.TypeMap:
		c.fault(at, "what is below a map cannot wait for a verdict", "make it a register, a group or a proposal")
	case s.Do != StepMerge && !r.resolves():
		c.fault(at, fmt.Sprintf("a %v joins by itself, and there is nothing to resolve", r.Type), "leave resolve out, say merge, or make it a register")
	case s.Do != StepApprove && r.Type == crdt.TypeProposal:
		c.fault(at, "of a proposal counts what was approved", "say resolve: [{approve: [ROLE]}]")
	}
	named := at.key(s.Do.String())
	switch s.Do {
	case StepAuthority, StepWindow:
		if s.Do == StepWindow {
			named = at.key("authority")
			if _, ok := c.p.Windows[s.Window]; !ok {
				c.fault(at.key("window"), fmt.Sprintf("there is no window %q", s.Window), "correct it, or declare it under windows ("+list(sortedNames(c.p.Windows))+")")
			}
		}
		if len(s.Roles) == 0 {
			c.fault(named, "authority names no roles", "list them, highest first")
		}
		for i, role := range s.Roles {
			if len(r.Write) > 0 && slices.Contains(c.p.Roles, role) && !slices.Contains(r.Write, role) {
				c.warn(named.index(i), fmt.Sprintf("%q has authority over the field, and may not write it", role), "add it to write ("+list(r.Write)+"), or take it out here")
			}
		}
		c.roles(named, s.Roles)
	case StepApprove:
		if len(s.Roles) == 0 {
			c.fault(named, "approve names no roles", "list those whose verdict counts")
		}
		c.roles(named, s.Roles)
	case StepGo:
		if n, v, ok := parseFunction(s.function()); !ok || n != s.Function || v != s.FunctionVersion {
			c.fault(named, fmt.Sprintf("%q names no function", s.function()), "write NAME@VERSION, such as length@1")
		}
	}
	if len(s.Roles) > 0 && s.Do != StepAuthority && s.Do != StepWindow && s.Do != StepApprove ||
		s.Window != "" && s.Do != StepWindow || s.Expr != "" && s.Do != StepRequire && s.Do != StepRank ||
		(s.Function != "" || s.FunctionVersion != 0) && s.Do != StepGo {
		c.fault(at, fmt.Sprintf("%v is given what it does not take", s.Do), "make the step with the function of its name")
	}
}

// quantity finds counts that overwrite each other: of two concurrent sales
// one would be lost.
func (c *checker) quantity(at path, name string, r *FieldRule) {
	const way = "make it a counter, a stock (deliveries, sales and recounts) or a bounded counter; or resolve it by window or authority first"
	overwrites := r.resolves() && r.Type != crdt.TypeProposal && r.Steps()[0].Do == StepLatest
	switch {
	case r.Quantity == IsQuantity && overwrites:
		c.fault(at, "it is a quantity, and of two writes the later would win", way)
	case r.Quantity == QuantityUnsaid && overwrites && r.Of == Integer && r.Type == crdt.TypeRegister && looksLikeQuantity(name):
		c.fault(at, fmt.Sprintf("%q looks like a quantity, and of two writes the later would win", name), way+"; if it is none, say quantity: false")
	}
}

// levels finds rules that tie a field with a strong promise to one with a
// weak one: the promise is then worth the weaker of the two.
func (c *checker) levels(at path, col *Collection) {
	strong := func(l Consistency) bool { return l == Reserved || l == Approved }
	tie := func(at path, what string, fields []string) {
		for _, a := range fields {
			for _, b := range fields {
				fa, fb := col.Fields[a], col.Fields[b]
				if strong(fa.level()) && fb.level() == Eventual {
					c.fault(at, fmt.Sprintf("%s ties %q, which is %v, to %q, which is eventual: it can break unseen", what, a, fa.level(), b),
						fmt.Sprintf("make %q causal at least, or leave it out of the rule", b))
				}
			}
		}
	}
	for i, k := range col.Constraints {
		at := at.key("constraints").index(i).key("must")
		if x := c.exprs[at]; x != nil {
			tie(at, fmt.Sprintf("the constraint %q", k.Name), x.reads)
		}
	}
	for _, name := range sortedNames(col.Fields) {
		for i, s := range col.Fields[name].Resolve {
			at := at.key("fields").key(name).key("resolve").index(i).key(s.Do.String())
			if x := c.exprs[at]; x != nil {
				tie(at, "the rule", append([]string{name}, x.reads...))
			}
		}
	}
}
