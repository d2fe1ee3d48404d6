package fleet

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/merge"
	"github.com/concord-crdt/concord/proptest/scenario"
	"github.com/concord-crdt/concord/replica"
)

var _ scenario.PolicyReplica = (*node)(nil)

// functions are what policies of scenarios may name.
var functions = merge.Functions{"length@1": func(c *merge.Candidate, _ *merge.Facts) merge.Key {
	text, _ := c.Value.(string)
	return merge.KeyOf(merge.Int(int64(utf8.RuneCountInString(text))))
}}

// parsePolicy reads a scenario's policy.
func parsePolicy(p *scenario.Policy) (merge.Policy, error) {
	if p == nil {
		return merge.Policy{}, nil
	}
	parsed, findings := merge.ParsePolicy("policy", []byte(p.Text))
	if err := findings.Err(); err != nil {
		return merge.Policy{}, fmt.Errorf("fleet: %w", err)
	}
	return *parsed, nil
}

// splitRecord takes collection/key apart.
func splitRecord(record string) (collection, key string) {
	collection, key, _ = strings.Cut(record, "/")
	return collection, key
}

func (n *node) at(record string) (*replica.Collection, string) {
	name, key := splitRecord(record)
	return n.r.Collection(name), key
}

// rule is what the policy in force says of a field.
func (n *node) rule(record, field string) (merge.FieldRule, bool) {
	p := n.r.Policy()
	name, _ := splitRecord(record)
	r, ok := p.Collections[name].Fields[field]
	return r, ok
}

// by says within a change who makes it, and what she saw.
func by(p *replica.Record, a scenario.Author) {
	if a.Actor != "" || a.Role != "" {
		p.As(a.Actor, a.Role)
	}
	if a.Seniority > 0 {
		p.Seniority(uint64(a.Seniority))
	}
	if a.Intent != "" {
		p.Intent("", a.Intent)
	}
	if seen, ok := a.Seen.(replica.Version); ok {
		p.Saw(seen)
	}
}

// change makes one change of a record, and names it.
func (n *node) change(a scenario.Author, record string, edit func(*replica.Record) error) (scenario.Change, error) {
	c, key := n.at(record)
	var dot clock.Dot
	v, err := c.UpdateVersion(background(), key, func(p *replica.Record) error {
		dot = p.Dot()
		by(p, a)
		return edit(p)
	})
	if err != nil || v.IsZero() {
		return "", err
	}
	return n.names.name(record, dot), nil
}

// Create gives birth to a record.
func (n *node) Create(a scenario.Author, record, parent string) (scenario.Change, error) {
	return n.change(a, record, func(p *replica.Record) error {
		p.Create()
		if parent == "" {
			return nil
		}
		return p.Under(parent)
	})
}

// Delete deletes a record as its author saw it.
func (n *node) Delete(a scenario.Author, record string) (scenario.Change, error) {
	return n.change(a, record, func(p *replica.Record) error { return p.Delete() })
}

// Resolve writes a person's decision.
func (n *node) Resolve(a scenario.Author, x scenario.Resolution) (scenario.Change, error) {
	r, _ := n.rule(x.Record, x.Field)
	value, err := typed(r, x.Value)
	if err != nil {
		return "", err
	}
	return n.change(a, x.Record, func(p *replica.Record) error { return p.Resolve(x.Field, value, x.Custom) })
}

// Decide gives a verdict.
func (n *node) Decide(a scenario.Author, v scenario.Verdict) (scenario.Change, error) {
	dot, ok := n.names.dot(v.Of)
	if !ok {
		var err error
		if dot, err = n.intended(v); err != nil {
			return "", err
		}
	}
	return n.change(a, v.Record, func(p *replica.Record) error { return p.Decide(dot, v.Approve) })
}

// intended finds the held change of an intent.
func (n *node) intended(v scenario.Verdict) (clock.Dot, error) {
	c, key := n.at(v.Record)
	x, err := c.Inspect(background(), key)
	if err != nil {
		return clock.Dot{}, err
	}
	for _, h := range x.Held {
		if slices.ContainsFunc(h.Writes, func(w merge.Write) bool { return v.Intent != "" && w.Intent.Key == v.Intent }) {
			return h.Change, nil
		}
	}
	return clock.Dot{}, fmt.Errorf("fleet: no held change of intent %q in %s", v.Intent, v.Record)
}

// Activate puts a version into force.
func (n *node) Activate(a scenario.Author, p scenario.Policy) (scenario.Change, error) {
	next, err := parsePolicy(&p)
	if err != nil {
		return "", err
	}
	return "", n.r.Activate(background(), next, crdt.Author{Actor: a.Actor, Role: a.Role})
}

