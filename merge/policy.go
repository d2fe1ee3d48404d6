package merge

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/concord-crdt/concord/crdt"
)

// Policy says what the records of a store are and who decides about them:
// which collections there are, which type each field has, how concurrent writes
// to it are resolved, who may write it, what must hold. It is one version of the
// rules, and the same thing as a policy file: [ParsePolicy] and [Policy.YAML]
// convert without loss.
//
// Every replica that looks at the same state through the same policy sees the
// same view. Two replicas compare their policies by [Policy.Digest]. To decide
// by it, a policy is compiled once, see [Policy.Compile].
//
// The zero value is no policy: every collection exists, a field takes its type
// from its first use, registers show their latest value, and everyone may write.
// A nil policy is the same.
//
// Safe for concurrent use as long as nobody modifies it.
type Policy struct {
	// Name of the policy. Its versions have one name.
	Name string
	// Version counts from 1.
	Version uint64
	// Roles in order of seniority, highest first. Rules may name no others.
	Roles []string
	// Activate lists the roles that may put the next version into force. Empty
	// means the first of Roles.
	Activate []string
	// Windows are named sets of intervals that rules refer to.
	Windows map[string][]Interval
	// Collections by name. Empty means that every collection exists.
	Collections map[string]Collection
}

// Interval is a stretch of time, with its first moment and without its last.
// It is held against effective stamps, never against a clock. Times count to the
// millisecond.
type Interval struct{ From, To time.Time }

// Collection says what the records of one collection are. The zero value takes
// every field.
type Collection struct {
	// Fields by name. A record may have others: they are shown by the default
	// rule, and no expression can read them.
	Fields map[string]FieldRule
	// Priority orders scopes in a synchronisation.
	Priority Priority
	// Partition names the first part of the key, such as "ward" for keys like
	// "ward-3/17". When it is set, that part divides the collection into scopes,
	// which a replica may hold one by one. Empty means that the collection is one
	// scope.
	Partition string
	// Offline says what a device may do with records while it has no network.
	Offline Offline
	// Parent is the collection that a record's parent is of. Empty: no parents.
	Parent Parent
	// Refs are the fields that hold keys of records of other collections, with
	// what rules may read there.
	Refs map[string]Reference
	// Delete says what an edit does to a concurrent deletion.
	Delete crdt.DeletePolicy
	// Staleness is how old the collection may be on a device before it is
	// reported. Zero means that nobody asks.
	Staleness time.Duration
	// Constraints that the records' views satisfy, in order.
	Constraints []Constraint
	// Detect says which concurrent writes people hear of.
	Detect Detection
}

// Parent names the collection of a record's parent.
type Parent struct {
	Collection string
	// Required hides records that have no parent.
	Required bool
}

// Reference is what the key in a field refers to.
type Reference struct {
	Collection string
	At         EvidenceTime
}

// Constraint is a condition on the view of a record. A write that breaks it is
// held back from the view until someone who may says otherwise.
type Constraint struct {
	Name string
	// Must is a CEL expression that gives a boolean.
	Must string
	// Approve lists the roles whose verdict lets a write pass.
	Approve []string
}

// Detection sorts concurrent writes by who has to hear of them. The zero value
// reports none.
type Detection struct {
	// Near is the distance in time below which they are reported at once.
	Near time.Duration
	// Immediate and Deferred are CEL expressions that give booleans: report at
	// once, or put into the queue. Empty is false.
	Immediate, Deferred string
}

// Errors of naming a record.
var (
	// ErrUnknownCollection means that the policy has no collection of that name.
	ErrUnknownCollection = errors.New("merge: unknown collection")
	// ErrKey means that a key, or the name of a collection, cannot be one.
	ErrKey = errors.New("merge: not a key")
)

// everything is the collection of a store without a policy.
var everything Collection

// Collection returns a collection by name. Without a policy it is one that
// takes everything. The collection must not be modified.
//
// The error wraps [ErrUnknownCollection], or [ErrKey] for what cannot be a name.
func (p *Policy) Collection(name string) (*Collection, error) {
	if err := checkName(name); err != nil {
		return nil, fmt.Errorf("%w: collection %q: %w", ErrKey, name, err)
	}
	if p.isOpen() {
		return &everything, nil
	}
	c, ok := p.Collections[name]
	if !ok {
		return nil, fmt.Errorf("%w: %q (known: %s)", ErrUnknownCollection, name, list(sortedNames(p.Collections)))
	}
	return &c, nil
}

func (p *Policy) isOpen() bool { return p == nil || len(p.Collections) == 0 }

// Activators lists the roles that may put the next version into force.
func (p *Policy) Activators() []string {
	switch {
	case p == nil:
		return nil
	case len(p.Activate) > 0:
		return slices.Clone(p.Activate)
	}
	return slices.Clone(p.Roles[:min(1, len(p.Roles))])
}

// Scope names the scope of a record: the collection, or collection/part where
// the collection is partitioned. It answers for every key; which keys a record
// may have is for [Policy.CheckKey] to say.
func (p *Policy) Scope(collection, key string) string {
	if p.isOpen() || p.Collections[collection].Partition == "" {
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

// Priority is the class of a scope. Scopes of collections that the policy does
// not have are [Normal].
func (p *Policy) Priority(scope string) Priority {
	if p.isOpen() {
		return Normal
	}
	return p.Collections[CollectionOf(scope)].Priority
}

// CheckKey decides whether a collection may have a record under key: the key
// is not empty and is valid UTF-8, and in a partitioned collection it is a part,
// a slash, and the rest. The error wraps [ErrUnknownCollection] or [ErrKey] and
// says what to write.
func (p *Policy) CheckKey(collection, key string) error {
	c, err := p.Collection(collection)
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
