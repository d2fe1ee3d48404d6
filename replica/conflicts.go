package replica

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/concord-crdt/concord/merge"
)

// Inspected is what the rules say of one record: held changes, conflicts, what a
// person is asked to look at, what was overruled, with the view beside them.
type Inspected struct {
	Collection string
	Key        string
	// Hidden says why the record is not shown though it exists; nil if it is shown
	// or does not exist.
	Hidden *HiddenError
	Version
	merge.Report
}

// NeedsDecision reports whether somebody is asked for something: a verdict, a
// look, a choice, or to hear of a conflict that is not of the kind that is only
// counted.
func (x *Inspected) NeedsDecision() bool {
	return len(x.Held)+len(x.Review)+len(x.Unresolved) > 0 ||
		slices.ContainsFunc(x.Conflicts, func(c merge.Conflict) bool {
			return c.Kind == merge.Business || c.Severity >= merge.NoticeDeferred
		})
}

// Inspect tells what the rules say of a record, also of one that is deleted or
// hidden. It costs more than the view: common ancestors are read. A record that
// was never written gives an empty report.
func (c *Collection) Inspect(ctx context.Context, key string) (x Inspected, err error) {
	return c.InspectWith(ctx, key, merge.Inspection{})
}

// InspectWith is [Collection.Inspect] with parts of the detection, or the rules,
// switched off. What it reads elsewhere is the replica's to say.
func (c *Collection) InspectWith(ctx context.Context, key string, o merge.Inspection) (x Inspected, err error) {
	if err := ctx.Err(); err != nil {
		return x, err
	}
	if err := c.check(key); err != nil {
		return x, err
	}
	c.r.mu.Lock()
	defer c.r.mu.Unlock()
	if err := c.r.usable(); err != nil {
		return x, err
	}
	if x, err = c.r.inspect(c.name, key, o); err != nil {
		return x, fmt.Errorf("%s/%s: %w", c.name, key, err)
	}
	return x, nil
}

// inspect is Inspect for a caller who holds r.mu for writing.
func (r *Replica) inspect(collection, key string, how merge.Inspection) (x Inspected, err error) {
	x.Collection, x.Key = collection, key
	o, err := r.recordOf(collection, key)
	if err != nil {
		return x, err
	}
	how.Now = r.elsewhere(&err)
	x.Report = merge.Inspect(o.record, r.collectionRule(collection), how)
	x.Version = versionOf(o.record)
	if err != nil {
		return x, err
	}
	switch err := r.hiddenHere(collection, o); {
	case errors.As(err, &x.Hidden), err == nil:
		return x, nil
	default:
		return x, err
	}
}

// Explain tells why a field shows what it does: the candidates, what each step
// of the rule found of them, and what decided. field is as in
// [Collection.Resolve].
func (c *Collection) Explain(ctx context.Context, key, field string) (x merge.FieldExplanation, err error) {
	lerr := c.look(ctx, key, func(o *open) {
		x, err = merge.ExplainField(o.record, c.r.collectionRule(c.name), strings.Split(field, "/"), c.r.elsewhere(nil))
	})
	if err := errors.Join(lerr, err); err != nil {
		return x, fmt.Errorf("%s/%s: %w", c.name, key, err)
	}
	return x, nil
}

// queue knows which records somebody has to decide about. It is made by the
// first who asks; from then on only records that were altered since are looked at
// again. Guarded by the replica's lock.
type queue struct {
	made  bool
	open  map[cacheKey]struct{}
	stale map[cacheKey]struct{}
}

func (q *queue) forget() { *q = queue{} }

// altered notes that a record is to be looked at again.
func (q *queue) altered(k cacheKey) {
	if q.made {
		q.stale[k] = struct{}{}
	}
}

// Conflicts yields the records about which somebody has to decide, in the order
// of their collections and keys: those of the named collections, or of all. It
// ends at the first error.
//
// The first call looks at every record, later ones at those that changed since,
// and at what they yield. Records whose rules read others as they are now are
// looked at every time. Hidden records are left out.
func (r *Replica) Conflicts(ctx context.Context, collections ...string) iter.Seq2[Inspected, error] {
	return func(yield func(Inspected, error) bool) {
		keys, err := r.undecided(ctx)
		for _, k := range keys {
			name := collectionOf(k.scope)
			if len(collections) > 0 && !slices.Contains(collections, name) {
				continue
			}
			var x Inspected
			if x, err = r.Collection(name).Inspect(ctx, k.key); err != nil {
				break
			}
			if x.Hidden == nil && x.NeedsDecision() && !yield(x, nil) {
				return
			}
		}
		if err != nil {
			yield(Inspected{}, err)
		}
	}
}

