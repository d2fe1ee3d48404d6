package scenario_test

import (
	"cmp"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/concord-crdt/concord/proptest/scenario"
)

// state is what a replay makes of operations.
type state struct {
	entries   map[string][]*op // per object the operations that are no sequence
	sequences map[string][]element
	sets      map[opID]*op // the last list.set of an element
	removed   map[opID]bool
	favourite *op
}

type element struct {
	id    opID
	value any
}

func newState() *state {
	return &state{entries: map[string][]*op{}, sequences: map[string][]element{}, sets: map[opID]*op{}, removed: map[opID]bool{}}
}

// object is the key of what an edit acts on.
func object(t scenario.Target) string {
	return strings.Join(append([]string{t.Field}, t.Path...), "\x00")
}

func below(object, prefix string) bool {
	return object == prefix || strings.HasPrefix(object, prefix+"\x00")
}

// visible are the elements of a sequence that nothing removed.
func (s *state) visible(object string) []element {
	var out []element
	for _, e := range s.sequences[object] {
		if s.removed[e.id] || s.removed[opID{e.id.replica, e.id.n, -1}] {
			continue
		}
		if set := s.sets[e.id]; set != nil {
			e.value = set.edit.Op.(scenario.ListSet).Value
		}
		out = append(out, e)
	}
	return out
}

// prepare fills in what an operation saw: its neighbour, and what it removes.
func (s *state) prepare(o *op) error {
	at := object(o.edit.Target)
	switch e := o.edit.Op.(type) {
	case scenario.TextInsert:
		return s.insertAt(o, at, e.Unit, e.Pos)
	case scenario.TextInsertBytes:
		o.edit.Op = scenario.TextInsert{Pos: e.Pos, Text: strings.ToValidUTF8(string(e.Bytes), "\uFFFD")}
		return s.insertAt(o, at, e.Unit, e.Pos)
	case scenario.ListInsert:
		return s.insertAt(o, at, "", e.Pos)
	case scenario.TextDelete:
		return s.deleteAt(o, at, e.Unit, e.Pos, e.Len)
	case scenario.ListDelete:
		return s.deleteAt(o, at, "", e.Pos, e.Len)
	case scenario.ListSet:
		elements := s.visible(at)
		if e.Pos >= len(elements) {
			return errEnd
		}
		o.left = elements[e.Pos].id
	case scenario.MapDelete:
		for object, entries := range s.entries {
			for _, entry := range entries {
				if below(object, at) {
					o.removes = append(o.removes, entry.id)
				}
			}
		}
		for object, elements := range s.sequences {
			for _, e := range elements {
				if below(object, at) {
					o.removes = append(o.removes, e.id)
				}
			}
		}
	case scenario.SetAdd:
		s.removeSeen(o, at, func(p *op) bool { return same(value(p), e.Value) })
	case scenario.SetRemove:
		s.removeSeen(o, at, func(p *op) bool { return same(value(p), e.Value) })
	case scenario.CounterReset, scenario.MapSet, scenario.RegisterSet, scenario.RegisterClear, scenario.MultiSet:
		s.removeSeen(o, at, func(p *op) bool { return true })
	}
	return nil
}

func (s *state) removeSeen(o *op, at string, which func(*op) bool) {
	for _, p := range s.entries[at] {
		if which(p) {
			o.removes = append(o.removes, p.id)
		}
	}
}

func (s *state) text(at string) []rune {
	var text []rune
	for _, e := range s.visible(at) {
		if r, ok := e.value.(rune); ok {
			text = append(text, r)
		}
	}
	return text
}

func (s *state) insertAt(o *op, at, unit string, pos int) error {
	if pos == 0 {
		return nil
	}
	pos, err := runes(s.text(at), unit, pos)
	if err != nil {
		return err
	}
	elements := s.visible(at)
	if pos > len(elements) {
		return errEnd
	}
	o.left = elements[pos-1].id
	return nil
}

func (s *state) deleteAt(o *op, at, unit string, pos, length int) error {
	text := s.text(at)
	pos, err := runes(text, unit, pos)
	if err != nil {
		return err
	}
	if length, err = runes(text[min(pos, len(text)):], unit, length); err != nil {
		return err
	}
	elements := s.visible(at)
	if pos+length > len(elements) {
		return errEnd
	}
	for _, e := range elements[pos : pos+length] {
		o.removes = append(o.removes, e.id)
	}
	return nil
}

