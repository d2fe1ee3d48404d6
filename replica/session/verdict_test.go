package session

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/concord-crdt/concord/clock"
)

//concord:fault a store that refuses
func TestVerdicts(t *testing.T) {
	a, b := newFake('a'), newFake('b')
	a.write("s", "s/1", "ann")
	a.write("s", "s/2", "wait")
	a.write("s", "s/3", "reject")
	a.write("s", "s/4", "ann")
	a.write("u", "u/1", "refuse")
	a.write("u", "u/2", "ann")
	b.write("s", "s/9", "bob")
	ra, rb := mustSync(t, a, b, Config{}, Config{})
	want := Verdicts{Applied: 2, Waiting: 1, Rejected: 1, Refused: 2}
	if ra.Sent.Verdicts != want || rb.Received.Verdicts != want {
		t.Errorf("%+v and %+v, want %+v", ra.Sent.Verdicts, rb.Received.Verdicts, want)
	}
	var got []string
	for _, i := range ra.Items {
		got = append(got, fmt.Sprintf("%s %s %d %v", i.Scope, i.Key, i.Dot.N, i.Verdict))
		if !errors.Is(i.Err(), i.Verdict.Code.Err()) || i.Received {
			t.Errorf("item %+v: %v", i, i.Err())
		}
	}
	wantItems := []string{
		"s s/2 2 waiting (missing-head: needs another)",
		"s s/3 3 rejected (not-entitled: by the cited policy)",
		"u u/1 1 refused (quota: full)",
		"u u/2 2 refused (gap)",
	}
	if !slices.Equal(got, wantItems) {
		t.Errorf("items\n%q\nwant\n%q", got, wantItems)
	}
	for i := range rb.Items {
		if rb.Items[i].Received = false; rb.Items[i] != ra.Items[i] {
			t.Errorf("the receiver lists %+v, the sender %+v", rb.Items[i], ra.Items[i])
		}
	}
	if b.has("s", a.self) != 4 || b.has("u", a.self) != 0 || a.has("s", b.self) != 1 {
		t.Error("waiting and rejected changes are kept, refused ones are not")
	}
	if !ra.CaughtUp {
		t.Error("refused changes must not keep the session from its end")
	}
	// What waits is not sent again, what was refused is tried again.
	ra, _ = mustSync(t, a, b, Config{}, Config{})
	if got := ra.Sent.Verdicts; got != (Verdicts{Refused: 2}) {
		t.Errorf("second session: %+v", got)
	}
}

// TestRefusedStopsOrigin refuses one change of a long line: what was in flight
// is refused too, the rest is not sent.
//
//concord:fault a store that refuses
func TestRefusedStopsOrigin(t *testing.T) {
	a, b := newFake('a'), newFake('b')
	a.writeMany("s", 5)
	a.write("s", "s/bad", "refuse")
	a.writeMany("s", 200)
	a.writeMany("u", 10)
	ra, rb := mustSync(t, a, b, small, small)
	if b.has("s", a.self) != 5 || b.has("u", a.self) != 10 {
		t.Error("refusal must hold up its origin in its scope, and nothing else")
	}
	if ra.Withheld == 0 || ra.Withheld+ra.Sent.Verdicts.Refused != 201 {
		t.Errorf("%d withheld, %d refused", ra.Withheld, ra.Sent.Verdicts.Refused)
	}
	if ra.Sent.Verdicts.Refused > 12 || rb.Received.Verdicts.Refused != ra.Sent.Verdicts.Refused {
		t.Errorf("%d changes were sent in vain", ra.Sent.Verdicts.Refused)
	}
}

//concord:edge limits
func TestReportIsBounded(t *testing.T) {
	a, b := newFake('a'), newFake('b')
	for i := range 60 {
		a.write("s", fmt.Sprint(i), "wait")
	}
	ra, rb := mustSync(t, a, b, Config{MaxItems: 10}, Config{})
	if len(ra.Items) != 10 || ra.MoreItems != 50 || len(rb.Items) != 60 || rb.MoreItems != 0 {
		t.Errorf("%d and %d more; %d and %d more", len(ra.Items), ra.MoreItems, len(rb.Items), rb.MoreItems)
	}
}

