package proptest

import (
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/merge"
	"github.com/concord-crdt/concord/proptest/scenario"
)

// A fieldSpecification says what fields show, from what was done and seen and
// nothing else.
type fieldSpecification struct {
	events []Event
	edits  []*fieldEdit // of the events, in their order
}

// specifyFields holds what a document shows against what was done to it.
func specifyFields(rules *merge.CollectionRules, d Document, seen []Event) error {
	shown := d.View()
	for name, s := range fieldSpecifications(rules, seen) {
		got, ok := shown.Field(name)
		if !ok {
			continue // nothing was done to it but what others took back
		}
		if err := s.compare(rules.Field(name), got); err != nil {
			return fmt.Errorf("field %s %w", name, err)
		}
	}
	return nil
}

// fieldSpecifications goes through the fields that something was done to, by
// name. There are none if an operation of the caller's, which may have done
// anything, is among the events.
func fieldSpecifications(rules *merge.CollectionRules, seen []Event) iter.Seq2[string, *fieldSpecification] {
	return func(yield func(string, *fieldSpecification) bool) {
		fields := map[string]*fieldSpecification{}
		for _, e := range seen {
			note, ok := e.Note.(*fieldEdit)
			if !ok {
				return
			}
			s := fields[note.field]
			if s == nil {
				s = &fieldSpecification{}
				fields[note.field] = s
			}
			s.events, s.edits = append(s.events, e), append(s.edits, note)
		}
		for _, name := range slices.Sorted(maps.Keys(fields)) {
			if !yield(name, fields[name]) {
				return
			}
		}
	}
}

// expectFields says what can be said of counters, sets and registers in a
// scenario file.
func expectFields(rules *merge.CollectionRules, all []Event) scenario.Expect {
	var x scenario.Expect
	say := func(key string, v any) {
		if x.Values == nil {
			x.Values = scenario.Values{}
		}
		x.Values[key] = v
	}
	for name, s := range fieldSpecifications(rules, all) {
		switch rules.Field(name).Rule().Type {
		case crdt.TypeCounter:
			say("counter:"+name, s.sum())
		case crdt.TypeSet:
			say("set:"+name, s.addWins())
		case crdt.TypeRegister:
			say("register:"+name, s.winner(rules.Field(name)))
		}
	}
	return x
}

func (s *fieldSpecification) compare(rule *merge.FieldRules, got *merge.FieldView) error {
	want := any(nil)
	switch rule.Rule().Type {
	case crdt.TypeRegister, crdt.TypeGroup:
		return s.compareRegister(rule, got)
	case crdt.TypeCounter:
		want = s.sum()
	case crdt.TypeSet:
		want = s.addWins()
	case crdt.TypeRemoveSet:
		want = s.set(func(i int) bool {
			return s.edits[i].what == "add" && !s.exists(func(j int) bool {
				return s.edits[j].what == "remove" && s.sameValue(i)(j) && !s.events[i].Saw(s.events[j])
			})
		})
	case crdt.TypeFlag:
		want = s.exists(func(i int) bool {
			return s.edits[i].what == "enable" && s.stands(i, func(j int) bool { return s.edits[j].what == "disable" })
		})
	case crdt.TypeDisableFlag:
		return nil // on needs an enabling after every disabling: see the type's own tests
	case crdt.TypeStock:
		want = s.stock()
	case crdt.TypeBounded:
		if n, ok := got.Value.(int64); !ok || n < leastBounded || n > mostBounded {
			return fmt.Errorf("shows %v, and its bounds are %d and %d", got.Value, leastBounded, mostBounded)
		}
		return nil
	case crdt.TypeLog:
		return sameElements(got.Value, s.values())
	case crdt.TypeText:
		return s.compareSequence(elements(fmt.Sprint(got.Value)))
	case crdt.TypeList:
		list, _ := got.Value.([]any)
		return s.compareSequence(list)
	default:
		return nil
	}
	if x, y := render(got.Value), render(want); x != y {
		return fmt.Errorf("shows %s, and is specified as %s", x, y)
	}
	return nil
}

func (s *fieldSpecification) exists(holds func(i int) bool) bool {
	for i := range s.edits {
		if holds(i) {
			return true
		}
	}
	return false
}

// stands reports whether nobody who saw event i did something that takes its
// place.
func (s *fieldSpecification) stands(i int, replaces func(j int) bool) bool {
	return !s.exists(func(j int) bool { return replaces(j) && s.events[j].Saw(s.events[i]) })
}

func (s *fieldSpecification) sameValue(i int) func(j int) bool {
	return func(j int) bool { return render(s.edits[j].value) == render(s.edits[i].value) }
}

