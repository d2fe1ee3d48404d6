package replica

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/internal/planted"
)

// Tx is one change over several records of a scope: all of it applies, or
// nothing, here and on every peer. It touches at most 256 records, and takes at
// most 2 MiB when it is encoded; else the error wraps [ErrTooLarge].
//
// It is valid inside the function that it was given to. Not safe for concurrent
// use.
type Tx struct {
	r      *Replica
	scope  *scope // nil until the scope has rows
	name   string
	dot    clock.Dot
	author crdt.Author
	// records are those that were opened, sorted by key at the end.
	records []*Record
	byKey   map[string]*Record // the same, once there are many
	index   uint32             // of the next entry
}

// Record is a record within a change: what is done to its fields takes effect
// at once and is seen by what follows. Its first error ends the change. See
// [crdt.Editor] for the fields.
//
// It is valid inside the function that it was given to. Not safe for concurrent
// use.
type Record struct {
	*crdt.RecordEditor
	tx     *Tx
	key    string
	opened *open
	create bool
}

// Key is the record's key.
func (p *Record) Key() string { return p.key }

// Dot is the name that the change gets, if it alters anything.
func (tx *Tx) Dot() clock.Dot { return tx.dot }

// Dot is the name that the change gets, if it alters anything.
func (p *Record) Dot() clock.Dot { return p.tx.dot }

// As says who writes, where it is not the actor that the replica was opened
// with.
func (p *Record) As(actor, role string) *Record {
	p.tx.As(actor, role)
	return p
}

// Intent says what the change is for. Two changes with the same intent are one
// event reported twice.
func (p *Record) Intent(action, key string) *Record {
	p.tx.Intent(action, key)
	return p
}

// Saw says what the actor had before her eyes: the version of the view that a
// form was opened with. What arrived since is not superseded by this change. It
// must come before the first edit of the record.
func (p *Record) Saw(v Version) *Record {
	p.RecordEditor.Saw(&v.vector)
	return p
}

// As says who writes.
func (tx *Tx) As(actor, role string) { tx.author.Actor, tx.author.Role = actor, role }

// Intent says what the change is for.
func (tx *Tx) Intent(action, key string) {
	tx.author.Intent = crdt.Intent{Action: action, Key: key}
}

// Record opens a record of the scope for editing. It is made by its first
// edit, if it is not there.
func (tx *Tx) Record(key string) (*Record, error) {
	if p := tx.find(key); p != nil {
		return p, nil
	}
	if err := checkKey(key); err != nil {
		return nil, err
	}
	if want := tx.r.policy().Scope(collectionOf(tx.name), key); want != tx.name {
		return nil, fmt.Errorf("replica: record %q belongs to scope %q, the change to %q; a change cannot span scopes", key, want, tx.name)
	}
	return tx.open(key)
}

// open opens a record by its key in the scope.
func (tx *Tx) open(key string) (*Record, error) {
	o, err := tx.r.record(tx.scope, tx.name, key)
	if err != nil {
		return nil, err
	}
	p := &Record{tx: tx, key: key, opened: o}
	p.RecordEditor = o.record.Edit(key, crdt.EditOptions{Dot: tx.dot, Delete: tx.r.deletePolicyOf(tx.name), Index: &tx.index,
		Versioned: tx.r.versioned(tx.name)})
	tx.records = append(tx.records, p)
	if tx.byKey != nil {
		tx.byKey[key] = p
	}
	return p, nil
}

// fewRecords is up to how many a search by comparing costs less than a map.
const fewRecords = 8

func (tx *Tx) find(key string) *Record {
	if tx.byKey == nil && len(tx.records) > fewRecords {
		tx.byKey = map[string]*Record{}
		for _, p := range tx.records {
			tx.byKey[p.key] = p
		}
	}
	if tx.byKey != nil {
		return tx.byKey[key]
	}
	for _, p := range tx.records {
		if p.key == key {
			return p
		}
	}
	return nil
}

const maxKeyBytes = crdt.MaxKeyBytes

func checkKey(key string) error {
	if key == "" || len(key) > maxKeyBytes {
		return fmt.Errorf("replica: key of %d bytes; want 1 to %d", len(key), maxKeyBytes)
	}
	if strings.ContainsRune(key, 0) || !validUTF8(key) {
		return fmt.Errorf("replica: key %q holds a zero byte or is not UTF-8", key)
	}
	return nil
}

func validUTF8(s string) bool { return strings.ToValidUTF8(s, "") == s }

// Transact makes one change over several records of a scope. scope is a
// collection, or the part of one that a policy partitions it by. The first
// error of edit, or of any field, aborts it and nothing is changed.
//
// edit runs with the replica locked: it must not call the replica, and should
// not wait for anything.
func (r *Replica) Transact(ctx context.Context, scope string, edit func(*Tx) error) error {
	return r.transact(ctx, scope, edit, nil)
}

