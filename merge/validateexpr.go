package merge

import (
	"fmt"
	"slices"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
)

// expressions types every expression of a collection.
func (c *checker) expressions(at path, col *Collection) {
	if !col.hasExpressions() {
		return
	}
	record := c.p.recordTypes(col)
	for _, name := range sortedNames(col.Fields) {
		r := col.Fields[name]
		var env *cel.Env
		for i, s := range r.Resolve {
			if s.Do != StepRequire && s.Do != StepRank {
				continue
			}
			at := at.key("fields").key(name).key("resolve").index(i).key(s.Do.String())
			if env == nil {
				t, value := record.forRule(name, &r)
				if env = c.environment(at, t, value.t); env == nil {
					return
				}
			}
			want := isBoolean
			if s.Do == StepRank {
				want = isKey
			}
			if x := c.expression(at, env, s.Expr, want); x != nil && s.Do == StepRank && !x.ofCandidate {
				c.fault(at, "it gives every candidate the same key", "read candidate, or evidence of what the candidate refers to")
			}
		}
	}
	c.readCycles(at, col)
	c.constraintExpressions(at, record, col)
	if d := col.Detect; d.Immediate != "" || d.Deferred != "" {
		t, _ := record.forRule("", &FieldRule{})
		if env := c.environment(at, t, nil); env != nil {
			for _, x := range []struct{ key, text string }{{"immediate", d.Immediate}, {"deferred", d.Deferred}} {
				if x.text != "" {
					c.expression(at.key("detect").key(x.key), env, x.text, isBoolean)
				}
			}
		}
	}
}

func (c *checker) constraintExpressions(at path, record exprTypes, col *Collection) {
	if len(col.Constraints) == 0 {
		return
	}
	env := c.environment(at, record, nil)
	if env == nil {
		return
	}
	for i, k := range col.Constraints {
		c.expression(at.key("constraints").index(i).key("must"), env, k.Must, isBoolean)
	}
}

func (c *Collection) hasExpressions() bool {
	if len(c.Constraints) > 0 || c.Detect.Immediate != "" || c.Detect.Deferred != "" {
		return true
	}
	for _, r := range c.Fields {
		if slices.ContainsFunc(r.Resolve, func(s Step) bool { return s.Expr != "" || s.Do == StepRequire || s.Do == StepRank }) {
			return true
		}
	}
	return false
}

func (c *checker) environment(at path, t exprTypes, base *types.Type) *cel.Env {
	env, err := t.environment(base)
	if err != nil {
		c.fault(at, fmt.Sprintf("the names here cannot be read by expressions: %v", err), "name collections and fields otherwise")
		return nil
	}
	return env
}

func (c *checker) expression(at path, env *cel.Env, text string, want func(*ast.AST) string) *expression {
	x, faults := compileExpr(env, text, want)
	for _, f := range faults {
		c.fault(at, f.problem, f.remedy)
		c.failed[at] = append(c.failed[at], f)
	}
	if x != nil {
		c.exprs[at] = x
	}
	return x
}

// readCycles finds rules that read each other's outcome: nothing could begin.
func (c *checker) readCycles(at path, col *Collection) {
	reads := c.readsOf(at, col)
	for _, name := range sortedNames(reads) {
		if from := cycle(reads, name); from != nil {
			c.fault(at.key("fields").key(name).key("resolve"), "the rules of "+list(from)+" read each other, so none can begin",
				"let one of them decide without the other's field")
			return
		}
	}
}

// readsOf lists, for each field, the fields that its rule reads.
func (c *checker) readsOf(at path, col *Collection) map[string][]string {
	reads := map[string][]string{}
	for _, name := range sortedNames(col.Fields) {
		for i, s := range col.Fields[name].Resolve {
			if x := c.exprs[at.key("fields").key(name).key("resolve").index(i).key(s.Do.String())]; x != nil {
				reads[name] = append(reads[name], x.reads...)
				for _, ref := range sortedNames(x.refs) {
					if _, declared := col.Fields[ref]; declared && ref != name {
						reads[name] = append(reads[name], ref)
					}
				}
			}
		}
	}
	return reads
}

// cycle finds the way from a name back to itself, nil if there is none.
func cycle(reads map[string][]string, from string) []string {
	type place struct {
		name string
		way  []string
	}
	seen := map[string]bool{}
	todo := []place{{from, nil}}
	for len(todo) > 0 {
		at := todo[0]
		todo = todo[1:]
		way := append(slices.Clone(at.way), at.name)
		for _, next := range reads[at.name] {
			if next == from {
				return way
			}
			if !seen[next] {
				seen[next] = true
				todo = append(todo, place{next, way})
			}
		}
	}
	return nil
}
