package main

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestWatch(t *testing.T) {
	a, b := newStore(t), newStore(t)
	b.ok("put", "patients/bed-7", "name=Ada", "dose=5", "--actor", "ada")
	b.ok("put", "visits/1", "by=bo")
	w := a.start("watch", "--listen", "127.0.0.1:0", "patients")
	address := w.address()
	b.ok("sync", address)
	wantIn(t, w.line("patients/bed-7"), `  patients/bed-7  dose=5  name="Ada"  by ada`)
	b.ok("edit", "--actor", "cy", "patients/bed-7", "tags", "set.add", "x")
	b.ok("sync", address)
	wantIn(t, w.line("patients/bed-7"), `  patients/bed-7  tags=["x"]  by cy`)
	b.ok("rm", "patients/bed-7")
	b.ok("sync", address)
	wantIn(t, w.line("patients/bed-7"), "  patients/bed-7  is deleted  by replica ")
	r := w.end()
	if r.code != exitOK || r.stderr != "" || strings.Contains(r.stdout, "visits") {
		t.Errorf("exit code %d, stderr %q, stdout:\n%s", r.code, r.stderr, r.stdout)
	}
}

func TestWatchCounts(t *testing.T) {
	a, b := newStore(t), newStore(t)
	b.ok("put", "a/b", "n=1.0", "--actor", "ada")
	served := a.start("--json", "watch", "--listen", "127.0.0.1:0", "--count", "1")
	var listening struct{ Event, Address string }
	if err := json.Unmarshal([]byte(served.line("listening")), &listening); err != nil {
		t.Fatal(err)
	}
	b.try("sync", listening.Address) // cut when the watch has what it waits for
	var change struct {
		Event, Collection, Key, Actor, Origin, Version string
		Fields                                         []string
		Values                                         map[string]any
		Exists                                         bool
	}
	if err := json.Unmarshal([]byte(served.line(`"change"`)), &change); err != nil {
		t.Fatal(err)
	}
	if change.Collection != "a" || change.Key != "b" || change.Actor != "ada" || change.Values["n"] != 1.0 || !change.Exists ||
		len(change.Fields) != 1 || len(strings.Split(change.Origin, "/")) != 2 || change.Version == "" {
		t.Errorf("printed %+v", change)
	}
	if r := served.wait(); r.code != exitOK || r.stderr != "" {
		t.Errorf("exit code %d, stderr %q", r.code, r.stderr)
	}
}

// TestWatchAPeer is told of what a served store gets from a third one.
func TestWatchAPeer(t *testing.T) {
	a, b, c := newStore(t), newStore(t), newStore(t)
	served := a.start("serve", "--live", "--listen", "127.0.0.1:0")
	address := served.address()
	w := b.start("watch", "--sync", address, "--count", "1")
	w.line("watching what comes from " + address)
	c.ok("put", "a/b", "n=1", "--actor", "cy")
	c.ok("sync", address)
	wantIn(t, w.line("a/b"), "a/b  n=1  by cy")
	if r := w.end(); r.code != exitOK || r.stderr != "" {
		t.Errorf("exit code %d, stderr %q", r.code, r.stderr)
	}
	served.end()
}

func TestWatchAPeerThatDoesNotStay(t *testing.T) {
	a, b := newStore(t), newStore(t)
	served := a.start("serve", "--listen", "127.0.0.1:0")
	r := b.try("watch", "--sync", served.address())
	if r.code != exitFailure {
		t.Errorf("exit code %d", r.code)
	}
	wantIn(t, r.stderr, "served with --live")
}

func TestWatchNonsense(t *testing.T) {
	s := newStore(t)
	for _, c := range []struct{ args, want string }{
		{"watch a/b", "name a collection"},
		{"watch --count -1", "--count is -1"},
		{"watch --listen here", "--listen is"},
		{"watch --sync here", "--sync is"},
		{"watch --sync :1 --listen :2", "exclude each other"},
	} {
		r := s.try(strings.Fields(c.args)...)
		if r.code != exitUsage || r.stdout != "" {
			t.Errorf("%s: exit code %d, stdout %q", c.args, r.code, r.stdout)
		}
		wantIn(t, r.stderr, c.want)
	}
}
