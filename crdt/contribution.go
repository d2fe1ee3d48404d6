package crdt

import (
	"iter"
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
)

// Contribution is one thing that a change did to a field, shown or not.
type Contribution struct {
	// Candidate names the entry, or only the change where this made none. The
	// value is what was written to a register or group, the element of a set, the
	// difference or count of a counter or stock, an entry of a log, what a
	// proposal proposes; nil for the rest.
	Candidate
	Path []string // the keys of maps below the field
	Node int      // which of the field's registers, elements and so on it is in
	Type Type     // of what is written to
	// SupersededBy names the changes that superseded it; sorted.
	SupersededBy []clock.Dot
	// Adds means that it stands beside what others do: it supersedes nothing.
	Adds bool
	// Removes means that it only takes away what SupersededBy of others says.
	Removes bool
	// Live reports whether a birth under which it was made is live.
	Live bool
}

// Written lists every field of the record that something was ever written to and
// is kept, shown or not, in canonical order.
func (r *Record) Written(policy DeletePolicy) []Field {
	root := Field{state: &r.State, rec: r, live: r.live(policy), node: &r.root}
	var fs []Field
	for _, k := range root.node.fieldSlots() {
		if f := root.kid(k); !f.node.empty() {
			fs = append(fs, f)
		}
	}
	return fs
}

// FieldAt is [Record.Field] as it was at a version, as far as the field is
// versioned: births and deletions that lie outside do not count. v must cover the
// last settle mark.
func (r *Record) FieldAt(name string, t Type, policy DeletePolicy, v *clock.VersionVector) Field {
	f := Field{state: &r.State, rec: r, live: r.liveAt(v, policy), key: Key{name, t}, node: r.root.kid(slotOf(name, t))}
	return f.At(v)
}

// Contributions lists what changes did to the field and below it, by node, then
// entry: all that is kept, whatever [Field.Without] leaves out, and also what went
// with deleted births.
//
// O(entries, and changes of a sequence).
func (f Field) Contributions() []Contribution {
	if f.node == nil {
		return nil
	}
	f.left = nil
	type place struct {
		path []string
		key  Key
		n    *node
	}
	var out []Contribution
	todo := []place{{nil, f.key, f.node}}
	for i := 0; i < len(todo); i++ {
		at := todo[i]
		for c := range f.contributed(at.key, at.n) {
			c.Path, c.Node, c.Type = at.path, i, at.key.Type
			c.Meta, _ = f.state.metas.get(c.ID.Dot)
			c.Live = f.counts(c.ID.Dot)
			out = append(out, c)
		}
		for _, k := range at.n.sortedSlots() {
			path := at.path
			if at.key.Type == TypeMap && k.Type != TypePresence {
				path = append(slices.Clip(path), k.Name)
			}
			todo = append(todo, place{path, k.Key, at.n.kids[k]})
		}
	}
	return out
}

// contributed yields what changes did to one node.
func (f Field) contributed(k Key, n *node) iter.Seq[Contribution] {
	switch {
	case n.shape == Grown && n.grown.seq != nil:
		return n.grown.seq.contributed()
	case n.shape == Grown:
		return n.grown.contributed(k.Type)
	case n.shape != Entries:
		return func(func(Contribution) bool) {}
	}
	return func(yield func(Contribution) bool) {
		cs := n.written(k)
		made := map[clock.Dot]bool{}
		for _, c := range cs {
			made[c.ID.Dot] = true
			if !yield(c) {
				return
			}
		}
		for _, d := range n.removers() {
			if !made[d] && !yield(Contribution{Candidate: Candidate{ID: EntryID{Dot: d}}, Removes: true}) {
				return
			}
		}
	}
}

// removers lists the changes that superseded a kept entry.
func (n *node) removers() (ds []clock.Dot) {
	for i := range n.kept {
		for _, d := range n.kept[i].by {
			ds = insertDot(ds, d)
		}
	}
	return ds
}

