package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// simulate runs a command line that needs no store.
func simulate(t *testing.T, args ...string) result {
	t.Helper()
	var out, errs bytes.Buffer
	code := run(t.Context(), args, strings.NewReader(""), &out, &errs)
	return result{code, out.String(), errs.String()}
}

func TestSim(t *testing.T) {
	r := simulate(t, "sim", "--seeds", "3", "--devices", "3", "--writes", "20", "--faults", "drop,restart")
	if r.code != 0 || !strings.Contains(r.stdout, "3 seeds: 0 failed") || !strings.Contains(r.stdout, "restart") {
		t.Errorf("exit code %d, output:\n%s%s", r.code, r.stdout, r.stderr)
	}
}

func TestSimJSON(t *testing.T) {
	r := simulate(t, "--json", "sim", "--seeds", "2", "--devices", "3", "--writes", "20", "--faults", "none")
	var got struct {
		Seeds, Failed int
		Messages      int
		Faults        map[string]int
	}
	if err := json.Unmarshal([]byte(r.stdout), &got); err != nil {
		t.Fatalf("%v in %s", err, r.stdout)
	}
	if r.code != 0 || got.Seeds != 2 || got.Failed != 0 || got.Messages == 0 || got.Faults["power"] != 0 {
		t.Errorf("exit code %d, %+v", r.code, got)
	}
}

func TestSimReplay(t *testing.T) {
	args := []string{"sim", "--replay", "7", "--devices", "3", "--writes", "20"}
	one, two := simulate(t, args...), simulate(t, args...)
	if one.code != 0 || one.stdout != two.stdout || !strings.Contains(one.stdout, "all invariants hold") {
		t.Errorf("exit code %d, output:\n%s%s", one.code, one.stdout, one.stderr)
	}
}

func TestSimUsage(t *testing.T) {
	for _, args := range [][]string{{"--seeds", "0"}, {"--devices", "1"}, {"--faults", "rain"}, {"--writes", "-1"}} {
		if r := simulate(t, append([]string{"sim"}, args...)...); r.code != exitUsage {
			t.Errorf("sim %v: exit code %d, want %d; %s", args, r.code, exitUsage, r.stderr)
		}
	}
}
