package merge

import (
	"slices"
	"time"
	"unicode"

	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt"
)

// digestVersion names the form of a policy and the meaning of its steps. It is
// raised when either changes, so that two replicas which would show one state
// differently have different digests.
const digestVersion = 2

// The things beside the policy that an answer can hang on.
const (
	// evaluatorVersion names what evaluates expressions, and its limits.
	evaluatorVersion = "cel-go v0.33.2, limits 1"
	// similarityVersion names how shares of content are measured.
	similarityVersion = "elements 1"
)

// Digest is a hash of what the policy means, for replicas to compare: defaults
// that are written out, or roles of a right in another order, make no
// difference. It covers the policy's name and version, the version of the
// evaluator and of the Unicode tables if there are expressions, the measure of
// similarity if there are thresholds, and the names and versions of functions
// written in Go. The zero value and nil have one digest.
//
// Digest is O(policy).
func (p *Policy) Digest() crdt.Hash {
	w := codec.NewWriter(nil)
	w.String("concord policy")
	w.Uvarint(digestVersion)
	if p == nil {
		p = &Policy{}
	}
	w.String(p.Name)
	w.Uvarint(p.Version)
	writeNames(w, p.Roles)
	writeSet(w, p.Activators())
	w.Uvarint(uint64(len(p.Windows)))
	for _, name := range sortedNames(p.Windows) {
		w.String(name)
		w.Uvarint(uint64(len(p.Windows[name])))
		for _, in := range p.Windows[name] {
			writeTime(w, in.From)
			writeTime(w, in.To)
		}
	}
	w.Uvarint(uint64(len(p.Collections)))
	expressions, thresholds := false, false
	for _, name := range sortedNames(p.Collections) {
		c := p.Collections[name]
		w.String(name)
		c.write(w)
		expressions = expressions || c.hasExpressions()
		for _, r := range c.Fields {
			thresholds = thresholds || r.Review > 0
		}
	}
	if expressions || thresholds {
		w.String(unicode.Version)
	}
	if expressions {
		w.String(evaluatorVersion)
	}
	if thresholds {
		w.String(similarityVersion)
	}
	return crdt.HashOf(w.Bytes())
}

func (c *Collection) write(w *codec.Writer) {
	w.Varint(int64(c.Priority))
	w.String(c.Partition)
	w.Byte(byte(c.Offline))
	w.String(c.Parent.Collection)
	w.Bool(c.Parent.Required)
	w.Uvarint(uint64(len(c.Refs)))
	for _, name := range sortedNames(c.Refs) {
		w.String(name)
		w.String(c.Refs[name].Collection)
		w.Byte(byte(c.Refs[name].At))
	}
	w.Byte(byte(c.Delete))
	w.Varint(int64(c.Staleness))
	w.Uvarint(uint64(len(c.Constraints)))
	for _, k := range c.Constraints {
		w.String(k.Name)
		w.String(k.Must)
		writeSet(w, k.Approve)
	}
	w.Varint(int64(c.Detect.Near))
	w.String(c.Detect.Immediate)
	w.String(c.Detect.Deferred)
	w.Uvarint(uint64(len(c.Fields)))
	for _, field := range sortedNames(c.Fields) {
		w.String(field)
		r := c.Fields[field]
		r.write(w)
	}
}

func (r *FieldRule) write(w *codec.Writer) {
	w.Byte(byte(r.Type))
	w.Byte(byte(r.Of))
	w.Uvarint(uint64(len(r.Members)))
	for _, m := range sortedNames(r.Members) {
		w.String(m)
		w.Byte(byte(r.Members[m]))
	}
	w.Byte(byte(r.Below))
	for _, bound := range []*int64{r.Min, r.Max} {
		w.Bool(bound != nil)
		if bound != nil {
			w.Varint(*bound)
		}
	}
	w.Byte(byte(r.level()))
	writeSet(w, r.Write)
	writeSet(w, r.Recount)
	steps := r.effective()
	w.Uvarint(uint64(len(steps)))
	for _, s := range steps {
		s.write(w)
	}
	w.Bool(r.Sticky)
	w.Byte(byte(r.Quantity))
	w.Uvarint(uint64(r.Review))
	writeSet(w, r.Intent.Key)
	w.Varint(int64(r.Intent.Window))
	writeSet(w, r.Intent.Conflict)
}

// effective lists the steps that can have a say.
func (r *FieldRule) effective() []Step {
	steps := r.Steps()
	if i := slices.IndexFunc(steps, Step.final); i >= 0 {
		return steps[:i+1]
	}
	return steps
}

func (s Step) write(w *codec.Writer) {
	w.Byte(byte(s.Do))
	if s.Do == StepApprove {
		writeSet(w, s.Roles)
	} else {
		writeNames(w, s.Roles)
	}
	w.String(s.Window)
	w.String(s.Expr)
	w.String(s.Function)
	w.Uvarint(uint64(s.FunctionVersion))
}

func writeTime(w *codec.Writer, t time.Time) { w.Varint(t.UnixMilli()) }

// writeSet writes names whose order says nothing.
func writeSet(w *codec.Writer, names []string) {
	set := slices.Clone(names)
	slices.Sort(set)
	writeNames(w, slices.Compact(set))
}

func writeNames(w *codec.Writer, names []string) {
	w.Uvarint(uint64(len(names)))
	for _, n := range names {
		w.String(n)
	}
}