// TestMalformedChange puts one change that does not decode among good ones of
// several origins.
//
//concord:fault bytes that were altered
func TestMalformedChange(t *testing.T) {
	hub, b := newFake('h'), newFake('b')
	stores := []*fakeStore{newFake('x'), newFake('y'), newFake('z')}
	for _, s := range stores {
		s.writeMany("s", 6)
		mustSync(t, s, hub, Config{}, Config{})
	}
	bad := stores[1].self
	rows := hub.scopes["s"].rows[bad]
	rows[2].encoded = append(bytes.Clone(rows[2].encoded), 7)
	ra, rb := mustSync(t, hub, b, Config{}, Config{})
	if b.has("s", stores[0].self) != 6 || b.has("s", stores[2].self) != 6 || b.has("s", bad) != 2 {
		t.Error("the others must come through, and what stands before it")
	}
	if ra.Sent.Verdicts != (Verdicts{Applied: 14, Refused: 4}) {
		t.Errorf("%+v", ra.Sent.Verdicts)
	}
	if i := rb.Items[0]; i.Verdict.Code != CodeMalformed || i.Dot.N != 3 || i.Verdict.Reason == "" {
		t.Errorf("%+v", i)
	}
	if rb.Items[1].Verdict.Code != CodeGap {
		t.Errorf("%+v", rb.Items[1])
	}

	// A change under another's dot is not what its place promises.
	c := newFake('c')
	rows[2] = rows[1]
	_, rc := mustSync(t, hub, c, Config{}, Config{})
	if c.has("s", bad) != 2 || rc.Items[0].Verdict.Code != CodeMalformed {
		t.Errorf("%+v", rc.Items)
	}
}

// TestLaterVersion carries a change that this version cannot read over a hub to
// a third replica, byte for byte.
//
//concord:edge a later version
func TestLaterVersion(t *testing.T) {
	a, hub, c := newFake('a'), newFake('h'), newFake('c')
	a.write("s", "s/1", "ann")
	later := change(clock.Dot{Origin: a.self, N: 2}, "s/2", "ann").Encode()
	_, body, err := split(later)
	if err != nil {
		t.Fatal(err)
	}
	body[0] = 9 // the version of the change
	a.scopes["s"].add(a.self, later, false)
	a.write("s", "s/3", "ann")
	_, rh := mustSync(t, a, hub, Config{}, Config{})
	if rh.Received.Verdicts != (Verdicts{Applied: 2, Waiting: 1}) || rh.Items[0].Verdict.Code != CodeUnknownShape {
		t.Errorf("%+v", rh)
	}
	mustSync(t, hub, c, Config{}, Config{})
	if got := c.scopes["s"].rows[a.self][1].encoded; !bytes.Equal(got, later) {
		t.Errorf("arrived as %x, was %x", got, later)
	}
}

// TestUnreadableRow has a row of the sender's store be damaged.
//
//concord:fault a store that is damaged
func TestUnreadableRow(t *testing.T) {
	a, b := newFake('a'), newFake('b')
	a.writeMany("s", 20)
	a.writeMany("u", 3)
	a.broken[clock.Dot{Origin: a.self, N: 4}] = true // in every scope
	for _, cfg := range []Config{{}, small} {
		ra, rb := mustSync(t, a, b, cfg, cfg)
		if b.has("s", a.self) != 3 || b.has("u", a.self) != 3 {
			t.Error("what stands before it and other scopes must come through")
		}
		if len(ra.Items) != 1 || ra.Items[0].Verdict.Code != CodeUnavailable || ra.Items[0].Dot.N != 4 || len(rb.Items) != 0 {
			t.Errorf("%+v\n%+v", ra.Items, rb.Items)
		}
	}
	clear(a.broken)
	mustSync(t, a, b, Config{}, Config{})
	mustEqual(t, a, b)
}

