package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/merge"
)

// portableRecord is a record as export writes it, one in a line. What JSON
// cannot tell apart carries a tag: an object with one member, whose name begins
// with a dollar sign.
type portableRecord struct {
	Record string         `json:"record"`
	Fields map[string]any `json:"fields"`
}

// The tags of values, and of several fields under one name. A field that is not
// a register has its type as its tag.
const (
	tagMark   = "$"
	tagBytes  = "$bytes"
	tagTime   = "$time"
	tagFloat  = "$float"
	tagObject = "$object"
	tagTypes  = "$types"
)

// The members of what is in a bounded counter and in a proposal.
const (
	memberLeast   = "least"
	memberMost    = "most"
	memberValue   = "value"
	memberVerdict = "verdict"
)

func tagged(tag string, content any) map[string]any { return map[string]any{tag: content} }

func tagOf(t crdt.Type) string { return tagMark + t.String() }

// portableValue is a stored value as JSON that is read back as the same value.
func portableValue(v any) any {
	switch v := v.(type) {
	case float64:
		if math.IsInf(v, 0) {
			return tagged(tagFloat, infinityName(v))
		}
		return json.RawMessage(formatFloat(v))
	case []byte:
		return tagged(tagBytes, base64.StdEncoding.EncodeToString(v))
	case time.Time:
		return tagged(tagTime, v.UTC().Format(time.RFC3339Nano))
	case []any:
		return portableValues(v)
	case map[string]any:
		out, marked := make(map[string]any, len(v)), false
		for k, x := range v {
			out[k] = portableValue(x)
			marked = marked || strings.HasPrefix(k, tagMark)
		}
		if marked {
			return tagged(tagObject, out)
		}
		return out
	}
	return v
}

func portableValues(vs []any) []any {
	out := make([]any, len(vs))
	for i, v := range vs {
		out[i] = portableValue(v)
	}
	return out
}

func infinityName(f float64) string {
	if f < 0 {
		return "-Infinity"
	}
	return "Infinity"
}

// portableFields are fields by name, of a record or, if rec is nil, of a map.
// What cannot be written is left out and named in x.
func (x *exporter) portableFields(fields []merge.FieldView, path string, rec *crdt.Record) map[string]any {
	out := make(map[string]any, len(fields))
	for i := range fields {
		f := &fields[i]
		at := path + f.Name
		var under []any // the types under the name
		for _, one := range append([]*merge.FieldView{f}, pointers(f.Shadowed)...) {
			if one.Absent && one.Type == crdt.TypeElement || one.Absent && one.Type.Known() && len(f.Shadowed) > 0 {
				continue // nothing was written as the type that the policy wants
			}
			if isTrace(one, rec != nil) {
				continue
			}
			v, err := x.portableField(one, at, rec)
			if err != nil {
				x.leftOut = append(x.leftOut, at+" ("+err.Error()+")")
				continue
			}
			if _, kids := tagIn(v); one.Type == crdt.TypeMap && rec != nil && len(kids.(map[string]any)) == 0 {
				continue // there were only traces in it
			}
			under = append(under, v)
		}
		switch len(under) {
		case 0:
		case 1:
			out[f.Name] = under[0]
		default:
			out[f.Name] = tagged(tagTypes, under)
		}
	}
	return out
}

// isTrace reports whether a field shows nothing and only tells that there once
// was something, as in an earlier life of the record: no write makes it so.
func isTrace(f *merge.FieldView, inRecord bool) bool {
	switch f.Type {
	case crdt.TypeLog, crdt.TypeProposal:
		return !f.Absent && len(f.Candidates) == 0
	case crdt.TypeSet, crdt.TypeList:
		vs, ok := f.Value.([]any)
		return inRecord && ok && len(vs) == 0
	}
	return false
}

func pointers(fs []merge.FieldView) []*merge.FieldView {
	out := make([]*merge.FieldView, len(fs))
	for i := range fs {
		out[i] = &fs[i]
	}
	return out
}

func (x *exporter) portableField(f *merge.FieldView, at string, rec *crdt.Record) (any, error) {
	if f.Absent {
		return nil, fmt.Errorf("a %v, which this version cannot read", f.Type)
	}
	if rec == nil && onlyInRecords(f.Type) {
		return nil, fmt.Errorf("a %v in a map", f.Type)
	}
	if f.Concurrent {
		x.overruled = append(x.overruled, at)
	}
	switch f.Type {
	case crdt.TypeRegister:
		return portableValue(f.Value), nil
	case crdt.TypeGroup:
		parts, ok := f.Value.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("a group without values")
		}
		out := make(map[string]any, len(parts))
		for k, v := range parts {
			out[k] = portableValue(v)
		}
		return tagged(tagOf(f.Type), out), nil
	case crdt.TypeMap:
		return tagged(tagOf(f.Type), x.portableFields(f.Fields, at+"/", nil)), nil
	case crdt.TypeBounded:
		b := rec.Field(f.Name, f.Type, x.policy).Bounded()
		return tagged(tagOf(f.Type), map[string]any{memberLeast: b.Least, memberMost: b.Most, memberValue: b.Value}), nil
	case crdt.TypeProposal:
		return tagged(tagOf(f.Type), portableProposals(rec.Field(f.Name, f.Type, x.policy))), nil
	}
	if vs, ok := f.Value.([]any); ok {
		return tagged(tagOf(f.Type), portableValues(vs)), nil
	}
	return tagged(tagOf(f.Type), f.Value), nil // a number, a text, or on and off
}

// portableProposals lists proposals in their order, with the verdict on each.
func portableProposals(f crdt.Field) []any {
	out := []any{}
	for _, p := range f.Proposals() {
		out = append(out, map[string]any{memberValue: portableValue(p.Value), memberVerdict: p.Verdict.String()})
	}
	return out
}

// onlyInRecords reports whether a type cannot stand in a map.
func onlyInRecords(t crdt.Type) bool {
	switch t {
	case crdt.TypeStock, crdt.TypeBounded, crdt.TypeProposal, crdt.TypeDisableFlag, crdt.TypeRemoveSet:
		return true
	}
	return false
}
