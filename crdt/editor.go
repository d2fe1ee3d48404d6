package crdt

import (
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/internal/planted"
)

// Editor makes one change to one state. What it does takes effect at once, so
// a later call sees an earlier one; [Editor.Patch] gives the delta. After an
// error every further call fails with it, and [Editor.Undo] brings the state back
// to what it was: a half change is not a change.
//
// A write supersedes the entries that the actor saw and leaves the others
// alone: with Seen set to the version that a form was opened at, a value that
// arrived since stays as a sibling. Positions in texts are those of the state as
// it is now.
//
// Get one from [Record.Edit], or from the mutators of the types used alone. The
// methods that give a field cost nothing and never fail; see the field for what its
// edits cost. Patch is O(bytes of the delta), Undo too, but for texts and lists that
// were edited, which it makes again.
//
// Not safe for concurrent use.
type Editor struct {
	state     *State
	dot       clock.Dot
	births    []clock.Dot // that the change names: a counter's run belongs to them
	seen      *clock.VersionVector
	next      *uint32 // index of the next entry; shared by the editors of one change
	own       uint32  // what next points at in a change of one record
	patch     Patch
	sequences []*seqEdit // open texts and lists, encoded at the end
	first     struct {   // room for the only one of most changes
		edit seqEdit
		list [1]*seqEdit
	}
	log []step // what was done to entries, to be taken back
	// versioned says which fields are; nil means none.
	versioned func(field string) bool
	err       error
}

// step is one insertion or removal of an entry.
type step struct {
	node  *node
	entry Entry
	added bool
	grown bool
	kept  bool // superseded, and kept: in a versioned field
	again bool // superseded by others before
}

// newEditor edits a state under the name of the change to come. seen is what
// the actor saw; nil means all that is there.
func newEditor(s *State, d clock.Dot, births []clock.Dot, seen *clock.VersionVector) *Editor {
	e := &Editor{}
	e.begin(s, d, births, seen)
	return e
}

func (e *Editor) begin(s *State, d clock.Dot, births []clock.Dot, seen *clock.VersionVector) {
	s.root.shape = Keyed
	*e = Editor{state: s, dot: d, births: births, seen: seen, patch: Patch{Shape: Keyed}}
	e.next = &e.own
}

// EditOptions are the circumstances of a change to a record.
type EditOptions struct {
	Dot    clock.Dot
	Seen   *clock.VersionVector // what the actor saw; nil means the record as it is
	Delete DeletePolicy
	Parent *Birth // taken if the change turns out to be a birth
	// Versioned says which fields keep what a write supersedes until a settle
	// mark; nil means none. A field that keeps something goes on to do so.
	Versioned func(field string) bool
	// Index, when not nil, is shared by the editors of one change over several
	// records, so that no two entries of it have one name.
	Index *uint32
}

// RecordEditor makes one change to one record: edits, then [RecordEditor.Part],
// and with the change made of it [RecordEditor.Commit]; or [Editor.Undo] instead.
// Until one of these two the record has a half change and must not be used
// otherwise.
//
// Not safe for concurrent use.
type RecordEditor struct {
	*Editor
	rec    *Record
	part   Part
	editor Editor // what Editor points at
}

// Edit begins a change to the record that lies under key. A record without a live
// birth gets one by it. O(heads and births).
func (r *Record) Edit(key string, o EditOptions) *RecordEditor {
	e := &RecordEditor{rec: r, part: Part{Key: key, Heads: newRefs(&r.State, r.heads)}}
	if planted.Is(planted.SkippedHead) && len(r.heads) > 1 {
		e.part.Heads = e.part.Heads[1:]
	}
	live := r.live(o.Delete)
	if planted.Is(planted.SingleBirth) && len(live) > 1 {
		live = live[:1]
	}
	e.part.Births = newRefs(&r.State, live)
	if len(live) == 0 {
		e.part.Birth = &Birth{}
		if o.Parent != nil {
			e.part.Birth = o.Parent
		}
		live = []clock.Dot{o.Dot}
	}
	e.Editor = &e.editor
	e.begin(&r.State, o.Dot, live, o.Seen)
	e.versioned = o.Versioned
	if o.Index != nil {
		e.next = o.Index
	}
	return e
}

