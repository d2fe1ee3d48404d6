package crdt

import (
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
)

// Change is one transaction of one replica: on one record, or on several of
// one scope as an atomic group. It is the unit that is stored, sent, applied or
// refused.
//
// Heads say what the author's replica had applied, and gate delivery. The
// entries that a part's patch removes say what the actor saw, and decide
// concurrency. Neither is derived from the other.
//
// Make one from the part of a [RecordEditor], or read it by [DecodeChange]. It
// must not be modified once it was encoded or applied.
type Change struct {
	Dot    clock.Dot
	Stamp  clock.Stamp
	Author Author
	Parts  []Part // at least one, sorted by key
	// Floor names the last settle mark that the author's replica had applied in
	// the scope; zero when there was none. The change waits for it.
	Floor Ref
	// Extension is what a later version put here: kept and forwarded byte for
	// byte, part of the hash, not read.
	Extension []byte
}

// Ref names a change together with a short digest of it ([Hash.Digest]), so that
// two contents under one dot are noticed by whoever meets the second. Of 2^32
// forged contents one has the same digest: the hash chain tells these apart.
type Ref struct {
	Dot    clock.Dot
	Digest uint32
}

// Part is what a change does to one record. Every list of refs is sorted by dot.
type Part struct {
	Key    string
	Birth  *Birth    // the change brings the record into existence
	Births []Ref     // live births that the author's replica had applied
	Heads  []Ref     // sorted by dot
	Saw    []Ref     // the changes whose entries the patch removes; sorted
	Delete *Deletion // the change deletes births of the record
	// Restore names deletions that the change takes back. Nothing is removed:
	// a deletion counts again if a later one names the same birth.
	Restore []Ref
	Patch   *Patch // keyed; nil when the part alters no field
}

// Birth says under which parent a record came into existence. The zero value
// has no parent.
//
// The births of the parent are of the parent's scope, which may be another, where
// the same dots name other changes: they stand apart from all other references.
type Birth struct {
	ParentKey    string // collection/key; alone where the author did not have the parent
	ParentBirths []Ref  // sorted by dot
}

// Deletion names the births that it ends and what the author's replica had
// applied of the record.
type Deletion struct {
	Births []Ref
	Seen   clock.VersionVector
}

const changeVersion = 1

const (
	flagIntent = 1 << iota
	flagPolicy
	flagExtension
	flagFloor
	flagSeniority
)

const (
	partBirth = 1 << iota
	partParent
	partDelete
	partRestore
	partPatch
)

// table collects the dots that the change names, each with its digest.
func (c *Change) table() *dotTable {
	count := 0
	for i := range c.Parts {
		for _, named := range c.Parts[i].references() {
			count += len(named)
		}
	}
	refs := make([]Ref, 0, count)
	for i := range c.Parts {
		p := &c.Parts[i]
		for _, named := range p.references() {
			refs = append(refs, named...)
		}
	}
	slices.SortFunc(refs, func(a, b Ref) int { return a.Dot.Compare(b.Dot) })
	refs = slices.CompactFunc(refs, func(a, b Ref) bool { return a.Dot == b.Dot })
	t := &dotTable{dots: make([]clock.Dot, 0, len(refs)), digests: make([]uint32, 0, len(refs))}
	for _, r := range refs {
		t.dots = append(t.dots, r.Dot)
		t.digests = append(t.digests, r.Digest)
	}
	return t
}

