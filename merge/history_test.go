package merge_test

import (
	"fmt"
	"testing"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/merge"
	"github.com/google/go-cmp/cmp"
)

var (
	doctor = by("dr-weiss", "doctor")
	nurse  = by("n-okafor", "nurse")
	chief  = by("dr-lang", "chief")
)

// doseRule is a collection whose field dose is resolved by steps.
func doseRule(steps ...merge.Step) *merge.CollectionRules {
	return compiled(merge.Collection{Fields: map[string]merge.FieldRule{"dose": {Type: crdt.TypeRegister, Resolve: steps}}})
}

var (
	doctorFirst = doseRule(merge.Authority("doctor", "nurse"), merge.Latest)
	nurseFirst  = doseRule(merge.Authority("nurse", "doctor"), merge.Latest)
	latest      = doseRule()
	earliest    = doseRule(merge.Earliest)
)

// outcome is what a rule is to show of the field dose.
type outcome struct {
	rule       *merge.CollectionRules
	name       string
	want       int64
	candidates int
}

// expect shows a record to every rule.
func expect(t *testing.T, when string, rec *crdt.Record, outcomes ...outcome) {
	t.Helper()
	for _, o := range outcomes {
		v := merge.View(rec, o.rule)
		f, ok := v.Field("dose")
		if !ok {
			t.Errorf("%s: %s: no dose", when, o.name)
			continue
		}
		if f.Value != o.want || len(f.Candidates) != o.candidates || f.Concurrent != (o.candidates > 1) {
			t.Errorf("%s: %s: got %v of %d candidates (concurrent: %v), want %d of %d",
				when, o.name, f.Value, len(f.Candidates), f.Concurrent, o.want, o.candidates)
		}
	}
}

// everywhere delivers all changes to a fresh replica in every order, and to the
// replicas that took part, and shows each to every rule.
func everywhere(t *testing.T, devices []*device, changes [][]byte, outcomes ...outcome) {
	t.Helper()
	for _, d := range devices {
		d.receive(t, changes...)
		expect(t, fmt.Sprintf("replica %v", d.origin), &d.rec, outcomes...)
	}
	want := devices[0].rec.Digest()
	for _, order := range permutations(len(changes)) {
		d := inOrder(t, changes, order)
		expect(t, fmt.Sprintf("delivered in order %v", order), &d.rec, outcomes...)
		if d.rec.Digest() != want {
			t.Errorf("delivered in order %v: another state", order)
		}
	}
}

// A nurse opens a form at dose 5. The doctor's 3 arrives at her tablet. She
// saves 7, not having seen the 3: the two are concurrent, and authority counts.
func TestFormOpenedBefore(t *testing.T) {
	tablet, office, server := newDevice(1), newDevice(2), newDevice(3)
	five := office.set(t, doctor, at(0), 5)
	tablet.receive(t, five)

	form := tablet.version()
	three := office.set(t, doctor, at(5), 3)
	tablet.receive(t, three)
	seven := tablet.write(t, nurse, at(10), form, func(e *crdt.RecordEditor) { _ = e.Register("dose").Set(7) })

	everywhere(t, []*device{tablet, office, server}, [][]byte{five, three, seven},
		outcome{doctorFirst, "doctor first", 3, 2},
		outcome{nurseFirst, "nurse first", 7, 2},
		outcome{latest, "latest", 7, 2},
		outcome{earliest, "earliest", 3, 2},
	)
}

// The same nurse opens the form again, sees the 3, and corrects it: that is not
// concurrent, and her 7 stands whatever the ranks.
func TestInformedCorrection(t *testing.T) {
	tablet, office, server := newDevice(1), newDevice(2), newDevice(3)
	five := office.set(t, doctor, at(0), 5)
	three := office.set(t, doctor, at(5), 3)
	tablet.receive(t, five, three)
	seven := tablet.write(t, nurse, at(10), tablet.version(), func(e *crdt.RecordEditor) { _ = e.Register("dose").Set(7) })

	everywhere(t, []*device{tablet, office, server}, [][]byte{five, three, seven},
		outcome{doctorFirst, "doctor first", 7, 1},
		outcome{nurseFirst, "nurse first", 7, 1},
		outcome{latest, "latest", 7, 1},
		outcome{earliest, "earliest", 7, 1},
	)
}

// Offline on three replicas, three roles write at once. Who is listed first
// decides; the chief, whom no rule lists, comes last.
func TestThreeRolesOffline(t *testing.T) {
	tablet, office, server := newDevice(1), newDevice(2), newDevice(3)
	base := server.set(t, chief, at(0), 1)
	tablet.receive(t, base)
	office.receive(t, base)
	changes := [][]byte{base,
		office.set(t, doctor, at(5), 3),
		tablet.set(t, nurse, at(6), 7),
		server.set(t, chief, at(7), 4),
	}
	everywhere(t, []*device{tablet, office, server}, changes,
		outcome{doctorFirst, "doctor first", 3, 3},
		outcome{nurseFirst, "nurse first", 7, 3},
		outcome{latest, "latest", 4, 3},
		outcome{earliest, "earliest", 3, 3},
		outcome{doseRule(merge.Authority("chief"), merge.Latest), "chief only", 4, 3},
		outcome{doseRule(merge.Authority("pharmacist"), merge.Latest), "nobody listed", 4, 3},
	)
}

