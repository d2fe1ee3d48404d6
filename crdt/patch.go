package crdt

import (
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
)

// Patch is the part of a delta that lies at and below one node: what one
// change adds and which entries it supersedes, by name. It carries its own
// causal information (the change's dot and the names), so joining it twice, or
// late, has the effect of joining it once.
//
// Patches are made by an [Editor] or read by [DecodeChange]. They must not be
// modified, and may be read by several goroutines then.
type Patch struct {
	Shape  Shape
	Add    []Entry      // sorted by index; all under the change's dot
	Remove []EntryID    // sorted
	Grow   []GrownEntry // sorted by index; all under the change's dot
	Kids   []PatchKid   // sorted by key
	// index finds kids while an editor appends them in the order of its edits;
	// prune sorts them.
	index map[Key]*Patch
}

// PatchKid is a child of a keyed patch.
type PatchKid struct {
	Key   Key
	Patch *Patch
}

// slot is where the kid is joined to.
func (k PatchKid) slot() slot { return slot{k.Key, k.Patch.Shape.state()} }

// ErrUnknownShape is returned for a delta with a shape of a later version: the
// change that carries it waits, with its bytes kept.
var ErrUnknownShape = errors.New("crdt: unknown shape")

func (p *Patch) empty() bool {
	return len(p.Add) == 0 && len(p.Remove) == 0 && len(p.Grow) == 0 && len(p.Kids) == 0
}

// kid returns the child in a slot, made when it is not there. An editor uses
// one slot under a key.
func (p *Patch) kid(k slot) *Patch {
	if p.index == nil {
		if i := slices.IndexFunc(p.Kids, func(c PatchKid) bool { return c.Key == k.Key }); i >= 0 {
			return p.Kids[i].Patch
		}
	} else if c := p.index[k.Key]; c != nil {
		return c
	}
	c := &Patch{Shape: k.shape}
	p.Kids = append(p.Kids, PatchKid{k.Key, c})
	if p.index == nil && len(p.Kids) > maxLinear {
		p.index = map[Key]*Patch{}
		for _, c := range p.Kids {
			p.index[c.Key] = c.Patch
		}
	} else if p.index != nil {
		p.index[k.Key] = c
	}
	return c
}

// maxLinear is up to how many kids are searched one by one.
const maxLinear = 8

// prune drops what turned out empty (added and taken back in one change) and
// sorts the rest.
func (p *Patch) prune() {
	p.Kids = slices.DeleteFunc(p.Kids, func(c PatchKid) bool {
		c.Patch.prune()
		return c.Patch.empty()
	})
	slices.SortFunc(p.Kids, func(a, b PatchKid) int { return a.Key.Compare(b.Key) })
	p.index = nil
	slices.SortFunc(p.Add, func(a, b Entry) int { return a.ID.Compare(b.ID) })
	slices.SortFunc(p.Remove, EntryID.Compare)
	p.Remove = slices.CompactFunc(p.Remove, func(a, b EntryID) bool { return a == b })
}

// walk visits p and everything below it, parents first, in canonical order.
func (p *Patch) walk(f func(p *Patch)) {
	f(p)
	for _, c := range p.Kids {
		c.Patch.walk(f)
	}
}

// dotTable numbers the dots that a change names, each with the digest of the
// change that it means. Sorted, so that a set of dots has one encoding.
type dotTable struct {
	dots    []clock.Dot
	digests []uint32
	used    []bool // on reading: every dot must be named by something
}

func (t *dotTable) number(d clock.Dot) uint64 {
	i, found := slices.BinarySearchFunc(t.dots, d, clock.Dot.Compare)
	if !found {
		panic(fmt.Sprintf("crdt: dot %v is not in the change's table", d))
	}
	return uint64(i)
}

func (t *dotTable) read(r *codec.Reader) clock.Dot {
	if len(t.dots) == 0 {
		r.Fail("dot", codec.ErrMalformed)
		return clock.Dot{}
	}
	i := r.UvarintMax("dot", uint64(len(t.dots)-1))
	if r.Err() != nil {
		return clock.Dot{}
	}
	t.used[i] = true
	return t.dots[i]
}

// The patch of a part is written as a stream of nodes, parents first: the
// shape opens a node, zero closes a keyed one.

func (p *Patch) write(w *codec.Writer, origins *clock.Table, dots *dotTable) {
	for _, c := range p.Kids {
		w.Byte(byte(c.Patch.Shape))
		w.String(c.Key.Name)
		w.Byte(byte(c.Key.Type))
		switch c.Patch.Shape {
		case Entries, Versioned:
			w.Uvarint(uint64(len(c.Patch.Add)))
			for _, e := range c.Patch.Add {
				w.Uvarint(uint64(e.ID.Index))
				w.Blob(e.Value)
			}
			w.Uvarint(uint64(len(c.Patch.Remove)))
			for _, id := range c.Patch.Remove {
				w.Uvarint(dots.number(id.Dot))
				w.Uvarint(uint64(id.Index))
			}
		case Grown:
			w.Uvarint(uint64(len(c.Patch.Grow)))
			for _, e := range c.Patch.Grow {
				w.Uvarint(uint64(e.ID.Index))
				w.Uvarint(uint64(len(e.Origins)))
				for _, o := range e.Origins {
					clock.WriteOrigin(w, origins, o)
				}
				w.Blob(e.Value)
			}
		case Keyed:
			c.Patch.write(w, origins, dots)
		}
	}
	w.Byte(0)
}