// Write appends the change; the origins that it names go through t. With a table
// of its own written in front this is the canonical form, see [Change.Encode].
// O(bytes). A change beyond the limits is written and can be read by nobody, see
// [Change.Check].
func (c *Change) Write(w *codec.Writer, t *clock.Table) {
	w.Byte(changeVersion)
	var flags byte
	if !c.Author.Intent.IsZero() {
		flags |= flagIntent
	}
	if c.Author.Policy != 0 {
		flags |= flagPolicy
	}
	if len(c.Extension) > 0 {
		flags |= flagExtension
	}
	if !c.Floor.Dot.IsZero() {
		flags |= flagFloor
	}
	if c.Author.Seniority != 0 {
		flags |= flagSeniority
	}
	w.Byte(flags)
	clock.WriteDot(w, t, c.Dot)
	w.Uint64(uint64(c.Stamp))
	w.String(c.Author.Actor)
	w.String(c.Author.Role)
	if flags&flagIntent != 0 {
		w.String(c.Author.Intent.Action)
		w.String(c.Author.Intent.Key)
	}
	if flags&flagPolicy != 0 {
		w.Uvarint(c.Author.Policy)
	}
	if flags&flagSeniority != 0 {
		w.Uvarint(c.Author.Seniority)
	}
	if flags&flagFloor != 0 {
		clock.WriteDot(w, t, c.Floor.Dot)
		w.Uint32(c.Floor.Digest)
	}
	dots := c.table()
	w.Uvarint(uint64(len(dots.dots)))
	for i, d := range dots.dots {
		clock.WriteDot(w, t, d)
		w.Uint32(dots.digests[i])
	}
	w.Uvarint(uint64(len(c.Parts)))
	for i := range c.Parts {
		c.Parts[i].write(w, t, dots)
	}
	if flags&flagExtension != 0 {
		w.Blob(c.Extension)
	}
}

func (p *Part) write(w *codec.Writer, t *clock.Table, dots *dotTable) {
	var flags byte
	if p.Birth != nil {
		flags |= partBirth
		if p.Birth.ParentKey != "" || len(p.Birth.ParentBirths) > 0 {
			flags |= partParent
		}
	}
	if p.Delete != nil {
		flags |= partDelete
	}
	if len(p.Restore) > 0 {
		flags |= partRestore
	}
	if p.Patch != nil {
		flags |= partPatch
	}
	w.Byte(flags)
	w.String(p.Key)
	writeRefs(w, dots, p.Births)
	writeRefs(w, dots, p.Heads)
	if flags&partParent != 0 {
		w.String(p.Birth.ParentKey)
		writeStoredRefs(w, t, p.Birth.ParentBirths)
	}
	if flags&partDelete != 0 {
		writeRefs(w, dots, p.Delete.Births)
		p.Delete.Seen.Write(w, t)
	}
	if flags&partRestore != 0 {
		writeRefs(w, dots, p.Restore)
	}
	if flags&partPatch != 0 {
		p.Patch.write(w, t, dots)
	}
}

func writeRefs(w *codec.Writer, dots *dotTable, refs []Ref) {
	w.Uvarint(uint64(len(refs)))
	for _, r := range refs {
		w.Uvarint(dots.number(r.Dot))
	}
}

func readRefs(r *codec.Reader, dots *dotTable) []Ref {
	n := r.Count("references", maxRefs, 1)
	if n == 0 {
		return nil
	}
	refs := make([]Ref, 0, n)
	last := -1
	for range n {
		i := int(r.UvarintMax("reference", uint64(max(len(dots.dots), 1)-1)))
		if r.Err() != nil || len(dots.dots) == 0 {
			r.Fail("reference", codec.ErrMalformed)
			return nil
		}
		if i <= last {
			r.Fail("reference", codec.ErrNotCanonical)
			return nil
		}
		last = i
		dots.used[i] = true
		refs = append(refs, Ref{dots.dots[i], dots.digests[i]})
	}
	return refs
}

