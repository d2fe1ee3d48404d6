package merge

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// maxPolicyBytes is what a policy file may weigh.
const maxPolicyBytes = 1 << 20

// reader walks the nodes of a file, strictly: what it does not know, and what
// is there twice, is reported. It remembers where each path lies.
type reader struct {
	file     string
	findings Findings
	places   map[path]*yaml.Node
}

func (r *reader) fault(n *yaml.Node, at path, problem, remedy string) {
	f := &Finding{Severity: SeverityError, File: r.file, Path: string(at), Problem: problem, Remedy: remedy}
	if n != nil {
		f.Line, f.Column = n.Line, n.Column
	}
	r.findings = append(r.findings, f)
}

// entry is a key of a mapping with its value.
type entry struct {
	key, value *yaml.Node
	at         path
}

// mapping lists the entries of a mapping, in the file's order. With known, it
// reports keys that are none of these.
func (r *reader) mapping(n *yaml.Node, at path, known ...string) (es []entry) {
	if n.Kind != yaml.MappingNode {
		r.fault(n, at, "it is "+describe(n)+", not a mapping", "write it as KEY: VALUE")
		return nil
	}
	seen := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		name, ok := r.text(k, at)
		if !ok {
			continue
		}
		if first := seen[name]; first != nil {
			r.fault(k, at.key(name), fmt.Sprintf("the key %q is there twice, first in line %d", name, first.Line), "keep one of them")
			continue
		}
		seen[name] = k
		if len(known) > 0 && !slices.Contains(known, name) {
			r.fault(k, at.key(name), fmt.Sprintf("unknown key %q", name), didYouMean(name, known))
			continue
		}
		if v.Kind == yaml.AliasNode {
			r.fault(v, at.key(name), "aliases are not taken", "write it out")
			continue
		}
		e := entry{k, v, at.key(name)}
		r.places[e.at] = v
		if v.Kind != yaml.ScalarNode {
			r.places[e.at] = k
		}
		es = append(es, e)
	}
	return es
}

// section lists the entries of a mapping that says nothing when it is empty.
func (r *reader) section(e entry, known ...string) []entry {
	if e.value.Kind == yaml.MappingNode && len(e.value.Content) == 0 {
		r.fault(e.value, e.at, "it says nothing", "leave the key out, or say some of "+list(known))
	}
	return r.mapping(e.value, e.at, known...)
}

// items lists what is in a sequence.
func (r *reader) items(n *yaml.Node, at path) (es []entry) {
	if n.Kind != yaml.SequenceNode {
		r.fault(n, at, "it is "+describe(n)+", not a list", "write it as [A, B]")
		return nil
	}
	for i, v := range n.Content {
		if v.Kind == yaml.AliasNode {
			r.fault(v, at.index(i), "aliases are not taken", "write it out")
			continue
		}
		r.places[at.index(i)] = v
		es = append(es, entry{nil, v, at.index(i)})
	}
	return es
}

// text reads a string.
func (r *reader) text(n *yaml.Node, at path) (string, bool) {
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!str" {
		r.fault(n, at, "it is "+describe(n)+", not a text", "put it in quotes if it is meant so")
		return "", false
	}
	return n.Value, true
}

// word reads a string into s.
func (r *reader) word(e entry, s *string) {
	if v, ok := r.text(e.value, e.at); ok {
		if v == "" {
			r.fault(e.value, e.at, "it is empty", "leave the key out, or say something")
		}
		*s = v
	}
}

// words reads a list of strings, which has something in it.
func (r *reader) words(e entry, to *[]string) {
	es := r.items(e.value, e.at)
	if e.value.Kind == yaml.SequenceNode && len(e.value.Content) == 0 {
		r.fault(e.value, e.at, "the list is empty", "leave the key out, or list what is meant")
	}
	for _, x := range es {
		if s, ok := r.text(x.value, x.at); ok {
			*to = append(*to, s)
		}
	}
}

func (r *reader) boolean(e entry) (b, ok bool) {
	if e.value.Kind == yaml.ScalarNode && e.value.ShortTag() == "!!bool" {
		return strings.EqualFold(e.value.Value, "true"), true
	}
	r.fault(e.value, e.at, "it is "+describe(e.value)+", neither true nor false", "write true or false")
	return false, false
}

func (r *reader) number(e entry, least, most int64) (n int64, ok bool) {
	if e.value.Kind == yaml.ScalarNode && e.value.ShortTag() == "!!int" {
		if n, err := strconv.ParseInt(e.value.Value, 10, 64); err == nil && n >= least && n <= most {
			return n, true
		}
		r.fault(e.value, e.at, fmt.Sprintf("%s is no whole number from %d to %d", e.value.Value, least, most), "write one in digits")
		return 0, false
	}
	r.fault(e.value, e.at, "it is "+describe(e.value)+", not a whole number", "write it in digits, without quotes")
	return 0, false
}

