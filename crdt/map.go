package crdt

import (
	"slices"

	"github.com/concord-crdt/concord/clock"
)

// MapField writes a map of a record: fields of any type under names.
//
// Each key holds a field of its own, joined as that type. Deleting a key
// removes what the actor saw under it, whole; what someone else writes there at
// the same time stays, alone. What only grows, as a log, is never removed. A
// nested map, set, list or text that was made empty is there until it is deleted.
//
// Reaching a key is O(depth + bytes of the name); Delete is O(keys of the map,
// and what is under the key).
//
// Errors of Put and Delete are the first one of the change. Nesting of more than
// 128 levels and names of more than 4096 bytes are a [codec.ErrLimit].
//
// Comes from an [Editor] or a [MapField], and is of use until its change ends.
// Not safe for concurrent use.
//
// Source: Almeida, Shoker and Baquero, 2018 (ORMap); Riak's map.
type MapField struct{ at place }

// Register, Counter, Set, Map and Text give the field of that type under a key.

// Register is the register under key.
func (f MapField) Register(key string) RegisterField {
	return RegisterField{f.at.below(slotOf(key, TypeRegister))}
}

// Counter is the counter under key.
func (f MapField) Counter(key string) CounterField {
	return CounterField{f.at.below(slotOf(key, TypeCounter))}
}

// Set is the set under key. It comes to be, empty, by this call.
func (f MapField) Set(key string) SetField {
	f.appear(key, TypeSet)
	return SetField{f.at.below(slotOf(key, TypeSet))}
}

// Map is the map under key. It comes to be, empty, by this call.
func (f MapField) Map(key string) MapField {
	f.appear(key, TypeMap)
	return MapField{f.at.below(slotOf(key, TypeMap))}
}

// Text is the text under key. It comes to be, empty, by this call.
func (f MapField) Text(key string) TextField {
	f.appear(key, TypeText)
	return TextField{f.at.below(slotOf(key, TypeText))}
}

// List is the list under key. It comes to be, empty, by this call.
func (f MapField) List(key string) ListField {
	f.appear(key, TypeList)
	return ListField{f.at.below(slotOf(key, TypeList))}
}

// Flag is the enable-wins flag under key.
func (f MapField) Flag(key string) FlagField { return FlagField{f.at.below(slotOf(key, TypeFlag))} }

// Group is the group under key.
func (f MapField) Group(key string) GroupField { return GroupField{f.at.below(slotOf(key, TypeGroup))} }

// Log is the log under key.
func (f MapField) Log(key string) LogField { return LogField{f.at.below(slotOf(key, TypeLog))} }

// Put sets the register under key to v.
func (f MapField) Put(key string, v any) error { return f.Register(key).Set(v) }

// appear marks that a container is under key, unless that is known.
func (f MapField) appear(key string, t Type) {
	at := f.at.below(slotOf(key, TypePresence))
	if n := at.look(); n != nil && slices.ContainsFunc(n.entries, func(e Entry) bool { return presenceOf(e) == t }) {
		return
	}
	if n, p, err := at.open(); err == nil {
		at.ed.add(n, p, []byte{byte(t)})
	}
}

func presenceOf(e Entry) Type {
	if len(e.Value) != 1 {
		return 0
	}
	return Type(e.Value[0])
}

// Delete removes what the actor saw under key, whatever its types. Deleting
// what is not there changes nothing.
func (f MapField) Delete(key string) error {
	if f.at.ed.err != nil {
		return f.at.ed.err
	}
	n := f.at.look()
	if n == nil {
		return nil
	}
	var under []slot
	for k := range n.kids {
		if k.Name == key {
			under = append(under, k)
		}
	}
	slices.SortFunc(under, slot.compare)
	for _, k := range under {
		if err := f.at.below(k).clear(); err != nil {
			return err
		}
	}
	return nil
}

// clear removes what the actor saw at and below p.
func (p place) clear() error {
	n := p.look()
	if n == nil || n.empty() {
		return nil
	}
	if n.shape == Keyed {
		for _, k := range n.sortedSlots() {
			if err := p.below(k).clear(); err != nil {
				return err
			}
		}
		return nil
	}
	if n.shape == Grown {
		if n.grown.seq == nil {
			return nil // grown: nothing of it is ever removed
		}
		return p.clearSequence()
	}
	n, patch, err := p.open()
	if err != nil {
		return err
	}
	p.ed.supersede(n, patch, nil)
	return nil
}

// Map is a map that is used alone, outside any record: fields of any type
// under names, edited through Update.
//
// Concurrency, cost and source: see [MapField].
//
// Not safe for concurrent use. Use [NewMap]: the zero value has no origin and
// panics.
type Map struct{ *replica }

// NewMap makes the map of one replica, empty. Its stamps come from hlc; without
// one, nil, all are zero, and registers go by the names of entries alone. No two
// replicas may share an origin.
func NewMap(o clock.Origin, hlc *clock.HLC) Map { return Map{newReplica(o, hlc)} }

// Update makes one change and returns its delta, nil if nothing changed. After an
// error, of edit, of a field or of the clock, the map is as it was.
func (m Map) Update(edit func(MapField) error) (*Delta, error) {
	return m.mutate(func(e *Editor) error { return edit(e.Map("")) })
}

// Field reads the map; see [Field.Kids].
func (m Map) Field() Field {
	return Field{state: &m.state, key: Key{"", TypeMap}, node: m.state.root.kid(slotOf("", TypeMap))}
}
