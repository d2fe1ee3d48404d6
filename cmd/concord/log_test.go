package main

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLog(t *testing.T) {
	s := newStore(t)
	s.ok("put", "patients/bed-7", "dose=5", "--actor", "ada", "--role", "doctor", "--intent", "prescribe:rx-1")
	seen := strings.TrimSpace(s.ok("get", "patients/bed-7", "--version-token"))
	s.ok("put", "patients/bed-7", "dose=7", "--actor", "bo", "--saw", seen)
	s.ok("put", "patients/bed-7", "dose=8", "--actor", "cy", "--saw", seen)
	s.ok("put", "patients/bed-7", "dose=6", "--actor", "ada")
	s.ok("edit", "--actor", "bo", "patients/bed-7", "given", "counter.add", "5")
	s.ok("edit", "--actor", "bo", "patients/bed-7", "given", "counter.add", "-2")
	s.ok("edit", "--actor", "bo", "patients/bed-7", "allergies", "set.add", "latex", "nuts")
	s.ok("edit", "--actor", "bo", "patients/bed-7", "allergies", "set.remove", "nuts")
	s.ok("edit", "--actor", "bo", "patients/bed-7", "note", "text.append", "calm night")
	s.ok("edit", "--actor", "bo", "patients/bed-7", "note", "text.replace", "0", "4", "bad")
	s.ok("edit", "--actor", "bo", "patients/bed-7", "meds/aspirin/given", "counter.add", "1")
	s.ok("edit", "--actor", "bo", "patients/bed-7", "meds", "map.delete", "aspirin")
	s.ok("edit", "--actor", "bo", "patients/bed-7", "dose", "register.clear")

	out := s.ok("log", "patients/bed-7")
	out = regexp.MustCompile(`(?m)^[-0-9: ]{19}`).ReplaceAllString(out, "TIME")
	out = regexp.MustCompile(`[0-9a-f]{8}…/[0-9a-f]+`).ReplaceAllString(out, "DOT")
	want := `TIME  bo  DOT:13
    dose: cleared, in place of 6 by ada
TIME  bo  DOT:12
    meds/aspirin: removed
    meds/aspirin/given: removed
TIME  bo  DOT:11
    meds/aspirin/given: added 1
TIME  bo  DOT:10
    note: inserted "bad", deleted 4 characters
TIME  bo  DOT:9
    note: inserted "calm night"
TIME  bo  DOT:8
    allergies: removed "nuts"
TIME  bo  DOT:7
    allergies: added "nuts", added "latex"
TIME  bo  DOT:6
    given: took away 2
TIME  bo  DOT:5
    given: added 5
TIME  ada  DOT:4
    dose: set to 6, in place of 7 by bo and 8 by cy
TIME  cy  DOT:3
    dose: set to 8
TIME  bo  DOT:2
    dose: set to 7, in place of 5 by ada (doctor)
TIME  ada (doctor)  for prescribe:rx-1  DOT:1
    made the record
    dose: set to 5
`
	if diff := cmp.Diff(want, out); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestLogLimit(t *testing.T) {
	s := newStore(t)
	s.ok("put", "a/b", "x=1", "--actor", "ada")
	for range 3 {
		s.ok("put", "a/b", "y=1")
	}
	s.ok("put", "a/b", "x=2")
	out := s.ok("log", "a/b", "--limit", "1")
	// What it replaced lies beyond the limit, and is found all the same.
	wantIn(t, out, "x: set to 2, in place of 1 by ada", "--limit 0")
	if n := strings.Count(out, "\n"); n != 3 {
		t.Errorf("%d lines:\n%s", n, out)
	}
	if out := s.ok("log", "a/b", "--limit", "5"); strings.Contains(out, "older") {
		t.Errorf("older changes than all:\n%s", out)
	}
	if n := strings.Count(s.ok("log", "a/b", "--limit", "0", "--json"), "\n"); n != 5 {
		t.Errorf("%d objects, want 5", n)
	}
}

func TestLogJSON(t *testing.T) {
	s := newStore(t)
	s.ok("put", "a/b", "x=1.0", "--actor", "ada", "--role", "doctor", "--intent", "give:it")
	s.ok("put", "a/b", "x=2")
	var last, first changeJSON
	d := json.NewDecoder(strings.NewReader(s.ok("log", "a/b", "--json")))
	if err := d.Decode(&last); err != nil {
		t.Fatal(err)
	}
	if err := d.Decode(&first); err != nil {
		t.Fatal(err)
	}
	if first.Actor != "ada" || first.Role != "doctor" || *first.Intent != (intentJSON{"give", "it"}) || !first.Birth || first.Fate != "applied" {
		t.Errorf("the first change is %+v", first)
	}
	if diff := cmp.Diff([]string{first.Dot}, last.Saw); diff != "" {
		t.Errorf("what the last change saw, -want +got:\n%s", diff)
	}
	want := []editJSON{{Field: "x", Type: "register", Action: "set", Value: 2.0, Replaced: []replacedJSON{{1.0, "ada", "doctor", first.Dot}}}}
	if diff := cmp.Diff(want, last.Edits); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