// Two doctors and a nurse: authority leaves the doctors, and the next step
// decides between them. The nurse wrote last and has no part in that.
func TestTiesGoOn(t *testing.T) {
	tablet, office, server := newDevice(1), newDevice(2), newDevice(3)
	changes := [][]byte{
		office.set(t, doctor, at(5), 3),
		server.set(t, by("dr-lang", "doctor"), at(2), 4),
		tablet.set(t, nurse, at(9), 7),
	}
	everywhere(t, []*device{tablet, office, server}, changes,
		outcome{doctorFirst, "doctor first, then latest", 3, 3},
		outcome{doseRule(merge.Authority("doctor"), merge.Earliest), "doctor first, then earliest", 4, 3},
		outcome{doseRule(merge.Authority("doctor")), "doctor first, then the entry", 4, 3},
	)
}

// A write that joins two siblings, by someone who saw both, ends the conflict.
func TestDecisionSupersedesWhatItSaw(t *testing.T) {
	tablet, office, server := newDevice(1), newDevice(2), newDevice(3)
	three, seven := office.set(t, doctor, at(5), 3), tablet.set(t, nurse, at(6), 7)
	server.receive(t, three, seven)
	decision := server.set(t, chief, at(8), 5)
	everywhere(t, []*device{tablet, office, server}, [][]byte{three, seven, decision},
		outcome{doctorFirst, "doctor first", 5, 1},
		outcome{nurseFirst, "nurse first", 5, 1},
		outcome{latest, "latest", 5, 1},
	)
}

// A sibling that arrives after a decision was not seen by it: the question is
// open again.
func TestLateSiblingReopens(t *testing.T) {
	tablet, office, server := newDevice(1), newDevice(2), newDevice(3)
	three, seven := office.set(t, doctor, at(5), 3), tablet.set(t, nurse, at(6), 7)
	server.receive(t, three)
	decision := server.set(t, chief, at(8), 5)
	everywhere(t, []*device{tablet, office, server}, [][]byte{three, seven, decision},
		outcome{doctorFirst, "doctor first", 7, 2},
		outcome{latest, "latest", 5, 2},
		outcome{earliest, "earliest", 7, 2},
	)
}

// The doctor's clock runs a day ahead. The nurse, whose clock is right, saw
// the value and corrects it: what she saw decides before any clock, and the
// third write, which saw neither, is ordered by effective stamps. A join that
// dropped losers by their stamps would show the 7 or the 4, by order of arrival.
func TestWrongClock(t *testing.T) {
	tablet, office, server := newDevice(1), newDevice(2), newDevice(3)
	three := office.set(t, doctor, at(24*60), 3)
	tablet.receive(t, three)
	seven := tablet.set(t, nurse, at(10), 7)
	four := server.set(t, chief, at(20), 4)
	everywhere(t, []*device{tablet, office, server}, [][]byte{three, seven, four},
		outcome{latest, "latest", 7, 2},
		outcome{earliest, "earliest", 4, 2},
		outcome{doctorFirst, "doctor first", 7, 2},
	)
}

// Equal stamps: the entry is the last resort, and the view says so.
func TestEqualStamps(t *testing.T) {
	tablet, office, server := newDevice(1), newDevice(2), newDevice(3)
	changes := [][]byte{office.set(t, doctor, at(5), 3), tablet.set(t, nurse, at(5), 7)}
	everywhere(t, []*device{tablet, office, server}, changes,
		outcome{latest, "latest", 3, 2},
		outcome{earliest, "earliest", 3, 2},
	)
	for _, tt := range []struct {
		rule *merge.CollectionRules
		want merge.Resolution
	}{
		{latest, merge.Resolution{Winner: 1, By: merge.ByEntry, Step: 0}},
		{doctorFirst, merge.Resolution{Winner: 1, By: merge.ByStep, Step: 0}},
		{doseRule(merge.Authority("chief"), merge.Latest), merge.Resolution{Winner: 1, By: merge.ByEntry, Step: 1}},
	} {
		v := merge.View(&server.rec, tt.rule)
		if f, _ := v.Field("dose"); f.Resolution != tt.want {
			t.Errorf("got %+v, want %+v", f.Resolution, tt.want)
		}
	}
}

// Nothing that was overruled is hidden: each candidate says who wrote it, in
// which role, when, and why.
func TestCandidates(t *testing.T) {
	tablet, office := newDevice(1), newDevice(2)
	why := crdt.Intent{Action: "correct", Key: "order-9"}
	office.receive(t, tablet.set(t, nurse, at(6), 7))
	office2 := newDevice(2)
	three := office2.write(t, crdt.Author{Actor: "dr-weiss", Role: "doctor", Intent: why}, at(5), nil,
		func(e *crdt.RecordEditor) { _ = e.Register("dose").Set(3) })
	office.receive(t, three)

	v := merge.View(&office.rec, doctorFirst)
	f, _ := v.Field("dose")
	entry := func(d *device) crdt.EntryID { return crdt.EntryID{Dot: clock.Dot{Origin: d.origin, N: 1}} }
	want := []merge.Candidate{
		{Value: int64(7), Actor: "n-okafor", Role: "nurse", Stamp: at(6), Entry: entry(tablet)},
		{Value: int64(3), Actor: "dr-weiss", Role: "doctor", Intent: why, Stamp: at(5), Entry: entry(office2)},
	}
	for i := range want {
		if !cmp.Equal(f.Candidates[i], want[i]) {
			t.Errorf("candidate %d: got %+v, want %+v", i, f.Candidates[i], want[i])
		}
	}
	if w, ok := f.Winner(); !ok || !cmp.Equal(*w, want[1]) {
		t.Errorf("got winner %+v, want %+v", w, want[1])
	}
}
