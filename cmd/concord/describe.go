package main

import (
	"cmp"
	"math/big"
	"slices"
	"strings"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/crdt/rga"
	"github.com/concord-crdt/concord/replica"
)

// described says what a change did to one field.
type described struct {
	path     []string
	kind     crdt.Type
	action   string
	value    any
	replaced []replaced
	of       *replaced // the proposal that a verdict is on
}

// replaced is a value that a change superseded.
type replaced struct {
	value any
	by    crdt.Author
	at    clock.Stamp
	dot   clock.Dot
}

// The actions of changes on fields.
const (
	actionSet    = "set"
	actionClear  = "clear"
	actionAdd    = "add"
	actionAppend = "append"
	actionRemove = "remove"
	actionInsert = "insert"
	actionDelete = "delete"
	actionChange = "change" // in a way that is not told

	actionRecount  = "recount"
	actionOpen     = "open"
	actionTransfer = "transfer"
	actionPropose  = "propose"
	actionApprove  = "approve"
	actionDecline  = "decline"
	actionSettle   = "settle"
	actionRestamp  = "restamp"
)

// words says it for people.
func (x *described) words() string {
	switch x.action {
	case actionSet:
		if on, ok := x.value.(bool); ok && (x.kind == crdt.TypeFlag || x.kind == crdt.TypeDisableFlag) {
			return "switched " + onOff(on)
		}
		return "set to " + show(x.value, shownBytes) + x.inPlaceOf()
	case actionClear:
		return "cleared" + x.inPlaceOf()
	case actionAdd:
		if n, ok := x.value.(*big.Int); ok && n.Sign() < 0 {
			return "took away " + new(big.Int).Neg(n).String()
		}
		return "added " + show(x.value, shownBytes)
	case actionAppend:
		return "appended " + show(x.value, shownBytes)
	case actionRemove:
		if x.kind == crdt.TypeSet || x.kind == crdt.TypeRemoveSet {
			return "removed " + show(x.value, shownBytes)
		}
		return "removed" + x.inPlaceOf()
	case actionInsert:
		return "inserted " + show(x.value, shownBytes)
	case actionDelete:
		n, _ := x.value.(uint64)
		if x.kind == crdt.TypeList {
			return "deleted " + count(n, "value")
		}
		return "deleted " + count(n, "character")
	}
	return x.ruledWords()
}

// inPlaceOf names the values that were there.
func (x *described) inPlaceOf() string {
	var parts []string
	for _, r := range x.replaced {
		parts = append(parts, show(r.value, shownBytes/2)+" by "+author(r.by.Actor, r.by.Role, r.dot.Origin))
	}
	if len(parts) == 0 {
		return ""
	}
	return ", in place of " + strings.Join(parts, " and ")
}

// past remembers the changes that later ones replaced something of, as far as
// they are asked for.
type past struct {
	wanted  map[clock.Dot]bool
	changes map[clock.Dot]replica.ChangeInfo
}

func newPast() *past { return &past{map[clock.Dot]bool{}, map[clock.Dot]replica.ChangeInfo{}} }

// want asks for changes, which are still to come.
func (p *past) want(dots []clock.Dot) {
	for _, d := range dots {
		if _, ok := p.changes[d]; !ok {
			p.wanted[d] = true
		}
	}
}

// has reports whether all that was wanted of dots has come.
func (p *past) has(dots []clock.Dot) bool {
	return !slices.ContainsFunc(dots, func(d clock.Dot) bool { return p.wanted[d] })
}

// note keeps a change if it is wanted.
func (p *past) note(info *replica.ChangeInfo) {
	if p.wanted[info.Dot] {
		delete(p.wanted, info.Dot)
		p.changes[info.Dot] = *info
	}
}

// needed are the changes that say what a change is about: those that it replaced
// something of, and those whose proposals it decided on.
func needed(info *replica.ChangeInfo) []clock.Dot {
	return append(slices.Clone(info.Saw), decidedOn(info)...)
}

// describe says what a change did, field by field: it looks at a state of what
// the change replaced something of, and at the same with the change.
func (p *past) describe(info *replica.ChangeInfo) []described {
	if info.Patch == nil {
		return nil
	}
	before, after := newMoment(info), newMoment(info)
	for _, d := range info.Saw {
		if c, ok := p.changes[d]; ok {
			before.join(&c)
			after.join(&c)
		}
	}
	after.join(info)
	d := describer{past: p, dot: info.Dot, before: before, after: after}
	d.fields(nil, info.Patch)
	slices.SortStableFunc(d.out, func(a, b described) int { return slices.Compare(a.path, b.path) })
	return d.out
}

// moment is a state of some changes of a record, as the fields of one map.
type moment struct{ crdt.Map }

func newMoment(info *replica.ChangeInfo) moment { return moment{crdt.NewMap(info.Dot.Origin, nil)} }

func (m moment) join(info *replica.ChangeInfo) {
	if info.Patch == nil {
		return
	}
	root := &crdt.Patch{Shape: crdt.Keyed, Kids: []crdt.PatchKid{{Key: crdt.Key{Type: crdt.TypeMap}, Patch: info.Patch}}}
	// What cannot be joined is not told.
	_ = m.Join(&crdt.Delta{Dot: info.Dot, Stamp: info.Stamp, Patch: root}, nil)
}

// field is the field at a path of maps; the zero value where it is not there.
func (m moment) field(path []string, kind crdt.Type) crdt.Field {
	f := m.Field()
	for i, name := range path {
		want := crdt.TypeMap
		if i == len(path)-1 {
			want = kind
		}
		found := false
		for k := range f.Kids() {
			if found = k.Name() == name && k.Type() == want; found {
				f = k
				break
			}
		}
		if !found {
			return crdt.Field{}
		}
	}
	return f
}

