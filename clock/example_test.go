package clock_test

import (
	"fmt"
	"time"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
)

// Two devices of a ward, each in its first incarnation.
var (
	tablet = clock.Origin{Replica: clock.ReplicaID{0xaa}, Incarnation: 1}
	phone  = clock.Origin{Replica: clock.ReplicaID{0xbb}, Incarnation: 1}
)

// Vectors tell whether one state has seen all of another, or whether each has
// changes that the other lacks.
func ExampleVersionVector() {
	var seen clock.VersionVector
	seen.Advance(clock.Dot{Origin: tablet, N: 2}) // the tablet's first two changes
	fmt.Println(&seen)

	onPhone := seen.Clone()
	onPhone.Advance(clock.Dot{Origin: phone, N: 1})
	fmt.Println(&onPhone, "is", onPhone.Compare(&seen), "what both saw")

	onTablet := seen.Clone()
	onTablet.Advance(clock.Dot{Origin: tablet, N: 3})
	fmt.Println(&onTablet, "is", onTablet.Compare(&onPhone))

	onTablet.Join(&onPhone)
	fmt.Println(&onTablet, "is", onTablet.Compare(&onPhone))
	// Output:
	// {aa000000…/1:2}
	// {aa000000…/1:2 bb000000…/1:1} is after what both saw
	// {aa000000…/1:3} is concurrent
	// {aa000000…/1:3 bb000000…/1:1} is after
}

// A context notes what arrived out of order, and fills the holes later.
func ExampleContext() {
	var here clock.Context
	here.AddRange(clock.Range{Origin: tablet, From: 1, To: 3})
	here.Add(clock.Dot{Origin: tablet, N: 5}) // change 4 still waits
	fmt.Println("here: ", &here)
	fmt.Println("whole:", here.Vector(), "last:", here.Last(tablet))

	var there clock.Context
	there.AddRange(clock.Range{Origin: tablet, From: 1, To: 6})
	there.Add(clock.Dot{Origin: phone, N: 1})
	fmt.Println("there:", &there)
	fmt.Println("lacks:", here.Missing(&there))

	fmt.Println("new:  ", here.Add(clock.Dot{Origin: tablet, N: 4}))
	fmt.Println("here: ", &here)
	// Output:
	// here:  {aa000000…/1:1-3 aa000000…/1:5}
	// whole: {aa000000…/1:3} last: 5
	// there: {aa000000…/1:1-6 bb000000…/1:1}
	// lacks: [aa000000…/1:4 aa000000…/1:6 bb000000…/1:1]
	// new:   true
	// here:  {aa000000…/1:1-5}
}

// Stamps rise whatever the wall clock does, also over a restart.
func ExampleHLC() {
	wall := time.Date(2030, 1, 1, 8, 0, 0, 0, time.UTC)
	showWall := func() time.Time { return wall }

	var bound clock.Stamp // stands for a file
	persist := func(b clock.Stamp) error {
		bound = b
		fmt.Println("bound ", b)
		return nil
	}
	now := func(c *clock.HLC, when string) {
		s, err := c.Now()
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("stamp ", s, when)
	}

	c := clock.NewHLC(showWall, bound, persist)
	now(c, "as the wall clock")
	now(c, "in the same millisecond")
	wall = wall.Add(-time.Hour)
	now(c, "when the wall clock went back")
	c.Observe(clock.NewStamp(wall.Add(time.Hour+time.Second), 0))
	now(c, "after a stamp from elsewhere")

	c = clock.NewHLC(showWall, bound, persist)
	now(c, "after a restart")
	// Output:
	// bound  2030-01-01T08:00:05.000Z+0
	// stamp  2030-01-01T08:00:00.000Z+0 as the wall clock
	// stamp  2030-01-01T08:00:00.000Z+1 in the same millisecond
	// stamp  2030-01-01T08:00:00.000Z+2 when the wall clock went back
	// stamp  2030-01-01T08:00:01.000Z+1 after a stamp from elsewhere
	// bound  2030-01-01T08:00:05.001Z+1
	// stamp  2030-01-01T08:00:05.000Z+1 after a restart
}

// A stamp from a device whose clock is wrong waits, unless the time here is
// behind.
func ExampleAhead() {
	wall := time.Date(2030, 1, 1, 8, 0, 0, 0, time.UTC)
	of2099 := clock.NewStamp(time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC), 0)
	soon := clock.NewStamp(wall.Add(clock.MaxAhead), 0)
	fmt.Println(clock.Ahead(of2099, wall, 0, 0, 0), clock.Ahead(soon, wall, 0, 0, 0))

	// A device without a battery boots in 1970, and meets one that knows better.
	own := time.Unix(30, 0)
	agreed := clock.Agreed(clock.NewStamp(own, 0), clock.NewStamp(wall, 0))
	fmt.Println(agreed)
	fmt.Println(clock.Ahead(soon, own, 0, 0, 0), clock.Ahead(soon, own, 0, agreed, 0))
	// Output:
	// true false
	// 2030-01-01T08:00:00.000Z+0
	// true false
}

// The body is written first, and fills the table that goes in front of it.
func ExampleTable() {
	seen := new(clock.VersionVector)
	seen.Set(phone, 7)
	seen.Set(tablet, 300)

	var table clock.Table
	var body, out codec.Writer
	seen.Write(&body, &table)
	clock.WriteDot(&body, &table, clock.Dot{Origin: phone, N: 7})
	table.Write(&out)
	out.Raw(body.Bytes())
	fmt.Println(table.Len(), "origins,", body.Len(), "bytes of", out.Len(), "beside the table")

	r := codec.NewReader(out.Bytes())
	read := clock.ReadTable(r, clock.MaxOrigins)
	vector := clock.ReadVersionVector(r, read)
	dot := clock.ReadDot(r, read)
	read.CheckUse(r)
	fmt.Println(&vector, dot, r.Close())
	// Output:
	// 2 origins, 8 bytes of 59 beside the table
	// {aa000000…/1:300 bb000000…/1:7} bb000000…/1:7 <nil>
}
