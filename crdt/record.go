package crdt

import (
	"errors"
	"fmt"
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
)

// Record is the state of one record: fields under one version vector, and its
// existence. Changes are applied after their heads, so what is applied is
// always causally closed and the vector is exact.
//
// Existence is a set of births. Two replicas that create one key apart make one
// record with two births; a deletion ends the births that it names and no
// others, and nothing is dropped by it, so a later rule or restore can decide
// otherwise.
//
// Apply costs what the change weighs, Join what both records weigh, Digest
// O(writers and births).
//
// Not safe for concurrent use. The zero value is a record without births.
type Record struct {
	State
	heads     []clock.Dot // sorted
	births    map[clock.Dot]Birth
	deletions map[clock.Dot]Deletion
	restores  map[clock.Dot]struct{ deletions []clock.Dot } // by the restoring change
}

// Errors that refuse a change. They follow from the change and what came causally
// before it, so every replica gives the same verdict.
var (
	// ErrShapeMismatch means that a patch treats a field as another shape than
	// the record has under the same key and type.
	ErrShapeMismatch = errors.New("crdt: shape does not match the record's")
	// ErrBirths means that a change names no birth and is none.
	ErrBirths = errors.New("crdt: change names no birth of the record")
	// ErrFork means that a reference names another change than the one that
	// the record has under that dot.
	ErrFork = errors.New("crdt: reference to another change under a known dot")
)

// Missing lists what a part waits for: the changes that it names as heads,
// births or superseded, and that the record has not applied. Heads imply the
// rest in what honest replicas write.
func (r *Record) Missing(p *Part) (missing []clock.Dot) {
	for _, refs := range [][]Ref{p.Heads, p.Births, p.Saw, p.Restore} {
		for _, ref := range refs {
			if !r.context.Contains(ref.Dot) {
				missing = append(missing, ref.Dot)
			}
		}
	}
	if p.Delete != nil {
		for _, ref := range p.Delete.Births {
			if !r.context.Contains(ref.Dot) {
				missing = append(missing, ref.Dot)
			}
		}
	}
	slices.SortFunc(missing, clock.Dot.Compare)
	return slices.Compact(missing)
}

// Check decides whether a part whose references are here can be applied. The
// error wraps [ErrShapeMismatch], [ErrBirths], [ErrFork] or a sequence's error,
// and says which field. Check changes nothing.
func (r *Record) Check(c *Change, p *Part) error {
	if p.Birth == nil && len(p.Births) == 0 && p.Delete == nil && len(p.Restore) == 0 {
		return fmt.Errorf("record %q, change %v: %w", p.Key, c.Dot, ErrBirths)
	}
	for _, refs := range [][]Ref{p.Heads, p.Births, p.Saw, p.Restore} {
		for _, ref := range refs {
			if m, ok := r.metas.get(ref.Dot); ok && m.Digest != ref.Digest {
				return fmt.Errorf("record %q, change %v names %v: %w", p.Key, c.Dot, ref.Dot, ErrFork)
			}
		}
	}
	for _, ref := range p.Births {
		if _, ok := r.births[ref.Dot]; !ok {
			return fmt.Errorf("record %q, change %v names %v: %w", p.Key, c.Dot, ref.Dot, ErrBirths)
		}
	}
	if p.Patch == nil {
		return nil
	}
	for _, k := range p.Patch.Kids {
		n := r.root.kid(k.Key)
		if !n.fits(k.Patch) {
			return fmt.Errorf("record %q, field %q (%v): %w", p.Key, k.Key.Name, k.Key.Type, ErrShapeMismatch)
		}
		if err := n.check(k.Key.Type, k.Patch); err != nil {
			return fmt.Errorf("record %q, field %q: %w", p.Key, k.Key.Name, err)
		}
	}
	return nil
}

