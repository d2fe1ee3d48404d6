package replica

import (
	"errors"
	"strings"
	"testing"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/replica/session"
)

// made is a change as a peer would send it.
func made(t testing.TB, scope string, d clock.Dot, before crdt.Hash) *session.Incoming {
	t.Helper()
	var rec crdt.Record
	e := rec.Edit("k", crdt.EditOptions{Dot: d})
	e.Register("x").Set(int64(d.N))
	p, _, err := e.Part(false)
	if err != nil {
		t.Fatal(err)
	}
	c := &crdt.Change{Dot: d, Stamp: 1, Parts: []crdt.Part{p}}
	b := c.Encode()
	return &session.Incoming{Dot: d, Encoded: b, Hash: crdt.HashOf(b), Before: before, Change: c}
}

// TestScopeTakesSoManyOrigins: an origin too many is refused, with the reason;
// those that are there go on.
//
//concord:edge limits
func TestScopeTakesSoManyOrigins(t *testing.T) {
	r := openAt(t, "", Options{DisableDisk: true})
	set(t, r, "k", 0)
	s := r.scopes["c"]
	for i := range uint64(maxScopeOrigins - ownOrigins - 1) {
		s.stored.Set(clock.Origin{Incarnation: i + 1}, 1)
	}
	take := func(o clock.Origin) session.Verdict {
		t.Helper()
		r.mu.Lock()
		defer r.mu.Unlock()
		v, err := r.receive("c", made(t, "c", clock.Dot{Origin: o, N: 1}, crdt.ChainStart("c", o)))
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	if v := take(clock.Origin{Replica: clock.ReplicaID{9}}); v.Outcome != session.Refused || v.Code != session.CodeTooLarge || !strings.Contains(v.Reason, "origins") {
		t.Errorf("an origin too many: %v", v)
	}
	set(t, r, "k", 1)
	for i := range uint64(ownOrigins) {
		s.stored.Set(clock.Origin{Replica: r.origin.Replica, Incarnation: i + 1}, 1)
	}
	r.origin.Incarnation = ownOrigins + 1
	if err := put(r, "k", 2); !errors.Is(err, ErrTooLarge) {
		t.Errorf("an own origin too many: %v", err)
	}
}

// TestStagedChangeIsOfItsScope: each scope numbers an origin's changes by itself,
// so one that is on its way into the store says nothing of another scope.
func TestStagedChangeIsOfItsScope(t *testing.T) {
	r := openAt(t, "", Options{DisableDisk: true})
	o := clock.Origin{Replica: clock.ReplicaID{9}, Incarnation: 1}
	take := func(scope string, d clock.Dot, before crdt.Hash) session.Verdict {
		t.Helper()
		v, err := r.receive(scope, made(t, scope, d, before))
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	d := clock.Dot{Origin: o, N: 1}
	r.mu.Lock()
	take("a", d, crdt.ChainStart("a", o))
	b := r.commits.current
	r.mu.Unlock()
	if err := r.await(b); err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	take("b", d, crdt.ChainStart("b", o)) // in flight
	other := made(t, "a", d, crdt.ChainStart("a", o))
	other.Hash[0]++
	v, err := r.again(r.scopes["a"], other)
	if err != nil {
		t.Fatal(err)
	}
	if v.Outcome != session.Refused || v.Code != session.CodeFork {
		t.Errorf("another change under a dot of scope a: %v", v)
	}
	if v := take("b", d, crdt.ChainStart("b", o)); v.Outcome != session.Duplicate {
		t.Errorf("the one that is in flight: %v", v)
	}
	b = r.commits.current
	r.mu.Unlock()
	if err := r.await(b); err != nil {
		t.Fatal(err)
	}
}