// Token is what is seen of a record now; nothing of one that is not shown.
func (n *node) Token(_ scenario.Author, record string) (scenario.Token, error) {
	c, key := n.at(record)
	v, err := c.View(background(), key)
	if err != nil && !errors.Is(err, replica.ErrNotFound) {
		return nil, err
	}
	return v.Version, nil
}

// View reads a record as the rules show it; one that is not shown has no fields.
func (n *node) View(record string) (map[string]any, error) {
	c, key := n.at(record)
	v, err := c.View(background(), key)
	if errors.Is(err, replica.ErrNotFound) {
		return map[string]any{}, nil
	}
	fields := map[string]any{}
	for i := range v.Fields {
		if f := &v.Fields[i]; !f.Absent {
			fields[f.Name] = shown(f)
		}
	}
	return fields, err
}

// Visible reports whether a record is shown.
func (n *node) Visible(record string) (bool, error) {
	c, key := n.at(record)
	_, err := c.View(background(), key)
	if errors.Is(err, replica.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// VisibleIn counts the records of a collection that are shown.
func (n *node) VisibleIn(collection string) (int, error) {
	count := 0
	for _, err := range n.r.Collection(collection).Keys(background()) {
		if err != nil {
			return 0, err
		}
		count++
	}
	return count, nil
}

// Explain names the step that left one candidate.
func (n *node) Explain(record, field string) (string, error) {
	c, key := n.at(record)
	x, err := c.Explain(background(), key, field)
	return x.Deciding, err
}

// Provisional reports whether some view lacks what it needs.
func (n *node) Provisional() (bool, error) {
	if n.r.Provisional() {
		return true, nil
	}
	for x, err := range n.r.Inspections(background()) {
		if err != nil || x.View.Provisional {
			return err == nil, err
		}
	}
	return false, nil
}

// Overlay lists what the rules say of all records.
func (n *node) Overlay() (o scenario.Overlay, err error) {
	for x, err := range n.r.Inspections(background()) {
		if err != nil {
			return o, err
		}
		n.overlay(&o, &x)
	}
	for q, err := range n.r.Quarantine(background()) {
		if err != nil {
			return o, err
		}
		for _, key := range q.Records {
			if q.Scope[0] == 0 || key[0] == 0 {
				continue // of the store itself
			}
			record := merge.CollectionOf(q.Scope) + "/" + key
			item := scenario.Item{Record: record, Change: n.names.name(record, q.Dot)}
			if q.Fate == replica.Waiting {
				o.Waiting = append(o.Waiting, item)
			} else {
				o.Rejected = append(o.Rejected, item)
			}
		}
	}
	return o, nil
}

// overlay adds what is said of one record. A record that is not shown asks
// nobody for anything; what was written to it is still to be read.
func (n *node) overlay(o *scenario.Overlay, x *replica.Inspected) {
	record := x.Collection + "/" + x.Key
	for _, w := range x.Overruled {
		o.Overruled = append(o.Overruled, scenario.Overruled{Record: record, Field: w.Field, Value: plain(w.Value), Role: w.Role,
			Actor: w.Actor, At: w.Stamp.Time(), Change: n.names.name(record, w.Entry.Dot)})
	}
	if x.Hidden != nil || !x.View.Exists {
		return
	}
	for _, h := range x.Held {
		field := ""
		if len(h.Writes) > 0 {
			field = h.Writes[0].Field
		}
		o.Held = append(o.Held, scenario.Item{Record: record, Field: field, Change: n.names.name(record, h.Change)})
	}
	for _, field := range x.Unresolved {
		o.Unresolved = append(o.Unresolved, scenario.Item{Record: record, Field: field})
	}
	for _, v := range x.Review {
		item := scenario.Item{Record: record, Field: v.Field}
		if !v.Change.IsZero() {
			item.Change = n.names.name(record, v.Change)
		}
		o.Review = append(o.Review, item)
	}
	for _, c := range x.Conflicts {
		values := make([]any, len(c.Candidates))
		for i := range c.Candidates {
			values[i] = plain(c.Candidates[i].Value)
		}
		o.Conflicts = append(o.Conflicts, scenario.Conflict{Record: record, Field: c.Field, Kind: c.Kind.String(),
			Severity: c.Severity.String(), Candidates: values})
	}
	for _, of := range x.Facts {
		for _, f := range of.Facts {
			o.Witnesses = append(o.Witnesses, scenario.Witness{Record: record, Field: of.Field, Count: 1 + len(f.Witnesses)})
		}
	}
}
