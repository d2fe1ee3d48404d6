package replica

import (
	"fmt"
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt"
)

const rowVersion = 1

const maxRowBytes = 32 << 20

// Fate is what became of a change. Every change that was received or made has
// exactly one.
type Fate uint8

// The fates, as they are stored.
const (
	Applied  Fate = 1
	Waiting  Fate = 2
	Rejected Fate = 3
)

// String is the fate's name.
func (f Fate) String() string {
	switch f {
	case Applied:
		return "applied"
	case Waiting:
		return "waiting"
	case Rejected:
		return "rejected"
	}
	return fmt.Sprintf("fate(%d)", uint8(f))
}

// changeRow is the stored form of a change. It is the index from a dot to the
// records, and the log: each part points back to the change of its record that
// was entered before, so a record's tail and its history are walks.
type changeRow struct {
	batch  codec.BatchHeader
	fate   Fate
	seq    uint64    // order in which this store entered its rows
	chain  crdt.Hash // of the origin's history up to this change
	tally  tally     // of the scope, once this change was entered
	parts  []partRow // one for each part of the change
	change []byte    // canonical
}

type partRow struct {
	before       place // zero n: the first
	from, digest crdt.Hash
}

// seal ends a row with a checksum over its key and value: bytes that the store
// hands back under another key, or with a bit turned, are refused.
func seal(w *codec.Writer, key []byte) []byte {
	n := w.Len()
	w.Raw(key)
	w.Checksum(0)
	b := w.Bytes()
	return append(b[:n], b[n+len(key):]...)
}

// unseal checks what seal wrote and returns a reader of what stands before the
// checksum.
func unseal(what string, key, value []byte) (*codec.Reader, error) {
	if len(value) < 4 {
		return nil, &CorruptError{Row: what, Key: key, Err: codec.ErrTruncated}
	}
	body := value[:len(value)-4]
	buf := make([]byte, 0, len(value)+len(key))
	buf = append(append(append(buf, body...), key...), value[len(value)-4:]...)
	r := codec.NewReader(buf)
	r.Raw(len(body) + len(key))
	r.Checksum(0)
	if err := r.Err(); err != nil {
		return nil, &CorruptError{Row: what, Key: key, Err: err}
	}
	r = codec.NewReader(body)
	if v := r.Byte(); v != rowVersion {
		return nil, &CorruptError{Row: what, Key: key, Err: &codec.VersionError{What: what, Got: uint64(v), Max: rowVersion}}
	}
	return r, nil
}

func (c *changeRow) encode(key []byte) []byte {
	w := codec.NewWriter(make([]byte, 0, len(c.change)+160))
	w.Byte(rowVersion)
	w.BatchHeader(c.batch)
	w.Byte(byte(c.fate))
	w.Uvarint(c.seq)
	w.Raw(c.chain[:])
	c.tally.write(w)
	w.Uvarint(uint64(len(c.parts)))
	for _, p := range c.parts {
		w.Uvarint(uint64(p.before.origin))
		w.Uvarint(p.before.n)
		w.Raw(p.from[:])
		w.Raw(p.digest[:])
	}
	w.Blob(c.change)
	return seal(w, key)
}

func decodeChangeRow(key, value []byte) (*changeRow, error) {
	r, err := unseal("change", key, value)
	if err != nil {
		return nil, err
	}
	c := &changeRow{batch: r.BatchHeader(), fate: Fate(r.Byte()), seq: r.Uvarint(), chain: readHash(r), tally: readTally(r)}
	for range r.Count("parts", crdt.MaxParts, 34) {
		c.parts = append(c.parts, partRow{readPlace(r), readHash(r), readHash(r)})
	}
	c.change = slices.Clone(r.Blob("change", maxRowBytes))
	if c.fate < Applied || c.fate > Rejected || c.fate == Waiting && len(c.parts) > 0 || len(c.change) == 0 {
		r.Fail("change", codec.ErrMalformed)
	}
	if err := r.Close(); err != nil {
		return nil, &CorruptError{Row: "change", Key: key, Err: err}
	}
	return c, nil
}

// readPlace reads where a change is; the number zero, which is no change, goes
// with the origin zero alone.
func readPlace(r *codec.Reader) place {
	p := place{uint32(r.UvarintMax("origin", 1<<32-1)), r.Uvarint()}
	if p.n == 0 && p.origin != 0 {
		r.Fail("place of a change", codec.ErrNotCanonical)
	}
	return p
}

func readHash(r *codec.Reader) (h crdt.Hash) {
	copy(h[:], r.Raw(len(h)))
	return h
}

// header is what a replica keeps of each record, so that lists, differences
// and the decision whether to load it need no more.
type header struct {
	live     bool      // some birth is not deleted
	child    bool      // and it names a parent, which says whether the record is shown
	digest   crdt.Hash // of the record's normal form
	last     place     // the change entered last
	lastSeq  uint64
	snapshot uint64 // what the snapshot covers: rows up to this seq; zero: there is none
	size     uint64 // of the snapshot, in bytes
	tail     uint64 // bytes of changes since
	vector   clock.VersionVector
	heads    []clock.Dot
	births   []clock.Dot
	purged   bool // nothing of the record counts, see [crdt.Record.IsPurged]; not written
	folded   bool // since the snapshot, which is due; not written
}

