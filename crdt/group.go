package crdt

import (
	"maps"

	"github.com/concord-crdt/concord/codec"
)

// GroupField writes a group of a record: several values that belong together
// and are shown together, as a dose and its unit.
//
// It is one register whose value has fields: a view never mixes the fields of
// two concurrent writes. Put changes one field of the value that the actor saw
// and writes the whole.
//
// Set and Put are O(siblings + bytes of the group).
//
// Errors are those of [RegisterField].
//
// Comes from an [Editor] or a [MapField], and is of use until its change ends.
// Not safe for concurrent use.
//
// Source: see [RegisterField].
type GroupField struct{ at place }

// Set writes all fields: those that are not in fields are gone.
func (f GroupField) Set(fields map[string]any) error { return RegisterField(f).Set(fields) }

// Put writes one field, with the others as they are in the latest value that
// the actor saw.
func (f GroupField) Put(name string, v any) error {
	fields := maps.Clone(f.latest())
	if fields == nil {
		fields = map[string]any{}
	}
	fields[name] = v
	return f.Set(fields)
}

func (f GroupField) latest() map[string]any {
	n := f.at.look()
	if n == nil {
		return nil
	}
	var best *Candidate
	for _, c := range (Field{state: f.at.ed.state, node: n}).Candidates() {
		if c.ID.Dot == f.at.ed.dot { // this change's own, and so the latest
			best = &c
			break
		}
		if f.at.ed.sees(Entry{ID: c.ID}) && (best == nil || best.Before(c)) {
			best = &c
		}
	}
	if best == nil {
		return nil
	}
	m, _ := best.Value.(map[string]any)
	return m
}

// checkGroup refuses a value that is not a map.
func checkGroup(b []byte) error {
	v, err := codec.DecodeValue(b)
	if _, ok := v.(map[string]any); err == nil && !ok && v != nil {
		err = codec.ErrMalformed
	}
	return err
}
