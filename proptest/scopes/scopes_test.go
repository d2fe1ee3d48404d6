package scopes_test

import (
	"flag"
	"testing"

	"github.com/concord-crdt/concord/proptest/scopes"
)

var (
	seeds = flag.Uint64("seeds", 300, "how many histories to run")
	from  = flag.Uint64("from", 1, "the seed of the first")
)

//concord:edge what comes late, deleted records, two stewards
func TestHistoriesHold(t *testing.T) {
	for seed := *from; seed < *from+*seeds; seed++ {
		if err := scopes.Run(seed); err != nil {
			t.Fatal(err)
		}
	}
}

func BenchmarkHistories(b *testing.B) {
	seed := uint64(0)
	for b.Loop() {
		seed++
		if err := scopes.Run(seed); err != nil {
			b.Fatal(err)
		}
	}
}
