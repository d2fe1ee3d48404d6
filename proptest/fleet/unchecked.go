package fleet

import (
	"fmt"
	"strings"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/proptest/scenario"
	"github.com/concord-crdt/concord/replica"
	"github.com/concord-crdt/concord/replica/session"
)

// forge gives birth to a record whose field holds a value of the wrong type, as a
// program that does not check would: the change enters by the way of those that
// arrive, under this replica's own name.
func (n *node) forge(a scenario.Author, record, parent, field string) error {
	collection, key := splitRecord(record)
	_, store, err := n.r.NewSession(replica.SyncOptions{})
	if err != nil {
		return err
	}
	p := n.r.Policy()
	scope := p.Scope(collection, key)
	origin := n.r.Origin()
	status, err := store.Status()
	if err != nil {
		return err
	}
	last := uint64(0)
	for _, s := range status.Scopes {
		if s.Name == scope {
			last = s.Stored.Get(origin)
		}
	}
	at, err := store.Chains(scope, origin, []uint64{last})
	if err != nil {
		return err
	}
	c := crdt.Change{
		Dot:    clock.Dot{Origin: origin, N: last + 1},
		Stamp:  clock.NewStamp(n.now(), 0),
		Author: crdt.Author{Actor: a.Actor, Role: a.Role},
	}
	for _, v := range n.r.PolicyVersions() {
		if v.Active {
			c.Author.Policy = v.Cited
		}
	}
	edit := new(crdt.Record).Edit(key, crdt.EditOptions{Dot: c.Dot})
	if parent != "" {
		edit.Under(crdt.Birth{ParentKey: parent})
	}
	if err := edit.Register(field).Set(int64(strings.Count(record, ""))); err != nil {
		return err
	}
	part, _, err := edit.Part(true)
	if err != nil {
		return err
	}
	c.Parts = []crdt.Part{part}
	in, err := session.ReadIncoming(c.Dot, c.Encode(), at[0].Hash)
	if err != nil {
		return err
	}
	verdicts, err := store.Apply(session.Intake{Peer: origin, Scope: scope, Changes: []session.Incoming{in}, Agreed: c.Stamp})
	if err != nil {
		return err
	}
	if verdicts[0].Outcome != session.Rejected {
		return fmt.Errorf("fleet: a value of the wrong type is %v", verdicts[0])
	}
	return nil
}
