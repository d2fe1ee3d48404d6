package sim

import (
	"errors"
	"fmt"
	"slices"

	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/replica"
)

// The fields of a record.
const (
	fieldRegister = "reg"
	fieldCounter  = "count"
	fieldSet      = "set"
	fieldText     = "text"
	fieldLog      = "log"
	fieldDose     = "dose" // versioned, where the schema is new
	fieldExtra    = "extra"
)

// kind is what an actor can do to a record.
type kind uint8

const (
	setRegister kind = iota
	addCounter
	addElement
	removeElement
	insertText
	deleteText
	setDose
	setExtra
	deleteRecord
	restoreRecord
	kinds
)

var kindNames = [kinds]string{"sets the register of", "counts in", "adds an element to", "removes an element from", "types into", "deletes text of", "sets the dose of",
	"writes a new field of", "deletes", "restores"}

// act is a change: what an actor did to one record or to several.
type act struct {
	id         int
	scope      string
	deeds      []deed
	unsure     bool // the write failed, and may have happened
	endangered bool // may be lost, by no fault of the replicas
}

// deed is what was done to one record, and what the actor had seen of it: all
// that the specification knows.
type deed struct {
	collection, key string
	kind            kind
	value           int
	create          bool
	births          []int            // acts that made the record and were live then
	seen            bitset           // acts that the actor saw
	saw             *replica.Version // the form that she had open; nil: the record as it was
	restored        []int            // deletions that it took back
	inserted        []rune
	deleted         []rune
	text            []rune // as the actor left it
}

func (x *deed) record() string { return x.collection + "/" + x.key }

// form is a record that an actor has open.
type form struct {
	version replica.Version
	seen    bitset
}

