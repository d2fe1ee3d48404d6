package replica

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/replica/session"
)

// TestQuarantineListsWhatWaits: a change ahead of time, and the one that follows
// it, are listed with what they wait for, kept over a restart, and leave the
// list when their time has come.
//
//concord:edge effects before causes
func TestQuarantineListsWhatWaits(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	start := now
	base := t.TempDir()
	dir := filepath.Join(base, "b")
	o := Options{Wall: func() time.Time { return now }}
	a := openAt(t, filepath.Join(base, "a"), Options{Actor: "ana", Wall: func() time.Time { return now.AddDate(1, 0, 0) }})
	b := openAt(t, dir, o)
	set(t, a, "k", "future")
	set(t, a, "k", "after it")
	meet(t, a, b)
	shut(t, b)
	now = now.Add(time.Hour)
	b = openAt(t, dir, o)
	first, second := clock.Dot{Origin: a.origin, N: 1}, clock.Dot{Origin: a.origin, N: 2}
	var list []Quarantined
	for q, err := range b.Quarantine(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, q)
	}
	if len(list) != 2 || list[0].Dot != first || list[1].Dot != second {
		t.Fatalf("%+v", list)
	}
	q := list[0]
	if q.Scope != "c" || q.Fate != Waiting || q.Code != session.CodeClockAhead || q.Reason == "" ||
		q.Author.Actor != "ana" || !slices.Equal(q.Records, []string{"k"}) || len(q.Bytes) == 0 || q.Since.Time().UTC() != start {
		t.Errorf("%+v", q)
	}
	if f, err := b.Retry(t.Context(), "c", first); err != nil || f != Waiting {
		t.Errorf("too early: %v, %v", f, err)
	}
	now = now.AddDate(1, 0, 0)
	if f, err := b.Retry(t.Context(), "c", first); err != nil || f != Applied {
		t.Errorf("in time: %v, %v", f, err)
	}
	if _, err := b.Retry(t.Context(), "c", first); !errors.Is(err, ErrNotWaiting) {
		t.Errorf("again: %v", err)
	}
	if got := read(b, "k"); got != "after it" {
		t.Errorf("shows %v", got)
	}
	for q := range b.Quarantine(t.Context()) {
		t.Errorf("still listed: %+v", q)
	}
}

// TestQuarantineNamesDependents: what waits for a change that waits.
//
//concord:edge effects before causes
func TestQuarantineNamesDependents(t *testing.T) {
	base := t.TempDir()
	a := openAt(t, filepath.Join(base, "a"), Options{})
	b := openAt(t, filepath.Join(base, "b"), Options{Inbox: true})
	set(t, a, "k", 1)
	set(t, a, "k", 2)
	meet(t, a, b)
	var v clock.VersionVector
	b.mu.Lock()
	s := b.scopes["c"]
	first, second := clock.Dot{Origin: a.origin, N: 1}, clock.Dot{Origin: a.origin, N: 2}
	s.waiting.changes[second].needs = []clock.Dot{first}
	b.mu.Unlock()
	for q, err := range b.Quarantine(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if q.Dot == first && !slices.Equal(q.Dependents, []clock.Dot{second}) {
			t.Errorf("dependents of the first: %v", q.Dependents)
		}
		if q.Dot == second && !slices.Equal(q.Needs, []clock.Dot{first}) {
			t.Errorf("needs of the second: %v", q.Needs)
		}
	}
	v.Set(a.origin, 2)
	if err := b.Take(t.Context(), "c", &v); err != nil {
		t.Fatal(err)
	}
	if got := read(b, "k"); got != int64(2) {
		t.Errorf("shows %v", got)
	}
}
