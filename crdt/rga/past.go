package rga

import (
	"iter"
	"strings"

	"github.com/concord-crdt/concord/clock"
)

// Counts says whether the elements and deletions of an origin count for a
// reader, from number seq on, and up to which number that answer holds: at least
// seq.
type Counts func(o clock.Origin, seq uint64) (counts bool, upTo uint64)

// stretch is how many of the n numbers of an origin from seq on are alike.
func (f Counts) stretch(o clock.Origin, seq, n uint32) (counts bool, size uint32) {
	counts, upTo := f(o, uint64(seq))
	return counts, uint32(min(max(upTo, uint64(seq))-uint64(seq)+1, uint64(n)))
}

// endedBy returns the elements that deletions which count name.
func (s *sequence) endedBy(counts Counts) targets {
	var ended targets
	for _, o := range s.origins {
		for _, r := range o.log {
			for r.size() > 0 {
				yes, n := counts.stretch(o.id, r.seq, r.size())
				if part := r.prefix(n); yes {
					ended = append(ended, keyRange{part.target, part.target + key(n)})
				}
				if n == r.size() {
					break
				}
				r = r.suffix(n)
			}
		}
	}
	return ended.normal()
}

// where yields the elements that count and that no deletion which counts names,
// in runs: the first element and how many. Dropped content is left out.
func (s *sequence) where(counts Counts) iter.Seq2[key, uint32] {
	return func(yield func(key, uint32) bool) {
		ended := s.endedBy(counts)
		for id := int32(0); id >= 0; id = s.leaves[id].next {
			l := s.leaves[id]
			for i := range int(l.n) {
				if isGone(l.word[i]) {
					continue
				}
				k, left := l.first[i], spanSize(l.word[i])
				for left > 0 {
					yes, n := counts.stretch(s.origins[k>>32].id, uint32(k), left)
					is, alike := ended.at(k, n)
					if n = min(n, alike); yes && !is && !yield(k, n) {
						return
					}
					k += key(n)
					left -= n
				}
			}
		}
	}
}

// Where is the text as if some ops had not been made: elements that were
// inserted by others are shown, unless a deletion by others names them. Content
// that was dropped does not come back.
//
// O(bytes + spans + deletions · log deletions), and a call of counts for each
// stretch of numbers for which it gives one answer.
func (t *Text) Where(counts Counts) string {
	var b strings.Builder
	for k, n := range t.where(counts) {
		part, _ := t.origins[k>>32].text(uint32(k), n)
		b.WriteString(part)
	}
	return b.String()
}

// Where yields the elements as if some ops had not been made, see [Text.Where].
// The values share the memory of the list and must not be modified.
func (l *List) Where(counts Counts) iter.Seq2[ID, []byte] {
	return func(yield func(ID, []byte) bool) {
		for k, n := range l.where(counts) {
			for j := range n {
				if !yield(l.id(k+key(j)), []byte(l.origins[k>>32].value(uint32(k)+j))) {
					return
				}
			}
		}
	}
}
