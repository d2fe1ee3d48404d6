package merge

import (
	"fmt"
	"math"
	"math/big"
	"reflect"
	"slices"
	"time"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// valueAdapter gives the evaluator the values of records as its own.
type valueAdapter struct{}

// NativeToValue converts a decoded value. Maps go through in the order of
// their keys, whatever the order that Go has for them.
func (valueAdapter) NativeToValue(v any) ref.Val {
	switch v := v.(type) {
	case nil:
		return types.NullValue
	case string:
		return types.String(v)
	case int64:
		return types.Int(v)
	case bool:
		return types.Bool(v)
	case float64:
		return types.Double(v)
	case []byte:
		return types.Bytes(v)
	case time.Time:
		return types.Timestamp{Time: v.UTC()}
	case *big.Int:
		return types.Int(saturate(v))
	case []any:
		return types.NewDynamicList(valueAdapter{}, v)
	case map[string]any:
		return sortedMap{types.NewStringInterfaceMap(valueAdapter{}, v), v}
	case *Candidate:
		return candidateValue{v}
	case ref.Val:
		return v
	}
	return types.DefaultTypeAdapter.NativeToValue(v)
}

// saturate is the nearest number that an expression can count with.
func saturate(n *big.Int) int64 {
	switch {
	case n.IsInt64():
		return n.Int64()
	case n.Sign() < 0:
		return math.MinInt64
	}
	return math.MaxInt64
}

// sortedMap is a map whose loops go in the order of the keys.
type sortedMap struct {
	traits.Mapper
	values map[string]any
}

// Fold goes through the entries by key, for loops.
func (m sortedMap) Fold(f traits.Folder) {
	for _, k := range sortedNames(m.values) {
		if !f.FoldEntry(k, m.values[k]) {
			return
		}
	}
}

// Iterator goes through the keys.
func (m sortedMap) Iterator() traits.Iterator {
	keys := make([]string, 0, len(m.values))
	for k := range m.values {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return types.NewStringList(valueAdapter{}, keys).(traits.Iterable).Iterator()
}

// candidateValue is a candidate as the evaluator's value. Its fields are read
// through the type, see exprTypes.
type candidateValue struct{ c *Candidate }

// ConvertToNative gives nothing: candidates do not leave an expression.
func (v candidateValue) ConvertToNative(t reflect.Type) (any, error) {
	return nil, fmt.Errorf("merge: a candidate is no %v", t)
}

// ConvertToType converts to nothing else.
func (v candidateValue) ConvertToType(t ref.Type) ref.Val {
	return types.NewErr("a candidate is no %s", t.TypeName())
}

// Equal compares names: two candidates of one entry are one.
func (v candidateValue) Equal(o ref.Val) ref.Val {
	w, ok := o.(candidateValue)
	return types.Bool(ok && v.c.Entry == w.c.Entry)
}

// Type is the candidate's type.
func (v candidateValue) Type() ref.Type { return types.NewObjectType(candidateType) }

// Value is what field accesses are given.
func (v candidateValue) Value() any { return v.c }

// zeroOf is how an absent value of a kind reads.
func zeroOf(k Kind) any {
	switch k {
	case String:
		return ""
	case Integer:
		return int64(0)
	case Boolean:
		return false
	case Float:
		return float64(0)
	case Timestamp:
		return time.Unix(0, 0).UTC()
	}
	return nil
}

// kindOrZero is a value of a kind. One of another kind reads as absent: the
// policy does not know it.
func kindOrZero(k Kind, v any) any {
	if v == nil || !k.Takes(v) {
		return zeroOf(k)
	}
	return v
}
