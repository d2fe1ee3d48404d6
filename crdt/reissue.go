package crdt

import (
	"fmt"
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt/rga"
)

// Reissue makes changes of an origin that lost its past again, under a new
// origin. Whoever restored a directory and went on writing has given out dots a
// second time; nobody may see these, so what was done under them is done again:
// own dots are renamed wherever they stand, counters give their increments and
// not their totals, and elements of sequences are numbered anew. A reset of own
// totals takes away what was in the common past; what was added since counts again.
//
// Not safe for concurrent use. Use [NewReissue].
type Reissue struct {
	old    clock.Origin
	after  uint64 // the last change that everybody agrees on
	fresh  clock.Origin
	refs   map[uint64]Ref     // new name of each old number after it
	floor  Ref                // the last settle mark that they cite and that is not one of them
	next   uint32             // index for an entry that is cut in two
	runs   map[string]*again  // by what they are of
	totals map[EntryID]*again // by their entries under the old origin
	metas  *metaTable         // of the record at hand
	record func(key string) (*Record, error)
}

// NewReissue renames the changes of old after the given number. record gives
// the records as they are without them, and with what was made again so far.
func NewReissue(old clock.Origin, after uint64, fresh clock.Origin, record func(key string) (*Record, error)) *Reissue {
	return &Reissue{old: old, after: after, fresh: fresh, refs: map[uint64]Ref{}, runs: map[string]*again{}, totals: map[EntryID]*again{}, record: record}
}

// Change returns c under its new name, which is the next one of the new origin.
// Changes come in the order of their old numbers; each must be applied before
// the next. It costs what the change weighs.
//
// The error is one of record, or wraps [codec.ErrMalformed] for a change that no
// replica made.
func (x *Reissue) Change(c *Change, n uint64) (*Change, error) {
	if c.Floor.Dot.Origin != x.old || c.Floor.Dot.N <= x.after {
		x.floor = c.Floor
	}
	out := &Change{Dot: clock.Dot{Origin: x.fresh, N: n}, Stamp: c.Stamp, Author: c.Author, Floor: x.floor, Extension: c.Extension}
	x.next = 0
	for i := range c.Parts {
		if p := c.Parts[i].Patch; p != nil {
			p.walk(func(p *Patch) {
				for _, e := range p.Add {
					x.next = max(x.next, e.ID.Index+1)
				}
				for _, e := range p.Grow {
					x.next = max(x.next, e.ID.Index+1)
				}
			})
		}
	}
	for i := range c.Parts {
		p, err := x.part(c, &c.Parts[i], out.Dot)
		if err != nil {
			return nil, fmt.Errorf("crdt: issue %v again: record %q: %w", c.Dot, c.Parts[i].Key, err)
		}
		out.Parts = append(out.Parts, p)
	}
	x.refs[c.Dot.N] = Ref{out.Dot, HashOf(out.Encode()).Digest()}
	return out, nil
}

func (x *Reissue) ref(r Ref) Ref {
	if r.Dot.Origin == x.old && r.Dot.N > x.after {
		return x.refs[r.Dot.N]
	}
	return r
}

func (x *Reissue) renamed(refs []Ref) []Ref {
	var out []Ref
	for _, r := range refs {
		if r = x.ref(r); !r.Dot.IsZero() {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b Ref) int { return a.Dot.Compare(b.Dot) })
	return out
}

// birth names the parent by its key alone where a birth of it may be among the
// changes that are issued again: those of another scope have other new names.
func (x *Reissue) birth(b *Birth) *Birth {
	if b.ParentKey != "" && slices.ContainsFunc(b.ParentBirths, func(r Ref) bool { return r.Dot.Origin == x.old }) {
		return &Birth{ParentKey: b.ParentKey}
	}
	return &Birth{b.ParentKey, slices.Clone(b.ParentBirths)}
}