func (h *header) encode(key []byte) []byte {
	w := codec.NewWriter(make([]byte, 0, 192))
	w.Byte(rowVersion)
	w.Byte(h.existence())
	w.Raw(h.digest[:])
	w.Uvarint(uint64(h.last.origin))
	w.Uvarint(h.last.n)
	w.Uvarint(h.lastSeq)
	w.Uvarint(h.snapshot)
	w.Uvarint(h.size)
	w.Uvarint(h.tail)
	var t clock.Table
	body := codec.NewWriter(make([]byte, 0, 64))
	h.vector.Write(body, &t)
	writeDots(body, &t, h.heads)
	writeDots(body, &t, h.births)
	t.Write(w)
	w.Raw(body.Bytes())
	return seal(w, key)
}

// existence is 0 for a record that does not exist, 1 for one that does, and 2 for
// one that does and has a parent.
func (h *header) existence() byte {
	switch {
	case h.live && h.child:
		return 2
	case h.live:
		return 1
	}
	return 0
}

func readExistence(r *codec.Reader) (live, child bool) {
	b := r.Byte()
	if b > 2 {
		r.Fail("existence", codec.ErrMalformed)
	}
	return b > 0, b == 2
}

func writeDots(w *codec.Writer, t *clock.Table, ds []clock.Dot) {
	w.Uvarint(uint64(len(ds)))
	for _, d := range ds {
		clock.WriteDot(w, t, d)
	}
}

func readDots(r *codec.Reader, t *clock.Table) []clock.Dot {
	n := r.Count("dots", 1<<20, 2)
	ds := make([]clock.Dot, 0, n)
	for range n {
		d := clock.ReadDot(r, t)
		if i := len(ds); i > 0 && ds[i-1].Compare(d) >= 0 {
			r.Fail("dots", codec.ErrNotCanonical)
		}
		ds = append(ds, d)
	}
	return ds
}

func decodeHeader(key, value []byte) (*header, error) {
	r, err := unseal("header", key, value)
	if err != nil {
		return nil, err
	}
	h := &header{}
	h.live, h.child = readExistence(r)
	h.digest = readHash(r)
	h.last = readPlace(r)
	h.lastSeq, h.snapshot, h.size, h.tail = r.Uvarint(), r.Uvarint(), r.Uvarint(), r.Uvarint()
	t := clock.ReadTable(r, crdt.MaxOrigins)
	h.vector = clock.ReadVersionVector(r, t)
	h.heads, h.births = readDots(r, t), readDots(r, t)
	h.purged = len(h.births) == 0 && h.vector.IsEmpty()
	t.CheckUse(r)
	if err := r.Close(); err != nil {
		return nil, &CorruptError{Row: "header", Key: key, Err: err}
	}
	return h, nil
}

// maxReason bounds what is kept of a reason.
const maxReason = 1024

// fateRow says why a change is not applied.
type fateRow struct {
	fate   Fate
	code   string
	reason string
	since  clock.Stamp // wall time
}

func (f *fateRow) encode(key []byte) []byte {
	w := codec.NewWriter(nil)
	w.Byte(rowVersion)
	w.Byte(byte(f.fate))
	w.String(f.code)
	w.String(f.reason)
	w.Uint64(uint64(f.since))
	return seal(w, key)
}

func decodeFateRow(key, value []byte) (*fateRow, error) {
	r, err := unseal("fate", key, value)
	if err != nil {
		return nil, err
	}
	f := &fateRow{Fate(r.Byte()), r.String("code", 64), r.String("reason", maxReason), clock.Stamp(r.Uint64())}
	if f.fate != Waiting && f.fate != Rejected {
		r.Fail("fate", codec.ErrMalformed)
	}
	if err := r.Close(); err != nil {
		return nil, &CorruptError{Row: "fate", Key: key, Err: err}
	}
	return f, nil
}

// tally is what a scope holds in all: what a scan must find, or something is
// missing.
type tally struct {
	sum     crdt.Sum // over (key, digest) of every record
	records uint64   // that have a header
	fates   uint64   // changes that have a fate row
}

func (t *tally) write(w *codec.Writer) {
	t.sum.Write(w)
	w.Uvarint(t.records)
	w.Uvarint(t.fates)
}

func readTally(r *codec.Reader) tally {
	return tally{crdt.ReadSum(r), r.Uvarint(), r.Uvarint()}
}

// sumRow is a scope's tally after the last commit that touched it, and its name,
// in case the row that has it is lost.
type sumRow struct {
	name string
	seq  uint64
	tally
}

func (s *sumRow) encode(key []byte) []byte {
	w := codec.NewWriter(make([]byte, 0, 64+len(s.name)))
	w.Byte(rowVersion)
	w.String(s.name)
	w.Uvarint(s.seq)
	s.write(w)
	return seal(w, key)
}

func decodeSum(key, value []byte) (*sumRow, error) {
	r, err := unseal("sum", key, value)
	if err != nil {
		return nil, err
	}
	s := &sumRow{name: r.String("scope", maxKeyBytes), seq: r.Uvarint(), tally: readTally(r)}
	if err := r.Close(); err != nil {
		return nil, &CorruptError{Row: "sum", Key: key, Err: err}
	}
	return s, nil
}

// encodePlain seals bytes that need no structure of their own.
func encodePlain(key, body []byte) []byte {
	w := codec.NewWriter(make([]byte, 0, len(body)+len(key)+8))
	w.Byte(rowVersion)
	w.Raw(body)
	return seal(w, key)
}

func decodePlain(what string, key, value []byte) ([]byte, error) {
	r, err := unseal(what, key, value)
	if err != nil {
		return nil, err
	}
	return r.Raw(r.Remaining()), nil
}
