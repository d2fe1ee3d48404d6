package model

import (
	"flag"
	"fmt"
	"strings"
	"testing"
)

var (
	seeds = flag.Uint64("seeds", 1000, "how many histories to run")
	from  = flag.Uint64("from", 1, "the seed of the first")
)

//concord:fault restarts, directories put back and copied
func TestHistoriesConverge(t *testing.T) {
	for seed := *from; seed < *from+*seeds; seed++ {
		if err := Run(seed, 0); err != nil {
			t.Fatal(err)
		}
	}
}

// bound is within how many histories the loss of a rule must show.
const bound = 4000

//concord:fault restarts, directories put back and copied
func TestEveryRuleIsNeeded(t *testing.T) {
	var table strings.Builder
	for _, rule := range Rules {
		var err error
		seed := uint64(1)
		for ; err == nil && seed <= bound; seed++ {
			err = Run(seed, rule)
		}
		if err == nil {
			t.Errorf("%d histories do not miss the rule %q", bound, rule)
			continue
		}
		line, _, _ := strings.Cut(err.Error(), "\n")
		fmt.Fprintf(&table, "%-40s %5d  %s\n", rule, seed-1, line)
	}
	t.Logf("first seed that fails without\n%s", &table)
}
