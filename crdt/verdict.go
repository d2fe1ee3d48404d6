package crdt

import (
	"errors"
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
)

// Verdicts on changes are kept in the record that the changes are of, under a
// name and a type that no application can use for a field.
var verdictsSlot = slotOf("\x00verdicts", TypeVerdict)

// ErrNoChange means that a verdict names what is not a change of the record, or
// none that the actor saw.
var ErrNoChange = errors.New("crdt: no such change of the record")

// Verdict approves or turns down a change of the record, in place of the verdicts
// on it that the actor saw. Who may decide, and what a verdict does, is not this
// package's matter: it is data like any other. O(verdicts of the record).
//
// The error is the first one of the change, or wraps [ErrNoChange].
func (e *Editor) Verdict(on clock.Dot, approve bool) error {
	at := place{ed: e, path: []slot{verdictsSlot}}
	_, known := e.state.metas.peek(on)
	if !known || !e.sees(Entry{ID: EntryID{Dot: on}}) {
		return e.fail(at.path, ErrNoChange)
	}
	n, p, err := at.open()
	if err != nil {
		return err
	}
	v := verdictEntry{on: on, approve: approve}
	for _, x := range n.grown.sortedRaw() {
		if old, err := readVerdict(x.Value); err == nil && old.on == on && e.sees(Entry{ID: x.ID}) {
			v.replaces = append(v.replaces, x.ID)
		}
	}
	e.grow(n, p, v.encode())
	return nil
}

// verdictEntry is a verdict as it is written.
type verdictEntry struct {
	on       clock.Dot
	approve  bool
	replaces []EntryID // sorted
}

func (v verdictEntry) encode() []byte {
	w := codec.NewWriter(nil)
	w.Bool(v.approve)
	w.Raw(v.on.Origin.Replica[:])
	w.Uint64(v.on.Origin.Incarnation)
	w.Uvarint(v.on.N)
	w.Uvarint(uint64(len(v.replaces)))
	for _, id := range v.replaces {
		writeDotRaw(w, id)
	}
	return w.Bytes()
}

func readVerdict(b []byte) (v verdictEntry, err error) {
	r := codec.NewReader(b)
	v.approve = r.Bool()
	v.on.Origin = readOriginRaw(r)
	if v.on.N = r.Uvarint(); v.on.N == 0 {
		r.Fail("verdict", codec.ErrMalformed) // on nothing
	}
	for range r.Count("verdicts", maxEntries, 26) {
		id := readDotRaw(r)
		if n := len(v.replaces); n > 0 && v.replaces[n-1].Compare(id) >= 0 {
			r.Fail("verdicts", codec.ErrNotCanonical)
		}
		v.replaces = append(v.replaces, id)
	}
	return v, r.Close()
}

// Ruling is a verdict on a change of the record. The candidate's value is true for
// an approval.
type Ruling struct {
	Candidate
	On clock.Dot
	// Replaces names the verdicts that its author saw. Whether they are done with
	// depends on who may decide.
	Replaces []EntryID
}

// Rulings lists the verdicts on changes of the record in the order of their
// stamps, then names. O(n log n) for n verdicts.
func (r *Record) Rulings() []Ruling {
	var out []Ruling
	f := Field{state: &r.State, node: r.root.kid(verdictsSlot)}
	for _, x := range f.grownEntries() {
		if v, err := readVerdict(x.Value); err == nil {
			out = append(out, Ruling{Candidate{x.ID, v.approve, x.meta}, v.on, v.replaces})
		}
	}
	return out
}

// ruling renames what a verdict on a change is on, and what it replaces.
func (x *Reissue) ruling(value []byte) ([]byte, error) {
	v, err := readVerdict(value)
	if err != nil {
		return value, err
	}
	v.on = x.entry(EntryID{Dot: v.on}).Dot
	for i, id := range v.replaces {
		v.replaces[i] = x.entry(id)
	}
	slices.SortFunc(v.replaces, EntryID.Compare)
	return v.encode(), nil
}
