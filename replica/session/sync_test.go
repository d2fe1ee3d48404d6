package session

import "testing"

func TestConvergeBothWays(t *testing.T) {
	a, b := newFake('a'), newFake('b')
	a.writeMany("visits", 500)
	b.writeMany("visits", 3)
	b.writeMany("stock", 40)
	ra, rb := sync2(t, a, b, Config{}, Config{})
	if a.digest() != b.digest() {
		t.Fatal("stores differ")
	}
	if got := ra.Sent.Verdicts; got != (Verdicts{Applied: 500}) {
		t.Errorf("verdicts on a's changes: %+v", got)
	}
	if got := rb.Sent.Verdicts; got != (Verdicts{Applied: 43}) {
		t.Errorf("verdicts on b's changes: %+v", got)
	}
	if !ra.CaughtUp || !rb.CaughtUp {
		t.Error("not caught up")
	}
	ra, rb = sync2(t, a, b, Config{}, Config{})
	t.Logf("nothing to do: %d bytes sent, %d received, %d round trips", ra.Sent.Bytes, rb.Sent.Bytes, ra.RoundTrips)
	if ra.Sent.Bytes >= 200 || rb.Sent.Bytes >= 200 || ra.RoundTrips != 1 {
		t.Errorf("nothing to do cost %d and %d bytes and %d round trips", ra.Sent.Bytes, rb.Sent.Bytes, ra.RoundTrips)
	}
}
