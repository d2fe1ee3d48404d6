package rga

import (
	"cmp"
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
)

// ReadText reads what Write of a [Text] wrote.
//
// O(bytes + spans log spans), some 200 ns a span (BenchmarkLoad). What is
// allocated is bounded by a multiple of the bytes, the lengths of dropped runs
// not counting.
//
// It refuses what no Write could have written, as far as the bytes show it:
// see the package for what they do not show. Errors are recorded in r; the
// text is nil then.
func ReadText(r *codec.Reader) *Text {
	var t Text
	t.sequence = newSequence(false)
	if !t.read(r) {
		return nil
	}
	return &t
}

// ReadList reads what Write of a [List] wrote; see [ReadText].
func ReadList(r *codec.Reader) *List {
	var l List
	l.sequence = newSequence(true)
	if !l.read(r) {
		return nil
	}
	return &l
}

// ReadTextBody reads what WriteBody of a [Text] wrote; see [ReadText].
func ReadTextBody(r *codec.Reader, table *clock.Table) *Text {
	var t Text
	t.sequence = newSequence(false)
	if !t.readBody(r, table) {
		return nil
	}
	return &t
}

// ReadListBody reads what WriteBody of a [List] wrote; see [ReadText].
func ReadListBody(r *codec.Reader, table *clock.Table) *List {
	var l List
	l.sequence = newSequence(true)
	if !l.readBody(r, table) {
		return nil
	}
	return &l
}

func (s *sequence) read(r *codec.Reader) bool {
	if v := r.Byte(); v != storedVersion {
		r.Fail("sequence", &codec.VersionError{What: "sequence", Got: uint64(v), Max: storedVersion})
		return false
	}
	t := clock.ReadTable(r, MaxOrigins)
	if !s.readBody(r, t) {
		return false
	}
	t.CheckUse(r)
	return r.Err() == nil
}

func (s *sequence) readBody(r *codec.Reader, t *clock.Table) bool {
	d := decoder{s: s, r: r}
	d.readOrigins(t)
	d.readRuns()
	d.readDeletions()
	if r.Err() != nil {
		return false
	}
	d.cut()
	d.readContent()
	if r.Err() != nil {
		return false
	}
	d.build()
	return true
}

// decoder reads a stored form. Every step fails in r if something is wrong,
// and does nothing if r has failed.
type decoder struct {
	s         *sequence
	r         *codec.Reader
	deletions []int // runs of deletions, by origin

	runs    []run
	rights  []int32 // the run whose first element is Right, or -1
	byKey   []int32 // runs in the order of their keys
	deleted targets
	pieces  []piece // in the order of the sequence
	byPiece []int32 // pieces in the order of their keys
}

func (d *decoder) fail(what string, err error) { d.r.Fail(what, err) }

func (d *decoder) readOrigins(t *clock.Table) {
	n := d.r.Count("origins of a sequence", MaxOrigins, 2)
	d.deletions = make([]int, n)
	for i := range n {
		o := clock.ReadOrigin(d.r, t)
		d.deletions[i] = int(d.r.UvarintMax("runs of deletions", uint64(d.r.Remaining())))
		if d.r.Err() != nil {
			return
		}
		if o.IsZero() {
			d.fail("origins of a sequence", codec.ErrMalformed)
			return
		}
		if i > 0 && d.s.origins[i-1].id.Compare(o) >= 0 {
			d.fail("origins of a sequence", codec.ErrNotCanonical)
			return
		}
		d.s.intern(o)
	}
}

// column returns a reader of the next column.
func (d *decoder) column(what string) *codec.Reader {
	return codec.NewReader(d.r.Blob(what, d.r.Remaining()))
}

