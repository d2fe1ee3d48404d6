package sim

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
)

// specification says what a record must show, from what each actor did and saw,
// and from which of it is settled by which mark, without a record.
type specification struct {
	acts   []done // on the record, of those that are there
	policy crdt.DeletePolicy
	dead   map[int]uint64 // births that ended, by which mark for good; unsettled: by none yet
}

// done is a deed and the act that it belongs to.
type done struct {
	id int
	*deed
	mark uint64 // that settled it, or unsettled
}

// unsettled is a number above those of all marks.
const unsettled = math.MaxUint64

// deletes is how a collection's records are deleted.
func deletes(collection string) crdt.DeletePolicy { return schemaNew.Collections[collection].Delete }

// specify makes the specification of a record in a scope with such a floor. there
// gives the names under which acts are stored.
func (f *fleet) specify(collection, key string, there map[int][]clock.Dot, floor *crdt.Floor) *specification {
	s := &specification{policy: deletes(collection), dead: map[int]uint64{}}
	for _, a := range f.acts {
		names := there[a.id]
		if len(names) == 0 {
			continue
		}
		for i := range a.deeds {
			if x := &a.deeds[i]; x.collection == collection && x.key == key {
				s.acts = append(s.acts, done{a.id, x, settledBy(names[0], floor)})
			}
		}
	}
	for _, a := range s.acts {
		for _, b := range a.births {
			if _, ended := s.dead[b]; a.kind == deleteRecord && s.ends(a, b) && (!ended || a.mark < s.dead[b]) {
				s.dead[b] = a.mark
			}
		}
	}
	return s
}

// settledBy is the number of the first mark that settles a change.
func settledBy(d clock.Dot, floor *crdt.Floor) uint64 {
	for n := uint64(1); n <= floor.Number(); n++ {
		if floor.At(n).Covers(d) {
			return n
		}
	}
	return unsettled
}

// ends reports whether a deletion ends a birth: what was settled before it, or
// together with it, can tell against it, and what came late cannot.
func (s *specification) ends(deletion done, birth int) bool {
	return !slices.ContainsFunc(s.acts, func(b done) bool {
		switch {
		case b.mark > deletion.mark:
			return false
		case b.kind == restoreRecord:
			return slices.Contains(b.restored, deletion.id)
		}
		edits := b.kind < deleteRecord && (b.id == birth && b.create || slices.Contains(b.births, birth))
		return s.policy == crdt.UpdateWins && edits && !deletion.seen.has(b.id)
	})
}

// counts reports whether an act belongs to a birth that lives.
func (s *specification) counts(a done) bool {
	return s.countsAt(a, unsettled)
}

// countsAt reports whether it did when a mark was written.
func (s *specification) countsAt(a done, mark uint64) bool {
	lives := func(b int) bool { by, ended := s.dead[b]; return !ended || by > mark }
	if a.create {
		return lives(a.id)
	}
	return slices.ContainsFunc(a.births, lives)
}

// stands reports whether no actor who saw an act did something that takes its
// place.
func (s *specification) stands(a done, replaces func(b done) bool) bool {
	return !slices.ContainsFunc(s.acts, func(b done) bool { return b.id != a.id && replaces(b) && b.seen.has(a.id) })
}

// compare returns what differs between the record and what it must show.
func (s *specification) compare(r *crdt.Record) error {
	var siblings, doses, elements, log []string
	births, sum := 0, 0
	shown, gone := map[rune]int{}, map[rune]bool{}
	for _, a := range s.acts {
		if a.create && s.counts(a) {
			births++
		}
		if s.counts(a) || a.mark != unsettled && s.countsAt(a, a.mark) {
			for _, c := range a.deleted {
				gone[c] = true // a mark forgets it, whoever is deleted later
			}
		}
		if !s.counts(a) {
			continue
		}
		if a.kind < deleteRecord {
			log = append(log, fmt.Sprint(a.id))
		}
		switch a.kind {
		case setRegister:
			if s.stands(a, func(b done) bool { return b.kind == setRegister }) {
				siblings = append(siblings, fmt.Sprint(a.id))
			}
		case setDose:
			if s.stands(a, func(b done) bool { return b.kind == setDose }) {
				doses = append(doses, fmt.Sprint(a.id))
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
	if live := r.Live(s.policy); len(live) != births {
		return fmt.Errorf("%d births are live, %v; %d should be", len(live), live, births)
	}
	field := func(name string, t crdt.Type) crdt.Field { return r.Field(name, t, s.policy) }
	var got []string
	for _, c := range field(fieldRegister, crdt.TypeRegister).Candidates() {
		got = append(got, fmt.Sprint(c.Value))
	}
	if !slices.Equal(sorted(got), sorted(siblings)) {
		return fmt.Errorf("the register shows the writes of %v; it should show those of %v", got, siblings)
	}
	got = nil
	for _, c := range field(fieldDose, crdt.TypeRegister).Candidates() {
		got = append(got, fmt.Sprint(c.Value))
	}
	if !slices.Equal(sorted(got), sorted(doses)) {
		return fmt.Errorf("the dose shows the writes of %v; it should show those of %v", got, doses)
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
