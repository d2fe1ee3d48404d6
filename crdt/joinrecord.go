package crdt

import (
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/internal/planted"
)

// Join takes over everything that o has applied. The records may be folded by
// different marks of one chain: what the higher one's cut covers is as it has
// it, whatever the other still knows of it.
//
// Join is O(what both records weigh).
func (r *Record) Join(o *Record, emit func(Event)) {
	if r == o {
		return
	}
	r.joinHeads(o)
	gone := func(d clock.Dot, here bool) bool { return !here && o.floor.Covers(d) }
	for _, d := range slices.Clone(r.born) {
		if _, here := o.births[d]; gone(d, here) {
			r.unbear(d)
			r.mixed = true
		}
	}
	for d, x := range o.births {
		if _, here := r.births[d]; here || !r.floor.Covers(d) {
			r.bear(d, x)
		}
	}
	joinDecided(&r.deletions, o.deletions, &r.State, &o.State)
	joinDecided(&r.restores, o.restores, &r.State, &o.State)
	higher := o.floor.Number() > r.floor.Number()
	theirs := o.context
	if higher {
		r.context = unforgotten(&r.context, o)
	} else if r.floor.Number() > o.floor.Number() {
		theirs = unforgotten(&o.context, r)
	}
	if o.floor != nil {
		r.metas.forget(func(d clock.Dot, _ *metaRow) bool {
			_, here := o.metas.peek(d)
			return gone(d, here)
		}, o.floor.Covers)
	}
	r.State.join(&o.State, &theirs, emit)
	r.mixed = r.mixed || o.mixed
	if higher {
		r.floor, r.base = o.floor, o.base
	}
	if r.floor != nil {
		r.stamp(nil)
	}
}

// unforgotten is a context without the origins that a record with a higher
// floor forgot.
func unforgotten(c *clock.Context, higher *Record) (left clock.Context) {
	for rg := range c.Ranges() {
		if rg.To > higher.floor.Mark.Cut.Get(rg.Origin) || higher.context.Last(rg.Origin) > 0 {
			left.AddRange(rg)
		}
	}
	return left
}

// joinDecided joins deletions or restores: those that a mark has decided are
// gone.
func joinDecided[V any](a *map[clock.Dot]V, b map[clock.Dot]V, r, o *State) {
	for d := range *a {
		if o.floor.Covers(d) {
			delete(*a, d)
		}
	}
	for d, x := range b {
		if !r.floor.Covers(d) {
			enter(a, d, x)
		}
	}
}

func (r *Record) joinHeads(o *Record) {
	var heads []clock.Dot
	for _, h := range r.heads {
		if slices.Contains(o.heads, h) || !o.Contains(h) {
			heads = append(heads, h)
		}
	}
	for _, h := range o.heads {
		if !slices.Contains(heads, h) && !r.Contains(h) {
			heads = append(heads, h)
		}
	}
	slices.SortFunc(heads, clock.Dot.Compare)
	r.heads = heads
}

// joinGrown drops from a, a node of s, what a mark of o's floor ended, and takes
// the folded part of the side that folded more.
func (s *State) joinGrown(a, b *grown, o *State) {
	for id := range a.raw {
		if _, here := b.raw[id]; !here && o.floor.Covers(id.Dot) {
			delete(a.raw, id)
		}
	}
	if o.floor.Number() > s.floor.Number() && !planted.Is(planted.SettledForgotten) {
		a.settled = b.settled
	}
}