// describer goes through the patch of one change.
type describer struct {
	past          *past
	dot           clock.Dot
	before, after moment
	out           []described
}

func (d *describer) tell(path []string, kind crdt.Type, action string, value any, replaced ...replaced) {
	d.out = append(d.out, described{path: path, kind: kind, action: action, value: value, replaced: replaced})
}

// fields walks a patch, whose depth the decoder bounds.
func (d *describer) fields(path []string, patch *crdt.Patch) {
	for i := range patch.Kids {
		k := &patch.Kids[i]
		d.field(append(slices.Clone(path), k.Key.Name), k.Key.Type, k.Patch)
	}
}

func (d *describer) field(path []string, kind crdt.Type, patch *crdt.Patch) {
	removed := len(patch.Add) == 0 && len(patch.Remove) > 0
	switch kind {
	case crdt.TypeMap:
		d.fields(path, patch)
	case crdt.TypeRegister, crdt.TypeGroup:
		d.register(path, kind, patch)
	case crdt.TypeSet, crdt.TypeRemoveSet:
		d.elements(path, kind, patch)
	case crdt.TypeText:
		d.sequence(path, kind, patch)
	case crdt.TypeList:
		for i := range patch.Kids {
			d.sequence(path, kind, patch.Kids[i].Patch)
		}
	case crdt.TypeLog:
		for _, c := range d.after.field(path, kind).Entries() {
			d.tell(path, kind, actionAppend, c.Value)
		}
	case crdt.TypeFlag, crdt.TypeDisableFlag:
		d.tell(path, kind, actionSet, !removed && d.after.field(path, kind).Enabled())
	case crdt.TypeCounter:
		d.counter(path, kind, removed)
	case crdt.TypeStock:
		d.stock(path)
	case crdt.TypeBounded:
		d.bounded(path)
	case crdt.TypeProposal:
		d.proposals(path)
	case crdt.TypeMark:
		d.marks(path, patch)
	case crdt.TypeRestamp:
		d.restamps(path, patch)
	case crdt.TypePresence:
		if removed {
			d.tell(path, crdt.TypeMap, actionRemove, nil)
		}
	default:
		d.tell(path, kind, actionChange, nil)
	}
}

func (d *describer) register(path []string, kind crdt.Type, patch *crdt.Patch) {
	action, value := actionRemove, any(nil)
	for _, c := range d.after.field(path, kind).Candidates() {
		if c.ID.Dot != d.dot {
			continue
		}
		if value = c.Value; value == nil {
			action = actionClear
		} else {
			action = actionSet
		}
	}
	var old []replaced
	for _, c := range d.before.field(path, kind).Candidates() {
		if slices.Contains(patch.Remove, c.ID) {
			by := d.past.changes[c.ID.Dot]
			old = append(old, replaced{c.Value, by.Author, by.Stamp, c.ID.Dot})
		}
	}
	slices.SortStableFunc(old, func(a, b replaced) int { return cmp.Compare(a.at, b.at) })
	d.tell(path, kind, action, value, old...)
}

func (d *describer) elements(path []string, kind crdt.Type, patch *crdt.Patch) {
	after := d.after.field(path, kind).Elements()
	for i := range patch.Kids {
		v, err := codec.DecodeValue([]byte(patch.Kids[i].Key.Name))
		if err != nil {
			continue
		}
		action := actionRemove
		if slices.ContainsFunc(after, func(x any) bool { return sameValue(x, v) }) {
			action = actionAdd
		}
		d.tell(path, kind, action, v)
	}
}

// sameValue compares stored values, of which some cannot be compared by ==.
func sameValue(a, b any) bool {
	x, errX := codec.AppendValue(nil, a)
	y, errY := codec.AppendValue(nil, b)
	return errX == nil && errY == nil && slices.Equal(x, y)
}

// counter tells the increment: only the own totals differ before and after.
func (d *describer) counter(path []string, kind crdt.Type, removed bool) {
	by := new(big.Int).Sub(d.after.field(path, kind).Count(), d.before.field(path, kind).Count())
	if removed {
		d.tell(path, kind, actionRemove, nil)
		return
	}
	d.tell(path, kind, actionAdd, by)
}

// sequence tells what was inserted and how much was deleted. Origins of a delta
// are numbered from its author on.
func (d *describer) sequence(path []string, kind crdt.Type, patch *crdt.Patch) {
	var typed strings.Builder
	inserted, deleted := []any{}, uint64(0)
	for _, g := range patch.Grow {
		var t clock.Table
		t.Number(d.dot.Origin)
		for _, o := range g.Origins {
			t.Number(o)
		}
		for _, op := range rga.ReadOps(codec.NewReader(g.Value), &t, kind == crdt.TypeList) {
			if op.Kind != rga.Insert {
				deleted += op.Len
				continue
			}
			typed.WriteString(op.Text)
			for _, b := range op.Values {
				if v, err := codec.DecodeValue(b); err == nil {
					inserted = append(inserted, v)
				}
			}
		}
	}
	switch {
	case typed.Len() > 0:
		d.tell(path, kind, actionInsert, typed.String())
	case len(inserted) > 0:
		d.tell(path, kind, actionInsert, inserted)
	case deleted == 0:
		d.tell(path, kind, actionChange, nil)
	}
	if deleted > 0 {
		d.tell(path, kind, actionDelete, deleted)
	}
}
