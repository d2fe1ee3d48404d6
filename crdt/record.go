package crdt

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/internal/planted"
)

// Record is the state of one record: fields under one version vector, and its
// existence. Changes are applied after their heads, so what is applied is
// always causally closed and the vector is exact: what it has of an origin are
// that origin's changes to this record up to a number, the ones between being of
// other records.
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
	born      []clock.Dot // the keys of births, sorted
	deletions map[clock.Dot]Deletion
	restores  map[clock.Dot][]clock.Dot // the deletions that a change took back
	base      *base                     // what settle marks folded; nil before the first
	mixed     bool                      // there may be content of births that are gone
}

// Errors that refuse a change. They follow from the change and what came causally
// before it, so every replica gives the same verdict.
var (
	// ErrShapeMismatch means that a patch gives a type of this version another
	// shape than it has.
	ErrShapeMismatch = errors.New("crdt: type does not have this shape")
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
	for _, refs := range p.references() {
		for _, ref := range refs {
			if !r.Contains(ref.Dot) && !planted.Is(planted.HeadsIgnored) {
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
	for _, refs := range p.references() {
		for _, ref := range refs {
			if m, ok := r.metas.peek(ref.Dot); ok && m.digest != ref.Digest {
				return fmt.Errorf("record %q, change %v names %v: %w", p.Key, c.Dot, ref.Dot, ErrFork)
			}
		}
	}
	for _, ref := range p.Births {
		if _, ok := r.births[ref.Dot]; !ok && !r.floor.Covers(ref.Dot) {
			return fmt.Errorf("record %q, change %v names %v: %w", p.Key, c.Dot, ref.Dot, ErrBirths)
		}
	}
	if p.Patch == nil {
		return nil
	}
	if err := r.check(p.Patch); err != nil {
		return fmt.Errorf("record %q, %w", p.Key, err)
	}
	return nil
}

// check looks at every field of a patch.
func (s *State) check(p *Patch) error {
	for _, c := range p.Kids {
		if err := s.root.kid(c.slot()).check(c.Key.Type, c.Patch); err != nil {
			return fmt.Errorf("field %q: %w", c.Key.Name, err)
		}
	}
	return nil
}

// check looks at the contents that types give to their entries.
func (n *node) check(t Type, p *Patch) error {
	if want, known := t.shape(); known && want != p.Shape.state() {
		return fmt.Errorf("%v as %v: %w", t, p.Shape, ErrShapeMismatch)
	}
	switch p.Shape {
	case Grown:
		var g *grown
		if n != nil {
			g = n.grown
		}
		return g.check(t, p.Grow)
	case Entries, Versioned:
		for _, e := range p.Add {
			if err := checkEntry(t, e); err != nil {
				return err
			}
		}
	case Keyed:
		for _, c := range p.Kids {
			if err := n.kid(c.slot()).check(c.Key.Type, c.Patch); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkEntry refuses bytes that the type of an entry cannot mean.
func checkEntry(t Type, e Entry) (err error) {
	switch t {
	case TypeRegister, TypeItem:
		return codec.CheckValue(e.Value)
	case TypeGroup:
		return checkGroup(e.Value)
	case TypeCounter:
		err = checkCounter(e)
	case TypeBounded:
		_, err = readBoundedEntry(e)
	case TypePresence:
		err = checkPresence(e.Value)
	case TypeDisableFlag:
		if !isMark(e.Value) {
			err = codec.ErrMalformed
		}
	case TypeFlag:
		if len(e.Value) != 0 {
			err = codec.ErrMalformed
		}
	}
	return err
}

// Apply takes a part of a change whose references are here and which Check
// accepted. A change that was applied before changes nothing and gives false.
func (r *Record) Apply(c *Change, p *Part, digest uint32, emit func(Event)) bool {
	if r.Contains(c.Dot) {
		return false
	}
	r.note(c.Dot, p)
	return r.apply(c.Dot, 1, r.meta(c, p, digest), p.Patch, listen(emit))
}

// ApplyVoid enters a rejected change: it counts for clocks and heads, so that
// what follows it is not blocked, and has no effect.
func (r *Record) ApplyVoid(c *Change, p *Part, digest uint32) bool {
	if r.Contains(c.Dot) {
		return false
	}
	if !planted.Is(planted.VoidBlocks) {
		r.advanceHeads(c.Dot, p.Heads)
	}
	m := r.meta(c, p, digest)
	if planted.Is(planted.VoidTakesEffect) {
		return r.apply(c.Dot, 1, m, p.Patch, nil)
	}
	m.Births, m.Edits = nil, false
	return r.apply(c.Dot, 1, m, nil, nil)
}

// note enters what a part says of heads and existence.
func (r *Record) note(d clock.Dot, p *Part) {
	r.advanceHeads(d, p.Heads)
	for _, ref := range p.Births {
		if _, born := r.births[ref.Dot]; !born {
			r.mixed = true
		}
	}
	if p.Birth != nil {
		r.bear(d, *p.Birth)
	}
	if p.Delete != nil {
		enter(&r.deletions, d, *p.Delete)
		if planted.Is(planted.LocalPurge) {
			r.births, r.born = nil, nil
		}
	}
	if len(p.Restore) > 0 {
		enter(&r.restores, d, Dots(p.Restore))
		if planted.Is(planted.RestoreRemoves) {
			clear(r.deletions)
		}
	}
}

// enter keeps what the change d says of existence.
func enter[V any](m *map[clock.Dot]V, d clock.Dot, v V) {
	if *m == nil {
		*m = map[clock.Dot]V{}
	}
	(*m)[d] = v
}

func (r *Record) advanceHeads(d clock.Dot, seen []Ref) {
	r.heads = slices.DeleteFunc(r.heads, func(h clock.Dot) bool {
		return slices.ContainsFunc(seen, func(ref Ref) bool { return ref.Dot == h })
	})
	i, _ := slices.BinarySearchFunc(r.heads, d, clock.Dot.Compare)
	r.heads = slices.Insert(r.heads, i, d)
}

// meta derives the effective stamp: at least one above those of the heads, so
// that no clock can order a change before what it saw.
func (r *Record) meta(c *Change, p *Part, digest uint32) Meta {
	m := Meta{Digest: digest, Heads: Dots(p.Heads), Edits: p.Patch != nil, Mark: r.floor.Find(c.Floor)}
	if m.Stamp = r.above(r.moved.Correct(c.Dot, c.Stamp, nil), m.Heads); m.Stamp != c.Stamp {
		enter(&r.metas.written, c.Dot, c.Stamp)
	}
	// Changes of one origin to one record nearly always agree with the one
	// before; sharing keeps a long text's table small.
	if before, ok := r.metas.before(c.Dot); ok {
		if *before.author == c.Author {
			m.Author = before.author
		}
		if p.Birth == nil && slices.EqualFunc(before.births, p.Births, func(d clock.Dot, ref Ref) bool { return d == ref.Dot }) {
			m.Births = before.births
		}
	}
	if m.Births == nil {
		m.Births = Dots(p.Births)
		if p.Birth != nil {
			m.Births = insertDot(m.Births, c.Dot)
		}
	}
	if m.Author == nil {
		author := c.Author // a copy: the change need not be kept for it
		m.Author = &author
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

// Heads are the changes that no other applied change has seen, sorted. The
// slice must not be modified.
func (r *Record) Heads() []clock.Dot { return r.heads }

// bear adds a birth.
func (r *Record) bear(d clock.Dot, b Birth) {
	enter(&r.births, d, b)
	// A new slice: the one before may have been given out.
	r.born = insertDot(slices.Clip(r.born), d)
}

// Births lists all births, live or not, in canonical order. The slice must not
// be modified.
func (r *Record) Births() []clock.Dot { return r.born }

// Birth returns what a birth says of its parent, and whether d is a birth.
func (r *Record) Birth(d clock.Dot) (Birth, bool) { b, ok := r.births[d]; return b, ok }

func sortedDots[V any](m map[clock.Dot]V) []clock.Dot {
	return slices.SortedFunc(maps.Keys(m), clock.Dot.Compare)
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

// Live lists the births that are not deleted, in canonical order. The slice is
// the caller's.
func (r *Record) Live(policy DeletePolicy) []clock.Dot { return slices.Clone(r.live(policy)) }

// live is Live, and may give the record's own slice.
func (r *Record) live(policy DeletePolicy) []clock.Dot {
	if len(r.deletions) == 0 {
		return r.born
	}
	return slices.DeleteFunc(slices.Clone(r.born), func(b clock.Dot) bool { return r.endedIn(b, nil, policy) })
}

// Digest is a hash of the record's normal form: births, existence, version
// vector and live entries. See [State.Digest].
func (r *Record) Digest() Hash {
	w := codec.NewWriter(make([]byte, 0, 512))
	births := r.Births()
	w.Uvarint(uint64(len(births)))
	for _, d := range births {
		writeFullDot(w, d)
	}
	r.writeNormal(w)
	return HashOf(w.Bytes())
}
