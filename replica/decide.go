package replica

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/merge"
)

// Decision is what a person decides about a record, and who it is. The zero value
// is the actor that the replica was opened with, who saw what is here now.
type Decision struct {
	Actor string
	Role  string
	// Seen is the version of the view that the person looked at. What arrived
	// since is not decided by her, and opens the question again.
	Seen Version
	// Custom says that a value is the person's own, and none of the candidates.
	Custom bool
}

// apply says within a change who decides.
func (d Decision) apply(p *Record) {
	if d.Actor != "" || d.Role != "" {
		p.As(d.Actor, d.Role)
	}
	if !d.Seen.IsZero() {
		p.Saw(d.Seen)
	}
}

// Resolve settles a field as a person decides, by a change that supersedes all
// that she saw of it. field is a name, or a name and keys of maps below it,
// separated by slashes. A value that is none of the candidates is an error that
// wraps [merge.ErrNoCandidate], unless d.Custom says that it is her own.
func (c *Collection) Resolve(ctx context.Context, key, field string, value any, d Decision) error {
	return c.Update(ctx, key, func(p *Record) error { d.apply(p); return p.Resolve(field, value, d.Custom) })
}

// Approve lets a change into the view that a constraint holds back, or accepts a
// proposal. The verdict is data: it spreads, and a rejection that was given apart
// beats it. The error wraps [merge.ErrNotHeld] if the change is neither, and
// [merge.ErrNotEntitled] if the role may not decide.
func (c *Collection) Approve(ctx context.Context, key string, change clock.Dot, d Decision) error {
	return c.Update(ctx, key, func(p *Record) error { d.apply(p); return p.Decide(change, true) })
}

// Reject keeps a change out of the view for good; see [Collection.Approve]. What
// it wrote stays readable.
func (c *Collection) Reject(ctx context.Context, key string, change clock.Dot, d Decision) error {
	return c.Update(ctx, key, func(p *Record) error { d.apply(p); return p.Decide(change, false) })
}

// Create makes the record by this change, if it is not there, even if nothing
// else is written.
func (p *Record) Create() { p.create = true }

// Seniority says how senior the author is within the role.
func (p *Record) Seniority(n uint64) *Record {
	p.tx.author.Seniority = n
	return p
}

// Resolve settles a field by one of its candidates, or with custom by a value of
// the person's own; see [Collection.Resolve].
func (p *Record) Resolve(field string, value any, custom bool) error {
	rules := p.rules()
	view := merge.ViewWith(p.opened.record, rules, p.tx.r.elsewhere(nil))
	return rules.Choose(p.RecordEditor, view, strings.Split(field, "/"), value, custom)
}

// Decide gives a verdict on a change that is held back, or on a proposal.
func (p *Record) Decide(change clock.Dot, approve bool) error {
	return p.rules().Decide(p.RecordEditor, p.opened.record, change, approve, p.tx.author.Role)
}

func (p *Record) rules() *merge.CollectionRules {
	return p.tx.r.collectionRule(collectionOf(p.tx.name))
}

// elsewhere gives rules what records of other collections show now. The caller
// holds r.mu for writing. failed takes the first error of the store.
func (r *Replica) elsewhere(failed *error) merge.Elsewhere {
	return func(collection, key string) (map[string]any, bool) {
		if checkKey(key) != nil || collection == "" {
			return nil, false
		}
		v, err := r.shownElsewhere(collection, key)
		if err != nil {
			if failed != nil && *failed == nil && !errors.Is(err, ErrNotFound) {
				*failed = err
			}
			return nil, false
		}
		return v.Values(), true
	}
}

// shownElsewhere is the view of a record that a rule reads. Its own rules read no
// further.
func (r *Replica) shownElsewhere(collection, key string) (merge.RecordView, error) {
	o, err := r.recordOf(collection, key)
	if err == nil {
		err = r.hiddenHere(collection, o)
	}
	if err != nil {
		return merge.RecordView{}, err
	}
	v := merge.View(o.record, r.collectionRule(collection))
	if !v.Exists {
		err = ErrNotFound
	}
	return v, err
}

// testify adds to a change what its author's replica shows of the records that
// the rules of the written fields read. The caller holds r.mu for writing.
func (tx *Tx) testify() error {
	rules := tx.r.collectionRule(collectionOf(tx.name))
	if rules == nil || len(rules.Collection().Refs) == 0 || isSystemScope(tx.name) {
		return nil
	}
	for _, p := range tx.records {
		var done []string
		for _, field := range p.Touched() {
			for _, read := range rules.Reads(field.Name) {
				if read.At != merge.AtWrite || slices.Contains(done, read.Reference) {
					continue
				}
				done = append(done, read.Reference)
				if err := p.testify(read); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (p *Record) testify(read merge.Read) error {
	key := p.refers(read.Reference)
	if key == "" {
		return nil
	}
	r := p.tx.r
	x := crdt.Evidence{Reference: read.Reference, Record: read.Collection + "/" + key}
	v, err := r.shownElsewhere(read.Collection, key)
	switch {
	case errors.Is(err, ErrNotFound):
		return p.Evidence(x) // that it was not here is evidence too
	case err != nil:
		return fmt.Errorf("evidence of %s: %w", x.Record, err)
	}
	o, err := r.recordOf(read.Collection, key)
	if err != nil {
		return err
	}
	x.Heads = o.record.HeadRefs()
	shown := v.Values()
	x.Fields = map[string]any{}
	for _, name := range read.Fields {
		if value, ok := shown[name]; ok {
			x.Fields[name] = value
		}
	}
	return p.Evidence(x)
}

// refers is the key that a field holds after the change: what it writes, else
// what is latest.
func (p *Record) refers(field string) string {
	var latest crdt.Candidate
	for f := range p.Fields() {
		if f.Name() != field || f.Type() != crdt.TypeRegister {
			continue
		}
		for _, c := range f.Candidates() {
			if c.ID.Dot == p.tx.dot {
				latest = c
				break
			}
			if latest.ID.IsZero() || latest.Before(c) {
				latest = c
			}
		}
	}
	key, _ := latest.Value.(string)
	if checkKey(key) != nil {
		return ""
	}
	return key
}
