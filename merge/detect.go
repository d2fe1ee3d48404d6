package merge

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt"
)

// detection looks for conflicts in what a look at a record found. It runs before
// and apart from resolution: it needs the siblings, and not who wins.
type detection struct {
	*lens
	view      *RecordView
	without   Dimension
	conflicts []Conflict
	reviews   []ReviewRequest
}

// technical goes through the fields of the view, those below maps too.
func (d *detection) technical() {
	type place struct {
		name   string
		f      *FieldView
		fields []crdt.Field // that lie there
		rules  *FieldRules
	}
	var todo []place
	for i := range d.view.Fields {
		f := &d.view.Fields[i]
		fields := slices.Clone(d.fields[f.Name])
		if left := d.lens.without(f.Name); left != nil {
			for j := range fields {
				fields[j] = fields[j].Without(left)
			}
		}
		todo = append(todo, place{f.Name, f, fields, d.rule(f.Name)})
	}
	for i := 0; i < len(todo); i++ {
		at := todo[i]
		j := slices.IndexFunc(at.fields, func(f crdt.Field) bool { return f.Type() == at.f.Type })
		if at.f.Absent || j < 0 {
			continue
		}
		field := at.fields[j]
		switch at.f.Type {
		case crdt.TypeRegister, crdt.TypeGroup:
			d.siblings(at.name, field, at.f, at.rules)
		case crdt.TypeLog:
			d.contradictions(at.name, at.f, at.rules)
		case crdt.TypeMap:
			kids := map[string][]crdt.Field{}
			for k := range field.Kids() {
				kids[k.Name()] = append(kids[k.Name()], k)
			}
			for k := range at.f.Fields {
				f := &at.f.Fields[k]
				todo = append(todo, place{at.name + "/" + f.Name, f, kids[f.Name], at.rules.below()})
			}
		}
		if !strings.Contains(at.name, "/") || i < len(d.view.Fields) {
			d.review(at.name, field, at.f, at.rules)
		}
	}
}

// siblings reports the concurrent writes of a register or group. Writes that agree
// are none, and neither are reports of one event: those of one intent.
func (d *detection) siblings(name string, f crdt.Field, shown *FieldView, rules *FieldRules) {
	r := shown.Resolution
	if r.Review {
		d.reviews = append(d.reviews, ReviewRequest{Field: name})
	}
	cs := slices.Clone(shown.Candidates)
	if rules.rule.Sticky {
		cs = d.candidates(f, f.Candidates())
	}
	if !differ(cs) {
		return
	}
	c := Conflict{Field: name, Candidates: cs, Shown: -1, Base: d.baseOf(f, cs, d.lens.without(topOf(name)))}
	if w, ok := shown.Winner(); ok {
		c.Shown = slices.IndexFunc(cs, func(x Candidate) bool { return x.Entry == w.Entry })
	}
	if r.Step >= 0 && r.Step < len(rules.steps) {
		c.Rule = rules.steps[r.Step].Step.String()
	}
	d.measure(&c, rules)
	if r.Review || r.Unresolved {
		c.Severity = max(c.Severity, NoticeDeferred)
	}
	d.conflicts = append(d.conflicts, c)
}

func topOf(name string) string {
	top, _, _ := strings.Cut(name, "/")
	return top
}

// differ reports whether candidates say different things.
func differ(cs []Candidate) bool {
	for i := range cs {
		if i > 0 && !sameEvent(&cs[0], &cs[i]) && !sameValue(cs[0].Value, cs[i].Value) {
			return true
		}
	}
	return false
}

func sameEvent(a, b *Candidate) bool { return !a.Intent.IsZero() && a.Intent == b.Intent }

func sameValue(a, b any) bool {
	x, err := codec.AppendValue(nil, a)
	y, err2 := codec.AppendValue(nil, b)
	return err == nil && err2 == nil && bytes.Equal(x, y)
}

// contradictions reports facts of a log that exclude each other.
func (d *detection) contradictions(name string, shown *FieldView, rules *FieldRules) {
	for _, set := range rules.rule.Intent.conflicts(shown.Facts) {
		c := Conflict{Field: name, Kind: Business, Shown: -1, Rule: "intent"}
		for _, f := range set {
			c.Candidates = append(c.Candidates, f.First)
		}
		d.measure(&c, rules)
		c.Severity = max(c.Severity, NoticeDeferred)
		d.conflicts = append(d.conflicts, c)
	}
}

