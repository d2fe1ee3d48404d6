package trace_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-crdt/concord/bench/trace"
)

func TestReadSequentialTrace(t *testing.T) {
	got, err := trace.Read(strings.NewReader(`{"startContent":"ab","endContent":"axc",
		"txns":[{"time":"2021","patches":[[1,1,"x"]]},{"patches":[[2,0,"c"],[3,0,""]]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	want := &trace.Trace{Agents: 1, End: "axc", Txns: []trace.Txn{
		{Patches: []trace.Patch{{Insert: "ab"}}},
		{Parents: []int{0}, Patches: []trace.Patch{{Pos: 1, Delete: 1, Insert: "x"}}},
		{Parents: []int{1}, Patches: []trace.Patch{{Pos: 2, Insert: "c"}, {Pos: 3}}},
	}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("trace (-want +got):\n%s", d)
	}
}

// Two agents part after the first transaction; a third merges them.
const forked = `{"kind":"concurrent","endContent":"abc","numAgents":3,"txns":[
	{"parents":[],"agent":0,"patches":[[0,0,"a"]]},
	{"parents":[0],"agent":1,"patches":[[1,0,"b"]]},
	{"parents":[0],"agent":0,"patches":[[1,0,"c"]]},
	{"parents":[1,2],"agent":2,"patches":[[0,0,"d"]]}]}`

func TestHistoriesCountAncestors(t *testing.T) {
	x, err := trace.Read(strings.NewReader(forked))
	if err != nil {
		t.Fatal(err)
	}
	got, err := x.Histories()
	if err != nil {
		t.Fatal(err)
	}
	want := []trace.History{{0, 0, 0}, {1, 0, 0}, {1, 0, 0}, {2, 1, 0}, {2, 1, 1}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("histories (-want +got):\n%s", d)
	}
	if d := cmp.Diff([][]int{{0, 2}, {1}, {3}}, x.ByAgent()); d != "" {
		t.Errorf("by agent (-want +got):\n%s", d)
	}
}

func TestReadRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want error
	}{
		"no JSON":           {"text", trace.ErrFormat},
		"another document":  {`{"name":"x"}`, trace.ErrFormat},
		"short patch":       {`{"endContent":"","txns":[{"patches":[[1,2]]}]}`, trace.ErrFormat},
		"negative position": {`{"endContent":"","txns":[{"patches":[[-1,0,"a"]]}]}`, trace.ErrFormat},
		"parent to come": {`{"kind":"concurrent","numAgents":1,"endContent":"",
			"txns":[{"parents":[0],"agent":0,"patches":[]}]}`, trace.ErrFormat},
		"unknown agent": {`{"kind":"concurrent","numAgents":1,"endContent":"",
			"txns":[{"parents":[],"agent":1,"patches":[]}]}`, trace.ErrFormat},
		"no agents": {`{"kind":"concurrent","endContent":"","txns":[{"parents":[],"agent":0,"patches":[]}]}`, trace.ErrFormat},
		"agent on two branches": {`{"kind":"concurrent","numAgents":1,"endContent":"","txns":[
			{"parents":[],"agent":0,"patches":[]},{"parents":[],"agent":0,"patches":[]}]}`, trace.ErrBranch},
	} {
		if _, err := trace.Read(strings.NewReader(c.text)); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
}
