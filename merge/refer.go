package merge

import (
	"maps"
	"slices"
)

// Read is what a write of a field must know of the records that it refers to.
type Read struct {
	Reference  string // the name that rules read it under
	Collection string
	At         EvidenceTime
	Fields     []string // sorted
}

// Reads lists what the rules ask of other records when a field is written, by
// reference. For those [AtWrite] the change is to carry the fields, see
// [crdt.Editor.Evidence]: those of the record that the field of the reference's
// name holds the key of.
func (c *CollectionRules) Reads(field string) []Read {
	if c == nil {
		return nil
	}
	return slices.Clone(c.reads[field])
}

// evidenceReads works out what each field's writes must know. A field's own rule
// reads for it; and whoever writes the reference itself brings what anybody reads
// through it.
func (c *checker) evidenceReads(at path, col *Collection) map[string][]Read {
	reads := map[string]map[string][]string{}
	note := func(field, ref string, fields []string) {
		if reads[field] == nil {
			reads[field] = map[string][]string{}
		}
		reads[field][ref] = append(reads[field][ref], fields...)
	}
	for _, name := range sortedNames(col.Fields) {
		for i, s := range col.Fields[name].Resolve {
			if x := c.exprs[at.key("fields").key(name).key("resolve").index(i).key(s.Do.String())]; x != nil {
				for ref, fields := range x.refs {
					note(name, ref, fields)
					note(ref, ref, fields)
				}
			}
		}
	}
	whole := []path{at.key("detect").key("immediate"), at.key("detect").key("deferred")}
	for i := range col.Constraints {
		whole = append(whole, at.key("constraints").index(i).key("must"))
	}
	for _, w := range whole {
		if x := c.exprs[w]; x != nil {
			for ref, fields := range x.refs {
				note(ref, ref, fields)
			}
		}
	}
	out := make(map[string][]Read, len(reads))
	for field, refs := range reads {
		for _, ref := range sortedNames(refs) {
			fields := slices.Sorted(slices.Values(refs[ref]))
			out[field] = append(out[field], Read{ref, col.Refs[ref].Collection, col.Refs[ref].At, slices.Compact(fields)})
		}
	}
	return out
}

// refer adds to a candidate of a field what its references show now.
func (l *lens) refer(field string, c *Candidate) {
	for _, read := range l.rules.reads[field] {
		if read.At != AtNow {
			continue
		}
		value := c.Value
		if field != read.Reference {
			if f := l.field(read.Reference); f != nil {
				value = f.Value
			}
		}
		key, ok := value.(string)
		if !ok {
			continue
		}
		fields, found := map[string]any(nil), false
		if l.now != nil {
			fields, found = l.now(read.Collection, key)
		}
		if !found {
			l.provisional = true
			continue
		}
		own := maps.Clone(c.Evidence)
		if own == nil {
			own = map[string]map[string]any{}
		}
		own[read.Reference] = fields
		c.Evidence = own
	}
}

// referred is the evidence for a condition on the record: what the shown keys
// refer to.
func (l *lens) referred(refs []string) map[string]map[string]any {
	if len(refs) == 0 {
		return nil
	}
	out := map[string]map[string]any{}
	for _, ref := range refs {
		if f := l.field(ref); f != nil {
			if w, ok := f.Winner(); ok && w.Evidence[ref] != nil {
				out[ref] = w.Evidence[ref]
			}
		}
	}
	return out
}
