package proptest

import (
	"encoding/hex"
	"fmt"
	"math/big"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// The bounds of what is printed of a value. What lies beyond is left out, the
// same on both sides of a comparison.
const (
	renderDepth = 12
	renderMost  = 1 << 16 // bytes
)

// render writes a value for people, and for comparison: equal texts are equal
// values. Strings are quoted, maps sorted, pointers followed.
func render(v any) string {
	var b strings.Builder
	renderValue(&b, reflect.ValueOf(v), 0)
	return b.String()
}

func renderValue(b *strings.Builder, v reflect.Value, depth int) {
	if !v.IsValid() {
		b.WriteString("nil")
		return
	}
	if depth > renderDepth || b.Len() > renderMost {
		b.WriteString("…")
		return
	}
	if v.CanInterface() && renderNamed(b, v.Interface()) {
		return
	}
	switch v.Kind() {
	case reflect.String:
		b.WriteString(strconv.Quote(v.String()))
	case reflect.Pointer, reflect.Interface:
		renderValue(b, v.Elem(), depth+1)
	case reflect.Slice, reflect.Array:
		b.WriteByte('[')
		for i := range v.Len() {
			if i > 0 {
				b.WriteByte(' ')
			}
			renderValue(b, v.Index(i), depth+1)
		}
		b.WriteByte(']')
	case reflect.Map:
		renderMap(b, v, depth)
	case reflect.Struct:
		b.WriteByte('{')
		for i := range v.NumField() {
			if i > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(v.Type().Field(i).Name + ":")
			renderValue(b, v.Field(i), depth+1)
		}
		b.WriteByte('}')
	default:
		fmt.Fprintf(b, "%v", v)
	}
}

// renderNamed writes what knows best how it is written. Times are written in
// UTC: a zone is not part of a moment.
func renderNamed(b *strings.Builder, v any) bool {
	rv := reflect.ValueOf(v)
	if rv.Kind() == reflect.Pointer && rv.IsNil() {
		return false
	}
	switch v := v.(type) {
	case time.Time:
		b.WriteString(v.UTC().Format(time.RFC3339Nano))
	case *big.Int:
		b.WriteString(v.String())
	case error:
		b.WriteString(v.Error())
	case fmt.Stringer:
		b.WriteString(v.String())
	default:
		return false
	}
	return true
}

func renderMap(b *strings.Builder, v reflect.Value, depth int) {
	type pair struct{ key, value string }
	pairs := make([]pair, 0, v.Len())
	for it := v.MapRange(); it.Next(); {
		var key, value strings.Builder
		renderValue(&key, it.Key(), depth+1)
		renderValue(&value, it.Value(), depth+1)
		pairs = append(pairs, pair{key.String(), value.String()})
	}
	slices.SortFunc(pairs, func(a, b pair) int { return strings.Compare(a.key, b.key) })
	b.WriteByte('{')
	for i, p := range pairs {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(p.key + ":" + p.value)
	}
	b.WriteByte('}')
}

// renderBytes writes an encoding: as it is if people can read it, else in
// hexadecimal.
func renderBytes(b []byte) string {
	readable := utf8.Valid(b) && !slices.ContainsFunc([]rune(string(b)), func(r rune) bool { return !unicode.IsPrint(r) })
	if readable {
		return string(b)
	}
	return hex.EncodeToString(b)
}

// isNil reports whether a delta says that nothing changed.
func isNil(d any) bool {
	v := reflect.ValueOf(d)
	switch v.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Interface, reflect.Func, reflect.Chan:
		return v.IsNil()
	}
	return false
}
