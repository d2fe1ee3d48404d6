package crdt

import (
	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
)

// SetField writes an add-wins set of a record. Elements are values, compared
// with their type: 1 and "1" differ.
//
// A removal takes away the additions that the actor saw; an addition at the
// same time elsewhere survives it. Nothing is left behind by what was removed.
//
// Add and Remove are O(additions of that element that are alive).
//
// Source: Shapiro et al., "Conflict-free Replicated Data Types", SSS 2011;
// Bieniusa et al., "An Optimized Conflict-free Replicated Set", 2012.
type SetField struct{ at place }

// Add adds v. Adding what is there already is a change: it survives a removal
// made at the same time.
func (f SetField) Add(v any) error {
	at, err := f.element(v)
	if err != nil {
		return err
	}
	n, p, err := at.open()
	if err != nil {
		return err
	}
	at.ed.supersede(n, p, nil)
	at.ed.add(n, p, nil)
	return nil
}

// Remove removes v, as far as the actor saw it added. Removing what is not
// there changes nothing.
func (f SetField) Remove(v any) error {
	at, err := f.element(v)
	if err != nil || at.look() == nil {
		return err
	}
	n, p, err := at.open()
	if err != nil {
		return err
	}
	at.ed.supersede(n, p, nil)
	return nil
}

// Contains reports whether v is in the set.
func (f SetField) Contains(v any) bool {
	b, err := codec.AppendValue(nil, v)
	if err != nil {
		return false
	}
	n := f.at.below(Key{string(b), TypeElement}).look()
	return n != nil && len(n.entries) > 0
}

// Values lists the elements in the order of their encodings.
func (f SetField) Values() []any {
	return Field{state: f.at.ed.state, node: f.at.look()}.Elements()
}

func (f SetField) element(v any) (place, error) {
	if f.at.ed.err != nil {
		return place{}, f.at.ed.err
	}
	b, err := codec.AppendValue(nil, v)
	if err != nil {
		return place{}, f.at.ed.fail(f.at.path, err)
	}
	return f.at.below(Key{string(b), TypeElement}), nil
}

// Set is an add-wins set of T that is used alone, outside any record. T is a
// string, boolean, integer or float type, or any that [codec.AppendValue] takes
// and gives back.
//
// Concurrent addition and removal of one element: the addition stays.
//
// Add, Remove and Contains are O(1) in the size of the set. Not safe for
// concurrent use.
//
// Source: see [SetField].
type Set[T any] struct{ *replica }

// NewSet makes the set of one replica.
func NewSet[T any](o clock.Origin) Set[T] { return Set[T]{newReplica(o, nil)} }

// Add adds v and returns the delta.
func (s Set[T]) Add(v T) (*Delta, error) {
	return s.mutate(func(e *Editor) error { return e.Set("").Add(v) })
}

// Remove removes v and returns the delta, nil if it was not there.
func (s Set[T]) Remove(v T) (*Delta, error) {
	return s.mutate(func(e *Editor) error { return e.Set("").Remove(v) })
}

// Contains reports whether v is in the set.
func (s Set[T]) Contains(v T) bool {
	b, err := codec.AppendValue(nil, v)
	if err != nil {
		return false
	}
	n := s.state.root.kid(Key{"", TypeSet}).kid(Key{string(b), TypeElement})
	return n != nil && len(n.entries) > 0
}

// Values lists the elements in the order of their encodings.
func (s Set[T]) Values() (vs []T) {
	for _, v := range (Field{state: &s.state, node: s.state.root.kid(Key{"", TypeSet})}).Elements() {
		if v, ok := convert[T](v); ok {
			vs = append(vs, v)
		}
	}
	return vs
}
