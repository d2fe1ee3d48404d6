package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPut(t *testing.T) {
	s := newStore(t)
	out := s.ok("put", "patients/bed-7", "name=Ada", "dose=5", "rate=1.0", "fasting=true", "gone=null",
		`code="0123"`, `contacts:=["Ben", {"tel": 7}]`, "empty=", "eq=a=b", "meds/aspirin/dose=100")
	if want := "wrote patients/bed-7: name, dose, rate, fasting, gone, code, contacts, empty, eq, meds/aspirin/dose\n"; out != want {
		t.Errorf("got %q, want %q", out, want)
	}
	want := `patients/bed-7
  code       register  "0123"
  contacts   register  ["Ben", {"tel": 7}]
  dose       register  5
  empty      register  ""
  eq         register  "a=b"
  fasting    register  true
  gone       register  null
  meds       map
    aspirin  map
      dose   register  100
  name       register  "Ada"
  rate       register  1.0
`
	if diff := cmp.Diff(want, s.ok("get", "patients/bed-7")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestPutSaw is the form that was opened before another value arrived: what
// the writer did not see is not replaced.
func TestPutSaw(t *testing.T) {
	s := newStore(t)
	s.ok("put", "patients/bed-1", "dose=1")
	for _, record := range []string{"patients/bed-1", "patients/bed-7"} {
		s.ok("put", record, "dose=5", "--actor", "ada", "--role", "doctor")
		seen := s.json("get", record)["version"].(string)
		if got := s.ok("get", record, "--version-token"); got != seen+"\n" {
			t.Errorf("--version-token prints %q, --json has %q", got, seen)
		}
		s.ok("put", record, "dose=3", "--actor", "ada", "--role", "doctor")
		made := s.json("put", record, "dose=7", "--actor", "bo", "--role", "nurse", "--saw", seen)
		if made["changed"] != true || made["version"] == nil {
			t.Errorf("put --json printed %v", made)
		}
		wantIn(t, s.ok("get", record), "2 values were written apart; shown by rule: latest",
			"overruled  3  by ada (doctor)", "shown      7  by bo (nurse)")
		if got := s.ok("get", record, "dose"); got != "7\n" {
			t.Errorf("the field alone is %q", got)
		}
		s.ok("put", record, "dose=6")
		if got := s.json("get", record, "dose")["concurrent"]; got != nil {
			t.Errorf("a write that saw both left them concurrent: %v", got)
		}
	}
}
