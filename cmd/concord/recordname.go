package main

import (
	"strings"

	"github.com/concord-crdt/concord/merge"
)

// splitRecord takes COLLECTION/KEY apart at the first slash: keys may have
// slashes of their own.
func splitRecord(name string) (collection, key string, err error) {
	collection, key, found := strings.Cut(name, "/")
	if !found || collection == "" || key == "" {
		return "", "", usageErrorf("%q names no record; write COLLECTION/KEY, such as patients/bed-7", name)
	}
	return collection, key, nil
}

// A field is named by a path: its steps are separated by slashes, and all but
// the last are maps. Within a step, ~1 stands for a slash and ~0 for a tilde,
// as in RFC 6901.
var (
	fromStep = strings.NewReplacer("~", "~0", "/", "~1")
	toStep   = strings.NewReplacer("~0", "~", "~1", "/")
)

func splitPath(path string) ([]string, error) {
	steps := strings.Split(path, "/")
	for i, s := range steps {
		if s == "" {
			return nil, usageErrorf("%q names no field; write NAME, or MAP/NAME for what is in a map", path)
		}
		steps[i] = toStep.Replace(s)
	}
	return steps, nil
}

func joinPath(steps []string) string {
	escaped := make([]string, len(steps))
	for i, s := range steps {
		escaped[i] = fromStep.Replace(s)
	}
	return strings.Join(escaped, "/")
}

// findField looks a field up by its path.
func findField(v *merge.RecordView, steps []string) (*merge.FieldView, bool) {
	f, found := v.Field(steps[0])
	for _, s := range steps[1:] {
		if !found {
			break
		}
		f, found = f.Field(s)
	}
	return f, found
}
