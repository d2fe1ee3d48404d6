package scenario

import "fmt"

// checkNames reports names that a scenario uses and nothing in it declares.
// Names with {i} are made while it runs and are not checked.
func checkNames(p *parser, s *Scenario) {
	c := nameChecker{p: p, declared: map[string]bool{}}
	c.steps(s.Steps, "")
	p.step = "expect"
	c.expect(&s.Expect)
	p.step = ""
}

// nameChecker holds what the steps so far declare, as "kind name".
type nameChecker struct {
	p        *parser
	declared map[string]bool
}

func (c *nameChecker) declare(kind, name string) { c.declared[kind+" "+name] = true }

func (c *nameChecker) use(name, advice string, kinds ...string) {
	if name == "" || hasRound(name) {
		return
	}
	for _, kind := range kinds {
		if c.declared[kind+" "+name] {
			return
		}
	}
	c.p.fault(nil, advice, "%q names nothing that an earlier step declares", name)
}

func (c *nameChecker) steps(steps []Step, prefix string) {
	for i := range steps {
		s := &steps[i]
		c.p.step = fmt.Sprint(prefix, i+1)
		c.use(s.Seen, "take a version token with a read step before", "token")
		switch s.Do {
		case "deliver", "deliver_corrupt", "deliver_version":
			c.use(s.What, "name a delta or snapshot taken before", "delta", "snapshot of "+s.On, "snapshot")
		case "restore":
			c.use(s.From, "name a snapshot of "+s.On+" taken before", "snapshot of "+s.On)
		case "verdict":
			c.use(s.Of, "name the label or the intent of an earlier write", "label", "intent")
		case "delta":
			c.declare("delta", s.Name)
		case "snapshot":
			c.declare("snapshot", s.Name)
			c.declare("snapshot of "+s.On, s.Name)
		case "read":
			c.declare("token", s.Name)
		case "anchor":
			c.declare("anchor", s.Name)
		case "check":
			if s.Expect != nil {
				c.expect(s.Expect)
			}
		}
		if s.Label != "" {
			c.declare("label", s.Label)
		}
		if s.Intent != "" {
			c.declare("intent", s.Intent)
		}
		c.steps(s.Steps, fmt.Sprint(prefix, i+1, "."))
	}
}

func (c *nameChecker) expect(e *Expect) {
	for _, name := range sortedKeys(e.Anchors) {
		c.use(name, "name it with an anchor step", "anchor")
	}
	for _, list := range [][]string{e.Unresolved, e.Held, e.Review, e.Waiting, e.Rejected} {
		for _, name := range list {
			if !isRecord(name) {
				c.use(name, "write collection/key, collection/key.field, or the label of a step", "label")
			}
		}
	}
	for _, o := range e.Overruled {
		c.use(o.Label, "give the step that wrote it this label", "label")
	}
}
