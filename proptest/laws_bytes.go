package proptest

import (
	"bytes"
	"fmt"
	"iter"
)

// The bounds of what is tried with damaged bytes.
const (
	truncations = 64 // spread over the bytes, and the shortest and longest of all
	flips       = 64
)

func byteLaws[S, D any]() []law[S, D] {
	noEncode := func(t *Type[S, D]) string { return missing(t.Encode == nil, "Encode") }
	noDecode := func(t *Type[S, D]) string { return missing(t.Decode == nil, "Decode") }
	noWire := func(t *Type[S, D]) string { return missing(t.DecodeDelta == nil, "DecodeDelta") }
	return []law[S, D]{
		{name: "canonical", means: "equal states have equal bytes",
			group: roundTrip, lacks: noEncode, check: canonical[S, D]},
		{name: "decoded", means: "what is decoded is what was encoded",
			group: roundTrip, lacks: noDecode, check: decoded[S, D]},
		{name: "restart", means: "a replica that is decoded goes on as if nothing had been",
			group: roundTrip, lacks: noDecode, widen: func(s *shape) { s.restart = true }, check: func(r *run[S, D]) error {
				return r.unnoticed(restart, func(w *world[S, D], on int, twin *world[S, D]) error {
					name := w.replicas[on].Name
					return w.same(name+" is another one since it was decoded", name, w.states[on], "one that never was", twin.states[on])
				})
			}},
		{name: "damage", means: "bytes that were cut off are refused, and no bytes bring a decoder down",
			group: roundTrip, lacks: noDecode, check: func(r *run[S, D]) error {
				w, err := r.play(len(r.h.steps))
				if err != nil {
					return err
				}
				for i := range r.h.replicas {
					if err := damage(w.t.Encode(w.states[i]), "the state of "+w.replicas[i].Name, func(b []byte) error {
						_, err := w.t.Decode(newReplica(i), b)
						return err
					}); err != nil {
						return err
					}
				}
				return nil
			}},
		{name: "delta bytes", means: "a decoded delta has the bytes that it came from, and bytes that were cut off are refused",
			group: roundTrip, lacks: noWire, check: deltaBytes[S, D]},
	}
}

func canonical[S, D any](r *run[S, D]) error {
	w, err := r.play(len(r.h.steps))
	if err != nil {
		return err
	}
	if err := w.settle(w.numbers(r.h.replicas), w.rotated); err != nil {
		return err
	}
	first := w.t.Encode(w.states[0])
	for i := range r.h.replicas {
		for range timesAsked {
			got := w.t.Encode(w.states[i])
			if bytes.Equal(first, got) {
				continue
			}
			name := w.replicas[i].Name
			if w.t.Equal != nil && !w.t.Equal(w.states[0], w.states[i]) {
				return &fault{problem: fmt.Sprintf("%s and %s took in the same, and are not equal", w.replicas[0].Name, name)}
			}
			return &fault{"one state, two encodings", []Side{{w.replicas[0].Name, renderBytes(first)}, {name, renderBytes(got)}}}
		}
	}
	return nil
}

func decoded[S, D any](r *run[S, D]) error {
	w, err := r.play(len(r.h.steps))
	if err != nil {
		return err
	}
	for i := range w.states {
		name := w.replicas[i].Name
		b := w.t.Encode(w.states[i])
		s, err := w.t.Decode(newReplica(i), bytes.Clone(b))
		if err != nil {
			return &fault{problem: fmt.Sprintf("the state of %s does not decode: %v", name, err)}
		}
		if err := w.same("decoding alters the state of "+name, name, w.states[i], name+" decoded", s); err != nil {
			return err
		}
		if again := w.t.Encode(s); !bytes.Equal(again, b) {
			return &fault{"decoded and encoded, the state of " + name + " has other bytes",
				[]Side{{"before", renderBytes(b)}, {"after", renderBytes(again)}}}
		}
	}
	return nil
}

func deltaBytes[S, D any](r *run[S, D]) error {
	w, err := r.play(len(r.h.steps))
	if err != nil {
		return err
	}
	for _, e := range w.events {
		b, what := w.wire[e.id], fmt.Sprintf("the delta of change %d", e.number)
		d, err := w.delta(e.id)
		if err != nil {
			return err
		}
		if again := w.t.EncodeDelta(d); !bytes.Equal(again, b) {
			return &fault{"decoded and encoded, " + what + " has other bytes",
				[]Side{{"before", renderBytes(b)}, {"after", renderBytes(again)}}}
		}
		if err := damage(b, what, func(b []byte) error { _, err := w.t.DecodeDelta(b); return err }); err != nil {
			return err
		}
	}
	return nil
}

// damage cuts bytes off and flips bits.
func damage(b []byte, what string, decode func([]byte) error) error {
	try := func(how string, b []byte, refuse bool) (err error) {
		defer func() {
			if p := recover(); p != nil {
				err = &fault{problem: fmt.Sprintf("%s, %s, brings the decoder down: %v", what, how, p)}
			}
		}()
		if decode(b) == nil && refuse {
			return &fault{problem: fmt.Sprintf("%s, %s, is accepted: %s", what, how, renderBytes(b))}
		}
		return nil
	}
	for n := range spread(len(b), truncations) {
		if err := try(fmt.Sprintf("cut to %d of %d bytes", n, len(b)), bytes.Clone(b[:n]), true); err != nil {
			return err
		}
	}
	for bit := range spread(8*len(b), flips) {
		flipped := bytes.Clone(b)
		flipped[bit/8] ^= 1 << (bit % 8)
		if err := try(fmt.Sprintf("with bit %d flipped", bit), flipped, false); err != nil {
			return err
		}
	}
	return nil
}

// spread lists numbers from 0 up to n, without n: all of them, or so many and
// the ends.
func spread(n, most int) iter.Seq[int] {
	return func(yield func(int) bool) {
		stride := max(1, n/most)
		for i := 0; i < n-1; i += stride {
			if !yield(i) {
				return
			}
		}
		if n > 0 {
			yield(n - 1)
		}
	}
}
