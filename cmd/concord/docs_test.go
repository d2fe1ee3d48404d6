package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestPageOfTheProgram wants docs/cli.md to tell every exit code and command.
func TestPageOfTheProgram(t *testing.T) {
	page, err := os.ReadFile("../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range exitCodes {
		class := "`" + c.name + "`"
		if c.name == "" {
			class = ""
		}
		row := fmt.Sprintf("| %d | %s | %s |", c.code, class, c.help)
		wantIn(t, string(page), strings.ReplaceAll(row, "|  |", "| |"))
	}
	for _, c := range newRoot(&env{}).Commands() {
		if !strings.Contains(string(page), c.Name()) {
			t.Errorf("the page does not mention concord %s", c.Name())
		}
	}
}
