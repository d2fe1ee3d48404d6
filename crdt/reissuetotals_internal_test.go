package crdt

import (
	"slices"
	"testing"
	"time"

	"github.com/concord-crdt/concord/clock"
)

// pasts is a record at the last change that everybody agrees on, and the same
// with what was done after it.
type pasts struct {
	common, lost *Record
	n            uint64
	versioned    bool
	floor        Ref
	key          string
	changes      []*Change // the lost ones
}

func (x *pasts) do(t *testing.T, r *Record, f func(e *RecordEditor)) *Change {
	t.Helper()
	x.n++
	e := r.Edit(x.key, EditOptions{Dot: clock.Dot{Origin: strictOrigin(1), N: x.n}, Versioned: func(string) bool { return x.versioned }})
	f(e)
	p, ok, err := e.Part(false)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	c := &Change{Dot: clock.Dot{Origin: strictOrigin(1), N: x.n}, Stamp: clock.Stamp(x.n), Floor: x.floor, Parts: []Part{p}}
	e.Commit(c, HashOf(c.Encode()).Digest())
	return c
}

// history does what is common, and then what is lost.
func history(t *testing.T, x *pasts, common []func(e *RecordEditor), lost ...func(e *RecordEditor)) *pasts {
	t.Helper()
	x.common = &Record{}
	for _, f := range common {
		x.do(t, x.common, f)
	}
	var err error
	if x.lost, err = DecodeRecord(bytesOf(x.common.Write)); err != nil {
		t.Fatal(err)
	}
	for _, f := range lost {
		x.changes = append(x.changes, x.do(t, x.lost, f))
	}
	return x
}

// again issues the lost changes again on the common record, as a store does.
func (x *pasts) again(t *testing.T) (made []*Change) {
	t.Helper()
	after := x.n - uint64(len(x.changes))
	again := NewReissue(strictOrigin(1), after, strictOrigin(2), func(string) (*Record, error) { return x.common, nil })
	for i, c := range x.changes {
		c, err := DecodeChange(c.Encode())
		if err != nil {
			t.Fatal(err)
		}
		if c, err = again.Change(c, uint64(i)+1); err != nil {
			t.Fatal(err)
		}
		if c, err = DecodeChange(c.Encode()); err != nil {
			t.Fatal(err)
		}
		if missing := x.common.Missing(&c.Parts[0]); len(missing) > 0 {
			t.Fatalf("change %d names %v", i, missing)
		}
		if err := x.common.Check(c, &c.Parts[0]); err != nil {
			t.Fatal(err)
		}
		x.common.Apply(c, &c.Parts[0], HashOf(c.Encode()).Digest(), nil)
		made = append(made, c)
	}
	return made
}

func counts(by int64) func(e *RecordEditor) {
	return func(e *RecordEditor) { e.Counter("n").Add(by) }
}

func resets(e *RecordEditor) { e.Counter("n").Reset() }

// TestReissueOfTotals: what counters show is the same, whatever part of a run, of
// what a reset saw of it, or of a ledger lies in the lost past.
func TestReissueOfTotals(t *testing.T) {
	do := func(fs ...func(e *RecordEditor)) []func(e *RecordEditor) { return fs }
	inMap := func(by int64) func(e *RecordEditor) {
		return func(e *RecordEditor) { e.Map("m").Counter("n").Add(by) }
	}
	for name, x := range map[string]struct {
		common, lost []func(e *RecordEditor)
	}{
		"increments":                  {do(counts(5)), do(counts(2), counts(-1))},
		"reset of the common past":    {do(counts(5)), do(resets, counts(2))},
		"reset of both parts":         {do(counts(5)), do(counts(2), resets, counts(1))},
		"reset of the lost part":      {do(inMap(1)), do(counts(2), resets, counts(1))},
		"two resets":                  {do(counts(5)), do(counts(2), resets, counts(3), resets, counts(4))},
		"reset in the common past":    {do(counts(5), resets), do(counts(2), resets, counts(-3))},
		"added and reset by one":      {do(counts(5)), do(func(e *RecordEditor) { counts(1)(e); resets(e); counts(2)(e) }, counts(1))},
		"a key that is made again":    {do(inMap(5)), do(func(e *RecordEditor) { e.Map("m").Delete("n"); inMap(3)(e) }, inMap(1))},
		"a key that goes":             {do(inMap(5)), do(inMap(2), func(e *RecordEditor) { e.Map("m").Delete("n") })},
		"a ledger":                    {do(func(e *RecordEditor) { e.Bounded("b").Open(0, 40, 40) }, func(e *RecordEditor) { e.Bounded("b").Add(-5) }), do(func(e *RecordEditor) { e.Bounded("b").Add(-3) }, func(e *RecordEditor) { e.Bounded("b").Transfer(strictOrigin(7), -10) })},
		"a ledger of a lost opening":  {do(counts(1)), do(func(e *RecordEditor) { e.Bounded("b").Open(0, 40, 40) }, func(e *RecordEditor) { e.Bounded("b").Add(-5) }, func(e *RecordEditor) { e.Bounded("b").Add(-5) })},
		"a record that is made again": {do(counts(5)), do(func(e *RecordEditor) { e.Delete() }, counts(2), resets, counts(9))},
	} {
		for _, versioned := range []bool{false, true} {
			h := history(t, &pasts{key: "r", versioned: versioned}, x.common, x.lost...)
			h.again(t)
			show := func(r *Record) []string {
				m := r.Field("m", TypeMap, DeleteWins)
				inner := ""
				for k := range m.Kids() {
					inner += k.Count().String()
				}
				return []string{r.Field("n", TypeCounter, DeleteWins).Count().String(), inner, r.Field("b", TypeBounded, DeleteWins).Bounded().Value.String()}
			}
			if got, want := show(h.common), show(h.lost); !slices.Equal(got, want) {
				t.Errorf("%s, versioned %v: shows %v, was %v", name, versioned, got, want)
			}
		}
	}
}