// Part ends the change and gives its part, with what it supersedes. changed is
// false if nothing was altered: a change is then not to be made, unless create
// asks for a birth without fields.
func (e *RecordEditor) Part(create bool) (p Part, changed bool, err error) {
	patch, err := e.Patch()
	if err != nil {
		return Part{}, false, err
	}
	if !patch.empty() {
		e.part.Patch = patch
		e.part.Saw = sawBy(&e.rec.State, patch)
	}
	changed = !patch.empty() || (create && e.part.Birth != nil) || e.part.Delete != nil || len(e.part.Restore) > 0
	return e.part, changed, nil
}

// Delete ends the births of the record that the actor saw. Nothing is dropped:
// what others do at the same time is kept, and the policy of the collection says
// whether it is shown. It is the only thing that its change does to the record.
func (e *RecordEditor) Delete() error {
	if e.part.Birth != nil || len(e.part.Births) == 0 {
		return e.fail(nil, ErrNoRecord)
	}
	if len(e.patch.Kids) > 0 {
		return e.fail(nil, errors.New("a change that deletes the record cannot edit it too"))
	}
	seen := e.seen
	if seen == nil {
		seen = e.rec.Vector()
	}
	d := &Deletion{Seen: seen.Clone()}
	for _, b := range e.part.Births {
		if seen.Contains(b.Dot) {
			d.Births = append(d.Births, b)
		}
	}
	e.part.Delete = d
	return nil
}

// Restore takes back the deletions of the record that the actor saw: what was
// there is there again. A deletion that nobody saw yet, or a later one, counts.
func (e *RecordEditor) Restore() error {
	if len(e.patch.Kids) > 0 {
		return e.fail(nil, errors.New("a change that restores the record cannot edit it too"))
	}
	var births []clock.Dot
	for _, d := range sortedDots(e.rec.deletions) {
		if e.seen != nil && !e.seen.Contains(d) || e.rec.restoredIn(d, nil) {
			continue
		}
		e.part.Restore = append(e.part.Restore, newRefs(&e.rec.State, []clock.Dot{d})...)
		for _, b := range e.rec.deletions[d].Births {
			births = insertDot(births, b.Dot)
		}
	}
	if len(e.part.Restore) == 0 {
		return e.fail(nil, errors.New("the record is not deleted"))
	}
	e.part.Birth = nil
	e.part.Births = newRefs(&e.rec.State, births)
	return nil
}

// ErrNoRecord means that there is no record to delete.
var ErrNoRecord = errors.New("crdt: no such record")

// Commit enters the change in the record that it was made on: its dot, heads
// and meta. The patch is there already.
func (e *RecordEditor) Commit(c *Change, digest uint32) {
	r, p := e.rec, &e.part
	r.note(c.Dot, p)
	r.enter(c.Dot, 1, r.meta(c, p, digest))
}

// sawBy lists the changes whose entries a patch removes, with the digests that
// the state remembers.
func sawBy(s *State, p *Patch) []Ref {
	var dots []clock.Dot
	p.walk(func(p *Patch) {
		for _, id := range p.Remove {
			dots = append(dots, id.Dot)
		}
	})
	slices.SortFunc(dots, clock.Dot.Compare)
	return newRefs(s, slices.Compact(dots))
}

// Patch ends the change and returns its delta, or the first error.
func (e *Editor) Patch() (*Patch, error) {
	if e.err != nil {
		return nil, e.err
	}
	for _, t := range e.sequences {
		t.finish(e)
	}
	e.patch.prune()
	p := e.patch // of its own: Undo does not take it back
	return &p, nil
}