func (d *decoder) readRuns() {
	n := d.r.Count("runs", MaxElements, 1)
	flags := d.r.Raw(n)
	c := runColumns{
		origins: d.column("origins of runs"),
		numbers: d.column("numbers of runs"),
		lengths: d.column("lengths of runs"),
		places:  d.column("places of runs"),
	}
	if d.r.Err() != nil {
		return
	}
	d.runs = make([]run, n)
	d.rights = make([]int32, n)
	c.expected = make([]uint32, len(d.s.origins))
	for i := range c.expected {
		c.expected[i] = 1
	}
	total := uint64(0)
	for i, f := range flags {
		if err := d.readRun(&c, i, f); err != nil {
			d.fail("runs", err)
			return
		}
		if total += uint64(d.runs[i].n); total > MaxElements {
			d.fail("elements", &codec.LimitError{What: "elements", Got: total, Max: MaxElements})
			return
		}
	}
	for _, column := range []*codec.Reader{c.origins, c.numbers, c.lengths, c.places} {
		d.fail("columns of runs", column.Close())
	}
	if d.r.Err() != nil {
		return
	}
	for i, right := range d.rights {
		d.runs[i].right = none
		if right >= 0 {
			d.runs[i].right = d.runs[right].first
		}
	}
	d.sortRuns()
}

// runColumns are the columns of runs beside the flags.
type runColumns struct {
	origins, numbers, lengths, places *codec.Reader
	expected                          []uint32 // by origin, the number behind its last run
}

// readRun reads run i, whose flags are f. An error of a column is found when
// the column is closed.
func (d *decoder) readRun(c *runColumns, i int, f byte) error {
	r := &d.runs[i]
	same := i - 1 // the run whose Right may be this one's too
	leftKind := f >> leftShift & 3
	switch leftKind {
	case leftBefore:
		if i == 0 {
			return codec.ErrMalformed
		}
		r.left = d.runs[same].last()
	case leftNone:
		r.left = none
	case leftEarlier:
		back := c.places.Uvarint()
		if i < 2 || back > uint64(i-2) {
			return codec.ErrMalformed
		}
		same -= 1 + int(back)
		r.left = d.runs[same].last()
	case leftInside:
		back, behind := c.places.Uvarint(), c.places.Uvarint()
		if i < 1 || back > uint64(i-1) {
			return codec.ErrMalformed
		}
		same -= int(back)
		if n := d.runs[same].n; n < 2 || behind > uint64(n-2) {
			return codec.ErrMalformed
		}
		r.left = d.runs[same].last() - 1 - key(behind)
	}
	if r.n = uint32(f >> sizeShift); r.n == 0 {
		r.n = uint32(c.lengths.UvarintMax("length of a run", MaxSeq-maxInlineSize-1)) + maxInlineSize + 1
	}
	if err := d.readFirst(c, r, f); err != nil {
		return err
	}
	right := int32(-1)
	switch f >> rightShift & 3 {
	case rightSame:
		if same < 0 {
			return codec.ErrMalformed
		}
		right = d.rights[same]
		if right >= 0 && int(right) <= i {
			return codec.ErrMalformed
		}
	case rightNext:
		right = int32(i + 1)
	case rightLater:
		ahead := c.places.UvarintMax("Right of a run", uint64(len(d.runs)))
		right = int32(i + 2 + int(ahead))
	}
	if int(right) >= len(d.runs) {
		return codec.ErrMalformed
	}
	d.rights[i] = right
	if f>>rightShift&3 != rightSame && same >= 0 && right == d.rights[same] {
		return codec.ErrNotCanonical
	}
	if f&runContinues != 0 && leftKind == leftBefore && right == d.rights[same] {
		return codec.ErrNotCanonical // it is part of the run before
	}
	return nil
}

// readFirst reads what the first element of run r is.
func (d *decoder) readFirst(c *runColumns, r *run, f byte) error {
	inside := f>>leftShift&3 == leftInside
	if f&runContinues != 0 {
		if r.left == none || inside {
			return codec.ErrMalformed
		}
		r.first = r.left + 1
	} else {
		o := uint64(0)
		if len(d.s.origins) > 1 {
			o = c.origins.Uvarint()
		}
		if o >= uint64(len(d.s.origins)) {
			return codec.ErrMalformed
		}
		seq := int64(c.expected[o]) + c.numbers.Varint()
		if seq < 1 || seq > MaxSeq {
			return codec.ErrMalformed
		}
		r.first = keyOf(uint32(o), uint32(seq))
		if r.left != none && r.first == r.left+1 && !inside {
			return codec.ErrNotCanonical
		}
	}
	behind := uint64(uint32(r.first)) + uint64(r.n)
	if behind > MaxSeq+1 {
		return codec.ErrMalformed
	}
	c.expected[r.first>>32] = uint32(behind)
	return nil
}

