package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-crdt/concord/clock"
)

func TestEditRuledTypes(t *testing.T) {
	s := newStore(t)
	for _, c := range []struct {
		name  string
		edits []string // separated by spaces
		want  string   // of field f
	}{
		{"group.set", []string{"f group.put x 1", "f group.set dose=5 unit=mg list:=[1]"}, `{"dose":5,"list":[1],"unit":"mg"}` + "\n"},
		{"disable-flag", []string{"f disable-flag.enable"}, "true\n"},
		{"disable-flag.disable", []string{"f disable-flag.enable", "f disable-flag.disable"}, "false\n"},
		{"remove-set", []string{"f remove-set.add a b 1", "f remove-set.remove a"}, "1\nb\n"},
		{"stock.recount", []string{"f stock.add 5", "f stock.recount 12", "f stock.add -2"}, "10\n"},
		{"stock.recount of before", []string{"f stock.add 5", "f stock.recount 12 2020-01-02T03:04", "f stock.add -2"}, "15\n"},
		{"bounded", []string{"f bounded.open -2 10 0", "f bounded.add 7", "f bounded.add -9"}, "-2\n"},
		{"proposal open", []string{"f proposal.propose 5"}, "\n"},
		{"proposal.approve", []string{"f proposal.propose 5", "f proposal.approve"}, "5\n"},
		{"proposal by value", []string{"f proposal.propose 5", "f proposal.propose x", "f proposal.approve 5"}, "5\n"},
		{"proposal.decline", []string{"f proposal.propose 5", "f proposal.approve", "f proposal.decline 5"}, "\n"},
		{"decided again", []string{"f proposal.propose 5", "f proposal.decline", "f proposal.propose 5", "f proposal.approve 5"}, "5\n"},
	} {
		record := "a/" + c.name
		for _, x := range c.edits {
			s.ok(append([]string{"edit", record}, strings.Fields(x)...)...)
		}
		if diff := cmp.Diff(c.want, s.ok("get", record, "f")); diff != "" {
			t.Errorf("%s: -want +got:\n%s", c.name, diff)
		}
	}
	s.ok("edit", "--as-of", "2020-01-02 03:04:05", "a/as-of", "f", "stock.recount", "3")
	if got := s.ok("get", "a/as-of", "f"); got != "3\n" {
		t.Errorf("got %q", got)
	}
}

func TestEditRuledTypesRefuse(t *testing.T) {
	s := newStore(t)
	for _, x := range []string{"two proposal.propose 5", "two proposal.propose 6", "done proposal.propose 5", "done proposal.approve", "b bounded.open 0 10 4"} {
		s.ok(append([]string{"edit", "a/b"}, strings.Fields(x)...)...)
	}
	before := s.ok("export")
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"new proposal.approve", exitFailure, "new has no proposal; make one with: proposal.propose VALUE"},
		{"two proposal.approve", exitFailure, "name the value: 5 (open), 6 (open)"},
		{"two proposal.decline 7", exitFailure, "nobody proposed 7 for two; proposed were 5 (open), 6 (open)"},
		{"done proposal.decline", exitFailure, "no proposal for done is open; to decide again, name the value: 5 (approved)"},
		{"new bounded.add 1", exitFailure, "bounded.open LEAST MOST VALUE"},
		{"b bounded.add 7", exitFailure, "holds 6 to go up, 7 needed"},
		{"b bounded.open 0 10 4", exitFailure, "open already"},
		{"new bounded.open 0 10 11", exitUsage, "11 is not within 0 and 10"},
		{"new bounded.open 0 x 1", exitUsage, "whole number"},
		{"b bounded.claim", exitFailure, "nothing that is sealed"},
		{"new bounded.claim", exitFailure, "bounded.open LEAST MOST VALUE"},
		{"b bounded.transfer ff 1", exitUsage, "name it in full"},
		{"b bounded.transfer x/y 1", exitUsage, "is no origin"},
		{"b bounded.transfer ff one", exitUsage, "whole number"},
		{"new group.set 5", exitUsage, "NAME=VALUE"},
		{"new group.set a=1 a=2", exitUsage, "a is given twice"},
		{"new stock.recount 5 yesterday", exitUsage, "is no time"},
		{"new stock.recount 5 9999-01-01T00:00", exitUsage, "has not come yet"},
		{"m/x bounded.open 0 1 1", exitUsage, "in a map"},
		{"m/x disable-flag.enable", exitUsage, "in a map"},
		{"m/x remove-set.add 1", exitUsage, "in a map"},
		{"m/x proposal.propose 1", exitUsage, "in a map"},
		{"two bounded.add 1", exitUsage, "two is a proposal, not a bounded"},
		{"recount 5", exitUsage, "no operation"},
	} {
		r := s.try(append([]string{"edit", "a/b"}, strings.Fields(c.args)...)...)
		if r.code != c.code || r.stdout != "" {
			t.Errorf("%s: exit code %d, want %d; stdout %q", c.args, r.code, c.code, r.stdout)
		}
		wantIn(t, r.stderr, c.want)
	}
	if r := s.try("edit", "--as-of", "2020-01-01 00:00", "a/b", "n", "counter.add", "1"); r.code != exitUsage {
		t.Errorf("--as-of with another operation: exit code %d", r.code)
	}
	if diff := cmp.Diff(before, s.ok("export")); diff != "" {
		t.Errorf("a refused edit left something, -before +after:\n%s", diff)
	}
}

