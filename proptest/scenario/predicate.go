package scenario

import (
	"fmt"
	"math/big"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxParts bounds the parts of a text whose order a permutation leaves open.
const maxParts = 20

func (r *run) expectPredicates(e *Expect, names []string) ([]Mismatch, error) {
	var mismatches []Mismatch
	for _, q := range e.Predicates {
		key, err := parseKey(q.Read, true)
		if err != nil {
			return nil, err
		}
		first := ""
		for i, name := range names {
			got, err := r.read(r.replicas[name], key)
			if err != nil {
				return nil, err
			}
			var want string
			if q.Kind == SameOnAll {
				if text := canonical(got); i == 0 {
					first = text
				} else if text != first {
					want = first + ", as on " + names[0]
				}
			} else {
				want = q.broken(got)
			}
			if want != "" {
				text := string(window([]rune(canonical(got)), 0))
				mismatches = append(mismatches, Mismatch{name, key.String() + " " + q.Kind, text, []string{want}})
			}
		}
	}
	return mismatches, nil
}

// broken returns what the predicate asks for, if the value does not have it.
func (q Predicate) broken(got any) string {
	switch q.Kind {
	case WellFormed:
		if !wellFormed(got) {
			return "valid UTF-8"
		}
	case Equals:
		want := q.Value
		if _, ok := got.(*big.Int); ok {
			want = asCounter(want)
		}
		if !equal(want, got) {
			return canonical(want)
		}
	case Contains:
		if occurrences(got, q.Value) == 0 {
			return "something that contains " + canonical(q.Value)
		}
	case CountOf:
		if n := occurrences(got, q.Value); n != q.N {
			return fmt.Sprintf("%s %d times, not %d times", canonical(q.Value), q.N, n)
		}
	case Order:
		if parts, ok := q.Value.([]any); !ok || !inOrder(got, parts) {
			return "in this order: " + canonical(q.Value)
		}
	case Permutation:
		if !permutes(got, q.Value) {
			return "in any order, and nothing else: " + canonical(q.Value)
		}
	}
	return ""
}

func wellFormed(v any) bool {
	switch v := v.(type) {
	case string:
		return utf8.ValidString(v)
	case []any:
		return !slices.ContainsFunc(v, func(item any) bool { return !wellFormed(item) })
	case Set:
		return wellFormed([]any(v))
	case map[string]any:
		for key, item := range v {
			if !utf8.ValidString(key) || !wellFormed(item) {
				return false
			}
		}
	}
	return true
}

// occurrences counts a part: in a text its non-overlapping matches, in a list
// or set the equal elements, in a map the key.
func occurrences(in, part any) int {
	n := 0
	switch in := in.(type) {
	case string:
		if s, ok := part.(string); ok && s != "" {
			return strings.Count(in, s)
		}
	case []any:
		for _, item := range in {
			if equal(part, item) {
				n++
			}
		}
	case Set:
		return occurrences([]any(in), part)
	case map[string]any:
		if key, ok := part.(string); ok {
			if _, ok := in[key]; ok {
				return 1
			}
		}
	}
	return n
}

// inOrder reports whether the parts occur left to right without overlap. The
// leftmost match of each part leaves the most room for the next.
func inOrder(in any, parts []any) bool {
	switch in := in.(type) {
	case string:
		for _, part := range parts {
			s, ok := part.(string)
			if !ok {
				return false
			}
			at := strings.Index(in, s)
			if at < 0 {
				return false
			}
			in = in[at+len(s):]
		}
		return true
	case []any:
		for _, item := range in {
			if len(parts) > 0 && equal(parts[0], item) {
				parts = parts[1:]
			}
		}
		return len(parts) == 0
	}
	return false
}

// permutes reports whether a value consists of exactly these parts: the
// elements of a list, the characters of a text, or words that follow each other
// in a text.
func permutes(in, parts any) bool {
	switch in := in.(type) {
	case string:
		if s, ok := parts.(string); ok {
			return sameElements([]rune(in), []rune(s))
		}
		words, ok := parts.([]any)
		if !ok || len(words) > maxParts {
			return false
		}
		list := make([]string, len(words))
		for i, word := range words {
			if list[i], ok = word.(string); !ok {
				return false
			}
		}
		slices.Sort(list)
		return concatenates(in, list, map[string]bool{})
	case []any:
		list, ok := parts.([]any)
		return ok && equal(list, Set(in))
	case Set:
		return permutes([]any(in), parts)
	}
	return false
}

func sameElements(a, b []rune) bool {
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

// concatenates reports whether a text is all the words, one after the other in
// some order. The recursion is as deep as there are words; dead are the
// combinations of words that are left over from which there is no way.
func concatenates(text string, words []string, dead map[string]bool) bool {
	if len(words) == 0 {
		return text == ""
	}
	left := strings.Join(words, "\x00")
	if dead[left] {
		return false
	}
	for i, word := range words {
		if i > 0 && word == words[i-1] {
			continue
		}
		if rest, ok := strings.CutPrefix(text, word); ok &&
			concatenates(rest, slices.Delete(slices.Clone(words), i, i+1), dead) {
			return true
		}
	}
	dead[left] = true
	return false
}
