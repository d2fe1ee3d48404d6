package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-crdt/concord/crdt"
)

// everyType are lines as export writes them, in its order, with all types and
// kinds of values.
const everyType = `{"record":"a/empty","fields":{}}
{"record":"a/numbers","fields":{"big":{"$counter":18446744073709551615},"float":1.0,"huge":1e+300,"inf":{"$float":"Infinity"},"int":1,"least":-9223372036854775808,"minus":{"$counter":-18446744073709551615},"most":9223372036854775807,"neg":{"$float":"-Infinity"},"small":5e-324,"stock":{"$stock":-9223372036854775809},"zero":{"$counter":0}}}
{"record":"a/rules","fields":{"both":{"$types":["x",{"$counter":1},{"$text":"t"}]},"bounded":{"$bounded":{"least":-5,"most":9223372036854775807,"value":-5}},"off":{"$disable-flag":false},"on":{"$disable-flag":true},"p":{"$proposal":[{"value":5,"verdict":"approved"},{"value":{"$bytes":""},"verdict":"declined"},{"value":null,"verdict":"open"}]}}}
{"record":"a/values","fields":{"bytes":{"$bytes":"AP8="},"deep":[[{"a":{"b":[1.5,{"$time":"2026-01-02T03:04:05.678Z"}]}}]],"dollar":{"$object":{"$bytes":"no","x":1}},"list":[1,1.0,"1",null,true],"null":null,"odd \"name\"/☃":"line\nbreak \u0001 \u2028 <&>","old":{"$time":"0000-01-01T00:00:00Z"},"text":"$counter"}}
{"record":"b/containers/with/slashes","fields":{"":{"$flag":true},"emptied":{"$remove-set":[]},"g":{"$group":{"$a":1,"b":{"$object":{"$c":2}}}},"l":{"$list":[{"$bytes":"AA=="},2,2]},"log":{"$log":["b","a","a"]},"m":{"$map":{"$counter":1,"empty":{"$map":{}},"l":{"$list":[]},"m":{"$map":{"g":{"$group":{}},"log":{"$log":[1]},"n":{"$counter":-3},"s":{"$set":[]},"t":{"$text":""}}}}},"rs":{"$remove-set":["x"]},"s":{"$set":[1,"a",1.0]},"t":{"$text":"ü☃\n"},"t0":{"$text":""}}}
`

func TestRoundTrip(t *testing.T) {
	a, b := newStore(t), newStore(t)
	r := a.tryWith(everyType, "import", "-")
	if r.code != exitOK || r.stderr != "" {
		t.Fatalf("exit code %d, stderr %q", r.code, r.stderr)
	}
	wantIn(t, r.stdout, "imported 5 records (5 new, 0 changed), 0 as they are")
	out := a.ok("export")
	if diff := cmp.Diff(everyType, out); diff != "" {
		t.Fatalf("export of what was imported, -want +got:\n%s", diff)
	}
	b.tryWith(out, "import", "-")
	if diff := cmp.Diff(out, b.ok("export")); diff != "" {
		t.Errorf("export of the copy, -want +got:\n%s", diff)
	}
	for line := range strings.Lines(everyType) {
		var x portableRecord
		if err := json.Unmarshal([]byte(line), &x); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(a.ok("log", x.Record, "--json", "--limit", "0"), "\n"); n != 1 {
			t.Errorf("%s has %d changes, want 1", x.Record, n)
		}
		if diff := cmp.Diff(viewOf(a, x.Record), viewOf(b, x.Record)); diff != "" {
			t.Errorf("%s, -first +copy:\n%s", x.Record, diff)
		}
	}
	// Twice is as good as once.
	r = a.tryWith(everyType, "import", "-")
	wantIn(t, r.stdout, "imported 0 records (0 new, 0 changed), 5 as they are")
	if r.code != exitOK {
		t.Errorf("exit code %d", r.code)
	}
}

// viewOf is what get shows of a record, without who wrote it and when, and who holds rights.
func viewOf(s store, record string) any {
	v := s.json("get", record)
	delete(v, "version")
	var clean func(v any)
	clean = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for _, k := range []string{"dot", "time", "rights"} {
				delete(v, k)
			}
			for _, x := range v {
				clean(x)
			}
		case []any:
			for _, x := range v {
				clean(x)
			}
		}
	}
	clean(v)
	return v
}