// broken reports the changes that constraints hold.
func (d *detection) broken() {
	for _, h := range d.view.Held {
		if len(h.Constraints) == 0 {
			continue
		}
		c := Conflict{Field: h.Writes[0].Field, Kind: Business, Shown: -1, Rule: strings.Join(h.Constraints, ", ")}
		for _, w := range h.Writes {
			m := d.holds.moves[h.Change]
			if m == nil || slices.Contains(m.fields, topOf(w.Field)) {
				if len(c.Candidates) == 0 {
					c.Field = w.Field
				}
				if w.Field == c.Field {
					c.Candidates = append(c.Candidates, w.Candidate)
				}
			}
		}
		if f := d.field(topOf(c.Field)); f != nil && !f.Absent && c.Field == f.Name {
			c.Base = f.Value
		}
		d.measure(&c, d.rule(topOf(c.Field)))
		c.Severity = max(c.Severity, NoticeDeferred)
		d.conflicts = append(d.conflicts, c)
	}
}

// measure asks the dimensions that are on about a conflict, and says how soon
// somebody is to hear of it.
func (d *detection) measure(c *Conflict, rules *FieldRules) {
	c.Severity = NoticeAuto
	if d.without&DimensionTime == 0 && len(c.Candidates) > 1 {
		m := Measured{Dimension: DimensionTime, Distance: nearest(c.Candidates)}
		if m.Fired = m.Distance < d.rules.collection.Detect.Near; m.Fired {
			c.Severity = NoticeImmediate
		}
		c.Dimensions = append(c.Dimensions, m)
	}
	if d.without&DimensionPattern == 0 {
		c.Diff = diffOf(c)
		m := Measured{Dimension: DimensionPattern}
		for _, x := range c.Diff {
			m.Changed = append(m.Changed, x.Field)
		}
		for i := range c.Candidates {
			a := alterationOf(c.Base, c.Candidates[i].Value)
			m.Shares = append(m.Shares, a.share())
			m.Fired = m.Fired || a.reaches(rules.rule.Review)
		}
		if m.Fired {
			c.Severity = max(c.Severity, NoticeDeferred)
		}
		c.Dimensions = append(c.Dimensions, m)
	}
	if d.without&DimensionRoles == 0 {
		m := Measured{Dimension: DimensionRoles}
		for i := range c.Candidates {
			m.Roles = append(m.Roles, c.Candidates[i].Role)
		}
		slices.Sort(m.Roles)
		m.Roles = slices.Compact(m.Roles)
		m.Fired = len(m.Roles) > 1
		c.Dimensions = append(c.Dimensions, m)
	}
	if d.without&DimensionContext == 0 {
		c.Dimensions = append(c.Dimensions, d.context(c))
	}
}

// context asks the policy's conditions.
func (d *detection) context(c *Conflict) Measured {
	m := Measured{Dimension: DimensionContext}
	facts := *d.facts()
	facts.Evidence = d.referred(sortedNames(d.rules.collection.Refs))
	in := &exprInputs{set: c.Candidates, facts: &facts, now: -1}
	for i := range c.Candidates {
		in.left = append(in.left, i)
	}
	for _, k := range []struct {
		name string
		p    *program
		then Notice
	}{{"immediate", d.rules.immediate, NoticeImmediate}, {"deferred", d.rules.deferred, NoticeDeferred}} {
		if k.p == nil {
			continue
		}
		if ok, _ := k.p.holds(in); ok {
			m.Fired = true
			m.Conditions = append(m.Conditions, k.name)
			c.Severity = max(c.Severity, k.then)
		}
	}
	return m
}

// nearest is the distance of the two candidates that are nearest in time.
func nearest(cs []Candidate) time.Duration {
	order := slices.SortedFunc(slices.Values(cs), func(a, b Candidate) int { return inLogOrder(&a, &b) })
	least := time.Duration(-1)
	for i := 1; i < len(order); i++ {
		if gap := order[i].Stamp.Time().Sub(order[i-1].Stamp.Time()); least < 0 || gap < least {
			least = gap
		}
	}
	return least
}

// diffOf tells where candidates differ from the base or from each other: by the
// members of groups, else as a whole.
func diffOf(c *Conflict) (diff []FieldDiff) {
	base, _ := c.Base.(map[string]any)
	members := map[string]bool{}
	for name := range base {
		members[name] = true
	}
	whole := len(c.Candidates) == 0
	for i := range c.Candidates {
		m, ok := c.Candidates[i].Value.(map[string]any)
		whole = whole || !ok
		for name := range m {
			members[name] = true
		}
	}
	if whole {
		d := FieldDiff{Field: c.Field, Base: c.Base}
		for i := range c.Candidates {
			d.Values = append(d.Values, c.Candidates[i].Value)
		}
		return []FieldDiff{d}
	}
	for _, name := range sortedNames(members) {
		d := FieldDiff{Field: c.Field + "." + name, Base: base[name]}
		same := true
		for i := range c.Candidates {
			v := c.Candidates[i].Value.(map[string]any)[name]
			d.Values = append(d.Values, v)
			same = same && sameValue(v, d.Base)
		}
		if !same {
			diff = append(diff, d)
		}
	}
	return diff
}
