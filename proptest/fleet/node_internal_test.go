package fleet

import (
	"bytes"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/proptest/scenario"
	"github.com/concord-crdt/concord/replica/session"
)

func openWorld(t *testing.T, durable bool, names ...string) *world {
	t.Helper()
	w, err := Opener{Dir: t.TempDir()}.Open(scenario.Setup{Scenario: "x", Replicas: names, Start: scenario.Start, Durable: durable})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w.(*world)
}

func edit(t *testing.T, n *node, e scenario.Edit) {
	t.Helper()
	change, err := n.Edit(scenario.Author{}, e)
	if err != nil || change == "" {
		t.Fatalf("%+v: change %q, error %v", e, change, err)
	}
}

var addOne = scenario.Edit{Target: scenario.Target{Field: "c"}, Op: scenario.CounterAdd{By: big.NewInt(1)}}

func TestIDsAscendAsTheSetupSays(t *testing.T) {
	names := []string{"D", "A", "C", "B", "E"}
	w := openWorld(t, false, names...)
	ids := func(name string) []byte { id := w.nodes[name].r.Origin().Replica; return id[:] }
	if !slices.IsSortedFunc(names, func(a, b string) int { return bytes.Compare(ids(a), ids(b)) }) {
		t.Errorf("the ids of %v do not ascend", names)
	}
	fresh, err := w.Fresh()
	if err != nil {
		t.Fatal(err)
	}
	id := fresh.(*node).r.Origin().Replica
	if slices.ContainsFunc(names, func(name string) bool { return bytes.Equal(ids(name), id[:]) }) {
		t.Error("a fresh replica has the id of another one")
	}
}

func TestSyncFlowsOneWay(t *testing.T) {
	w := openWorld(t, false, "A", "B")
	edit(t, w.nodes["A"], addOne)
	edit(t, w.nodes["B"], addOne)
	for want := range []int{1, 0} {
		if news, err := w.Sync("A", "B"); news != 1-want || err != nil {
			t.Errorf("a sync brought %d changes and %v, want %d", news, err, 1-want)
		}
	}
	for name, want := range map[string]int64{"A": 1, "B": 2} {
		if got, err := w.nodes[name].Read(scenario.KindCounter, "c"); got != want || err != nil {
			t.Errorf("%s counts %v with %v, want %d", name, got, err, want)
		}
	}
}

//concord:edge edits that change nothing
func TestEditsThatChangeNothing(t *testing.T) {
	w := openWorld(t, false, "A")
	n := w.nodes["A"]
	before, _ := n.Digest()
	for _, e := range []scenario.Edit{
		{Target: scenario.Target{Field: "t"}, Op: scenario.TextInsert{}},
		{Target: scenario.Target{Field: "s"}, Op: scenario.SetRemove{Value: "x"}},
		{Target: scenario.Target{Field: "m", Path: []string{"a", "b"}}, Op: scenario.MapDelete{}},
		{Target: scenario.Target{Field: "m", Path: []string{"a"}}, Op: scenario.MapDelete{}},
		{Target: scenario.Target{Field: "c"}, Op: scenario.CounterReset{}},
		{Target: scenario.Target{Field: "c"}, Op: scenario.CounterAdd{By: new(big.Int)}},
	} {
		if change, err := n.Edit(scenario.Author{}, e); change != "" || err != nil {
			t.Errorf("%+v: change %q, error %v", e, change, err)
		}
	}
	for _, op := range []scenario.Op{
		scenario.TextInsert{Pos: 1, Text: "x"}, scenario.TextInsertBytes{Bytes: []byte{0xff}}, scenario.TextDelete{Len: 1},
		scenario.ListSet{Value: 1}, scenario.CounterAdd{By: new(big.Int).Lsh(big.NewInt(1), 66)}, scenario.ListMove{},
	} {
		if _, err := n.Edit(scenario.Author{}, scenario.Edit{Target: scenario.Target{Field: "o"}, Op: op}); err == nil {
			t.Errorf("%T %+v returned no error", op, op)
		}
	}
	if _, err := n.Len(scenario.Target{Field: "m", Path: []string{"a", "t"}}, ""); err != nil {
		t.Error(err)
	}
	if after, _ := n.Digest(); after != before {
		t.Error("the record changed")
	}
}

//concord:edge text outside the basic plane
func TestPositionsInUTF16(t *testing.T) {
	text := []rune("a😀b")
	for units, want := range []int{0, 1, -1, 2, 3, 4, 5} {
		got, err := codePoints(text, units)
		if want < 0 != errors.Is(err, errSurrogate) || want >= 0 && got != want {
			t.Errorf("%d units are %d code points with %v, want %d", units, got, err, want)
		}
	}
}

