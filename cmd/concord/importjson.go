package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// maxNesting is deeper than any value may be, with its tags.
const maxNesting = 512

// parseStrict reads one JSON text, and refuses what the standard decoder would
// repair or drop: a name twice in one object, bytes that are not UTF-8, half of
// a surrogate pair.
func parseStrict(b []byte) (any, error) {
	if !utf8.Valid(b) {
		return nil, errors.New("it is not valid UTF-8")
	}
	if !json.Valid(b) { // for a message that tells the place
		var v any
		return nil, notJSON(json.Unmarshal(b, &v))
	}
	if halfPair(b) {
		return nil, errors.New(`it has half of a surrogate pair, such as \ud800 alone`)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	return parseNext(d, 0)
}

func notJSON(err error) error {
	if s, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("it is not JSON, at byte %d: %v", s.Offset, s)
	}
	return fmt.Errorf("it is not JSON: %w", err)
}

// parseNext reads a value from valid JSON.
func parseNext(d *json.Decoder, depth int) (any, error) {
	if depth > maxNesting {
		return nil, fmt.Errorf("it is nested deeper than %d", maxNesting)
	}
	t, err := d.Token()
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	switch t {
	case json.Delim('['):
		list := []any{}
		for d.More() {
			v, err := parseNext(d, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err = d.Token()
		return list, err
	case json.Delim('{'):
		members := map[string]any{}
		for d.More() {
			name, err := d.Token()
			if err != nil {
				return nil, err
			}
			n, _ := name.(string)
			if _, twice := members[n]; twice {
				return nil, fmt.Errorf("the name %s stands twice in one object", quote(n, shownBytes))
			}
			if members[n], err = parseNext(d, depth+1); err != nil {
				return nil, err
			}
		}
		_, err = d.Token()
		return members, err
	}
	return t, nil
}

// halfPair reports whether valid JSON escapes half of a surrogate pair.
func halfPair(b []byte) bool {
	for i := 0; i+1 < len(b); i++ {
		if b[i] != '\\' {
			continue
		}
		i++
		switch surrogate(b[i-1:]) {
		case 'h':
			if i += 5; surrogate(b[min(i, len(b)):]) != 'l' {
				return true
			}
			i += 5
		case 'l':
			return true
		}
	}
	return false
}

// surrogate says whether an escape at the front of b is the high or the low half
// of a pair.
func surrogate(b []byte) byte {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' || b[2]|0x20 != 'd' {
		return 0
	}
	switch b[3] | 0x20 {
	case '8', '9', 'a', 'b':
		return 'h'
	case 'c', 'd', 'e', 'f':
		return 'l'
	}
	return 0
}

// jsonKind names what a JSON value is.
func jsonKind(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return "true or false"
	case json.Number:
		return "the number " + shorten(v.String(), maxDigits)
	case string:
		return "the text " + quote(v, shownBytes/2)
	case []any:
		return "a list"
	}
	return "an object"
}
