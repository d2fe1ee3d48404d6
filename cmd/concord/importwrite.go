package main

import (
	"errors"
	"fmt"
	"iter"
	"math"
	"math/big"
	"slices"
	"unicode/utf8"

	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/replica"
)

// present is a field as it is before it is written; there is false for one that
// is not.
type present struct {
	crdt.Field
	there bool
}

// writing makes a field of a name show what a line says. It alters nothing that
// is so already, so an import that is done twice changes nothing.
type writing func(was present, in container, name string) error

// writeFields makes the fields of a record or map show what a line says, and
// leaves the others alone.
func writeImported(there iter.Seq[crdt.Field], in container, fields []importedField) error {
	was := map[crdt.Key]present{}
	for f := range there {
		was[crdt.Key{Name: f.Name(), Type: f.Type()}] = present{f, true}
	}
	for _, f := range fields {
		if err := f.write(was[crdt.Key{Name: f.name, Type: f.kind}], in, f.name); err != nil {
			return err
		}
	}
	return nil
}

func writeMap(kids []importedField) writing {
	return func(was present, in container, name string) error {
		return writeImported(was.kids(), in.Map(name), kids)
	}
}

// kids are the fields of a map; none if it is not there.
func (p present) kids() iter.Seq[crdt.Field] {
	if !p.there {
		return func(func(crdt.Field) bool) {}
	}
	return p.Kids()
}

// shows reports whether a register or group has this value and no other.
func (p present) shows(v any) bool {
	cs := p.Candidates()
	return len(cs) == 1 && sameValue(cs[0].Value, v)
}

func writeRegister(v any) writing {
	return func(was present, in container, name string) error {
		if was.shows(v) {
			return nil
		}
		return in.Register(name).Set(v)
	}
}

func writeGroup(parts map[string]any) writing {
	return func(was present, in container, name string) error {
		if was.shows(parts) {
			return nil
		}
		return in.Group(name).Set(parts)
	}
}

// inSteps adds a number of any size as numbers that fit.
func inSteps(n *big.Int, add func(int64) error) error {
	rest := new(big.Int).Set(n)
	for rest.Sign() != 0 {
		step := int64(math.MaxInt64)
		switch {
		case rest.IsInt64():
			step = rest.Int64()
		case rest.Sign() < 0:
			step = math.MinInt64
		}
		if err := add(step); err != nil {
			return err
		}
		rest.Sub(rest, big.NewInt(step))
	}
	return nil
}

func writeCounter(n *big.Int) writing {
	return func(was present, in container, name string) error {
		if n.Sign() == 0 && !was.there { // a counter at zero is there all the same
			return errors.Join(in.Counter(name).Add(1), in.Counter(name).Add(-1))
		}
		return inSteps(new(big.Int).Sub(n, was.Count()), in.Counter(name).Add)
	}
}

// writeStock counts again: what comes later is added to it.
func writeStock(n *big.Int) writing {
	return func(was present, in container, name string) error {
		if was.there && was.Level().Cmp(n) == 0 {
			return nil
		}
		stock := in.(*replica.Record).Stock(name)
		first := n
		switch {
		case n.IsInt64():
		case n.Sign() > 0:
			first = big.NewInt(math.MaxInt64)
		default:
			first = big.NewInt(math.MinInt64)
		}
		if err := stock.Recount(first.Int64(), 0); err != nil {
			return err
		}
		return inSteps(new(big.Int).Sub(n, first), stock.Add)
	}
}

func writeFlag(kind crdt.Type, on bool) writing {
	return func(was present, in container, name string) error {
		if was.there && was.Enabled() == on {
			return nil
		}
		flag := in.Flag(name)
		if kind == crdt.TypeDisableFlag {
			flag = in.(*replica.Record).DisableFlag(name)
		}
		if on {
			return flag.Enable()
		}
		if kind == crdt.TypeDisableFlag && !was.there { // only what was on can be off
			if err := flag.Enable(); err != nil {
				return err
			}
		}
		return flag.Disable()
	}
}

func writeSet(kind crdt.Type, values []any) writing {
	return func(was present, in container, name string) error {
		set := in.Set(name)
		if kind == crdt.TypeRemoveSet {
			set = in.(*replica.Record).RemoveSet(name)
			if len(values) == 0 && !was.there { // of which everything was removed
				return errors.Join(set.Add(nil), set.Remove(nil))
			}
		}
		old := was.Elements()
		for _, v := range values {
			if !contains(old, v) {
				if err := set.Add(v); err != nil {
					return err
				}
			}
		}
		for _, v := range old {
			if !contains(values, v) {
				if err := set.Remove(v); err != nil {
					return err
				}
			}
		}
		return nil
	}
}