// ReadChange reads what [Change.Write] wrote. It shares no memory with the input.
// O(bytes), and what is allocated is bounded by a multiple of them.
//
// Errors are recorded in r, and wrap one of [codec]. A shape of a later version
// gives one that wraps [ErrUnknownShape]; the change returned beside it has its
// dot, stamp and author, and the parts before the unknown one.
func ReadChange(r *codec.Reader, t *clock.Table) *Change {
	c := &Change{}
	if v := r.Byte(); v != changeVersion && r.Err() == nil {
		r.Fail("change", &codec.VersionError{What: "change", Got: uint64(v), Max: changeVersion})
	}
	flags := r.Byte()
	if flags&^(flagIntent|flagPolicy|flagExtension|flagFloor|flagSeniority) != 0 {
		r.Fail("change flags", codec.ErrMalformed)
	}
	c.Dot = clock.ReadDot(r, t)
	c.Stamp = clock.Stamp(r.Uint64())
	c.Author.Actor = r.String("actor", maxActorBytes)
	c.Author.Role = r.String("role", maxActorBytes)
	if flags&flagIntent != 0 {
		c.Author.Intent = Intent{Action: r.String("intent", maxActorBytes), Key: r.String("intent", MaxKeyBytes)}
		if c.Author.Intent.IsZero() {
			r.Fail("intent", codec.ErrNotCanonical)
		}
	}
	if flags&flagPolicy != 0 {
		if c.Author.Policy = r.Uvarint(); c.Author.Policy == 0 {
			r.Fail("policy", codec.ErrNotCanonical)
		}
	}
	if flags&flagSeniority != 0 {
		if c.Author.Seniority = r.Uvarint(); c.Author.Seniority == 0 {
			r.Fail("seniority", codec.ErrNotCanonical)
		}
	}
	if flags&flagFloor != 0 {
		c.Floor = Ref{clock.ReadDot(r, t), r.Uint32()}
	}
	dots := readDotTable(r, t)
	if i, named := slices.BinarySearchFunc(dots.dots, c.Floor.Dot, clock.Dot.Compare); named && dots.digests[i] != c.Floor.Digest ||
		c.Floor.Dot == c.Dot {
		r.Fail("floor", codec.ErrMalformed) // two contents of one change, or itself
	}
	if slices.Contains(dots.dots, c.Dot) {
		r.Fail("references", codec.ErrMalformed) // a change cannot have seen itself
	}
	n := r.Count("parts", MaxParts, 4)
	if n == 0 {
		r.Fail("parts", codec.ErrMalformed)
	}
	var indexes []uint32
	for i := 0; i < n && r.Err() == nil; i++ {
		p := readPart(r, c.Dot, t, dots, &indexes)
		if i > 0 && c.Parts[i-1].Key >= p.Key {
			r.Fail("parts", codec.ErrNotCanonical)
		}
		if r.Err() == nil {
			c.Parts = append(c.Parts, p)
		}
	}
	slices.Sort(indexes)
	for i := 1; i < len(indexes); i++ {
		if indexes[i] == indexes[i-1] {
			r.Fail("entry index", codec.ErrMalformed)
		}
	}
	if slices.Contains(dots.used, false) {
		r.Fail("references", codec.ErrNotCanonical)
	}
	if flags&flagExtension != 0 {
		c.Extension = slices.Clone(r.Blob("extension", maxExtension))
		if len(c.Extension) == 0 {
			r.Fail("extension", codec.ErrNotCanonical)
		}
	}
	return c
}

// readParentBirths reads references to changes of the parent's scope.
func readParentBirths(r *codec.Reader, t *clock.Table) []Ref {
	refs := readStoredRefs(r, t)
	for i := 1; i < len(refs); i++ {
		if refs[i-1].Dot.Compare(refs[i].Dot) >= 0 {
			r.Fail("parent", codec.ErrNotCanonical)
		}
	}
	return refs
}

func readDotTable(r *codec.Reader, t *clock.Table) *dotTable {
	n := r.Count("references", maxRefs, 6)
	dots := &dotTable{
		dots:    make([]clock.Dot, 0, n),
		digests: make([]uint32, 0, n),
		used:    make([]bool, n),
	}
	for i := range n {
		d := clock.ReadDot(r, t)
		if i > 0 && dots.dots[i-1].Compare(d) >= 0 {
			r.Fail("references", codec.ErrNotCanonical)
		}
		dots.dots = append(dots.dots, d)
		dots.digests = append(dots.digests, r.Uint32())
	}
	return dots
}

func readPart(r *codec.Reader, dot clock.Dot, t *clock.Table, dots *dotTable, indexes *[]uint32) Part {
	var p Part
	flags := r.Byte()
	if flags&^(partBirth|partParent|partDelete|partRestore|partPatch) != 0 || flags&(partBirth|partParent) == partParent {
		r.Fail("part flags", codec.ErrMalformed)
	}
	p.Key = r.String("key", MaxKeyBytes)
	p.Births = readRefs(r, dots)
	p.Heads = readRefs(r, dots)
	if flags&partBirth != 0 {
		p.Birth = &Birth{}
	}
	if flags&partParent != 0 && p.Birth != nil {
		p.Birth.ParentKey = r.String("parent", MaxKeyBytes)
		p.Birth.ParentBirths = readParentBirths(r, t)
		if p.Birth.ParentKey == "" && len(p.Birth.ParentBirths) == 0 {
			r.Fail("parent", codec.ErrNotCanonical)
		}
	}
	if flags&partDelete != 0 {
		p.Delete = &Deletion{Births: readRefs(r, dots), Seen: clock.ReadVersionVector(r, t)}
	}
	if flags&partRestore != 0 {
		if p.Restore = readRefs(r, dots); len(p.Restore) == 0 {
			r.Fail("restore", codec.ErrNotCanonical)
		}
	}
	if flags&partPatch != 0 && r.Err() == nil {
		p.Patch = readPatch(r, dot, t, dots, indexes)
		if r.Err() == nil && len(p.Patch.Kids) == 0 {
			r.Fail("patch", codec.ErrNotCanonical)
		}
		if r.Err() == nil {
			r.Fail("patch", p.Patch.checkNesting(atTop))
		}
		p.Saw = saw(p.Patch, dots)
	}
	return p
}

