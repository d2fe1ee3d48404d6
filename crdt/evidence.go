package crdt

import (
	"fmt"
	"iter"
	"slices"
	"unicode/utf8"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
)

// evidenceSlot is where a record keeps what its changes carry of others, under a
// name and a type that no application can use for a field.
var evidenceSlot = slotOf("\x00evidence", TypeEvidence)

// Evidence is what a change carries of another record that a rule reads: what
// its author's replica showed when the change was made. So the rule's answer
// follows from the change, and stays as it is whatever becomes of that record.
type Evidence struct {
	Reference string         // the name that the rule reads it under
	Record    string         // collection/key
	Heads     []Ref          // of that record, in its scope; sorted by dot
	Fields    map[string]any // the values that were shown, by name
}

// Evidence adds evidence to the change. A change has one of each reference: of
// several the last counts. O(bytes of the evidence).
//
// The error is the first one of the change, one of [codec.AppendValue], or a
// [codec.ErrLimit] for more than 1 MiB.
func (e *Editor) Evidence(x Evidence) error {
	at := place{ed: e, path: []slot{evidenceSlot}}
	n, p, err := at.open()
	if err != nil {
		return err
	}
	b, err := x.encode()
	if err != nil {
		return e.fail(at.path, err)
	}
	e.grow(n, p, b)
	return nil
}

func (x Evidence) encode() ([]byte, error) {
	fields := x.Fields
	if fields == nil {
		fields = map[string]any{}
	}
	value, err := codec.AppendValue(nil, fields)
	if err != nil {
		return nil, err
	}
	if len(value) > maxValueBytes {
		return nil, &codec.LimitError{What: "value", Got: uint64(len(value)), Max: maxValueBytes}
	}
	if err := x.checkNames(); err != nil {
		return nil, err
	}
	w := codec.NewWriter(nil)
	w.String(x.Reference)
	w.String(x.Record)
	w.Uvarint(uint64(len(x.Heads)))
	heads := slices.Clone(x.Heads)
	slices.SortFunc(heads, func(a, b Ref) int { return a.Dot.Compare(b.Dot) })
	for _, h := range heads {
		writeDotRaw(w, EntryID{Dot: h.Dot})
		w.Uint32(h.Digest)
	}
	w.Blob(value)
	return w.Bytes(), nil
}

// maxRecordNameBytes is for a collection's name, a slash and a key.
const maxRecordNameBytes = maxNameBytes + 1 + MaxKeyBytes

func (x *Evidence) checkNames() error {
	for _, n := range []struct {
		what, name string
		most       int
	}{{"reference", x.Reference, maxNameBytes}, {"record", x.Record, maxRecordNameBytes}} {
		if len(n.name) > n.most {
			return &codec.LimitError{What: n.what, Got: uint64(len(n.name)), Max: uint64(n.most)}
		}
		if !utf8.ValidString(n.name) {
			return fmt.Errorf("%s %q is not valid UTF-8", n.what, n.name)
		}
	}
	return nil
}

func readEvidence(b []byte) (x Evidence, err error) {
	r := codec.NewReader(b)
	x.Reference = r.String("reference", maxNameBytes)
	x.Record = r.String("record", maxRecordNameBytes)
	for range r.Count("heads", maxRefs, 30) {
		id := readDotRaw(r)
		if id.Index != 0 {
			r.Fail("heads", codec.ErrMalformed)
		}
		if n := len(x.Heads); n > 0 && x.Heads[n-1].Dot.Compare(id.Dot) >= 0 {
			r.Fail("heads", codec.ErrNotCanonical)
		}
		x.Heads = append(x.Heads, Ref{id.Dot, r.Uint32()})
	}
	value := r.Blob("fields", maxValueBytes)
	if r.Err() == nil {
		v, err := codec.DecodeValue(value)
		fields, ok := v.(map[string]any)
		if err == nil && !ok {
			err = codec.ErrMalformed
		}
		r.Fail("fields", err)
		x.Fields = fields
	}
	return x, r.Close()
}

// Evidence yields what changes carry of other records, in canonical order: by
// change, then in the order in which it was added. O(bytes of the evidence), and
// nothing for a record without.
func (r *Record) Evidence() iter.Seq2[clock.Dot, Evidence] {
	return func(yield func(clock.Dot, Evidence) bool) {
		n := r.root.kid(evidenceSlot)
		if n == nil {
			return
		}
		for _, e := range n.grown.sortedRaw() {
			if x, err := readEvidence(e.Value); err == nil && !yield(e.ID.Dot, x) {
				return
			}
		}
	}
}
