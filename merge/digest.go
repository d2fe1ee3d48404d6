package merge

import (
	"slices"

	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt"
)

// digestVersion names the form of a schema and the meaning of its steps. It is
// raised when either changes, so that two replicas which would show one state
// differently have different digests.
const digestVersion = 1

// Digest is a hash of what the schema means, for replicas to compare: defaults
// that are written out, or roles of a right in another order, make no
// difference. The zero value and nil have one digest.
//
// Digest is O(schema).
func (s *Schema) Digest() crdt.Hash {
	w := codec.NewWriter(nil)
	w.String("concord schema")
	w.Uvarint(digestVersion)
	if s == nil {
		s = &Schema{}
	}
	writeNames(w, s.Roles)
	w.Uvarint(uint64(len(s.Collections)))
	for _, name := range sortedNames(s.Collections) {
		c := s.Collections[name]
		w.String(name)
		w.Varint(int64(c.Priority))
		w.String(c.Partition)
		w.Byte(byte(c.Delete))
		w.Uvarint(uint64(len(c.Fields)))
		for _, field := range sortedNames(c.Fields) {
			w.String(field)
			r := c.Fields[field]
			r.write(w)
		}
	}
	return crdt.HashOf(w.Bytes())
}

func (r *FieldRule) write(w *codec.Writer) {
	w.Byte(byte(r.Type))
	w.Byte(byte(r.Of))
	steps := r.effective()
	w.Uvarint(uint64(len(steps)))
	for _, s := range steps {
		s.write(w)
	}
	rights := slices.Clone(r.Write)
	slices.Sort(rights)
	writeNames(w, slices.Compact(rights))
}

// effective lists the steps that can have a say.
func (r *FieldRule) effective() []Step {
	if !r.resolves() {
		return nil
	}
	var steps []Step
	for _, s := range stepsOrDefault(r.Resolve) {
		if s == nil {
			continue
		}
		if steps = append(steps, s); s.final() {
			break
		}
	}
	return steps
}

// resolves reports whether fields of the rule's type have siblings.
func (r *FieldRule) resolves() bool {
	return r.Type == crdt.TypeRegister || r.Type == crdt.TypeGroup || r.Type == crdt.TypeMap
}

func writeNames(w *codec.Writer, names []string) {
	w.Uvarint(uint64(len(names)))
	for _, n := range names {
		w.String(n)
	}
}
