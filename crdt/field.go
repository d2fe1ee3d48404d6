package crdt

import (
	"iter"
	"math/big"
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/internal/planted"
)

// Field reads one field of a state: what is there, before any overlay.
//
// It is valid until the state changes, and may be read by several goroutines until
// then. Get one from [Record.Field], [Record.Fields], [Field.Kids] or
// [Map.Field]; the methods are those of one type each, and one of another type
// than the field's reads it wrongly or not at all.
type Field struct {
	state *State
	rec   *Record // nil outside a record
	live  []clock.Dot
	left  func(clock.Dot) bool // the changes that are read over; nil means none
	key   Key
	node  *node
}

// Name is the field's name, or a map's key.
func (f Field) Name() string { return f.key.Name }

// Type is the field's type.
func (f Field) Type() Type { return f.key.Type }

// Fields lists the fields of the record in canonical order: by name, then type.
// What is left of fields whose every entry was removed is not listed. Entries
// of births that policy counts as deleted are not read.
func (r *Record) Fields(policy DeletePolicy) iter.Seq[Field] {
	root := Field{state: &r.State, rec: r, node: &r.root}
	if r.hides() {
		root.live = r.live(policy)
	} else {
		root.rec = nil // nothing to leave out
	}
	return root.Kids()
}

// hides reports whether there may be entries that do not count.
func (r *Record) hides() bool { return len(r.deletions) > 0 || r.mixed }

// Field is one field of the record, readable as empty when it is not there.
func (r *Record) Field(name string, t Type, policy DeletePolicy) Field {
	f := Field{state: &r.State, key: Key{name, t}, node: r.root.kid(slotOf(name, t))}
	if r.hides() {
		f.rec, f.live = r, r.live(policy)
	}
	return f
}

// counts reports whether an entry's change has a live birth, and is not read
// over.
func (f Field) counts(d clock.Dot) bool {
	if f.left != nil && f.left(d) {
		return false
	}
	if f.rec == nil || planted.Is(planted.OrphansShown) {
		return true
	}
	return slices.ContainsFunc(f.rec.birthsOf(d), func(b clock.Dot) bool { return slices.Contains(f.live, b) })
}

// Kids lists the fields of a map that are there, in canonical order: by name, then
// type. O(n log n) for n keys that were ever written here.
func (f Field) Kids() iter.Seq[Field] {
	return func(yield func(Field) bool) {
		for _, k := range f.node.fieldSlots() {
			if c := f.kid(k); f.visible(c) && !yield(c) {
				return
			}
		}
	}
}

// fieldSlots lists what a keyed node may show, in canonical order: its children,
// and the containers that are known by their presence alone. Whether an empty
// child has a node is a trace of how a replica came to its state, so what is
// shown must not hang on it.
func (n *node) fieldSlots() []slot {
	if n == nil {
		return nil
	}
	ks := make([]slot, 0, len(n.kids))
	for k, c := range n.kids {
		switch k.Type {
		case TypeElement, TypeVerdict, TypeEvidence: // not for readers of fields
		case TypePresence:
			for e := range c.all() {
				if t := presenceOf(e); t.isContainer() {
					ks = append(ks, slotOf(k.Name, t))
				}
			}
		default:
			ks = append(ks, k)
		}
	}
	slices.SortFunc(ks, slot.compare)
	return slices.Compact(ks)
}

// isContainer reports whether a field of the type can be there while empty.
func (t Type) isContainer() bool {
	return t == TypeSet || t == TypeMap || t == TypeText || t == TypeList
}

func (f Field) kid(k slot) Field {
	c := f
	c.key, c.node = k.Key, f.node.kids[k]
	if c.node == nil {
		c.node = newNode(k)
	}
	return c
}

// visible reports whether a child is there for a reader: it has content, or it
// was made and not deleted. At the top of a record a text that was emptied is
// there too, having no presence of its own, unless all that was ever in it went
// with a deleted birth.
func (f Field) visible(c Field) bool {
	if c.hasContent() {
		return true
	}
	if f.node == &f.state.root {
		return c.node.shape == Grown && c.grew()
	}
	p := f.node.kid(slotOf(c.key.Name, TypePresence))
	return c.key.Type.isContainer() && slices.ContainsFunc(f.entries(p), func(e Entry) bool { return presenceOf(e) == c.key.Type })
}

func (f Field) hasContent() bool {
	switch f.node.shape {
	case Entries:
		return len(f.entries(f.node)) > 0
	case Grown:
		if seq := f.node.grown.seq; seq != nil {
			return seq.shows(f)
		}
		return f.grew()
	}
	for k := range f.node.kids {
		if k.Type == TypeElement && f.kid(k).hasContent() {
			return true
		}
	}
	for range f.Kids() {
		return true
	}
	return false
}

// grew reports whether a change that counts added to a grown field. Of a
// sequence what was deleted again is asked too: O(changes of the field) where
// none counts.
func (f Field) grew() bool {
	g := f.node.grown
	switch {
	case f.rec == nil && f.left == nil:
		return !g.empty()
	case g.seq != nil:
		return g.seq.grew(f)
	case f.settledStock() != nil:
		return true
	}
	for id := range g.raw {
		if f.counts(id.Dot) {
			return true
		}
	}
	return false
}

// Candidates lists the siblings of a register in canonical order. It decodes each:
// O(bytes of the siblings).
func (f Field) Candidates() []Candidate {
	if f.node == nil {
		return nil
	}
	es := f.entries(f.node)
	cs := make([]Candidate, 0, len(es))
	for _, e := range es {
		if c, ok := f.candidate(e); ok {
			cs = append(cs, c)
		}
	}
	return cs
}

func (f Field) candidate(e Entry) (Candidate, bool) {
	v, err := codec.DecodeValue(e.Value)
	if err != nil {
		return Candidate{}, false // Check lets no such entry in
	}
	m, _ := f.state.metas.get(e.ID.Dot)
	return Candidate{e.ID, v, m}, true
}

// Count is the sum of a counter, exact. O(entries), see [CounterField].
func (f Field) Count() *big.Int {
	if f.node == nil {
		return new(big.Int)
	}
	return sumOf(f.runs(f.node))
}

// Elements lists the elements of a set in the order of their encodings. O(n log n)
// for n elements that were ever added here.
func (f Field) Elements() []any {
	vs := []any{}
	for _, k := range f.node.sortedSlots() {
		n := f.node.kids[k]
		if k.Type != TypeElement || !holds(f.entries(n)) {
			continue
		}
		if v, err := codec.DecodeValue([]byte(k.Name)); err == nil {
			vs = append(vs, v)
		}
	}
	return vs
}

// Text is the content of a text. O(bytes), and in a record with deletions, where
// each character is looked up, O(bytes log n).
func (f Field) Text() string {
	if f.node == nil || f.node.grown == nil || f.node.grown.seq == nil {
		return ""
	}
	return f.node.grown.seq.string(f)
}
