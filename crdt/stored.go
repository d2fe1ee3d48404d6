package crdt

import (
	"bytes"
	"fmt"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
)

// The stored form of a record: one table of origins, then context, heads,
// existence, metas in columns, and the nodes, parents first. It is a cache of
// what the changes say; equality is over the normal form, see [Record.Digest].

// The form is of the second version where some author has a seniority, which
// the first cannot say.
const (
	recordVersion = 1
	recordSenior  = 2
)

// Write appends the stored form of the record.
func (r *Record) Write(w *codec.Writer) {
	var t clock.Table
	body := codec.NewWriter(nil)
	r.context.Write(body, &t)
	writeDots(body, &t, r.heads)
	births := r.Births()
	body.Uvarint(uint64(len(births)))
	for _, d := range births {
		clock.WriteDot(body, &t, d)
		b := r.births[d]
		body.String(b.ParentKey)
		writeStoredRefs(body, &t, b.ParentBirths)
	}
	deletions := sortedDots(r.deletions)
	body.Uvarint(uint64(len(deletions)))
	for _, d := range deletions {
		clock.WriteDot(body, &t, d)
		x := r.deletions[d]
		writeStoredRefs(body, &t, x.Births)
		x.Seen.Write(body, &t)
	}
	restores := sortedDots(r.restores)
	body.Uvarint(uint64(len(restores)))
	for _, d := range restores {
		clock.WriteDot(body, &t, d)
		writeDots(body, &t, r.restores[d])
	}
	if r.floor != nil {
		r.base.write(body, &t)
	}
	version := byte(recordVersion)
	if r.metas.senior() {
		version = recordSenior
	}
	r.metas.write(body, &t, r.floor != nil, version)
	r.root.write(body, &t, r.floor != nil)
	w.Byte(version)
	w.Uvarint(r.floor.Number())
	t.Write(w)
	w.Raw(body.Bytes())
}

// DecodeRecord reads what [Record.Write] wrote of a scope without settle marks,
// and nothing else.
func DecodeRecord(b []byte) (*Record, error) { return (*Floor)(nil).DecodeRecord(b) }

// DecodeRecord reads what [Record.Write] wrote, and nothing else. The record may
// be folded by an earlier mark of the chain: it is then to be folded on.
func (f *Floor) DecodeRecord(b []byte) (*Record, error) {
	rd := codec.NewReader(b)
	version := rd.Byte()
	if (version < recordVersion || version > recordSenior) && rd.Err() == nil {
		rd.Fail("record", &codec.VersionError{What: "record", Got: uint64(version), Max: recordSenior})
	}
	number := rd.Uvarint()
	t := clock.ReadTable(rd, maxRefs)
	r := &Record{}
	if r.floor = f.At(number); r.floor == nil && number > 0 {
		rd.Fail(fmt.Sprintf("settle mark %d", number), ErrMarkChain)
	}
	r.mixed = number > 0
	r.context = clock.ReadContext(rd, t)
	r.heads = readDots(rd, t)
	for range rd.Count("births", maxRefs, 4) {
		d := clock.ReadDot(rd, t)
		r.bear(d, Birth{rd.String("parent", MaxKeyBytes), readStoredRefs(rd, t)})
	}
	for range rd.Count("deletions", maxStored, 4) {
		d := clock.ReadDot(rd, t)
		enter(&r.deletions, d, Deletion{readStoredRefs(rd, t), clock.ReadVersionVector(rd, t)})
	}
	for range rd.Count("restores", maxStored, 3) {
		d := clock.ReadDot(rd, t)
		enter(&r.restores, d, readDots(rd, t))
	}
	if number > 0 {
		if r.base = readBase(rd, t); r.base != nil {
			r.base.void = r.floor.voidBefore(r.base.births)
		}
	}
	r.metas.read(rd, t, number > 0, version)
	r.root.shape = Keyed
	r.readNodes(rd, t)
	if err := rd.Close(); err != nil {
		return nil, fmt.Errorf("crdt: decode record: %w", err)
	}
	w := codec.NewWriter(make([]byte, 0, len(b)))
	if r.Write(w); !bytes.Equal(w.Bytes(), b) {
		return nil, fmt.Errorf("crdt: decode record: %w", codec.ErrNotCanonical)
	}
	return r, nil
}

// write writes what a record keeps of folded changes; nil is a record that has
// none.
func (b *base) write(w *codec.Writer, t *clock.Table) {
	w.Bool(b != nil)
	if b == nil {
		return
	}
	writeDots(w, t, b.births)
	b.edits.Write(w, t)
	w.Uint64(uint64(b.top))
	writeDots(w, t, b.held)
}

func readBase(r *codec.Reader, t *clock.Table) *base {
	if !r.Bool() {
		return nil
	}
	return &base{births: readDots(r, t), edits: clock.ReadVersionVector(r, t), top: clock.Stamp(r.Uint64()), held: readDots(r, t)}
}

func writeDots(w *codec.Writer, t *clock.Table, ds []clock.Dot) {
	w.Uvarint(uint64(len(ds)))
	for _, d := range ds {
		clock.WriteDot(w, t, d)
	}
}

func readDots(r *codec.Reader, t *clock.Table) []clock.Dot {
	n := r.Count("dots", maxStored, 2)
	ds := make([]clock.Dot, 0, n)
	for range n {
		ds = append(ds, clock.ReadDot(r, t))
	}
	return ds
}

func writeStoredRefs(w *codec.Writer, t *clock.Table, refs []Ref) {
	w.Uvarint(uint64(len(refs)))
	for _, x := range refs {
		clock.WriteDot(w, t, x.Dot)
		w.Uint32(x.Digest)
	}
}

func readStoredRefs(r *codec.Reader, t *clock.Table) []Ref {
	n := r.Count("references", maxRefs, 6)
	if n == 0 {
		return nil
	}
	refs := make([]Ref, 0, n)
	for range n {
		refs = append(refs, Ref{clock.ReadDot(r, t), r.Uint32()})
	}
	return refs
}