// transact shows a record that the change touched to made, if it is not nil,
// before the replica is unlocked again.
func (r *Replica) transact(ctx context.Context, name string, edit func(*Tx) error, made func(*open)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := checkKey(name); err != nil {
		return err
	}
	b, err := r.locked(name, edit, made)
	if err != nil || b == nil || planted.Is(planted.AcknowledgedEarly) {
		return err
	}
	return r.await(b)
}

// locked runs change under the lock, and gives it back when edit panics too.
func (r *Replica) locked(name string, edit func(*Tx) error, made func(*open)) (*batch, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.change(name, edit, made)
}

// change runs edit and stages what it made. The caller holds r.mu; b is nil if
// nothing was changed.
func (r *Replica) change(name string, edit func(*Tx) error, made func(*open)) (b *batch, err error) {
	if err := r.usable(); err != nil {
		return nil, err
	}
	if err := r.space.writable(); err != nil {
		return nil, err
	}
	if err := r.renewed(); err != nil {
		return nil, err
	}
	if !isSystemScope(name) {
		if err := r.publish(); err != nil {
			return nil, err
		}
	}
	s := r.scopes[name]
	tx := &Tx{r: r, scope: s, name: name, dot: r.newDot(s),
		author: crdt.Author{Actor: r.options.Actor, Role: r.options.Role}}
	kept := false
	defer func() { // also when edit panics
		if !kept {
			tx.abort()
		}
	}()
	if err := edit(tx); err != nil {
		return nil, err
	}
	c, altered, err := tx.finish()
	if err != nil || c == nil {
		return nil, err
	}
	if s != nil {
		if err := r.roomFor(s, c.Dot.Origin); err != nil {
			return nil, err
		}
	}
	encoded := c.Encode()
	if err := c.Check(encoded); err != nil {
		return nil, fmt.Errorf("replica: %w", err)
	}
	if len(encoded) > maxChangeBytes {
		return nil, fmt.Errorf("replica: change of %d bytes: %w", len(encoded), &codec.LimitError{What: "change", Got: uint64(len(encoded)), Max: maxChangeBytes})
	}
	kept = true
	var g group
	s = r.scope(name, &g)
	hash := crdt.HashOf(encoded)
	var events []Event
	opens := make([]*open, len(altered))
	for i, p := range altered {
		p.Commit(c, hash.Digest())
		opens[i] = p.opened
		events = r.event(events, s, c, &c.Parts[i], p.opened, true)
		if made != nil {
			made(p.opened)
		}
	}
	r.enter(&g, &entry{scope: s, change: c, encoded: encoded, hash: hash, fate: Applied, opens: opens})
	return r.stage(g, events...), nil
}

// maxChangeBytes keeps a change within one transaction of the store and one
// message.
const maxChangeBytes = 2 << 20

// ErrTooLarge is wrapped when a change passes the limit; split it.
var ErrTooLarge = codec.ErrLimit

// finish collects the parts of the records that were altered; c is nil if none
// was.
func (tx *Tx) finish() (c *crdt.Change, altered []*Record, err error) {
	slices.SortFunc(tx.records, func(a, b *Record) int { return strings.Compare(a.key, b.key) })
	c = &crdt.Change{Dot: tx.dot, Author: tx.author, Parts: make([]crdt.Part, 0, len(tx.records))}
	if tx.scope != nil && tx.scope.floor != nil {
		c.Floor = tx.scope.floor.Ref
	}
	if err := tx.testify(); err != nil {
		return nil, nil, err
	}
	altered = make([]*Record, 0, len(tx.records))
	for _, p := range tx.records {
		part, changed, err := p.Part(p.create)
		if err != nil {
			return nil, nil, fmt.Errorf("replica: record %q: %w", p.key, err)
		}
		if changed {
			c.Parts = append(c.Parts, part)
			altered = append(altered, p)
		}
	}
	if len(c.Parts) == 0 {
		return nil, nil, nil
	}
	if err := c.Author.Check(); err != nil {
		return nil, nil, fmt.Errorf("replica: %w", err)
	}
	if !isSystemScope(tx.name) {
		c.Author.Policy = tx.r.active.Load().version.cite
	}
	if err := tx.r.checkWrite(tx.name, c); err != nil {
		return nil, nil, err
	}
	if c.Stamp, err = tx.r.hlc.Now(); err != nil {
		return nil, nil, fmt.Errorf("replica: clock: %w", err)
	}
	return c, altered, nil
}

// abort takes back what was done to the records.
func (tx *Tx) abort() {
	for _, p := range tx.records {
		p.Undo()
	}
}