func TestReadsInTheFormsOfScenarios(t *testing.T) {
	w := openWorld(t, false, "A", "B")
	a, b := w.nodes["A"], w.nodes["B"]
	at := func(field string, path ...string) scenario.Target { return scenario.Target{Field: field, Path: path} }
	edit(t, a, scenario.Edit{Target: at("m", "in", "k"), Op: scenario.MapSet{Value: []any{int64(1), nil}}})
	edit(t, a, scenario.Edit{Target: at("m", "in", "n"), Op: scenario.CounterAdd{By: new(big.Int).Lsh(big.NewInt(1), 63)}})
	edit(t, a, scenario.Edit{Target: at("m", "empty"), Op: scenario.MapNew{}})
	edit(t, a, scenario.Edit{Target: at("r"), Op: scenario.MultiSet{Value: "same"}})
	edit(t, b, scenario.Edit{Target: at("r"), Op: scenario.MultiSet{Value: "same"}})
	if _, err := w.Sync("B", "A"); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		kind   scenario.Kind
		object string
		want   any
	}{
		{scenario.KindMap, "m", map[string]any{"in": map[string]any{"k": []any{int64(1), nil}, "n": "9223372036854775808"}, "empty": map[string]any{}}},
		{scenario.KindMulti, "r", scenario.Set{"same"}},
		{scenario.KindRegister, "r", "same"},
		{scenario.KindText, "none", ""}, {scenario.KindList, "none", []any{}}, {scenario.KindSet, "none", scenario.Set{}},
		{scenario.KindMap, "none", map[string]any{}}, {scenario.KindCounter, "none", int64(0)}, {scenario.KindMulti, "none", scenario.Set{}},
		{scenario.KindCounter, "r", int64(0)}, // another type under the name
	} {
		got, err := a.Read(tt.kind, tt.object)
		if d := cmp.Diff(tt.want, got); d != "" || err != nil {
			t.Errorf("%s:%s with %v (-want +got):\n%s", tt.kind, tt.object, err, d)
		}
	}
}

//concord:fault a clock that is wrong
func TestPoisonWaits(t *testing.T) {
	w := openWorld(t, false, "A")
	if err := w.Poison("A"); !errors.Is(err, scenario.ErrRefused) || !errors.Is(err, session.ErrClockAhead) {
		t.Errorf("got %v, want ErrClockAhead", err)
	}
}

//concord:edge a later version
func TestLaterVersionIsRefusedAndNothingElse(t *testing.T) {
	w := openWorld(t, false, "A", "B")
	edit(t, w.nodes["A"], addOne)
	bundle, err := w.nodes["A"].State()
	if err != nil {
		t.Fatal(err)
	}
	for versions, want := range map[int]error{0: nil, 1: codec.ErrVersion, 9: codec.ErrVersion} {
		later, err := w.Later(bundle, versions)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.nodes["B"].Deliver(later); !errors.Is(err, want) {
			t.Errorf("%d versions later: got %v, want %v", versions, err, want)
		}
	}
}

//concord:fault a directory put back
func TestRestoreIsByteForByte(t *testing.T) {
	w := openWorld(t, true, "A")
	n := w.nodes["A"]
	edit(t, n, addOne)
	b, err := n.Backup()
	if err != nil {
		t.Fatal(err)
	}
	digest, _ := n.Digest()
	edit(t, n, addOne)
	if err := n.Restore(b); err != nil {
		t.Fatal(err)
	}
	if got, _ := n.Digest(); got != digest {
		t.Errorf("digest %s, want %s", got, digest)
	}
	if err := n.Restart(); err != nil {
		t.Fatal(err)
	}
	if got, err := n.Read(scenario.KindCounter, "c"); got != int64(1) || err != nil {
		t.Errorf("counts %v with %v, want 1", got, err)
	}
}

//concord:fault a directory copied
func TestCopiesKeepHolesAndBytes(t *testing.T) {
	dir := t.TempDir()
	from, to := filepath.Join(dir, "from"), filepath.Join(dir, "to")
	for _, content := range [][]byte{
		nil, []byte("x"), make([]byte, 3<<20), append(make([]byte, 2<<20), 'x'), append(bytes.Repeat([]byte("ab"), 1<<19), make([]byte, 1<<20+7)...),
	} {
		if err := os.WriteFile(from, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := copyFile(to, from); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(to); err != nil || !bytes.Equal(got, content) {
			t.Errorf("a copy of %d bytes has %d, error %v", len(content), len(got), err)
		}
	}
}

var _ fields = crdt.MapField{}
