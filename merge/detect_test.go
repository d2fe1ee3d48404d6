package merge_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/merge"
	"github.com/google/go-cmp/cmp"
)

// reports looks at a record that got the changes in every order, and wants one
// report.
func reports(t *testing.T, c *merge.CollectionRules, changes ...[]byte) merge.Report {
	t.Helper()
	var first merge.Report
	for i, order := range permutations(len(changes)) {
		d := inOrder(t, changes, order)
		before := d.rec.Digest()
		r := merge.Inspect(&d.rec, c, merge.Inspection{})
		if d.rec.Digest() != before {
			t.Fatal("a look altered the record")
		}
		if i == 0 {
			first = r
		} else if x, y := fmt.Sprintf("%+v", r), fmt.Sprintf("%+v", first); x != y {
			t.Fatalf("order %v: got\n%s\nwant\n%s", order, x, y)
		}
	}
	return first
}

// summary is a conflict in short: field, kind, severity, values.
func summary(cs []merge.Conflict) (out []string) {
	for _, c := range cs {
		var values []string
		for _, x := range c.Candidates {
			values = append(values, fmt.Sprint(x.Value))
		}
		out = append(out, fmt.Sprintf("%s %v %v [%s] shown %d", c.Field, c.Kind, c.Severity, strings.Join(values, " "), c.Shown))
	}
	return out
}

func wantConflicts(t *testing.T, r merge.Report, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, summary(r.Conflicts)); diff != "" {
		t.Errorf("conflicts (-want +got):\n%s", diff)
	}
}

func set(field string, v any) func(e *crdt.RecordEditor) {
	return func(e *crdt.RecordEditor) { _ = e.Register(field).Set(v) }
}

var clerk = by("c-1", "clerk")

func TestDetection(t *testing.T) {
	plan := ruled(`task: {fields: {state: {type: register, of: string, resolve: [{authority: [doctor, nurse]}, latest]},
      due: {type: register, of: string}, critical: {type: flag}, asked: {type: register, resolve: [review]}},
    detect: {near: 10m, immediate: record.critical, deferred: "candidates.exists(c, c.value == 'late')"}}`)
	tests := []struct {
		name string
		a, b func(e *crdt.RecordEditor)
		gap  int // minutes
		want []string
	}{
		{"disjoint fields", set("state", "x"), set("due", "y"), 1, nil},
		{"equal values", set("state", "x"), set("state", "x"), 1, nil},
		{"far apart", set("state", "x"), set("state", "y"), 60, []string{"state technical auto [x y] shown 0"}},
		{"near", set("state", "x"), set("state", "y"), 9, []string{"state technical immediate [x y] shown 0"}},
		{"not quite near", set("state", "x"), set("state", "y"), 10, []string{"state technical auto [x y] shown 0"}},
		{"deferred", set("state", "late"), set("state", "y"), 60, []string{"state technical deferred [late y] shown 0"}},
		{"asked", set("asked", "x"), set("asked", "y"), 60, []string{"asked technical deferred [x y] shown 1"}},
		{"critical", func(e *crdt.RecordEditor) { _ = e.Flag("critical").Enable(); set("state", "x")(e) }, set("state", "y"), 60,
			[]string{"state technical immediate [x y] shown 0"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, b := keeping(1), keeping(2)
			r := reports(t, plan, a.write(t, doctor, at(0), nil, tt.a), b.write(t, nurse, at(tt.gap), nil, tt.b))
			wantConflicts(t, r, tt.want...)
		})
	}
}

