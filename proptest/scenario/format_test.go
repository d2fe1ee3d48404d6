package scenario

import (
	"os"
	"strings"
	"testing"
)

// TestPageNamesEveryStepAndKey holds FORMAT.md against the parser.
func TestPageNamesEveryStepAndKey(t *testing.T) {
	data, err := os.ReadFile("FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(data)
	for do, sp := range specs {
		if !strings.Contains(page, "`"+do+"`") {
			t.Errorf("FORMAT.md does not name the step %s", do)
		}
		for _, key := range keysOf(sp.must, sp.one, sp.may, sp.common()) {
			if !strings.Contains(page, "`"+key+"`") {
				t.Errorf("FORMAT.md does not name %s of %s", key, do)
			}
		}
	}
	for _, m := range (&Expect{}).members() {
		if !strings.Contains(page, "`"+m.key+"`") {
			t.Errorf("FORMAT.md does not name %s of an expectation", m.key)
		}
	}
	for _, c := range named {
		if !strings.Contains(page, "`"+string(c)+"`") {
			t.Errorf("FORMAT.md does not name the capability %s", c)
		}
	}
	for _, m := range (&Budget{}).counts() {
		if !strings.Contains(page, "`"+m.key+"`") {
			t.Errorf("FORMAT.md does not name %s of a budget", m.key)
		}
	}
	for _, k := range kinds {
		if !strings.Contains(page, "`"+string(k)+"`") && !strings.Contains(page, "`"+string(k)+":") {
			t.Errorf("FORMAT.md does not name the type %s", k)
		}
	}
}

// TestStepsAreDispatched: every step of the table has somebody who performs it.
func TestStepsAreDispatched(t *testing.T) {
	for do, sp := range specs {
		s := Step{Do: do, Policy: &Policy{}}
		if sp.inner {
			s = Step{Do: "record.edit", Op: do, Record: "a/1", Type: "text"}
		}
		if !sp.edit {
			continue
		}
		if _, err := s.edits(func(Target, string) (int, error) { return 0, nil }); err != nil {
			t.Errorf("%s: %v", do, err)
		}
	}
}