// written lists the entries of a node, kept ones among them, by entry.
func (n *node) written(k Key) []Contribution {
	cs := make([]Contribution, 0, len(n.entries)+len(n.kept))
	totals := map[EntryID]run{} // of a counter
	add := func(e Entry, by []clock.Dot) {
		c := Contribution{Candidate: Candidate{ID: e.ID}, SupersededBy: by}
		switch k.Type {
		case TypeElement:
			c.Value, _ = codec.DecodeValue([]byte(k.Name))
		case TypeCounter:
			c.Adds = true
			if t, ok := runOf(e); ok {
				totals[e.ID] = t
			}
		case TypeRegister, TypeGroup, TypeItem:
			c.Value, _ = codec.DecodeValue(e.Value)
		case TypeFlag, TypeDisableFlag:
			c.Value = true
		case TypeBounded:
			c.Adds = true
		}
		cs = append(cs, c)
	}
	for _, e := range n.entries {
		add(e, nil)
	}
	for _, e := range n.kept {
		add(e.Entry, e.by)
	}
	slices.SortFunc(cs, func(a, b Contribution) int { return a.ID.Compare(b.ID) })
	steps(cs, totals)
	return cs
}

// steps says what each change added to a counter, and leaves out of those that
// superseded its totals the ones that went on with them.
func steps(cs []Contribution, totals map[EntryID]run) {
	type of struct {
		origin clock.Origin
		start  uint64
	}
	before := map[of]run{}
	starts := map[clock.Dot]uint64{}
	for id, t := range totals {
		starts[id.Dot] = t.start
	}
	for i := range cs {
		c := &cs[i]
		t, ok := totals[c.ID]
		if !ok {
			continue // a reset
		}
		k := of{c.ID.Dot.Origin, t.start}
		b := before[k]
		before[k] = t
		c.Value = int64(t.up-b.up) - int64(t.down-b.down)
		var others []clock.Dot
		for _, d := range c.SupersededBy {
			if start, goes := starts[d]; !goes || d.Origin != k.origin || start != k.start {
				others = append(others, d)
			}
		}
		c.SupersededBy = others
	}
}

func (g *grown) contributed(t Type) iter.Seq[Contribution] {
	return func(yield func(Contribution) bool) {
		for _, e := range g.sortedRaw() {
			c := Contribution{Candidate: Candidate{ID: e.ID}, Adds: true}
			switch t {
			case TypeLog:
				c.Value, _ = codec.DecodeValue(e.Value)
			case TypeStock:
				if s, err := readStock(e.Value); err == nil {
					c.Value = s.value
				}
			case TypeProposal:
				p, err := readProposal(e.Value)
				if err != nil || p.verdict {
					continue
				}
				c.Value, _ = codec.DecodeValue(p.value)
			}
			if !yield(c) {
				return
			}
		}
	}
}

// contributed names the changes that edited a sequence.
func (t *sequence) contributed() iter.Seq[Contribution] {
	return func(yield func(Contribution) bool) {
		ds := slices.SortedFunc(t.authors(), clock.Dot.Compare)
		for _, d := range slices.Compact(ds) {
			if !yield(Contribution{Candidate: Candidate{ID: EntryID{Dot: d}}, Adds: true}) {
				return
			}
		}
	}
}

// authors yields the changes that inserted or deleted something, in no order; one
// may come twice.
func (t *sequence) authors() iter.Seq[clock.Dot] {
	return func(yield func(clock.Dot) bool) {
		for o, spans := range t.spans {
			for i, s := range spans {
				last := s.n
				if s.each {
					next := t.Last(o) + 1
					if i+1 < len(spans) {
						next = spans[i+1].seq
					}
					last += next - s.seq - 1
				}
				for n := s.n; n <= last; n++ {
					if !yield(clock.Dot{Origin: o, N: n}) {
						return
					}
				}
			}
		}
	}
}

// Alteration is how much of a text or list changes altered.
type Alteration struct {
	Length            int // characters or elements before
	Deleted, Inserted int
}

// Altered compares a text or list at two versions, of which after covers before
// and before the last settle mark. O((spans + deletions) · log).
func (f Field) Altered(before, after *clock.VersionVector) (a Alteration, ok bool) {
	at := f.node
	if at != nil && f.key.Type == TypeList {
		at = at.kid(slotsKey)
	}
	if at == nil || at.grown == nil || at.grown.seq == nil {
		return Alteration{}, false
	}
	seq := at.grown.seq
	a.Length, a.Deleted, a.Inserted = seq.engine.Altered(seq.counting(f.At(before)), seq.counting(f.At(after)))
	return a, true
}

// HasContent reports whether a reader finds anything in the field. Of a field that
// only grows it is enough that something was added.
func (f Field) HasContent() bool {
	return f.node != nil && (f.hasContent() || f.node.shape == Grown && f.grew())
}
