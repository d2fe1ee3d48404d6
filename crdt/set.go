package crdt

import (
	"bytes"
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
)

// SetField writes a set of a record, add-wins or remove-wins. Elements are
// values, compared with their type: 1 and "1" differ.
//
// In an add-wins set a removal takes away the additions that the actor saw; an
// addition at the same time elsewhere survives it, and nothing is left behind by
// what was removed. In a remove-wins set it is the other way round: an addition
// holds only if no removal was made at the same time, and each removed element
// leaves an entry for ever, so that the removal can be known.
//
// Add, Remove and Contains are O(bytes of the element + entries of that element
// that are alive), Values O(n log n) for n elements that were ever added.
//
// Errors of Add and Remove are the first one of the change: of
// [codec.AppendValue], or a [codec.ErrLimit] for an element of more than 4096
// bytes.
//
// Comes from an [Editor] or a [MapField], and is of use until its change ends.
// Not safe for concurrent use.
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
	at.ed.add(n, p, f.mark(marksAddition))
	return nil
}

// Entries of elements in a remove-wins set say which they are; those of an
// add-wins set are all additions, and empty.
var (
	marksRemoval  = []byte{0}
	marksAddition = []byte{1}
)

func (f SetField) removeWins() bool { return f.at.path[len(f.at.path)-1].Type == TypeRemoveSet }

func (f SetField) mark(b []byte) []byte {
	if f.removeWins() {
		return b
	}
	return nil
}

// holds reports whether an element's entries make it a member.
func holds(es []Entry) bool {
	return len(es) > 0 && !slices.ContainsFunc(es, func(e Entry) bool { return bytes.Equal(e.Value, marksRemoval) })
}

// Remove removes v, as far as the actor saw it added. Removing what the actor
// did not see there changes nothing.
func (f SetField) Remove(v any) error {
	at, err := f.element(v)
	if err != nil {
		return err
	}
	if n := at.look(); n == nil || !slices.ContainsFunc(n.entries, at.ed.sees) {
		return nil
	}
	n, p, err := at.open()
	if err != nil {
		return err
	}
	at.ed.supersede(n, p, nil)
	if f.removeWins() {
		at.ed.add(n, p, marksRemoval)
	}
	return nil
}

// Contains reports whether v is in the set as it is now, whatever the actor saw.
func (f SetField) Contains(v any) bool {
	b, err := codec.AppendValue(nil, v)
	if err != nil {
		return false
	}
	n := f.at.below(slotOf(string(b), TypeElement)).look()
	return n != nil && holds(n.entries)
}

// Values lists the elements in the order of their encodings, as the set is now.
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
	return f.at.below(slotOf(string(b), TypeElement)), nil
}

// Set is an add-wins set of T that is used alone, outside any record. T is a
// string, boolean, integer or float type, or any that [codec.AppendValue] takes
// and gives back.
//
// Concurrent addition and removal of one element: the addition stays.
//
// Add, Remove and Contains are O(1) in the size of the set; the state also grows
// by some 100 bytes for each change. Values is O(n log n).
//
// Errors of Add and Remove are those of [SetField], and nothing is changed then.
//
// Not safe for concurrent use. Use [NewSet]: the zero value has no origin and
// panics.
//
// Source: see [SetField].
type Set[T any] struct{ *replica }

// NewSet makes the set of one replica, empty. No two replicas may share an origin.
func NewSet[T any](o clock.Origin) Set[T] { return Set[T]{newReplica(o, nil)} }

// Add adds v and returns the delta, of a change even if v is there.
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
	n := s.state.root.kid(slotOf("", TypeSet)).kid(slotOf(string(b), TypeElement))
	return n != nil && len(n.entries) > 0
}

// Values lists the elements in the order of their encodings, but for those that
// are no T.
func (s Set[T]) Values() (vs []T) {
	for _, v := range (Field{state: &s.state, node: s.state.root.kid(slotOf("", TypeSet))}).Elements() {
		if v, ok := convert[T](v); ok {
			vs = append(vs, v)
		}
	}
	return vs
}
