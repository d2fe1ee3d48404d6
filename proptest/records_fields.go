package proptest

import (
	"math/big"

	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/merge"
	"github.com/concord-crdt/concord/proptest/scenario"
)

// value draws a value of the field's kind.
func (f *field) value(c *Call) any {
	switch f.rule.Of {
	case merge.String:
		return Pick(c, "a", "b", "c")
	case merge.Boolean:
		return Pick(c, false, true)
	case merge.Float:
		return Pick(c, 0.5, 1.5, -2.5)
	case merge.Timestamp:
		return c.Now()
	}
	return int64(c.Int(9))
}

// steps of a scenario file that name a value and nothing else.
func valueStep(do string) func(Event, *fieldEdit) scenario.Step {
	return func(_ Event, note *fieldEdit) scenario.Step { return scenario.Step{Do: do, Value: note.value} }
}

func (f *field) operations() []Operation[Document, *crdt.Change] {
	type ops = []Operation[Document, *crdt.Change]
	switch f.rule.Type {
	case crdt.TypeRegister:
		return ops{f.operation("set", func(e *crdt.RecordEditor, c *Call, note *fieldEdit) error {
			note.value = f.value(c)
			return e.Register(f.name).Set(note.value)
		}, valueStep("register.set"))}
	case crdt.TypeCounter:
		return ops{f.operation("add", func(e *crdt.RecordEditor, c *Call, note *fieldEdit) error {
			by := int64(Pick(c, 1, 2, -1, 5))
			note.value = by
			return e.Counter(f.name).Add(by)
		}, func(_ Event, note *fieldEdit) scenario.Step {
			return scenario.Step{Do: "counter.add", By: big.NewInt(note.value.(int64))}
		})}
	case crdt.TypeSet, crdt.TypeRemoveSet:
		return f.setOperations()
	case crdt.TypeFlag, crdt.TypeDisableFlag:
		return f.flagOperations()
	case crdt.TypeLog:
		return ops{f.operation("append", func(e *crdt.RecordEditor, c *Call, note *fieldEdit) error {
			note.value = f.value(c)
			return e.Log(f.name).Append(note.value)
		}, nil)}
	case crdt.TypeText:
		return f.textOperations()
	case crdt.TypeList:
		return f.listOperations()
	case crdt.TypeMap:
		return f.mapOperations()
	case crdt.TypeStock:
		return f.stockOperations()
	case crdt.TypeBounded:
		return f.boundedOperations()
	case crdt.TypeProposal:
		return f.proposalOperations()
	case crdt.TypeGroup:
		return ops{f.operation("set", func(e *crdt.RecordEditor, c *Call, note *fieldEdit) error {
			note.value = map[string]any{"x": int64(c.Int(9)), "y": int64(c.Int(9))}
			return e.Group(f.name).Set(note.value.(map[string]any))
		}, nil)}
	}
	return nil
}

func (f *field) setOperations() []Operation[Document, *crdt.Change] {
	add, remove := valueStep("set.add"), valueStep("set.remove")
	set := func(e *crdt.RecordEditor) crdt.SetField { return e.Set(f.name) }
	if f.rule.Type == crdt.TypeRemoveSet {
		set = func(e *crdt.RecordEditor) crdt.SetField { return e.RemoveSet(f.name) }
		add, remove = nil, nil
	}
	return []Operation[Document, *crdt.Change]{
		f.operation("add", func(e *crdt.RecordEditor, c *Call, note *fieldEdit) error {
			note.value = f.value(c)
			return set(e).Add(note.value)
		}, add),
		f.operation("remove", func(e *crdt.RecordEditor, c *Call, note *fieldEdit) error {
			if there := set(e).Values(); len(there) > 0 {
				note.value = Pick(c, there...)
				return set(e).Remove(note.value)
			}
			return nil
		}, remove),
	}
}

