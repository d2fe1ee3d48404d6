package fleet

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/merge"
	"github.com/concord-crdt/concord/replica"
	"github.com/concord-crdt/concord/replica/session"
)

// ruled reports whether the world has a policy.
func (n *node) ruled() bool { return len(n.policy.Collections) > 0 }

// digestOfAll is over all records, in order.
func (n *node) digestOfAll() (string, error) {
	text := ""
	for x, err := range n.r.Inspections(background()) {
		if err != nil {
			return "", err
		}
		h, err := n.r.Collection(x.Collection).Digest(background(), x.Key)
		if err != nil {
			return "", err
		}
		text += fmt.Sprintf("%s/%s %x\n", x.Collection, x.Key, h)
	}
	return text, nil
}

// DigestWithoutPolicy joins the changes that are applied here into records of
// their own, which no rule ever looks at.
func (n *node) DigestWithoutPolicy() (string, error) {
	type named struct {
		scope string
		dot   clock.Dot
	}
	void, waits := map[named]bool{}, map[named]bool{}
	for q, err := range n.r.Quarantine(background()) {
		if err != nil {
			return "", err
		}
		d := named{q.Scope, q.Dot}
		void[d] = q.Fate == replica.Rejected // write rights decide before the join
		waits[d] = q.Fate == replica.Waiting
	}
	bundle, err := n.State()
	if err != nil {
		return "", err
	}
	type pending struct {
		scope string
		in    session.Incoming
	}
	var todo []pending
	err = session.ReadBundle(bytes.NewReader(bundle), func(_ session.BundleHead, c session.BundleChunk) error {
		for _, in := range c.Changes {
			if c.Scope[0] != 0 && !waits[named{c.Scope, in.Dot}] && in.Change != nil {
				todo = append(todo, pending{c.Scope, in})
			}
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	records := map[string]*crdt.Record{}
	for more := true; more; {
		more = false
		var left []pending
		for _, x := range todo {
			if !join(records, x.scope, &x.in, void[named{x.scope, x.in.Dot}]) {
				left = append(left, x)
				continue
			}
			more = true
		}
		todo = left
	}
	text := ""
	for _, name := range slices.Sorted(maps.Keys(records)) {
		text += fmt.Sprintf("%s %x\n", name, records[name].Digest())
	}
	return text, nil
}

// join applies a change if all that it names is here.
func join(records map[string]*crdt.Record, scope string, in *session.Incoming, void bool) bool {
	c := in.Change
	of := func(p *crdt.Part) *crdt.Record {
		name := merge.CollectionOf(scope) + "/" + p.Key
		if records[name] == nil {
			records[name] = &crdt.Record{}
		}
		return records[name]
	}
	for i := range c.Parts {
		if len(of(&c.Parts[i]).Missing(&c.Parts[i])) > 0 {
			return false
		}
	}
	for i := range c.Parts {
		p := &c.Parts[i]
		if void {
			of(p).ApplyVoid(c, p, in.Hash.Digest())
		} else {
			of(p).Apply(c, p, in.Hash.Digest(), nil)
		}
	}
	return true
}
