package teeth_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/concord-crdt/concord/internal/planted"
)

// within is how many histories may go by until a fault is found.
const within = 1000

// entry is a fault of the catalogue, with the histories that find it soonest.
type entry struct {
	fault  planted.Fault
	does   string
	breaks string
	finder finder
}

var catalogue = []entry{
	{planted.LogicalWraps, "a full logical part of a stamp starts again", "stamps rise", clocks},
	{planted.StampNotObserved, "a clock does not follow stamps that it is told", "stamps rise above what was seen", clocks},
	{planted.BoundNotKept, "a clock's bound is not made durable", "stamps rise over restarts", clocks},
	{planted.OverlongNumber, "a number is read in more bytes than it takes", "one state has one encoding", encodings},

	{planted.WidenedRemoval, "a removal takes entries that its author did not see", "what is concurrent stays", scopeHistories},
	{planted.LoserDropped, "a join drops the sibling that loses", "join knows no winner", scopeHistories},
	{planted.HeadsAsSupersedes, "a write replaces what its replica had", "supersedes apart from heads", calm},
	{planted.SkippedHead, "a change leaves out a head", "heads name all that was applied", scopeHistories},
	{planted.HeadsIgnored, "a change is applied without its heads", "heads gate a change", scopeHistories},
	{planted.SingleBirth, "a change names the first birth alone", "births as a set", calm},
	{planted.OneRunOfCounter, "a counter goes on from totals of dead births", "counters per set of births", calm},
	{planted.RestoreRemoves, "a restore removes the deletions that are here", "a restore removes nothing", scopeHistories},
	{planted.WidenedDeletion, "a deletion ends births that it does not name", "a deletion ends what was seen", calm},
	{planted.OrphansShown, "what belongs to no live birth is shown", "a deleted record shows nothing", calm},
	{planted.LocalPurge, "a deletion forgets births, without a mark", "forgetting is a replicated decision", scopeHistories},
	{planted.TieByNumber, "a tie in a text is broken by an interned number", "ties end at what is the same everywhere", scopeHistories},
	{planted.SumNotTaken, "a removal stays in the digest", "equal states have equal digests", scopeHistories},
	{planted.JoinKeepsSuperseded, "a join keeps what the other side superseded", "join is the least upper bound", scopeHistories},
	{planted.SupersedersLost, "a join forgets who superseded a kept value", "joining a versioned field is a union", scopeHistories},
	{planted.VoidTakesEffect, "a rejected change has an effect", "rejected is void", scopeHistories},
	{planted.VoidBlocks, "a rejected change is no head", "what follows a rejected change is not blocked", scopeHistories},
	{planted.StampBelowHeads, "an effective stamp stays below those of its heads", "no clock orders a change before what it saw", scopeHistories},

	{planted.FloorNotInJoins, "the floor's cut does not count as covered", "the floor's cut counts in joins", scopeHistories},
	{planted.MarkBeforeCut, "a mark folds before its cut is here", "a mark waits for its cut", scopeHistories},
	{planted.CutNotClosed, "a cut leaves out members' own changes", "cut closed over the members' own dots", scopeHistories},
	{planted.LastEditAlone, "a fold knows of each origin its last edit alone", "edits kept one by one until the mark", scopeHistories},
	{planted.PolicyOfReader, "all marks fold by the policy of the last", "a mark names the policy it folds by", scopeHistories},
	{planted.TwoStewards, "a mark of another than the steward is taken", "one steward's chain", scopeHistories},
	{planted.StampsNotFrozen, "a fold does not freeze stamps", "settled changes keep their stamps", scopeHistories},
	{planted.RestoresOfLater, "a fold counts restores outside its cut", "a fold is a function of its cut", scopeHistories},
	{planted.SettledForgotten, "a join loses what a mark folded of a stock", "states at different floors join", scopeHistories},

	{planted.TieByArrival, "a tie is broken by the place of a candidate", "candidates come in any order", rules},
	{planted.PairwiseFolding, "candidates are decided two by two", "a rule sees the whole set", rules},
	{planted.RuleReadsClock, "a rule reads the wall clock", "a rule is pure", rules},
	{planted.ViewWrittenBack, "what a rule decided is written as a change", "a view alters nothing", calm},

	{planted.AcknowledgedEarly, "a write returns before it is durable", "nothing is lost that returned success", fleets},
	{planted.ReusedDot, "who lost its past goes on under its old name", "a dot names one content", fleets},
	{planted.CountedIncarnation, "a new incarnation is the next number", "random incarnations", restored},
	{planted.ClocksApartLost, "a head counts when it is stored", "stored and applied clocks apart", fleets},
	{planted.ClocksJoinedHalf, "a clock covers a chunk of which one change was taken", "a clock says what is here", calm},
	{planted.PastNotCompared, "peers do not compare the history of own changes", "chain digest at first contact", fleets},
	{planted.WaitingForgotten, "what waits is not looked at again", "waiting ends with what it waits for", fleets},
	{planted.CacheKept, "memory keeps what a failed write did not store", "what is shown is what is stored", fleets},
	{planted.AheadClamped, "a stamp that is ahead is set back by who receives it", "a stamp is never clamped", calm},
	{planted.WaitingAsApplied, "the applied clock covers what waits", "what waits is not applied", fleets},
	{planted.SnapshotOfPast, "a snapshot says that it covers what it lacks", "a restart changes no view", calm},
	{planted.TallyNotKept, "the sum of a scope does not follow a change", "a store that nothing damaged is whole", calm},
}

