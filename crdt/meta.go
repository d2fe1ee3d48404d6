package crdt

import (
	"fmt"
	"maps"
	"slices"
	"sort"
	"unicode/utf8"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
)

// Intent says what a change was for: the same action on the same subject,
// reported twice, is one event with two witnesses.
type Intent struct {
	Action string // such as "deliver"
	Key    string // such as "parcel-42"
}

// IsZero reports whether there is no intent.
func (i Intent) IsZero() bool { return i == Intent{} }

// Author is who made a change, why, and under which version of the policy.
type Author struct {
	Actor  string
	Role   string
	Intent Intent
	Policy uint64 // cited policy version; zero when there is none
	// Seniority within the role, for rules that ask for it: greater is more.
	Seniority uint64
}

// Check refuses an author that a change cannot carry: names longer than its
// format allows, 256 bytes and 512 for the key of the intent, are a
// *[codec.LimitError]; names that are not UTF-8 another error.
func (a *Author) Check() error {
	for _, x := range []struct {
		what, value string
		most        int
	}{
		{"actor", a.Actor, maxActorBytes}, {"role", a.Role, maxActorBytes},
		{"action of the intent", a.Intent.Action, maxActorBytes}, {"key of the intent", a.Intent.Key, MaxKeyBytes},
	} {
		if len(x.value) > x.most {
			return &codec.LimitError{What: x.what, Got: uint64(len(x.value)), Max: uint64(x.most)}
		}
		if !utf8.ValidString(x.value) {
			return fmt.Errorf("crdt: %s %q is not UTF-8", x.what, x.value)
		}
	}
	return nil
}

// Meta is what a record remembers of a change beside its effect: views and
// rules read it. Births and Heads must not be modified.
type Meta struct {
	Stamp  clock.Stamp // effective: above the stamps of its heads
	Author *Author
	Digest uint32 // the first four bytes of the change's hash
	Births []clock.Dot
	Heads  []clock.Dot
	Edits  bool   // it alters a field, not only existence
	Mark   uint64 // number of the last settle mark that its author had applied
}

// metaRow is a meta as the table keeps it, in 32 bytes.
type metaRow struct {
	n      uint64
	stamp  clock.Stamp
	said   *said
	digest uint32
	edits  bool
}

// said is what changes that follow each other mostly have in common; it is
// shared by their rows and never modified. Heads of "only the row before" are
// nil: nearly all rows of a person who types are such.
type said struct {
	author *Author
	births []clock.Dot
	heads  []clock.Dot
	mark   uint64
}

// after is the same with these heads.
func (s *said) after(heads []clock.Dot) *said {
	c := *s
	c.heads = heads
	return &c
}

// newRow makes the row of a meta, whose heads are as [said] has them. It shares
// what it can with the row before, if there is one.
func newRow(n uint64, m *Meta, before *metaRow) metaRow {
	row := metaRow{n: n, stamp: m.Stamp, digest: m.Digest, edits: m.Edits}
	if before != nil && m.Heads == nil {
		s := before.said
		if s.heads == nil && s.mark == m.Mark && (s.author == m.Author || *s.author == *m.Author) && slices.Equal(s.births, m.Births) {
			row.said = s
			return row
		}
	}
	row.said = &said{m.Author, m.Births, m.Heads, m.Mark}
	return row
}

// metaTable holds the metas of a record's changes, per origin by n.
type metaTable struct {
	origins map[clock.Origin][]metaRow
	// written are the stamps that unsettled changes were written with, of those
	// whose effective stamp is another.
	written map[clock.Dot]clock.Stamp
}

func (t *metaTable) add(d clock.Dot, m Meta) {
	if t.origins == nil {
		t.origins = map[clock.Origin][]metaRow{}
	}
	rows := t.origins[d.Origin]
	i := len(rows)
	if i > 0 && rows[i-1].n >= d.N {
		i = sort.Search(len(rows), func(i int) bool { return rows[i].n >= d.N })
		if i < len(rows) && rows[i].n == d.N {
			return
		}
	}
	if i > 0 && i == len(rows) && len(m.Heads) == 1 && m.Heads[0] == (clock.Dot{Origin: d.Origin, N: rows[i-1].n}) {
		m.Heads = nil
	} else if m.Heads == nil {
		m.Heads = []clock.Dot{}
	}
	if i < len(rows) && rows[i].said.heads == nil {
		// The row after referred to its neighbour by silence.
		rows[i].said = rows[i].said.after([]clock.Dot{{Origin: d.Origin, N: rows[i-1].n}})
	}
	var before *metaRow
	if i > 0 {
		before = &rows[i-1]
	}
	t.origins[d.Origin] = slices.Insert(rows, i, newRow(d.N, &m, before))
}

