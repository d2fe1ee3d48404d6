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
	policy := &merge.Policy{
		Name:    "hospital",
		Version: 1,
		Roles:   []string{"doctor", "nurse"},
		Collections: map[string]merge.Collection{
			"medication": {
				Priority:  merge.Critical,
				Partition: "ward",
				Fields: map[string]merge.FieldRule{
					"dose": {
						Type:        crdt.TypeRegister,
						Of:          merge.Integer,
						Write:       []string{"doctor", "nurse"},
						Consistency: merge.Causal,
						Resolve:     []merge.Step{merge.Authority("doctor", "nurse"), merge.Latest},
					},
				},
			},
		},
	}
	rules, findings := policy.Compile(nil)
	if err := findings.Err(); err != nil {
		panic(err)
	}
	medication, err := rules.Collection("medication")
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
	steps := medication.Field("dose").Rule().Steps()
	fmt.Println("decided by", steps[dose.Resolution.Step])
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

func ExamplePolicy_Scope() {
	policy := merge.Policy{Collections: map[string]merge.Collection{
		"medication": {Partition: "ward"},
		"drug":       {},
	}}
	fmt.Println(policy.Scope("medication", "ward-3/17"))
	fmt.Println(policy.Scope("drug", "aspirin"))
	// Output:
	// medication/ward-3
	// drug
}

// A policy file says the same as the Go structs, and is read strictly.
func ExampleParsePolicy() {
	file := `
policy: hospital
version: 1
roles: [doctor, nurse]
collections:
  medication:
    fields:
      dose: {type: register, of: integer, resolve: [{authority: [docter, nurse]}, latest]}
      given: {type: register, of: integer, quantity: true}
    constraints:
      - {name: daily-maximum, must: "record.dose <= '4000'", approve: [doctor]}
`
	_, findings := merge.ParsePolicy("hospital.yaml", []byte(file))
	for _, f := range findings {
		fmt.Printf("%s: %v: %s\n", f.Place(), f.Severity, f.Problem)
	}
	// Output:
	// hospital.yaml:8:66: error: "docter" is no role
	// hospital.yaml:9:7: error: it is a quantity, and of two writes the later would win
	// hospital.yaml:11:50: error: found no matching overload for '_<=_' applied to '(int, string)'
}

func ExampleFieldRules_Resolve() {
	set := []merge.Candidate{
		{Value: "morning", Role: "nurse", Stamp: at(10), Entry: crdt.EntryID{Index: 1}},
		{Value: "noon", Role: "doctor", Stamp: at(0), Entry: crdt.EntryID{Index: 2}},
		{Value: "evening", Role: "doctor", Stamp: at(5), Entry: crdt.EntryID{Index: 3}},
	}
	for _, rule := range [][]merge.Step{
		{merge.Latest},
		{merge.Authority("doctor", "nurse"), merge.Earliest},
		{merge.Rank("size(candidate.value)"), merge.Latest},
		{merge.Authority("doctor")},
	} {
		policy := merge.Policy{Roles: []string{"doctor", "nurse"}, Collections: map[string]merge.Collection{
			"medication": {Fields: map[string]merge.FieldRule{
				"when": {Type: crdt.TypeRegister, Of: merge.String, Resolve: rule},
			}},
		}}
		rules, findings := policy.Compile(nil)
		if err := findings.Err(); err != nil {
			panic(err)
		}
		medication, _ := rules.Collection("medication")
		r := medication.Field("when").Resolve(set, nil)
		fmt.Println(rule, set[r.Winner].Value, "by", r.By)
	}
	// Output:
	// [latest] morning by step
	// [authority: doctor, nurse earliest] noon by step
	// [rank: size(candidate.value) latest] morning by step
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
