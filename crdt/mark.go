package crdt

import (
	"errors"
	"fmt"
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/internal/planted"
)

// Mark is a settle mark: the steward's decision up to where the past of a scope
// is folded. It is written as a change to the scope's own record, and every
// replica that applies it folds alike, see [Record.Fold].
//
// The cut lies below what every member has acknowledged, each member's own
// changes up to its acknowledgement among it: what a member writes after its
// acknowledgement has seen all of the cut.
type Mark struct {
	Number  uint64 // 1, 2, 3, … in the scope's chain of marks
	Before  Ref    // the mark before it; zero for the first
	Cut     clock.VersionVector
	Policy  uint64   // the version of the policy that it folds by; zero when there is none
	Members []Member // sorted by origin
	Steward clock.ReplicaID
}

// Member is an origin that acknowledged a cut, with the last of its own changes
// that it had made by then.
type Member struct {
	Origin clock.Origin
	Acked  uint64
}

// Errors of marks.
var (
	// ErrMark means that bytes do not make a settle mark.
	ErrMark = errors.New("crdt: not a settle mark")
	// ErrMarkChain means that a mark does not continue the scope's chain.
	ErrMarkChain = errors.New("crdt: settle mark does not continue the chain")
)

const maxMembers = 1 << 16

// Check refuses a mark that says too little or contradicts itself.
func (m *Mark) Check() error {
	switch {
	case m.Number == 0 || m.Number == 1 != m.Before.Dot.IsZero():
		return fmt.Errorf("%w: mark %d after %v", ErrMark, m.Number, m.Before.Dot)
	case m.Cut.IsEmpty():
		return fmt.Errorf("%w: mark %d has an empty cut", ErrMark, m.Number)
	}
	for i, x := range m.Members {
		if i > 0 && m.Members[i-1].Origin.Compare(x.Origin) >= 0 {
			return fmt.Errorf("%w: its members are not sorted", ErrMark)
		}
		if x.Acked > m.Cut.Get(x.Origin) {
			return fmt.Errorf("%w: the cut ends at %d of %v, who acknowledged it with %d", ErrMark, m.Cut.Get(x.Origin), x.Origin, x.Acked)
		}
	}
	return nil
}

// Missing lists what a mark waits for before it folds: of each origin the first
// change that lies in the cut and not in applied, in the order of their origins.
func (m *Mark) Missing(applied *clock.VersionVector) (missing []clock.Dot) {
	for o, n := range m.Cut.All() {
		if have := applied.Get(o); have < n && !planted.Is(planted.MarkBeforeCut) {
			missing = append(missing, clock.Dot{Origin: o, N: have + 1})
		}
	}
	return missing
}

// Encode is the canonical form of a mark.
func (m *Mark) Encode() []byte {
	var t clock.Table
	body := codec.NewWriter(nil)
	body.Uvarint(m.Number)
	if m.Number > 1 {
		clock.WriteDot(body, &t, m.Before.Dot)
		body.Uint32(m.Before.Digest)
	}
	body.Uvarint(m.Policy)
	body.Raw(m.Steward[:])
	m.Cut.Write(body, &t)
	body.Uvarint(uint64(len(m.Members)))
	for _, x := range m.Members {
		clock.WriteOrigin(body, &t, x.Origin)
		body.Uvarint(x.Acked)
	}
	w := codec.NewWriter(nil)
	t.Write(w)
	w.Raw(body.Bytes())
	return w.Bytes()
}

// DecodeMark reads what [Mark.Encode] wrote, and nothing else. The error wraps
// [ErrMark] or one of the codec's.
func DecodeMark(b []byte) (*Mark, error) {
	r := codec.NewReader(b)
	t := clock.ReadTable(r, maxMembers)
	m := &Mark{Number: r.Uvarint()}
	if m.Number > 1 {
		m.Before = Ref{clock.ReadDot(r, t), r.Uint32()}
	}
	m.Policy = r.Uvarint()
	copy(m.Steward[:], r.Raw(len(m.Steward)))
	m.Cut = clock.ReadVersionVector(r, t)
	for range r.Count("members", maxMembers, 2) {
		m.Members = append(m.Members, Member{clock.ReadOrigin(r, t), r.Uvarint()})
	}
	t.CheckUse(r)
	if err := r.Close(); err != nil {
		return nil, fmt.Errorf("crdt: decode mark: %w", err)
	}
	if err := m.Check(); err != nil {
		return nil, err
	}
	return m, nil
}

// Floor is the chain of the marks that a scope is folded by, the last one on
// top. A nil floor is that of a scope without marks: nothing is forgotten.
//
// Never modified, so safe for concurrent use.
type Floor struct {
	Mark   Mark
	Ref    Ref // the change that carries the mark
	before *Floor
}