// Each dimension says what it measured, and can be switched off.
func TestDimensions(t *testing.T) {
	c := ruled(`task: {fields: {dose: {type: group, of: {mg: integer, unit: string}, review: {from: 600000}, resolve: [{authority: [doctor]}, latest]}},
    detect: {near: 10m, deferred: "true"}}`)
	a, b := keeping(1), keeping(2)
	base := a.write(t, doctor, at(0), nil, func(e *crdt.RecordEditor) { _ = e.Group("dose").Set(map[string]any{"mg": 5, "unit": "mg"}) })
	b.receive(t, base)
	x := a.write(t, doctor, at(5), nil, func(e *crdt.RecordEditor) { _ = e.Group("dose").Put("mg", 7) })
	y := b.write(t, nurse, at(8), nil, func(e *crdt.RecordEditor) { _ = e.Group("dose").Set(map[string]any{"mg": 8, "unit": "g"}) })
	r := reports(t, c, base, x, y)
	if len(r.Conflicts) != 1 {
		t.Fatalf("conflicts %v", summary(r.Conflicts))
	}
	got := r.Conflicts[0]
	want := []merge.Measured{
		{Dimension: merge.DimensionTime, Fired: true, Distance: 3 * time.Minute},
		{Dimension: merge.DimensionPattern, Fired: true, Changed: []string{"dose.mg", "dose.unit"}, Shares: []uint64{500000, 1000000}},
		{Dimension: merge.DimensionRoles, Fired: true, Roles: []string{"doctor", "nurse"}},
		{Dimension: merge.DimensionContext, Fired: true, Conditions: []string{"deferred"}},
	}
	if diff := cmp.Diff(want, got.Dimensions); diff != "" {
		t.Errorf("dimensions (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]merge.FieldDiff{
		{Field: "dose.mg", Base: int64(5), Values: []any{int64(7), int64(8)}},
		{Field: "dose.unit", Base: "mg", Values: []any{"mg", "g"}},
	}, got.Diff); diff != "" {
		t.Errorf("diff (-want +got):\n%s", diff)
	}
	if got.Rule != "authority: doctor" || got.Shown != 0 || got.Severity != merge.NoticeImmediate {
		t.Errorf("got %q, %d, %v", got.Rule, got.Shown, got.Severity)
	}
	d := inOrder(t, [][]byte{base, x, y}, []int{0, 1, 2})
	for off, severity := range map[merge.Dimension]merge.Notice{
		merge.DimensionTime: merge.NoticeDeferred, merge.DimensionPattern: merge.NoticeImmediate, merge.DimensionRoles: merge.NoticeImmediate,
		merge.DimensionTime | merge.DimensionContext | merge.DimensionPattern: merge.NoticeAuto,
	} {
		r := merge.Inspect(&d.rec, c, merge.Inspection{Without: off})
		for _, m := range r.Conflicts[0].Dimensions {
			if m.Dimension&off != 0 {
				t.Errorf("%v is off, and reports", m.Dimension)
			}
		}
		if got := r.Conflicts[0].Severity; got != severity {
			t.Errorf("without %v: got %v, want %v", off, got, severity)
		}
	}
	// With resolution off the latest is shown, and the same is found.
	plain := merge.Inspect(&d.rec, c, merge.Inspection{Plain: true})
	if f, _ := plain.View.Field("dose"); len(plain.Conflicts) != 1 || cmp.Diff(map[string]any{"mg": int64(8), "unit": "g"}, f.Value) != "" {
		t.Errorf("plain: %v, shows %v", summary(plain.Conflicts), f.Value)
	}
}

// Two people decide differently: that is a conflict of its own. Who saw both ends
// it.
func TestDecisions(t *testing.T) {
	c := ruled(`case: {fields: {status: {type: register, of: string, resolve: [review]}}}`)
	a, b := keeping(1), keeping(2)
	x, y := a.write(t, clerk, at(1), nil, set("status", "open")), b.write(t, clerk, at(2), nil, set("status", "closed"))
	r := reports(t, c, x, y)
	wantConflicts(t, r, "status technical deferred [open closed] shown 1")
	if len(r.Review) != 1 || r.Review[0].Field != "status" {
		t.Errorf("review %v", r.Review)
	}
	a.receive(t, y)
	b.receive(t, x)
	choose := func(d *device, minute int, v string, custom bool) []byte {
		return d.write(t, clerk, at(minute), nil, func(e *crdt.RecordEditor) {
			if err := c.Choose(e, merge.View(&d.rec, c), []string{"status"}, v, custom); err != nil {
				t.Fatal(err)
			}
		})
	}
	p, q := choose(a, 4, "open", false), choose(b, 5, "half open", true)
	r = reports(t, c, x, y, p, q)
	wantConflicts(t, r, "status technical deferred [open half open] shown 1")
	a.receive(t, q)
	last := choose(a, 6, "half open", false)
	r = reports(t, c, x, y, p, q, last)
	wantConflicts(t, r)
	if len(r.Review) != 0 || r.View.Values()["status"] != "half open" {
		t.Errorf("got %v, review %v", r.View.Values(), r.Review)
	}
	a.write(t, clerk, at(7), nil, func(e *crdt.RecordEditor) {
		if err := c.Choose(e, merge.View(&a.rec, c), []string{"status"}, "none of them", false); err == nil {
			t.Error("a value that nobody wrote was chosen")
		}
	})
}

