package replica

import (
	"bytes"
	"testing"
)

// TestEmptyRestoreMeetsItsPast restores a replica to before its first change,
// with nothing that would tell it so.
//
//concord:fault a directory put back
func TestEmptyRestoreMeetsItsPast(t *testing.T) {
	o := Options{DisableDisk: true, Identity: bytes.Repeat([]byte{3}, 32)}
	for _, written := range []bool{false, true} {
		a, b := openAt(t, "", o), openAt(t, "", Options{DisableDisk: true})
		set(t, a, "k", 1)
		meet(t, a, b)
		again := openAt(t, "", o)
		again.side.Incarnation = a.side.Incarnation
		again.origin = again.side.origin()
		if written {
			if err := again.Transact(t.Context(), "other", func(tx *Tx) error {
				p, err := tx.Record("k")
				if err != nil {
					return err
				}
				return p.Register("x").Set("in another scope")
			}); err != nil {
				t.Fatal(err)
			}
		}
		if rep := meet(t, again, b); len(rep.Reissued) != 1 || again.origin == a.origin {
			t.Errorf("written %v: reissued %v, goes on as %v", written, rep.Reissued, again.origin)
		}
		if got := read(again, "k"); got != int64(1) {
			t.Errorf("written %v: the record shows %v, want 1", written, got)
		}
		set(t, again, "k", 2)
		meet(t, again, b)
		if got := read(b, "k"); got != int64(2) {
			t.Errorf("written %v: the peer shows %v, want 2", written, got)
		}
	}
}

// TestWhatCameBackIsNotLost has a session ask for a reissue after another one
// brought the very changes: a copy hears from two peers at once what the
// original wrote since.
//
//concord:fault a directory put back
func TestWhatCameBackIsNotLost(t *testing.T) {
	o := Options{DisableDisk: true, Identity: bytes.Repeat([]byte{3}, 32)}
	original, peer, copied := openAt(t, "", o), openAt(t, "", Options{DisableDisk: true}), openAt(t, "", o)
	set(t, original, "k", 1)
	set(t, original, "k", 2)
	meet(t, original, peer)
	meet(t, peer, copied)
	for scope := range copied.scopes {
		if _, err := (peerStore{copied}).Reissue(scope, original.origin, 0); err != nil {
			t.Fatal(err)
		}
		got := copied.scopes[scope].stored.Clone()
		if want := peer.scopes[scope].stored.Clone(); !got.Equal(&want) {
			t.Errorf("the copy stores %v, want %v", &got, &want)
		}
	}
}
