package merge

import (
	"errors"
	"maps"
	"math/big"
	"strconv"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"github.com/concord-crdt/concord/crdt"
)

// The names of the types that expressions read through.
const (
	candidateType = "candidate"
	recordType    = "record"
	evidenceType  = "evidence"
	intentType    = "intent"
)

// exprTypes tells the type checker what stands under record, evidence and
// candidate, and the evaluator how to get it. It knows no types but these.
type exprTypes map[string]map[string]*types.FieldType

// EnumValue knows no enumerations.
func (exprTypes) EnumValue(name string) ref.Val { return types.NewErr("unknown name %s", name) }

// FindIdent knows no constants.
func (exprTypes) FindIdent(string) (ref.Val, bool) { return nil, false }

// FindStructType finds a type by name.
func (t exprTypes) FindStructType(name string) (*types.Type, bool) {
	if _, ok := t[name]; !ok {
		return nil, false
	}
	return types.NewTypeTypeWithParam(types.NewObjectType(name)), true
}

// FindStructFieldNames lists the fields of a type.
func (t exprTypes) FindStructFieldNames(name string) ([]string, bool) {
	fields, ok := t[name]
	return sortedNames(fields), ok
}

// FindStructFieldType finds a field.
func (t exprTypes) FindStructFieldType(name, field string) (*types.FieldType, bool) {
	f, ok := t[name][field]
	return f, ok
}

// NewValue makes nothing: expressions read.
func (exprTypes) NewValue(name string, _ map[string]ref.Val) ref.Val {
	return types.NewErr("no value of type %s can be made", name)
}

var errExprObject = errors.New("merge: an expression reads from what it does not know")

// on makes a field of what get reads from an O.
func on[O any](t *types.Type, get func(O) any, present func(O) bool) *types.FieldType {
	return &types.FieldType{
		Type: t,
		IsSet: func(v any) bool {
			o, ok := v.(O)
			return ok && (present == nil || present(o))
		},
		GetFrom: func(v any) (any, error) {
			o, ok := v.(O)
			if !ok {
				return nil, errExprObject
			}
			return get(o), nil
		},
	}
}

// fieldShape is how the values of a field read in expressions.
type fieldShape struct {
	t *types.Type
	// read makes a value of the type of what a view shows; nil is absent.
	read func(any) any
}

// shapeOf is the shape of a field's view. It enters the type of a group under
// a name that starts with owner.
func (t exprTypes) shapeOf(owner, name string, r *FieldRule) fieldShape {
	switch r.Type {
	case crdt.TypeRegister, crdt.TypeProposal:
		return scalarShape(r.Of)
	case crdt.TypeCounter, crdt.TypeStock, crdt.TypeBounded:
		return scalarShape(Integer)
	case crdt.TypeFlag, crdt.TypeDisableFlag:
		return scalarShape(Boolean)
	case crdt.TypeText:
		return scalarShape(String)
	case crdt.TypeSet, crdt.TypeRemoveSet, crdt.TypeList, crdt.TypeLog:
		return fieldShape{types.NewListType(kindType(r.Of)), orElse[[]any]}
	case crdt.TypeMap:
		return fieldShape{types.NewMapType(types.StringType, below(r)), orElse[map[string]any]}
	case crdt.TypeGroup:
		group := typeUnder(owner, name)
		fields := map[string]*types.FieldType{}
		for member, kind := range r.Members {
			fields[member] = on(kindType(kind),
				func(m map[string]any) any { return kindOrZero(kind, m[member]) },
				func(m map[string]any) bool { return m[member] != nil })
		}
		t[group] = fields
		return fieldShape{types.NewObjectType(group), orElse[map[string]any]}
	}
	return fieldShape{types.DynType, func(v any) any { return v }}
}

// typeUnder names a type that belongs to a name, unlike any other.
func typeUnder(owner, name string) string { return owner + " " + strconv.Quote(name) }

func scalarShape(k Kind) fieldShape {
	return fieldShape{kindType(k), func(v any) any {
		if n, ok := v.(*big.Int); ok && k == Integer {
			return saturate(n)
		}
		return kindOrZero(k, v)
	}}
}

// orElse is a value of type T, or the empty one.
func orElse[T any](v any) any {
	t, _ := v.(T)
	return t
}

// below is the type of what stands under the keys of a map.
func below(r *FieldRule) *types.Type {
	switch r.Below {
	case 0, crdt.TypeRegister:
		return kindType(r.Of)
	case crdt.TypeCounter, crdt.TypeStock, crdt.TypeBounded:
		return types.IntType
	case crdt.TypeFlag, crdt.TypeDisableFlag:
		return types.BoolType
	case crdt.TypeText:
		return types.StringType
	}
	return types.DynType
}