func TestBusinessConflict(t *testing.T) {
	a, b := keeping(1), keeping(2)
	five := a.set(t, doctor, at(0), 500)
	b.receive(t, five)
	nine := b.set(t, nurse, at(3), 9000)
	r := reports(t, wardLimit, five, nine)
	wantConflicts(t, r, "dose business deferred [9000] shown -1")
	if c := r.Conflicts[0]; c.Rule != "daily-maximum" || c.Base != int64(500) {
		t.Errorf("got %q upon %v", c.Rule, c.Base)
	}
	if h := r.Held; len(h) != 1 || len(h[0].Writes) != 1 || h[0].Writes[0].Value != int64(9000) || h[0].Writes[0].Role != "nurse" || h[0].Approve[0] != "chief" {
		t.Errorf("held %+v", h)
	}
	b.receive(t)
	no := b.decide(t, wardLimit, chief, 4, dotOf(t, nine), false)
	r = reports(t, wardLimit, five, nine, no)
	wantConflicts(t, r)
	if len(r.Held) != 0 || len(r.Overruled) != 1 || r.Overruled[0].By != merge.OverruledByVerdict || r.Overruled[0].Actor != nurse.Actor {
		t.Errorf("held %v, overruled %+v", r.Held, r.Overruled)
	}
}

// What went with a deletion can still be read.
func TestOverruledByDeletion(t *testing.T) {
	c := ruled(`room: {delete: delete-wins, fields: {name: {type: register, of: string}, floor: {type: register, of: string}}}`)
	a, b := newDevice(1), newDevice(2)
	elm := a.write(t, clerk, at(0), nil, set("name", "Elm"))
	b.receive(t, elm)
	gone := a.remove(t, clerk, at(1), crdt.DeleteWins)
	two := b.write(t, clerk, at(2), nil, set("floor", "2"))
	r := reports(t, c, elm, gone, two)
	if r.View.Exists {
		t.Error("the room is there")
	}
	var got []string
	for _, o := range r.Overruled {
		got = append(got, fmt.Sprintf("%s=%v %v", o.Field, o.Value, o.By))
	}
	if diff := cmp.Diff([]string{"floor=2 deletion", "name=Elm deletion"}, got); diff != "" {
		t.Errorf("overruled (-want +got):\n%s", diff)
	}
}

func TestFacts(t *testing.T) {
	tour := ruled(`tour: {fields: {events: {type: log, intent: {key: [package, action], window: 15m, conflict: [package]}}}}`)
	event := func(p, a string) map[string]any { return map[string]any{"package": p, "action": a} }
	type report struct {
		minute int
		value  any
	}
	tests := []struct {
		name      string
		reports   []report
		counts    []int
		conflicts int
	}{
		{"scanned twice", []report{{0, event("P1", "delivered")}, {3, event("P1", "delivered")}}, []int{2}, 0},
		{"three witnesses", []report{{0, event("P1", "delivered")}, {14, event("P1", "delivered")}, {7, event("P1", "delivered")}}, []int{3}, 0},
		{"the window is measured from the first", []report{{0, event("P1", "x")}, {10, event("P1", "x")}, {20, event("P1", "x")}}, []int{2, 1}, 0},
		{"the window's end lies outside", []report{{0, event("P1", "x")}, {15, event("P1", "x")}}, []int{1, 1}, 0},
		{"distinct packages", []report{{0, event("P1", "x")}, {0, event("P2", "x")}}, []int{1, 1}, 0},
		{"delivered and refused", []report{{0, event("P1", "delivered")}, {3, event("P1", "refused")}}, []int{1, 1}, 1},
		{"refused long after", []report{{0, event("P1", "delivered")}, {30, event("P1", "refused")}}, []int{1, 1}, 0},
		{"no package", []report{{0, map[string]any{"action": "x"}}, {0, map[string]any{"action": "x"}}, {0, "x"}, {0, "x"}}, []int{1, 1, 1, 1}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var changes [][]byte
			for i, x := range tt.reports {
				changes = append(changes, keeping(byte(i+1)).write(t, by("d", "teller"), at(x.minute), nil,
					func(e *crdt.RecordEditor) { _ = e.Log("events").Append(x.value) }))
			}
			r := reports(t, tour, changes...)
			var counts []int
			for _, f := range r.Facts[0].Facts {
				counts = append(counts, f.Count())
			}
			if diff := cmp.Diff(tt.counts, counts); diff != "" {
				t.Errorf("witnesses (-want +got):\n%s", diff)
			}
			if f, _ := r.View.Field("events"); len(f.Value.([]any)) != len(tt.counts) || len(f.Candidates) != len(tt.reports) {
				t.Errorf("shows %v of %d reports", f.Value, len(f.Candidates))
			}
			if len(r.Conflicts) != tt.conflicts || tt.conflicts > 0 && r.Conflicts[0].Kind != merge.Business {
				t.Errorf("conflicts %v", summary(r.Conflicts))
			}
		})
	}
}