// inspectBatch is how many records are looked at while others wait.
const inspectBatch = 64

// undecided brings the queue up to date and lists it.
func (r *Replica) undecided(ctx context.Context) ([]cacheKey, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		keys, done, err := r.lookAtStale()
		if err != nil || done {
			return keys, err
		}
	}
}

func (r *Replica) lookAtStale() (keys []cacheKey, done bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.usable(); err != nil {
		return nil, false, err
	}
	q := &r.queue
	if !q.made {
		*q = queue{made: true, open: map[cacheKey]struct{}{}, stale: map[cacheKey]struct{}{}}
		if err := r.everyRecord(func(k cacheKey) { q.stale[k] = struct{}{} }); err != nil {
			q.forget()
			return nil, false, err
		}
	}
	n := 0
	for k := range q.stale {
		if n++; n > inspectBatch {
			return nil, false, nil
		}
		x, err := r.inspect(collectionOf(k.scope), k.key, merge.Inspection{})
		if err != nil && !errors.Is(err, ErrCorrupt) {
			return nil, false, err
		}
		delete(q.stale, k)
		if err == nil && (x.NeedsDecision() || r.readsNow(k.scope)) {
			q.open[k] = struct{}{}
		} else {
			delete(q.open, k)
		}
	}
	keys = slices.SortedFunc(maps.Keys(q.open), func(a, b cacheKey) int {
		if c := strings.Compare(a.scope, b.scope); c != 0 {
			return c
		}
		return strings.Compare(a.key, b.key)
	})
	return keys, true, nil
}

// readsNow reports whether rules of a scope read other records as they are now,
// so that what they say may change though the record does not.
func (r *Replica) readsNow(scope string) bool {
	for _, ref := range r.collectionRule(collectionOf(scope)).Collection().Refs {
		if ref.At == merge.AtNow {
			return true
		}
	}
	return false
}

// everyRecord lists the records of users that have a header, or will have.
func (r *Replica) everyRecord(f func(cacheKey)) error {
	for name, s := range r.scopes {
		if isSystemScope(name) {
			continue
		}
		prefix := recordKey(rowHeader, s.number, "")
		for x, err := range r.store.scan(prefix, nil) {
			if err != nil {
				return err
			}
			if key := string(x.key[len(prefix):]); !isScopeKey(key) {
				f(cacheKey{name, key})
			}
		}
	}
	for k, o := range r.cache.records {
		if o.exists && !isSystemScope(k.scope) && !isScopeKey(k.key) {
			f(k)
		}
	}
	return nil
}

// Inspections yields what the rules say of every record that was ever written
// here, deleted and hidden ones too, in the order of their collections and keys.
// It ends at the first error, and costs O(records).
func (r *Replica) Inspections(ctx context.Context) iter.Seq2[Inspected, error] {
	return func(yield func(Inspected, error) bool) {
		all := map[cacheKey]struct{}{}
		r.mu.Lock()
		err := r.usable()
		if err == nil {
			err = r.everyRecord(func(k cacheKey) { all[k] = struct{}{} })
		}
		r.mu.Unlock()
		if err != nil {
			yield(Inspected{}, err)
			return
		}
		keys := slices.SortedFunc(maps.Keys(all), func(a, b cacheKey) int {
			if c := strings.Compare(a.scope, b.scope); c != 0 {
				return c
			}
			return strings.Compare(a.key, b.key)
		})
		for _, k := range keys {
			x, err := r.Collection(collectionOf(k.scope)).Inspect(ctx, k.key)
			if !yield(x, err) || err != nil {
				return
			}
		}
	}
}

// WatchConflicts yields records about which somebody has to decide, as changes
// make them so, and once more when that is settled, until ctx ends or the replica
// is closed. Begin with [Replica.Conflicts] for what is there already. It ends at
// the first error.
func (r *Replica) WatchConflicts(ctx context.Context) iter.Seq2[Inspected, error] {
	return func(yield func(Inspected, error) bool) {
		open := map[string]bool{}
		for e, err := range r.Watch(ctx) {
			if err != nil {
				yield(Inspected{}, err)
				return
			}
			x, err := r.Collection(e.Collection).Inspect(ctx, e.Key)
			name := e.Collection + "/" + e.Key
			was := open[name]
			if open[name] = x.NeedsDecision(); !open[name] {
				delete(open, name)
			}
			if err == nil && !was && !open[name] {
				continue
			}
			if !yield(x, err) || err != nil {
				return
			}
		}
	}
}