// table is where docs/testing.md has the catalogue.
var table = struct{ file, begin, end string }{"../../docs/testing.md", "<!-- planted faults -->\n", "<!-- end of planted faults -->"}

// documented is the catalogue as docs/testing.md has it.
func documented(t *testing.T) (before, rows, after string) {
	t.Helper()
	text, err := os.ReadFile(table.file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), table.begin)
	rows, after, ended := strings.Cut(rest, table.end)
	if !found || !ended {
		t.Fatalf("%s has no table between %q and %q", table.file, table.begin, table.end)
	}
	return before, rows, after
}

var row = regexp.MustCompile(`(?m)^\| ([^|]+) \| ([^|]+) \| ([^|]+) \| (\d+) \|$`)

// TestCatalogueIsDocumented compares the catalogue with the table that a search
// wrote.
func TestCatalogueIsDocumented(t *testing.T) {
	_, rows, _ := documented(t)
	found := row.FindAllStringSubmatch(rows, -1)
	if len(found) != len(catalogue) || len(catalogue) < 30 {
		t.Errorf("the table has %d faults, the catalogue %d; write it with: go test -tags plantedfaults -run Teeth ./proptest/teeth -write", len(found), len(catalogue))
	}
	for i, r := range found {
		if i >= len(catalogue) {
			break
		}
		e := catalogue[i]
		if r[1] != e.does || r[2] != e.breaks || r[3] != e.finder.name {
			t.Errorf("row %d is %q, %q, %q; the catalogue has %q, %q, %q", i+1, r[1], r[2], r[3], e.does, e.breaks, e.finder.name)
		}
		if n, _ := strconv.Atoi(r[4]); n < 1 || n > within {
			t.Errorf("%s: found after %d histories; want at most %d", r[1], n, within)
		}
	}
}

// TestCatalogueHasEveryFault looks for faults that can be planted and are in no
// entry.
func TestCatalogueHasEveryFault(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../../internal/planted/planted.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	faults := 0
	for _, d := range file.Decls {
		if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.CONST && g.Lparen.IsValid() {
			faults += len(g.Specs)
		}
	}
	seen := map[planted.Fault]string{}
	for _, e := range catalogue {
		if before, twice := seen[e.fault]; twice || e.fault == planted.None {
			t.Errorf("%q plants the same fault as %q, or none", e.does, before)
		}
		seen[e.fault] = e.does
	}
	if len(seen) != faults {
		t.Errorf("%d faults can be planted, %d are in the catalogue", faults, len(seen))
	}
}

// TestFindersFindNothingInConcord plays some histories of every finder without
// any fault.
func TestFindersFindNothingInConcord(t *testing.T) {
	for _, f := range []finder{clocks, encodings, rules, scopeHistories} {
		for seed := range uint64(20) {
			if err := f.play(seed); err != nil {
				t.Errorf("%s, seed %d: %v", f.name, seed, err)
			}
		}
	}
}
