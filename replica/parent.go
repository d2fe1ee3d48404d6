package replica

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
)

// HiddenError says that a record is here, and not shown as long as its parent is
// not. It wraps [ErrNotFound].
type HiddenError struct {
	Parent string // collection/key; empty where the record must have one and has none
}

// Error names the parent.
func (e *HiddenError) Error() string {
	if e.Parent == "" {
		return "replica: the record is hidden: it has no parent"
	}
	return fmt.Sprintf("replica: the record is hidden until its parent %s is here", e.Parent)
}

// Unwrap gives [ErrNotFound].
func (e *HiddenError) Unwrap() error { return ErrNotFound }

// CreateUnder makes a record without fields as the child of another, named as
// collection/key, which need not be here yet. The child is shown while the births
// of the parent that are live now are: a parent that is deleted and made again
// does not show it. It changes nothing if the record is there.
func (c *Collection) CreateUnder(ctx context.Context, key, parent string) error {
	return c.update(ctx, key, true, func(p *Record) error { return p.Under(parent) }, nil)
}

// Under says that the record is the child of another, named as collection/key, if
// the change turns out to be its birth; see [Collection.CreateUnder].
func (p *Record) Under(parent string) error {
	collection, key, ok := strings.Cut(parent, "/")
	if !ok || collection == "" || key == "" || len(parent) > maxKeyBytes {
		return fmt.Errorf("replica: parent %q; want collection/key of at most %d bytes", parent, maxKeyBytes)
	}
	r := p.tx.r
	o, err := r.recordOf(collection, key)
	if err != nil {
		return err
	}
	p.RecordEditor.Under(o.record.AsParent(parent, r.deletePolicyOf(collection)))
	return nil
}

// recordOf returns a record by its collection. The caller holds r.mu for writing.
func (r *Replica) recordOf(collection, key string) (*open, error) {
	name := r.policy().Scope(collection, key)
	return r.record(r.scopes[name], name, key)
}

// isChild reports whether the birth that counts names a parent.
func isChild(rec *crdt.Record, policy crdt.DeletePolicy) bool {
	b, ok := birthOf(rec, policy)
	return ok && (b.ParentKey != "" || len(b.ParentBirths) > 0)
}

// birthOf is the birth that says which parent a record has: of several live ones
// the smallest; ok is false if none is live.
func birthOf(rec *crdt.Record, policy crdt.DeletePolicy) (b crdt.Birth, ok bool) {
	live := rec.Live(policy)
	if len(live) == 0 {
		return b, false
	}
	return rec.Birth(live[0])
}

// maxParents is how far parents of parents are followed. What lies deeper, or
// goes in a circle, is not shown.
const maxParents = 64

// errFar means that a parent is not in memory.
var errFar = errors.New("replica: not in memory")

// hidden says why a record that has a live birth is not shown: nil if it is. load
// gives parents. O(parents).
func (r *Replica) hidden(collection string, rec *crdt.Record, load func(collection, key string) (*open, error)) error {
	for range maxParents {
		b, ok := birthOf(rec, r.deletePolicyOf(collection))
		if !ok {
			return nil // it is absent, not hidden
		}
		if b.ParentKey == "" && len(b.ParentBirths) == 0 {
			if r.collectionRule(collection).Collection().Parent.Required {
				return &HiddenError{}
			}
			return nil
		}
		above, key, _ := strings.Cut(b.ParentKey, "/")
		if key == "" {
			return &HiddenError{Parent: b.ParentKey}
		}
		o, err := load(above, key)
		if err != nil {
			return err
		}
		live := o.record.Live(r.deletePolicyOf(above))
		shown := len(live) > 0
		if len(b.ParentBirths) > 0 {
			shown = slices.ContainsFunc(b.ParentBirths, func(ref crdt.Ref) bool { return slices.Contains(live, ref.Dot) })
		}
		if !shown {
			return &HiddenError{Parent: b.ParentKey}
		}
		collection, rec = above, o.record
	}
	return &HiddenError{}
}

// hiddenHere is hidden with parents from the store. The caller holds r.mu for
// writing.
func (r *Replica) hiddenHere(collection string, o *open) error {
	return r.hidden(collection, o.record, r.recordOf)
}

// hiddenCached is hidden with parents that are in memory; errFar if one is not.
func (r *Replica) hiddenCached(collection string, o *open) error {
	return r.hidden(collection, o.record, func(collection, key string) (*open, error) {
		if p := r.cache.get(cacheKey{r.policy().Scope(collection, key), key}); p != nil {
			return p, nil
		}
		return nil, errFar
	})
}

// isShown reports whether a record that has a live birth is shown.
func (c *Collection) isShown(key string) (bool, error) {
	c.r.mu.Lock()
	defer c.r.mu.Unlock()
	if err := c.r.usable(); err != nil {
		return false, err
	}
	o, err := c.r.recordOf(c.name, key)
	if errors.Is(err, ErrCorrupt) {
		return true, nil // its view says so
	}
	if err == nil {
		err = c.r.hiddenHere(c.name, o)
	}
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// Parent returns the parent of a record as its birth names it, collection/key,
// and the births of it that show the record; empty if it has none.
func (c *Collection) Parent(ctx context.Context, key string) (parent string, births []clock.Dot, err error) {
	err = c.look(ctx, key, func(o *open) {
		if b, ok := birthOf(o.record, c.r.deletePolicyOf(c.name)); ok {
			parent, births = b.ParentKey, crdt.Dots(b.ParentBirths)
		}
	})
	return parent, births, err
}