// sortRuns orders the runs by key and checks that no number comes twice.
func (d *decoder) sortRuns() {
	d.byKey = make([]int32, len(d.runs))
	for i := range d.byKey {
		d.byKey[i] = int32(i)
	}
	slices.SortFunc(d.byKey, func(a, b int32) int { return cmp.Compare(d.runs[a].first, d.runs[b].first) })
	for i := 1; i < len(d.byKey); i++ {
		if d.runs[d.byKey[i-1]].last() >= d.runs[d.byKey[i]].first {
			d.fail("numbers of runs", codec.ErrMalformed)
			return
		}
	}
}

// readDeletions reads the deletions, which take the numbers that the runs
// leave, and what they delete.
func (d *decoder) readDeletions() {
	deletions, targets := d.column("deletions"), d.column("targets of deletions")
	if d.r.Err() != nil {
		return
	}
	runs := d.byKey
	for i, o := range d.s.origins {
		behind := uint32(1) // the number behind all that is known
		take := func() {
			for len(runs) > 0 && d.runs[runs[0]].first == keyOf(uint32(i), behind) {
				behind += d.runs[runs[0]].n
				runs = runs[1:]
			}
		}
		take()
		for range d.deletions[i] {
			r, err := d.readDeletion(uint32(i), behind, deletions, targets)
			if err == nil && len(runs) > 0 && d.runs[runs[0]].first < keyOf(uint32(i), behind+r.size()) {
				err = codec.ErrMalformed // it would take a number of the next run
			}
			if n := len(o.log); err == nil && n > 0 {
				last := o.log[n-1]
				if last.seq+last.size() == r.seq && last.take(&r) > 0 {
					err = codec.ErrNotCanonical
				}
			}
			if err != nil {
				d.fail("deletions", err)
				return
			}
			o.log = append(o.log, r)
			behind += r.size()
			take()
		}
		o.last = behind - 1
		if len(runs) > 0 && runs != nil && d.runs[runs[0]].first>>32 == key(i) || o.last == 0 {
			d.fail("numbers of runs", codec.ErrMalformed) // one is missing
			return
		}
	}
	d.fail("deletions", deletions.Close())
	d.fail("targets of deletions", targets.Close())
	d.checkTargets()
}

// readDeletion reads a run of deletions of origin o that starts with number
// seq.
func (d *decoder) readDeletion(o, seq uint32, deletions, targets *codec.Reader) (deleteRun, error) {
	v := deletions.Uvarint()
	n := v >> 2
	if n < 1 || n > uint64(MaxSeq+1-seq) {
		return deleteRun{}, codec.ErrMalformed
	}
	r := deleteRun{seq: seq, n: uint32(n)}
	to, first := uint64(o), int64(0)
	if v&1 == 0 {
		first = int64(seq) - targets.Varint()
	} else {
		to = targets.UvarintMax("origin of a target", uint64(len(d.s.origins)-1))
		first = int64(targets.UvarintMax("number of a target", MaxSeq))
		if to == uint64(o) {
			return r, codec.ErrNotCanonical
		}
	}
	if v&2 != 0 {
		if n == 1 {
			return r, codec.ErrNotCanonical
		}
		r.n |= reverseBit
		first -= int64(n) - 1
	}
	if first < 1 || first+int64(n)-1 > MaxSeq {
		return r, codec.ErrMalformed
	}
	r.target = keyOf(uint32(to), uint32(first))
	return r, nil
}

// checkTargets checks that all that is deleted are elements, and notes it.
func (d *decoder) checkTargets() {
	if d.r.Err() != nil {
		return
	}
	d.deleted = d.s.targets()
	i := 0
	for _, t := range d.deleted {
		for k := t.first; k < t.behind; {
			for i < len(d.byKey) && d.runs[d.byKey[i]].last() < k {
				i++
			}
			if i == len(d.byKey) || d.runs[d.byKey[i]].first > k {
				d.fail("targets of deletions", codec.ErrMalformed)
				return
			}
			k = d.runs[d.byKey[i]].last() + 1
		}
	}
}
