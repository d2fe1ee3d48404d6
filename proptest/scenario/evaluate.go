package scenario

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/big"
	"slices"
	"unicode/utf8"
)

// keys returns what an expectation reads, without repetition.
func (e *Expect) keys() []Key {
	var keys []Key
	add := func(text string, withField bool) {
		if key, err := parseKey(text, withField); err == nil && !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	for _, values := range append([]Values{e.Values}, e.AnyOf...) {
		for _, text := range sortedKeys(values) {
			add(text, false)
		}
	}
	for _, text := range e.Shape {
		add(text, false)
	}
	for _, q := range e.Predicates {
		add(q.Read, true)
	}
	return keys
}

// watched returns what a scenario reads anywhere.
func (s *Scenario) watched() []Key {
	keys := s.Expect.keys()
	var walk func([]Step)
	walk = func(steps []Step) {
		for i := range steps {
			if steps[i].Expect != nil {
				keys = append(keys, steps[i].Expect.keys()...)
			}
			keys = append(keys, (&Expect{Values: steps[i].Wants}).keys()...)
			walk(steps[i].Steps)
		}
	}
	walk(s.Steps)
	var once []Key
	for _, key := range keys {
		if !slices.Contains(once, key) && !hasRound(key.String()) {
			once = append(once, key)
		}
	}
	return once
}

// read returns the normalized value of a key.
func (r *run) read(replica Replica, key Key) (any, error) {
	v, err := r.readRaw(replica, key)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", key, err)
	}
	if v, err = normalize(v); err != nil {
		return nil, fmt.Errorf("reading %s: %w", key, err)
	}
	switch key.Kind {
	case KindSet, KindMulti:
		if list, ok := v.([]any); ok {
			v = Set(list)
		}
	case KindCounter:
		if n, ok := toBig(v); ok {
			v = n
		}
	}
	if form := key.Kind.unreadable(v); form != "" {
		return nil, fmt.Errorf("reading %s: the world returned a %T, where it must return %s", key, v, form)
	}
	return v, nil
}

func (r *run) readRaw(replica Replica, key Key) (any, error) {
	switch key.Kind {
	case KindTextLen, KindTextSHA256:
		v, err := replica.Read(KindText, key.Object)
		if err != nil {
			return nil, err
		}
		text, ok := v.(string)
		if !ok {
			return nil, fmt.Errorf("a text reads as %T", v)
		}
		if key.Kind == KindTextLen {
			return int64(utf8.RuneCountInString(text)), nil
		}
		sum := sha256.Sum256([]byte(text))
		return hex.EncodeToString(sum[:]), nil
	case KindRecord:
		p, err := as[PolicyReplica](replica, CanRule)
		if err != nil {
			return nil, err
		}
		view, err := p.View(key.Record)
		if err != nil || key.Field == "" {
			return any(view), err
		}
		return view[key.Field], nil
	}
	return replica.Read(key.Kind, key.Object)
}

// unreadable returns the form that a value read back must have, if it has
// another one.
func (k Kind) unreadable(v any) string {
	var form string
	ok := true
	switch k {
	case KindText:
		form = "a string"
		_, ok = v.(string)
	case KindSpans, KindList:
		form = "a []any"
		_, ok = v.([]any)
	case KindSet, KindMulti:
		form = "a Set"
		_, ok = v.(Set)
	case KindMap:
		form = "a map[string]any"
		_, ok = v.(map[string]any)
	case KindCounter:
		form = "an integer"
		_, ok = v.(*big.Int)
	}
	if ok {
		return ""
	}
	return form
}

// differs compares a wanted value with what was read, and returns how they
// differ.
func differs(name string, key Key, want, got any) (Mismatch, bool) {
	switch key.Kind {
	case KindCounter:
		want = asCounter(want)
	case KindRecord:
		want, got = namedFields(want, got)
	}
	want = align(want, got)
	if canonical(want) == canonical(got) {
		return Mismatch{}, false
	}
	g, w := describe(got, want)
	return Mismatch{Replica: name, What: key.String(), Got: g, Want: []string{w}}, true
}

// asCounter returns an integer of any form as what a counter reads as.
func asCounter(v any) any {
	if n, ok := toBig(v); ok {
		return n
	}
	return v
}

// namedFields narrows a record's view to the fields that are wanted; a missing
// one is null.
func namedFields(want, got any) (any, any) {
	fields, ok := want.(map[string]any)
	view, isMap := got.(map[string]any)
	if !ok || !isMap {
		return want, got
	}
	narrow := make(map[string]any, len(fields))
	for field := range fields {
		narrow[field] = view[field]
	}
	return want, narrow
}

// expect holds an expectation against the replicas that it looks at.
func (r *run) expect(e *Expect) error {
	names := e.On
	if names == nil {
		names = r.s.Replicas
	}
	var mismatches []Mismatch
	for _, part := range []func(*Expect, []string) ([]Mismatch, error){
		r.expectValues, r.expectPredicates, r.expectCounts, r.expectAnchors, r.expectOverlay, r.expectConverged,
	} {
		found, err := part(e, names)
		if err != nil {
			return err
		}
		mismatches = append(mismatches, found...)
	}
	if len(mismatches) > 0 {
		return &broken{"what must hold does not", mismatches}
	}
	return nil
}

