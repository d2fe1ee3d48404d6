package replica_test

import (
	"errors"
	"testing"

	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/merge"
	"github.com/concord-crdt/concord/replica"
	"github.com/concord-crdt/concord/replica/session"
)

// hospital is a version of a policy whose doses are decided by steps.
func hospital(version uint64, write []string, steps ...merge.Step) merge.Policy {
	return merge.Policy{Name: "hospital", Version: version, Roles: []string{"chief", "doctor", "nurse"}, Activate: []string{"chief", "doctor"},
		Collections: map[string]merge.Collection{"c": {Fields: map[string]merge.FieldRule{
			"dose": {Type: crdt.TypeRegister, Of: merge.Integer, Write: write, Resolve: steps},
		}}}}
}

func openRuled(t testing.TB, dir, role string, p merge.Policy) *replica.Replica {
	return openStore(t, dir, replica.Options{Actor: role, Role: role, Policy: p, DisableDisk: dir == ""})
}

func setDose(t testing.TB, r *replica.Replica, v int) {
	t.Helper()
	update(t, r, "c", "k", func(p *replica.Record) error { return p.Register("dose").Set(v) })
}

func showsDose(t testing.TB, want int, rs ...*replica.Replica) {
	t.Helper()
	for i, r := range rs {
		if got := values(t, r, "c", "k")["dose"]; got != int64(want) {
			t.Errorf("replica %d shows %v, want %d", i, got, want)
		}
	}
}

// TestActivatedVersionDecidesAgain: a version that comes later decides an old
// conflict on every replica, also one that is opened with the version before.
func TestActivatedVersionDecidesAgain(t *testing.T) {
	v1, v2 := hospital(1, nil, merge.Latest), hospital(2, nil, merge.Authority("doctor", "nurse"), merge.Latest)
	dir := t.TempDir()
	a, b := openRuled(t, dir, "doctor", v1), openRuled(t, "", "nurse", v1)
	setDose(t, a, 5)
	setDose(t, b, 10)
	exchange(t, a, b, replica.SyncOptions{})
	showsDose(t, 10, a, b)
	if err := b.Activate(t.Context(), v2, crdt.Author{}); !errors.Is(err, merge.ErrNotEntitled) {
		t.Fatalf("a nurse activates: %v", err)
	}
	if err := a.Activate(t.Context(), v2, crdt.Author{}); err != nil {
		t.Fatal(err)
	}
	showsDose(t, 5, a)
	showsDose(t, 10, b)
	exchange(t, a, b, replica.SyncOptions{Scopes: []string{"c"}})
	showsDose(t, 5, a, b)
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	again := openRuled(t, dir, "doctor", v1)
	showsDose(t, 5, again)
	if p := again.Policy(); p.Version != 2 {
		t.Errorf("version %d in force after opening again, want 2", p.Version)
	}
}

// TestTwoSuccessors: of two versions activated apart every replica takes the one
// by the higher role, whatever came first.
//
//concord:edge two versions of a policy at once
func TestTwoSuccessors(t *testing.T) {
	v1 := hospital(1, nil, merge.Latest)
	v2, other := hospital(2, nil, merge.Authority("doctor", "nurse"), merge.Latest), hospital(3, nil, merge.Earliest)
	a, b, c := openRuled(t, "", "doctor", v1), openRuled(t, "", "chief", v1), openRuled(t, "", "nurse", v1)
	for r, p := range map[*replica.Replica]merge.Policy{a: other, b: v2} {
		if err := r.Activate(t.Context(), p, crdt.Author{}); err != nil {
			t.Fatal(err)
		}
		setDose(t, r, 1) // cites a version that may lose
	}
	exchange(t, c, a, replica.SyncOptions{})
	if p := c.Policy(); p.Version != 3 {
		t.Errorf("version %d in force, want 3", p.Version)
	}
	round(t, c, a, b)
	for i, r := range []*replica.Replica{a, b, c} {
		if p := r.Policy(); p.Version != 2 {
			t.Errorf("replica %d: version %d in force, want 2", i, p.Version)
		}
		if n := len(r.PolicyVersions()); n != 3 {
			t.Errorf("replica %d knows %d versions, want 3", i, n)
		}
		for q, err := range r.Quarantine(t.Context()) {
			t.Errorf("replica %d: %v %v, %v", i, q.Dot, q.Code, err)
		}
	}
}

// TestChangeWaitsForItsVersion: without the version that a change cites it waits;
// with it, it is judged by it, by whoever has whatever policy.
//
//concord:edge effects before causes
func TestChangeWaitsForItsVersion(t *testing.T) {
	v1, v2 := hospital(1, nil, merge.Latest), hospital(2, []string{"doctor"}, merge.Latest)
	a, b := openRuled(t, "", "chief", v1), openRuled(t, "", "nurse", v1)
	if err := a.Activate(t.Context(), v2, crdt.Author{}); err != nil {
		t.Fatal(err)
	}
	rules, at := export(t, a, replica.ExportOptions{})
	update(t, a, "c", "k", func(p *replica.Record) error { return p.As("d", "doctor").Register("dose").Set(5) })
	if err := a.Collection("c").Update(t.Context(), "k", func(p *replica.Record) error { return p.Register("dose").Set(6) }); !errors.Is(err, merge.ErrNotEntitled) {
		t.Errorf("a chief writes the dose: %v", err)
	}
	write, _ := export(t, a, replica.ExportOptions{Since: at})
	report := imports(t, b, write)
	if len(report.Items) != 1 || report.Items[0].Verdict.Code != session.CodeMissingPolicy {
		t.Fatalf("without the version: %+v", report)
	}
	imports(t, b, rules)
	showsDose(t, 5, b)
}

