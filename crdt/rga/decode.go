package rga

import (
	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
)

// ReadText reads what Write of a [Text] wrote.
//
// O(bytes + spans), and for each deletion O(log spans); some 300 ns a span
// (BenchmarkLoad). What is allocated is bounded by a multiple of the bytes that
// remain, whatever they announce.
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
	d.readHistory()
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
	lefts   []leftRef
	rights  []int32   // by run, the run whose first element is its Right, or -1
	chains  [][]int32 // by origin, the runs that start its chains
	follows []int32   // by run, the one that goes on from it, or 0
	start   []uint32  // by run, the place of its first element in the sequence
	byKey   []keyed   // runs in the order of their first elements
	deleted targets

	pieces  []piece // in the order of the sequence
	pieceOf []int32 // by run, its first piece; one more at the end
	alive   *contents
}

// leftRef says what the Left of a run is: an element of an earlier run, so far
// from its last one. The run is -1 if there is none.
type leftRef struct {
	run    int32
	behind uint32
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
		lengths: d.column("lengths of runs"),
		places:  d.column("places of runs"),
	}
	if d.r.Err() != nil {
		return
	}
	d.runs = make([]run, n)
	d.lefts = make([]leftRef, n)
	d.rights = make([]int32, n)
	d.follows = make([]int32, n)
	d.start = make([]uint32, n)
	d.chains = make([][]int32, len(d.s.origins))
	total := uint64(0)
	for i, f := range flags {
		d.start[i] = uint32(total)
		if err := d.readRun(&c, i, f); err != nil {
			d.fail("runs", err)
			return
		}
		if total += uint64(d.runs[i].n); total > MaxElements {
			d.fail("elements", &codec.LimitError{What: "elements", Got: total, Max: MaxElements})
			return
		}
	}
	for _, column := range []*codec.Reader{c.origins, c.lengths, c.places} {
		d.fail("columns of runs", column.Close())
	}
}

// runColumns are the columns of runs beside the flags.
type runColumns struct{ origins, lengths, places *codec.Reader }

// readRun reads run i, whose flags are f. An error of a column is found when
// the column is closed.
func (d *decoder) readRun(c *runColumns, i int, f byte) error {
	r := &d.runs[i]
	left, same := leftRef{run: int32(i - 1)}, i-1 // same is the run whose Right this one may have too
	leftKind := f >> leftShift & 3
	switch leftKind {
	case leftBefore:
	case leftNone:
		left.run = -1
	case leftEarlier:
		left.run -= 1 + int32(c.places.UvarintMax("Left of a run", uint64(i)))
		same = int(left.run)
	case leftInside:
		left.run -= int32(c.places.UvarintMax("Left of a run", uint64(i)))
		behind := c.places.Uvarint()
		if left.run < 0 || d.runs[left.run].n < 2 || behind > uint64(d.runs[left.run].n-2) {
			return codec.ErrMalformed
		}
		left.behind = uint32(behind) + 1
		same = int(left.run)
	}
	if left.run < 0 && leftKind != leftNone {
		return codec.ErrMalformed
	}
	d.lefts[i] = left
	if r.n = uint32(f >> sizeShift); r.n == 0 {
		r.n = uint32(c.lengths.UvarintMax("length of a run", MaxSeq-maxInlineSize-1)) + maxInlineSize + 1
	}
	right := -1
	switch f >> rightShift & 3 {
	case rightSame:
		if same < 0 {
			return codec.ErrMalformed
		}
		if right = int(d.rights[same]); right >= 0 && right <= i {
			return codec.ErrMalformed
		}
	case rightNext:
		right = i + 1
	case rightLater:
		right = i + 2 + int(c.places.UvarintMax("Right of a run", uint64(len(d.runs))))
	}
	if right >= len(d.runs) {
		return codec.ErrMalformed
	}
	d.rights[i] = int32(right)
	if f>>rightShift&3 != rightSame && same >= 0 && right == int(d.rights[same]) {
		return codec.ErrNotCanonical
	}
	return d.readChain(c, i, f)
}

// readChain reads to which chain run i belongs.
func (d *decoder) readChain(c *runColumns, i int, f byte) error {
	if f&runContinues == 0 {
		o := uint64(0)
		if len(d.s.origins) > 1 {
			o = c.origins.Uvarint()
		}
		if o >= uint64(len(d.s.origins)) {
			return codec.ErrMalformed
		}
		d.chains[o] = append(d.chains[o], int32(i))
		return nil
	}
	left := d.lefts[i]
	switch {
	case left.run < 0 || left.behind > 0 || d.follows[left.run] != 0:
		return codec.ErrMalformed
	case int(left.run) == i-1 && d.rights[i] == d.rights[i-1]:
		return codec.ErrNotCanonical // it is part of the run before
	}
	d.follows[left.run] = int32(i)
	return nil
}