func (f *field) flagOperations() []Operation[Document, *crdt.Change] {
	flag := func(e *crdt.RecordEditor) crdt.FlagField { return e.Flag(f.name) }
	if f.rule.Type == crdt.TypeDisableFlag {
		flag = func(e *crdt.RecordEditor) crdt.FlagField { return e.DisableFlag(f.name) }
	}
	return []Operation[Document, *crdt.Change]{
		f.operation("enable", func(e *crdt.RecordEditor, _ *Call, _ *fieldEdit) error { return flag(e).Enable() }, nil),
		f.operation("disable", func(e *crdt.RecordEditor, _ *Call, _ *fieldEdit) error { return flag(e).Disable() }, nil),
	}
}

func (f *field) mapOperations() []Operation[Document, *crdt.Change] {
	step := func(do string) func(Event, *fieldEdit) scenario.Step {
		return func(e Event, note *fieldEdit) scenario.Step {
			return scenario.Step{Do: do, Path: []string{f.name, note.what}, Value: note.value}
		}
	}
	return []Operation[Document, *crdt.Change]{
		f.operation("put", func(e *crdt.RecordEditor, c *Call, note *fieldEdit) error {
			note.what, note.value = Pick(c, "k", "l"), f.value(c)
			return e.Map(f.name).Put(note.what, note.value)
		}, step("map.set")),
		f.operation("delete", func(e *crdt.RecordEditor, c *Call, note *fieldEdit) error {
			note.what = Pick(c, "k", "l")
			return e.Map(f.name).Delete(note.what)
		}, step("map.delete")),
	}
}

func (f *field) stockOperations() []Operation[Document, *crdt.Change] {
	return []Operation[Document, *crdt.Change]{
		f.operation("add", func(e *crdt.RecordEditor, c *Call, note *fieldEdit) error {
			by := int64(Pick(c, 1, 2, -1, 5))
			note.value = by
			return e.Stock(f.name).Add(by)
		}, nil),
		f.operation("recount", func(e *crdt.RecordEditor, c *Call, note *fieldEdit) error {
			count := int64(c.Int(20))
			note.value = count
			return e.Stock(f.name).Recount(count, 0)
		}, nil),
	}
}

// The bounds that the kit opens bounded counters with.
const leastBounded, mostBounded, firstBounded = 0, 8, 4

func (f *field) boundedOperations() []Operation[Document, *crdt.Change] {
	return []Operation[Document, *crdt.Change]{
		f.operation("open", func(e *crdt.RecordEditor, _ *Call, _ *fieldEdit) error {
			return e.Bounded(f.name).Open(leastBounded, mostBounded, firstBounded)
		}, nil),
		f.operation("add", func(e *crdt.RecordEditor, c *Call, _ *fieldEdit) error {
			return e.Bounded(f.name).Add(int64(Pick(c, 1, -1, 3, -3)))
		}, nil),
		f.operation("transfer", func(e *crdt.RecordEditor, c *Call, _ *fieldEdit) error {
			to := newReplica(Pick(c, 0, 1, 2))
			return e.Bounded(f.name).Transfer(to.Origin(), int64(Pick(c, 1, -1, 2, -2)))
		}, nil),
	}
}

func (f *field) proposalOperations() []Operation[Document, *crdt.Change] {
	return []Operation[Document, *crdt.Change]{
		f.operation("propose", func(e *crdt.RecordEditor, c *Call, note *fieldEdit) error {
			note.value = f.value(c)
			_, err := e.Proposal(f.name).Propose(note.value)
			return err
		}, nil),
		f.operation("decide", func(e *crdt.RecordEditor, c *Call, note *fieldEdit) error {
			open := note.before.Field(f.name, crdt.TypeProposal, crdt.DeleteWins).Proposals()
			if len(open) == 0 {
				return nil
			}
			which, approve := c.Int(len(open)), Pick(c, true, false)
			note.value = approve
			return e.Proposal(f.name).Decide(open[which].ID, approve)
		}, nil),
	}
}