// TestReissueOfVersionedWrites: what a write superseded stays kept, under the name
// of the change that is issued again.
func TestReissueOfVersionedWrites(t *testing.T) {
	sets := func(v any) func(e *RecordEditor) { return func(e *RecordEditor) { e.Register("dose").Set(v) } }
	h := history(t, &pasts{key: "r", versioned: true}, []func(e *RecordEditor){sets(1), sets(2)}, sets(3), sets(4))
	h.again(t)
	show := func(r *Record) (vs []any) {
		for _, w := range r.Field("dose", TypeRegister, DeleteWins).Writes() {
			vs = append(vs, w.Value, len(w.SupersededBy))
		}
		return vs
	}
	if got, want := show(h.common), show(h.lost); !slices.Equal(got, want) {
		t.Errorf("writes and how many superseded each: %v, were %v", got, want)
	}
	// A form that was opened early supersedes what others superseded since.
	h = history(t, &pasts{key: "r", versioned: true}, []func(e *RecordEditor){sets(1)}, sets(2))
	form := clock.VersionVector{}
	form.Set(strictOrigin(1), 1)
	h.changes = append(h.changes, h.do(t, h.lost, func(e *RecordEditor) { e.Saw(&form); e.Register("dose").Set(3) }))
	h.again(t)
	if got, want := show(h.common), show(h.lost); !slices.Equal(got, want) {
		t.Errorf("from a form: %v, were %v", got, want)
	}
}

// TestReissueOfDecisions: restamps follow the changes that they are of, settle
// marks are not made again, and what is cited is the last mark that stays.
func TestReissueOfDecisions(t *testing.T) {
	mark := Mark{Number: 1}
	mark.Cut.Set(strictOrigin(1), 1)
	stays := Ref{Dot: clock.Dot{Origin: strictOrigin(5), N: 1}, Digest: 7}
	x := &pasts{key: ScopeKey, floor: stays}
	back := func(from, to uint64) func(e *RecordEditor) {
		return func(e *RecordEditor) { e.Restamp(Restamp{strictOrigin(1), from, to, time.Minute}) }
	}
	h := history(t, x, []func(e *RecordEditor){back(1, 1)}, func(e *RecordEditor) { back(1, 4)(e); e.Settle(&mark) }, back(3, 9))
	h.changes[1].Floor = Ref{Dot: h.changes[0].Dot, Digest: HashOf(h.changes[0].Encode()).Digest()}
	made := h.again(t)
	var got []Restamp
	for _, c := range made {
		d := c.Parts[0].Decision()
		if len(d.Marks) > 0 || c.Floor != stays {
			t.Errorf("%v carries %d marks and cites %v", c.Dot, len(d.Marks), c.Floor)
		}
		got = append(got, d.Restamps...)
	}
	want := []Restamp{{strictOrigin(2), 1, 3, time.Minute}, {strictOrigin(1), 1, 1, time.Minute}, {strictOrigin(2), 2, 8, time.Minute}}
	if !slices.Equal(got, want) {
		t.Errorf("restamps %v, want %v", got, want)
	}
}
