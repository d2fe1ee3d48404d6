package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// pair is a recording of two agents who type apart and are merged.
const pair = `{"kind":"concurrent","endContent":"Hello, world","numAgents":2,"txns":[
	{"parents":[],"agent":0,"patches":[[0,0,"lo"]]},
	{"parents":[0],"agent":0,"patches":[[0,0,"Hel"]]},
	{"parents":[0],"agent":1,"patches":[[2,0,", world"]]},
	{"parents":[1,2],"agent":0,"patches":[[5,1,","]]}]}`

func writeTrace(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pair.conc.json")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReplay(t *testing.T) {
	s := store{t, "nowhere"}
	path := writeTrace(t, pair)
	wantIn(t, s.ok("replay", path), "pair.conc: 2 replicas, 4 transactions", "live over TCP, relaxed", "equal: every text")
	wantIn(t, s.ok("replay", "--in-memory", path, path), "encoded and decoded", "stored form", "equal: every text")
	wantIn(t, s.ok("replay", "--in-memory", "--no-encoding", path), "handed over as they are", "equal: every text")
}

func TestReplayJSON(t *testing.T) {
	s := store{t, "nowhere"}
	path := writeTrace(t, pair)
	for _, mode := range []string{"--in-memory=false", "--in-memory"} {
		got := s.json("replay", mode, path)
		if got["equal"] != true || got["replicas"] != 2.0 || got["changes"] != 4.0 {
			t.Errorf("%s: got %v", mode, got)
		}
	}
}

func TestReplayOfAnotherText(t *testing.T) {
	s := store{t, "nowhere"}
	var x map[string]any
	if err := json.Unmarshal([]byte(pair), &x); err != nil {
		t.Fatal(err)
	}
	x["endContent"] = "Hello"
	other, err := json.Marshal(x)
	if err != nil {
		t.Fatal(err)
	}
	r := s.try("replay", "--in-memory", writeTrace(t, pair), writeTrace(t, string(other)))
	if r.code != exitFailure {
		t.Errorf("exit code %d, want %d", r.code, exitFailure)
	}
	wantIn(t, r.stdout, "NOT EQUAL: another text in agent 0, agent 1, newcomer, stored form")
	wantIn(t, r.stderr, "1 of 2 traces did not end in the recorded text")
}

func TestReplayRefuses(t *testing.T) {
	s := store{t, "nowhere"}
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"replay"}, exitUsage, "TRACE"},
		{[]string{"replay", "--in-memory", "--keep", "x", "t"}, exitUsage, "--keep"},
		{[]string{"replay", "--no-encoding", "t"}, exitUsage, "--in-memory"},
		{[]string{"replay", filepath.Join(t.TempDir(), "none.json.gz")}, exitFailure, "none.json.gz"},
		{[]string{"replay", writeTrace(t, "{}")}, exitFailure, "not a recorded session"},
	} {
		r := s.try(c.args...)
		if r.code != c.code {
			t.Errorf("%q: exit code %d, want %d", c.args, r.code, c.code)
		}
		wantIn(t, r.stderr, c.want)
	}
}
