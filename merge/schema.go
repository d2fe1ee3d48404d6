package merge

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/concord-crdt/concord/crdt"
)

// Schema says what the records of a store are: which collections there are,
// which type each field has, how concurrent writes to it are resolved, and who
// may write it.
//
// Every replica that looks at the same state through the same schema sees the
// same view. Two replicas compare their schemas by [Schema.Digest].
//
// The zero value is no schema: every collection exists, a field takes its type
// from its first use, registers show their latest value, and everyone may write.
// A nil schema is the same.
//
// Safe for concurrent use as long as nobody modifies it.
type Schema struct {
	// Roles in order of seniority, highest first. Rules may name no others.
	Roles []string
	// Collections by name. Empty means that every collection exists.
	Collections map[string]Collection
}

// Collection says what the records of one collection are. The zero value takes
// every field.
type Collection struct {
	// Fields by name. A record may have others: they are shown by the default
	// rule.
	Fields map[string]FieldRule
	// Priority orders scopes in a synchronisation.
	Priority Priority
	// Partition names the first part of the key, such as "ward" for keys like
	// "ward-3/17". When it is set, that part divides the collection into scopes,
	// which a replica may hold one by one. Empty means that the collection is one
	// scope.
	Partition string
	// Delete says what an edit does to a concurrent deletion.
	Delete crdt.DeletePolicy
}

// FieldRule says what a field is.
type FieldRule struct {
	// Type of the field. What was written under the same name as another type is
	// kept, and reported beside it.
	Type crdt.Type
	// Of is the kind of the values of a register, of the elements of a set, or
	// of the registers below a map. The zero value takes every kind.
	Of Kind
	// Resolve decides between the siblings of a register, or of the registers at
	// any depth below a map. Steps take their turn in order until one candidate is
	// left. Empty means [Latest].
	Resolve []Step
	// Write lists the roles that may write the field. Empty means everyone.
	Write []string
}

// Priority is the class in which a collection's scopes are synchronised: the
// greater goes first. The zero value is [Normal].
type Priority int8

// The classes of priority, from last to first.
const (
	Bulk     Priority = -1
	Normal   Priority = 0
	High     Priority = 1
	Critical Priority = 2
)

// String is the name of the class, as [ParsePriority] reads it.
func (p Priority) String() string {
	switch p {
	case Bulk:
		return "bulk"
	case Normal:
		return "normal"
	case High:
		return "high"
	case Critical:
		return "critical"
	}
	return fmt.Sprintf("priority(%d)", int8(p))
}

// ParsePriority is the inverse of [Priority.String].
func ParsePriority(s string) (Priority, error) {
	for p := Bulk; p <= Critical; p++ {
		if p.String() == s {
			return p, nil
		}
	}
	return 0, fmt.Errorf("merge: unknown priority %q (known: critical, high, normal, bulk)", s)
}

// Errors of naming a record.
var (
	// ErrUnknownCollection means that the schema has no collection of that name.
	ErrUnknownCollection = errors.New("merge: unknown collection")
	// ErrKey means that a key, or the name of a collection, cannot be one.
	ErrKey = errors.New("merge: not a key")
)

// everything is the collection of a store without a schema.
var everything Collection

// Collection returns a collection by name. Without a schema it is one that
// takes everything. The collection must not be modified.
//
// The error wraps [ErrUnknownCollection], or [ErrKey] for what cannot be a name.
func (s *Schema) Collection(name string) (*Collection, error) {
	if err := checkName(name); err != nil {
		return nil, fmt.Errorf("%w: collection %q: %w", ErrKey, name, err)
	}
	if s.isOpen() {
		return &everything, nil
	}
	c, ok := s.Collections[name]
	if !ok {
		return nil, fmt.Errorf("%w: %q (known: %s)", ErrUnknownCollection, name, list(sortedNames(s.Collections)))
	}
	return &c, nil
}

func (s *Schema) isOpen() bool { return s == nil || len(s.Collections) == 0 }

// Scope names the scope of a record: the collection, or collection/part where
// the collection is partitioned. It answers for every key; which keys a record
// may have is for [Schema.CheckKey] to say.
func (s *Schema) Scope(collection, key string) string {
	if s.isOpen() || s.Collections[collection].Partition == "" {
		return collection
	}
	part, _, _ := strings.Cut(key, "/")
	return collection + "/" + part
}

// CollectionOf names the collection that a scope belongs to.
func CollectionOf(scope string) string {
	name, _, _ := strings.Cut(scope, "/")
	return name
}

// Priority is the class of a scope. Scopes of collections that the schema does
// not have are [Normal].
func (s *Schema) Priority(scope string) Priority {
	if s.isOpen() {
		return Normal
	}
	return s.Collections[CollectionOf(scope)].Priority
}

// CheckKey decides whether a collection may have a record under key: the key
// is not empty and is valid UTF-8, and in a partitioned collection it is a part,
// a slash, and the rest. The error wraps [ErrUnknownCollection] or [ErrKey] and
// says what to write.
func (s *Schema) CheckKey(collection, key string) error {
	c, err := s.Collection(collection)
	if err != nil {
		return err
	}
	switch part, rest, _ := strings.Cut(key, "/"); {
	case key == "":
		return fmt.Errorf("%w: collection %q: the key is empty", ErrKey, collection)
	case !utf8.ValidString(key):
		return fmt.Errorf("%w: collection %q: %q is not valid UTF-8", ErrKey, collection, key)
	case c.Partition != "" && (part == "" || rest == ""):
		return fmt.Errorf("%w: collection %q is partitioned by %s: write %q as %s/KEY", ErrKey, collection, c.Partition, key, c.Partition)
	}
	return nil
}

// rule returns the rule of a field, and whether it is declared.
func (c *Collection) rule(name string) (FieldRule, bool) {
	if c == nil {
		return FieldRule{}, false
	}
	r, ok := c.Fields[name]
	return r, ok
}
