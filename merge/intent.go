package merge

import (
	"cmp"
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
)

// Fact is one event of a log with all reports of it: who reported it first, by
// effective stamps, and the further witnesses.
type Fact struct {
	First     Candidate
	Witnesses []Candidate
}

// Count is how many reports there are of the fact.
func (f *Fact) Count() int { return 1 + len(f.Witnesses) }

// folds reports whether reports of one fact are told.
func (i *Intent) folds() bool { return len(i.Key) > 0 && i.Window > 0 }

// fold makes facts of the entries of a log, which come in its order. The first
// report opens a window, measured from itself; what falls into it with the same
// key is a further witness. A report that lacks one of the key's fields is a fact of
// its own. O(n log n) by way of their keys.
func (i *Intent) fold(entries []Candidate) []Fact {
	facts := make([]Fact, 0, len(entries))
	open := map[string]int{} // by key, the fact whose window is the last
	for _, c := range entries {
		key, ok := keyOf(c.Value, i.Key)
		if at, known := open[key]; ok && known && i.within(facts[at].First.Stamp, c.Stamp) {
			facts[at].Witnesses = append(facts[at].Witnesses, c)
			continue
		}
		if ok {
			open[key] = len(facts)
		}
		facts = append(facts, Fact{First: c})
	}
	return facts
}

// within reports whether a stamp lies in the window that another opened.
func (i *Intent) within(first, s clock.Stamp) bool {
	return s >= first && s.Time().Sub(first.Time()) < i.Window
}

// conflicts are the facts that contradict each other: equal in the fields of
// Conflict, within one window. Facts with equal keys are one or lie in different
// windows.
func (i *Intent) conflicts(facts []Fact) (sets [][]Fact) {
	if len(i.Conflict) == 0 || !i.folds() {
		return nil
	}
	open := map[string]int{}
	for _, f := range facts {
		about, ok := keyOf(f.First.Value, i.Conflict)
		key, keyed := keyOf(f.First.Value, i.Key)
		if !ok || !keyed {
			continue
		}
		if at, known := open[about]; known && i.within(sets[at][0].First.Stamp, f.First.Stamp) {
			same := func(g Fact) bool { k, _ := keyOf(g.First.Value, i.Key); return k == key }
			if !slices.ContainsFunc(sets[at], same) {
				sets[at] = append(sets[at], f)
			}
			continue
		}
		open[about] = len(sets)
		sets = append(sets, []Fact{f})
	}
	return slices.DeleteFunc(sets, func(set []Fact) bool { return len(set) < 2 })
}

// keyOf is the value of some fields of an entry, as bytes; ok is false if the
// entry lacks one.
func keyOf(entry any, fields []string) (key string, ok bool) {
	m, ok := entry.(map[string]any)
	if !ok {
		return "", false
	}
	var b []byte
	for _, f := range fields {
		v := m[f]
		if v == nil {
			return "", false
		}
		next, err := codec.AppendValue(b, v)
		if err != nil {
			return "", false
		}
		b = next
	}
	return string(b), true
}

func valuesOfFacts(facts []Fact) []any {
	vs := make([]any, len(facts))
	for i := range facts {
		vs[i] = facts[i].First.Value
	}
	return vs
}

// inLogOrder orders candidates as a log does: by stamp, then by entry.
func inLogOrder(a, b *Candidate) int {
	return cmp.Or(cmp.Compare(a.Stamp, b.Stamp), a.Compare(b))
}
