package proptest

import (
	"iter"
	"slices"
)

// simpler lists the histories that are one step simpler than h, the boldest
// first: pieces of it left out, then single operations and deliveries, then
// deliveries that give less, then smaller values.
func (h *history) simpler() iter.Seq[*history] {
	return func(yield func(*history) bool) {
		for size := len(h.steps); size > 0; size /= 2 {
			for from := 0; from+size <= len(h.steps); from += size {
				c := h.clone()
				c.steps = slices.Delete(c.steps, from, from+size)
				if !yield(c) {
					return
				}
			}
		}
		for _, change := range []func(*step) iter.Seq[step]{(*step).withLess, (*step).withSmaller} {
			for i := range h.steps {
				for s := range change(&h.steps[i]) {
					c := h.clone()
					c.steps[i] = s
					if !yield(c) {
						return
					}
				}
			}
		}
		if h.salt != 0 {
			c := h.clone()
			c.salt = 0
			yield(c)
		}
	}
}

// withLess gives less to a replica at once.
func (s *step) withLess() iter.Seq[step] {
	return func(yield func(step) bool) {
		if s.kind != deliver || len(s.what) < 2 {
			return
		}
		for i := range s.what {
			c := *s
			c.what = slices.Delete(slices.Clone(s.what), i, i+1)
			if !yield(c) {
				return
			}
		}
		if !slices.IsSorted(s.what) {
			c := *s
			c.what = slices.Sorted(slices.Values(s.what))
			yield(c)
		}
	}
}

// withSmaller draws smaller values, and lets earlier replicas act.
func (s *step) withSmaller() iter.Seq[step] {
	return func(yield func(step) bool) {
		for i, v := range s.draws {
			for _, smaller := range lessThan(v) {
				c := *s
				c.draws = slices.Clone(s.draws)
				c.draws[i] = smaller
				if !yield(c) {
					return
				}
			}
		}
		if s.kind == operate && s.op > 0 {
			c := *s
			c.op = 0
			if !yield(c) {
				return
			}
		}
		for on := range max(s.on, 0) {
			c := *s
			c.on = on
			if !(s.kind == join && s.from == on) && !yield(c) {
				return
			}
		}
		for from := range s.from {
			c := *s
			c.from = from
			if s.kind == join && from != s.on && !yield(c) {
				return
			}
		}
	}
}

// lessThan lists values below v, the simplest first.
func lessThan(v uint64) []uint64 {
	var out []uint64
	for _, w := range []uint64{0, v % 2, v % 3, v % 6, v % 12, v / 2, v - 1} {
		if w < v && !slices.Contains(out, w) {
			out = append(out, w)
		}
	}
	return out
}
