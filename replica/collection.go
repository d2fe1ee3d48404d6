package replica

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/internal/planted"
	"github.com/concord-crdt/concord/merge"
)

// Collection is the records of one kind. It is cheap to make and safe for
// concurrent use.
type Collection struct {
	r    *Replica
	name string
}

// Collection names a collection. It need not be there yet.
func (r *Replica) Collection(name string) *Collection { return &Collection{r, name} }

// Name is the collection's name.
func (c *Collection) Name() string { return c.name }

// Version says what of a record an actor saw: a token that [View] gives and
// [Record.Saw] takes. It takes 32 bytes for each writer of the record. The zero
// value has seen nothing. Safe for concurrent use.
type Version struct{ vector clock.VersionVector }

// versionOf is the version of a record as it is now.
func versionOf(rec *crdt.Record) Version { return Version{rec.Vector().Clone()} }

// IsZero reports whether nothing was seen. [Collection.UpdateVersion] returns
// such a version if its edit altered nothing.
func (v Version) IsZero() bool { return v.vector.IsEmpty() }

// String is the token as text.
func (v Version) String() string {
	var t clock.Table
	body, w := codec.NewWriter(nil), codec.NewWriter(nil)
	v.vector.Write(body, &t)
	t.Write(w)
	w.Raw(body.Bytes())
	return base64.RawURLEncoding.EncodeToString(w.Bytes())
}

// ParseVersion is the inverse of [Version.String]. Of a token that was altered or
// cut it gives an error that wraps one of package codec, or of base64.
func ParseVersion(s string) (Version, error) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return Version{}, fmt.Errorf("replica: version token: %w", err)
	}
	r := codec.NewReader(b)
	t := clock.ReadTable(r, 1<<16)
	v := Version{clock.ReadVersionVector(r, t)}
	if err := r.Close(); err != nil {
		return Version{}, fmt.Errorf("replica: version token: %w", err)
	}
	return v, nil
}

// View is a record as the application reads it, with the token that a later
// write can cite. It shares nothing with the replica, and may be kept.
type View struct {
	merge.RecordView
	Collection string
	Key        string
	Version    Version
}

// Update makes one change to the record under key, which comes into existence
// by it. The first error, from edit or from any field, aborts it and nothing is
// changed; a change that alters nothing is not made.
//
// It costs what the edit weighs, not what the record weighs, and returns when
// the change is durable as the replica's options say.
func (c *Collection) Update(ctx context.Context, key string, edit func(*Record) error) error {
	return c.update(ctx, key, false, edit, nil)
}

// Create makes a record without fields; it changes nothing if the record is
// there.
func (c *Collection) Create(ctx context.Context, key string) error {
	return c.update(ctx, key, true, func(*Record) error { return nil }, nil)
}

// Delete deletes a record as the actor saw it. It is hidden, not forgotten:
// what others edited at the same time is kept, and the collection's policy says
// whether it brings the record back. A record that does not exist gives
// [ErrNotFound].
func (c *Collection) Delete(ctx context.Context, key string) error {
	return c.Update(ctx, key, func(p *Record) error {
		if err := p.Delete(); errors.Is(err, crdt.ErrNoRecord) {
			return ErrNotFound
		} else if err != nil {
			return err
		}
		return nil
	})
}

// Restore takes back the deletions of a record that are known here.
func (c *Collection) Restore(ctx context.Context, key string) error {
	return c.Update(ctx, key, func(p *Record) error { return p.Restore() })
}

// UpdateVersion is [Collection.Update], and returns the version that it made.
func (c *Collection) UpdateVersion(ctx context.Context, key string, edit func(*Record) error) (Version, error) {
	var v Version
	err := c.update(ctx, key, false, edit, func(o *open) { v = versionOf(o.record) })
	if err != nil {
		return Version{}, err
	}
	return v, nil
}

func (c *Collection) update(ctx context.Context, key string, create bool, edit func(*Record) error, made func(*open)) error {
	if err := c.check(key); err != nil {
		return err
	}
	err := c.r.transact(ctx, c.r.policy().Scope(c.name, key), func(tx *Tx) error {
		p, err := tx.Record(key)
		if err != nil {
			return err
		}
		p.create = create
		return edit(p)
	}, made)
	if err != nil {
		return fmt.Errorf("%s/%s: %w", c.name, key, err)
	}
	return nil
}

