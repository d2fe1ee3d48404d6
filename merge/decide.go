package merge

import (
	"errors"
	"fmt"
	"strings"

	"github.com/concord-crdt/concord/crdt"
)

// What [CollectionRules.Choose] refuses a decision for.
var (
	// ErrNoCandidate means that the value is none of those that are offered.
	ErrNoCandidate = errors.New("merge: not one of the candidates")
	// ErrNoChoice means that there is nothing to choose in the field.
	ErrNoChoice = errors.New("merge: field offers no choice")
)

// Choose writes a person's decision about a register or a group: an ordinary write
// that supersedes all that the editor's author saw, and nothing that arrived since.
// path is the field's name and the keys of maps below it, view what the person was
// shown. With custom the value is the person's own; else it is one of those that
// are offered, held ones too.
//
// The error wraps [ErrNoChoice] or [ErrNoCandidate], and nothing is changed then; or
// it is the editor's.
func (c *CollectionRules) Choose(e *crdt.RecordEditor, view RecordView, path []string, value any, custom bool) error {
	name := strings.Join(path, "/")
	t := crdt.TypeRegister
	var offered []Candidate
	var at *FieldView
	for i, key := range path {
		fields := view.Fields
		if i > 0 {
			fields = at.Fields
		}
		f, ok := find(fields, key)
		if !ok {
			at = nil
			break
		}
		at = f
	}
	if len(path) > 0 && at == nil {
		if r := c.Field(path[0]); r.declared && len(path) == 1 {
			t = r.rule.Type
		}
	} else if at != nil {
		t, offered = at.Type, at.Candidates
	}
	if len(path) == 0 || t != crdt.TypeRegister && t != crdt.TypeGroup {
		return fmt.Errorf("%w: %q", ErrNoChoice, name)
	}
	for _, h := range view.Held {
		for _, w := range h.Writes {
			if w.Field == name {
				offered = append(offered[:len(offered):len(offered)], w.Candidate)
			}
		}
	}
	if !custom && !offers(offered, value) {
		return fmt.Errorf("%w: field %q offers %d others", ErrNoCandidate, name, len(offered))
	}
	if len(path) == 1 {
		if t == crdt.TypeGroup {
			return setGroup(e.Group(name), value)
		}
		return e.Register(name).Set(value)
	}
	m := e.Map(path[0])
	for _, key := range path[1 : len(path)-1] {
		m = m.Map(key)
	}
	if last := path[len(path)-1]; t == crdt.TypeGroup {
		return setGroup(m.Group(last), value)
	} else {
		return m.Register(last).Set(value)
	}
}

func offers(cs []Candidate, value any) bool {
	for i := range cs {
		if sameValue(cs[i].Value, value) {
			return true
		}
	}
	return false
}

func setGroup(f crdt.GroupField, value any) error {
	fields, ok := value.(map[string]any)
	if !ok {
		return fmt.Errorf("%w: a group takes fields, not %s", ErrKind, kindOf(value))
	}
	return f.Set(fields)
}