// Undo takes back all that the change did to the state. The editor must not be
// used after it.
func (e *Editor) Undo() {
	for _, t := range e.sequences {
		t.undo(e.dot.Origin)
	}
	for _, s := range slices.Backward(e.log) {
		if s.grown {
			delete(s.node.grown.raw, s.entry.ID)
		} else if s.added {
			s.node.remove(e.state, s.entry.ID)
		} else if s.again {
			s.node.unkeep(s.entry.ID, e.dot)
		} else if !s.kept || s.node.unkeep(s.entry.ID, e.dot) {
			s.node.insert(e.state, s.entry)
		}
	}
	e.sequences, e.log, e.patch = nil, nil, Patch{Shape: Keyed}
	e.err = errEnded
}

var errEnded = errors.New("the change has ended")

// Saw says that the actor saw the state up to v and nothing after. It must come
// before the first edit.
func (e *Editor) Saw(v *clock.VersionVector) {
	if len(e.patch.Kids) > 0 {
		e.fail(nil, errors.New("what the actor saw must be given before the first edit"))
		return
	}
	seen := v.Clone()
	e.seen = &seen
}

// Err returns the first error of the change.
func (e *Editor) Err() error { return e.err }

func (e *Editor) fail(path []slot, err error) error {
	if e.err == nil {
		e.err = fmt.Errorf("crdt: field %s: %w", pathString(path), err)
	}
	return e.err
}

func pathString(path []slot) string {
	s := ""
	for i, k := range path {
		if i > 0 {
			s += "/"
		}
		s += k.Name
	}
	return fmt.Sprintf("%q", s)
}

// Register is the register under a field name.
func (e *Editor) Register(name string) RegisterField {
	return RegisterField{e.field(name, TypeRegister)}
}

// Counter is the counter under a field name.
func (e *Editor) Counter(name string) CounterField { return CounterField{e.field(name, TypeCounter)} }

// Set is the set under a field name.
func (e *Editor) Set(name string) SetField { return SetField{e.field(name, TypeSet)} }

// Map is the map under a field name.
func (e *Editor) Map(name string) MapField { return MapField{e.field(name, TypeMap)} }

// Text is the text under a field name.
func (e *Editor) Text(name string) TextField { return TextField{e.field(name, TypeText)} }

// Group is the group under a field name.
func (e *Editor) Group(name string) GroupField { return GroupField{e.field(name, TypeGroup)} }

// Flag is the enable-wins flag under a field name.
func (e *Editor) Flag(name string) FlagField { return FlagField{e.field(name, TypeFlag)} }

// DisableFlag is the disable-wins flag under a field name.
func (e *Editor) DisableFlag(name string) FlagField {
	return FlagField{e.field(name, TypeDisableFlag)}
}

// RemoveSet is the remove-wins set under a field name.
func (e *Editor) RemoveSet(name string) SetField { return SetField{e.field(name, TypeRemoveSet)} }

// List is the list under a field name.
func (e *Editor) List(name string) ListField { return ListField{e.field(name, TypeList)} }

// Log is the log under a field name.
func (e *Editor) Log(name string) LogField { return LogField{e.field(name, TypeLog)} }

// Stock is the stock under a field name.
func (e *Editor) Stock(name string) StockField { return StockField{e.field(name, TypeStock)} }

// Bounded is the bounded counter under a field name.
func (e *Editor) Bounded(name string) BoundedField { return BoundedField{e.field(name, TypeBounded)} }

// Proposal is the proposal field under a field name.
func (e *Editor) Proposal(name string) ProposalField {
	return ProposalField{e.field(name, TypeProposal)}
}

func (e *Editor) field(name string, t Type) place { return place{ed: e, path: []slot{slotOf(name, t)}} }

// place is where a field lies: the keys from the root. The node and the patch
// come to be on first write.
type place struct {
	ed   *Editor
	path []slot
}

func (p place) below(k slot) place {
	return place{p.ed, append(slices.Clone(p.path), k)}
}

// look finds the node for reading; nil when it is not there.
func (p place) look() *node {
	n := &p.ed.state.root
	for _, k := range p.path {
		if n = n.kid(k); n == nil {
			return nil
		}
	}
	return n
}

