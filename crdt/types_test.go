package crdt_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt"
)

// underRace says that the race detector is on.
var underRace bool

// seeds is how many random histories a test runs.
func seeds(n uint64) uint64 {
	if underRace {
		return n / 10
	}
	return n
}

// reading is what a record shows of every type, without any overlay.
func reading(r *crdt.Record) map[string]any {
	out := map[string]any{}
	for f := range r.Fields(crdt.DeleteWins) {
		out[f.Name()+":"+f.Type().String()] = readField(f)
	}
	return out
}

func readField(f crdt.Field) any {
	switch f.Type() {
	case crdt.TypeRegister, crdt.TypeGroup:
		var vs []any
		for _, c := range f.Candidates() {
			vs = append(vs, c.Value)
		}
		return vs
	case crdt.TypeCounter:
		return f.Count().String()
	case crdt.TypeSet, crdt.TypeRemoveSet:
		return f.Elements()
	case crdt.TypeMap:
		m := map[string]any{}
		for k := range f.Kids() {
			m[k.Name()+":"+k.Type().String()] = readField(k)
		}
		return m
	case crdt.TypeText:
		return f.Text()
	case crdt.TypeFlag, crdt.TypeDisableFlag:
		return f.Enabled()
	case crdt.TypeList:
		return f.Values()
	case crdt.TypeLog:
		var vs []any
		for _, c := range f.Entries() {
			vs = append(vs, c.Value)
		}
		return vs
	case crdt.TypeStock:
		return f.Level().String()
	case crdt.TypeBounded:
		return f.Bounded().Value.String()
	case crdt.TypeProposal:
		var vs []string
		for _, p := range f.Proposals() {
			vs = append(vs, fmt.Sprint(p.Value, p.Verdict))
		}
		return vs
	}
	return nil
}

// randomEdit does something to one field of any type.
func randomEdit(rng *rand.Rand, e *crdt.RecordEditor, others []*device) {
	n := rng.IntN(5)
	switch rng.IntN(17) {
	case 0:
		e.Register("a").Set(n)
	case 1:
		e.Register("a").Clear()
	case 2:
		e.Counter("b").Add(int64(n - 2))
	case 3:
		e.Counter("b").Reset()
	case 4:
		e.Set("c").Add(n)
	case 5:
		e.Set("c").Remove(n)
	case 6:
		e.RemoveSet("c").Add(n)
		e.RemoveSet("c").Remove(rng.IntN(5))
	case 7:
		e.Map("d").Map("x").Put(fmt.Sprint(n), n)
		e.Map("d").Counter("n").Add(1)
	case 8:
		e.Map("d").Delete([]string{"x", "n", "t"}[rng.IntN(3)])
		e.Map("d").Text("t").Append("yz")
	case 9:
		t := e.Text("e")
		t.Insert(rng.IntN(t.Len()+1), "abc")
		if l := t.Len(); l > 4 {
			t.Delete(rng.IntN(l-2), 2)
		}
	case 10:
		g := e.Group("f")
		g.Put("dose", n)
		g.Put("unit", "mg")
	case 11:
		if n < 3 {
			e.Flag("g").Enable()
			e.DisableFlag("g").Enable()
		} else {
			e.Flag("g").Disable()
			e.DisableFlag("g").Disable()
		}
	case 12:
		l := e.List("h")
		l.Insert(rng.IntN(l.Len()+1), n, "x")
		l.Set(rng.IntN(l.Len()), "set")
		if l.Len() > 4 {
			l.Delete(rng.IntN(l.Len()), 1)
		}
	case 13:
		e.Log("i").Append(map[string]any{"n": n})
	case 14:
		if n == 0 {
			e.Stock("j").Recount(int64(rng.IntN(100)), 0)
		} else {
			e.Stock("j").Add(int64(n - 2))
		}
	case 15:
		b := e.Bounded("k")
		if f := others[0].record.Field("k", crdt.TypeBounded, crdt.DeleteWins); !f.Bounded().Open {
			return
		}
		b.Add(0)
	case 16:
		p := e.Proposal("l")
		id, err := p.Propose(n)
		if err == nil && rng.IntN(2) == 0 {
			p.Decide(id, rng.IntN(2) == 0)
		}
	}
}