func (r *reader) duration(e entry, to *time.Duration) {
	d, err := time.ParseDuration(e.value.Value)
	if e.value.Kind != yaml.ScalarNode || err != nil || d <= 0 {
		r.fault(e.value, e.at, "it is "+describe(e.value)+", not a duration", "write it with its unit, such as 15m or 36h")
		return
	}
	*to = d
}

func (r *reader) moment(e entry, to *time.Time) {
	t, err := time.Parse(time.RFC3339Nano, e.value.Value)
	if e.value.Kind != yaml.ScalarNode || err != nil {
		r.fault(e.value, e.at, "it is "+describe(e.value)+", not a time", "write it as 2030-01-01T08:00:00Z")
		return
	}
	*to = t.UTC()
}

// chosen reads one of a few names by its parser.
func chosen[T any](r *reader, e entry, parse func(string) (T, error), to *T) {
	s, ok := r.text(e.value, e.at)
	if !ok {
		return
	}
	v, err := parse(s)
	if err != nil {
		problem := strings.TrimPrefix(strings.TrimPrefix(err.Error(), "merge: "), "crdt: ")
		problem, known, _ := strings.Cut(problem, " (known: ")
		r.fault(e.value, e.at, problem, didYouMean(s, strings.Split(strings.TrimSuffix(known, ")"), ", ")))
		return
	}
	*to = v
}

// describe says what a node is, for people.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	}
	switch n.ShortTag() {
	case "!!null":
		return "nothing"
	case "!!int", "!!float":
		return "the number " + n.Value
	case "!!bool":
		return "the boolean " + n.Value
	case "!!timestamp":
		return "the time " + n.Value
	}
	return strconv.Quote(n.Value)
}

// didYouMean offers the nearest of the known names, or all of them.
func didYouMean(name string, known []string) string {
	best, at := 3, ""
	for _, k := range known {
		if d := distance(name, k); d < best {
			best, at = d, k
		}
	}
	if at != "" {
		return fmt.Sprintf("did you mean %s?", at)
	}
	return "known here: " + list(known)
}

// distance counts the letters to change between two words, up to three.
func distance(a, b string) int {
	if len(a) > 32 || len(b) > 32 {
		return 3
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			before, row[j+1] = row[j+1], min(before+cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// readDocument gives the one document of a file.
func (r *reader) readDocument(b []byte) *yaml.Node {
	switch {
	case len(b) > maxPolicyBytes:
		r.fault(nil, "", fmt.Sprintf("the file has %d bytes, more than %d", len(b), maxPolicyBytes), "a policy is smaller")
		return nil
	case !utf8.Valid(b):
		r.fault(nil, "", "the file is not valid UTF-8", "save it as UTF-8")
		return nil
	case json.Valid(b):
		b = yamlOfJSON(b)
	}
	d := yaml.NewDecoder(strings.NewReader(string(b)))
	var doc, more yaml.Node
	if err := d.Decode(&doc); err != nil {
		r.notYAML(err)
		return nil
	}
	if err := d.Decode(&more); err == nil {
		r.fault(&more, "", "a second document begins", "one file is one version of a policy")
		return nil
	}
	if len(doc.Content) != 1 {
		r.fault(nil, "", "the file is empty", "begin with policy: NAME")
		return nil
	}
	return doc.Content[0]
}

// notYAML reports what the parser said, with its line.
func (r *reader) notYAML(err error) {
	problem := strings.TrimPrefix(err.Error(), "yaml: ")
	if problem == "EOF" {
		r.fault(nil, "", "the file is empty", "begin with policy: NAME")
		return
	}
	var n *yaml.Node
	if rest, ok := strings.CutPrefix(problem, "line "); ok {
		if line, text, found := strings.Cut(rest, ": "); found {
			if l, err := strconv.Atoi(line); err == nil {
				n, problem = &yaml.Node{Line: l, Column: 1}, text
			}
		}
	}
	r.fault(n, "", "it is not YAML: "+problem, "look at the indentation, the brackets and the quotes there")
}

// yamlOfJSON writes JSON so that it reads as YAML, line by line: tabs become
// blanks, and characters in two halves become one.
func yamlOfJSON(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		switch {
		case b[i] == '\t':
			out = append(out, ' ')
		case b[i] == '\\' && i+11 < len(b) && b[i+1] == 'u' && b[i+6] == '\\' && b[i+7] == 'u':
			hi, _ := strconv.ParseUint(string(b[i+2:i+6]), 16, 16)
			lo, _ := strconv.ParseUint(string(b[i+8:i+12]), 16, 16)
			if c := utf16.DecodeRune(rune(hi), rune(lo)); c != utf8.RuneError {
				out = utf8.AppendRune(out, c)
				i += 11
				continue
			}
			out = append(out, b[i])
		case b[i] == '\\' && i+1 < len(b):
			out = append(out, b[i], b[i+1])
			i++
		default:
			out = append(out, b[i])
		}
	}
	return out
}