// write lets an actor at a device do something at random.
func (f *fleet) write(d *device) {
	if d.replica == nil {
		return
	}
	a := &act{id: len(f.acts)}
	records := f.target()
	a.scope = records[0].scope
	// What a restored device writes in one scope after it began a new incarnation
	// in another would name changes that it is yet to give up.
	if d.met && slices.ContainsFunc(d.suspect, func(c contact) bool { return c.scope == a.scope }) {
		return
	}
	for _, r := range records {
		x, ok := f.deedOn(d, a, r)
		if !ok {
			return
		}
		a.deeds = append(a.deeds, x)
	}
	f.acts = append(f.acts, a) // a write that fails may have happened
	var at dotName
	err := d.replica.Transact(background, a.scope, func(tx *replica.Tx) error {
		tx.As(actorName(a.id), []string{"doctor", "nurse"}[a.id%2])
		at = dotName{a.scope, tx.Dot()}
		for i := range a.deeds {
			if err := f.perform(d, tx, a, &a.deeds[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		a.unsure = true
		f.say("%s: %s fails: %v", d.name, a, err)
		d.news = true
		d.failed("write", err)
		if d.replica != nil && !errors.Is(err, replica.ErrSpace) {
			f.learn(d)
		}
		return
	}
	f.knows(d, at, a)
	f.say("%s: %s, as %v", d.name, a, at.dot)
	d.changed(nil)
}

// String tells what was done.
func (a *act) String() string {
	s := actorName(a.id)
	for i, x := range a.deeds {
		if i > 0 {
			s += ", and"
		}
		s += " " + kindNames[x.kind] + " " + x.record()
		if x.text != nil {
			s += fmt.Sprintf(" (+%q -%q: %q)", string(x.inserted), string(x.deleted), string(x.text))
		}
		if x.saw != nil {
			s += ", as a form shows it"
		}
	}
	return s
}

// place is a record and its scope.
type place struct{ collection, key, scope string }

// target picks one record, or two of one scope.
func (f *fleet) target() []place {
	var p, q place
	if f.chance(2) == 0 {
		p = place{"notes", "n" + string(rune('1'+f.chance(3))), "notes"}
		q = place{"notes", "n" + string(rune('1'+f.chance(3))), "notes"}
	} else {
		ward := "w" + string(rune('1'+f.chance(2)))
		p = place{"visits", ward + "/1", "visits/" + ward}
		q = place{"visits", ward + "/2", "visits/" + ward}
	}
	if f.chance(8) > 0 || p == q {
		return []place{p}
	}
	return []place{p, q}
}

// deedOn decides what is done to a record; ok is false if there is nothing to
// do, or the record cannot be read.
func (f *fleet) deedOn(d *device, a *act, at place) (x deed, ok bool) {
	x = deed{collection: at.collection, key: at.key, kind: kind(f.chance(int(kinds))), value: f.chance(6)}
	if x.kind >= deleteRecord && f.chance(2) == 0 {
		x.kind = kind(f.chance(int(setExtra)))
	}
	if x.kind == setExtra && d.old {
		x.kind = setRegister
	}
	var length int
	var floor *crdt.Floor
	err := d.replica.Collection(at.collection).Read(background, at.key, func(r *crdt.Record) error {
		x.seen = f.seen(d, at.scope, x.record(), r)
		live := r.Live(deletes(x.collection))
		floor = r.Floor()
		for _, n := range f.records[x.record()] {
			if slices.Contains(live, n.dot.dot) && n.dot.scope == at.scope && f.named(d, n) {
				x.births = append(x.births, n.act.id)
			}
		}
		length = len([]rune(r.Field(fieldText, crdt.TypeText, deletes(x.collection)).Text()))
		return nil
	})
	if err != nil {
		d.failed("read", err)
		return x, false
	}
	x.create = len(x.births) == 0 && x.kind < deleteRecord
	switch x.kind {
	case deleteText:
		if length == 0 {
			x.kind = insertText
		}
	case deleteRecord:
		return x, len(x.births) > 0
	case restoreRecord:
		x.restored = f.deletions(d, x.record(), x.seen, floor)
		return x, len(x.restored) > 0
	case setExtra:
		if slices.ContainsFunc(f.devices, func(o *device) bool { return o.old }) && f.rate[FaultUnknown] > 0 {
			f.counters.count(FaultUnknown)
		} else {
			x.kind = setRegister
		}
	}
	if open, ok := d.forms[x.record()]; ok && f.chance(2) == 0 {
		x.seen, x.saw = open.seen, &open.version
	} else if f.chance(6) == 0 {
		f.openForm(d, &x)
	}
	return x, true
}

// openForm lets an actor look at a record; she saves later.
func (f *fleet) openForm(d *device, x *deed) {
	v, err := d.replica.Collection(x.collection).View(background, x.key)
	if err != nil {
		if !errors.Is(err, replica.ErrNotFound) {
			d.failed("view", err)
		}
		return
	}
	d.forms[x.record()] = form{v.Version, x.seen}
}

// deletions are those among the acts seen that no other of them took back, and
// that are not settled.
func (f *fleet) deletions(d *device, record string, seen bitset, floor *crdt.Floor) []int {
	var list []int
	back := map[int]bool{}
	for _, a := range f.acts {
		if !seen.has(a.id) {
			continue
		}
		for i := range a.deeds {
			x := &a.deeds[i]
			if x.record() != record {
				continue
			}
			if x.kind == deleteRecord {
				list = append(list, a.id)
			}
			for _, r := range x.restored {
				back[r] = true
			}
		}
	}
	for _, n := range f.records[record] {
		if floor.Covers(n.dot.dot) && f.named(d, n) {
			back[n.act.id] = true
		}
	}
	return slices.DeleteFunc(list, func(id int) bool { return back[id] })
}

// perform does a deed within a change.
func (f *fleet) perform(d *device, tx *replica.Tx, a *act, x *deed) error {
	p, err := tx.Record(x.key)
	if err != nil {
		return err
	}
	switch x.kind {
	case deleteRecord:
		return p.Delete()
	case restoreRecord:
		return p.Restore()
	}
	if x.saw != nil {
		p.Saw(*x.saw)
	}
	switch x.kind {
	case setRegister:
		err = p.Register(fieldRegister).Set(a.id)
	case setDose:
		err = p.Register(fieldDose).Set(a.id)
	case addCounter:
		x.value++
		err = p.Counter(fieldCounter).Add(int64(x.value))
	case addElement:
		err = p.Set(fieldSet).Add(x.value)
	case removeElement:
		err = p.Set(fieldSet).Remove(x.value)
	case insertText:
		t := p.Text(fieldText)
		for range 1 + f.chance(3) {
			f.runes++
			x.inserted = append(x.inserted, f.runes)
		}
		err = t.Insert(f.chance(t.Len()+1), string(x.inserted))
		x.text = []rune(t.String())
	case deleteText:
		t := p.Text(fieldText)
		before := []rune(t.String())
		from := f.chance(len(before))
		n := 1 + f.chance(min(3, len(before)-from))
		x.deleted = before[from : from+n]
		err = t.Delete(from, n)
		x.text = []rune(t.String())
	case setExtra:
		err = f.extra(p.Map(fieldExtra), a.id)
	}
	if err != nil {
		return err
	}
	// So that every change alters something, and shows by name.
	return p.Log(fieldLog).Append(a.id)
}

// extra writes something that only replicas judge among each other.
func (f *fleet) extra(m crdt.MapField, id int) error {
	switch f.chance(5) {
	case 0:
		return m.Put("x", id)
	case 1:
		l := m.List("list")
		return l.Insert(f.chance(l.Len()+1), fmt.Sprint(id))
	case 2:
		if flag := m.Flag("flag"); !flag.Enabled() {
			return flag.Enable()
		}
		return m.Flag("flag").Disable()
	case 3:
		return m.Map("deep").Counter("n").Add(1)
	}
	return m.Delete("x")
}
