package replica_test

import (
	"context"
	"fmt"
	"log"
	"net"
	"os"

	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/merge"
	"github.com/concord-crdt/concord/replica"
)

// Two devices edit one record while apart, meet, and agree.
func Example() {
	ctx := context.Background()
	tablet, phone := openExample("ana", "nurse"), openExample("bo", "doctor")
	defer tablet.Close()
	defer phone.Close()

	err := tablet.Collection("patients").Update(ctx, "bed-7", func(p *replica.Record) error {
		p.Register("name").Set("Ida")
		p.Set("allergies").Add("latex")
		p.Counter("doses").Add(1)
		return p.Text("note").Append("slept well")
	})
	if err != nil {
		log.Fatal(err)
	}
	err = phone.Collection("patients").Update(ctx, "bed-7", func(p *replica.Record) error {
		p.Set("allergies").Add("nuts")
		return p.Counter("doses").Add(2)
	})
	if err != nil {
		log.Fatal(err)
	}

	meetExample(ctx, tablet, phone)
	view, err := phone.Collection("patients").View(ctx, "bed-7")
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range view.Fields {
		fmt.Println(f.Name, f.Value)
	}
	// Output:
	// allergies [nuts latex]
	// doses 3
	// name Ida
	// note slept well
}

// A form was open while the doctor's value arrived. The nurse did not see it,
// so her write does not replace it; whose counts is the policy's to say.
func ExampleRecord_Saw() {
	ctx := context.Background()
	policy := merge.Policy{
		Roles: []string{"doctor", "nurse"},
		Collections: map[string]merge.Collection{"medication": {Fields: map[string]merge.FieldRule{
			"dose": {Type: crdt.TypeRegister, Resolve: []merge.Step{merge.Authority("doctor", "nurse"), merge.Latest}},
		}}},
	}
	dir, err := os.MkdirTemp("", "concord")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	r, err := replica.Open(dir, replica.Options{Actor: "nils", Role: "nurse", Policy: policy, Durability: replica.Relaxed})
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	doses := r.Collection("medication")
	if err := doses.Update(ctx, "17", func(p *replica.Record) error { return p.Register("dose").Set(5) }); err != nil {
		log.Fatal(err)
	}
	form, err := doses.View(ctx, "17")
	if err != nil {
		log.Fatal(err)
	}
	// The doctor writes meanwhile (on this device here, to keep it short).
	if err := doses.Update(ctx, "17", func(p *replica.Record) error {
		return p.As("dora", "doctor").Register("dose").Set(3)
	}); err != nil {
		log.Fatal(err)
	}
	// The nurse saves the form that still showed 5.
	if err := doses.Update(ctx, "17", func(p *replica.Record) error {
		return p.Saw(form.Version).Register("dose").Set(7)
	}); err != nil {
		log.Fatal(err)
	}
	view, err := doses.View(ctx, "17")
	if err != nil {
		log.Fatal(err)
	}
	dose, _ := view.Field("dose")
	fmt.Println("shown:", dose.Value)
	for _, c := range dose.Candidates {
		fmt.Printf("%v by %s, %s\n", c.Value, c.Actor, c.Role)
	}
	// Output:
	// shown: 3
	// 3 by dora, doctor
	// 7 by nils, nurse
}

func openExample(actor, role string) *replica.Replica {
	r, err := replica.Open("", replica.Options{Actor: actor, Role: role, DisableDisk: true})
	if err != nil {
		log.Fatal(err)
	}
	return r
}

// meetExample holds one session over a pipe; over a network it is Sync and
// Serve.
func meetExample(ctx context.Context, a, b *replica.Replica) {
	ca, cb := net.Pipe()
	done := make(chan error, 1)
	go func() {
		_, err := b.SyncConn(ctx, cb, replica.SyncOptions{})
		done <- err
	}()
	if _, err := a.SyncConn(ctx, ca, replica.SyncOptions{}); err != nil {
		log.Fatal(err)
	}
	if err := <-done; err != nil {
		log.Fatal(err)
	}
}
