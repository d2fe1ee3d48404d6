package crdt

import (
	"cmp"
	"iter"
	"math"
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt/rga"
)

// What readers see of a text or list: without what changes did that do not count.

// string is the content, without what changes did that do not count.
func (t *sequence) string(f Field) string {
	if f.rec == nil && f.left == nil {
		return t.engine.(*rga.Text).String()
	}
	return t.engine.(*rga.Text).Where(t.counting(f))
}

// values yields the elements of a list, without what changes did that do not
// count.
func (t *sequence) values(f Field) iter.Seq2[rga.ID, []byte] {
	l := t.engine.(*rga.List)
	if f.rec != nil || f.left != nil {
		return l.Where(t.counting(f))
	}
	return func(yield func(rga.ID, []byte) bool) {
		values, stop := iter.Pull(l.Values(0, l.Len()))
		defer stop()
		for id, n := range l.Runs(0, l.Len()) {
			for ; n > 0; n-- {
				b, ok := values()
				if !ok || !yield(id, b) {
					return
				}
				id.Seq++
			}
		}
	}
}

// counting tells which numbers of the sequence belong to changes that count.
func (t *sequence) counting(f Field) rga.Counts {
	return func(o clock.Origin, seq uint64) (bool, uint64) {
		s := t.spans[o]
		i, found := slices.BinarySearchFunc(s, seq, func(s dotSpan, seq uint64) int { return cmp.Compare(s.seq, seq) })
		if !found {
			i--
		}
		if i < 0 {
			return false, seq
		}
		x, upTo := s[i], uint64(math.MaxUint64)
		if i+1 < len(s) {
			upTo = s[i+1].seq - 1
		}
		if x.each {
			x.n += seq - x.seq
			upTo = seq
		}
		return f.counts(clock.Dot{Origin: o, N: x.n}), upTo
	}
}

// shows reports whether an element counts.
func (t *sequence) shows(f Field) bool {
	if f.rec == nil && f.left == nil {
		return t.Len() > 0
	}
	if l, ok := t.engine.(*rga.List); ok {
		for range l.Where(t.counting(f)) {
			return true
		}
		return false
	}
	return t.string(f) != ""
}

// grew reports whether a change that counts inserted something, whatever became
// of it.
func (t *sequence) grew(f Field) bool {
	for d := range t.authors() {
		if f.counts(d) {
			return true
		}
	}
	return false
}
