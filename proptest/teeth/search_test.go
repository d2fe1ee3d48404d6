//go:build plantedfaults

package teeth_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/concord-crdt/concord/internal/planted"
)

var write = flag.Bool("write", false, "write the table of planted faults in docs/testing.md anew")

// TestTeeth plants every fault of the catalogue, and wants it found within a
// thousand histories: by one that is sound without the fault.
func TestTeeth(t *testing.T) {
	defer planted.Plant(planted.None)
	var rows strings.Builder
	rows.WriteString("| planted fault | breaks | found by | histories |\n|---|---|---|---|\n")
	for i := range catalogue {
		e := &catalogue[i]
		seeds, err := e.search()
		if err == nil {
			t.Errorf("%d histories (%s) do not find: %s", within, e.finder.name, e.does)
			continue
		}
		said := strings.Join(strings.Fields(err.Error()), " ")
		t.Logf("%4d  %-52s %s: %.140s", seeds, e.does, e.finder.name, said)
		rows.WriteString(e.line(seeds))
	}
	if *write && !t.Failed() {
		before, _, after := documented(t)
		text := before + table.begin + rows.String() + table.end + after
		if err := os.WriteFile(table.file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// search returns after how many histories a fault is found, and what was found.
func (e *entry) search() (seeds uint64, err error) {
	for seed := uint64(1); seed <= within; seed++ {
		planted.Plant(e.fault)
		err := e.finder.play(seed)
		planted.Plant(planted.None)
		if err != nil && e.finder.play(seed) == nil {
			return seed, err
		}
	}
	return 0, nil
}

// line is an entry's row of the table.
func (e *entry) line(seeds uint64) string {
	return fmt.Sprintf("| %s | %s | %s | %d |\n", e.does, e.breaks, e.finder.name, seeds)
}