// A share is held against the common ancestor of all that are concurrent, exactly.
func TestReviewThreshold(t *testing.T) {
	lesson := ruled(`lesson: {fields: {plan: {type: text, review: {from: 50000}}, items: {type: list, review: {from: 50000}},
      tags: {type: set, review: {from: 50000}}, body: {type: register, of: string, review: {from: 50000}}}}`)
	const length = 10_000
	letters := strings.Repeat("lorem ipsu", length/10)
	type edit struct{ insert, remove int }
	edits := map[string]func(x edit, by int) func(e *crdt.RecordEditor){
		"plan": func(x edit, by int) func(e *crdt.RecordEditor) {
			return func(e *crdt.RecordEditor) {
				_ = e.Text("plan").Insert(by*1000, strings.Repeat("x", x.insert))
				if x.remove > 0 {
					_ = e.Text("plan").Delete(by*1000+x.insert, x.remove)
				}
			}
		},
		"body": func(x edit, by int) func(e *crdt.RecordEditor) {
			return set("body", letters[:by*1000]+strings.Repeat("X", x.insert)+letters[by*1000+x.remove:])
		},
	}
	for field, edit2 := range edits {
		for _, tt := range []struct {
			name string
			a, b edit
			want []int // which of the two
		}{
			{"4.99 %", edit{499, 0}, edit{10, 0}, nil},
			{"5.00 %", edit{500, 0}, edit{10, 0}, []int{0}},
			{"5.01 %", edit{501, 0}, edit{10, 0}, []int{0}},
			{"half deleted, half inserted", edit{250, 250}, edit{249, 250}, []int{0}},
			{"both", edit{0, 500}, edit{500, 0}, []int{0, 1}},
		} {
			t.Run(field+" "+tt.name, func(t *testing.T) {
				a, b := keeping(1), keeping(2)
				base := a.write(t, clerk, at(0), nil, func(e *crdt.RecordEditor) {
					if field == "plan" {
						_ = e.Text("plan").Insert(0, letters)
					} else {
						set("body", letters)(e)
					}
				})
				b.receive(t, base)
				x := a.write(t, clerk, at(1), nil, edit2(tt.a, 1))
				y := b.write(t, clerk, at(2), nil, edit2(tt.b, 6))
				r := reports(t, lesson, base, x, y)
				var want, got []clock.Dot
				for _, i := range tt.want {
					want = append(want, dotOf(t, [][]byte{x, y}[i]))
				}
				for _, q := range r.Review {
					got = append(got, q.Change)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("review (-want +got):\n%s\n%+v", diff, r.Review)
				}
				a.receive(t, y)
				seen := a.write(t, clerk, at(3), nil, edit2(edit{1, 0}, 3))
				if r := reports(t, lesson, base, x, y, seen); len(r.Review) > 0 {
					t.Errorf("asked about what was seen: %+v", r.Review)
				}
			})
		}
	}
}

// Many small edits of one author add up: a candidate is measured with all that it
// saw.
func TestReviewAddsUp(t *testing.T) {
	lesson := ruled(`lesson: {fields: {plan: {type: text, review: {from: 50000}}}}`)
	a, b := keeping(1), keeping(2)
	base := a.write(t, clerk, at(0), nil, func(e *crdt.RecordEditor) { _ = e.Text("plan").Insert(0, strings.Repeat("a", 100)) })
	b.receive(t, base)
	changes := [][]byte{base, b.write(t, clerk, at(1), nil, func(e *crdt.RecordEditor) { _ = e.Text("plan").Insert(90, "b") })}
	for i := range 5 {
		changes = append(changes, a.write(t, clerk, at(2+i), nil, func(e *crdt.RecordEditor) { _ = e.Text("plan").Insert(i, "c") }))
		d := inOrder(t, changes, []int{0, 1, 2, 3, 4, 5, 6}[:len(changes)])
		r := merge.Inspect(&d.rec, lesson, merge.Inspection{})
		if want := i == 4; len(r.Review) == 1 != want {
			t.Errorf("after %d of 100: %+v", i+1, r.Review)
		}
	}
}

