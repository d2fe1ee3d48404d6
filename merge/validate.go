package merge

import (
	"errors"
	"fmt"
	"slices"

	"github.com/concord-crdt/concord/crdt"
)

// SchemaError is one fault of a schema.
type SchemaError struct {
	Collection string // empty for what concerns the whole schema
	Field      string // empty for what concerns the whole collection
	Problem    string
	Remedy     string
}

func (e *SchemaError) Error() string {
	at := "schema"
	if e.Collection != "" {
		at = fmt.Sprintf("collection %q", e.Collection)
	}
	if e.Field != "" {
		at += fmt.Sprintf(", field %q", e.Field)
	}
	return fmt.Sprintf("merge: %s: %s; %s", at, e.Problem, e.Remedy)
}

// fault is a problem and a way out of it.
type fault struct{ problem, remedy string }

// Validate reports every fault of the schema at once, each as a [*SchemaError],
// in the order of collections and fields. A schema with faults still gives views,
// the same on every replica; they are hardly those that were meant.
func (s *Schema) Validate() error {
	if s == nil {
		return nil
	}
	var errs []error
	report := func(collection, field string, fs ...fault) {
		for _, f := range fs {
			errs = append(errs, &SchemaError{collection, field, f.problem, f.remedy})
		}
	}
	for i, r := range s.Roles {
		if err := checkFieldName(r); err != nil {
			report("", "", fault{fmt.Sprintf("role %q: %v", r, err), "name it otherwise"})
		}
		if slices.Contains(s.Roles[:i], r) {
			report("", "", fault{fmt.Sprintf("role %q is there twice", r), "keep the place that its seniority gives it"})
		}
	}
	for _, name := range sortedNames(s.Collections) {
		c := s.Collections[name]
		report(name, "", c.faults(name)...)
		for _, field := range sortedNames(c.Fields) {
			r := c.Fields[field]
			if err := checkFieldName(field); err != nil {
				report(name, field, fault{fmt.Sprintf("field %q: %v", field, err), "name it otherwise"})
			}
			report(name, field, r.faults(s.Roles)...)
		}
	}
	return errors.Join(errs...)
}

func (c *Collection) faults(name string) (fs []fault) {
	if err := checkName(name); err != nil {
		fs = append(fs, fault{fmt.Sprintf("collection %q: %v", name, err), "name it otherwise"})
	}
	if c.Priority < Bulk || c.Priority > Critical {
		fs = append(fs, fault{fmt.Sprintf("unknown %v", c.Priority), "choose Critical, High, Normal or Bulk"})
	}
	if c.Partition != "" {
		if err := checkName(c.Partition); err != nil {
			fs = append(fs, fault{fmt.Sprintf("partition %q: %v", c.Partition, err), "name what the first part of the key is, such as ward"})
		}
	}
	if c.Delete > crdt.UpdateWins {
		fs = append(fs, fault{fmt.Sprintf("unknown policy of deletion %d", c.Delete), "choose crdt.DeleteWins or crdt.UpdateWins"})
	}
	return fs
}

func (r *FieldRule) faults(roles []string) (fs []fault) {
	if r.Type == crdt.TypeElement {
		fs = append(fs, fault{"it has no type", "choose one, such as register, counter, set, map or text"})
	} else if !r.Type.Known() {
		fs = append(fs, fault{fmt.Sprintf("it has the unknown type %v", r.Type), "choose one, such as register, counter, set, map or text"})
	}
	if int(r.Of) >= len(kindNames) {
		fs = append(fs, fault{fmt.Sprintf("it is of the unknown %v", r.Of), "choose string, integer, boolean, float, timestamp or any"})
	} else if r.Of != Any && (r.Type == crdt.TypeCounter || r.Type == crdt.TypeText) {
		fs = append(fs, fault{fmt.Sprintf("a %v is not of a kind, and it says %v", r.Type, r.Of), "leave Of out"})
	}
	if len(r.Resolve) > 0 && !r.resolves() && r.Type != crdt.TypeElement {
		fs = append(fs, fault{fmt.Sprintf("a %v joins by itself, and there is nothing to resolve", r.Type), "leave Resolve out, or make it a register"})
	}
	for i, s := range r.Resolve {
		if s == nil {
			fs = append(fs, fault{fmt.Sprintf("step %d of Resolve is nil", i+1), "take it out"})
			continue
		}
		fs = append(fs, s.faults(roles)...)
		if s.final() && i < len(r.Resolve)-1 {
			fs = append(fs, fault{fmt.Sprintf("%v always decides, so what stands behind it has no say", s), "put it last, and keep one such step"})
		}
	}
	return append(fs, roleFaults("Write", r.Write, roles)...)
}

// roleFaults looks at a list of roles that a rule gives.
func roleFaults(what string, named, roles []string) (fs []fault) {
	for i, r := range named {
		if !slices.Contains(roles, r) {
			fs = append(fs, fault{fmt.Sprintf("%s names the unknown role %q", what, r), fmt.Sprintf("correct it, or add it to the schema's roles (%s)", list(roles))})
		}
		if slices.Contains(named[:i], r) {
			fs = append(fs, fault{fmt.Sprintf("%s names the role %q twice", what, r), "keep one of them"})
		}
	}
	return fs
}
