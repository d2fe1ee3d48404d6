package main

import (
	"fmt"
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
}

// replaced is a value that a change superseded.
type replaced struct {
	dot   clock.Dot
	value any
	known bool
	by    crdt.Author
}

// The actions of changes on fields.
const (
	actionSet    = "set"
	actionClear  = "clear"
	actionAdd    = "add"
	actionRemove = "remove"
	actionMake   = "make"
	actionInsert = "insert"
	actionDelete = "delete"
	actionEdit   = "edit" // of a type that this version cannot read
)

// words says it for people.
func (x *described) words() string {
	switch x.action {
	case actionSet:
		return "set to " + show(x.value, shownBytes) + x.inPlaceOf()
	case actionClear:
		return "cleared" + x.inPlaceOf()
	case actionAdd:
		if n, ok := x.value.(*big.Int); ok && n.Sign() < 0 {
			return "took away " + new(big.Int).Neg(n).String()
		}
		return "added " + show(x.value, shownBytes)
	case actionRemove:
		if x.kind == crdt.TypeSet {
			return "removed " + show(x.value, shownBytes)
		}
		return "removed" + x.inPlaceOf()
	case actionMake:
		return fmt.Sprintf("made a %v", x.kind)
	case actionInsert:
		return "inserted " + show(x.value, shownBytes)
	case actionDelete:
		n, _ := x.value.(uint64)
		return "deleted " + count(n, "character")
	}
	return "changed"
}

// inPlaceOf names the values that were there.
func (x *described) inPlaceOf() string {
	var parts []string
	for _, r := range x.replaced {
		if !r.known {
			parts = append(parts, "an older value")
			continue
		}
		parts = append(parts, show(r.value, shownBytes/2)+" by "+author(r.by.Actor, r.by.Role, r.dot.Origin))
	}
	if len(parts) == 0 {
		return ""
	}
	return ", in place of " + strings.Join(parts, " and ")
}

// past remembers the entries that later changes replaced, as far as they are
// asked for.
type past struct {
	wanted  map[clock.Dot]bool
	entries map[crdt.EntryID]crdt.Entry
	authors map[clock.Dot]crdt.Author
}

func newPast() *past {
	return &past{map[clock.Dot]bool{}, map[crdt.EntryID]crdt.Entry{}, map[clock.Dot]crdt.Author{}}
}

// want asks for the entries of changes, which are still to come.
func (p *past) want(dots []clock.Dot) {
	for _, d := range dots {
		if _, ok := p.authors[d]; !ok {
			p.wanted[d] = true
		}
	}
}

// has reports whether all that was wanted of dots has come.
func (p *past) has(dots []clock.Dot) bool {
	return !slices.ContainsFunc(dots, func(d clock.Dot) bool { return p.wanted[d] })
}

// note keeps a change's entries if they are wanted.
func (p *past) note(info *replica.ChangeInfo) {
	if !p.wanted[info.Dot] {
		return
	}
	delete(p.wanted, info.Dot)
	p.authors[info.Dot] = info.Author
	if info.Patch != nil {
		p.keep(info.Patch)
	}
}

// keep walks a patch, whose depth the decoder bounds.
func (p *past) keep(patch *crdt.Patch) {
	for _, e := range patch.Add {
		p.entries[e.ID] = e
	}
	for i := range patch.Kids {
		p.keep(patch.Kids[i].Patch)
	}
}

// describe says what a change did, field by field.
func (p *past) describe(info *replica.ChangeInfo) []described {
	if info.Patch == nil {
		return nil
	}
	out := p.fields(nil, nil, info.Patch, info.Dot)
	slices.SortStableFunc(out, func(a, b described) int { return slices.Compare(a.path, b.path) })
	return out
}

