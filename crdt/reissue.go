package crdt

import (
	"fmt"
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt/rga"
)

// Reissue makes changes of an origin that lost its past again, under a new
// origin. Whoever restored a directory and went on writing has given out dots a
// second time; nobody may see these, so what was done under them is done again:
// own dots are renamed in heads, births, deletions, restores and in what is
// superseded, counters give their increments and not their totals, and elements of
// sequences are numbered anew. What the contents of entries name keeps its old name
// and finds nothing under it: verdicts on own proposals, resets of own totals,
// ledgers of an own opening, values set on own elements of a list.
//
// Not safe for concurrent use. Use [NewReissue].
type Reissue struct {
	old    clock.Origin
	after  uint64 // the last change that everybody agrees on
	fresh  clock.Origin
	refs   map[uint64]Ref // new name of each old number after it
	totals map[EntryID]run
	record func(key string) (*Record, error)
}

// NewReissue renames the changes of old after the given number. record gives
// the records as they are without them, and with what was made again so far.
func NewReissue(old clock.Origin, after uint64, fresh clock.Origin, record func(key string) (*Record, error)) *Reissue {
	return &Reissue{old: old, after: after, fresh: fresh, refs: map[uint64]Ref{}, totals: map[EntryID]run{}, record: record}
}

// Change returns c under its new name, which is the next one of the new origin.
// Changes come in the order of their old numbers; each must be applied before
// the next. It costs what the change weighs.
//
// The error is one of record, or wraps [codec.ErrMalformed] for a change that no
// replica made.
func (x *Reissue) Change(c *Change, n uint64) (*Change, error) {
	out := &Change{Dot: clock.Dot{Origin: x.fresh, N: n}, Stamp: c.Stamp, Author: c.Author, Extension: c.Extension}
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

func (x *Reissue) part(c *Change, p *Part, d clock.Dot) (Part, error) {
	rec, err := x.record(p.Key)
	if err != nil {
		return Part{}, err
	}
	out := Part{Key: p.Key, Births: x.renamed(p.Births), Heads: x.renamed(p.Heads), Restore: x.renamed(p.Restore)}
	if p.Birth != nil {
		out.Birth = &Birth{p.Birth.ParentKey, x.renamed(p.Birth.ParentBirths)}
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
	out.Patch, err = x.patch(p.Patch, &rec.root, 0, d)
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

func (x *Reissue) patch(p *Patch, n *node, t Type, d clock.Dot) (*Patch, error) {
	out := &Patch{Shape: p.Shape}
	var base run
	for _, id := range p.Remove {
		own := id.Dot.Origin == x.old
		if t == TypeCounter && own && x.isRun(id, n) {
			b, keep, err := x.before(id, n)
			if err != nil {
				return nil, err
			}
			base = b
			if !keep {
				continue
			}
		}
		if own && id.Dot.N > x.after {
			id.Dot = x.refs[id.Dot.N].Dot
		}
		out.Remove = append(out.Remove, id)
	}
	for _, e := range p.Add {
		id := EntryID{d, e.ID.Index}
		if t == TypeCounter {
			value, err := x.count(e, base, n, out, d)
			if err != nil {
				return nil, err
			}
			e.Value = value
		}
		out.Add = append(out.Add, Entry{id, e.Value})
	}
	for _, e := range p.Grow {
		id := EntryID{d, e.ID.Index}
		if t != TypeText && t != TypeSlots {
			out.Grow = append(out.Grow, GrownEntry{id, e.Origins, e.Value})
			continue
		}
		ops, err := decodeOps(e, t == TypeSlots)
		if err != nil {
			return nil, err
		}
		common, done, right := uint64(0), uint64(0), rga.ID{}
		if n != nil {
			common, done = n.grown.seq.Last(x.old), n.grown.seq.Last(x.fresh)
			right = n.grown.seq.RightOf(rga.ID{Origin: x.old, Seq: common})
		}
		out.Grow = append(out.Grow, encodeOps(id, x.ops(ops, common, done, right)))
	}
	for _, c := range p.Kids {
		k, err := x.patch(c.Patch, n.kid(c.slot()), c.Key.Type, d)
		if err != nil {
			return nil, err
		}
		out.Kids = append(out.Kids, PatchKid{c.Key, k})
	}
	return out, nil
}

// isRun tells the totals of the old origin from its resets.
func (x *Reissue) isRun(id EntryID, n *node) bool {
	if _, ok := x.totals[id]; ok {
		return true
	}
	if n == nil || id.Dot.N > x.after {
		return false
	}
	i, found := n.find(id)
	if !found {
		return false
	}
	c, err := readCounter(n.entries[i].Value)
	return err == nil && !c.is
}

// before finds the totals that a change of a counter began from. The entry of
// the common past stays: it is the old origin's, and others may have gone on
// from it.
func (x *Reissue) before(id EntryID, n *node) (base run, keep bool, err error) {
	if id.Dot.N > x.after {
		return x.totals[id], true, nil
	}
	if n != nil {
		if i, found := n.find(id); found {
			c, cerr := readCounter(n.entries[i].Value)
			base, err = c.run, cerr
		}
	}
	return base, false, err
}

// count turns a total of the old origin into one of the new: what it had there
// so far, and the increment.
func (x *Reissue) count(e Entry, base run, n *node, out *Patch, d clock.Dot) ([]byte, error) {
	c, err := readCounter(e.Value)
	if err != nil || c.is {
		return e.Value, err
	}
	total := c.run
	x.totals[e.ID] = total
	if total.up < base.up || total.down < base.down {
		return nil, fmt.Errorf("counter total fell: %w", codec.ErrMalformed)
	}
	now := run{d.N, total.up - base.up, total.down - base.down}
	for _, id := range out.Remove {
		if n == nil || id.Dot.Origin != x.fresh {
			continue
		}
		if i, found := n.find(id); found {
			c, err := readCounter(n.entries[i].Value)
			if err != nil {
				return nil, err
			}
			so := c.run
			now.start = so.start
			now.up, now.down = now.up+so.up, now.down+so.down
		}
	}
	return now.encode(), nil
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