// TestEveryTypeConvergesInEveryOrder runs random histories over fields of all
// types, delivers the changes late, twice and out of order, and compares normal
// forms, readings, and what comes back from the stored form.
func TestEveryTypeConvergesInEveryOrder(t *testing.T) {
	for seed := range seeds(120) {
		rng := rand.New(rand.NewPCG(seed, 1))
		ds := []*device{newDevice(1), newDevice(2), newDevice(3)}
		var all []*crdt.Change
		for range 30 {
			d := ds[rng.IntN(3)]
			if c := d.edit(t, nil, func(e *crdt.RecordEditor) { randomEdit(rng, e, ds) }); c != nil {
				all = append(all, c)
			}
			for range rng.IntN(4) {
				if len(all) > 0 {
					ds[rng.IntN(3)].receive(t, all[rng.IntN(len(all))])
				}
			}
		}
		for _, d := range ds {
			for _, i := range rng.Perm(len(all)) {
				d.receive(t, all[i])
			}
			if len(d.waiting) > 0 {
				t.Fatalf("seed %d: %d changes still wait on %s", seed, len(d.waiting), d.name)
			}
		}
		fresh := newDevice(9)
		for _, i := range rng.Perm(len(all)) {
			fresh.receive(t, all[i])
		}
		want, digest := reading(ds[0].record), ds[0].record.Digest()
		for _, d := range append(ds[1:], fresh) {
			if diff := cmp.Diff(want, reading(d.record)); diff != "" {
				t.Fatalf("seed %d: %s and A differ:\n%s", seed, d.name, diff)
			}
			if d.record.Digest() != digest {
				t.Fatalf("seed %d: digest of %s differs", seed, d.name)
			}
		}
		w := codec.NewWriter(nil)
		ds[0].record.Write(w)
		back, err := crdt.DecodeRecord(w.Bytes())
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if diff := cmp.Diff(want, reading(back)); diff != "" || back.Digest() != digest {
			t.Fatalf("seed %d: the stored form differs:\n%s", seed, diff)
		}
		again := codec.NewWriter(nil)
		back.Write(again)
		if !cmp.Equal(w.Bytes(), again.Bytes()) {
			t.Fatalf("seed %d: the stored form is not written back to itself", seed)
		}
		joined := &crdt.Record{}
		joined.Join(ds[1].record, nil)
		joined.Join(back, nil)
		if diff := cmp.Diff(want, reading(joined)); diff != "" || joined.Digest() != digest {
			t.Fatalf("seed %d: the join of whole states differs:\n%s", seed, diff)
		}
	}
}

// TestUndoneChangeLeavesNoTrace fails a change over all types.
func TestUndoneChangeLeavesNoTrace(t *testing.T) {
	for seed := range seeds(200) {
		rng := rand.New(rand.NewPCG(seed, 2))
		d := newDevice(1)
		for range 10 {
			d.edit(t, nil, func(e *crdt.RecordEditor) { randomEdit(rng, e, []*device{d}) })
		}
		before, digest := reading(d.record), d.record.Digest()
		e := d.record.Edit("r", crdt.EditOptions{Dot: clock.Dot{Origin: d.origin, N: d.n + 1}})
		for range 6 {
			randomEdit(rng, e, []*device{d})
		}
		e.Undo()
		if diff := cmp.Diff(before, reading(d.record)); diff != "" || d.record.Digest() != digest {
			t.Fatalf("seed %d:\n%s", seed, diff)
		}
	}
}

// meet lets two devices take over all of each other's changes.
func meet(t testing.TB, ds ...*device) {
	t.Helper()
	for _, a := range ds {
		for _, b := range ds {
			if a == b {
				continue
			}
			for _, c := range b.log {
				a.receive(t, c)
			}
		}
	}
}

func field(d *device, name string, typ crdt.Type) crdt.Field {
	return d.record.Field(name, typ, crdt.DeleteWins)
}

func TestFlagsUnderConcurrentSwitching(t *testing.T) {
	a, b := newDevice(1), newDevice(2)
	a.edit(t, nil, func(e *crdt.RecordEditor) { e.Flag("f").Enable(); e.DisableFlag("f").Enable() })
	meet(t, a, b)
	a.edit(t, nil, func(e *crdt.RecordEditor) { e.Flag("f").Disable(); e.DisableFlag("f").Disable() })
	b.edit(t, nil, func(e *crdt.RecordEditor) { e.Flag("f").Enable(); e.DisableFlag("f").Enable() })
	meet(t, a, b)
	for _, d := range []*device{a, b} {
		if !field(d, "f", crdt.TypeFlag).Enabled() {
			t.Errorf("%s: the enable-wins flag is off", d.name)
		}
		if field(d, "f", crdt.TypeDisableFlag).Enabled() {
			t.Errorf("%s: the disable-wins flag is on", d.name)
		}
	}
	b.edit(t, nil, func(e *crdt.RecordEditor) { e.DisableFlag("f").Enable() })
	meet(t, a, b)
	if !field(a, "f", crdt.TypeDisableFlag).Enabled() {
		t.Error("a flag that was switched on by someone who saw it off stays off")
	}
}

