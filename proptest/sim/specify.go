package sim

import (
	"fmt"
	"maps"
	"slices"

	"github.com/concord-crdt/concord/crdt"
)

// specification says what a record must show, from what each actor did and saw,
// without a record.
type specification struct {
	acts []done // on the record, of those that are there
	dead map[int]bool
}

// done is a deed and the act that it belongs to.
type done struct {
	id int
	*deed
}

func (f *fleet) specify(record string, there map[int]bool) *specification {
	s := &specification{dead: map[int]bool{}}
	restored := map[int]bool{}
	for _, a := range f.acts {
		if !there[a.id] {
			continue
		}
		for i := range a.deeds {
			if x := &a.deeds[i]; x.record() == record {
				s.acts = append(s.acts, done{a.id, x})
				for _, r := range x.restored {
					restored[r] = true
				}
			}
		}
	}
	for _, a := range s.acts {
		if a.kind == deleteRecord && !restored[a.id] {
			for _, b := range a.births {
				s.dead[b] = true
			}
		}
	}
	return s
}

// counts reports whether an act belongs to a birth that lives.
func (s *specification) counts(a done) bool {
	if a.create {
		return !s.dead[a.id]
	}
	return slices.ContainsFunc(a.births, func(b int) bool { return !s.dead[b] })
}

// stands reports whether no actor who saw an act did something that takes its
// place.
func (s *specification) stands(a done, replaces func(b done) bool) bool {
	return !slices.ContainsFunc(s.acts, func(b done) bool { return b.id != a.id && replaces(b) && b.seen.has(a.id) })
}

// compare returns what differs between the record and what it must show.
func (s *specification) compare(r *crdt.Record) error {
	var siblings, elements, log []string
	births, sum := 0, 0
	shown, gone := map[rune]int{}, map[rune]bool{}
	for _, a := range s.acts {
		if a.create && !s.dead[a.id] {
			births++
		}
		if !s.counts(a) {
			continue
		}
		for _, c := range a.deleted {
			gone[c] = true
		}
		if a.kind < deleteRecord {
			log = append(log, fmt.Sprint(a.id))
		}
		switch a.kind {
		case setRegister:
			if s.stands(a, func(b done) bool { return b.kind == setRegister }) {
				siblings = append(siblings, fmt.Sprint(a.id))
			}
		case addCounter:
			sum += a.value
		case addElement:
			same := func(b done) bool {
				return (b.kind == addElement || b.kind == removeElement) && b.value == a.value
			}
			if s.stands(a, same) {
				elements = append(elements, fmt.Sprint(a.value))
			}
		case insertText:
			for _, c := range a.inserted {
				shown[c] = a.id
			}
		}
	}
	if live := r.Live(crdt.DeleteWins); len(live) != births {
		return fmt.Errorf("%d births are live, %v; %d should be", len(live), live, births)
	}
	field := func(name string, t crdt.Type) crdt.Field { return r.Field(name, t, crdt.DeleteWins) }
	var got []string
	for _, c := range field(fieldRegister, crdt.TypeRegister).Candidates() {
		got = append(got, fmt.Sprint(c.Value))
	}
	if !slices.Equal(sorted(got), sorted(siblings)) {
		return fmt.Errorf("the register shows the writes of %v; it should show those of %v", got, siblings)
	}
	if got := field(fieldCounter, crdt.TypeCounter).Count().Int64(); got != int64(sum) {
		return fmt.Errorf("the counter shows %d; it should show %d", got, sum)
	}
	got = nil
	for _, v := range field(fieldSet, crdt.TypeSet).Elements() {
		got = append(got, fmt.Sprint(v))
	}
	if want := slices.Compact(sorted(elements)); !slices.Equal(sorted(got), want) {
		return fmt.Errorf("the set shows %v; it should show %v", got, want)
	}
	got = nil
	for _, c := range field(fieldLog, crdt.TypeLog).Entries() {
		got = append(got, fmt.Sprint(c.Value))
	}
	if !slices.Equal(sorted(got), sorted(log)) {
		return fmt.Errorf("the log shows the acts %v; it should show %v", got, log)
	}
	return s.compareText(field(fieldText, crdt.TypeText).Text(), shown, gone)
}

func sorted(s []string) []string {
	slices.Sort(s)
	return s
}

// compareText wants every character that was inserted and not deleted, and each
// author's text in the order in which its author left it.
func (s *specification) compareText(text string, shown map[rune]int, gone map[rune]bool) error {
	place := map[rune]int{}
	for i, c := range []rune(text) {
		if _, twice := place[c]; twice {
			return fmt.Errorf("the text shows %q twice", c)
		}
		place[c] = i
		if _, there := shown[c]; !there || gone[c] {
			return fmt.Errorf("the text shows %q, which is not there", c)
		}
	}
	for _, c := range slices.Sorted(maps.Keys(shown)) {
		if _, ok := place[c]; !ok && !gone[c] {
			return fmt.Errorf("the text does not show %q of actor %d", c, shown[c])
		}
	}
	for _, a := range s.acts {
		last := -1
		for _, c := range a.text {
			i, ok := place[c]
			if !ok {
				continue
			}
			if i < last {
				return fmt.Errorf("the text has %q in another place than actor %d left it", c, a.id)
			}
			last = i
		}
	}
	return nil
}
