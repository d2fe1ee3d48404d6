package merge_test

import (
	"fmt"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/merge"
)

// tablet is one replica of one record, as an application of the lower rooms
// would have it; package replica does all of this for its users.
type tablet struct {
	origin clock.Origin
	rec    crdt.Record
	n      uint64
}

// write sets the dose, as an actor who saw a version of the record.
func (t *tablet) write(actor, role string, stamp clock.Stamp, seen *clock.VersionVector, dose int) *crdt.Change {
	t.n++
	c := &crdt.Change{Dot: clock.Dot{Origin: t.origin, N: t.n}, Stamp: stamp, Author: crdt.Author{Actor: actor, Role: role}}
	e := t.rec.Edit("ward-3/17", crdt.EditOptions{Dot: c.Dot, Seen: seen})
	if err := e.Register("dose").Set(dose); err != nil {
		panic(err)
	}
	p, _, err := e.Part(false)
	if err != nil {
		panic(err)
	}
	c.Parts = []crdt.Part{p}
	e.Commit(c, crdt.HashOf(c.Encode()).Digest())
	return c
}

func (t *tablet) receive(c *crdt.Change) {
	if err := t.rec.Check(c, &c.Parts[0]); err != nil {
		panic(err)
	}
	t.rec.Apply(c, &c.Parts[0], crdt.HashOf(c.Encode()).Digest(), nil)
}

// A nurse opens a form; before she saves it, the doctor's correction arrives.
// Her write stands beside the one that she had not seen, and the doctor's counts.
func Example() {
	schema := &merge.Schema{
		Roles: []string{"doctor", "nurse"},
		Collections: map[string]merge.Collection{
			"medication": {
				Priority:  merge.Critical,
				Partition: "ward",
				Fields: map[string]merge.FieldRule{
					"dose": {
						Type:    crdt.TypeRegister,
						Of:      merge.Integer,
						Resolve: []merge.Step{merge.Authority("doctor", "nurse"), merge.Latest},
					},
				},
			},
		},
	}
	if err := schema.Validate(); err != nil {
		panic(err)
	}
	medication, err := schema.Collection("medication")
	if err != nil {
		panic(err)
	}

	office := &tablet{origin: clock.Origin{Replica: clock.ReplicaID{1}, Incarnation: 1}}
	bedside := &tablet{origin: clock.Origin{Replica: clock.ReplicaID{2}, Incarnation: 1}}
	bedside.receive(office.write("dr-weiss", "doctor", at(0), nil, 5))

	form := merge.View(&bedside.rec, medication)
	bedside.receive(office.write("dr-weiss", "doctor", at(5), nil, 3))
	bedside.write("n-okafor", "nurse", at(10), &form.Version, 7)

	view := merge.View(&bedside.rec, medication)
	dose, _ := view.Field("dose")
	fmt.Println("the form showed", form.Values()["dose"])
	fmt.Println("shown now:", dose.Value)
	rule := medication.Fields["dose"].Resolve
	fmt.Println("decided by", rule[dose.Resolution.Step])
	for _, c := range dose.Candidates {
		fmt.Println("candidate:", c.Value, "by", c.Actor, "as", c.Role)
	}
	// Output:
	// the form showed 5
	// shown now: 3
	// decided by authority: doctor, nurse
	// candidate: 3 by dr-weiss as doctor
	// candidate: 7 by n-okafor as nurse
}

func ExampleSchema_Validate() {
	schema := merge.Schema{
		Roles: []string{"doctor", "nurse"},
		Collections: map[string]merge.Collection{
			"medication": {Fields: map[string]merge.FieldRule{
				"dose":  {Type: crdt.TypeRegister, Resolve: []merge.Step{merge.Latest, merge.Authority("docter")}},
				"given": {Type: crdt.TypeCounter, Of: merge.Integer},
			}},
		},
	}
	fmt.Println(schema.Validate())
	// Output:
	// merge: collection "medication", field "dose": latest always decides, so what stands behind it has no say; put it last, and keep one such step
	// merge: collection "medication", field "dose": authority names the unknown role "docter"; correct it, or add it to the schema's roles (doctor, nurse)
	// merge: collection "medication", field "given": a counter is not of a kind, and it says integer; leave Of out
}

func ExampleSchema_Scope() {
	schema := merge.Schema{Collections: map[string]merge.Collection{
		"medication": {Partition: "ward"},
		"drug":       {},
	}}
	fmt.Println(schema.Scope("medication", "ward-3/17"))
	fmt.Println(schema.Scope("drug", "aspirin"))
	// Output:
	// medication/ward-3
	// drug
}

func ExampleResolve() {
	set := []merge.Candidate{
		{Value: "morning", Role: "nurse", Stamp: at(10), Entry: crdt.EntryID{Index: 1}},
		{Value: "noon", Role: "doctor", Stamp: at(0), Entry: crdt.EntryID{Index: 2}},
		{Value: "evening", Role: "doctor", Stamp: at(5), Entry: crdt.EntryID{Index: 3}},
	}
	for _, rule := range [][]merge.Step{
		{merge.Latest},
		{merge.Authority("doctor", "nurse"), merge.Earliest},
		{merge.Authority("doctor")},
	} {
		r := merge.Resolve(set, rule)
		fmt.Println(rule, set[r.Winner].Value, "by", r.By)
	}
	// Output:
	// [latest] morning by step
	// [authority: doctor, nurse earliest] noon by step
	// [authority: doctor] evening by entry
}

func ExampleCollection_CheckWrite() {
	medication := merge.Collection{Fields: map[string]merge.FieldRule{
		"dose": {Type: crdt.TypeRegister, Of: merge.Integer, Write: []string{"doctor"}},
	}}
	office := &tablet{origin: clock.Origin{Replica: clock.ReplicaID{1}, Incarnation: 1}}
	change := office.write("n-okafor", "nurse", at(0), nil, 5)
	fmt.Println(medication.CheckWrite(&change.Parts[0], change.Author.Role))
	// Output:
	// merge: role may not write the field: field "dose": "nurse" may not, doctor may
}
