package rga

import (
	"iter"
	"slices"

	"github.com/concord-crdt/concord/clock"
)

// OpsSince returns what a sequence that has seen v lacks, as ops in an order
// that Apply accepts: of each origin in the order of their numbers, and none
// before the elements that it names. Runs are as long as can be, also where the
// elements are no neighbours any more. With an empty v it is everything.
//
// Equal sequences give equal ops. The sequence must not be changed meanwhile.
// Of one that was read from forged bytes, in which ops wait for each other, the
// rest is left out.
//
// O(o + r log spans) for o origins and r spans and deletions that are new; a
// few hundred nanoseconds for each of them. Memory is O(o).
func (s *sequence) OpsSince(v *clock.VersionVector) iter.Seq[Op] {
	return func(yield func(Op) bool) {
		w := walk{s: s, done: make([]uint32, len(s.origins)), log: make([]int, len(s.origins))}
		for i := range s.origins {
			o := s.origins[i]
			w.done[i] = o.last
			if v == nil {
				w.done[i] = 0
			} else if n := v.Get(o.id); n < uint64(o.last) {
				w.done[i] = uint32(n)
			}
			w.log[i] = o.log.search(w.done[i] + 1)
		}
		for _, o := range s.byOrigin() {
			if !w.upTo(o, s.origins[o].last, yield) {
				return
			}
		}
	}
}

// Delta appends to ops what an origin did after number since: what a group of
// local edits amounts to. Typed characters that follow each other are one op.
//
// O(log spans) for each op.
func (s *sequence) Delta(h Handle, since uint64, ops []Op) []Op {
	if h.n == 0 || int(h.n) > len(s.origins) {
		return ops
	}
	n := h.n - 1
	if since >= uint64(s.origins[n].last) {
		return ops
	}
	at := s.origins[n].log.search(uint32(since) + 1)
	for seq := uint32(since) + 1; seq <= s.origins[n].last; {
		op, _, ok := s.opAt(n, seq, at)
		if !ok {
			break
		}
		ops = append(ops, op)
		seq += uint32(op.Len)
		if op.Kind == Delete {
			at++
		}
	}
	return ops
}

// byOrigin returns the origins that wrote in canonical order.
func (s *sequence) byOrigin() []uint32 {
	order := make([]uint32, 0, len(s.origins))
	for i := range s.origins {
		if s.origins[i].last > 0 {
			order = append(order, uint32(i))
		}
	}
	slices.SortFunc(order, s.compareOrigins)
	return order
}

// walk yields ops so that each comes after what it depends on.
type walk struct {
	s    *sequence
	done []uint32 // per origin, the last number that was yielded or known
	log  []int    // per origin, its first run of deletions behind that
	path []goal   // goals, each of which the one before it waits for
	on   []bool   // origins on the path
}

// goal is to have yielded the numbers of an origin up to one.
type goal struct{ origin, upTo uint32 }

// upTo yields the ops of an origin up to a number, and before each of them
// what it depends on. It returns false if that is to be the end.
func (w *walk) upTo(o, seq uint32, yield func(Op) bool) bool {
	if w.on == nil {
		w.on = make([]bool, len(w.done))
	}
	w.push(goal{o, seq})
	for len(w.path) > 0 {
		g := w.path[len(w.path)-1]
		if w.done[g.origin] >= g.upTo {
			w.on[g.origin] = false
			w.path = w.path[:len(w.path)-1]
			continue
		}
		op, deps, ok := w.s.opAt(g.origin, w.done[g.origin]+1, w.log[g.origin])
		if !ok {
			return false
		}
		if missing, ok := w.missing(deps); ok {
			if w.on[missing.origin] {
				return false // a cycle: only in a sequence read from forged bytes
			}
			w.push(missing)
			continue
		}
		if !yield(op) {
			return false
		}
		w.done[g.origin] += uint32(op.Len)
		if op.Kind == Delete {
			w.log[g.origin]++
		}
	}
	return true
}

func (w *walk) push(g goal) {
	w.on[g.origin] = true
	w.path = append(w.path, g)
}

// missing returns the first of some elements that was not yielded.
func (w *walk) missing(deps [2]key) (goal, bool) {
	for _, k := range deps {
		if k != none && w.done[k>>32] < uint32(k) {
			return goal{uint32(k >> 32), uint32(k)}, true
		}
	}
	return goal{}, false
}

// opAt returns the longest run of an origin from a number on, and the elements
// that must be known before it. at is the index of the first run of deletions
// that ends behind the number. ok is false if the state is not coherent.
func (s *sequence) opAt(o, seq uint32, at int) (op Op, deps [2]key, ok bool) {
	org := s.origins[o]
	behind := org.last + 1 // the number at which an insertion ends at the latest
	if at < len(org.log) {
		r := org.log[at]
		if r.seq <= seq {
			if r.seq < seq {
				r = r.suffix(seq - r.seq)
			}
			// Of elements of one origin the one with the highest number counts.
			return s.deleteOp(o, r, seq, org.last), [2]key{r.target + key(r.size()) - 1, none}, true
		}
		behind = r.seq
	}
	k := keyOf(o, seq)
	p, ok := s.find(k)
	if !ok {
		return op, deps, false
	}
	l := s.leaves[p.leaf]
	left, right := l.leftOf(p.span, p.off), l.right[p.span]
	gone := l.word[p.span]&(spanDead|spanGone) == spanDead|spanGone
	n := spanSize(l.word[p.span]) - p.off
	// The run goes on wherever its elements are.
	for seq+n < behind {
		q := place{p.leaf, p.span + 1, 0}
		if q.span >= int(l.n) || l.first[q.span] != k+key(n) {
			if q, ok = s.find(k + key(n)); !ok {
				return op, deps, false
			}
		}
		m := s.leaves[q.leaf]
		w := m.word[q.span]
		if m.leftOf(q.span, q.off) != k+key(n)-1 || m.right[q.span] != right ||
			gone != (w&(spanDead|spanGone) == spanDead|spanGone) {
			break
		}
		p, l = q, m
		n += spanSize(w) - q.off
	}
	in := localInsert{first: k, left: left, right: right}
	deps = [2]key{left, right}
	if left == k-1 {
		if q, ok := s.find(left); ok && s.leaves[q.leaf].right[q.span] == right {
			in.extend = true
			deps = [2]key{none, none}
		}
	}
	op = s.insertOp(in, int(n))
	switch {
	case gone:
		op.Gone = true
	case s.list:
		op.Values = make([][]byte, n)
		for i := range op.Values {
			op.Values[i] = []byte(org.value(seq + uint32(i)))
		}
	default:
		op.Text, _ = org.text(seq, n)
	}
	return op, deps, true
}

// join applies what another sequence of the same kind has and this one lacks.
func (s *sequence) join(other *sequence, emit func(Edit)) error {
	if s == other {
		return nil
	}
	v := s.Version()
	for op := range other.OpsSince(&v) {
		if err := s.Apply(&op, emit); err != nil {
			return err
		}
	}
	return nil
}