// TestRoundTripOfEdits exports what was made by edits and not by an import.
func TestRoundTripOfEdits(t *testing.T) {
	a, b := newStore(t), newStore(t)
	a.ok("put", "p/1", "x=1", "y=1.50", "m/a=x")
	for _, x := range []string{"n counter.add 3", "n counter.reset", "m/b counter.add 1", "m map.delete a", "t text.append abc", "t text.delete 1 1",
		"l list.append 1 2 3", "l list.set 1 x", "l list.delete 0 1", "rs remove-set.add a b", "rs remove-set.remove a", "s stock.add 5", "s stock.recount 3",
		"s stock.add -9", "b bounded.open 0 10 5", "b bounded.add -2", "p proposal.propose 5", "p proposal.decline", "p proposal.propose 6",
		"p proposal.approve", "d disable-flag.enable", "d disable-flag.disable", "f flag.enable", "gone flag.enable", "gone flag.disable"} {
		a.ok(append([]string{"edit", "p/1"}, strings.Fields(x)...)...)
	}
	a.ok("put", "p/2", "x=1")
	a.ok("rm", "p/2")
	out := a.ok("export")
	if strings.Contains(out, "p/2") {
		t.Errorf("a deleted record is exported:\n%s", out)
	}
	if r := b.tryWith(out, "import", "-"); r.code != exitOK {
		t.Fatal(r.stderr)
	}
	if diff := cmp.Diff(out, b.ok("export")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if diff := cmp.Diff(viewOf(a, "p/1"), viewOf(b, "p/1")); diff != "" {
		t.Errorf("-first +copy:\n%s", diff)
	}
}

// TestRandomRoundTrips imports random records, one of them into one life after
// the other.
func TestRandomRoundTrips(t *testing.T) {
	const seed = 7
	r := rand.New(rand.NewPCG(seed, seed))
	s, other := newStore(t), newStore(t)
	const again = "c/again" // is deleted and made again
	for round := range 4 {
		var lines strings.Builder
		for n := range 20 {
			fields := map[string]any{}
			for i := range 5 {
				fields[fmt.Sprintf("f%d", i)] = randomField(r, crdt.Type(1+r.IntN(int(crdt.TypeStock))), 0)
			}
			record := fmt.Sprintf("c/%d.%d", round, n)
			if n == 0 {
				record = again
			}
			if err := writeJSON(&lines, portableRecord{record, fields}); err != nil {
				t.Fatal(err)
			}
		}
		s.try("rm", again)
		if r := s.tryWith(lines.String(), "import", "-"); r.code != exitOK {
			t.Fatalf("seed %d, round %d: %s\n%s", seed, round, r.stderr, lines.String())
		}
	}
	out := s.ok("export")
	if r := other.tryWith(out, "import", "-"); r.code != exitOK {
		t.Fatal(r.stderr)
	}
	if diff := cmp.Diff(out, other.ok("export")); diff != "" {
		t.Errorf("seed %d: -want +got:\n%s", seed, diff)
	}
	if r := other.tryWith(out, "import", "-"); !strings.Contains(r.stdout, "imported 0 records") {
		t.Errorf("seed %d: a second import altered something: %s", seed, r.stdout)
	}
}

func randomField(r *rand.Rand, kind crdt.Type, depth int) any {
	list := func() []any {
		out := []any{}
		for range 1 + r.IntN(4) {
			out = append(out, randomValue(r, depth+1))
		}
		return out
	}
	switch kind {
	case crdt.TypeCounter, crdt.TypeStock:
		return tagged(tagOf(kind), r.IntN(2000)-1000)
	case crdt.TypeSet, crdt.TypeRemoveSet, crdt.TypeList, crdt.TypeLog:
		return tagged(tagOf(kind), list())
	case crdt.TypeText:
		return tagged(tagOf(kind), strings.Repeat("aü☃", r.IntN(4))+"x")
	case crdt.TypeGroup:
		return tagged(tagOf(kind), map[string]any{"a": randomValue(r, depth+1)})
	case crdt.TypeFlag:
		return tagged(tagOf(kind), true)
	case crdt.TypeDisableFlag:
		return tagged(tagOf(kind), r.IntN(2) == 0)
	case crdt.TypeMap:
		kinds := []crdt.Type{crdt.TypeRegister, crdt.TypeCounter, crdt.TypeSet, crdt.TypeText, crdt.TypeLog}
		kids := map[string]any{"k": randomField(r, kinds[r.IntN(len(kinds))], depth+1)}
		if depth < 2 {
			kids["m"] = randomField(r, crdt.TypeMap, depth+1)
		}
		return tagged(tagOf(kind), kids)
	}
	return randomValue(r, depth)
}

func randomValue(r *rand.Rand, depth int) any {
	switch n := r.IntN(9); {
	case n == 0:
		return nil
	case n == 1:
		return r.IntN(2) == 0
	case n == 2:
		return r.Int64() - r.Int64()
	case n == 3:
		return json.RawMessage(formatFloat(r.NormFloat64()))
	case n == 4:
		return tagged(tagBytes, "AAEC")
	case n == 5:
		return tagged(tagTime, "2026-01-02T03:04:05.006Z")
	case n == 6 && depth < 3:
		return []any{randomValue(r, depth+1)}
	case n == 7 && depth < 3:
		return map[string]any{"x": randomValue(r, depth+1)}
	}
	return fmt.Sprint("text ", r.IntN(5))
}

func TestExportSaysWhatIsNotInIt(t *testing.T) {
	s := newStore(t)
	s.ok("put", "a/b", "x=1")
	seen := strings.TrimSpace(s.ok("get", "a/b", "--version-token"))
	s.ok("put", "a/b", "x=2", "--saw", seen)
	s.ok("put", "a/b", "x=3", "--saw", seen)
	r := s.try("export")
	if r.code != exitOK || r.stdout != `{"record":"a/b","fields":{"x":3}}`+"\n" {
		t.Errorf("exit code %d, stdout %q", r.code, r.stdout)
	}
	wantIn(t, r.stderr, "concord: note: a/b: of several values the one that is shown was written: x\n")
	var note struct {
		Record string
		Fields []string
	}
	if err := json.Unmarshal([]byte(s.try("--json", "export").stderr), &note); err != nil || note.Record != "a/b" || len(note.Fields) != 1 {
		t.Errorf("--json: %+v, %v", note, err)
	}
}

func TestExportCollections(t *testing.T) {
	s := newStore(t)
	for _, name := range []string{"b/2", "b/1", "a/1", "c/1"} {
		s.ok("put", name, "x=1")
	}
	got := s.ok("export", "b", "a", "b")
	var names []string
	for line := range strings.Lines(got) {
		var r portableRecord
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		names = append(names, r.Record)
	}
	if diff := cmp.Diff([]string{"a/1", "b/1", "b/2"}, names); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if r := s.try("export", "nothing"); r.code != exitNotFound || r.stdout != "" {
		t.Errorf("exit code %d, stdout %q", r.code, r.stdout)
	}
	if out := newStore(t).ok("export"); out != "" {
		t.Errorf("an empty store exports %q", out)
	}
}
