package proptest

import (
	"fmt"

	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/proptest/scenario"
)

// The elements of sequences are all different, so that a specification can say
// where each has to be.

// alphabets are what the first replicas type; what comes after is from a block
// of a thousand characters for each.
var alphabets = []string{"abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "αβγδεζηθικλμνξοπρστυφχψω"}

const firstIdeograph = 0x4e00

// runes are n characters that nobody else types and this change has not used.
func runes(c *Call, first, n int) string {
	out := make([]rune, n)
	for i := range out {
		k := first + i
		out[i] = rune(firstIdeograph + 1000*c.Number + k%1000)
		if c.Number < len(alphabets) {
			if a := []rune(alphabets[c.Number]); k < len(a) {
				out[i] = a[k]
			}
		}
	}
	return string(out)
}

// maxRun is the length of the longest insertion.
const maxRun = 2

// own counts what this replica put into a document before.
func (d Document) own() int {
	return maxRun * int(d.record.Vector().Get(d.replica.Origin()))
}

func elements(s string) (out []any) {
	for _, r := range s {
		out = append(out, string(r))
	}
	return out
}

func (f *field) textOperations() []Operation[Document, *crdt.Change] {
	insert := f.operation("insert", func(e *crdt.RecordEditor, c *Call, note *fieldEdit) error {
		t := e.Text(f.name)
		at, s := c.Int(t.Len()+1), runes(c, note.own, 1+c.Int(maxRun))
		note.value, note.inserted = at, elements(s)
		c.show(s)
		if err := t.Insert(at, s); err != nil {
			return err
		}
		note.left = elements(t.String())
		return nil
	}, func(_ Event, note *fieldEdit) scenario.Step {
		return scenario.Step{Do: "text.insert", Pos: scenario.At(note.value.(int)), Text: joined(note.inserted)}
	})
	remove := f.operation("delete", func(e *crdt.RecordEditor, c *Call, note *fieldEdit) error {
		t := e.Text(f.name)
		before := elements(t.String())
		if len(before) == 0 {
			return nil
		}
		at := c.Int(len(before))
		n := 1 + c.Int(min(maxRun, len(before)-at))
		note.value, note.deleted = at, before[at:at+n]
		if err := t.Delete(at, n); err != nil {
			return err
		}
		note.left = elements(t.String())
		return nil
	}, func(_ Event, note *fieldEdit) scenario.Step {
		return scenario.Step{Do: "text.delete", Pos: scenario.At(note.value.(int)), Len: len(note.deleted)}
	})
	return []Operation[Document, *crdt.Change]{insert, remove}
}

func (f *field) listOperations() []Operation[Document, *crdt.Change] {
	insert := f.operation("insert", func(e *crdt.RecordEditor, c *Call, note *fieldEdit) error {
		l := e.List(f.name)
		at := c.Int(l.Len() + 1)
		v := fmt.Sprintf("%s%d", c.Name, note.own/maxRun+1)
		note.value, note.inserted = at, []any{v}
		c.args = append(c.args, v)
		if err := l.Insert(at, v); err != nil {
			return err
		}
		note.left = l.Values()
		return nil
	}, func(_ Event, note *fieldEdit) scenario.Step {
		return scenario.Step{Do: "list.insert", Pos: scenario.At(note.value.(int)), List: note.inserted}
	})
	remove := f.operation("delete", func(e *crdt.RecordEditor, c *Call, note *fieldEdit) error {
		l := e.List(f.name)
		before := l.Values()
		if len(before) == 0 {
			return nil
		}
		at := c.Int(len(before))
		note.value, note.deleted = at, before[at:at+1]
		if err := l.Delete(at, 1); err != nil {
			return err
		}
		note.left = l.Values()
		return nil
	}, func(_ Event, note *fieldEdit) scenario.Step {
		return scenario.Step{Do: "list.delete", Pos: scenario.At(note.value.(int)), Len: 1}
	})
	return []Operation[Document, *crdt.Change]{insert, remove}
}

func joined(parts []any) (s string) {
	for _, p := range parts {
		s += p.(string)
	}
	return s
}