func kindType(k Kind) *types.Type {
	switch k {
	case String:
		return types.StringType
	case Integer:
		return types.IntType
	case Boolean:
		return types.BoolType
	case Float:
		return types.DoubleType
	case Timestamp:
		return types.TimestampType
	}
	return types.DynType
}

// recordTypes are the types under record and evidence for the expressions of a
// collection.
func (p *Policy) recordTypes(c *Collection) exprTypes {
	t := exprTypes{evidenceType: {}, recordType: {}}
	for name, r := range c.Fields {
		shape := t.shapeOf(recordType, name, &r)
		t[recordType][name] = on(shape.t,
			func(in *exprInputs) any { v, _ := in.record(name); return shape.read(v) },
			func(in *exprInputs) bool { _, ok := in.record(name); return ok })
	}
	for name, reference := range c.Refs {
		target := typeUnder(evidenceType, name)
		fields := map[string]*types.FieldType{}
		for field, r := range p.Collections[reference.Collection].Fields {
			shape := t.shapeOf(target, field, &r)
			fields[field] = on(shape.t,
				func(m map[string]any) any { return shape.read(m[field]) },
				func(m map[string]any) bool { return m[field] != nil })
		}
		t[target] = fields
		read := func(in *exprInputs) map[string]any { return in.evidence(name, reference.At) }
		t[evidenceType][name] = on(types.NewObjectType(target),
			func(in *exprInputs) any { return read(in) },
			func(in *exprInputs) bool { return read(in) != nil })
	}
	return t
}

// forRule adds what the expressions of a field's rule read: the candidate, and
// the record without the field itself.
func (t exprTypes) forRule(name string, r *FieldRule) (exprTypes, fieldShape) {
	t = maps.Clone(t)
	t[recordType] = maps.Clone(t[recordType])
	delete(t[recordType], name)
	value := fieldShape{types.DynType, func(v any) any { return v }}
	switch r.Type {
	case crdt.TypeMap:
		value = scalarShape(r.Of)
	case crdt.TypeElement:
	default:
		value = t.shapeOf(recordType, name, r)
	}
	t.addCandidate(value)
	return t, value
}

func (t exprTypes) addCandidate(value fieldShape) {
	t[candidateType] = map[string]*types.FieldType{
		"value": on(value.t, func(c *Candidate) any { return value.read(c.Value) },
			func(c *Candidate) bool { return c.Value != nil }),
		"role":      on(types.StringType, func(c *Candidate) any { return c.Role }, nil),
		"actor":     on(types.StringType, func(c *Candidate) any { return c.Actor }, nil),
		"seniority": on(types.IntType, func(c *Candidate) any { return c.Seniority }, nil),
		"at":        on(types.TimestampType, func(c *Candidate) any { return c.Stamp.Time().UTC() }, nil),
		"origin":    on(types.StringType, func(c *Candidate) any { return originName(c.Entry.Dot.Origin) }, nil),
		"intent":    on(types.NewObjectType(intentType), func(c *Candidate) any { return &c.Intent }, func(c *Candidate) bool { return !c.Intent.IsZero() }),
	}
	t[intentType] = map[string]*types.FieldType{
		"action": on(types.StringType, func(i *crdt.Intent) any { return i.Action }, nil),
		"key":    on(types.StringType, func(i *crdt.Intent) any { return i.Key }, nil),
	}
}

// environment is the evaluator's for expressions that read through t.
// Without a type of base there is neither base nor a single candidate.
func (t exprTypes) environment(base *types.Type) (*cel.Env, error) {
	env, err := exprEnv()
	if err != nil {
		return nil, err
	}
	options := []cel.EnvOption{
		cel.CustomTypeProvider(t),
		cel.Variable(recordType, types.NewObjectType(recordType)),
		cel.Variable(evidenceType, types.NewObjectType(evidenceType)),
	}
	if _, ok := t[candidateType]; ok {
		options = append(options, cel.Variable("candidates", types.NewListType(types.NewObjectType(candidateType))))
	}
	if base != nil {
		options = append(options, cel.Variable(candidateType, types.NewObjectType(candidateType)), cel.Variable("base", base))
	}
	return env.Extend(options...)
}

func (in *exprInputs) record(field string) (any, bool) {
	if in.facts.Record == nil {
		return nil, false
	}
	return in.facts.Record(field)
}

func (in *exprInputs) evidence(ref string, at EvidenceTime) map[string]any {
	if now := in.facts.Evidence[ref]; in.now < 0 || at == AtNow && now != nil {
		return now
	}
	return in.set[in.now].Evidence[ref]
}
