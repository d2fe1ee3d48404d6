package fleet

import (
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"
	"unicode/utf16"

	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/merge"
	"github.com/concord-crdt/concord/proptest/scenario"
	"github.com/concord-crdt/concord/replica"
)

// view reads a record, or that of the scenario; one that is not there has no
// fields.
func (n *node) view(record string) (merge.RecordView, error) {
	c, key := n.record(), recordKey
	if record != "" {
		c, key = n.at(record)
	}
	v, err := c.View(background(), key)
	if errors.Is(err, replica.ErrNotFound) {
		return merge.RecordView{}, nil
	}
	return v.RecordView, err
}

// find returns the field with a name and a type, also where another type under
// that name is shown; nil if there is none.
func find(fields []merge.FieldView, name string, t crdt.Type) *merge.FieldView {
	for i := range fields {
		f := &fields[i]
		switch {
		case f.Name != name:
			continue
		case f.Type == t && !f.Absent:
			return f
		}
		for j := range f.Shadowed {
			if f.Shadowed[j].Type == t {
				return &f.Shadowed[j]
			}
		}
	}
	return nil
}

// reading is the type of the field that a kind of read looks at, and what an
// absent one reads as.
var reading = map[scenario.Kind]struct {
	field  crdt.Type
	absent any
}{
	scenario.KindText:     {crdt.TypeText, ""},
	scenario.KindList:     {crdt.TypeList, []any{}},
	scenario.KindSet:      {crdt.TypeSet, scenario.Set{}},
	scenario.KindMap:      {crdt.TypeMap, map[string]any{}},
	scenario.KindCounter:  {crdt.TypeCounter, int64(0)},
	scenario.KindRegister: {crdt.TypeRegister, nil},
	scenario.KindMulti:    {crdt.TypeRegister, scenario.Set{}},
}

// Read returns an object of the record.
func (n *node) Read(kind scenario.Kind, object string) (any, error) {
	as, ok := reading[kind]
	if !ok {
		return nil, fmt.Errorf("fleet: replicas cannot be read as %s yet", kind)
	}
	view, err := n.view("")
	if err != nil {
		return nil, err
	}
	f := find(view.Fields, object, as.field)
	if f == nil {
		return as.absent, nil
	}
	if kind == scenario.KindMulti {
		return siblings(f), nil
	}
	return shown(f), nil
}

// shown is what a field shows, in the forms of scenarios.
func shown(f *merge.FieldView) any {
	switch f.Type {
	case crdt.TypeSet, crdt.TypeRemoveSet:
		list, _ := f.Value.([]any)
		return scenario.Set(plainList(list))
	case crdt.TypeMap:
		m := make(map[string]any, len(f.Fields))
		for i := range f.Fields {
			if kid := &f.Fields[i]; !kid.Absent {
				m[kid.Name] = shown(kid)
			}
		}
		return m
	}
	return plain(f.Value)
}

// siblings are the values of a multi-value register: no value twice, and none
// for a write that cleared it.
func siblings(f *merge.FieldView) scenario.Set {
	values := scenario.Set{}
	var seen []string
	for _, c := range f.Candidates {
		v := plain(c.Value)
		if text := fmt.Sprintf("%T %v", v, v); v != nil && !slices.Contains(seen, text) {
			seen = append(seen, text)
			values = append(values, v)
		}
	}
	return values
}

// plain turns what JSON has no form for into text.
func plain(v any) any {
	switch v := v.(type) {
	case time.Time:
		return v.UTC().Format(time.RFC3339Nano)
	case *big.Int:
		return v.String()
	case []byte:
		return fmt.Sprintf("%x", v)
	case []any:
		return plainList(v)
	case map[string]any:
		m := make(map[string]any, len(v))
		for key, item := range v {
			m[key] = plain(item)
		}
		return m
	}
	return v
}

func plainList(list []any) []any {
	out := make([]any, len(list))
	for i, v := range list {
		out[i] = plain(v)
	}
	return out
}

// errMeasured ends an edit that only looks.
var errMeasured = errors.New("fleet: measured")

// Len returns how long a text or list is, without reading it whole.
func (n *node) Len(t scenario.Target, unit string) (int, error) {
	length := 0
	c, key := n.record(), recordKey
	if t.Record != "" {
		c, key = n.at(t.Record)
	}
	err := c.Update(background(), key, func(p *replica.Record) error {
		length = measure(p, t, unit)
		return errMeasured
	})
	if errors.Is(err, errMeasured) {
		err = nil
	}
	return length, err
}

func measure(p *replica.Record, t scenario.Target, unit string) int {
	at, name := reach(p, t)
	if n := at.List(name).Len(); n > 0 {
		return n
	}
	text := at.Text(name)
	if unit != scenario.UTF16 {
		return text.Len()
	}
	return len(utf16.Encode([]rune(text.String())))
}
