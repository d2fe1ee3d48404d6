package main

import "testing"

func TestRmAndUndelete(t *testing.T) {
	s := newStore(t)
	s.ok("put", "patients/bed-1", "name=Ben")
	s.ok("put", "patients/bed-7", "name=Ada")
	r := s.try("undelete", "patients/bed-7")
	if r.code != exitFailure {
		t.Errorf("restore what is there: exit code %d", r.code)
	}
	wantIn(t, r.stderr, "is not deleted")

	wantIn(t, s.ok("rm", "patients/bed-7", "--actor", "bo", "--intent", "discharge:ada"), "deleted patients/bed-7")
	for _, args := range [][]string{{"get", "patients/bed-7"}, {"rm", "patients/bed-7"}, {"rm", "patients/nobody"}, {"undelete", "patients/nobody"}} {
		if r := s.try(args...); r.code != exitNotFound {
			t.Errorf("%v: exit code %d, stderr %q", args, r.code, r.stderr)
		}
	}
	wantIn(t, s.ok("ls"), "patients  1 record\n")
	wantIn(t, s.ok("log", "patients/bed-7"), "deleted the record", "bo  for discharge:ada")

	wantIn(t, s.ok("undelete", "patients/bed-7"), "brought patients/bed-7 back")
	if got := s.ok("get", "patients/bed-7", "name"); got != "Ada\n" {
		t.Errorf("after restore the name is %q", got)
	}
	wantIn(t, s.ok("log", "patients/bed-7"), "restored the record")
}
