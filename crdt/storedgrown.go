package crdt

import (
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt/rga"
)

// Grown shapes in the stored form of a record: entries as they are, and for a
// sequence those that could not be placed yet, which change each number of an
// origin belongs to, and the elements.

func writeGrown(w *codec.Writer, t *clock.Table, es []GrownEntry) {
	w.Uvarint(uint64(len(es)))
	for _, e := range es {
		clock.WriteDot(w, t, e.ID.Dot)
		w.Uvarint(uint64(e.ID.Index))
		w.Uvarint(uint64(len(e.Origins)))
		for _, o := range e.Origins {
			clock.WriteOrigin(w, t, o)
		}
		w.Blob(e.Value)
	}
}

func readGrown(r *codec.Reader, t *clock.Table) (es []GrownEntry) {
	for range r.Count("growth", maxStored, 5) {
		e := GrownEntry{ID: EntryID{clock.ReadDot(r, t), uint32(r.UvarintMax("index", maxEntries))}}
		for range r.Count("origins", maxRefs, 1) {
			e.Origins = append(e.Origins, clock.ReadOrigin(r, t))
		}
		e.Value = slices.Clone(r.Blob("growth", maxGrownBytes))
		es = append(es, e)
	}
	return es
}

func (g *grown) write(w *codec.Writer, t *clock.Table) {
	if g.seq == nil {
		writeGrown(w, t, g.sortedRaw())
		return
	}
	writeGrown(w, t, g.seq.pending)
	origins := make([]clock.Origin, 0, len(g.seq.spans))
	for o := range g.seq.spans {
		origins = append(origins, o)
	}
	slices.SortFunc(origins, clock.Origin.Compare)
	w.Uvarint(uint64(len(origins)))
	for _, o := range origins {
		clock.WriteOrigin(w, t, o)
		var seqs, ns []int64
		var each []bool
		for _, s := range g.seq.spans[o] {
			seqs, ns, each = append(seqs, int64(s.seq)), append(ns, int64(s.n)), append(each, s.each)
		}
		w.DeltaColumn(seqs)
		w.DeltaColumn(ns)
		w.BoolColumn(each)
	}
	g.seq.Write(w)
}

func (g *grown) read(r *codec.Reader, t *clock.Table) {
	entries := readGrown(r, t)
	if g.seq == nil {
		for _, e := range entries {
			g.raw[e.ID] = e
		}
		return
	}
	for _, e := range entries {
		_, err := decodeOps(e, g.seq.list)
		r.Fail("growth", err)
	}
	g.seq.pending = entries
	for range r.Count("origins", maxRefs, 4) {
		o := clock.ReadOrigin(r, t)
		seqs, ns, each := r.DeltaColumn("numbers", maxStored), r.DeltaColumn("changes", maxStored), r.BoolColumn("each", maxStored)
		if ns.Len() != seqs.Len() || each.Len() != seqs.Len() {
			r.Fail("spans", codec.ErrMalformed)
			return
		}
		for {
			seq, ok := seqs.Next()
			if !ok {
				break
			}
			n, _ := ns.Next()
			e, _ := each.Next()
			g.seq.spans[o] = append(g.seq.spans[o], dotSpan{uint64(seq), uint64(n), e})
		}
	}
	if r.Err() == nil {
		if g.seq.list {
			list := rga.ReadList(r)
			g.seq.engine = list
			checkValues(r, list)
		} else {
			g.seq.engine = rga.ReadText(r)
		}
	}
}

// checkValues refuses a stored list whose elements are not values.
func checkValues(r *codec.Reader, l *rga.List) {
	if r.Err() != nil {
		return
	}
	for op := range l.OpsSince(nil) {
		for _, v := range op.Values {
			r.Fail("value", codec.CheckValue(v))
		}
	}
}
