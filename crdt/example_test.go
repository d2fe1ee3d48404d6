package crdt_test

import (
	"fmt"
	"time"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
)

// Two replicas of one record: each edits, and takes over the other's change.
func Example() {
	type replica struct {
		origin clock.Origin
		record crdt.Record
	}
	stamp := clock.NewStamp(time.Date(2030, 1, 1, 8, 0, 0, 0, time.UTC), 0)
	edit := func(r *replica, actor string, do func(*crdt.RecordEditor)) *crdt.Change {
		dot := clock.Dot{Origin: r.origin, N: r.record.Vector().Get(r.origin) + 1}
		e := r.record.Edit("bed-7", crdt.EditOptions{Dot: dot})
		do(e)
		part, _, err := e.Part(false)
		if err != nil {
			e.Undo()
			fmt.Println(err)
			return nil
		}
		stamp = stamp.Next()
		c := &crdt.Change{Dot: dot, Stamp: stamp, Author: crdt.Author{Actor: actor}, Parts: []crdt.Part{part}}
		e.Commit(c, crdt.HashOf(c.Encode()).Digest())
		return c
	}
	receive := func(r *replica, encoded []byte) {
		c, err := crdt.DecodeChange(encoded)
		if err != nil {
			fmt.Println(err)
			return
		}
		p := &c.Parts[0]
		if missing := r.record.Missing(p); len(missing) > 0 {
			fmt.Println("waits for", missing)
			return
		}
		if err := r.record.Check(c, p); err != nil {
			fmt.Println(err)
			return
		}
		r.record.Apply(c, p, crdt.HashOf(encoded).Digest(), nil)
	}

	tablet := &replica{origin: clock.Origin{Replica: clock.ReplicaID{1}, Incarnation: 1}}
	phone := &replica{origin: clock.Origin{Replica: clock.ReplicaID{2}, Incarnation: 1}}

	first := edit(tablet, "ana", func(e *crdt.RecordEditor) {
		e.Register("name").Set("Ida")
		e.Set("allergies").Add("latex")
		e.Text("note").Append("slept well")
	})
	receive(phone, first.Encode())

	// Both edit at the same time.
	a := edit(tablet, "ana", func(e *crdt.RecordEditor) {
		e.Register("diet").Set("soft")
		e.Text("note").Insert(5, " very")
	})
	b := edit(phone, "bo", func(e *crdt.RecordEditor) {
		e.Register("diet").Set("none")
		e.Set("allergies").Add("nuts")
	})
	receive(phone, a.Encode())
	receive(tablet, b.Encode())

	for f := range tablet.record.Fields(crdt.DeleteWins) {
		switch f.Type() {
		case crdt.TypeRegister:
			for _, c := range f.Candidates() {
				fmt.Printf("%s: %v, by %s\n", f.Name(), c.Value, c.Meta.Author.Actor)
			}
		case crdt.TypeSet:
			fmt.Printf("%s: %v\n", f.Name(), f.Elements())
		case crdt.TypeText:
			fmt.Printf("%s: %s\n", f.Name(), f.Text())
		}
	}
	fmt.Println("same:", tablet.record.Digest() == phone.record.Digest())
	// Output:
	// allergies: [nuts latex]
	// diet: soft, by ana
	// diet: none, by bo
	// name: Ida, by ana
	// note: slept very well
	// same: true
}

func ExampleSet() {
	a := crdt.NewSet[string](clock.Origin{Replica: clock.ReplicaID{1}, Incarnation: 1})
	b := crdt.NewSet[string](clock.Origin{Replica: clock.ReplicaID{2}, Incarnation: 1})

	added, _ := a.Add("milk")
	_ = b.Join(added, nil)

	removed, _ := b.Remove("milk")
	again, _ := a.Add("milk") // at the same time: the addition stays
	_ = a.Join(removed, nil)
	_ = b.Join(again, nil)
	_ = b.Join(again, nil) // a second time changes nothing

	fmt.Println(a.Values(), b.Values(), a.State().Digest() == b.State().Digest())
	// Output: [milk] [milk] true
}

func ExampleCounter() {
	a := crdt.NewCounter(clock.Origin{Replica: clock.ReplicaID{1}, Incarnation: 1})
	b := crdt.NewCounter(clock.Origin{Replica: clock.ReplicaID{2}, Incarnation: 1})

	x, _ := a.Add(5)
	y, _ := b.Add(-2)
	_ = a.Join(y, nil)
	_ = b.Join(x, nil)

	fmt.Println(a.Value(), b.Value())
	// Output: 3 3
}

func ExampleRegister() {
	wall := time.Date(2030, 1, 1, 8, 0, 0, 0, time.UTC)
	now := func() time.Time { wall = wall.Add(time.Second); return wall }
	a := crdt.NewRegister[string](clock.Origin{Replica: clock.ReplicaID{1}, Incarnation: 1}, clock.NewHLC(now, 0, nil))
	b := crdt.NewRegister[string](clock.Origin{Replica: clock.ReplicaID{2}, Incarnation: 1}, clock.NewHLC(now, 0, nil))

	x, _ := a.Set("red")
	y, _ := b.Set("blue")
	_ = a.Join(y, nil)
	_ = b.Join(x, nil)

	v, _ := a.Get()
	fmt.Println(v, b.Siblings())

	z, _ := b.Set("green") // having seen both
	_ = a.Join(z, nil)
	fmt.Println(a.Siblings())
	// Output:
	// blue [red blue]
	// [green]
}

func ExampleMap() {
	now := func() time.Time { return time.Date(2030, 1, 1, 8, 0, 0, 0, time.UTC) }
	a := crdt.NewMap(clock.Origin{Replica: clock.ReplicaID{1}, Incarnation: 1}, clock.NewHLC(now, 0, nil))
	b := crdt.NewMap(clock.Origin{Replica: clock.ReplicaID{2}, Incarnation: 1}, clock.NewHLC(now, 0, nil))

	x, _ := a.Update(func(m crdt.MapField) error { return m.Text("title").Append("Concrd") })
	_ = b.Join(x, nil)
	y, _ := b.Update(func(m crdt.MapField) error { return m.Text("title").Insert(4, "o") })
	z, _ := a.Update(func(m crdt.MapField) error { return m.Text("title").Append("!") })
	_ = a.Join(y, nil)
	_ = b.Join(z, nil)

	for f := range b.Field().Kids() {
		fmt.Println(f.Name(), f.Text())
	}
	// Output: title Concord!
}
