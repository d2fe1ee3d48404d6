package proptest

import (
	"errors"
	"fmt"
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/merge"
)

// documentKey is the key of the record that histories are about.
const documentKey = "1"

// The bounds of what a stored document may hold.
const (
	maxDocumentBytes = 1 << 24
	maxWaiting       = 1 << 12
)

// Document is one replica of one record: what package replica makes of it, with
// its changes in memory. Changes that lack their heads wait.
//
// It is a handle: copies share the replica. Not safe for concurrent use.
type Document struct{ *document }

type document struct {
	replica *Replica
	rules   *merge.CollectionRules
	record  crdt.Record
	waiting []*crdt.Change // sorted by dot
}

// View is what the record shows under its policy.
func (d Document) View() merge.RecordView { return merge.View(&d.record, d.rules) }

// Value is what one field shows, nil if it is not there.
func (d Document) Value(field string) any { return d.View().Values()[field] }

// Record is the state. It must not be modified.
func (d Document) Record() *crdt.Record { return &d.record }

// Edit makes one change as an author, who saw a version of the record, or with
// nil the record as it is, and applies it. It returns nil if nothing was altered.
// A change that the policy refuses is taken back: the error is that of
// [merge.Collection.CheckWrite].
func (d Document) Edit(author crdt.Author, seen *clock.VersionVector, edit func(*crdt.RecordEditor)) (*crdt.Change, error) {
	r := d.replica
	dot := clock.Dot{Origin: r.Origin(), N: d.record.Vector().Get(r.Origin()) + 1}
	e := d.record.Edit(documentKey, crdt.EditOptions{
		Dot: dot, Seen: seen, Delete: d.rules.Collection().Delete,
		Versioned: func(field string) bool { return d.rules.Field(field).Versioned() },
	})
	edit(e)
	part, changed, err := e.Part(false)
	if err == nil && changed {
		err = d.rules.Collection().CheckWrite(&part, author.Role)
	}
	if err != nil || !changed {
		e.Undo()
		return nil, err
	}
	stamp, err := r.HLC().Now()
	if err != nil {
		e.Undo()
		return nil, fmt.Errorf("proptest: %w", err)
	}
	c := &crdt.Change{Dot: dot, Stamp: stamp, Author: author, Parts: []crdt.Part{part}}
	e.Commit(c, crdt.HashOf(c.Encode()).Digest())
	return c, nil
}

// take applies a change, or keeps it until its heads are here, and then looks
// at those that wait.
func (d Document) take(c *crdt.Change) error {
	if len(c.Parts) != 1 {
		return fmt.Errorf("proptest: change %v has %d parts", c.Dot, len(c.Parts))
	}
	if d.record.Contains(c.Dot) {
		return nil
	}
	if i, found := d.findWaiting(c.Dot); !found {
		d.waiting = slices.Insert(d.waiting, i, c)
	}
	return d.retry()
}

func (d Document) findWaiting(dot clock.Dot) (int, bool) {
	return slices.BinarySearchFunc(d.waiting, dot, func(c *crdt.Change, dot clock.Dot) int { return c.Dot.Compare(dot) })
}

func (d Document) retry() error {
	var faults []error
	for again := true; again; {
		again = false
		d.waiting = slices.DeleteFunc(d.waiting, func(c *crdt.Change) bool {
			p := &c.Parts[0]
			if d.record.Contains(c.Dot) {
				return true
			}
			if len(d.record.Missing(p)) > 0 {
				return false
			}
			if err := d.record.Check(c, p); err != nil {
				faults = append(faults, err)
				return true
			}
			d.replica.HLC().Observe(c.Stamp)
			again = d.record.Apply(c, p, crdt.HashOf(c.Encode()).Digest(), nil) || again
			return true
		})
	}
	return errors.Join(faults...)
}

// join takes over all that another replica has.
func (d Document) join(o Document) error {
	d.record.Join(&o.record, nil)
	for _, dot := range o.record.Heads() {
		if m, ok := o.record.Meta(dot); ok {
			d.replica.HLC().Observe(m.Stamp)
		}
	}
	for _, c := range o.waiting {
		if err := d.take(c); err != nil {
			return err
		}
	}
	return d.retry()
}

func (d Document) encode() []byte {
	var stored codec.Writer
	d.record.Write(&stored)
	var w codec.Writer
	w.Blob(stored.Bytes())
	w.Uvarint(uint64(len(d.waiting)))
	for _, c := range d.waiting {
		w.Blob(c.Encode())
	}
	return w.Bytes()
}

func decodeDocument(rules *merge.CollectionRules, replica *Replica, b []byte) (Document, error) {
	r := codec.NewReader(b)
	record, err := crdt.DecodeRecord(r.Blob("record", maxDocumentBytes))
	if err = errors.Join(r.Err(), err); err != nil {
		return Document{}, fmt.Errorf("proptest: decode document: %w", err)
	}
	d := Document{&document{replica: replica, rules: rules, record: *record}}
	for range r.Count("waiting changes", maxWaiting, 1) {
		c, err := crdt.DecodeChange(r.Blob("change", maxDocumentBytes))
		if err = errors.Join(r.Err(), err); err != nil {
			return Document{}, fmt.Errorf("proptest: decode document: %w", err)
		}
		d.waiting = append(d.waiting, c)
	}
	if err := r.Close(); err != nil {
		return Document{}, fmt.Errorf("proptest: decode document: %w", err)
	}
	return d, nil
}
