package scenario

import (
	"reflect"
	"slices"
	"strconv"
)

// anExpectation reads and writes an Expect, on one line.
var anExpectation = form[*Expect]{
	read: func(p *parser, key string, n *node) *Expect {
		e := &Expect{}
		members := map[string]func(*node){}
		for _, m := range e.members() {
			members[m.key] = func(n *node) { m.read(p, n) }
		}
		p.object(n, key, members)
		return e
	},
	write: func(dst []byte, e *Expect) []byte { return appendExpect(dst, e, ", ") },
	given: func(e *Expect) bool { return e != nil },
}

func (e *Expect) empty() bool {
	bare := *e
	bare.On = nil
	return reflect.DeepEqual(bare, Expect{})
}

// A member is one key of an expectation.
type member struct {
	key   string
	read  func(p *parser, n *node)
	write func(dst []byte) []byte
	given bool
}

func memberOf[T any](key string, f form[T], field *T) member {
	return member{
		key:   key,
		read:  func(p *parser, n *node) { *field = f.read(p, key, n) },
		write: func(dst []byte) []byte { return f.write(dst, *field) },
		given: f.given(*field),
	}
}

// members returns the keys of an expectation, in the canonical order.
func (e *Expect) members() []member {
	names := listOf(aName, 0)
	records := listOf(aRecord, 0)
	counts := mapOf(integer(0, maxRecords))
	return []member{
		memberOf("on", oneOrMore(aReplica), &e.On),
		memberOf("converged", aFlag, &e.Converged),
		memberOf("values", wantedValues, &e.Values),
		memberOf("any_of", listOf(wantedValues, 1), &e.AnyOf),
		memberOf("predicates", listOf(aPredicate, 1), &e.Predicates),
		memberOf("shape", aShape, &e.Shape),
		memberOf("count", counts, &e.Count),
		memberOf("anchors", counts, &e.Anchors),
		memberOf("visible", records, &e.Visible),
		memberOf("hidden", records, &e.Hidden),
		memberOf("unresolved", names, &e.Unresolved),
		memberOf("held", names, &e.Held),
		memberOf("review", names, &e.Review),
		memberOf("waiting", names, &e.Waiting),
		memberOf("rejected", names, &e.Rejected),
		memberOf("conflicts", listOf(aConflict, 0), &e.Conflicts),
		memberOf("witnesses", listOf(aWitness, 0), &e.Witnesses),
		memberOf("overruled", listOf(anOverruled, 1), &e.Overruled),
		memberOf("explain", listOf(anExplain, 1), &e.Explain),
		memberOf("provisional", listOf(aReplica, 0), &e.Provisional),
		memberOf("digest_equal_without_policy", aFlag, &e.DigestEqualWithoutPolicy),
	}
}

// appendExpect writes an expectation; sep stands between its keys.
func appendExpect(dst []byte, e *Expect, sep string) []byte {
	return appendMembers(dst, e.members(), sep)
}

func appendMembers(dst []byte, members []member, sep string) []byte {
	dst = append(dst, '{')
	first := true
	for _, m := range members {
		if !m.given {
			continue
		}
		if !first {
			dst = append(dst, sep...)
		}
		first = false
		dst = m.write(append(appendString(dst, m.key), ": "...))
	}
	return append(dst, '}')
}

// recordOf is an object with fixed keys: the form of an element of a list.
func recordOf[T any](members func(*T) []member, required ...string) form[T] {
	return form[T]{
		read: func(p *parser, key string, n *node) T {
			var v T
			reads := map[string]func(*node){}
			for _, m := range members(&v) {
				reads[m.key] = func(n *node) { m.read(p, n) }
			}
			p.object(n, key, reads, required...)
			return v
		},
		write: func(dst []byte, v T) []byte { return appendMembers(dst, members(&v), ", ") },
	}
}

// mapOf is an object with free keys, written in their order.
func mapOf[T any](item form[T]) form[map[string]T] {
	return form[map[string]T]{
		read: func(p *parser, key string, n *node) map[string]T {
			if n.kind != nodeObject {
				p.want(n, key, "an object")
			}
			m := make(map[string]T, len(n.keys))
			for i, k := range n.keys {
				m[k] = item.read(p, key+"."+k, n.kids[i])
			}
			return m
		},
		write: func(dst []byte, m map[string]T) []byte {
			dst = append(dst, '{')
			for i, key := range sortedKeys(m) {
				if i > 0 {
					dst = append(dst, ", "...)
				}
				dst = item.write(append(appendString(dst, key), ": "...), m[key])
			}
			return append(dst, '}')
		},
		given: func(m map[string]T) bool { return m != nil },
	}
}

// wantedValues maps keys to values of the form that their kind has.
var wantedValues = form[Values]{
	read: func(p *parser, key string, n *node) Values {
		m := Values(mapOf(aValue).read(p, key, n))
		for i, k := range n.keys {
			parsed, err := parseKey(k, false)
			if err != nil {
				p.fault(n.kids[i], "", "%s: %v", key, err)
				continue
			}
			if form := parsed.Kind.misfit(m[k]); form != "" {
				p.fault(n.kids[i], "", "%s must be %s, but is %s", k, form, n.kids[i].kind)
			}
		}
		if n.kind == nodeObject && len(m) == 0 {
			p.fault(n, "name what is read", "%s is empty", key)
		}
		return m
	},
	write: func(dst []byte, v Values) []byte { return mapOf(aValue).write(dst, v) },
	given: func(v Values) bool { return v != nil },
}