// TestStoreFailures lets each method fail once. The error is told, the other
// side hears no detail, and the next session makes everything good.
//
//concord:fault a store that fails
func TestStoreFailures(t *testing.T) {
	secret := errors.New("/var/lib/x: disk full")
	for _, method := range []string{"status", "changes", "apply"} {
		a, b := newFake('a'), newFake('b')
		a.writeMany("s", 20)
		b.writeMany("s", 20)
		a.fail[method] = secret
		p := newPair(a, b, Config{}, Config{})
		p.start()
		p.run()
		wantClosed(t, p.a, secret)
		wantClosed(t, p.a, ErrStore)
		wantClosed(t, p.b, ErrStore)
		var told *PeerError
		if !errors.As(p.b.closed.Err, &told) || told.Reason != "" {
			t.Errorf("%s: the peer was told %v", method, p.b.closed.Err)
		}
		clear(a.fail)
		mustSync(t, a, b, Config{}, Config{})
		mustEqual(t, a, b)
	}
}

// oddStore breaks the contract of Store in one way.
type oddStore struct {
	*fakeStore
	status   func(*Status)
	batch    func(*Batch)
	verdicts func([]Verdict) []Verdict
	chains   func([]ChainAt) []ChainAt
	reissue  func(clock.Origin) clock.Origin
}

func (s *oddStore) run(c Command) Result {
	r := Run(s.fakeStore, c)
	switch c.Op.(type) {
	case ReadStatus:
		if s.status != nil {
			s.status(&r.Status)
		}
	case ReadChanges:
		if s.batch != nil {
			s.batch(&r.Batch)
		}
	case ApplyChanges:
		if s.verdicts != nil {
			r.Verdicts = s.verdicts(r.Verdicts)
		}
	case ReadChains:
		if s.chains != nil {
			r.Chains = s.chains(r.Chains)
		}
	case ReissueChanges:
		if s.reissue != nil {
			r.Origin = s.reissue(r.Origin)
		}
	}
	return r
}

//concord:fault a store that lies
func TestStoreBreaksContract(t *testing.T) {
	for name, odd := range map[string]oddStore{
		"no changes": {batch: func(b *Batch) {
			b.Rest = []clock.Range{{Origin: b.Changes[0].Dot.Origin, From: 1, To: 20}}
			b.Changes = nil
		}},
		"changes again":      {batch: func(b *Batch) { b.Changes = append(b.Changes, b.Changes...) }},
		"changes cut short":  {batch: func(b *Batch) { b.Changes[0].Encoded = b.Changes[0].Encoded[:3] }},
		"too few verdicts":   {verdicts: func(v []Verdict) []Verdict { return v[1:] }},
		"unknown verdict":    {verdicts: func(v []Verdict) []Verdict { v[0].Outcome = 99; return v }},
		"no chain digest":    {chains: func([]ChainAt) []ChainAt { return nil }},
		"reissue in place":   {reissue: func(clock.Origin) clock.Origin { return origin('a', 1) }},
		"reissue as another": {reissue: func(clock.Origin) clock.Origin { return origin('q', 1) }},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := newFake('a'), newFake('b')
			a.writeMany("s", 5)
			odd.fakeStore = a.clone()
			a.writeMany("s", 3)
			mustSync(t, a, b, Config{}, Config{}) // a was restored: all commands come up
			b.writeMany("s", 5)
			odd.fakeStore.writeMany("u", 30)
			p := newPair(odd.fakeStore, b, Config{}, Config{})
			p.a.odd = &odd
			p.start()
			p.run()
			wantClosed(t, p.a, ErrStore)
			wantClosed(t, p.b, ErrStore)
			mustSync(t, odd.fakeStore, b, Config{}, Config{})
			mustEqual(t, odd.fakeStore, b)
		})
	}
}