// open finds or makes the node and its patch for writing.
func (p place) open() (*node, *Patch, error) {
	if p.ed.err != nil {
		return nil, nil, p.ed.err
	}
	if len(p.path) > codec.MaxDepth {
		return nil, nil, p.ed.fail(p.path[:1], &codec.LimitError{What: "nesting", Got: uint64(len(p.path)), Max: codec.MaxDepth})
	}
	n, patch := &p.ed.state.root, &p.ed.patch
	for i, k := range p.path {
		if len(k.Name) > maxNameBytes {
			return nil, nil, p.ed.fail(p.path[:1], &codec.LimitError{What: "name", Got: uint64(len(k.Name)), Max: maxNameBytes})
		}
		if k.Type != TypeElement && k.Type != TypeItem && !utf8.ValidString(k.Name) {
			return nil, nil, p.ed.fail(p.path[:i+1], errors.New("its name is not valid UTF-8"))
		}
		n = n.make(k)
		if k.shape == Entries && (len(n.kept) > 0 || p.ed.versioned != nil && p.ed.versioned(p.path[0].Name)) {
			k.shape = Versioned
		}
		patch = patch.kid(k)
	}
	return n, patch, nil
}

// add makes an entry of this change.
func (e *Editor) add(n *node, p *Patch, value []byte) {
	x := Entry{ID: e.name(), Value: value}
	p.Add = append(p.Add, x)
	n.insert(e.state, x)
	e.log = append(e.log, step{node: n, entry: x, added: true})
}

// sees reports whether the actor saw an entry, or made it by this change.
func (e *Editor) sees(x Entry) bool {
	return x.ID.Dot == e.dot || e.seen == nil || e.seen.Contains(x.ID.Dot) || planted.Is(planted.HeadsAsSupersedes)
}

// grow makes an entry of a grown shape that is kept as it is.
func (e *Editor) grow(n *node, p *Patch, value []byte) EntryID {
	x := GrownEntry{ID: e.name(), Value: value}
	p.Grow = append(p.Grow, x)
	n.grown.raw[x.ID] = x
	e.log = append(e.log, step{node: n, entry: Entry{ID: x.ID}, grown: true, added: true})
	return x.ID
}

// name is the next entry name of the change.
func (e *Editor) name() EntryID {
	if *e.next > maxEntries {
		e.fail(nil, &codec.LimitError{What: "entries", Got: uint64(*e.next), Max: maxEntries})
	}
	*e.next++
	return EntryID{e.dot, *e.next - 1}
}

// supersede removes the entries that the actor saw and that match, or sets them
// aside where the field is versioned; those of this very change leave no trace.
func (e *Editor) supersede(n *node, p *Patch, match func(Entry) bool) {
	if p.Shape == Versioned {
		e.supersedeKept(n, p, match)
	}
	for _, x := range slices.Clone(n.entries) {
		own := x.ID.Dot == e.dot
		if !e.sees(x) || match != nil && !match(x) {
			continue
		}
		keep := p.Shape == Versioned && !own
		if keep {
			n.keep(x, e.dot)
		}
		n.remove(e.state, x.ID)
		e.log = append(e.log, step{node: n, entry: x, kept: keep})
		if own {
			p.Add = slices.DeleteFunc(p.Add, func(y Entry) bool { return y.ID == x.ID })
		} else {
			p.Remove = append(p.Remove, x.ID)
		}
	}
}

// supersedeKept also supersedes what the actor saw as standing and what others
// have superseded since: should a rule hold their writes back, that value is not
// to return in the face of this one.
func (e *Editor) supersedeKept(n *node, p *Patch, match func(Entry) bool) {
	if e.seen == nil {
		return
	}
	for _, k := range slices.Clone(n.kept) {
		stood := !slices.ContainsFunc(k.by, func(d clock.Dot) bool { return d == e.dot || e.seen.Contains(d) })
		if stood && e.sees(k.Entry) && (match == nil || match(k.Entry)) {
			n.keep(k.Entry, e.dot)
			e.log = append(e.log, step{node: n, entry: k.Entry, again: true})
			p.Remove = append(p.Remove, k.ID)
		}
	}
}