func (c *Collection) check(key string) error {
	if c.name == "" || strings.Contains(c.name, "/") {
		return fmt.Errorf("replica: collection name %q; want one without a slash", c.name)
	}
	return checkKey(key)
}

// View reads a record through the overlay of its policy. A record that does
// not exist, or no more, gives [ErrNotFound].
func (c *Collection) View(ctx context.Context, key string) (View, error) {
	if err := ctx.Err(); err != nil {
		return View{}, err
	}
	if err := c.check(key); err != nil {
		return View{}, err
	}
	v, hit, err := c.cached(key)
	if !hit {
		c.r.mu.Lock()
		v, err = c.view(key)
		c.r.mu.Unlock()
	}
	if err != nil {
		return View{}, fmt.Errorf("%s/%s: %w", c.name, key, err)
	}
	for _, f := range v.Fields {
		if planted.Is(planted.ViewWrittenBack) && f.Concurrent {
			_ = c.Update(ctx, key, func(p *Record) error { return p.Register(f.Name).Set(f.Value) })
		}
	}
	return v, nil
}

// Digest is the hash of a record's state in its normal form, see
// [crdt.Record.Digest]: equal on replicas that have applied the same changes to
// it. A record that was never written has one too.
func (c *Collection) Digest(ctx context.Context, key string) (h crdt.Hash, err error) {
	err = c.look(ctx, key, func(o *open) { h = o.record.Digest() })
	return h, err
}

// State is a record's state whole, in the form in which the store keeps it from
// time to time: what [crdt.DecodeRecord] reads. It costs what the record weighs.
func (c *Collection) State(ctx context.Context, key string) (b []byte, err error) {
	err = c.look(ctx, key, func(o *open) {
		w := codec.NewWriter(nil)
		o.record.Write(w)
		b = w.Bytes()
	})
	return b, err
}

// look shows a record, whether it exists or not, to f, which must keep nothing
// of it.
func (c *Collection) look(ctx context.Context, key string, f func(*open)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := c.check(key); err != nil {
		return err
	}
	c.r.mu.Lock()
	defer c.r.mu.Unlock()
	if err := c.r.usable(); err != nil {
		return err
	}
	name := c.r.policy().Scope(c.name, key)
	o, err := c.r.record(c.r.scopes[name], name, key)
	if err != nil {
		return fmt.Errorf("%s/%s: %w", c.name, key, err)
	}
	f(o)
	return nil
}

// cached reads a record that is in memory, beside other readers.
func (c *Collection) cached(key string) (v View, hit bool, err error) {
	c.r.mu.RLock()
	defer c.r.mu.RUnlock()
	if err := c.r.usable(); err != nil {
		return View{}, true, err
	}
	name := c.r.policy().Scope(c.name, key)
	o := c.r.cache.get(cacheKey{name, key})
	if o == nil || c.r.readsNow(name) {
		return View{}, false, nil
	}
	switch err := c.r.hiddenCached(c.name, o); {
	case errors.Is(err, errFar):
		return View{}, false, nil
	case err != nil:
		return View{}, true, err
	}
	v, err = c.viewOf(o, nil)
	return v, true, err
}

// view reads a record. The caller holds r.mu for writing.
func (c *Collection) view(key string) (View, error) {
	if err := c.r.usable(); err != nil {
		return View{}, err
	}
	name := c.r.policy().Scope(c.name, key)
	o, err := c.r.record(c.r.scopes[name], name, key)
	if err == nil {
		err = c.r.hiddenHere(c.name, o)
	}
	if err != nil {
		return View{}, err
	}
	var failed error
	v, err := c.viewOf(o, c.r.elsewhere(&failed))
	return v, errors.Join(err, failed)
}

func (c *Collection) viewOf(o *open, now merge.Elsewhere) (View, error) {
	v := View{
		RecordView: merge.ViewWith(o.record, c.r.collectionRule(c.name), now),
		Collection: c.name, Key: o.key, Version: versionOf(o.record),
	}
	if !v.Exists {
		return View{}, ErrNotFound
	}
	return v, nil
}

