package crdt

import (
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
)

// replica is one replica of a type that is used alone: a state, a name for its
// changes, and a clock where the type reads one.
type replica struct {
	state  State
	origin clock.Origin
	n      uint64
	hlc    *clock.HLC
}

func newReplica(o clock.Origin, hlc *clock.HLC) *replica { return &replica{origin: o, hlc: hlc} }

// mutate makes one change. After an error the state is as it was.
func (r *replica) mutate(edit func(*Editor) error) (*Delta, error) {
	d := &Delta{Dot: clock.Dot{Origin: r.origin, N: r.n + 1}}
	if r.hlc != nil {
		var err error
		if d.Stamp, err = r.hlc.Now(); err != nil {
			return nil, fmt.Errorf("crdt: %w", err)
		}
	}
	e := newEditor(&r.state, d.Dot, nil, nil)
	if err := edit(e); err != nil {
		e.Undo()
		return nil, err
	}
	p, err := e.Patch()
	if err != nil {
		e.Undo()
		return nil, err
	}
	if p.empty() {
		return nil, nil
	}
	d.Patch = p
	r.n++
	r.state.enter(d.Dot, d.Dot.N, d.meta())
	return d, nil
}

// Join takes over a delta of another replica, in any order and any number of
// times; nil, the delta of a mutation that changed nothing, changes nothing.
// emit, when not nil, is told what changed. A delta that its types cannot mean
// is refused and changes nothing: the error wraps [ErrShapeMismatch] or says
// what is wrong with the bytes.
//
// What a text's delta names and is not here yet is kept until it comes. That a
// dot names one content only is for the caller to see to: no two replicas may
// share an origin.
//
// O(what the delta weighs), and for a text that deltas wait for, what these weigh.
func (r *replica) Join(d *Delta, emit func(Event)) error {
	if d == nil {
		return nil
	}
	versioned := false
	d.Patch.walk(func(p *Patch) { versioned = versioned || p.Shape == Versioned })
	if versioned {
		return fmt.Errorf("crdt: join %v: versioned fields are for records: %w", d.Dot, ErrShapeMismatch)
	}
	if err := r.state.check(d.Patch); err != nil && !errors.Is(err, ErrMissingElement) {
		return fmt.Errorf("crdt: join %v: %w", d.Dot, err)
	}
	r.state.apply(d.Dot, d.Dot.N, d.meta(), d.Patch, listen(emit))
	if d.Dot.Origin == r.origin {
		r.n = max(r.n, d.Dot.N)
	}
	if r.hlc != nil {
		r.hlc.Observe(d.Stamp)
	}
	return nil
}

// State is the whole state: joining it has the effect of joining every delta
// that it is made of. It is the replica's own, and must not be changed.
func (r *replica) State() *State { return &r.state }

// JoinState takes over a whole state, in any order with deltas and other states. It
// trusts s. emit, when not nil, is told what changed.
// O(both states).
func (r *replica) JoinState(s *State, emit func(Event)) {
	r.state.Join(s, emit)
	r.n = max(r.n, r.state.context.Last(r.origin))
	if r.hlc != nil {
		r.hlc.Observe(s.metas.latest())
	}
}

// Delta is what a mutation of a type used alone returns: a small state of the
// same lattice. Joining it has the effect of the mutation, on any number of
// replicas and in any order.
//
// It shares memory with the state that it came from: nobody may modify it, and it
// may be joined elsewhere meanwhile.
type Delta struct {
	Dot   clock.Dot
	Stamp clock.Stamp
	Patch *Patch
}

// nobody is the author of all deltas.
var nobody Author

func (d *Delta) meta() Meta { return Meta{Stamp: d.Stamp, Author: &nobody, Edits: true} }

// Encode is the canonical form of the delta: a change of one part without a
// key. O(bytes).
func (d *Delta) Encode() []byte {
	c := Change{Dot: d.Dot, Stamp: d.Stamp, Parts: []Part{{Birth: &Birth{}, Patch: d.Patch}}}
	d.Patch.walk(func(p *Patch) {
		for _, id := range p.Remove {
			c.Parts[0].Saw = append(c.Parts[0].Saw, Ref{Dot: id.Dot})
		}
	})
	return c.Encode()
}

// DecodeDelta reads what [Delta.Encode] wrote, and nothing else. The result shares
// no memory with b. O(bytes).
//
// The error wraps one of [codec], or [ErrUnknownShape] for a delta of a later
// version.
func DecodeDelta(b []byte) (*Delta, error) {
	c, err := DecodeChange(b)
	if err != nil {
		return nil, err
	}
	if len(c.Parts) != 1 || c.Parts[0].Patch == nil || c.Parts[0].Key != "" {
		return nil, fmt.Errorf("crdt: decode delta: %w", codec.ErrMalformed)
	}
	d := &Delta{Dot: c.Dot, Stamp: c.Stamp, Patch: c.Parts[0].Patch}
	if !slices.Equal(d.Encode(), b) {
		return nil, fmt.Errorf("crdt: decode delta: %w", codec.ErrNotCanonical)
	}
	return d, nil
}

// convert turns a decoded value into T, which may be a named type or a narrower
// one. It refuses what T would show as another value: a peer may have written
// anything.
func convert[T any](v any) (t T, ok bool) {
	if t, ok = v.(T); ok {
		return t, true
	}
	rv, rt := reflect.ValueOf(v), reflect.TypeFor[T]()
	if !rv.IsValid() || !rv.CanConvert(rt) {
		return t, false
	}
	z := reflect.New(rt).Elem()
	switch {
	case rv.CanInt() && z.CanInt():
		ok = !z.OverflowInt(rv.Int())
	case rv.CanInt() && z.CanUint():
		ok = rv.Int() >= 0 && !z.OverflowUint(uint64(rv.Int()))
	case rv.CanFloat() && z.CanFloat():
		ok = z.Kind() == reflect.Float64 || float64(float32(rv.Float())) == rv.Float()
	default:
		ok = rv.Kind() == rt.Kind()
	}
	if !ok {
		return t, false
	}
	return rv.Convert(rt).Interface().(T), true
}
