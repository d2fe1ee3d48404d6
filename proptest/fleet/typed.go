package fleet

import (
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/merge"
	"github.com/concord-crdt/concord/proptest/scenario"
	"github.com/concord-crdt/concord/replica"
)

// typed turns a value of a scenario into one of the field's kind: JSON has no
// timestamps.
func typed(r merge.FieldRule, v any) (any, error) {
	if text, ok := v.(string); ok && r.Of == merge.Timestamp {
		return time.Parse(time.RFC3339Nano, text)
	}
	members, ok := v.(map[string]any)
	if !ok || len(r.Members) == 0 {
		return v, nil
	}
	out := make(map[string]any, len(members))
	for name, member := range members {
		var err error
		if out[name], err = typed(merge.FieldRule{Of: r.Members[name]}, member); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// performTyped performs an operation on a field of a record under a policy, which
// says of which type it is.
func (n *node) performTyped(p *replica.Record, e scenario.Edit) error {
	r, declared := n.rule(e.Record, e.Field)
	name := e.Field
	switch op := e.Op.(type) {
	case scenario.RegisterSet:
		if len(e.Path) > 0 {
			break
		}
		v, err := typed(r, op.Value)
		if err != nil {
			return err
		}
		return setTyped(p, name, r, v)
	case scenario.RegisterClear:
		if r.Type == crdt.TypeGroup {
			return p.Group(name).Set(nil)
		}
	case scenario.SetAdd:
		if r.Type == crdt.TypeRemoveSet {
			return p.RemoveSet(name).Add(op.Value)
		}
	case scenario.SetRemove:
		if r.Type == crdt.TypeRemoveSet {
			return p.RemoveSet(name).Remove(op.Value)
		}
	case scenario.LogAppend:
		return p.Log(name).Append(op.Value)
	case scenario.StockAdd:
		by, err := small(op.By)
		if err != nil {
			return err
		}
		return p.Stock(name).Add(by)
	case scenario.StockRecount:
		return n.recount(p.Stock(name), op)
	case scenario.CounterAdd:
		if declared && r.Type == crdt.TypeBounded {
			return spend(p, name, r, op.By)
		}
		if declared && r.Type == crdt.TypeStock {
			by, err := small(op.By)
			if err != nil {
				return err
			}
			return p.Stock(name).Add(by)
		}
	case scenario.CounterTransfer:
		by, err := small(op.By)
		if err != nil {
			return err
		}
		to, ok := n.origins(op.To)
		if !ok {
			return fmt.Errorf("fleet: no replica %s", op.To)
		}
		if err := openBounded(p, name, r); err != nil {
			return err
		}
		return p.Bounded(name).Transfer(to, by)
	}
	return perform(p, e)
}

func setTyped(p *replica.Record, name string, r merge.FieldRule, v any) error {
	switch r.Type {
	case crdt.TypeGroup:
		members, ok := v.(map[string]any)
		if !ok {
			return fmt.Errorf("fleet: a group is set to %T", v)
		}
		return p.Group(name).Set(members)
	case crdt.TypeFlag, crdt.TypeDisableFlag:
		f := p.Flag(name)
		if r.Type == crdt.TypeDisableFlag {
			f = p.DisableFlag(name)
		}
		if v == true {
			return f.Enable()
		}
		return f.Disable()
	case crdt.TypeProposal:
		_, err := p.Proposal(name).Propose(v)
		return err
	}
	return p.Register(name).Set(v)
}

func small(n *big.Int) (int64, error) {
	if !n.IsInt64() {
		return 0, fmt.Errorf("fleet: %v does not fit", n)
	}
	return n.Int64(), nil
}

func (n *node) recount(f crdt.StockField, op scenario.StockRecount) error {
	value, ok := op.Value.(int64)
	if !ok {
		return fmt.Errorf("fleet: a stock is recounted as %T", op.Value)
	}
	var asOf clock.Stamp
	if !op.AsOf.IsZero() {
		asOf = clock.NewStamp(op.AsOf, 0)
	}
	return f.Recount(value, asOf)
}

// spend moves a bounded counter, which the first who uses it opens.
func spend(p *replica.Record, name string, r merge.FieldRule, by *big.Int) error {
	amount, err := small(by)
	if err == nil {
		err = openBounded(p, name, r)
	}
	if err != nil {
		return err
	}
	return p.Bounded(name).Add(amount)
}

func openBounded(p *replica.Record, name string, r merge.FieldRule) error {
	for f := range p.Fields() {
		if f.Name() == name && f.Type() == crdt.TypeBounded && f.Bounded().Open {
			return nil
		}
	}
	least, most := int64(-1<<62), int64(1<<62)
	if r.Min != nil {
		least = *r.Min
	}
	if r.Max != nil {
		most = *r.Max
	}
	return p.Bounded(name).Open(least, most, min(max(0, least), most))
}

var errNoStrings = errors.New("fleet: the collection has no field of strings to fill")

// firstOfStrings is the field that bulk records fill: the first by name.
func (n *node) firstOfStrings(collection string) (string, error) {
	p := n.r.Policy()
	var names []string
	for name, r := range p.Collections[collection].Fields {
		if r.Type == crdt.TypeRegister && r.Of == merge.String {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "", errNoStrings
	}
	return slices.Min(names), nil
}

// BulkCreate creates numbered records, the bad ones past the check.
func (n *node) BulkCreate(a scenario.Author, b scenario.Bulk) error {
	field, err := n.firstOfStrings(b.Collection)
	if err != nil {
		return err
	}
	for i := 1; i <= b.Records; i++ {
		record, parent := fmt.Sprintf("%s/%d", b.Collection, i), ""
		if len(b.Parents) > 0 {
			parent = b.Parents[(i-1)%len(b.Parents)]
		}
		if slices.Contains(b.Bad, i) {
			if err := n.forge(a, record, parent, field); err != nil {
				return err
			}
			continue
		}
		_, err := n.change(a, record, func(p *replica.Record) error {
			p.Create()
			if parent != "" {
				if err := p.Under(parent); err != nil {
					return err
				}
			}
			return p.Register(field).Set(strings.Repeat("x", b.BytesEach))
		})
		if err != nil {
			return err
		}
	}
	return nil
}
