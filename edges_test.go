package concord_test

import (
	"go/ast"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
)

// syncFolders hold the tests of synchronisation.
var syncFolders = []string{"replica", "replica/session", "proptest/crash", "proptest/fleet", "proptest/scopes", "proptest/sim", "proptest/sim/model"}

// leastEdges is the share of them, in per cent, that must be about what goes
// wrong or seldom happens.
const leastEdges = 40

// TestEnoughFaultAndEdgeTests counts, among the tests of synchronisation, those
// that say in a comment what goes wrong in them, or what seldom happens:
//
//	//concord:fault a connection that breaks
//	//concord:edge limits
//
// Whoever writes one says so; a claim without a word of what it is about is none.
func TestEnoughFaultAndEdgeTests(t *testing.T) {
	tests, tagged := 0, 0
	for _, s := range scan(t, os.DirFS(".")) {
		if !s.test || !slices.Contains(syncFolders, path.Clean(s.dir)) {
			continue
		}
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv != nil || f.Name.Name == "TestMain" || !strings.HasPrefix(f.Name.Name, "Test") && !strings.HasPrefix(f.Name.Name, "Fuzz") {
				continue
			}
			tests++
			if isEdge(t, f) {
				tagged++
			}
		}
	}
	share := 100 * tagged / max(tests, 1)
	t.Logf("fault and edge tests: %d of %d sync tests (%d %%)", tagged, tests, share)
	if share < leastEdges {
		t.Errorf("%d %% of the sync tests are about faults and edges; want %d %%", share, leastEdges)
	}
}

// isEdge reports whether a test says that it is about a fault or an edge.
func isEdge(t *testing.T, f *ast.FuncDecl) bool {
	if f.Doc == nil {
		return false
	}
	for _, c := range f.Doc.List {
		tag, ok := strings.CutPrefix(c.Text, "//concord:")
		if !ok {
			continue
		}
		kind, about, _ := strings.Cut(tag, " ")
		if kind != "fault" && kind != "edge" || strings.TrimSpace(about) == "" {
			t.Errorf("%s has the comment %q; want //concord:fault or //concord:edge, and what it is about", f.Name.Name, c.Text)
		}
		return true
	}
	return false
}
