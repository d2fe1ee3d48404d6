package model

import (
	"fmt"
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt"
)

// kind is what an actor can do.
type kind uint8

const (
	setRegister kind = iota
	addCounter
	addElement
	removeElement
	insertText
	deleteText
	deleteRecord
	restoreRecord
	kindsOfAct
)

// act is what one actor did, and what she had seen: all that the specification
// knows.
type act struct {
	id       int
	dot      clock.Dot
	key      string
	kind     kind
	value    int
	void     bool // rejected by static rules
	create   bool
	births   []clock.Dot // live when it was done, or its own
	seen     clock.VersionVector
	restored []clock.Dot // deletions that it took back
	inserted []rune
	deleted  []rune
	text     []rune // as the actor left it
	lost     bool   // with a directory, before anybody else had it
}

// renamed is the act after the changes of old beyond common got new names.
func (a *act) renamed(old clock.Origin, common uint64, names map[clock.Dot]clock.Dot) *act {
	b := *a
	b.births, b.restored = renameAll(a.births, names), renameAll(a.restored, names)
	if a.create {
		b.births = nil
	}
	b.seen = a.seen.Clone()
	b.seen.Set(old, min(a.seen.Get(old), common))
	for from, to := range names {
		if a.seen.Contains(from) {
			b.seen.Advance(to)
		}
	}
	return &b
}

func renameAll(ds []clock.Dot, names map[clock.Dot]clock.Dot) []clock.Dot {
	out := slices.Clone(ds)
	for i, d := range out {
		if to, ok := names[d]; ok {
			out[i] = to
		}
	}
	slices.SortFunc(out, clock.Dot.Compare)
	return out
}

const (
	register, counter, set, text = "reg", "count", "set", "text"
)

// do lets an actor at this node do something at random.
func (n *node) do() error {
	f := n.fleet
	if n.cloned {
		n.newIncarnation()
		n.cloned = false
	}
	a := &act{id: len(f.acts), key: f.key(), kind: kind(f.rand.IntN(int(kindsOfAct))), value: f.rand.IntN(6), void: f.rand.IntN(25) == 0}
	rec := n.record(a.key)
	live := n.live(a.key)
	var seen *clock.VersionVector
	if v, open := n.forms[a.key]; open && f.rand.IntN(2) == 0 {
		seen = &v
	}
	a.seen = rec.Vector().Clone()
	if seen != nil {
		a.seen = seen.Clone()
	}
	a.dot, a.births, a.create = n.next(), live, len(live) == 0 && a.kind < deleteRecord
	part, err := n.part(a, rec, live, seen)
	if err != nil || part == nil {
		return err
	}
	stamp, err := n.hlc.Now()
	if err != nil {
		return err
	}
	c := &crdt.Change{Dot: a.dot, Stamp: stamp, Author: crdt.Author{Actor: n.name}, Parts: []crdt.Part{*part}}
	b := c.Encode()
	if c, err = crdt.DecodeChange(b); err != nil {
		return fmt.Errorf("%s cannot read its own change: %w", n.name, err)
	}
	f.acts = append(f.acts, a)
	return n.store(c, crdt.HashOf(b), a)
}

// part makes the change of an act, nil if it alters nothing.
func (n *node) part(a *act, rec *crdt.Record, live []clock.Dot, seen *clock.VersionVector) (*crdt.Part, error) {
	refs := func(ds []clock.Dot) (out []crdt.Ref) {
		for _, d := range ds {
			m, _ := rec.Meta(d)
			out = append(out, crdt.Ref{Dot: d, Digest: m.Digest})
		}
		return out
	}
	named := refs(live)
	if n.without(BirthsAsSet) && len(named) > 1 {
		named = named[:1]
	}
	switch a.kind {
	case deleteRecord:
		if len(live) == 0 {
			return nil, nil
		}
		return &crdt.Part{Key: a.key, Births: named, Heads: refs(rec.Heads()),
			Delete: &crdt.Deletion{Births: named, Seen: rec.Vector().Clone()}}, nil
	case restoreRecord:
		for _, rows := range n.rows {
			for _, r := range rows {
				if r.act.key == a.key && r.act.kind == deleteRecord && rec.Contains(r.change.Dot) {
					a.restored = append(a.restored, r.change.Dot)
				}
			}
		}
		if len(a.restored) == 0 {
			return nil, nil
		}
		slices.SortFunc(a.restored, clock.Dot.Compare)
		return &crdt.Part{Key: a.key, Heads: refs(rec.Heads()), Restore: refs(a.restored)}, nil
	}
	if n.without(SupersedesApart) {
		seen = nil
	}
	e := rec.Edit(a.key, crdt.EditOptions{Dot: a.dot, Seen: seen})
	n.edit(a, e)
	part, changed, err := e.Part(false)
	e.Undo() // it comes in by the way that others' changes take
	if err != nil {
		return nil, fmt.Errorf("%s edits: %w", n.name, err)
	}
	if !changed {
		return nil, nil
	}
	if len(part.Births) > len(named) {
		part.Births = named
	}
	if n.without(CountersPerBirths) && a.kind == addCounter {
		n.mergeRuns(a, &part, refs)
	}
	return &part, nil
}

func (n *node) edit(a *act, e *crdt.RecordEditor) {
	f := n.fleet
	switch a.kind {
	case setRegister:
		e.Register(register).Set(a.id)
	case addCounter:
		a.value++
		e.Counter(counter).Add(int64(a.value))
	case addElement:
		e.Set(set).Add(a.value)
	case removeElement:
		e.Set(set).Remove(a.value)
	case insertText:
		t := e.Text(text)
		for range 1 + f.rand.IntN(3) {
			a.inserted = append(a.inserted, f.rune())
		}
		t.Insert(f.rand.IntN(t.Len()+1), string(a.inserted))
		a.text = []rune(t.String())
	case deleteText:
		t := e.Text(text)
		before := []rune(t.String())
		if len(before) == 0 {
			return
		}
		from := f.rand.IntN(len(before))
		count := 1 + f.rand.IntN(min(3, len(before)-from))
		a.deleted = before[from : from+count]
		t.Delete(from, count)
		a.text = []rune(t.String())
	}
}

// mergeRuns makes a counter go on from all totals of its origin, whatever
// births they belong to.
func (n *node) mergeRuns(a *act, p *crdt.Part, refs func([]clock.Dot) []crdt.Ref) {
	patch := p.Patch.Kids[0].Patch
	total := uint64(a.value)
	for _, r := range n.rows[n.origin] {
		if r.act.key != a.key || r.act.kind != addCounter || r.act.void {
			continue
		}
		total += uint64(r.act.value)
		id := r.change.Parts[0].Patch.Kids[0].Patch.Add[0].ID
		if !slices.Contains(patch.Remove, id) {
			patch.Remove = append(patch.Remove, id)
		}
	}
	slices.SortFunc(patch.Remove, crdt.EntryID.Compare)
	var saw []clock.Dot
	for _, id := range patch.Remove {
		saw = append(saw, id.Dot)
	}
	p.Saw = refs(saw)
	old := codec.NewReader(patch.Add[0].Value)
	w := codec.NewWriter(nil)
	w.Byte(old.Byte())
	w.Uvarint(old.Uvarint())
	w.Uvarint(total)
	w.Uvarint(0)
	patch.Add[0].Value = w.Bytes()
}
