package scenario

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Set is a value read back whose elements have no order. A world returns it for
// sets and multi-value registers, at any depth; everything else is nil, bool,
// int64, float64, string, []any or map[string]any. A timestamp is its RFC 3339
// text, a number beyond int64 its decimal text (or a *big.Int).
type Set []any

// maxDepth bounds the nesting of files and of values read back.
const maxDepth = 200

var errDepth = errors.New("scenario: value is nested deeper than " + strconv.Itoa(maxDepth) + " levels")

// normalize returns v in the types that [Set] lists, or an error that names the
// type that is none of them.
func normalize(v any) (any, error) { return normalizeAt(v, 0) }

func normalizeAt(v any, depth int) (any, error) {
	if depth > maxDepth {
		return nil, errDepth
	}
	switch v := v.(type) {
	case nil, bool, int64, string:
		return v, nil
	case int:
		return int64(v), nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, fmt.Errorf("scenario: %v is not a JSON number", v)
		}
		return v, nil
	case *big.Int:
		if v.IsInt64() {
			return v.Int64(), nil
		}
		return v.String(), nil
	case []any:
		return normalizeList(v, depth)
	case Set:
		list, err := normalizeList(v, depth)
		return Set(list), err
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, item := range v {
			n, err := normalizeAt(item, depth+1)
			if err != nil {
				return nil, err
			}
			out[key] = n
		}
		return out, nil
	}
	return nil, fmt.Errorf("scenario: the world returned a %T; return nil, bool, int64, float64, string, []any, Set or map[string]any", v)
}

func normalizeList(list []any, depth int) ([]any, error) {
	out := make([]any, len(list))
	for i, item := range list {
		n, err := normalizeAt(item, depth+1)
		if err != nil {
			return nil, err
		}
		out[i] = n
	}
	return out, nil
}

// canonical returns the one text of a normalized value: JSON with sorted keys,
// sorted sets, and floats that cannot be taken for integers. Equal texts are
// equal values, so 1, 1.0 and "1" differ.
func canonical(v any) string { return string(appendValue(nil, v)) }

func appendValue(dst []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...)
	case bool:
		return strconv.AppendBool(dst, v)
	case int:
		return strconv.AppendInt(dst, int64(v), 10)
	case int64:
		return strconv.AppendInt(dst, v, 10)
	case float64:
		start := len(dst)
		dst = strconv.AppendFloat(dst, v, 'g', -1, 64)
		if !strings.ContainsAny(string(dst[start:]), ".e") {
			dst = append(dst, ".0"...)
		}
		return dst
	case *big.Int:
		return appendBig(dst, v)
	case string:
		return appendString(dst, v)
	case []any:
		dst = append(dst, '[')
		for i, item := range v {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = appendValue(dst, item)
		}
		return append(dst, ']')
	case Set:
		texts := make([]string, len(v))
		for i, item := range v {
			texts[i] = canonical(item)
		}
		slices.Sort(texts)
		return append(append(append(dst, '['), strings.Join(texts, ", ")...), ']')
	case map[string]any:
		dst = append(dst, '{')
		for i, key := range sortedKeys(v) {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = append(appendString(dst, key), ": "...)
			dst = appendValue(dst, v[key])
		}
		return append(dst, '}')
	}
	return fmt.Appendf(dst, "%q", fmt.Sprint(v))
}

// appendBig writes numbers that every JSON reader keeps exact as numbers, and
// larger ones as strings.
func appendBig(dst []byte, v *big.Int) []byte {
	const exact = 1 << 53
	if v.IsInt64() && v.Int64() <= exact && v.Int64() >= -exact {
		return v.Append(dst, 10)
	}
	return appendString(dst, v.String())
}

// appendString writes a JSON string that leaves all but control characters,
// quotes, backslashes and line separators as they are.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r == '\n':
			dst = append(dst, `\n`...)
		case r == '\r':
			dst = append(dst, `\r`...)
		case r == '\t':
			dst = append(dst, `\t`...)
		case r < 0x20 || r == 0x7f || r == 0x2028 || r == 0x2029 || r == 0xfeff:
			dst = fmt.Appendf(dst, `\u%04x`, r)
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return append(dst, '"')
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// align returns want with those lists as sets that are sets in got: a file has
// no way to say that a list has no order.
func align(want, got any) any {
	switch w := want.(type) {
	case []any:
		switch g := got.(type) {
		case Set:
			return Set(w)
		case []any:
			out := slices.Clone(w)
			for i := range min(len(w), len(g)) {
				out[i] = align(w[i], g[i])
			}
			return out
		}
	case map[string]any:
		if g, ok := got.(map[string]any); ok {
			out := make(map[string]any, len(w))
			for key, item := range w {
				out[key] = align(item, g[key])
			}
			return out
		}
	}
	return want
}

// equal compares a wanted value with a normalized one that was read.
func equal(want, got any) bool { return canonical(align(want, got)) == canonical(got) }

// toBig reads an integer in any of its forms.
func toBig(v any) (*big.Int, bool) {
	switch v := v.(type) {
	case int:
		return big.NewInt(int64(v)), true
	case int64:
		return big.NewInt(v), true
	case *big.Int:
		return v, true
	case string:
		return new(big.Int).SetString(v, 10)
	}
	return nil, false
}

// shown is how many characters of a value a report shows.
const shown = 200

// describe shows two values that differ; see contrast.
func describe(got, want any) (g, w string) { return contrast(canonical(got), canonical(want)) }

// contrast shortens two texts so that their difference stays in sight: long
// ones are cut around the first place where they differ.
func contrast(got, want string) (g, w string) {
	if len(got) <= shown && len(want) <= shown {
		return got, want
	}
	a, b := []rune(got), []rune(want)
	at := 0
	for at < len(a) && at < len(b) && a[at] == b[at] {
		at++
	}
	return window(a, at), window(b, at)
}

// contrastLines leaves out the lines that two texts share.
func contrastLines(got, want string) (g, w string) {
	a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
	var left, right []string
	for i := range max(len(a), len(b)) {
		switch {
		case i >= len(a):
			right = append(right, b[i])
		case i >= len(b):
			left = append(left, a[i])
		case a[i] != b[i]:
			x, y := contrast(a[i], b[i])
			left, right = append(left, x), append(right, y)
		}
	}
	return strings.Join(left, " | "), strings.Join(right, " | ")
}

func window(text []rune, at int) string {
	from := max(0, at-shown/4)
	to := min(len(text), from+shown)
	out := string(text[from:to])
	if from > 0 {
		out = fmt.Sprintf("(from character %d) …", from) + out
	}
	if to < len(text) {
		out += fmt.Sprintf("… (%d characters)", len(text))
	}
	return out
}
