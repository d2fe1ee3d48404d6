package crdt

import (
	"bytes"
	"fmt"
	"slices"

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

// shared numbers values that many rows share, in order of first use.
type shared[K comparable, T any] struct {
	values  []T
	numbers map[K]uint64
}

func (s *shared[K, T]) number(k K, v T) uint64 {
	n, ok := s.numbers[k]
	if !ok {
		if s.numbers == nil {
			s.numbers = map[K]uint64{}
		}
		n = uint64(len(s.values))
		s.numbers[k] = n
		s.values = append(s.values, v)
	}
	return n
}

func (t *metaTable) write(w *codec.Writer, ot *clock.Table, marked bool, version byte) {
	var authors shared[Author, Author]
	var births shared[string, []clock.Dot] // by the bytes that name them
	body, name := codec.NewWriter(nil), codec.NewWriter(nil)
	origins := t.sortedOrigins()
	body.Uvarint(uint64(len(origins)))
	for _, o := range origins {
		rows := t.origins[o]
		clock.WriteOrigin(body, ot, o)
		var ns, stamps, lifted []int64
		var who, under, marks []uint64
		var edits, follows []bool
		for i := range rows {
			ns = append(ns, int64(rows[i].n))
			stamps = append(stamps, int64(rows[i].stamp))
			if i > 0 && rows[i].said.author == rows[i-1].said.author {
				who = append(who, who[i-1])
			} else {
				who = append(who, authors.number(*rows[i].said.author, *rows[i].said.author))
			}
			if i > 0 && slices.Equal(rows[i].said.births, rows[i-1].said.births) {
				under = append(under, under[i-1])
			} else {
				name.Reset()
				for _, d := range rows[i].said.births {
					writeFullDot(name, d)
				}
				under = append(under, births.number(string(name.Bytes()), rows[i].said.births))
			}
			marks = append(marks, rows[i].said.mark)
			written, differs := t.written[clock.Dot{Origin: o, N: rows[i].n}]
			if !differs {
				written = rows[i].stamp
			}
			lifted = append(lifted, int64(rows[i].stamp-written))
			edits = append(edits, rows[i].edits)
			follows = append(follows, rows[i].said.heads == nil)
		}
		body.DeltaColumn(ns)
		body.DeltaColumn(stamps)
		isLifted := slices.ContainsFunc(lifted, func(by int64) bool { return by != 0 })
		if body.Bool(isLifted); isLifted {
			body.DeltaColumn(lifted)
		}
		body.UintColumn(who)
		body.UintColumn(under)
		body.BoolColumn(edits)
		body.BoolColumn(follows)
		if marked {
			body.UintColumn(marks)
		}
		for i := range rows {
			body.Uint32(rows[i].digest)
			if rows[i].said.heads != nil {
				writeDots(body, ot, rows[i].said.heads)
			}
		}
	}
	w.Uvarint(uint64(len(authors.values)))
	for _, a := range authors.values {
		w.String(a.Actor)
		w.String(a.Role)
		w.String(a.Intent.Action)
		w.String(a.Intent.Key)
		w.Uvarint(a.Policy)
		if version == recordSenior {
			w.Uvarint(a.Seniority)
		}
	}
	w.Uvarint(uint64(len(births.values)))
	for _, b := range births.values {
		writeDots(w, ot, b)
	}
	w.Raw(body.Bytes())
}

// senior reports whether an author has a seniority.
func (t *metaTable) senior() bool {
	for _, rows := range t.origins {
		for i := range rows {
			if rows[i].said.author.Seniority != 0 {
				return true
			}
		}
	}
	return false
}

func (t *metaTable) read(r *codec.Reader, ot *clock.Table, marked bool, version byte) {
	var authors []*Author
	for range r.Count("authors", maxStored, 5) {
		authors = append(authors, &Author{
			Actor: r.String("actor", maxActorBytes), Role: r.String("role", maxActorBytes),
			Intent: Intent{r.String("intent", maxActorBytes), r.String("intent", MaxKeyBytes)},
			Policy: r.Uvarint(),
		})
		if version == recordSenior {
			authors[len(authors)-1].Seniority = r.Uvarint()
		}
	}
	var births [][]clock.Dot
	for range r.Count("births", maxStored, 1) {
		births = append(births, readDots(r, ot))
	}
	t.origins = map[clock.Origin][]metaRow{}
	for range r.Count("origins", maxRefs, 7) {
		o := clock.ReadOrigin(r, ot)
		ns := r.DeltaColumn("numbers", maxStored)
		stamps := r.DeltaColumn("stamps", maxStored)
		var lifted codec.DeltaColumn
		isLifted := r.Bool()
		if isLifted {
			lifted = r.DeltaColumn("stamps", maxStored)
		}
		who, under := r.UintColumn("authors", maxStored), r.UintColumn("births", maxStored)
		edits, follows := r.BoolColumn("edits", maxStored), r.BoolColumn("heads", maxStored)
		n := ns.Len()
		var marks codec.UintColumn
		if marked {
			if marks = r.UintColumn("marks", maxStored); marks.Len() != n {
				r.Fail("changes", codec.ErrMalformed)
				return
			}
		}
		if stamps.Len() != n || isLifted && lifted.Len() != n || who.Len() != n || under.Len() != n || edits.Len() != n || follows.Len() != n {
			r.Fail("changes", codec.ErrMalformed)
			return
		}
		if n > r.Remaining()/4 {
			r.Fail("changes", codec.ErrTruncated)
			return
		}
		rows := make([]metaRow, 0, n)
		var last int64
		for i := range n {
			var m Meta
			v, _ := ns.Next()
			if v <= last {
				r.Fail("changes", codec.ErrNotCanonical)
				return
			}
			last = v
			n := uint64(v)
			v, _ = stamps.Next()
			m.Stamp = clock.Stamp(v)
			if by, _ := lifted.Next(); isLifted && by != 0 {
				enter(&t.written, clock.Dot{Origin: o, N: n}, m.Stamp-clock.Stamp(by))
			}
			a, _ := who.Next()
			b, _ := under.Next()
			if a >= uint64(len(authors)) || b >= uint64(len(births)) {
				r.Fail("changes", codec.ErrMalformed)
				return
			}
			m.Author, m.Births = authors[a], births[b]
			m.Edits, _ = edits.Next()
			if marked {
				m.Mark, _ = marks.Next()
			}
			m.Digest = r.Uint32()
			if follow, _ := follows.Next(); !follow {
				m.Heads = readDots(r, ot)
			} else if i == 0 {
				r.Fail("heads", codec.ErrMalformed)
				return
			}
			var before *metaRow
			if i > 0 {
				before = &rows[i-1]
			}
			rows = append(rows, newRow(n, &m, before))
		}
		t.origins[o] = rows
	}
}

func (n *node) write(w *codec.Writer, t *clock.Table, folded bool) {
	for _, k := range n.sortedSlots() {
		c := n.kids[k]
		if c.empty() {
			continue
		}
		shape := c.shape
		if len(c.kept) > 0 {
			shape = Versioned
		}
		w.Byte(byte(shape))
		w.String(k.Name)
		w.Byte(byte(k.Type))
		switch c.shape {
		case Entries:
			w.Uvarint(uint64(len(c.entries)))
			for _, e := range c.entries {
				writeEntry(w, t, e)
			}
			if shape == Versioned {
				w.Uvarint(uint64(len(c.kept)))
				for _, e := range c.kept {
					writeEntry(w, t, e.Entry)
					writeDots(w, t, e.by)
				}
			}
		case Grown:
			c.grown.write(w, t)
			if folded && k.Type == TypeStock {
				c.grown.settled.write(w)
			}
		case Keyed:
			c.write(w, t, folded)
		}
	}
	w.Byte(0)
}

func (r *Record) readNodes(rd *codec.Reader, t *clock.Table) {
	stack, parents := []*node{&r.root}, []int{atTop}
	for rd.Err() == nil {
		s := Shape(rd.Byte())
		if s == 0 {
			if stack, parents = stack[:len(stack)-1], parents[:len(parents)-1]; len(stack) == 0 {
				return
			}
			continue
		}
		k := readKey(rd)
		if s > Versioned || rd.Err() != nil {
			rd.Fail("shape", ErrUnknownShape)
			return
		}
		if want, known := k.Type.shape(); known && want != s.state() {
			rd.Fail("shape", codec.ErrMalformed)
			return
		}
		parent := parents[len(parents)-1]
		if err := checkChild(parent, k); err != nil {
			rd.Fail("field", err)
			return
		}
		c := stack[len(stack)-1].make(slot{k, s.state()})
		switch s {
		case Entries, Versioned:
			for range rd.Count("entries", maxStored, 4) {
				e, ok := r.readEntry(rd, t, parent, k.Type)
				if !ok || !c.insert(&r.State, e) {
					rd.Fail("entries", codec.ErrMalformed)
					return
				}
			}
			if s == Versioned && !r.readKept(rd, t, parent, k.Type, c) {
				return
			}
		case Grown:
			c.grown.read(rd, t)
			if r.floor != nil && k.Type == TypeStock {
				c.grown.settled = readStockBase(rd)
			}
			for _, e := range c.grown.raw {
				if _, known := r.metas.peek(e.ID.Dot); !known {
					rd.Fail("entry of an unknown change", codec.ErrMalformed)
				}
				rd.Fail("entry", c.grown.check(k.Type, []GrownEntry{e}))
			}
		case Keyed:
			if len(stack) > codec.MaxDepth {
				rd.Fail("nesting", &codec.LimitError{What: "nesting", Got: uint64(len(stack)), Max: codec.MaxDepth})
			}
			stack, parents = append(stack, c), append(parents, int(k.Type))
		}
	}
}

func writeEntry(w *codec.Writer, t *clock.Table, e Entry) {
	clock.WriteDot(w, t, e.ID.Dot)
	w.Uvarint(uint64(e.ID.Index))
	w.Blob(e.Value)
}

// readEntry reads an entry of a change that the record has.
func (r *Record) readEntry(rd *codec.Reader, t *clock.Table, parent int, typ Type) (Entry, bool) {
	e := Entry{ID: EntryID{clock.ReadDot(rd, t), uint32(rd.UvarintMax("index", maxEntries))}}
	e.Value = slices.Clone(rd.Blob("value", maxValueBytes))
	if rd.Err() != nil {
		return e, false
	}
	if _, known := r.metas.peek(e.ID.Dot); !known || !r.Contains(e.ID.Dot) {
		rd.Fail("entry of an unknown change", codec.ErrMalformed)
		return e, false
	}
	rd.Fail("entry", checkEntry(typ, e))
	if typ == TypeElement {
		rd.Fail("entry", checkElement(parent, e.Value))
	}
	return e, rd.Err() == nil
}

// readKept reads what writes to a versioned field superseded.
func (r *Record) readKept(rd *codec.Reader, t *clock.Table, parent int, typ Type, n *node) bool {
	for range rd.Count("kept entries", maxStored, 6) {
		e, ok := r.readEntry(rd, t, parent, typ)
		if !ok {
			return false
		}
		by := readDots(rd, t)
		_, counts := n.find(e.ID)
		if len(by) == 0 || counts || slices.ContainsFunc(by, func(d clock.Dot) bool { return !r.Contains(d) }) {
			rd.Fail("kept entry", codec.ErrMalformed)
			return false
		}
		n.keep(e, by...)
	}
	return rd.Err() == nil
}
