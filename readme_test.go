package concord_test

import (
	"os"
	"strings"
	"testing"
)

// TestFirstProgram wants the program of the README to be the one that compiles,
// and to stay short.
func TestFirstProgram(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(readme), "```go\n")
	program, _, found := strings.Cut(rest, "```\n")
	if !found {
		t.Fatal("README.md has no program")
	}
	if n := strings.Count(program, "\n"); n >= 30 {
		t.Errorf("the first program has %d lines; want fewer than 30", n)
	}
	compiled, err := os.ReadFile("examples/first/main.go")
	if err != nil {
		t.Fatal(err)
	}
	if want := "// Command first is the first program of the README.\n" + program; string(compiled) != want {
		t.Error("examples/first/main.go is not the program of README.md")
	}
}
