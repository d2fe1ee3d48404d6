package merge

import (
	"fmt"
	"time"
)

// Kind is what sort of scalar a value is. The zero value takes any value,
// lists and maps too.
type Kind uint8

// The kinds. An integer is not a float: 1 and 1.0 are two values.
const (
	Any       Kind = 0
	String    Kind = 1
	Integer   Kind = 2
	Boolean   Kind = 3
	Float     Kind = 4
	Timestamp Kind = 5
)

var kindNames = [...]string{Any: "any", String: "string", Integer: "integer", Boolean: "boolean", Float: "float", Timestamp: "timestamp"}

// String is the name of the kind, as [ParseKind] reads it.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// ParseKind is the inverse of [Kind.String].
func ParseKind(s string) (Kind, error) {
	for k, n := range kindNames {
		if n == s {
			return Kind(k), nil
		}
	}
	return 0, fmt.Errorf("merge: unknown kind %q (known: any, string, integer, boolean, float, timestamp)", s)
}

// Takes reports whether a decoded value is of the kind. Nil, the absence of a
// value, is of every kind.
func (k Kind) Takes(v any) bool {
	if v == nil || k == Any {
		return true
	}
	switch v.(type) {
	case string:
		return k == String
	case int64:
		return k == Integer
	case bool:
		return k == Boolean
	case float64:
		return k == Float
	case time.Time:
		return k == Timestamp
	}
	return false
}

// kindOf names what a decoded value is, for people.
func kindOf(v any) string {
	for k := String; int(k) < len(kindNames); k++ {
		if k.Takes(v) {
			return k.String()
		}
	}
	switch v.(type) {
	case []byte:
		return "bytes"
	case []any:
		return "list"
	case map[string]any:
		return "map"
	}
	return fmt.Sprintf("%T", v)
}
