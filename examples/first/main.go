// Command first is the first program of the README.
package main

import (
	"context"
	"log"

	"github.com/concord-crdt/concord/replica"
)

func main() {
	ctx := context.Background()
	r, err := replica.Open("ward.db", replica.Options{Actor: "ana", Role: "nurse"})
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	if err := r.Collection("patients").Update(ctx, "bed-7", func(p *replica.Record) error {
		p.Register("name").Set("Ida")
		p.Counter("doses").Add(1)
		return p.Text("note").Append("slept well")
	}); err != nil {
		log.Print(err)
	}
	if _, err := r.Sync(ctx, "tcp://localhost:7000"); err != nil {
		log.Print("no peer today; the change is on the disk and goes next time: ", err)
	}
}
