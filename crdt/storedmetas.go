package crdt

import (
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
)

// Metas in the stored form of a record: authors and births that many changes share
// once, then by origin a column of each thing.

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
