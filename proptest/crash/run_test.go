package crash_test

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"testing"

	"github.com/concord-crdt/concord/proptest/crash"
)

const childVariable = "CONCORD_CRASH_CHILD"

// TestMain is the child as well.
func TestMain(m *testing.M) {
	if os.Getenv(childVariable) == "" {
		os.Setenv(childVariable, "1")
		os.Exit(m.Run())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := crash.Child(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

//concord:fault processes that are killed
func TestStoresDoNotLie(t *testing.T) {
	rounds := 10
	if testing.Short() {
		rounds = 2
	}
	for _, k := range crash.Kinds() {
		t.Run(string(k), func(t *testing.T) {
			t.Parallel()
			n := rounds
			if k == crash.Disk {
				n = 1
			}
			tallies, err := crash.Run(t.Context(), crash.Options{
				Dir: t.TempDir(), Self: []string{os.Args[0]}, Rounds: n, Kinds: []crash.Kind{k}, Seed: 1,
				Round: func(_ crash.Kind, o crash.Outcome) { t.Logf("%+v", o) },
			})
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range tallies[k].Faults {
				t.Error(f)
			}
			if why := tallies[k].Why; why != "" {
				t.Skip(why)
			}
		})
	}
}