// saw lists the changes whose entries a patch removes.
func saw(p *Patch, dots *dotTable) (refs []Ref) {
	p.walk(func(p *Patch) {
		for _, id := range p.Remove {
			if i, found := slices.BinarySearchFunc(dots.dots, id.Dot, clock.Dot.Compare); found {
				refs = append(refs, Ref{id.Dot, dots.digests[i]})
			}
		}
	})
	slices.SortFunc(refs, func(a, b Ref) int { return a.Dot.Compare(b.Dot) })
	return slices.Compact(refs)
}

// Encode is the canonical form of the change by itself: a table of the origins
// that it names in order of first use, then the change. Equal changes have
// equal encodings; the hash chain is over them. O(bytes).
func (c *Change) Encode() []byte {
	var t clock.Table
	body := codec.NewWriter(make([]byte, 0, 192))
	c.Write(body, &t)
	w := codec.NewWriter(make([]byte, 0, body.Len()+32))
	t.Write(w)
	w.Raw(body.Bytes())
	return w.Bytes()
}

// DecodeChange reads what [Change.Encode] wrote, and nothing else: bytes that
// it accepts encode to themselves. Errors, cost and what stands beside an error
// are those of [ReadChange].
func DecodeChange(b []byte) (*Change, error) {
	r := codec.NewReader(b)
	t := clock.ReadTable(r, MaxOrigins)
	c := ReadChange(r, t)
	t.CheckUse(r)
	if err := r.Close(); err != nil {
		return c, fmt.Errorf("crdt: decode change: %w", err)
	}
	return c, nil
}

// Hash is a SHA-256 cut to 16 bytes: of a change's canonical form, of a state's
// normal form, or of a chain of changes.
type Hash [16]byte

// HashOf hashes an encoding, mostly the canonical form of a change. O(bytes).
func HashOf(encoded []byte) (h Hash) {
	s := sha256.Sum256(encoded)
	copy(h[:], s[:])
	return h
}

// Digest is the short form that references carry: the first four bytes, most
// significant first.
func (h Hash) Digest() uint32 {
	return uint32(h[0])<<24 | uint32(h[1])<<16 | uint32(h[2])<<8 | uint32(h[3])
}

// ChainStart is the digest before an origin's first change in a scope. It binds
// the chain to both.
func ChainStart(scope string, o clock.Origin) Hash {
	w := codec.NewWriter(nil)
	w.String("concord chain")
	w.String(scope)
	w.Raw(o.Replica[:])
	w.Uint64(o.Incarnation)
	return HashOf(w.Bytes())
}

// Chain is the digest of an origin's history in a scope up to a change, from the
// digest before it and the change's hash.
func Chain(before, change Hash) Hash {
	var b [32]byte
	copy(b[:16], before[:])
	copy(b[16:], change[:])
	return HashOf(b[:])
}

// newRefs pairs dots with the digests that a record remembers.
func newRefs(s *State, dots []clock.Dot) []Ref {
	if len(dots) == 0 {
		return nil
	}
	refs := make([]Ref, 0, len(dots))
	for _, d := range dots {
		ref := Ref{Dot: d}
		if m, ok := s.metas.peek(d); ok {
			ref.Digest = m.digest
		}
		refs = append(refs, ref)
	}
	return refs
}

// Dots lists the changes that refs name, in their order; nil for none.
func Dots(refs []Ref) []clock.Dot {
	if len(refs) == 0 {
		return nil
	}
	ds := make([]clock.Dot, len(refs))
	for i, r := range refs {
		ds[i] = r.Dot
	}
	return ds
}
