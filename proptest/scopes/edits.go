package scopes

import (
	"fmt"
	"slices"
	"strings"

	"github.com/concord-crdt/concord/crdt"
)

// act makes one or two random edits. The names are few, so that edits meet.
func (f *fleet) act(e *crdt.RecordEditor) error {
	for range 1 + f.chance(2) {
		if err := f.editOne(e); err != nil {
			return err
		}
	}
	return nil
}

func (f *fleet) editOne(e *crdt.RecordEditor) error {
	word := string(rune('a' + f.chance(4)))
	switch f.chance(18) {
	case 0, 1:
		return e.Register("reg").Set(f.chance(9))
	case 2, 3:
		return e.Counter("count").Add(int64(f.chance(9) - 4))
	case 4, 5:
		return e.Set("set").Add(word)
	case 6:
		return e.Set("set").Remove(word)
	case 7, 8:
		return e.Text("text").Insert(f.chance(e.Text("text").Len()+1), strings.Repeat(word, 1+f.chance(3)))
	case 9:
		if n := e.Text("text").Len(); n > 0 {
			from := f.chance(n)
			return e.Text("text").Delete(from, 1+f.chance(n-from))
		}
	case 10:
		return e.Map("map").Put(word, f.chance(9))
	case 11:
		return e.Map("map").Map(word).Counter("n").Add(1)
	case 12:
		return e.Map("map").Text(word).Append(word)
	case 13:
		return e.Map("map").Delete(word)
	case 14:
		return e.Log("log").Append(word)
	case 15:
		if n := e.List("list").Len(); n > 0 && f.chance(2) == 0 {
			return e.List("list").Delete(f.chance(n), 1)
		}
		return e.List("list").Insert(f.chance(e.List("list").Len()+1), word)
	case 16:
		if n := e.List("list").Len(); n > 0 {
			return e.List("list").Set(f.chance(n), f.chance(9))
		}
	case 17:
		if f.chance(4) == 0 {
			return e.Stock("stock").Recount(int64(f.chance(50)), 0)
		}
		return e.Stock("stock").Add(int64(f.chance(5)))
	}
	return nil
}

// policies are both ways to look at deletions.
var policies = []crdt.DeletePolicy{crdt.DeleteWins, crdt.UpdateWins}

// render is the normal form and all views of a record.
func render(r *crdt.Record) string {
	var b strings.Builder
	fmt.Fprintf(&b, "digest %x\nheads %v\n", r.Digest(), r.Heads())
	for _, p := range policies {
		fmt.Fprintf(&b, "live %v\n", r.Live(p))
		for f := range r.Fields(p) {
			writeField(&b, f, f.Name(), true)
		}
	}
	return b.String()
}

// reading is what a record shows, without what only tells of its past.
func reading(r *crdt.Record) string {
	var b strings.Builder
	for f := range r.Fields(crdt.DeleteWins) {
		writeField(&b, f, f.Name(), false)
	}
	return b.String()
}

// writeField writes a line for a field, and for each below it; past says whether
// with what was superseded.
func writeField(b *strings.Builder, f crdt.Field, name string, past bool) {
	fmt.Fprintf(b, "%s %v: ", name, f.Type())
	switch f.Type() {
	case crdt.TypeRegister, crdt.TypeGroup:
		for _, w := range f.Writes() {
			if past || len(w.SupersededBy) == 0 {
				fmt.Fprintf(b, "%v=%v", w.ID, w.Value)
			}
			if past {
				fmt.Fprintf(b, " at %v superseded by %v; ", w.Meta.Stamp, w.SupersededBy)
			}
		}
	case crdt.TypeCounter:
		fmt.Fprint(b, f.Count())
	case crdt.TypeSet:
		fmt.Fprint(b, f.Elements())
	case crdt.TypeText:
		fmt.Fprintf(b, "%q", f.Text())
	case crdt.TypeList:
		fmt.Fprint(b, f.Values())
	case crdt.TypeLog:
		for _, c := range f.Entries() {
			fmt.Fprintf(b, "%v=%v; ", c.ID, c.Value)
		}
	case crdt.TypeStock:
		fmt.Fprint(b, f.Level())
	case crdt.TypeMap:
		for _, k := range slices.Collect(f.Kids()) {
			b.WriteString("\n")
			writeField(b, k, name+"/"+k.Name(), past)
		}
	}
	b.WriteString("\n")
}
