package merge

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt"
)

// What [Collection.CheckWrite] refuses a write for.
var (
	// ErrFieldType means that a field is written as another type than the
	// policy's.
	ErrFieldType = errors.New("merge: wrong type of field")
	// ErrKind means that a value is not of the field's kind.
	ErrKind = errors.New("merge: wrong kind of value")
	// ErrNotEntitled means that the author's role may not write the field.
	ErrNotEntitled = errors.New("merge: role may not write the field")
)

// WriteError is one reason to refuse a write. It wraps [ErrFieldType],
// [ErrKind] or [ErrNotEntitled].
type WriteError struct {
	Field  string // with the keys of maps below it, separated by slashes
	Detail string
	Err    error
}

// Error says what is refused, in which field, and why.
func (e *WriteError) Error() string { return fmt.Sprintf("%v: field %q: %s", e.Err, e.Field, e.Detail) }

// Unwrap gives the class of the fault.
func (e *WriteError) Unwrap() error { return e.Err }

// CheckWrite decides whether an author of a role may make a part of a change:
// declared fields are written as their types, values are of the declared kinds,
// and the role may write them, recount them or give verdicts on them. It reports every fault at once, each as a
// [*WriteError], in canonical order. Fields that are not declared, and births
// and deletions, are free.
//
// The answer follows from the part, the role and the rules alone, so all
// replicas give the same.
//
// CheckWrite is O(entries in the part).
func (c *Collection) CheckWrite(p *crdt.Part, role string) error {
	if c == nil || p.Patch == nil {
		return nil
	}
	var errs []error
	for _, kid := range p.Patch.Kids {
		r, declared := c.Fields[kid.Key.Name]
		if !declared {
			continue
		}
		if kid.Key.Type != r.Type {
			errs = append(errs, &WriteError{kid.Key.Name, fmt.Sprintf("it is a %v, not a %v", r.Type, kid.Key.Type), ErrFieldType})
		}
		if may := r.writers(); len(r.Write) > 0 && !slices.Contains(may, role) {
			errs = append(errs, &WriteError{kid.Key.Name, fmt.Sprintf("%q may not, %s may", role, list(may)), ErrNotEntitled})
		}
		if kid.Key.Type == r.Type && (r.Of != Any || r.Below != 0 || len(r.Members) > 0) {
			errs = append(errs, r.contentFaults(kid)...)
		}
	}
	return errors.Join(errs...)
}

// writers are the roles that may touch the field at all: those that may write
// it, and those that recount it or give verdicts on it.
func (r *FieldRule) writers() []string {
	may := slices.Concat(r.Write, r.Recount)
	for _, s := range r.Resolve {
		if s.Do == StepApprove {
			may = append(may, s.Roles...)
		}
	}
	var once []string
	for _, role := range may {
		if !slices.Contains(once, role) {
			once = append(once, role)
		}
	}
	return once
}

// contentFaults looks at the values that a patch of one field adds, level by
// level: how deep a patch goes is its author's choice.
func (r *FieldRule) contentFaults(root crdt.PatchKid) (errs []error) {
	type level struct {
		path []string
		kid  crdt.PatchKid
	}
	check := func(at level, encoded []byte) {
		v, err := codec.DecodeValue(encoded)
		if err != nil {
			return
		}
		if at.kid.Key.Type == crdt.TypeGroup {
			errs = append(errs, r.memberFaults(at.path, v)...)
		} else if !r.Of.Takes(v) {
			errs = append(errs, &WriteError{strings.Join(at.path, "/"), fmt.Sprintf("it takes a value of kind %v, not %s", r.Of, kindOf(v)), ErrKind})
		}
	}
	todo := []level{{[]string{root.Key.Name}, root}}
	for len(todo) > 0 {
		at := todo[0]
		todo = todo[1:]
		switch at.kid.Key.Type {
		case crdt.TypeRegister, crdt.TypeGroup:
			for _, e := range at.kid.Patch.Add {
				check(at, e.Value)
			}
		case crdt.TypeLog:
			for _, e := range at.kid.Patch.Grow {
				check(at, e.Value)
			}
		case crdt.TypeSet, crdt.TypeRemoveSet:
			for _, e := range at.kid.Patch.Kids {
				if len(e.Patch.Add) > 0 {
					check(at, []byte(e.Key.Name))
				}
			}
		case crdt.TypeMap:
			for _, k := range at.kid.Patch.Kids {
				below := level{append(slices.Clone(at.path), k.Key.Name), k}
				if t := k.Key.Type; r.Below != 0 && t != r.Below && t != crdt.TypeMap && t.Known() {
					errs = append(errs, &WriteError{strings.Join(below.path, "/"), fmt.Sprintf("it is a %v, not a %v", r.Below, t), ErrFieldType})
					continue
				}
				todo = append(todo, below)
			}
		}
	}
	return errs
}

// memberFaults looks at the fields of a group's value.
func (r *FieldRule) memberFaults(path []string, v any) (errs []error) {
	fields, ok := v.(map[string]any)
	if !ok || len(r.Members) == 0 {
		return nil
	}
	for _, name := range sortedNames(fields) {
		at := strings.Join(append(slices.Clone(path), name), "/")
		of, declared := r.Members[name]
		if !declared {
			errs = append(errs, &WriteError{at, "the group has no such field (" + list(sortedNames(r.Members)) + ")", ErrKind})
		} else if !of.Takes(fields[name]) {
			errs = append(errs, &WriteError{at, fmt.Sprintf("it takes a value of kind %v, not %s", of, kindOf(fields[name])), ErrKind})
		}
	}
	return errs
}