// Concurrent edits of one text are no conflict, and neither is an item that is
// removed from a cart while its quantity is raised: only the raise stays.
func TestCart(t *testing.T) {
	cart := ruled(`cart: {fields: {items: {type: map, of: counter}, note: {type: text}}}`)
	a, b := keeping(1), keeping(2)
	two := a.write(t, clerk, at(0), nil, func(e *crdt.RecordEditor) { _ = e.Map("items").Counter("milk").Add(2) })
	b.receive(t, two)
	gone := a.write(t, clerk, at(1), nil, func(e *crdt.RecordEditor) { _ = e.Map("items").Delete("milk"); _ = e.Text("note").Insert(0, "a") })
	more := b.write(t, clerk, at(1), nil, func(e *crdt.RecordEditor) {
		_ = e.Map("items").Counter("milk").Add(1)
		_ = e.Text("note").Insert(0, "b")
	})
	r := reports(t, cart, two, gone, more)
	wantConflicts(t, r)
	if got := r.View.Values()["items"]; cmp.Diff(map[string]any{"milk": int64(1)}, got) != "" {
		t.Errorf("got %v", got)
	}
}

// An assignment is judged by what its author saw of the driver.
func TestEvidence(t *testing.T) {
	p, findings := merge.ParsePolicy("t", []byte(`policy: p
version: 1
roles: [dispatch]
collections:
  driver: {fields: {hazmat: {type: register, of: boolean}}}
  trip:
    refs: {driver: {collection: driver, at: write}}
    fields: {driver: {type: register, of: string, resolve: [{require: evidence.driver.hazmat}, latest]}}
  live:
    refs: {driver: {collection: driver, at: now}}
    fields: {driver: {type: register, of: string, resolve: [{require: evidence.driver.hazmat}, latest]}}
`))
	if err := findings.Err(); err != nil {
		t.Fatal(err)
	}
	rules, _ := p.Compile(nil)
	trip, _ := rules.Collection("trip")
	live, _ := rules.Collection("live")
	if diff := cmp.Diff([]merge.Read{{Reference: "driver", Collection: "driver", Fields: []string{"hazmat"}}}, trip.Reads("driver")); diff != "" {
		t.Errorf("reads (-want +got):\n%s", diff)
	}
	dispatch := by("d", "dispatch")
	assign := func(d *device, minute int, driver string, certified bool) []byte {
		return d.write(t, dispatch, at(minute), nil, func(e *crdt.RecordEditor) {
			_ = e.Register("driver").Set(driver)
			_ = e.Evidence(crdt.Evidence{Reference: "driver", Record: "driver/" + driver, Fields: map[string]any{"hazmat": certified}})
		})
	}
	a, b := keeping(1), keeping(2)
	x, y := assign(a, 1, "d2", true), assign(b, 5, "d1", false)
	r := reports(t, trip, x, y)
	if got := r.View.Values()["driver"]; got != "d2" || len(r.Unresolved) > 0 {
		t.Errorf("got %v, unresolved %v", got, r.Unresolved)
	}
	d := inOrder(t, [][]byte{x, y}, []int{0, 1})
	if e, err := merge.ExplainField(&d.rec, trip, []string{"driver"}, nil); err != nil || e.Deciding != "require" {
		t.Errorf("explained by %q, %v", e.Deciding, err)
	}
	r = reports(t, trip, y)
	if got := r.View.Values()["driver"]; got != nil || cmp.Diff([]string{"driver"}, r.Unresolved) != "" {
		t.Errorf("nobody qualifies, and it shows %v, unresolved %v", got, r.Unresolved)
	}
	// At now: what the drivers' records show.
	now := func(collection, key string) (map[string]any, bool) {
		return map[string]any{"hazmat": key == "d1"}, collection == "driver"
	}
	v := merge.ViewWith(&d.rec, live, now)
	if got := v.Values()["driver"]; got != "d1" || v.Provisional {
		t.Errorf("now: got %v, provisional %v", got, v.Provisional)
	}
	if v := merge.View(&d.rec, live); !v.Provisional {
		t.Error("a view without the other record is not provisional")
	}
}