// TestTransfer gives rights to another store, which then can spend them.
func TestTransfer(t *testing.T) {
	a, b := newStore(t), newStore(t)
	a.ok("edit", "seats/bus", "free", "bounded.open", "0", "10", "10")
	meet := func() {
		served := a.start("serve", "--listen", "127.0.0.1:0")
		b.ok("sync", served.address())
		served.end()
	}
	meet()
	r := b.try("edit", "seats/bus", "free", "bounded.add", "-3")
	if r.code != exitFailure {
		t.Errorf("exit code %d", r.code)
	}
	wantIn(t, r.stderr, "holds 0 to go down, 3 needed")
	to := b.json("inspect", b.dir+"/identity.0")["origin"].(string)
	// Nothing of b has arrived yet: its whole name is wanted.
	if r := a.try("edit", "seats/bus", "free", "bounded.transfer", to[:8], "-4"); r.code != exitUsage {
		t.Errorf("exit code %d, stderr %q", r.code, r.stderr)
	}
	a.ok("edit", "seats/bus", "free", "bounded.transfer", to, "-4")
	meet()
	b.ok("edit", "seats/bus", "free", "bounded.add", "-3")
	meet()
	if got := a.ok("get", "seats/bus", "free"); got != "7\n" {
		t.Errorf("free are %q", got)
	}
	a.ok("edit", "seats/bus", "free", "bounded.transfer", to[:8], "-1")
}

func TestFindOrigin(t *testing.T) {
	one := clock.Origin{Replica: clock.ReplicaID{0xab, 1}, Incarnation: 1}
	two := clock.Origin{Replica: clock.ReplicaID{0xab, 1}, Incarnation: 0xff}
	other := clock.Origin{Replica: clock.ReplicaID{0xac}, Incarnation: 3}
	known := []clock.Origin{one, two, other}
	for name, want := range map[string]clock.Origin{"ac": other, "AC0": other, jsonOrigin(two): two, jsonOrigin(one): one} {
		if got, err := findOrigin(known, name); err != nil || got != want {
			t.Errorf("%q: got %v, %v; want %v", name, got, err, want)
		}
	}
	for name, want := range map[string]string{"": "nothing of a replica", "ab": "name one in full", "ad": "in full", "ab/1": "no origin", jsonOrigin(one) + "0x": "no origin"} {
		if _, err := findOrigin(known, name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", name, err, want)
		}
	}
}