// misfit returns the form that a wanted value of the kind must have, if v has
// another one.
func (k Kind) misfit(v any) string {
	var form string
	ok := true
	switch k {
	case KindText, KindTextSHA256:
		form = "a string"
		_, ok = v.(string)
	case KindSpans, KindList, KindSet, KindMulti:
		form = "a list"
		_, ok = v.([]any)
	case KindMap, KindRecord:
		form = "an object"
		_, ok = v.(map[string]any)
	case KindCounter:
		form = "an integer, or a string of one"
		_, ok = toBig(v)
	case KindTextLen:
		form = "an integer"
		_, ok = v.(int64)
	}
	if ok {
		return ""
	}
	return form
}

// aShape is the keys of an object whose values say nothing.
var aShape = form[[]string]{
	read: func(p *parser, key string, n *node) []string {
		if n.kind != nodeObject {
			p.want(n, key, "an object")
		}
		for i, k := range n.keys {
			if _, err := parseKey(k, false); err != nil {
				p.fault(n.kids[i], "", "%s: %v", key, err)
			}
		}
		return slices.Sorted(slices.Values(n.keys))
	},
	write: func(dst []byte, keys []string) []byte {
		dst = append(dst, '{')
		for i, key := range slices.Sorted(slices.Values(keys)) {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = append(appendString(dst, key), ": 1"...)
		}
		return append(dst, '}')
	},
	given: func(keys []string) bool { return len(keys) > 0 },
}

// aPredicate writes value where the kind has one, null too.
var aPredicate = form[Predicate]{
	read: func(p *parser, key string, n *node) Predicate {
		var q Predicate
		q.N = 1
		p.object(n, key, map[string]func(*node){
			"read":  func(n *node) { q.Read = aName.read(p, key+".read", n) },
			"kind":  func(n *node) { q.Kind = oneWord(predicateKinds...).read(p, key+".kind", n) },
			"value": func(n *node) { q.Value = aValue.read(p, key+".value", n) },
			"n":     func(n *node) { q.N = anIndex.read(p, key+".n", n) },
		}, "read", "kind")
		if _, err := parseKey(q.Read, true); q.Read != "" && err != nil {
			p.fault(n, "", "%s: %v", key, err)
		}
		if takes := q.takesValue(); takes != (n.member("value") != nil) && q.Kind != "" {
			p.fault(n, "", "%s: a predicate of kind %s %s value", key, q.Kind, map[bool]string{true: "needs a", false: "has no"}[takes])
		}
		if counts := q.Kind == CountOf; counts != (n.member("n") != nil) {
			p.fault(n, "", "%s: n goes with the kind %s and with no other", key, CountOf)
		}
		_, list := q.Value.([]any)
		if q.Kind == Order && !list {
			p.fault(n, "", "%s: the value of %s is a list", key, q.Kind)
		}
		if words, _ := q.Value.([]any); q.Kind == Permutation && len(words) > maxParts && isText(q.Read) {
			p.fault(n, "", "%s: more than %d parts of a text", key, maxParts)
		}
		return q
	},
	write: func(dst []byte, q Predicate) []byte {
		dst = appendString(append(dst, `{"read": `...), q.Read)
		dst = appendString(append(dst, `, "kind": `...), q.Kind)
		if q.takesValue() {
			dst = appendValue(append(dst, `, "value": `...), q.Value)
		}
		if q.Kind == CountOf {
			dst = strconv.AppendInt(append(dst, `, "n": `...), int64(q.N), 10)
		}
		return append(dst, '}')
	},
}

var predicateKinds = []string{Contains, CountOf, Order, Permutation, WellFormed, SameOnAll, Equals}

func (q Predicate) takesValue() bool { return q.Kind != WellFormed && q.Kind != SameOnAll }

func isText(read string) bool {
	key, err := parseKey(read, true)
	return err == nil && (key.Kind == KindText || key.Kind == KindRecord)
}

var (
	aConflict = recordOf(func(c *WantConflict) []member {
		return []member{
			memberOf("record", aRecord, &c.Record),
			memberOf("field", aName, &c.Field),
			memberOf("kind", oneWord("technical", "business"), &c.Kind),
			memberOf("severity", oneWord("none", "auto", "deferred", "immediate"), &c.Severity),
			memberOf("candidates", someCandidates, &c.Candidates),
		}
	})
	aWitness = recordOf(func(w *WantWitness) []member {
		return []member{
			memberOf("record", aRecord, &w.Record),
			memberOf("field", aName, &w.Field),
			always(memberOf("count", anIndex, &w.Count)),
		}
	}, "record", "field", "count")
	anOverruled = recordOf(func(o *WantOverruled) []member {
		return []member{
			memberOf("record", aRecord, &o.Record),
			memberOf("field", aName, &o.Field),
			memberOf("value", someValue, &o.Value),
			memberOf("label", aName, &o.Label),
			memberOf("role", aName, &o.Role),
			memberOf("actor", aName, &o.Actor),
			memberOf("at", anInstant, &o.At),
		}
	}, "record")
	anExplain = recordOf(func(x *WantExplain) []member {
		return []member{
			memberOf("record", aRecord, &x.Record),
			memberOf("field", aName, &x.Field),
			memberOf("step", aName, &x.Step),
		}
	}, "record", "field", "step")
)

func always(m member) member {
	m.given = true
	return m
}

// someValue is a value that is not null: null would ask for nothing.
var someValue = form[any]{
	read: func(p *parser, key string, n *node) any {
		if n.kind == nodeNull {
			p.fault(n, "name the write by its label", "%s is null", key)
		}
		return aValue.read(p, key, n)
	},
	write: aValue.write, given: aValue.given,
}

var someCandidates = form[any]{
	read: func(p *parser, key string, n *node) any {
		v := aValue.read(p, key, n)
		switch v.(type) {
		case int64, []any:
			return v
		}
		p.want(n, key, "how many candidates there are, or the list of their values")
		return nil
	},
	write: aValue.write, given: aValue.given,
}