func TestRemoveSetRemovalBeatsConcurrentAddition(t *testing.T) {
	a, b := newDevice(1), newDevice(2)
	a.edit(t, nil, func(e *crdt.RecordEditor) { e.RemoveSet("s").Add("x") })
	meet(t, a, b)
	a.edit(t, nil, func(e *crdt.RecordEditor) { e.RemoveSet("s").Remove("x") })
	b.edit(t, nil, func(e *crdt.RecordEditor) { e.RemoveSet("s").Add("x") })
	meet(t, a, b)
	if got := field(a, "s", crdt.TypeRemoveSet).Elements(); len(got) != 0 {
		t.Errorf("elements %v, want none", got)
	}
	b.edit(t, nil, func(e *crdt.RecordEditor) { e.RemoveSet("s").Add("x") })
	meet(t, a, b)
	if got := field(a, "s", crdt.TypeRemoveSet).Elements(); len(got) != 1 {
		t.Errorf("elements %v after an informed addition, want x", got)
	}
}

func TestCounterResetTakesAwayWhatWasSeen(t *testing.T) {
	a, b, c := newDevice(1), newDevice(2), newDevice(3)
	a.edit(t, nil, func(e *crdt.RecordEditor) { e.Counter("c").Add(10) })
	meet(t, a, b, c)
	b.edit(t, nil, func(e *crdt.RecordEditor) { e.Counter("c").Reset() })
	c.edit(t, nil, func(e *crdt.RecordEditor) { e.Counter("c").Reset() })
	a.edit(t, nil, func(e *crdt.RecordEditor) { e.Counter("c").Add(3) })
	meet(t, a, b, c)
	for _, d := range []*device{a, b, c} {
		if got := field(d, "c", crdt.TypeCounter).Count().Int64(); got != 3 {
			t.Errorf("%s shows %d after two resets and 3 more, want 3", d.name, got)
		}
	}
}

func TestStockIsTheLastRecountAndWhatCameAfter(t *testing.T) {
	shelf, till := newDevice(1), newDevice(2)
	shelf.edit(t, nil, func(e *crdt.RecordEditor) { e.Stock("s").Recount(50, 0) })
	meet(t, shelf, till)
	till.wall = till.wall.Add(1e9)
	till.edit(t, nil, func(e *crdt.RecordEditor) { e.Stock("s").Add(-3) }) // sold before the recount, seen by nobody
	shelf.wall = shelf.wall.Add(5e9)
	shelf.edit(t, nil, func(e *crdt.RecordEditor) { e.Stock("s").Recount(47, 0) }) // counted without the 3
	till.wall = till.wall.Add(9e9)
	till.edit(t, nil, func(e *crdt.RecordEditor) { e.Stock("s").Add(-2) }) // sold after it, unseen
	meet(t, shelf, till)
	for _, d := range []*device{shelf, till} {
		if got := field(d, "s", crdt.TypeStock).Level().Int64(); got != 45 {
			t.Errorf("%s shows %d, want 45", d.name, got)
		}
	}
}

func TestBoundedCounterNeverLeavesItsBounds(t *testing.T) {
	for seed := range seeds(100) {
		rng := rand.New(rand.NewPCG(seed, 3))
		ds := []*device{newDevice(1), newDevice(2), newDevice(3)}
		ds[0].edit(t, nil, func(e *crdt.RecordEditor) { e.Bounded("b").Open(0, 20, 10) })
		meet(t, ds...)
		for range 60 {
			d, to := ds[rng.IntN(3)], ds[rng.IntN(3)]
			by := int64(rng.IntN(9) - 4)
			dot := clock.Dot{Origin: d.origin, N: d.n + 1}
			e := d.record.Edit("r", crdt.EditOptions{Dot: dot})
			var err error
			if rng.IntN(3) == 0 {
				err = e.Bounded("b").Transfer(to.origin, by)
			} else {
				err = e.Bounded("b").Add(by)
			}
			e.Undo()
			if errors.Is(err, crdt.ErrNoRights) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			r := rng.IntN(3)
			d.edit(t, nil, func(e *crdt.RecordEditor) {
				if r == 0 && e.Bounded("b").Transfer(to.origin, by) == nil {
					return
				}
				e.Bounded("b").Add(by)
			})
			if rng.IntN(4) == 0 {
				meet(t, ds[rng.IntN(3)], ds[rng.IntN(3)])
			}
			for _, d := range ds {
				if v := field(d, "b", crdt.TypeBounded).Bounded().Value.Int64(); v < 0 || v > 20 {
					t.Fatalf("seed %d: %s shows %d", seed, d.name, v)
				}
			}
		}
		meet(t, ds...)
		v := field(ds[0], "b", crdt.TypeBounded).Bounded().Value.Int64()
		if v < 0 || v > 20 {
			t.Fatalf("seed %d: %d at the end", seed, v)
		}
	}
}

