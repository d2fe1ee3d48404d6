package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// parseValue reads a value from the command line: a JSON number, string, true,
// false or null is that, and everything else is the text as it stands.
func parseValue(s string) (any, error) {
	if !utf8.ValidString(s) {
		return nil, usageErrorf("%q is not valid UTF-8", s)
	}
	if s != strings.TrimSpace(s) || !json.Valid([]byte(s)) || strings.ContainsAny(s[:1], "[{") {
		return s, nil
	}
	return parseJSON(s)
}

// parseJSON reads a JSON text. Numbers without a fraction or an exponent are
// integers.
func parseJSON(s string) (any, error) {
	if !utf8.ValidString(s) {
		return nil, usageErrorf("%q is not valid UTF-8", s)
	}
	if !json.Valid([]byte(s)) {
		return nil, usageErrorf("%s is not JSON", quote(s, shownBytes))
	}
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, usageErrorf("%s: %v", quote(s, shownBytes), err)
	}
	return numbers(v)
}

// numbers turns the numbers of a decoded JSON text into integers and floats.
func numbers(v any) (_ any, err error) {
	switch v := v.(type) {
	case json.Number:
		return number(v)
	case []any:
		for i := range v {
			if v[i], err = numbers(v[i]); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for k := range v {
			if v[k], err = numbers(v[k]); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}

func number(n json.Number) (any, error) {
	if strings.ContainsAny(n.String(), ".eE") {
		f, err := n.Float64()
		if err != nil {
			return nil, usageErrorf("number %s is out of range; put it in quotes to store it as text", n)
		}
		return f, nil
	}
	i, err := n.Int64()
	if err != nil {
		return nil, usageErrorf("number %s is out of range; put it in quotes to store it as text", n)
	}
	return i, nil
}

// jsonValue is a stored value in a form that JSON has: bytes in base64, times in
// RFC 3339, and floats such that they are read back as floats.
func jsonValue(v any) any {
	switch v := v.(type) {
	case float64:
		if math.IsInf(v, 0) {
			return formatFloat(v)
		}
		return json.RawMessage(formatFloat(v))
	case *big.Int:
		return json.RawMessage(v.String())
	case []byte:
		return base64.StdEncoding.EncodeToString(v)
	case time.Time:
		return v.UTC().Format(time.RFC3339Nano)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = jsonValue(v[i])
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k := range v {
			out[k] = jsonValue(v[k])
		}
		return out
	}
	return v
}

func formatFloat(f float64) string {
	s := strconv.FormatFloat(f, 'g', -1, 64)
	if !strings.ContainsAny(s, ".eIN") {
		s += ".0"
	}
	return s
}

// shownBytes is how much of a value is shown in one line.
const shownBytes = 80

// show writes a value for people, in one line that no content can break out of.
func show(v any, limit int) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		return quote(v, limit)
	case float64:
		return formatFloat(v)
	case []byte:
		return fmt.Sprintf("%d bytes", len(v))
	case time.Time:
		return showTime(v)
	case []any:
		return "[" + showAll(v, limit) + "]"
	case map[string]any:
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		parts := make([]string, len(keys))
		for i, k := range keys {
			parts[i] = quote(k, limit) + ": " + show(v[k], limit)
		}
		return shorten("{"+strings.Join(parts, ", ")+"}", limit)
	}
	return fmt.Sprint(v)
}

func showAll(vs []any, limit int) string {
	parts := make([]string, len(vs))
	for i, v := range vs {
		parts[i] = show(v, limit)
	}
	return shorten(strings.Join(parts, ", "), limit)
}

// quote puts a string in quotes, and its control characters into escapes.
func quote(s string, limit int) string {
	short := shorten(s, limit)
	if short == s {
		return strconv.Quote(s)
	}
	return strconv.Quote(strings.TrimSuffix(short, ellipsis)) + ellipsis
}

const ellipsis = "…"

// shorten cuts a string after a number of bytes, at the end of a character.
func shorten(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit] + ellipsis
}

// plain is a name as it stands, or in quotes if it could not be told from what
// is around it.
func plain(s string) string {
	odd := func(r rune) bool {
		return !unicode.IsGraphic(r) || unicode.IsSpace(r) || r == '"' || r == utf8.RuneError
	}
	if s == "" || strings.ContainsFunc(s, odd) {
		return strconv.Quote(s)
	}
	return s
}

// showTime writes a moment in the time zone of whoever reads it.
func showTime(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }

// showBytes writes an amount of data.
func showBytes(n uint64) string {
	switch {
	case n < 1<<10:
		return fmt.Sprintf("%d B", n)
	case n < 1<<20:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}

// count writes a number of things.
func count[N int | uint64](n N, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}
