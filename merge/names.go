package merge

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxNameBytes is what the formats below take as a name.
const maxNameBytes = 4096

// checkName decides whether s can name a collection or a partition: a slash
// would make two names of scopes one.
func checkName(s string) error {
	if strings.Contains(s, "/") {
		return errors.New("a name has no slash in it")
	}
	return checkFieldName(s)
}

func checkFieldName(s string) error {
	switch {
	case s == "":
		return errors.New("the name is empty")
	case !utf8.ValidString(s):
		return errors.New("the name is not valid UTF-8")
	case len(s) > maxNameBytes:
		return fmt.Errorf("the name has %d bytes, more than %d", len(s), maxNameBytes)
	}
	return nil
}

// sortedNames lists the names of a map in canonical order.
func sortedNames[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// list writes names for people.
func list(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
