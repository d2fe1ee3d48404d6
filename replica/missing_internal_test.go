package replica

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
)

// TestKnownMarkCoversNothingYet: while a scope is made again, its marks are known
// before they are applied. A change below one waits for what it names like any
// other (simulator seed 7249: it was rejected, since the birth that it names was
// taken for one that the mark had folded).
func TestKnownMarkCoversNothingYet(t *testing.T) {
	r := openAt(t, "", Options{DisableDisk: true, Steward: true})
	set(t, r, "k", "v")
	if s, err := r.Settle(t.Context(), "c"); err != nil || s.Number != 1 {
		t.Fatalf("settled %+v, %v", s, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	settled := r.scopes["c"]
	anew := newScope("c", settled.number)
	anew.known, anew.absence.known = settled.marks(), true
	birth := clock.Dot{Origin: r.origin, N: 1}
	part := &crdt.Part{Key: "elsewhere", Births: []crdt.Ref{{Dot: birth}}, Heads: []crdt.Ref{{Dot: birth}}}
	for _, c := range []struct {
		name  string
		scope *scope
		want  []clock.Dot
	}{{"known", anew, []clock.Dot{birth}}, {"applied", settled, nil}} {
		r.cache.clear()
		got, err := r.missing(c.scope, part)
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
			t.Errorf("with the mark %s: %v (-want +got):\n%s", c.name, err, diff)
		}
	}
}