// check looks at the contents that types give to their entries.
func (n *node) check(t Type, p *Patch) error {
	switch p.Shape {
	case Grown:
		if t == TypeText {
			var g *grown
			if n != nil {
				g = n.grown
			}
			return g.checkText(p.Grow)
		}
	case Entries:
		for _, e := range p.Add {
			if err := checkEntry(t, e); err != nil {
				return err
			}
		}
	case Keyed:
		for _, c := range p.Kids {
			if err := n.kid(c.Key).check(c.Key.Type, c.Patch); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkEntry refuses bytes that the type of an entry cannot mean.
func checkEntry(t Type, e Entry) error {
	switch t {
	case TypeRegister:
		return codec.CheckValue(e.Value)
	case TypeCounter:
		_, err := readRun(e.Value)
		return err
	case TypeElement:
		if len(e.Value) != 0 {
			return codec.ErrMalformed
		}
	}
	return nil
}

// Apply takes a part of a change whose references are here and which Check
// accepted. A change that was applied before changes nothing and gives false.
func (r *Record) Apply(c *Change, p *Part, digest uint32, emit func(Event)) bool {
	if r.context.Contains(c.Dot) {
		return false
	}
	r.note(c.Dot, p)
	return r.apply(c.Dot, r.meta(c, p, digest), p.Patch, listen(emit))
}

// ApplyVoid enters a rejected change: it counts for clocks and heads, so that
// what follows it is not blocked, and has no effect.
func (r *Record) ApplyVoid(c *Change, p *Part, digest uint32) bool {
	if r.context.Contains(c.Dot) {
		return false
	}
	r.advanceHeads(c.Dot, Dots(p.Heads))
	m := r.meta(c, p, digest)
	m.Births, m.Edits = nil, false
	return r.apply(c.Dot, m, nil, nil)
}

// note enters what a part says of heads and existence.
func (r *Record) note(d clock.Dot, p *Part) {
	r.advanceHeads(d, Dots(p.Heads))
	if p.Birth != nil {
		if r.births == nil {
			r.births = map[clock.Dot]Birth{}
		}
		r.births[d] = *p.Birth
	}
	if p.Delete != nil {
		if r.deletions == nil {
			r.deletions = map[clock.Dot]Deletion{}
		}
		r.deletions[d] = *p.Delete
	}
	if len(p.Restore) > 0 {
		if r.restores == nil {
			r.restores = map[clock.Dot]struct{ deletions []clock.Dot }{}
		}
		r.restores[d] = struct{ deletions []clock.Dot }{Dots(p.Restore)}
	}
}

func (r *Record) advanceHeads(d clock.Dot, seen []clock.Dot) {
	r.heads = slices.DeleteFunc(r.heads, func(h clock.Dot) bool { return slices.Contains(seen, h) })
	i, _ := slices.BinarySearchFunc(r.heads, d, clock.Dot.Compare)
	r.heads = slices.Insert(r.heads, i, d)
}

// meta derives the effective stamp: at least one above those of the heads, so
// that no clock can order a change before what it saw.
func (r *Record) meta(c *Change, p *Part, digest uint32) Meta {
	m := Meta{Stamp: c.Stamp, Author: &c.Author, Digest: digest, Heads: Dots(p.Heads), Births: Dots(p.Births), Edits: p.Patch != nil}
	for _, h := range m.Heads {
		if hm, ok := r.metas.get(h); ok && hm.Stamp >= m.Stamp {
			m.Stamp = hm.Stamp.Next()
		}
	}
	if p.Birth != nil {
		m.Births = insertDot(m.Births, c.Dot)
	}
	// Changes of one author to one record nearly always agree with the one
	// before; sharing keeps a long text's table small.
	if len(m.Heads) == 1 {
		if hm, ok := r.metas.get(m.Heads[0]); ok {
			if *hm.Author == c.Author {
				m.Author = hm.Author
			}
			if slices.Equal(hm.Births, m.Births) {
				m.Births = hm.Births
			}
		}
	}
	return m
}

func insertDot(ds []clock.Dot, d clock.Dot) []clock.Dot {
	i, found := slices.BinarySearchFunc(ds, d, clock.Dot.Compare)
	if found {
		return ds
	}
	return slices.Insert(ds, i, d)
}

// Join takes over everything that o has applied.
func (r *Record) Join(o *Record, emit func(Event)) {
	if r == o {
		return
	}
	var heads []clock.Dot
	for _, h := range r.heads {
		if slices.Contains(o.heads, h) || !o.context.Contains(h) {
			heads = append(heads, h)
		}
	}
	for _, h := range o.heads {
		if !slices.Contains(heads, h) && !r.context.Contains(h) {
			heads = append(heads, h)
		}
	}
	slices.SortFunc(heads, clock.Dot.Compare)
	r.heads = heads
	for d, b := range o.births {
		r.note0().births[d] = b
	}
	for d, x := range o.deletions {
		r.note0().deletions[d] = x
	}
	for d, x := range o.restores {
		r.note0().restores[d] = x
	}
	r.State.Join(&o.State, emit)
}

// note0 makes the maps of existence.
func (r *Record) note0() *Record {
	if r.births == nil {
		r.births = map[clock.Dot]Birth{}
	}
	if r.deletions == nil {
		r.deletions = map[clock.Dot]Deletion{}
	}
	if r.restores == nil {
		r.restores = map[clock.Dot]struct{ deletions []clock.Dot }{}
	}
	return r
}

// Heads are the changes that no other applied change has seen, sorted. The
// slice must not be modified.
func (r *Record) Heads() []clock.Dot { return r.heads }

// Births lists all births, live or not, in canonical order.
func (r *Record) Births() []clock.Dot { return sortedDots(r.births) }

// Birth returns what a birth says of its parent.
func (r *Record) Birth(d clock.Dot) (Birth, bool) { b, ok := r.births[d]; return b, ok }

func sortedDots[V any](m map[clock.Dot]V) []clock.Dot {
	ds := make([]clock.Dot, 0, len(m))
	for d := range m {
		ds = append(ds, d)
	}
	slices.SortFunc(ds, clock.Dot.Compare)
	return ds
}

// DeletePolicy says what an edit does to a concurrent deletion.
type DeletePolicy uint8

const (
	// DeleteWins hides a record once a deletion names all of its births; a
	// concurrent edit is kept as an orphan and can be restored.
	DeleteWins DeletePolicy = iota
	// UpdateWins voids a deletion for a birth that someone edited without
	// having seen the deletion.
	UpdateWins
)

// Live lists the births that are not deleted, in canonical order.
func (r *Record) Live(policy DeletePolicy) []clock.Dot {
	live := r.Births()
	if len(r.deletions) == 0 {
		return live
	}
	restored := map[clock.Dot]bool{}
	for _, x := range r.restores {
		for _, d := range x.deletions {
			restored[d] = true
		}
	}
	return slices.DeleteFunc(live, func(b clock.Dot) bool {
		for d, x := range r.deletions {
			if restored[d] || !slices.ContainsFunc(x.Births, func(ref Ref) bool { return ref.Dot == b }) {
				continue
			}
			if policy == UpdateWins && r.editedBeside(b, &x.Seen) {
				continue
			}
			return true
		}
		return false
	})
}

// editedBeside reports whether an edit under birth b lies outside seen.
func (r *Record) editedBeside(b clock.Dot, seen *clock.VersionVector) bool {
	for o, rows := range r.metas.origins {
		for i := len(rows) - 1; i >= 0 && rows[i].n > seen.Get(o); i-- {
			if rows[i].Edits && slices.Contains(rows[i].Births, b) {
				return true
			}
		}
	}
	return false
}

// Digest is a hash of the record's normal form: births, existence, version
// vector and live entries. See [State.Digest].
func (r *Record) Digest() Hash {
	w := codec.NewWriter(make([]byte, 0, 512))
	for _, d := range r.Births() {
		w.Raw(d.Origin.Replica[:])
		w.Uint64(d.Origin.Incarnation)
		w.Uint64(d.N)
	}
	r.writeNormal(w)
	return hash16(w.Bytes())
}