// apply takes an operation into the state, after all that it saw.
func (s *state) apply(o *op) {
	at := object(o.edit.Target)
	for _, id := range o.removes {
		s.removed[id] = true
	}
	for object, entries := range s.entries {
		if len(o.removes) > 0 {
			s.entries[object] = slices.DeleteFunc(entries, func(p *op) bool { return s.removed[p.id] })
		}
	}
	switch e := o.edit.Op.(type) {
	case scenario.TextInsert:
		var elements []element
		for _, r := range e.Text {
			elements = append(elements, element{opID{o.id.replica, o.id.n, len(elements)}, r})
		}
		s.insert(at, o.left, elements)
	case scenario.ListInsert:
		var elements []element
		for _, v := range e.Values {
			elements = append(elements, element{opID{o.id.replica, o.id.n, len(elements)}, v})
		}
		s.insert(at, o.left, elements)
	case scenario.ListSet:
		s.sets[o.left] = o
	case scenario.TextDelete, scenario.ListDelete, scenario.SetRemove, scenario.MapDelete, scenario.CounterReset:
	default:
		s.entries[at] = append(s.entries[at], o)
	}
}

// insert puts elements right behind their left neighbour: later operations
// come first.
func (s *state) insert(at string, left opID, elements []element) {
	i := 0
	if left != (opID{}) {
		i = 1 + slices.IndexFunc(s.sequences[at], func(e element) bool { return e.id == left })
	}
	s.sequences[at] = slices.Insert(s.sequences[at], i, elements...)
}

func value(o *op) any {
	switch e := o.edit.Op.(type) {
	case scenario.SetAdd:
		return e.Value
	case scenario.MapSet:
		return e.Value
	case scenario.RegisterSet:
		return e.Value
	case scenario.MultiSet:
		return e.Value
	}
	return nil
}

func same(a, b any) bool { return fmt.Sprintf("%T %v", a, a) == fmt.Sprintf("%T %v", b, b) }

// Read answers all kinds but spans.
func (r *naive) Read(kind scenario.Kind, field string) (any, error) {
	s := r.state
	switch kind {
	case scenario.KindText:
		return string(s.text(field)), nil
	case scenario.KindList:
		list := []any{}
		for _, e := range s.visible(field) {
			list = append(list, e.value)
		}
		return list, nil
	case scenario.KindSet, scenario.KindMulti:
		set := scenario.Set{}
		for _, o := range s.entries[field] {
			if v := value(o); !slices.ContainsFunc(set, func(have any) bool { return same(have, v) }) {
				set = append(set, v)
			}
		}
		return set, nil
	case scenario.KindCounter:
		return s.sum(field), nil
	case scenario.KindRegister:
		if s.favourite != nil {
			return value(s.favourite), nil
		}
		return s.latest(field), nil
	case scenario.KindMap:
		return s.mapOf(field), nil
	}
	return nil, fmt.Errorf("naive: cannot read %s", kind)
}

func (s *state) sum(at string) *big.Int {
	sum := new(big.Int)
	for _, o := range s.entries[at] {
		if add, ok := o.edit.Op.(scenario.CounterAdd); ok {
			sum.Add(sum, add.By)
		}
	}
	return sum
}

func (s *state) latest(at string) any {
	if len(s.entries[at]) == 0 {
		return nil
	}
	return value(slices.MaxFunc(s.entries[at], func(a, b *op) int {
		return cmp.Or(cmp.Compare(a.wall, b.wall), a.before(b))
	}))
}

// mapOf builds nested maps from the objects whose path starts with a field.
func (s *state) mapOf(field string) map[string]any {
	root := map[string]any{}
	put := func(object string, v any) {
		path := strings.Split(object, "\x00")[1:]
		if len(path) == 0 {
			return
		}
		m := root
		for _, key := range path[:len(path)-1] {
			inner, ok := m[key].(map[string]any)
			if !ok {
				inner = map[string]any{}
				m[key] = inner
			}
			m = inner
		}
		if _, isMap := v.(map[string]any); !isMap || m[path[len(path)-1]] == nil {
			m[path[len(path)-1]] = v
		}
	}
	for object := range s.sequences {
		if below(object, field) && len(s.visible(object)) > 0 {
			put(object, string(s.text(object)))
		}
	}
	for object, entries := range s.entries {
		if !below(object, field) || len(entries) == 0 {
			continue
		}
		switch entries[len(entries)-1].edit.Op.(type) {
		case scenario.MapNew:
			put(object, map[string]any{})
		case scenario.CounterAdd:
			put(object, s.sum(object))
		default:
			put(object, s.latest(object))
		}
	}
	return root
}
