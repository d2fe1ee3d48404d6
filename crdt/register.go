package crdt

import (
	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
)

// RegisterField writes a register of a record: one value, set as a whole.
//
// The state is the set of siblings, the values that no write has superseded.
// Which of them is shown is decided by the view's overlay; the join drops none
// by its stamp, since a clock that runs wrong would then make the outcome hang
// on the order of arrival.
//
// Set is O(bytes of the value + siblings), Values O(bytes of the siblings).
//
// Errors of Set are the first one of the change: of [codec.AppendValue], or a
// [codec.ErrLimit] for a value of more than 1 MiB.
//
// Comes from an [Editor] or a [MapField], and is of use until its change ends.
// Not safe for concurrent use.
//
// Source: DeCandia et al., "Dynamo", SOSP 2007 (siblings); Shapiro et al., "A
// Comprehensive Study of Convergent and Commutative Replicated Data Types",
// INRIA RR-7506, 2011 (multi-value register).
type RegisterField struct{ at place }

// Set writes v, superseding the values that the actor saw. Values are those of
// [codec.AppendValue].
func (f RegisterField) Set(v any) error {
	n, p, err := f.at.open()
	if err != nil {
		return err
	}
	b, err := codec.AppendValue(nil, v)
	if err != nil {
		return f.at.ed.fail(f.at.path, err)
	}
	if len(b) > maxValueBytes {
		return f.at.ed.fail(f.at.path, &codec.LimitError{What: "value", Got: uint64(len(b)), Max: maxValueBytes})
	}
	f.at.ed.supersede(n, p, nil)
	f.at.ed.add(n, p, b)
	return nil
}

// Clear writes the absence of a value. It is a write like any other: a
// concurrent Set is its sibling.
func (f RegisterField) Clear() error { return f.Set(nil) }

// Values lists the siblings in canonical order, as the register is now. It is
// empty if nothing was written.
func (f RegisterField) Values() []any {
	n := f.at.look()
	if n == nil {
		return nil
	}
	vs := make([]any, 0, len(n.entries))
	for _, e := range n.entries {
		v, _ := codec.DecodeValue(e.Value)
		vs = append(vs, v)
	}
	return vs
}

// Candidate is one of the siblings of a register, or one entry of a log or
// proposal, with what a rule may read of the change that wrote it.
//
// A value, not bound to the record. Value and what Meta points at must not be
// modified.
type Candidate struct {
	ID    EntryID
	Value any
	Meta  Meta
}

// Before orders candidates as last-write-wins does: by effective stamp, then by
// entry. The greater is the later.
func (c Candidate) Before(o Candidate) bool {
	if c.Meta.Stamp != o.Meta.Stamp {
		return c.Meta.Stamp < o.Meta.Stamp
	}
	return c.ID.Compare(o.ID) < 0
}

// Register is a register of values of type T that is used alone, outside any
// record: a multi-value register with last-write-wins reading.
//
// Concurrent writes are kept as siblings; Get shows the one with the latest
// stamp, the same on every replica. A write supersedes the siblings that its
// replica had joined.
//
// Set and Get are O(siblings); the state also grows by some 100 bytes for each
// change.
//
// Errors of Set are those of [RegisterField], or of the clock, and nothing is
// changed then.
//
// Not safe for concurrent use. Use [NewRegister]: the zero value has no origin
// and panics.
//
// Source: see [RegisterField].
type Register[T any] struct{ *replica }

// NewRegister makes the register of one replica, without a value. Its stamps come
// from hlc; without one, nil, siblings go by the names of their entries alone. No
// two replicas may share an origin.
func NewRegister[T any](o clock.Origin, hlc *clock.HLC) Register[T] {
	return Register[T]{newReplica(o, hlc)}
}

// Set writes v and returns the delta.
func (r Register[T]) Set(v T) (*Delta, error) {
	return r.mutate(func(e *Editor) error { return e.Register("").Set(v) })
}

// Get shows the latest value; ok is false if nothing was ever written, or if the
// latest is no T.
func (r Register[T]) Get() (v T, ok bool) {
	f := Field{state: &r.state, key: Key{"", TypeRegister}, node: r.state.root.kid(slotOf("", TypeRegister))}
	var best *Candidate
	for _, c := range f.Candidates() {
		if best == nil || best.Before(c) {
			best = &c
		}
	}
	if best == nil {
		return v, false
	}
	return convert[T](best.Value)
}

// Siblings lists all concurrent values, in canonical order, but for those that are
// no T.
func (r Register[T]) Siblings() (vs []T) {
	f := Field{state: &r.state, key: Key{"", TypeRegister}, node: r.state.root.kid(slotOf("", TypeRegister))}
	for _, c := range f.Candidates() {
		if v, ok := convert[T](c.Value); ok {
			vs = append(vs, v)
		}
	}
	return vs
}