func contains(values []any, v any) bool {
	return slices.ContainsFunc(values, func(x any) bool { return sameValue(x, v) })
}

// errTwoLives is about a text or list of which a part belongs to a life of the
// record that is over: it has places that nobody sees.
var errTwoLives = errors.New("the record was deleted and made again; edit this field with concord edit")

func writeText(s string) writing {
	return func(was present, in container, name string) error {
		text, old, next := in.Text(name), []rune(was.text()), []rune(s)
		from, gone, added := difference(old, next, func(a, b rune) bool { return a == b })
		switch {
		case len(next) == 0 && !was.there: // an empty text is there all the same
			return errors.Join(text.Append(" "), text.Delete(text.Len()-1, 1))
		case gone == 0 && len(added) == 0:
			return nil
		case len(old) == 0:
			return text.Append(s)
		case text.Len() != len(old):
			return fmt.Errorf("field %s: %w", plain(name), errTwoLives)
		}
		return text.Replace(from, gone, string(added))
	}
}

// text is the content of a text; nothing if it is not there.
func (p present) text() string {
	if s := p.Text(); utf8.ValidString(s) {
		return s
	}
	return ""
}

func writeList(values []any) writing {
	return func(was present, in container, name string) error {
		list, old := in.List(name), was.Values()
		from, gone, added := difference(old, values, sameValue)
		switch {
		case gone == 0 && len(added) == 0:
			return nil
		case len(old) == 0:
			return list.Append(values...)
		case list.Len() != len(old):
			return fmt.Errorf("field %s: %w", plain(name), errTwoLives)
		}
		if err := list.Delete(from, gone); err != nil {
			return err
		}
		return list.Insert(from, added...)
	}
}

// difference is what turns one sequence into another: at from, gone elements go
// and those of added come.
func difference[T any](was, next []T, same func(a, b T) bool) (from, gone int, added []T) {
	for from < len(was) && from < len(next) && same(was[from], next[from]) {
		from++
	}
	end := 0
	for end < len(was)-from && end < len(next)-from && same(was[len(was)-1-end], next[len(next)-1-end]) {
		end++
	}
	return from, len(was) - from - end, next[from : len(next)-end]
}

func writeLog(values []any) writing {
	return func(was present, in container, name string) error {
		old := was.Entries()
		for i, c := range old {
			if i >= len(values) || !sameValue(c.Value, values[i]) {
				return fmt.Errorf("field %s: its entry %d is another here, and a log only grows", plain(name), i+1)
			}
		}
		for _, v := range values[len(old):] {
			if err := in.Log(name).Append(v); err != nil {
				return err
			}
		}
		return nil
	}
}

func writeBounded(least, most, value int64) writing {
	return func(was present, in container, name string) error {
		bounded, b := in.(*replica.Record).Bounded(name), was.Bounded()
		switch {
		case !b.Open:
			return bounded.Open(least, most, value)
		case b.Least != least || b.Most != most:
			return fmt.Errorf("field %s: its bounds are %d and %d, and cannot be changed", plain(name), b.Least, b.Most)
		}
		return inSteps(new(big.Int).Sub(big.NewInt(value), b.Value), bounded.Add)
	}
}

// proposed is a proposal of a line.
type proposed struct {
	value   any
	verdict crdt.Verdict
}

func writeProposals(want []proposed) writing {
	return func(was present, in container, name string) error {
		field, old := in.(*replica.Record).Proposal(name), was.Proposals()
		for i := range old {
			if i >= len(want) || !sameValue(old[i].Value, want[i].value) {
				return fmt.Errorf("field %s: its proposal %d is another here, and proposals stay", plain(name), i+1)
			}
		}
		for i, w := range want {
			var id crdt.EntryID
			verdict := crdt.Open
			var err error
			if i < len(old) {
				id, verdict = old[i].ID, old[i].Verdict
			} else {
				id, err = field.Propose(w.value)
			}
			switch {
			case err != nil:
			case verdict == w.verdict:
			case w.verdict == crdt.Open:
				err = fmt.Errorf("field %s: its proposal %d was %v here, and cannot be opened again", plain(name), i+1, verdict)
			default:
				err = field.Decide(id, w.verdict == crdt.Approved)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
}