func (p *past) fields(out []described, path []string, patch *crdt.Patch, dot clock.Dot) []described {
	for i := range patch.Kids {
		k := &patch.Kids[i]
		at := append(slices.Clone(path), k.Key.Name)
		switch k.Key.Type {
		case crdt.TypeRegister:
			out = append(out, p.register(at, k.Patch))
		case crdt.TypeCounter:
			out = append(out, p.counter(at, k.Patch))
		case crdt.TypeSet:
			out = append(out, setEdits(at, k.Patch)...)
		case crdt.TypeText:
			out = append(out, textEdits(at, k.Patch, dot.Origin)...)
		case crdt.TypeMap:
			out = p.fields(out, at, k.Patch, dot)
		case crdt.TypePresence:
			out = append(out, presence(at, k.Patch)...)
		default:
			out = append(out, described{path: at, kind: k.Key.Type, action: actionEdit})
		}
	}
	return out
}

func (p *past) register(path []string, patch *crdt.Patch) described {
	x := described{path: path, kind: crdt.TypeRegister, action: actionRemove}
	for _, e := range patch.Add {
		x.action = actionClear
		if v, err := codec.DecodeValue(e.Value); err == nil && v != nil {
			x.action, x.value = actionSet, v
		}
	}
	for _, id := range patch.Remove {
		r := replaced{dot: id.Dot, by: p.authors[id.Dot]}
		if e, ok := p.entries[id]; ok {
			v, err := codec.DecodeValue(e.Value)
			r.value, r.known = v, err == nil
		}
		x.replaced = append(x.replaced, r)
	}
	return x
}

// counter tells the increment: an entry holds its origin's totals, so it is
// what they have more than those that they replace.
func (p *past) counter(path []string, patch *crdt.Patch) described {
	if len(patch.Add) == 0 {
		return described{path: path, kind: crdt.TypeCounter, action: actionRemove}
	}
	sum := new(big.Int)
	for _, e := range patch.Add {
		sum.Add(sum, total(e))
	}
	for _, id := range patch.Remove {
		e, ok := p.entries[id]
		if !ok {
			return described{path: path, kind: crdt.TypeCounter, action: actionEdit}
		}
		sum.Sub(sum, total(e))
	}
	return described{path: path, kind: crdt.TypeCounter, action: actionAdd, value: sum}
}

// total is what one origin added less what it took away.
func total(e crdt.Entry) *big.Int {
	r := codec.NewReader(e.Value)
	up, down := new(big.Int).SetUint64(r.Uvarint()), new(big.Int).SetUint64(r.Uvarint())
	return up.Sub(up, down)
}

func setEdits(path []string, patch *crdt.Patch) (out []described) {
	for i := range patch.Kids {
		k := &patch.Kids[i]
		v, err := codec.DecodeValue([]byte(k.Key.Name))
		if k.Key.Type != crdt.TypeElement || err != nil {
			continue
		}
		action := actionAdd
		if len(k.Patch.Add) == 0 {
			action = actionRemove
		}
		out = append(out, described{path: path, kind: crdt.TypeSet, action: action, value: v})
	}
	return out
}

// textEdits tells what was typed and how much was deleted. Numbers of origins
// in a delta count from the author, who is not listed.
func textEdits(path []string, patch *crdt.Patch, author clock.Origin) (out []described) {
	var inserted strings.Builder
	var deleted uint64
	for _, g := range patch.Grow {
		var t clock.Table
		t.Number(author)
		for _, o := range g.Origins {
			t.Number(o)
		}
		for _, op := range rga.ReadOps(codec.NewReader(g.Value), &t, false) {
			if op.Kind == rga.Insert {
				inserted.WriteString(op.Text)
			} else {
				deleted += op.Len
			}
		}
	}
	if inserted.Len() > 0 {
		out = append(out, described{path: path, kind: crdt.TypeText, action: actionInsert, value: inserted.String()})
	}
	if deleted > 0 {
		out = append(out, described{path: path, kind: crdt.TypeText, action: actionDelete, value: deleted})
	}
	return out
}

// presence tells of a set, map or text that was made, or deleted with its key.
func presence(path []string, patch *crdt.Patch) (out []described) {
	for _, e := range patch.Add {
		if len(e.Value) == 1 {
			out = append(out, described{path: path, kind: crdt.Type(e.Value[0]), action: actionMake})
		}
	}
	if len(patch.Add) == 0 {
		out = append(out, described{path: path, kind: crdt.TypeMap, action: actionRemove})
	}
	return out
}