// scopeNames lists the scopes that hold records of the collection, in order.
func (c *Collection) scopeNames() []string {
	c.r.mu.RLock()
	defer c.r.mu.RUnlock()
	var names []string
	for name := range c.r.scopes {
		if collectionOf(name) == c.name {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Keys yields the keys of the records that are shown, in order within each scope.
// It reads headers only, and of children the records and their parents. The sequence may be used again; while it runs it holds a
// read transaction of the store open, and does not see later writes.
//
// It ends at the first error. A record whose header is damaged is yielded, since
// it may exist: its view is an error. A scope that has fewer records than were
// written into it ends with [ErrCorrupt], after those that are here.
func (c *Collection) Keys(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for _, name := range c.scopeNames() {
			c.r.mu.RLock()
			err := c.r.usable()
			s := c.r.scopes[name]
			c.r.mu.RUnlock()
			stopped := false
			if err == nil {
				err = c.r.store.at(func(v reader) error {
					return keysIn(ctx, v, s, c.isListed, func(key string) bool {
						stopped = !yield(key, nil)
						return !stopped
					})
				})
			}
			if stopped {
				return
			}
			if err != nil {
				yield("", err)
				return
			}
		}
	}
}

// isListed reports whether a record with a header is shown.
func (c *Collection) isListed(key string, h *header) (bool, error) {
	if !h.live || !h.child && !c.r.collectionRule(c.name).Collection().Parent.Required {
		return h.live, nil
	}
	return c.isShown(key)
}

// keysIn gives the keys of a scope's records that are listed to yield, until it
// returns false, and compares their number with the scope's tally.
func keysIn(ctx context.Context, v reader, s *scope, listed func(string, *header) (bool, error), yield func(string) bool) error {
	sum, serr := readSum(v, s)
	if serr != nil && !errors.Is(serr, ErrCorrupt) {
		return serr
	}
	prefix := recordKey(rowHeader, s.number, "")
	n := uint64(0)
	for row, err := range v.scan(prefix, nil) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		n++
		if isScopeKey(string(row.key[len(prefix):])) {
			continue
		}
		key := string(row.key[len(prefix):])
		shown := true // as far as can be told
		if h, err := decodeHeader(row.key, row.value); err == nil {
			if shown, err = listed(key, h); err != nil {
				return err
			}
		}
		if shown && !yield(key) {
			return nil
		}
	}
	if serr == nil && n < sum.records {
		serr = &CorruptError{Row: "header", Key: prefix, Scope: s.name, Err: fmt.Errorf("%d of %d records are missing: %w", sum.records-n, sum.records, errMissing)}
	}
	return serr
}

// All yields the views of the records that exist, as [Collection.Keys] does.
// A record that is deleted while the sequence runs is left out. One that is
// damaged is yielded with its key alone and [ErrCorrupt], and the sequence goes
// on; any other error ends it.
func (c *Collection) All(ctx context.Context) iter.Seq2[View, error] {
	return func(yield func(View, error) bool) {
		for key, err := range c.Keys(ctx) {
			v := View{Collection: c.name, Key: key}
			if err != nil {
				yield(View{}, err)
				return
			}
			got, err := c.View(ctx, key)
			if errors.Is(err, ErrNotFound) {
				continue
			}
			if err == nil {
				v = got
			}
			if !yield(v, err) || err != nil && !errors.Is(err, ErrCorrupt) {
				return
			}
		}
	}
}

// collectionOf is the collection that a scope belongs to.
func collectionOf(scope string) string {
	name, _, _ := strings.Cut(scope, "/")
	return name
}

// collectionRule are the rules of a collection; nil if it has none.
func (r *Replica) collectionRule(name string) *merge.CollectionRules {
	c, err := r.active.Load().rules.Collection(name)
	if err != nil {
		return nil
	}
	return c
}

func (r *Replica) deletePolicyOf(scope string) crdt.DeletePolicy {
	return r.collectionRule(collectionOf(scope)).Collection().Delete
}

// versioned says which fields of a scope's records keep what writes supersede.
func (r *Replica) versioned(scope string) func(field string) bool {
	rules := r.collectionRule(collectionOf(scope))
	if rules == nil {
		return nil
	}
	return func(field string) bool {
		f := rules.Field(field)
		return f != nil && f.Versioned()
	}
}

func (r *Replica) deletePolicy(s *scope) crdt.DeletePolicy { return r.deletePolicyOf(s.name) }
