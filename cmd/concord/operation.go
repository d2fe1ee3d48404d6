package main

import (
	"slices"
	"strconv"
	"strings"

	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/replica"
)

// container is what fields are in: a record, or a map.
type container interface {
	Counter(name string) crdt.CounterField
	Flag(name string) crdt.FlagField
	Group(name string) crdt.GroupField
	List(name string) crdt.ListField
	Log(name string) crdt.LogField
	Map(name string) crdt.MapField
	Register(name string) crdt.RegisterField
	Set(name string) crdt.SetField
	Text(name string) crdt.TextField
}

var (
	_ container = (*replica.Record)(nil)
	_ container = crdt.MapField{}
)

// doing is what an operation does to the field of a name.
type doing func(in container, name string) error

// operation is one of the things that edit does to a field.
type operation struct {
	name string
	args string // as the help shows them
	help string
	kind crdt.Type
	// least and most are numbers of arguments; most is -1 for any.
	least, most int
	// descends says that the first argument is a key of the map that is named,
	// and that the operation is on what is under it.
	descends bool
	parse    func(args []string) (doing, error)
}

var operations = slices.Concat([]operation{
	{name: "register.set", args: "VALUE", help: "write a value, like put", kind: crdt.TypeRegister, least: 1, most: 1,
		parse: takesValues(func(in container, name string, v []any) error { return in.Register(name).Set(v[0]) })},
	{name: "register.clear", help: "write that there is no value", kind: crdt.TypeRegister,
		parse: takesNothing(func(in container, name string) error { return in.Register(name).Clear() })},
	{name: "group.put", args: "NAME VALUE", help: "write one of the values that belong together", kind: crdt.TypeGroup, least: 2, most: 2,
		parse: takesNamed(func(in container, name, part string, v any) error { return in.Group(name).Put(part, v) })},
	{name: "counter.add", args: "N", help: "add N, which may be negative; all additions count", kind: crdt.TypeCounter, least: 1, most: 1,
		parse: takesNumber(func(in container, name string, n int64) error { return in.Counter(name).Add(n) })},
	{name: "counter.reset", help: "go back to zero", kind: crdt.TypeCounter,
		parse: takesNothing(func(in container, name string) error { return in.Counter(name).Reset() })},
	{name: "stock.add", args: "N", help: "add a delivery, or with a negative N a sale", kind: crdt.TypeStock, least: 1, most: 1,
		parse: takesNumber(inRecord(func(p *replica.Record, name string, n int64) error { return p.Stock(name).Add(n) }))},
	{name: "flag.enable", help: "switch on; beats switching off apart", kind: crdt.TypeFlag,
		parse: takesNothing(func(in container, name string) error { return in.Flag(name).Enable() })},
	{name: "flag.disable", help: "switch off", kind: crdt.TypeFlag,
		parse: takesNothing(func(in container, name string) error { return in.Flag(name).Disable() })},
	{name: "set.add", args: "VALUE...", help: "add elements; beats removing them apart", kind: crdt.TypeSet, least: 1, most: -1,
		parse: takesValues(oneByOne(func(in container, name string, v any) error { return in.Set(name).Add(v) }))},
	{name: "set.remove", args: "VALUE...", help: "remove elements", kind: crdt.TypeSet, least: 1, most: -1,
		parse: takesValues(oneByOne(func(in container, name string, v any) error { return in.Set(name).Remove(v) }))},
	{name: "map.put", args: "KEY VALUE", help: "write a value under a key of a map", kind: crdt.TypeRegister, least: 2, most: 2, descends: true,
		parse: takesValues(func(in container, name string, v []any) error { return in.Register(name).Set(v[0]) })},
	{name: "map.delete", args: "KEY", help: "delete a key of a map with all that is under it", kind: crdt.TypeMap, least: 1, most: 1,
		parse: func(args []string) (doing, error) {
			return func(in container, name string) error { return in.Map(name).Delete(args[0]) }, nil
		}},
	{name: "list.append", args: "VALUE...", help: "insert values at the end", kind: crdt.TypeList, least: 1, most: -1,
		parse: takesValues(func(in container, name string, v []any) error { return in.List(name).Append(v...) })},
	{name: "list.insert", args: "POS VALUE...", help: "insert before place POS, counted from 0", kind: crdt.TypeList, least: 2, most: -1,
		parse: takesPlaced(1, func(in container, name string, at []int, v []any) error { return in.List(name).Insert(at[0], v...) })},
	{name: "list.set", args: "POS VALUE", help: "replace the value at place POS", kind: crdt.TypeList, least: 2, most: 2,
		parse: takesPlaced(1, func(in container, name string, at []int, v []any) error { return in.List(name).Set(at[0], v[0]) })},
	{name: "list.delete", args: "POS N", help: "delete N values from POS on", kind: crdt.TypeList, least: 2, most: 2,
		parse: takesPlaced(2, func(in container, name string, at []int, _ []any) error { return in.List(name).Delete(at[0], at[1]) })},
	{name: "text.append", args: "TEXT", help: "insert at the end", kind: crdt.TypeText, least: 1, most: 1,
		parse: takesText(0, func(t crdt.TextField, _ []int, s string) error { return t.Append(s) })},
	{name: "text.insert", args: "POS TEXT", help: "insert before character POS, counted from 0", kind: crdt.TypeText, least: 2, most: 2,
		parse: takesText(1, func(t crdt.TextField, at []int, s string) error { return t.Insert(at[0], s) })},
	{name: "text.delete", args: "POS N", help: "delete N characters from POS on", kind: crdt.TypeText, least: 2, most: 2,
		parse: takesText(2, func(t crdt.TextField, at []int, _ string) error { return t.Delete(at[0], at[1]) })},
	{name: "text.replace", args: "POS N TEXT", help: "put TEXT in place of N characters", kind: crdt.TypeText, least: 3, most: 3,
		parse: takesText(2, func(t crdt.TextField, at []int, s string) error { return t.Replace(at[0], at[1], s) })},
	{name: "log.append", args: "VALUE", help: "add an entry, which stays", kind: crdt.TypeLog, least: 1, most: 1,
		parse: takesValues(func(in container, name string, v []any) error { return in.Log(name).Append(v[0]) })},
}, ruledOperations)