// Raise puts the next mark on the chain. The error wraps [ErrMarkChain] or
// [ErrMark].
func (f *Floor) Raise(m *Mark, ref Ref) (*Floor, error) {
	if err := m.Check(); err != nil {
		return nil, err
	}
	if m.Number != f.Number()+1 {
		return nil, fmt.Errorf("%w: mark %d comes after mark %d", ErrMarkChain, m.Number, f.Number())
	}
	if f != nil {
		if m.Before != f.Ref {
			return nil, fmt.Errorf("%w: mark %d names %v before it, and that is %v", ErrMarkChain, m.Number, m.Before.Dot, f.Ref.Dot)
		}
		if !m.Cut.Covers(&f.Mark.Cut) {
			return nil, fmt.Errorf("%w: the cut of mark %d does not cover the one before", ErrMarkChain, m.Number)
		}
		if f.Mark.Steward != ref.Dot.Origin.Replica && !planted.Is(planted.TwoStewards) {
			return nil, fmt.Errorf("%w: mark %d is by %v, and the steward is %v", ErrMarkChain, m.Number, ref.Dot.Origin.Replica, f.Mark.Steward)
		}
	}
	return &Floor{Mark: *m, Ref: ref, before: f}, nil
}

// Number is that of the last mark, zero when there is none.
func (f *Floor) Number() uint64 {
	if f == nil {
		return 0
	}
	return f.Mark.Number
}

// Covers reports whether a change lies in the last mark's cut. O(log writers).
func (f *Floor) Covers(d clock.Dot) bool { return f != nil && f.Mark.Cut.Contains(d) }

// At is the chain as it was under mark number n, nil if there is no such one.
// O(marks since).
func (f *Floor) At(n uint64) *Floor {
	for f != nil && f.Mark.Number > n {
		f = f.before
	}
	if f == nil || f.Mark.Number != n {
		return nil
	}
	return f
}

// Find returns the number of the mark that a change carries, zero if it carries
// none of the chain.
func (f *Floor) Find(ref Ref) uint64 {
	for ; f != nil; f = f.before {
		if f.Ref == ref {
			return f.Mark.Number
		}
	}
	return 0
}

// Late reports whether a change came after a mark without having seen it: it
// lies outside the cut of one that is above the mark it cites, and its author
// had not acknowledged that cut before. O(marks since · log members).
func (f *Floor) Late(d clock.Dot, cited uint64) bool {
	for ; f != nil && f.Mark.Number > cited; f = f.before {
		if f.Mark.Cut.Contains(d) {
			continue
		}
		i, member := slices.BinarySearchFunc(f.Mark.Members, d.Origin, func(m Member, o clock.Origin) int { return m.Origin.Compare(o) })
		if !member || d.N <= f.Mark.Members[i].Acked {
			return true
		}
	}
	return false
}

// Acknowledgement is what a member said that it had applied, its own changes
// among it.
type Acknowledgement struct {
	Origin  clock.Origin
	Applied clock.VersionVector
}

// ownWithin reports whether all that the member's replica had made, under this
// or earlier incarnations, lies in a cut.
func (a *Acknowledgement) ownWithin(cut *clock.VersionVector) bool {
	for o, n := range a.Applied.All() {
		if o.Replica == a.Origin.Replica && n > cut.Get(o) {
			return false
		}
	}
	return true
}

// NextMark finds the greatest cut that all members have acknowledged, and each
// together with what it had made by then. acks holds, per member, what it
// acknowledged over time, the last first; a member without any holds everything
// up. ok is false if no cut would raise the floor.
//
// O(acknowledgements · members).
func (f *Floor) NextMark(acks [][]Acknowledgement) (m *Mark, ok bool) {
	if len(acks) == 0 {
		return nil, false
	}
	at := make([]int, len(acks))
	for {
		var cut clock.VersionVector
		for i, of := range acks {
			if at[i] == len(of) {
				return nil, false
			}
			if i == 0 {
				cut = of[at[i]].Applied.Clone()
			} else {
				cut.Meet(&of[at[i]].Applied)
			}
		}
		if cut.IsEmpty() || f != nil && !cut.Covers(&f.Mark.Cut) {
			return nil, false
		}
		lowered := false
		for i, of := range acks {
			if !of[at[i]].ownWithin(&cut) && !planted.Is(planted.CutNotClosed) {
				at[i]++
				lowered = true
			}
		}
		if lowered {
			continue
		}
		if f != nil && f.Mark.Cut.Covers(&cut) {
			return nil, false
		}
		m = &Mark{Number: f.Number() + 1, Cut: cut}
		if f != nil {
			m.Before, m.Policy, m.Steward = f.Ref, f.Mark.Policy, f.Mark.Steward
		}
		for i, of := range acks {
			o := of[at[i]].Origin
			m.Members = append(m.Members, Member{o, of[at[i]].Applied.Get(o)})
		}
		slices.SortFunc(m.Members, func(a, b Member) int { return a.Origin.Compare(b.Origin) })
		return m, true
	}
}
