package replica

import (
	"errors"
	"testing"
)

// TestCompactChangesNothing that can be seen.
func TestCompactChangesNothing(t *testing.T) {
	dir, a, _, want := filled(t)
	if err := a.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	shut(t, a)
	if err := a.Compact(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	a = openAt(t, dir, Options{})
	if err := a.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	for k, v := range want {
		if got := read(a, k); got != v {
			t.Errorf("%s shows %.40v", k, got)
		}
	}
	if rep, err := a.Verify(t.Context(), nil); err != nil || !rep.OK() {
		t.Errorf("%v, %v", rep.Damage, err)
	}
}