// TestMixedPolicies: what is written under other rules is judged by these, and both
// sides hear that they differ.
//
//concord:edge devices with different policies
func TestMixedPolicies(t *testing.T) {
	v1 := hospital(1, []string{"doctor"}, merge.Latest)
	loose := hospital(1, nil, merge.Latest)
	a, b := openRuled(t, "", "nurse", loose), openRuled(t, "", "doctor", v1)
	setDose(t, a, 9) // under other rules of the same number: another version
	exchange(t, a, b, replica.SyncOptions{})
	showsDose(t, 9, a, b)
	var differ bool
	exchangeWith(t, a, b, func(e session.Event) {
		if _, ok := e.(session.PolicyDiffers); ok {
			differ = true
		}
	})
	if !differ {
		t.Error("nobody noticed that the policies differ")
	}
}

func exchangeWith(t testing.TB, a, b *replica.Replica, events func(session.Event)) {
	t.Helper()
	exchange(t, a, b, replica.SyncOptions{Progress: events})
}

// TestChildIsShownWithItsParent: a child is shown while the births of its parent
// that its author had are live, and one whose author had none while the key has
// any.
func TestChildIsShownWithItsParent(t *testing.T) {
	a, b := openRuled(t, "", "x", merge.Policy{}), openRuled(t, "", "x", merge.Policy{})
	orders, lines := a.Collection("order"), a.Collection("line")
	count := func(r *replica.Replica) (n int) {
		for _, err := range r.Collection("line").Keys(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		return n
	}
	if err := lines.CreateUnder(t.Context(), "early", "order/1"); err != nil {
		t.Fatal(err)
	}
	_, err := lines.View(t.Context(), "early")
	if hidden, ok := errors.AsType[*replica.HiddenError](err); !ok || hidden.Parent != "order/1" || !errors.Is(err, replica.ErrNotFound) {
		t.Fatalf("a child without its parent: %v", err)
	}
	if n := count(a); n != 0 {
		t.Errorf("%d lines listed, want none", n)
	}
	if err := orders.Create(t.Context(), "1"); err != nil {
		t.Fatal(err)
	}
	if err := lines.CreateUnder(t.Context(), "late", "order/1"); err != nil {
		t.Fatal(err)
	}
	exchange(t, a, b, replica.SyncOptions{})
	if n := count(b); n != 2 {
		t.Errorf("%d lines listed, want 2", n)
	}
	if err := orders.Delete(t.Context(), "1"); err != nil {
		t.Fatal(err)
	}
	if n := count(a); n != 0 {
		t.Errorf("%d lines listed after the order is gone, want none", n)
	}
	if err := orders.Create(t.Context(), "1"); err != nil {
		t.Fatal(err)
	}
	exchange(t, a, b, replica.SyncOptions{})
	for _, r := range []*replica.Replica{a, b} {
		if _, err := r.Collection("line").View(t.Context(), "early"); err != nil {
			t.Errorf("the line that names a key: %v", err)
		}
		if _, err := r.Collection("line").View(t.Context(), "late"); !errors.Is(err, replica.ErrNotFound) {
			t.Errorf("the line of the order that is gone: %v", err)
		}
	}
}

// TestPolicyOfDeletionChanges: lists follow the version in force.
func TestPolicyOfDeletionChanges(t *testing.T) {
	policy := func(version uint64, wins crdt.DeletePolicy) merge.Policy {
		return merge.Policy{Name: "p", Version: version, Collections: map[string]merge.Collection{"c": {Delete: wins}}}
	}
	a, b := openRuled(t, "", "x", policy(1, crdt.DeleteWins)), openRuled(t, "", "x", policy(1, crdt.DeleteWins))
	setDose(t, a, 1)
	exchange(t, a, b, replica.SyncOptions{})
	if err := a.Collection("c").Delete(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	setDose(t, b, 2)
	exchange(t, a, b, replica.SyncOptions{})
	listed := func(r *replica.Replica) (keys []string) {
		for k, err := range r.Collection("c").Keys(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			keys = append(keys, k)
		}
		return keys
	}
	if n := len(listed(a)) + len(listed(b)); n != 0 {
		t.Fatalf("%d listed where deletions win", n)
	}
	if err := a.Activate(t.Context(), policy(2, crdt.UpdateWins), crdt.Author{}); err != nil {
		t.Fatal(err)
	}
	exchange(t, a, b, replica.SyncOptions{})
	if len(listed(a)) != 1 || len(listed(b)) != 1 {
		t.Errorf("listed where edits win: %v and %v", listed(a), listed(b))
	}
}
