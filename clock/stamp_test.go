package clock_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/concord-crdt/concord/clock"
)

var noon = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)

func TestNewStamp(t *testing.T) {
	last := time.UnixMilli(1<<48 - 1)
	for _, c := range []struct {
		name    string
		t       time.Time
		logical uint16
		want    string
	}{
		{"noon", noon, 0, "2030-01-01T12:00:00.000Z+0"},
		{"below a millisecond", noon.Add(999 * time.Microsecond), 7, "2030-01-01T12:00:00.000Z+7"},
		{"other zone", noon.In(time.FixedZone("", 3600)).Add(time.Millisecond), math.MaxUint16, "2030-01-01T12:00:00.001Z+65535"},
		{"1970", time.Unix(0, 0), 1, "1970-01-01T00:00:00.000Z+1"},
		{"in the first second", time.Unix(0, 5e6), 1, "1970-01-01T00:00:00.005Z+1"},
		{"before 1970", time.Unix(0, -1), 1, "1970-01-01T00:00:00.000Z+1"},
		{"zero time", time.Time{}, 0, "1970-01-01T00:00:00.000Z+0"},
		{"in the last second", last.Truncate(time.Second), 3, "10889-08-02T05:31:50.000Z+3"},
		{"last millisecond", last, 3, "10889-08-02T05:31:50.655Z+3"},
		{"after the range", last.Add(time.Millisecond), 3, "10889-08-02T05:31:50.655Z+3"},
		{"far after the range", time.Unix(1<<62, 0), 3, "10889-08-02T05:31:50.655Z+3"},
		{"far before the range", time.Unix(-1<<62, 0), 3, "1970-01-01T00:00:00.000Z+3"},
	} {
		check(t, c.name, clock.NewStamp(c.t, c.logical).String(), c.want)
	}
	s := clock.NewStamp(noon, 9)
	check(t, "Milli", s.Milli(), noon.UnixMilli())
	check(t, "Logical", s.Logical(), uint16(9))
	check(t, "Time", s.Time(), noon)
	check(t, "MaxStamp", uint64(clock.MaxStamp), uint64(math.MaxUint64))
	check(t, "Earliest", clock.Earliest.String(), "2024-01-01T00:00:00.000Z+0")
}

func TestStampNextAndAdd(t *testing.T) {
	full := clock.NewStamp(noon, math.MaxUint16)
	check(t, "Next", clock.NewStamp(noon, 4).Next(), clock.NewStamp(noon, 5))
	check(t, "Next with a carry", full.Next(), clock.NewStamp(noon.Add(time.Millisecond), 0))
	check(t, "Next of the greatest", clock.MaxStamp.Next(), clock.MaxStamp)

	for _, c := range []struct {
		s    clock.Stamp
		d    time.Duration
		want clock.Stamp
	}{
		{full, 0, full},
		{full, time.Second, clock.NewStamp(noon.Add(time.Second), math.MaxUint16)},
		{full, -time.Second, clock.NewStamp(noon.Add(-time.Second), math.MaxUint16)},
		{full, 1999 * time.Microsecond, clock.NewStamp(noon.Add(time.Millisecond), math.MaxUint16)},
		{full, -999 * time.Microsecond, full},
		{clock.NewStamp(time.Unix(1, 0), 5), -time.Second, clock.NewStamp(time.Unix(0, 0), 5)},
		{clock.NewStamp(time.Unix(1, 0), 5), -time.Second - time.Millisecond, 0},
		{full, math.MinInt64, 0},
		{clock.MaxStamp - 3, 0, clock.MaxStamp - 3},
		{clock.MaxStamp - 3, time.Millisecond, clock.MaxStamp},
		{clock.MaxStamp, math.MaxInt64, clock.MaxStamp},
	} {
		check(t, fmt.Sprintf("%v Add %v", c.s, c.d), c.s.Add(c.d), c.want)
	}
}

func TestAhead(t *testing.T) {
	at := func(d time.Duration) clock.Stamp { return clock.NewStamp(noon.Add(d), 0) }
	const bound = clock.MaxAhead
	year1970 := time.Unix(5, 0)
	for _, c := range []struct {
		name                 string
		s                    clock.Stamp
		wall                 time.Time
		own, agreed, applied clock.Stamp
		want                 bool
	}{
		{"now", at(0), noon, 0, 0, 0, false},
		{"weeks ago", at(-1000 * time.Hour), noon, 0, 0, 0, false},
		{"none", 0, noon, 0, 0, 0, false},
		{"at the bound", at(bound), noon, 0, 0, 0, false},
		{"at the bound, with a logical part", at(bound) + 9, noon, 0, 0, 0, false},
		{"a millisecond more", at(bound + time.Millisecond), noon, 0, 0, 0, true},
		{"own clock is further", at(bound + time.Second), noon, at(time.Second), 0, 0, false},
		{"agreed time is further", at(bound + time.Second), noon, 0, at(time.Second), 0, false},
		{"an applied stamp is further", at(bound + time.Second), noon, 0, 0, at(time.Second), false},
		{"they do not add up", at(bound + 2*time.Second), noon, at(time.Second), at(time.Second), at(time.Second), true},
		{"device in 1970, session knows", at(0), year1970, 0, at(0), 0, false},
		{"device in 1970, nobody knows", at(0), year1970, 0, 0, 0, true},
		{"greatest stamp", clock.MaxStamp, noon, 0, 0, 0, true},
		{"greatest stamp, clock there", clock.MaxStamp, noon, clock.MaxStamp, 0, 0, false},
		{"wall clock before 1970", 1, time.Time{}, 0, 0, 0, false},
	} {
		check(t, c.name, clock.Ahead(c.s, c.wall, c.own, c.agreed, c.applied), c.want)
	}
}

func TestAgreed(t *testing.T) {
	at := func(d time.Duration) clock.Stamp { return clock.NewStamp(noon.Add(d), 0) }
	unset := clock.NewStamp(time.Unix(100, 0), 0)
	for _, c := range []struct {
		name  string
		own   clock.Stamp
		peers []clock.Stamp
		want  clock.Stamp
	}{
		{"alone", at(0), nil, at(0)},
		{"own clock is set", at(0), []clock.Stamp{at(time.Hour)}, at(0)},
		{"own clock shows the first plausible time", clock.Earliest, []clock.Stamp{at(0)}, clock.Earliest},
		{"own clock was never set", clock.Earliest - 1, []clock.Stamp{at(0)}, at(0)},
		{"1970 alone", unset, nil, unset},
		{"1970, the peer shows the first plausible time", unset, []clock.Stamp{clock.Earliest}, clock.Earliest},
		{"1970 among 1970", unset, []clock.Stamp{unset + 5}, unset},
		{"1970, of two the earlier", unset, []clock.Stamp{at(time.Hour), at(0)}, at(0)},
		{"1970, of three the middle", unset, []clock.Stamp{at(1e6 * time.Hour), at(0), at(-time.Hour)}, at(0)},
		{"1970, others were never set either", unset, []clock.Stamp{unset, unset, at(0), 0}, at(0)},
	} {
		peers := append([]clock.Stamp(nil), c.peers...)
		check(t, c.name, clock.Agreed(c.own, peers...), c.want)
		check(t, c.name+": peers as they were", fmt.Sprint(peers), fmt.Sprint(c.peers))
	}
}
