package scenario

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A node is one JSON value with the order and the offsets that the standard
// decoder forgets. Duplicate keys are found here.
type node struct {
	kind   nodeKind
	text   string // of a string, or the literal of a number or boolean
	keys   []string
	kids   []*node
	offset int64
}

type nodeKind string

const (
	nodeNull   nodeKind = "null"
	nodeBool   nodeKind = "a boolean"
	nodeNumber nodeKind = "a number"
	nodeString nodeKind = "a string"
	nodeList   nodeKind = "a list"
	nodeObject nodeKind = "an object"
)

// member returns the value of a key of an object, or nil.
func (n *node) member(key string) *node {
	for i, k := range n.keys {
		if k == key {
			return n.kids[i]
		}
	}
	return nil
}

// parseNodes reads exactly one JSON value. It does not recurse, so the depth of
// hostile input costs nothing but the bound.
func parseNodes(data []byte) (*node, error) {
	if !utf8.Valid(data) {
		return nil, fmt.Errorf("the file is not UTF-8; save it as UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	at := func(offset int64) string {
		head := data[:min(int(offset), len(data))]
		line := bytes.Count(head, []byte{'\n'}) + 1
		return fmt.Sprintf("line %d, column %d", line, len(head)-bytes.LastIndexByte(head, '\n'))
	}
	var root *node
	var open []*node           // objects and lists that are not closed yet
	var seen []map[string]bool // the keys of each
	var key *string
	for {
		token, err := dec.Token()
		if err == io.EOF && root != nil && len(open) == 0 {
			return root, nil
		}
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, fmt.Errorf("%s: not JSON: %w", at(dec.InputOffset()), err)
		}
		if root != nil && len(open) == 0 {
			return nil, fmt.Errorf("%s: more than one JSON value; put all scenarios into one file object", at(dec.InputOffset()))
		}
		if d, ok := token.(json.Delim); ok && (d == '}' || d == ']') {
			open, seen = open[:len(open)-1], seen[:len(seen)-1]
			continue
		}
		if top := len(open) - 1; top >= 0 && open[top].kind == nodeObject && key == nil {
			k := token.(string) // the decoder takes nothing else in this place
			if seen[top][k] {
				return nil, fmt.Errorf("%s: key %q stands twice in one object; keep one of them", at(dec.InputOffset()), k)
			}
			seen[top][k], key = true, &k
			continue
		}
		n := &node{offset: dec.InputOffset()}
		switch token := token.(type) {
		case nil:
			n.kind = nodeNull
		case bool:
			n.kind, n.text = nodeBool, strconv.FormatBool(token)
		case json.Number:
			n.kind, n.text = nodeNumber, token.String()
		case string:
			n.kind, n.text = nodeString, token
		case json.Delim:
			n.kind = nodeList
			if token == '{' {
				n.kind = nodeObject
			}
		}
		if top := len(open) - 1; top < 0 {
			root = n
		} else {
			open[top].kids = append(open[top].kids, n)
			if key != nil {
				open[top].keys, key = append(open[top].keys, *key), nil
			}
		}
		if n.kind == nodeList || n.kind == nodeObject {
			open, seen = append(open, n), append(seen, map[string]bool{})
			if len(open) > maxDepth {
				return nil, fmt.Errorf("%s: nested deeper than %d levels", at(dec.InputOffset()), maxDepth)
			}
		}
	}
}

// value returns a node as a JSON-like Go value: integers are int64, other
// numbers float64.
func (n *node) value() (any, error) {
	switch n.kind {
	case nodeBool:
		return n.text == "true", nil
	case nodeNumber:
		if !strings.ContainsAny(n.text, ".eE") {
			i, err := strconv.ParseInt(n.text, 10, 64)
			if err != nil {
				return nil, fmt.Errorf("%s does not fit into 64 bits; write it as a string", n.text)
			}
			return i, nil
		}
		f, err := strconv.ParseFloat(n.text, 64)
		if err != nil {
			return nil, fmt.Errorf("%s is not a number that a 64-bit float can hold", n.text)
		}
		return f, nil
	case nodeString:
		return n.text, nil
	case nodeList:
		list := make([]any, len(n.kids))
		for i, kid := range n.kids {
			v, err := kid.value()
			if err != nil {
				return nil, err
			}
			list[i] = v
		}
		return list, nil
	case nodeObject:
		object := make(map[string]any, len(n.kids))
		for i, kid := range n.kids {
			v, err := kid.value()
			if err != nil {
				return nil, err
			}
			object[n.keys[i]] = v
		}
		return object, nil
	}
	return nil, nil
}

// appendJSON writes a node as it stood, on one line, keys in their order.
func (n *node) appendJSON(dst []byte) []byte {
	switch n.kind {
	case nodeNull:
		return append(dst, "null"...)
	case nodeString:
		return appendString(dst, n.text)
	case nodeList, nodeObject:
		brackets := "[]"
		if n.kind == nodeObject {
			brackets = "{}"
		}
		dst = append(dst, brackets[0])
		for i, kid := range n.kids {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			if n.kind == nodeObject {
				dst = append(appendString(dst, n.keys[i]), ": "...)
			}
			dst = kid.appendJSON(dst)
		}
		return append(dst, brackets[1])
	}
	return append(dst, n.text...)
}
