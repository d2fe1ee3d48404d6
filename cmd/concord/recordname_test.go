package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSplitRecord(t *testing.T) {
	for _, c := range []struct{ in, collection, key string }{
		{"patients/bed-7", "patients", "bed-7"},
		{"visits/ward-3/17", "visits", "ward-3/17"},
		{"a//", "a", "/"},
	} {
		collection, key, err := splitRecord(c.in)
		if err != nil || collection != c.collection || key != c.key {
			t.Errorf("splitRecord(%q) = %q, %q, %v", c.in, collection, key, err)
		}
	}
	for _, in := range []string{"", "a", "a/", "/a", "/"} {
		if _, _, err := splitRecord(in); exitCode(err) != exitUsage {
			t.Errorf("splitRecord(%q): %v; want a usage error", in, err)
		}
	}
}

func TestSplitPath(t *testing.T) {
	for _, c := range []struct {
		in   string
		want []string
	}{
		{"dose", []string{"dose"}},
		{"meds/aspirin/dose", []string{"meds", "aspirin", "dose"}},
		{"a~1b/c~0d", []string{"a/b", "c~d"}},
		{"~01", []string{"~1"}},
	} {
		got, err := splitPath(c.in)
		if err != nil {
			t.Errorf("splitPath(%q): %v", c.in, err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("splitPath(%q), -want +got:\n%s", c.in, diff)
		}
		if back := joinPath(got); back != c.in {
			t.Errorf("joinPath(splitPath(%q)) = %q", c.in, back)
		}
	}
	for _, in := range []string{"", "/", "a/", "/a", "a//b"} {
		if _, err := splitPath(in); exitCode(err) != exitUsage {
			t.Errorf("splitPath(%q): %v; want a usage error", in, err)
		}
	}
}
