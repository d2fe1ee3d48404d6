package main

import (
	"context"
	"slices"
	"strings"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/merge"
	"github.com/concord-crdt/concord/replica"
)

// belowView is what a record keeps below its view, by the path of the field: the
// writes that others superseded and that are not settled yet, and the verdicts on
// proposals.
type belowView struct {
	superseded map[string][]crdt.Write
	proposals  map[string][]crdt.Proposed
	rights     map[string][]rightsOf
}

// rightsOf are the rights of one replica in a bounded counter.
type rightsOf struct {
	Origin string `json:"origin"`
	Up     string `json:"up"`
	Down   string `json:"down"`
	origin clock.Origin
}

// readBelow reads what a view leaves out.
func readBelow(ctx context.Context, r *replica.Replica, collection, key string) (*belowView, error) {
	b := &belowView{map[string][]crdt.Write{}, map[string][]crdt.Proposed{}, map[string][]rightsOf{}}
	policy, known := r.Policy(), r.Origins()
	err := r.Collection(collection).Read(ctx, key, func(rec *crdt.Record) error {
		type at struct {
			path  []string
			field crdt.Field
		}
		var queue []at
		for f := range rec.Fields(policy.Collections[collection].Delete) {
			queue = append(queue, at{nil, f})
		}
		for len(queue) > 0 {
			x := queue[0]
			queue = queue[1:]
			path := append(x.path[:len(x.path):len(x.path)], x.field.Name())
			b.note(joinPath(path), x.field, known)
			if x.field.Type() == crdt.TypeMap {
				for f := range x.field.Kids() {
					queue = append(queue, at{path, f})
				}
			}
		}
		return nil
	})
	return b, err
}

func (b *belowView) note(path string, f crdt.Field, known []clock.Origin) {
	switch f.Type() {
	case crdt.TypeRegister, crdt.TypeGroup:
		for _, w := range f.Writes() {
			if len(w.SupersededBy) > 0 {
				b.superseded[path] = append(b.superseded[path], w)
			}
		}
	case crdt.TypeProposal:
		b.proposals[path] = f.Proposals()
	case crdt.TypeBounded:
		for _, o := range known {
			if up, down := f.Rights(o); up.Sign() != 0 || down.Sign() != 0 {
				b.rights[path] = append(b.rights[path], rightsOf{jsonOrigin(o), up.String(), down.String(), o})
			}
		}
	}
}

// remarks tells it under a field.
func (b *belowView) remarks(remark func(string, ...any), path string, f *merge.FieldView) {
	switch f.Type {
	case crdt.TypeProposal:
		showProposals(remark, b.proposals[path], f)
	case crdt.TypeBounded:
		for _, r := range b.rights[path] {
			remark("rights of replica %s: %s up, %s down", r.origin.Replica.String()[:8], r.Up, r.Down)
		}
	}
	writes := b.superseded[path]
	if slices.ContainsFunc(f.Candidates, func(c merge.Candidate) bool { return len(c.SupersededBy) > 0 }) {
		writes = nil // a sticky field lists them already
	}
	if n := len(writes); n > shownEntries {
		remark("%d older values were replaced, and are kept until they are settled", n-shownEntries)
		writes = writes[n-shownEntries:]
	}
	for i := range writes {
		w := &writes[i]
		remark("%-9s  %s  by %s, %s", "replaced", show(w.Value, shownBytes/2), authorOf(&w.Candidate), showTime(w.Meta.Stamp.Time()))
	}
}

// showProposals lists the proposals that are open or were decided on, the last
// ones, with who decided.
func showProposals(remark func(string, ...any), ps []crdt.Proposed, f *merge.FieldView) {
	if n := len(ps); n > shownEntries {
		remark("%d proposals, the last %d:", n, shownEntries)
		ps = ps[n-shownEntries:]
	}
	shown, _ := f.Winner()
	for i := range ps {
		p := &ps[i]
		words := []string{"by " + authorOf(&p.Candidate) + ", " + showTime(p.Meta.Stamp.Time())}
		for j := range p.Verdicts {
			verdict := "declined"
			if yes, _ := p.Verdicts[j].Value.(bool); yes {
				verdict = "approved"
			}
			words = append(words, verdict+" by "+authorOf(&p.Verdicts[j]))
		}
		if shown != nil && shown.Entry == p.ID {
			words = append(words, "shown")
		}
		remark("%-9s  %s  %s", p.Verdict, show(p.Value, shownBytes/2), strings.Join(words, "; "))
	}
}

// authorOf names who wrote an entry.
func authorOf(c *crdt.Candidate) string {
	a := c.Meta.Author
	if a == nil {
		a = &crdt.Author{}
	}
	return author(a.Actor, a.Role, c.ID.Dot.Origin)
}

// supersededJSON is a value that was replaced, and by what.
type supersededJSON struct {
	candidateJSON
	By []string `json:"by"`
}

// verdictJSON is a verdict on a proposal.
type verdictJSON struct {
	Approved bool   `json:"approved"`
	Actor    string `json:"actor"`
	Role     string `json:"role"`
	Time     string `json:"time"`
	Dot      string `json:"dot"`
}

// fill adds it to a field in JSON.
func (b *belowView) fill(path string, j *fieldJSON) {
	for _, w := range b.superseded[path] {
		j.Superseded = append(j.Superseded, supersededJSON{jsonEntry(&w.Candidate), jsonDots(w.SupersededBy)})
	}
	j.Rights = b.rights[path]
	for i := range b.proposals[path] {
		p := &b.proposals[path][i]
		n := slices.IndexFunc(j.Entries, func(c candidateJSON) bool { return c.entry == p.ID })
		if n < 0 {
			continue
		}
		j.Entries[n].Verdict = p.Verdict.String()
		for k := range p.Verdicts {
			v := jsonEntry(&p.Verdicts[k])
			yes, _ := p.Verdicts[k].Value.(bool)
			j.Entries[n].Verdicts = append(j.Entries[n].Verdicts, verdictJSON{yes, v.Actor, v.Role, v.Time, v.Dot})
		}
	}
}

func jsonEntry(c *crdt.Candidate) candidateJSON {
	out := candidateJSON{Value: jsonValue(c.Value), Time: jsonTime(c.Meta.Stamp), Dot: jsonDot(c.ID.Dot), entry: c.ID}
	if a := c.Meta.Author; a != nil {
		out.Actor, out.Role, out.Intent = a.Actor, a.Role, jsonIntent(a.Intent)
	}
	return out
}
