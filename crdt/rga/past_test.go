package rga

import (
	"math/rand/v2"
	"testing"

	"github.com/concord-crdt/concord/clock"
)

// TestWhereShowsWhatCounts compares the text as if some numbers had not been
// given out with one worked out element by element.
func TestWhereShowsWhatCounts(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 7))
		text := NewText()
		origins := []clock.Origin{{Incarnation: 1}, {Incarnation: 2}}
		runes, left := map[ID]rune{}, map[ID]bool{}
		deleted := map[ID][]ID{} // by the deletions that name it
		for range 40 {
			o := origins[r.IntN(2)]
			h := text.Handle(o)
			seq := text.Last(o)
			if n := text.Len(); n > 2 && r.IntN(3) == 0 {
				from := r.IntN(n - 1)
				var ids []ID
				for pos := from; pos < from+2; pos++ {
					id, _ := text.IDAt(pos)
					ids = append(ids, id)
				}
				var ops []Op
				if err := text.Delete(h, from, 2, &ops); err != nil {
					t.Fatal(err)
				}
				for i, id := range deletedIn(ops) {
					deleted[id] = append(deleted[id], ID{o, seq + uint64(i) + 1})
				}
				if len(deletedIn(ops)) != len(ids) {
					t.Fatalf("%d deletions of %v", len(deletedIn(ops)), ids)
				}
			} else if err := text.Insert(h, r.IntN(n+1), "añ", nil); err != nil {
				t.Fatal(err)
			} else {
				runes[ID{o, seq + 1}], runes[ID{o, seq + 2}] = 'a', 'ñ'
			}
			for n := seq + 1; n <= text.Last(o); n++ {
				left[ID{o, n}] = r.IntN(3) == 0
			}
		}
		counts := func(o clock.Origin, seq uint64) (bool, uint64) {
			is, upTo := left[ID{o, seq}], seq
			for upTo < text.Last(o) && left[ID{o, upTo + 1}] == is && r.IntN(4) > 0 {
				upTo++
			}
			return !is, upTo
		}
		var want []rune
		for _, id := range allOf(text) {
			ended := false
			for _, by := range deleted[id] {
				ended = ended || !left[by]
			}
			if !left[id] && !ended {
				want = append(want, runes[id])
			}
		}
		if got := text.Where(counts); got != string(want) {
			t.Fatalf("seed %d: %q, want %q", seed, got, string(want))
		}
		all := func(clock.Origin, uint64) (bool, uint64) { return true, MaxSeq }
		if got := text.Where(all); got != text.String() {
			t.Fatalf("seed %d: all of it is %q, want %q", seed, got, text.String())
		}
	}
}

// deletedIn lists what ops delete, in the order of their numbers.
func deletedIn(ops []Op) (ids []ID) {
	for _, op := range ops {
		for i := range op.Len {
			n := i
			if op.Reverse {
				n = op.Len - 1 - i
			}
			ids = append(ids, ID{op.Target.Origin, op.Target.Seq + n})
		}
	}
	return ids
}

// allOf lists the elements of a text in its order, deleted ones too.
func allOf(t *Text) (ids []ID) {
	for id := int32(0); id >= 0; id = t.leaves[id].next {
		l := t.leaves[id]
		for i := range int(l.n) {
			for j := range spanSize(l.word[i]) {
				ids = append(ids, t.id(l.first[i]+key(j)))
			}
		}
	}
	return ids
}