func TestBoundedCounterRefusesWithoutRights(t *testing.T) {
	a, b := newDevice(1), newDevice(2)
	a.edit(t, nil, func(e *crdt.RecordEditor) { e.Bounded("b").Open(0, 5, 5) })
	meet(t, a, b)
	e := b.record.Edit("r", crdt.EditOptions{Dot: clock.Dot{Origin: b.origin, N: 1}})
	if err := e.Bounded("b").Add(-1); !errors.Is(err, crdt.ErrNoRights) {
		t.Fatalf("error is %v, want no rights", err)
	}
	e.Undo()
	a.edit(t, nil, func(e *crdt.RecordEditor) { e.Bounded("b").Transfer(b.origin, -2) })
	meet(t, a, b)
	b.edit(t, nil, func(e *crdt.RecordEditor) { e.Bounded("b").Add(-2) })
	meet(t, a, b)
	if got := field(a, "b", crdt.TypeBounded).Bounded().Value.Int64(); got != 3 {
		t.Errorf("value %d, want 3", got)
	}
}

func TestRejectionBeatsConcurrentApproval(t *testing.T) {
	a, b := newDevice(1), newDevice(2)
	var id crdt.EntryID
	a.edit(t, nil, func(e *crdt.RecordEditor) { id, _ = e.Proposal("p").Propose("transfer 9000") })
	meet(t, a, b)
	a.edit(t, nil, func(e *crdt.RecordEditor) { e.Proposal("p").Decide(id, true) })
	b.edit(t, nil, func(e *crdt.RecordEditor) { e.Proposal("p").Decide(id, false) })
	meet(t, a, b)
	if _, ok := field(a, "p", crdt.TypeProposal).Accepted(); ok {
		t.Error("accepted against a rejection")
	}
	// Having seen both, b changes its mind.
	b.edit(t, nil, func(e *crdt.RecordEditor) { e.Proposal("p").Decide(id, true) })
	meet(t, a, b)
	if c, ok := field(a, "p", crdt.TypeProposal).Accepted(); !ok || c.Value != "transfer 9000" {
		t.Errorf("accepted %v, %v after an informed approval", c.Value, ok)
	}
}

func TestListKeepsElementsApartFromValues(t *testing.T) {
	a, b := newDevice(1), newDevice(2)
	a.edit(t, nil, func(e *crdt.RecordEditor) { e.List("l").Append("x", "y", "z") })
	meet(t, a, b)
	a.edit(t, nil, func(e *crdt.RecordEditor) { e.List("l").Set(1, "Y") })
	b.edit(t, nil, func(e *crdt.RecordEditor) { e.List("l").Insert(1, "between") })
	meet(t, a, b)
	want := []any{"x", "between", "Y", "z"}
	for _, d := range []*device{a, b} {
		if diff := cmp.Diff(want, field(d, "l", crdt.TypeList).Values()); diff != "" {
			t.Errorf("%s:\n%s", d.name, diff)
		}
	}
	a.edit(t, nil, func(e *crdt.RecordEditor) { e.List("l").Delete(2, 1) })
	b.edit(t, nil, func(e *crdt.RecordEditor) { e.List("l").Set(2, "late") })
	meet(t, a, b)
	if diff := cmp.Diff([]any{"x", "between", "z"}, field(b, "l", crdt.TypeList).Values()); diff != "" {
		t.Error(diff)
	}
}

func TestGroupIsNeverMixed(t *testing.T) {
	a, b := newDevice(1), newDevice(2)
	a.edit(t, nil, func(e *crdt.RecordEditor) { e.Group("dose").Set(map[string]any{"mg": 5, "route": "oral"}) })
	meet(t, a, b)
	a.edit(t, nil, func(e *crdt.RecordEditor) { e.Group("dose").Put("mg", 10) })
	b.edit(t, nil, func(e *crdt.RecordEditor) { e.Group("dose").Put("route", "iv") })
	meet(t, a, b)
	got := readField(field(a, "dose", crdt.TypeGroup)).([]any)
	want := []any{map[string]any{"mg": int64(10), "route": "oral"}, map[string]any{"mg": int64(5), "route": "iv"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A removal that a remove-wins set keeps is no element, for the editor either.
func TestRemoveSetContains(t *testing.T) {
	d := newDevice(1)
	d.edit(t, nil, func(e *crdt.RecordEditor) { e.RemoveSet("s").Add("x") })
	d.edit(t, nil, func(e *crdt.RecordEditor) {
		s := e.RemoveSet("s")
		if !s.Contains("x") {
			t.Error("what was added is not there")
		}
		s.Remove("x")
		if s.Contains("x") {
			t.Error("what was removed is there")
		}
		s.Add("x")
		if !s.Contains("x") {
			t.Error("what was added again is not there")
		}
	})
}