func (r *run) expectValues(e *Expect, names []string) ([]Mismatch, error) {
	var mismatches []Mismatch
	for _, name := range names {
		found, err := r.mismatches(name, e.Values)
		if err != nil {
			return nil, err
		}
		mismatches = append(mismatches, found...)
		if e.AnyOf != nil {
			if found, err = r.noneOf(name, e.AnyOf); err != nil {
				return nil, err
			}
			mismatches = append(mismatches, found...)
		}
		for _, text := range e.Shape {
			key, err := parseKey(text, false)
			if err != nil {
				return nil, err
			}
			if _, err := r.read(r.replicas[name], key); err != nil {
				return nil, err
			}
		}
	}
	return mismatches, nil
}

// mismatches returns what differs from one set of values.
func (r *run) mismatches(name string, values Values) ([]Mismatch, error) {
	var mismatches []Mismatch
	for _, text := range sortedKeys(values) {
		key, err := parseKey(text, false)
		if err != nil {
			return nil, err
		}
		got, err := r.read(r.replicas[name], key)
		if err != nil {
			return nil, err
		}
		if m, differ := differs(name, key, values[text], got); differ {
			mismatches = append(mismatches, m)
		}
	}
	return mismatches, nil
}

// noneOf returns how a replica differs from every one of several results.
func (r *run) noneOf(name string, results []Values) ([]Mismatch, error) {
	merged := map[string]*Mismatch{}
	for _, values := range results {
		found, err := r.mismatches(name, values)
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			return nil, nil
		}
		for _, m := range found {
			if have, ok := merged[m.What]; ok {
				have.Want = append(have.Want, m.Want...)
			} else {
				merged[m.What] = &m
			}
		}
	}
	var mismatches []Mismatch
	for _, what := range sortedKeys(merged) {
		mismatches = append(mismatches, *merged[what])
	}
	return mismatches, nil
}

// expectConverged compares digests, and the values of all that is read.
func (r *run) expectConverged(e *Expect, names []string) ([]Mismatch, error) {
	if !e.Converged {
		return nil, nil
	}
	var mismatches []Mismatch
	compare := func(what string, read func(Replica) (string, error)) error {
		first, err := read(r.replicas[names[0]])
		if err != nil {
			return err
		}
		for _, name := range names[1:] {
			other, err := read(r.replicas[name])
			if err != nil {
				return err
			}
			if other != first {
				got, want := contrast(other, first)
				mismatches = append(mismatches, Mismatch{Replica: name, What: what, Got: got, Want: []string{want + ", as on " + names[0]}})
			}
		}
		return nil
	}
	for _, key := range e.keys() {
		err := compare(key.String(), func(replica Replica) (string, error) {
			v, err := r.read(replica, key)
			return canonical(v), err
		})
		if err != nil {
			return nil, err
		}
	}
	if err := compare("digest", Replica.Digest); err != nil {
		return nil, fmt.Errorf("digest: %w", err)
	}
	return mismatches, nil
}

func (r *run) expectCounts(e *Expect, names []string) ([]Mismatch, error) {
	var mismatches []Mismatch
	for _, name := range names {
		for _, object := range sortedKeys(e.Count) {
			got, err := r.count(r.replicas[name], object)
			if err != nil {
				return nil, fmt.Errorf("counting %s: %w", object, err)
			}
			if got != e.Count[object] {
				mismatches = append(mismatches, Mismatch{name, "count of " + object, fmt.Sprint(got), []string{fmt.Sprint(e.Count[object])}})
			}
		}
	}
	return mismatches, nil
}

// count returns the visible records of a collection, under a policy, and
// otherwise the keys of a map.
func (r *run) count(replica Replica, object string) (int, error) {
	if r.s.Policy != nil {
		p, err := as[PolicyReplica](replica, CanRule)
		if err != nil {
			return 0, err
		}
		return p.VisibleIn(object)
	}
	v, err := r.read(replica, Key{Kind: KindMap, Object: object})
	if err != nil {
		return 0, err
	}
	return len(v.(map[string]any)), nil
}

func (r *run) expectAnchors(e *Expect, names []string) ([]Mismatch, error) {
	var mismatches []Mismatch
	for _, name := range names {
		for _, anchor := range sortedKeys(e.Anchors) {
			a, err := as[Anchorer](r.replicas[name], CanAnchor)
			if err != nil {
				return nil, err
			}
			got, err := a.Position(r.anchors[anchor])
			if err != nil {
				return nil, fmt.Errorf("anchor %s on %s: %w", anchor, name, err)
			}
			if want := e.Anchors[anchor]; got != want {
				mismatches = append(mismatches, Mismatch{name, "anchor " + anchor, fmt.Sprint(got), []string{fmt.Sprint(want)}})
			}
		}
	}
	return mismatches, nil
}