func (x *Reissue) part(c *Change, p *Part, d clock.Dot) (Part, error) {
	rec, err := x.record(p.Key)
	if err != nil {
		return Part{}, err
	}
	out := Part{Key: p.Key, Births: x.renamed(p.Births), Heads: x.renamed(p.Heads), Restore: x.renamed(p.Restore)}
	if p.Birth != nil {
		out.Birth = x.birth(p.Birth)
	}
	if p.Delete != nil {
		seen := p.Delete.Seen.Clone()
		if last := seen.Get(x.old); last > x.after {
			seen.Set(x.old, x.after)
			for ; last > x.after; last-- {
				if r, ok := x.refs[last]; ok {
					seen.Advance(r.Dot)
					break
				}
			}
		}
		out.Delete = &Deletion{x.renamed(p.Delete.Births), seen}
	}
	if p.Patch == nil {
		return out, nil
	}
	x.metas = &rec.metas
	out.Patch, err = x.patch(p.Patch, &rec.root, 0, p.Key, d)
	if err != nil {
		return Part{}, err
	}
	out.Patch.prune()
	if out.Patch.empty() {
		out.Patch = nil
	} else {
		out.Saw = sawBy(&rec.State, out.Patch)
	}
	return out, nil
}

func (x *Reissue) patch(p *Patch, n *node, t Type, at string, d clock.Dot) (*Patch, error) {
	out := &Patch{Shape: p.Shape}
	on, err := x.totalsOf(p, n, t, at, d)
	if err != nil {
		return nil, err
	}
	for _, id := range p.Remove {
		out.Remove = append(out.Remove, x.removed(id, on)...)
	}
	slices.SortFunc(out.Remove, EntryID.Compare)
	for _, e := range p.Add {
		if e.Value, err = x.content(e, t, at); err != nil {
			return nil, err
		}
		e.ID.Dot = d
		out.Add = append(out.Add, e)
	}
	for _, e := range p.Grow {
		if t == TypeText || t == TypeSlots {
			ops, err := decodeOps(e, t == TypeSlots)
			if err != nil {
				return nil, err
			}
			common, done, right := uint64(0), uint64(0), rga.ID{}
			if n != nil {
				common, done = n.grown.seq.Last(x.old), n.grown.seq.Last(x.fresh)
				right = n.grown.seq.RightOf(rga.ID{Origin: x.old, Seq: common})
			}
			out.Grow = append(out.Grow, encodeOps(EntryID{d, e.ID.Index}, x.ops(ops, common, done, right)))
			continue
		}
		again, err := x.grown(t, e, d)
		if err != nil {
			return nil, err
		}
		out.Grow = append(out.Grow, again...)
	}
	slices.SortFunc(out.Grow, func(a, b GrownEntry) int { return a.ID.Compare(b.ID) })
	for _, c := range p.Kids {
		k, err := x.patch(c.Patch, n.kid(c.slot()), c.Key.Type, placeIn(at, c.slot()), d)
		if err != nil {
			return nil, err
		}
		out.Kids = append(out.Kids, PatchKid{x.item(c.Key, n), k})
	}
	return out, nil
}

// ops renames the elements that the old origin numbered after common. done is
// how many numbers the new origin has given out; right is what the last common
// element has to its right, which a run that goes on from it has too.
func (x *Reissue) ops(ops []rga.Op, common, done uint64, right rga.ID) []rga.Op {
	name := func(id rga.ID) rga.ID {
		if id.Origin == x.old && id.Seq > common {
			return rga.ID{Origin: x.fresh, Seq: id.Seq - common}
		}
		return id
	}
	var out []rga.Op
	next := done + 1
	for _, op := range ops {
		if op.Extend && op.Seq == common+1 {
			// The run goes on from an element that keeps its old name.
			op.Extend = false
			op.Left = rga.ID{Origin: x.old, Seq: common}
			op.Right = right
		}
		op.Left, op.Right = name(op.Left), name(op.Right)
		for _, part := range x.splitTarget(op, common) {
			part.Target = name(part.Target)
			part.Origin, part.Seq = x.fresh, next
			next += part.Len
			out = append(out, part)
		}
	}
	return out
}

// splitTarget cuts a deletion whose targets lie on both sides of the common
// past.
func (x *Reissue) splitTarget(op rga.Op, common uint64) []rga.Op {
	if op.Kind != rga.Delete || op.Target.Origin != x.old || op.Target.Seq > common || op.Target.Seq+op.Len-1 <= common {
		return []rga.Op{op}
	}
	low, high := op, op
	low.Len = common - op.Target.Seq + 1
	high.Len = op.Len - low.Len
	high.Target.Seq = common + 1
	low.Reverse, high.Reverse = op.Reverse && low.Len > 1, op.Reverse && high.Len > 1
	if op.Reverse {
		return []rga.Op{high, low}
	}
	return []rga.Op{low, high}
}