// before returns what the origin's last change before d said.
func (t *metaTable) before(d clock.Dot) (s *said, ok bool) {
	rows := t.origins[d.Origin]
	i := len(rows)
	if i > 0 && rows[i-1].n >= d.N {
		i = sort.Search(i, func(i int) bool { return rows[i].n >= d.N })
	}
	if i == 0 {
		return nil, false
	}
	return rows[i-1].said, true
}

func (t *metaTable) get(d clock.Dot) (Meta, bool) {
	rows, i := t.find(d)
	if i < 0 {
		return Meta{}, false
	}
	return expand(d.Origin, rows, i), true
}

// peek is get for what needs no heads.
func (t *metaTable) peek(d clock.Dot) (*metaRow, bool) {
	rows, i := t.find(d)
	if i < 0 {
		return nil, false
	}
	return &rows[i], true
}

// find returns the rows of d's origin, and the place of d among them or -1. The
// last change is the one that is asked for most.
func (t *metaTable) find(d clock.Dot) ([]metaRow, int) {
	rows := t.origins[d.Origin]
	i := len(rows) - 1
	if i >= 0 && rows[i].n != d.N {
		i = sort.Search(i, func(i int) bool { return rows[i].n >= d.N })
		if rows[i].n != d.N {
			return nil, -1
		}
	}
	return rows, i
}

func expand(o clock.Origin, rows []metaRow, i int) Meta {
	row := &rows[i]
	m := Meta{Stamp: row.stamp, Author: row.said.author, Digest: row.digest, Births: row.said.births, Heads: row.said.heads, Edits: row.edits, Mark: row.said.mark}
	if m.Heads == nil && i > 0 {
		m.Heads = []clock.Dot{{Origin: o, N: rows[i-1].n}}
	}
	return m
}

func (t *metaTable) sortedOrigins() []clock.Origin {
	return slices.SortedFunc(maps.Keys(t.origins), clock.Origin.Compare)
}

// latest is the greatest stamp: each origin's stamps ascend.
func (t *metaTable) latest() (s clock.Stamp) {
	for _, rows := range t.origins {
		s = max(s, rows[len(rows)-1].stamp)
	}
	return s
}

// join takes over what o has and the marks of floor did not fold here.
func (t *metaTable) join(o *metaTable, floor *Floor) {
	for _, origin := range o.sortedOrigins() {
		rows := o.origins[origin]
		for i := range rows {
			d := clock.Dot{Origin: origin, N: rows[i].n}
			if floor.Covers(d) {
				continue
			}
			if row, here := t.peek(d); here {
				row.stamp = rows[i].stamp
			} else {
				t.add(d, expand(origin, rows, i))
			}
			if stamp, differs := o.written[d]; differs {
				enter(&t.written, d, stamp)
			} else {
				delete(t.written, d)
			}
		}
	}
}

// forget drops rows. Of those that stay, the settled ones lose their heads,
// which nothing asks for any more.
func (t *metaTable) forget(drop func(clock.Dot, *metaRow) bool, settled func(clock.Dot) bool) {
	for o, rows := range t.origins {
		left := make([]metaRow, 0, len(rows))
		for i := range rows {
			row := rows[i]
			d := clock.Dot{Origin: o, N: row.n}
			switch {
			case drop(d, &row):
				delete(t.written, d)
				continue
			case settled(d):
				delete(t.written, d)
				row.said = row.said.after([]clock.Dot{})
			case row.said.heads == nil && i > 0 && (len(left) == 0 || left[len(left)-1].n != rows[i-1].n):
				row.said = row.said.after([]clock.Dot{{Origin: o, N: rows[i-1].n}})
			}
			left = append(left, row)
		}
		if len(left) == 0 {
			delete(t.origins, o)
		} else {
			t.origins[o] = left
		}
	}
}