// readHistory reads in which order each origin inserted and deleted, which
// gives all elements their keys.
func (d *decoder) readHistory() {
	order, between := d.column("order of chains"), d.column("deletions between chains")
	deletions, targets := d.column("deletions"), d.column("targets of deletions")
	if d.r.Err() != nil {
		return
	}
	d.byKey = make([]keyed, 0, len(d.runs))
	for i := range d.s.origins {
		if err := d.readNumbers(uint32(i), order, between, deletions); err != nil {
			d.fail("history", err)
			return
		}
	}
	for _, column := range []*codec.Reader{order, between, deletions} {
		d.fail("history", column.Close())
	}
	if d.r.Err() != nil {
		return
	}
	for i := range d.runs {
		r := &d.runs[i]
		r.left, r.right = none, none
		if left := d.lefts[i]; left.run >= 0 {
			r.left = d.runs[left.run].last() - key(left.behind)
			if left.behind == 0 && r.continues() && d.follows[left.run] != int32(i) {
				d.fail("runs", codec.ErrNotCanonical)
				return
			}
		}
		if right := d.rights[i]; right >= 0 {
			r.right = d.runs[right].first
		}
	}
	d.readTargets(targets)
	d.checkTargets()
}

// readNumbers reads the order of the chains of an origin and of its deletions,
// without their targets, and numbers the elements.
func (d *decoder) readNumbers(o uint32, order, between, deletions *codec.Reader) error {
	org, chains := d.s.origins[o], d.chains[o]
	seq := uint64(1)
	deletes := d.deletions[o]
	org.log = make(deleteLog, 0, min(deletes, deletions.Remaining()))
	readDeletes := func(n int) error {
		for ; n > 0; n-- {
			v := deletions.Uvarint()
			size := v >> 1
			if size < 1 || size > MaxSeq+1-seq {
				return codec.ErrMalformed
			}
			if v == 1<<1|1 {
				return codec.ErrNotCanonical // one is not reverse
			}
			org.log = append(org.log, deleteRun{seq: uint32(seq), n: uint32(size) | uint32(v&1)*reverseBit})
			seq += size
		}
		return nil
	}
	expected := int64(0)
	for range chains {
		n := between.UvarintMax("deletions between chains", uint64(deletes))
		if err := readDeletes(int(n)); err != nil {
			return err
		}
		deletes -= int(n)
		at := expected + order.Varint()
		if at < 0 || at >= int64(len(chains)) || chains[at] < 0 {
			return codec.ErrMalformed
		}
		run := chains[at]
		chains[at] = -1 // a chain starts once
		expected = at + 1
		for more := true; more; more = run != 0 {
			r := &d.runs[run]
			r.first = keyOf(o, uint32(seq))
			d.byKey = append(d.byKey, keyed{r.first, run})
			if seq += uint64(r.n); seq > MaxSeq+1 {
				return codec.ErrMalformed
			}
			run = d.follows[run]
		}
	}
	if err := readDeletes(deletes); err != nil {
		return err
	}
	if seq == 1 {
		return codec.ErrNotCanonical // an origin that wrote nothing
	}
	org.last = uint32(seq - 1)
	return nil
}

// readTargets reads what the deletions delete.
func (d *decoder) readTargets(targets *codec.Reader) {
	runs := d.byKey
	for i, o := range d.s.origins {
		last := int64(0)
		for j := range o.log {
			r := &o.log[j]
			for ; len(runs) > 0 && runs[0].key < keyOf(uint32(i), r.seq); runs = runs[1:] {
				at := runs[0].at
				last = int64(d.start[at]) + int64(d.runs[at].n) - 1
			}
			at := last + targets.Varint()
			k, ok := d.elementAt(at)
			if ok && r.reverse() {
				ok = uint32(k) > r.size()-1
				k -= key(r.size() - 1)
			}
			if !ok {
				d.fail("targets of deletions", codec.ErrMalformed)
				return
			}
			r.target = k
			last = endOfDeletion(at, r)
			if j > 0 {
				if before := o.log[j-1]; before.seq+before.size() == r.seq && before.take(r) > 0 {
					d.fail("targets of deletions", codec.ErrNotCanonical)
					return
				}
			}
		}
		for ; len(runs) > 0 && runs[0].key>>32 == key(i); runs = runs[1:] {
		}
	}
	d.fail("targets of deletions", targets.Close())
}

// elementAt returns the element at a place in the sequence.
func (d *decoder) elementAt(at int64) (key, bool) {
	n := len(d.runs)
	if n == 0 || at < 0 || at >= int64(d.start[n-1])+int64(d.runs[n-1].n) {
		return 0, false
	}
	lo, hi := 0, n
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if int64(d.start[mid]) <= at {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	r := &d.runs[lo-1]
	return r.first + key(at-int64(d.start[lo-1])), true
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
			for i < len(d.byKey) && d.runs[d.byKey[i].at].last() < k {
				i++
			}
			if i == len(d.byKey) || d.byKey[i].key > k {
				d.fail("targets of deletions", codec.ErrMalformed)
				return
			}
			k = d.runs[d.byKey[i].at].last() + 1
		}
	}
}