func (s *fieldSpecification) values() (vs []any) {
	for _, x := range s.edits {
		vs = append(vs, x.value)
	}
	return vs
}

func (s *fieldSpecification) sum() (sum int64) {
	for _, x := range s.edits {
		sum += x.value.(int64)
	}
	return sum
}

func (s *fieldSpecification) addWins() []any {
	return s.set(func(i int) bool { return s.edits[i].what == "add" && s.stands(i, s.sameValue(i)) })
}

// set lists the values of some events in the order in which sets show them.
func (s *fieldSpecification) set(holds func(i int) bool) []any {
	there := map[string]any{}
	for i := range s.edits {
		if holds(i) {
			if b, err := codec.AppendValue(nil, s.edits[i].value); err == nil {
				there[string(b)] = s.edits[i].value
			}
		}
	}
	vs := []any{}
	for _, b := range slices.Sorted(maps.Keys(there)) {
		vs = append(vs, there[b])
	}
	return vs
}

// stock is the last recount and what came after it, by their stamps.
func (s *fieldSpecification) stock() (level int64) {
	last := -1
	for i, x := range s.edits {
		later := func(j int) bool {
			a, b := x.change, s.edits[j].change
			return a.Stamp > b.Stamp || a.Stamp == b.Stamp && a.Dot.Compare(b.Dot) > 0
		}
		if x.what == "recount" && (last < 0 || later(last)) {
			last, level = i, x.value.(int64)
		}
	}
	for _, x := range s.edits {
		if x.what == "add" && (last < 0 || x.change.Stamp >= s.edits[last].change.Stamp) {
			level += x.value.(int64)
		}
	}
	return level
}

// siblings are the writes that nobody who wrote had seen.
func (s *fieldSpecification) siblings() (set []merge.Candidate) {
	for i, x := range s.edits {
		if s.stands(i, func(int) bool { return true }) {
			a := x.change.Author
			set = append(set, merge.Candidate{Value: x.value, Actor: a.Actor, Role: a.Role, Stamp: x.change.Stamp,
				Entry: crdt.EntryID{Dot: x.change.Dot}})
		}
	}
	return set
}

// winner is the sibling that the rule prefers.
func (s *fieldSpecification) winner(rule *merge.FieldRules) any {
	set := s.siblings()
	if i := rule.Resolve(set, nil).Winner; i >= 0 {
		return set[i].Value
	}
	return nil
}

// compareRegister leaves out versioned fields: what is held back from those, and
// why, is for a rule's own tests.
func (s *fieldSpecification) compareRegister(rule *merge.FieldRules, got *merge.FieldView) error {
	if rule.Versioned() {
		return nil
	}
	var values, wanted []any
	for _, c := range got.Candidates {
		values = append(values, c.Value)
	}
	for _, c := range s.siblings() {
		wanted = append(wanted, c.Value)
	}
	if err := sameElements(values, wanted); err != nil {
		return err
	}
	if x, y := render(got.Value), render(s.winner(rule)); x != y {
		return fmt.Errorf("shows %s, and is specified as %s", x, y)
	}
	return nil
}

// sameElements compares without order.
func sameElements(got any, want []any) error {
	list, _ := got.([]any)
	x, y := make([]string, len(list)), make([]string, len(want))
	for i, v := range list {
		x[i] = render(v)
	}
	for i, v := range want {
		y[i] = render(v)
	}
	slices.Sort(x)
	slices.Sort(y)
	if !slices.Equal(x, y) {
		return fmt.Errorf("holds %v, and is specified as %v", x, y)
	}
	return nil
}

// compareSequence wants every element that was put in and not taken out, and
// those that one author had before them in the order in which that author left
// them.
func (s *fieldSpecification) compareSequence(got []any) error {
	place, gone := map[string]int{}, map[string]bool{}
	for i, v := range got {
		place[render(v)] = i
	}
	in := 0
	for _, x := range s.edits {
		for _, v := range x.deleted {
			gone[render(v)] = true
		}
	}
	for _, x := range s.edits {
		for _, v := range x.inserted {
			if gone[render(v)] {
				continue
			}
			if in++; place[render(v)] == 0 && (len(got) == 0 || render(got[0]) != render(v)) {
				return fmt.Errorf("lost %s, which nobody took out", render(v))
			}
		}
	}
	if in != len(got) {
		return fmt.Errorf("shows %d elements, and is specified as %d", len(got), in)
	}
	for i, x := range s.edits {
		last := -1
		for _, v := range x.left {
			p, there := place[render(v)]
			if !there {
				continue
			}
			if p < last {
				return fmt.Errorf("has %s in another place than %s left it", render(v), s.events[i].Replica)
			}
			last = p
		}
	}
	return nil
}
