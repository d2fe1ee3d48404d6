package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestList(t *testing.T) {
	s := newStore(t)
	s.ok("put", "visits/ward-3/17", "who=Ada")
	s.ok("put", "visits/ward-3/18", "who=Ben", "tags:=[1]")
	s.ok("put", "visits/ward-30/1", "who=Cy")
	s.ok("edit", "stock/gauze", "left", "counter.add", "3")
	seen := strings.TrimSpace(s.ok("get", "stock/gauze", "--version-token"))
	s.ok("put", "stock/gauze", "shelf=1", "--saw", seen)
	s.ok("put", "stock/gauze", "shelf=2", "--saw", seen)

	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "stock   1 record\nvisits  3 records\n"},
		{[]string{"visits"}, "ward-3/17  who=\"Ada\"\nward-3/18  tags=[1]  who=\"Ben\"\nward-30/1  who=\"Cy\"\n"},
		{[]string{"visits/ward-3/"}, "ward-3/17  who=\"Ada\"\nward-3/18  tags=[1]  who=\"Ben\"\n"},
		{[]string{"visits/nobody"}, ""},
		{[]string{"stock"}, "gauze  left=3  shelf!=2\n"},
	} {
		if diff := cmp.Diff(c.want, s.ok(append([]string{"ls"}, c.args...)...)); diff != "" {
			t.Errorf("ls %v, -want +got:\n%s", c.args, diff)
		}
	}
	if v := s.json("ls", "stock"); v["key"] != "gauze" || len(v["concurrent"].([]any)) != 1 || v["values"].(map[string]any)["left"] != 3.0 {
		t.Errorf("ls stock --json printed %v", v)
	}
	if got := s.ok("--json", "ls"); got != `{"collection":"stock","records":1}`+"\n"+`{"collection":"visits","records":3}`+"\n" {
		t.Errorf("ls --json printed %q", got)
	}
}
