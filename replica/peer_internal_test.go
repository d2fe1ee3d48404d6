package replica

import "testing"

// TestStatusIsMadeAnewAfterAChange, and kept else: with its digest, once it was
// asked for again.
func TestStatusIsMadeAnewAfterAChange(t *testing.T) {
	r := openAt(t, "", Options{DisableDisk: true})
	set(t, r, "k", 1)
	for round := range 3 {
		for ask := range 3 {
			st, err := peerStore{r}.Status()
			if err != nil || len(st.Scopes) != 1 {
				t.Fatalf("%d scopes, %v", len(st.Scopes), err)
			}
			got := st.Scopes[0]
			if want := uint64(round) + 1; got.Stored.Get(r.origin) != want || got.Applied.Last(r.origin) != want {
				t.Errorf("round %d: stored %d, applied %d, want %d", round, got.Stored.Get(r.origin), got.Applied.Last(r.origin), want)
			}
			kept := got.Digest
			got.Digest = [len(got.Digest)]byte{}
			if ask > 0 && kept != got.Sum() {
				t.Errorf("round %d: digest %x, want %x", round, kept, got.Sum())
			}
		}
		set(t, r, "k", round)
	}
}