// readPatch reads a stream of nodes without recursion: depth is the length of
// the stack, and bounded.
func readPatch(r *codec.Reader, dot clock.Dot, origins *clock.Table, dots *dotTable, indexes *[]uint32) *Patch {
	root := &Patch{Shape: Keyed}
	stack := []*Patch{root}
	for r.Err() == nil {
		top := stack[len(stack)-1]
		s := Shape(r.Byte())
		if r.Err() != nil {
			break
		}
		if s == 0 {
			stack = stack[:len(stack)-1]
			if len(stack) == 0 {
				break
			}
			if len(top.Kids) == 0 {
				r.Fail("patch", codec.ErrNotCanonical)
			}
			continue
		}
		k := readKey(r)
		if s > Versioned {
			r.Fail(fmt.Sprintf("field %q", k.Name), ErrUnknownShape)
			break
		}
		if want, known := k.Type.shape(); known && want != s.state() {
			r.Fail(fmt.Sprintf("field %q", k.Name), codec.ErrMalformed)
		}
		if n := len(top.Kids); n > 0 && top.Kids[n-1].Key.Compare(k) >= 0 {
			r.Fail(fmt.Sprintf("field %q", k.Name), codec.ErrNotCanonical)
		}
		p := &Patch{Shape: s}
		top.Kids = append(top.Kids, PatchKid{k, p})
		switch s {
		case Entries, Versioned:
			p.readEntries(r, dot, dots, indexes)
		case Grown:
			p.readGrown(r, dot, origins, indexes)
		case Keyed:
			if len(stack) > codec.MaxDepth {
				r.Fail("nesting", &codec.LimitError{What: "nesting", Got: uint64(len(stack)), Max: codec.MaxDepth})
			}
			stack = append(stack, p)
		}
	}
	return root
}

// readKey reads a name and a type. The names of a set's elements are values, all
// others are text.
func readKey(r *codec.Reader) Key {
	k := Key{Name: string(r.Blob("name", maxNameBytes)), Type: Type(r.Byte())}
	switch {
	case r.Err() != nil:
	case k.Type == TypeElement:
		if err := codec.CheckValue([]byte(k.Name)); err != nil {
			r.Fail("element", err)
		}
	case k.Type == TypeItem:
		if _, err := parseElementName(k.Name); err != nil {
			r.Fail("item", err)
		}
	case !utf8.ValidString(k.Name):
		r.Fail("name", codec.ErrMalformed)
	}
	return k
}

func (p *Patch) readEntries(r *codec.Reader, dot clock.Dot, dots *dotTable, indexes *[]uint32) {
	n := r.Count("additions", maxEntries, 2)
	p.Add = make([]Entry, 0, n)
	for range n {
		e := Entry{ID: EntryID{dot, readIndex(r, indexes)}}
		e.Value = slices.Clone(r.Blob("value", maxValueBytes))
		if i := len(p.Add); i > 0 && p.Add[i-1].ID.Index >= e.ID.Index {
			r.Fail("additions", codec.ErrNotCanonical)
		}
		p.Add = append(p.Add, e)
	}
	n = r.Count("removals", maxEntries, 2)
	p.Remove = make([]EntryID, 0, n)
	for range n {
		id := EntryID{dots.read(r), uint32(r.UvarintMax("index", maxEntries))}
		if i := len(p.Remove); i > 0 && p.Remove[i-1].Compare(id) >= 0 {
			r.Fail("removals", codec.ErrNotCanonical)
		}
		p.Remove = append(p.Remove, id)
	}
	if len(p.Add)+len(p.Remove) == 0 {
		r.Fail("patch", codec.ErrNotCanonical)
	}
}

func (p *Patch) readGrown(r *codec.Reader, dot clock.Dot, origins *clock.Table, indexes *[]uint32) {
	n := r.Count("growth", maxEntries, 3)
	p.Grow = make([]GrownEntry, 0, n)
	for range n {
		e := GrownEntry{ID: EntryID{dot, readIndex(r, indexes)}}
		e.Origins = readOrigins(r, origins)
		e.Value = slices.Clone(r.Blob("growth", maxGrownBytes))
		if i := len(p.Grow); i > 0 && p.Grow[i-1].ID.Index >= e.ID.Index {
			r.Fail("growth", codec.ErrNotCanonical)
		}
		p.Grow = append(p.Grow, e)
	}
	if len(p.Grow) == 0 {
		r.Fail("patch", codec.ErrNotCanonical)
	}
}

// readOrigins reads the origins that a grown entry refers to.
func readOrigins(r *codec.Reader, t *clock.Table) []clock.Origin {
	n := r.Count("origins", t.Len(), 1)
	if n == 0 {
		return nil
	}
	os := make([]clock.Origin, 0, n)
	for range n {
		os = append(os, clock.ReadOrigin(r, t))
	}
	return os
}

// readIndex notes every index of the change: no two entries share a name.
func readIndex(r *codec.Reader, indexes *[]uint32) uint32 {
	i := uint32(r.UvarintMax("index", maxEntries))
	*indexes = append(*indexes, i)
	return i
}
