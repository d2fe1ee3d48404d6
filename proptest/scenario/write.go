package scenario

import (
	"bytes"
	"strconv"
)

// Format writes a file in its canonical form: two scenarios that mean the same
// have the same text. A step stands on one line, so that a difference between
// two histories is a difference of lines.
//
// Format returns the faults that Parse would find in its output, so a file that
// was built in memory is checked like one that was read.
func Format(f *File) ([]byte, error) {
	dst := append([]byte("{\n"), ` "group": `...)
	dst = append(appendString(dst, f.Group), ",\n"...)
	if f.About != "" {
		dst = append(append(appendString(append(dst, ` "about": `...), f.About), ",\n"...), ""...)
	}
	dst = append(dst, ` "scenarios": [`...)
	for i, s := range f.Scenarios {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendScenario(append(dst, "\n  {\n"...), s)
		dst = append(dst, "\n  }"...)
	}
	dst = append(dst, "\n ]\n}\n"...)
	name := f.Group
	if name == "" {
		name = "unnamed"
	}
	if _, err := Parse(name, dst); err != nil {
		return nil, err
	}
	return dst, nil
}

func appendScenario(dst []byte, s *Scenario) []byte {
	const indent = "\n   "
	separate := ""
	key := func(name string) {
		dst = append(append(dst, separate...), "   "...)
		dst = append(appendString(dst, name), ": "...)
		separate = ",\n"
	}
	str := func(name, value string) {
		if value != "" {
			key(name)
			dst = appendString(dst, value)
		}
	}
	str("id", s.ID)
	str("level", string(s.Level))
	str("title", s.Title)
	str("source", s.Source)
	key("replicas")
	dst = listOf(aName, 1).write(dst, s.Replicas)
	if s.PermuteIDs {
		key("permute_ids")
		dst = append(dst, "true"...)
	}
	if len(s.Needs) > 0 {
		key("needs")
		needs := make([]string, len(s.Needs))
		for i, c := range s.Needs {
			needs[i] = string(c)
		}
		dst = listOf(aName, 0).write(dst, needs)
	}
	if s.Policy != nil {
		key("policy")
		dst = aPolicy.write(dst, s.Policy)
	}
	if s.Budget != nil {
		key("budget")
		dst = appendBudget(dst, s.Budget)
	}
	str("framework_expect", s.FrameworkExpect)
	str("note", s.Note)
	key("steps")
	dst = append(dst, '[')
	for i := range s.Steps {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendStepLines(append(dst, indent+" "...), &s.Steps[i], indent+" ")
	}
	if len(s.Steps) > 0 {
		dst = append(dst, indent...)
	}
	dst = append(dst, ']')
	key("expect")
	return appendExpect(dst, &s.Expect, ","+indent+" ")
}

func appendBudget(dst []byte, b *Budget) []byte {
	separate := "{"
	key := func(name string) {
		dst = append(append(dst, separate...), `"`+name+`": `...)
		separate = ", "
	}
	for _, m := range b.counts() {
		if *m.max != 0 {
			key(m.key)
			dst = strconv.AppendInt(dst, *m.max, 10)
		}
	}
	if b.BytesMaxFractionOfFull != 0 {
		key("bytes_max_fraction_of_full")
		dst = appendValue(dst, b.BytesMaxFractionOfFull)
	}
	if b.Level != "" {
		key("level")
		dst = appendString(dst, string(b.Level))
	}
	if separate == "{" {
		dst = append(dst, '{')
	}
	return append(dst, '}')
}

// String returns the step on one line, as files have it.
func (s *Step) String() string { return string(appendStep(nil, s)) }

func appendStep(dst []byte, s *Step) []byte { return appendStepWith(dst, s, appendSteps) }

// appendStepLines writes a step with the steps inside it on lines of their own.
func appendStepLines(dst []byte, s *Step, indent string) []byte {
	return appendStepWith(dst, s, func(dst []byte, steps []Step) []byte {
		if len(steps) == 0 {
			return append(dst, "[]"...)
		}
		dst = append(dst, '[')
		for i := range steps {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendStepLines(append(dst, indent+" "...), &steps[i], indent+" ")
		}
		return append(append(dst, indent...), ']')
	})
}

func appendSteps(dst []byte, steps []Step) []byte {
	dst = append(dst, '[')
	for i := range steps {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = appendStep(dst, &steps[i])
	}
	return append(dst, ']')
}

// appendStepWith writes the name and the parameters of a step: the required
// ones always, the others where they say something.
func appendStepWith(dst []byte, s *Step, nested func([]byte, []Step) []byte) []byte {
	sp, ok := specs[s.Do]
	if !ok {
		return append(appendString(append(dst, `{"do": `...), s.Do), '}')
	}
	dst = append(dst, '{')
	if sp.on != onNobody && s.On != "" {
		dst = append(appendString(append(dst, `"on": `...), s.On), ", "...)
	}
	dst = appendString(append(dst, `"do": `...), s.Do)
	required := sp.written(s)
	for _, q := range sp.params(s) {
		if q.key == pOn.key || !required[q.key] && !q.given(s) {
			continue
		}
		dst = append(appendString(append(dst, ", "...), q.key), ": "...)
		if q.key == "steps" || q.key == "then" {
			dst = nested(dst, s.Steps)
		} else {
			dst = q.write(dst, s)
		}
	}
	return append(dst, '}')
}

// written returns the keys that a step always has: the required ones, and the
// first of those that exclude each other if none of them says anything.
func (sp *spec) written(s *Step) map[string]bool {
	must, one := sp.must, sp.one
	if s.Do == "record.edit" {
		inner, _ := innerOf(s.Op)
		must, one = append(must[:len(must):len(must)], inner.must...), inner.one
	}
	keys := map[string]bool{}
	for _, q := range must {
		keys[q.key] = true
	}
	for _, q := range one {
		if q.given(s) {
			return keys
		}
	}
	if len(one) > 0 {
		keys[one[0].key] = true
	}
	return keys
}

// line is the step in a report: one line, shortened.
func (s *Step) line() string {
	const most = 240
	text := []rune(string(bytes.ReplaceAll(appendStep(nil, s), []byte{'\n'}, nil)))
	if len(text) > most {
		return string(text[:most]) + "…"
	}
	return string(text)
}
