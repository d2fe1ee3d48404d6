package scenario

import (
	"encoding/hex"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"unicode/utf8"
)

// target is what an editing step acts on.
func (s *Step) target() Target {
	switch {
	case s.Record != "":
		return Target{Record: s.Record, Field: s.Field, Path: s.Path}
	case len(s.Path) > 0:
		return Target{Field: s.Path[0], Path: s.Path[1:]}
	}
	return Target{Field: s.Obj}
}

// operation is the name of what an editing step does.
func (s *Step) operation() string {
	if s.Do == "record.edit" {
		return s.Op
	}
	return s.Do
}

// edits returns the operations that an editing step stands for. It calls length
// where a position is the end or the middle of something.
func (s *Step) edits(length func(t Target, unit string) (int, error)) ([]Edit, error) {
	t := s.target()
	pos := s.Pos.Index
	if s.Pos.mark != "" {
		n, err := length(t, s.Unit)
		if err != nil {
			return nil, err
		}
		if pos = n; s.Pos == Mid {
			pos = n / 2
		}
	}
	one := func(op Op) ([]Edit, error) { return []Edit{{Target: t, Op: op}}, nil }
	switch s.operation() {
	case "text.insert", "map.text_insert":
		text := s.Text
		if s.Repeated != nil {
			text = strings.Repeat(s.Repeated.Text, s.Repeated.Times)
		}
		return one(TextInsert{Pos: pos, Text: text, Unit: s.Unit})
	case "text.type":
		return s.typed(t, pos), nil
	case "text.insert_bytes":
		bytes, err := hex.DecodeString(s.Hex)
		if err != nil {
			return nil, err
		}
		return one(TextInsertBytes{Pos: pos, Bytes: bytes, Unit: s.Unit})
	case "text.delete":
		return one(TextDelete{Pos: pos, Len: s.Len, Unit: s.Unit})
	case "text.mark":
		return one(TextMark{From: s.First, To: s.Last, Mark: s.Mark, Value: s.Value, Unit: s.Unit})
	case "list.insert":
		return one(ListInsert{Pos: pos, Values: s.List})
	case "list.delete":
		return one(ListDelete{Pos: pos, Len: s.Len})
	case "list.set":
		return one(ListSet{Pos: pos, Value: s.Value})
	case "list.move":
		return one(ListMove{From: s.First, To: s.Last})
	case "set.add":
		return one(SetAdd{Value: s.Value})
	case "set.remove":
		return one(SetRemove{Value: s.Value})
	case "map.new":
		return one(MapNew{})
	case "map.set":
		return one(MapSet{Value: s.Value})
	case "map.delete":
		return one(MapDelete{})
	case "map.counter_add", "counter.add":
		return one(CounterAdd{By: s.amount()})
	case "field.create":
		if s.Type == "counter" {
			return one(CounterAdd{By: s.amount()})
		}
		return one(TextInsert{Text: s.Text})
	case "counter.reset":
		return one(CounterReset{})
	case "counter.transfer":
		return one(CounterTransfer{To: s.To, By: s.amount()})
	case "register.set", "record.set":
		return one(RegisterSet{Value: s.Value})
	case "register.clear":
		return one(RegisterClear{})
	case "mv.set":
		return one(MultiSet{Value: s.Value})
	case "event.append":
		return one(LogAppend{Value: s.Value})
	case "stock.add":
		return one(StockAdd{By: s.amount()})
	case "stock.recount":
		return one(StockRecount{Value: s.Value, AsOf: s.AsOf})
	}
	return nil, fmt.Errorf("scenario: %s is no operation on an object", s.operation())
}

func (s *Step) amount() *big.Int {
	if s.By == nil {
		return new(big.Int)
	}
	return new(big.Int).Set(s.By)
}

// typed is one insertion per code point: forward at growing positions, or from
// the last one to the first, all at the same position.
func (s *Step) typed(t Target, pos int) []Edit {
	var edits []Edit
	for _, r := range s.Text {
		edits = append(edits, Edit{Target: t, Op: TextInsert{Pos: pos, Text: string(r), Unit: s.Unit}})
		if s.Dir == "forward" {
			pos += units(string(r), s.Unit)
		}
	}
	if s.Dir == "backward" {
		for i, j := 0, len(edits)-1; i < j; i, j = i+1, j-1 {
			edits[i], edits[j] = edits[j], edits[i]
		}
	}
	return edits
}

// units is the length of a text in a unit.
func units(text, unit string) int {
	n := utf8.RuneCountInString(text)
	if unit == UTF16 {
		for _, r := range text {
			if r > 0xffff {
				n++
			}
		}
	}
	return n
}

// round is what {i} becomes inside a repeat.
const round = "{i}"

func hasRound(text string) bool { return strings.Contains(text, round) }

// at returns the step as it is in one round of the innermost repeat around it.
// Steps inside it keep their own {i}.
func (s *Step) at(i string) *Step {
	out := *s
	for _, field := range []*string{&out.Text, &out.Label, &out.Intent, &out.Seen, &out.Obj, &out.Name, &out.What,
		&out.Record, &out.Parent, &out.Field, &out.Of, &out.From, &out.Collection, &out.Mark, &out.Actor} {
		*field = strings.ReplaceAll(*field, round, i)
	}
	out.Value = replaceRound(out.Value, i)
	out.Path = nil
	for _, key := range s.Path {
		out.Path = append(out.Path, strings.ReplaceAll(key, round, i))
	}
	if s.List != nil {
		out.List = replaceRound(s.List, i).([]any)
	}
	if s.Inner != nil {
		out.Inner = s.Inner.at(i)
	}
	if s.Wants != nil {
		out.Wants = replaceRound(map[string]any(s.Wants), i).(map[string]any)
	}
	if s.Expect != nil {
		out.Expect = s.Expect.at(i)
	}
	return &out
}

// at replaces {i} in the values of an expectation.
func (e *Expect) at(i string) *Expect {
	out := *e
	if e.Values != nil {
		out.Values = replaceRound(map[string]any(e.Values), i).(map[string]any)
	}
	out.AnyOf = nil
	for _, v := range e.AnyOf {
		out.AnyOf = append(out.AnyOf, replaceRound(map[string]any(v), i).(map[string]any))
	}
	for _, list := range []*[]string{&out.Unresolved, &out.Held, &out.Review, &out.Waiting, &out.Rejected,
		&out.Visible, &out.Hidden} {
		for k, name := range *list {
			if hasRound(name) {
				*list = slices.Clone(*list)
				(*list)[k] = strings.ReplaceAll(name, round, i)
			}
		}
	}
	return &out
}

// replaceRound replaces {i} in all texts of a value of bounded depth.
func replaceRound(v any, i string) any {
	switch v := v.(type) {
	case string:
		return strings.ReplaceAll(v, round, i)
	case []any:
		out := make([]any, len(v))
		for k, item := range v {
			out[k] = replaceRound(item, i)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, item := range v {
			out[strings.ReplaceAll(key, round, i)] = replaceRound(item, i)
		}
		return out
	}
	return v
}
