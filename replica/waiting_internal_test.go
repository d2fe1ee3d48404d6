package replica

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/replica/session"
)

// TestWhatIsMetFreesWhatWaitsForIt and nothing else is looked at.
func TestWhatIsMetFreesWhatWaitsForIt(t *testing.T) {
	var applied clock.Context
	w := newWaiting()
	a, b := clock.Origin{Replica: clock.ReplicaID{1}}, clock.Origin{Replica: clock.ReplicaID{2}}
	of := func(o clock.Origin, n uint64) clock.Dot { return clock.Dot{Origin: o, N: n} }
	add := func(d clock.Dot, key string, needs ...clock.Dot) {
		w.add(d, &waiter{change: &crdt.Change{Dot: d, Parts: []crdt.Part{{Key: key}}}, needs: needs}, &applied)
	}
	meet := func(d clock.Dot, want ...clock.Dot) {
		t.Helper()
		applied.Add(d)
		w.met(d, &applied)
		if got := w.takeReady(); !slices.Equal(got, want) {
			t.Errorf("after %v: %v are ready, want %v", d, got, want)
		}
	}
	add(of(a, 2), "k", of(b, 1), of(b, 3))
	add(of(a, 3), "k", of(a, 2))
	add(of(a, 4), "l", of(b, 3))
	add(of(a, 5), "k")
	if d, ok := w.before(of(a, 5), "k"); !ok || d != of(a, 3) {
		t.Errorf("before the fifth stands %v, want the third", d)
	}
	if d, ok := w.before(of(a, 4), "l"); ok {
		t.Errorf("nothing of the record comes before the fourth, got %v", d)
	}
	if got := w.takeLoose(); !slices.Equal(got, []clock.Dot{of(a, 5)}) {
		t.Errorf("%v wait for no change, want the fifth", got)
	}
	meet(of(b, 1))
	meet(of(b, 3), of(a, 2), of(a, 4))
	w.remove(of(a, 2))
	meet(of(a, 2), of(a, 3))
	w.remove(of(a, 3))
	if d, ok := w.before(of(a, 5), "k"); ok {
		t.Errorf("before the fifth stands %v, which is applied", d)
	}
}

// TestWhatMustWaitHasNoRecordRead: heads are looked for in the header.
//
//concord:edge effects before causes
func TestWhatMustWaitHasNoRecordRead(t *testing.T) {
	r := openAt(t, filepath.Join(t.TempDir(), "a"), Options{})
	set(t, r, "k", 1)
	r.mu.Lock()
	r.cache.clear()
	r.mu.Unlock()
	o, absent := clock.Origin{Replica: clock.ReplicaID{1}, Incarnation: 1}, clock.Dot{Origin: clock.Origin{Replica: clock.ReplicaID{2}}, N: 7}
	needs := []crdt.Ref{{Dot: absent}}
	c := &crdt.Change{Dot: clock.Dot{Origin: o, N: 1}, Parts: []crdt.Part{{Key: "k", Births: needs, Heads: needs}}}
	b := c.Encode()
	in := session.Incoming{Dot: c.Dot, Encoded: b, Hash: crdt.HashOf(b), Before: crdt.ChainStart("c", o), Change: c}
	v, err := r.intake(session.Intake{Scope: "c", Changes: []session.Incoming{in}})
	if err != nil || v[0].Outcome != session.Waiting || v[0].Code != session.CodeMissingHead {
		t.Fatalf("got %v, %v; want it to wait for a head", v, err)
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.cache.get(cacheKey{"c", "k"}) != nil {
		t.Error("the record was read")
	}
	if got := r.scopes["c"].waiting.changes[c.Dot].needs; !slices.Contains(got, absent) {
		t.Errorf("it waits for %v, want %v", got, absent)
	}
}
