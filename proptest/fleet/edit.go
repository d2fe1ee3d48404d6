package fleet

import (
	"errors"
	"fmt"
	"math"
	"math/big"

	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/proptest/scenario"
	"github.com/concord-crdt/concord/replica"
)

// fields is what holds fields by name: a record, or a map in it.
type fields interface {
	Register(string) crdt.RegisterField
	Counter(string) crdt.CounterField
	Set(string) crdt.SetField
	Map(string) crdt.MapField
	Text(string) crdt.TextField
	List(string) crdt.ListField
}

// reach goes down to what holds the target, and returns the target's name there.
// Maps on the way come to be.
func reach(p *replica.Record, t scenario.Target) (fields, string) {
	var holder fields = p
	name := t.Field
	for _, key := range t.Path {
		holder, name = holder.Map(name), key
	}
	return holder, name
}

// prepare finds out what an operation does to the record.
func (n *node) prepare(e scenario.Edit) (func(*replica.Record) error, error) {
	if _, ok := e.Op.(scenario.MapDelete); ok {
		return n.prepareDelete(e.Target)
	}
	if e.Record != "" {
		return func(p *replica.Record) error { return n.performTyped(p, e) }, nil
	}
	return func(p *replica.Record) error { return perform(p, e) }, nil
}

// prepareDelete looks whether the map is there that holds the key, since reaching
// for it would make the maps on the way.
func (n *node) prepareDelete(t scenario.Target) (func(*replica.Record) error, error) {
	view, err := n.view(t.Record)
	if err != nil {
		return nil, err
	}
	f := find(view.Fields, t.Field, crdt.TypeMap)
	for i := 0; i+1 < len(t.Path) && f != nil; i++ {
		f = find(f.Fields, t.Path[i], crdt.TypeMap)
	}
	return func(p *replica.Record) error {
		at, name := fields(p), ""
		if f != nil {
			at, name = reach(p, t)
		}
		if m, ok := at.(crdt.MapField); ok {
			return m.Delete(name)
		}
		return nil
	}, nil
}

func perform(p *replica.Record, e scenario.Edit) error {
	at, name := reach(p, e.Target)
	switch op := e.Op.(type) {
	case scenario.TextInsert:
		return insert(at.Text(name), op.Pos, op.Text, op.Unit)
	case scenario.TextInsertBytes:
		return insert(at.Text(name), op.Pos, string(op.Bytes), op.Unit)
	case scenario.TextDelete:
		t := at.Text(name)
		from, to, err := span(t, op.Pos, op.Len, op.Unit)
		if err != nil {
			return err
		}
		return t.Delete(from, to-from)
	case scenario.ListInsert:
		return at.List(name).Insert(op.Pos, op.Values...)
	case scenario.ListDelete:
		return at.List(name).Delete(op.Pos, op.Len)
	case scenario.ListSet:
		return at.List(name).Set(op.Pos, op.Value)
	case scenario.SetAdd:
		return at.Set(name).Add(op.Value)
	case scenario.SetRemove:
		return at.Set(name).Remove(op.Value)
	case scenario.MapNew:
		at.Map(name)
		return p.Err()
	case scenario.MapSet:
		return at.Register(name).Set(op.Value)
	case scenario.CounterAdd:
		return count(at.Counter(name), op.By)
	case scenario.CounterReset:
		return at.Counter(name).Reset()
	case scenario.RegisterSet:
		return at.Register(name).Set(op.Value)
	case scenario.RegisterClear:
		return at.Register(name).Clear()
	case scenario.MultiSet:
		return at.Register(name).Set(op.Value)
	}
	return fmt.Errorf("fleet: replicas do not have the operation %T yet", e.Op)
}

// count adds an amount of any size, in pieces that one call takes. Beyond the
// range of a counter the first piece that does not fit is an error.
func count(c crdt.CounterField, by *big.Int) error {
	rest := new(big.Int).Set(by)
	most, least := big.NewInt(math.MaxInt64), big.NewInt(math.MinInt64)
	for {
		piece := rest
		if rest.Cmp(most) > 0 {
			piece = most
		} else if rest.Cmp(least) < 0 {
			piece = least
		}
		if err := c.Add(piece.Int64()); err != nil {
			return err
		}
		if rest = new(big.Int).Sub(rest, piece); rest.Sign() == 0 {
			return nil
		}
	}
}

func insert(t crdt.TextField, pos int, text, unit string) error {
	at, _, err := span(t, pos, 0, unit)
	if err != nil {
		return err
	}
	return t.Insert(at, text)
}

var errSurrogate = errors.New("fleet: position inside a surrogate pair")

// span converts a range of a text to code points.
func span(t crdt.TextField, pos, length int, unit string) (from, to int, err error) {
	if unit != scenario.UTF16 {
		return pos, pos + length, nil
	}
	text := []rune(t.String())
	if from, err = codePoints(text, pos); err == nil {
		to, err = codePoints(text, pos+length)
	}
	return from, to, err
}

// codePoints is how many code points lie before a position in UTF-16. One beyond
// the end stays as far beyond it.
func codePoints(text []rune, units int) (int, error) {
	for i, r := range text {
		if units == 0 {
			return i, nil
		}
		if units--; r > 0xffff {
			if units == 0 {
				return 0, errSurrogate
			}
			units--
		}
	}
	return len(text) + units, nil
}
