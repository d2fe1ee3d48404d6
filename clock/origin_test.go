package clock_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/concord-crdt/concord/clock"
)

func TestReplicaIDText(t *testing.T) {
	id := clock.ReplicaID{0x0a, 0x1b, 0x2c, 0x3d, 15: 0xff}
	const text = "0a1b2c3d0000000000000000000000ff"
	check(t, "String", id.String(), text)

	for _, s := range []string{text, strings.ToUpper(text)} {
		got, err := clock.ParseReplicaID(s)
		if got != id || err != nil {
			t.Errorf("ParseReplicaID(%q): got %v, %v", s, got, err)
		}
	}
	for name, s := range map[string]string{
		"empty":       "",
		"short":       text[2:],
		"long":        text + "00",
		"odd":         text[1:],
		"not a digit": "g" + text[1:],
		"spaces":      " " + text[1:],
		"huge":        strings.Repeat("0", 1<<20),
	} {
		got, err := clock.ParseReplicaID(s)
		if err == nil || got != (clock.ReplicaID{}) {
			t.Errorf("%s: got %v, %v, want an error", name, got, err)
		} else if len(err.Error()) > 200 {
			t.Errorf("%s: the error repeats %d bytes of input", name, len(err.Error()))
		}
	}
}

func TestReplicaIDInJSON(t *testing.T) {
	want := map[clock.ReplicaID]clock.ReplicaID{{1}: {2}}
	b, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got map[clock.ReplicaID]clock.ReplicaID
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	check(t, "value", got[clock.ReplicaID{1}], clock.ReplicaID{2})

	id := clock.ReplicaID{7}
	if err := id.UnmarshalText([]byte("00")); err == nil {
		t.Error("short text: no error")
	}
	check(t, "id after an error", id, clock.ReplicaID{7})
}

func TestOrder(t *testing.T) {
	// In canonical order.
	dots := []clock.Dot{
		{},
		{Origin: clock.Origin{Incarnation: 1}, N: 5},
		{Origin: clock.Origin{Replica: clock.ReplicaID{15: 1}}, N: 4},
		{Origin: clock.Origin{Replica: clock.ReplicaID{8: 1}}, N: 3},
		{Origin: clock.Origin{Replica: clock.ReplicaID{7: 1}}, N: 3},
		{Origin: clock.Origin{Replica: clock.ReplicaID{7: 2}}, N: 1},
		{Origin: oa, N: 1},
		{Origin: oa, N: 2},
		{Origin: ob, N: 1},
		{Origin: oc, N: 0},
		{Origin: clock.Origin{Replica: clock.ReplicaID{0x80}}, N: 1}, // bytes are unsigned
		{Origin: clock.Origin{Replica: clock.ReplicaID{0x80}, Incarnation: 1 << 63}, N: 1},
	}
	for i, d := range dots {
		for j, e := range dots {
			want := 0
			if i < j {
				want = -1
			} else if i > j {
				want = 1
			}
			check(t, d.String()+" to "+e.String(), d.Compare(e), want)
			if id := d.Origin.Replica.Compare(e.Origin.Replica); id != 0 && id != want {
				t.Errorf("the ids of %v and %v: %d, want %d", d, e, id, want)
			}
		}
	}
	check(t, "sorted", slices.IsSortedFunc(dots, clock.Dot.Compare), true)
}

func TestZeroAndStrings(t *testing.T) {
	check(t, "zero origin", clock.Origin{}.IsZero(), true)
	check(t, "origin", oa.IsZero(), false)
	check(t, "zero dot", clock.Dot{}.IsZero(), true)
	check(t, "dot without number", clock.Dot{Origin: oa}.IsZero(), true)
	check(t, "dot", clock.Dot{Origin: oa, N: 1}.IsZero(), false)

	o := clock.Origin{Replica: clock.ReplicaID{0x0a, 0x1b, 0x2c, 0x3d, 0x4e}, Incarnation: 0x9f}
	check(t, "origin", o.String(), "0a1b2c3d…/9f")
	check(t, "dot", clock.Dot{Origin: o, N: 12}.String(), "0a1b2c3d…/9f:12")
	check(t, "range", clock.Range{Origin: o, From: 3, To: 7}.String(), "0a1b2c3d…/9f:3-7")
	check(t, "range of one", clock.Range{Origin: o, From: 3, To: 3}.String(), "0a1b2c3d…/9f:3")
}

func TestRange(t *testing.T) {
	const most = 1<<64 - 1
	for _, c := range []struct {
		from, to, length uint64
	}{
		{1, 1, 1}, {3, 7, 5}, {7, 3, 0}, {0, 0, 0}, {0, 2, 2}, {1, most, most}, {most, most, 1},
	} {
		r := clock.Range{Origin: oa, From: c.from, To: c.to}
		check(t, r.String()+" Len", r.Len(), c.length)
		check(t, r.String()+" Contains 0", r.Contains(clock.Dot{Origin: oa}), false)
		check(t, r.String()+" Contains its end", r.Contains(clock.Dot{Origin: oa, N: c.to}), c.length > 0)
		check(t, r.String()+" Contains its end of another", r.Contains(clock.Dot{Origin: ob, N: c.to}), false)
	}
}