// The functions that begin with takes read the arguments of operations.

func takesNothing(do doing) func([]string) (doing, error) {
	return func([]string) (doing, error) { return do, nil }
}

func takesValues(do func(in container, name string, v []any) error) func([]string) (doing, error) {
	return takesPlaced(0, func(in container, name string, _ []int, v []any) error { return do(in, name, v) })
}

func takesNamed(do func(in container, name, part string, v any) error) func([]string) (doing, error) {
	return func(args []string) (doing, error) {
		v, err := parseValue(args[1])
		return func(in container, name string) error { return do(in, name, args[0], v) }, err
	}
}

func takesNumber(do func(in container, name string, n int64) error) func([]string) (doing, error) {
	return func(args []string) (doing, error) {
		n, err := strconv.ParseInt(args[0], 10, 64)
		if err != nil {
			return nil, usageErrorf("%q is no whole number of 64 bits", args[0])
		}
		return func(in container, name string) error { return do(in, name, n) }, nil
	}
}

// takesPlaced reads a number of places or lengths, and then values.
func takesPlaced(count int, do func(in container, name string, at []int, v []any) error) func([]string) (doing, error) {
	return func(args []string) (doing, error) {
		at, err := places(args[:count])
		if err != nil {
			return nil, err
		}
		vs := make([]any, len(args)-count)
		for i, a := range args[count:] {
			if vs[i], err = parseValue(a); err != nil {
				return nil, err
			}
		}
		return func(in container, name string) error { return do(in, name, at, vs) }, nil
	}
}

// takesText reads a number of places or lengths, and then a text if one is left.
func takesText(count int, do func(t crdt.TextField, at []int, s string) error) func([]string) (doing, error) {
	return func(args []string) (doing, error) {
		at, err := places(args[:count])
		if err != nil {
			return nil, err
		}
		s := strings.Join(args[count:], "")
		return func(in container, name string) error { return do(in.Text(name), at, s) }, nil
	}
}

func places(args []string) ([]int, error) {
	at := make([]int, len(args))
	for i, a := range args {
		n, err := strconv.Atoi(a)
		if err != nil || n < 0 {
			return nil, usageErrorf("%q is no position or length; count from 0", a)
		}
		at[i] = n
	}
	return at, nil
}

// oneByOne does something to one value after the other.
func oneByOne(do func(in container, name string, v any) error) func(container, string, []any) error {
	return func(in container, name string, vs []any) error {
		for _, v := range vs {
			if err := do(in, name, v); err != nil {
				return err
			}
		}
		return nil
	}
}

// inRecord is for types that a map cannot hold.
func inRecord(do func(p *replica.Record, name string, n int64) error) func(container, string, int64) error {
	return func(in container, name string, n int64) error {
		p, ok := in.(*replica.Record)
		if !ok {
			return usageErrorf("%s is in a map; a field of this type stands in the record itself", plain(name))
		}
		return do(p, name, n)
	}
}

// parseEdit reads FIELD OPERATION ARGUMENT...
func parseEdit(args []string) (fieldEdit, error) {
	if len(args) < 2 {
		return fieldEdit{}, usageErrorf("an operation is missing; see: concord edit --help")
	}
	path, err := splitPath(args[0])
	if err != nil {
		return fieldEdit{}, err
	}
	i := slices.IndexFunc(operations, func(o operation) bool { return o.name == args[1] })
	if i < 0 {
		return fieldEdit{}, unknownOperation(args[1])
	}
	o := &operations[i]
	given := args[2:]
	if len(given) < o.least || o.most >= 0 && len(given) > o.most {
		want := o.args
		if want == "" {
			want = "no arguments"
		}
		return fieldEdit{}, usageErrorf("%s takes %s, got %s", o.name, want, count(len(given), "argument"))
	}
	if o.descends {
		path, given = append(path, given[0]), given[1:]
	}
	do, err := o.parse(given)
	if err != nil {
		return fieldEdit{}, err
	}
	return fieldEdit{path, o.kind, do}, nil
}

func unknownOperation(name string) error {
	var near []string
	for _, o := range operations {
		kind, verb, _ := strings.Cut(o.name, ".")
		if name == kind || name == verb {
			near = append(near, o.name)
		}
	}
	hint := ""
	if len(near) > 0 {
		hint = "; did you mean " + strings.Join(near, ", ") + "?"
	}
	return usageErrorf("no operation %q%s; see: concord edit --help", name, hint)
}
