package replica

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/internal/planted"
)

// record returns a record of a scope, from the cache or from its rows; empty
// if it was never written. The caller holds r.mu for writing.
func (r *Replica) record(s *scope, scopeName, key string) (*open, error) {
	k := cacheKey{scopeName, key}
	if o := r.cache.get(k); o != nil {
		return o, nil
	}
	o := &open{key: key, record: &crdt.Record{}}
	if s != nil {
		h, found, err := r.readHeader(s.number, key)
		if err != nil {
			return nil, r.corrupt(s, key, err)
		}
		if found {
			if o.record, err = rebuild(r.store, s, key, h); err != nil {
				return nil, r.corrupt(s, key, err)
			}
			o.header, o.exists = *h, true
			o.header.forget()
		}
	}
	if !o.exists {
		if err := r.absent(s, key); err != nil {
			return nil, err
		}
	}
	r.cache.put(k, o, r.durable)
	if s != nil {
		r.raise(s, o)
	}
	return o, nil
}

// corrupt gives an error of a row the names of its scope and record, and notes
// the damage. The caller holds r.mu for writing.
func (r *Replica) corrupt(s *scope, key string, err error) error {
	if c, ok := errors.AsType[*CorruptError](err); ok {
		c.Scope, c.Record = s.name, key
		r.damaged(Damage{Row: c.Row, Key: c.Key, Scope: s.name, Record: key, Err: c.Err})
	}
	return err
}

func (r *Replica) readHeader(scope uint32, key string) (*header, bool, error) {
	k := recordKey(rowHeader, scope, key)
	v, found, err := r.store.get(k)
	if err != nil || !found {
		return nil, false, err
	}
	h, err := decodeHeader(k, v)
	return h, err == nil, err
}

// rebuild makes a record from its snapshot and the changes since, and compares
// the digest with the header's.
func rebuild(v reader, s *scope, key string, h *header) (*crdt.Record, error) {
	rec := &crdt.Record{}
	if h.snapshot != 0 {
		b, err := readSnapshot(v, s.number, key, h)
		if err != nil {
			return nil, err
		}
		if rec, err = s.marks().DecodeRecord(b); err != nil {
			return nil, &CorruptError{Row: "snapshot", Key: snapshotKey(s.number, key, h.snapshot, 0), Err: err}
		}
	}
	tail, err := readTail(v, s, key, h)
	if err != nil {
		return nil, err
	}
	for _, x := range slices.Backward(tail) {
		p, digest := &x.change.Parts[x.part], crdt.HashOf(x.row.change).Digest()
		if cited := s.floor.At(s.floor.Find(x.change.Floor)); cited.Number() > rec.Floor().Number() {
			// Marks that found nothing of it here are in no snapshot.
			rec.FoldTo(cited, func(*crdt.Mark) crdt.FoldRules { return crdt.FoldRules{} })
		}
		if x.row.fate == Rejected {
			rec.ApplyVoid(x.change, p, digest)
		} else {
			rec.Apply(x.change, p, digest, nil)
		}
	}
	if got := rec.Digest(); got != h.digest {
		return nil, &CorruptError{Row: "record", Key: recordKey(rowHeader, s.number, key),
			Err: fmt.Errorf("record %q has digest %x, its header says %x", key, got, h.digest)}
	}
	return rec, nil
}

// readTail reads the changes of a record since its snapshot, the last one first.
func readTail(v reader, s *scope, key string, h *header) (tail []step, err error) {
	for p := h.last; p.n != 0; {
		row, err := readChange(v, s.number, p)
		if err != nil {
			return nil, err
		}
		if row.seq <= h.snapshot {
			break
		}
		damaged := func(err error) error {
			return &CorruptError{Row: "change", Key: dotKey(rowChange, s.number, p.origin, p.n), Err: err}
		}
		if n := len(tail); n > 0 && tail[n-1].row.seq <= row.seq {
			return nil, damaged(fmt.Errorf("entered as row %d, after row %d", row.seq, tail[n-1].row.seq))
		}
		c, err := crdt.DecodeChange(row.change)
		if err != nil {
			return nil, damaged(err)
		}
		i, ok := partOf(c, key)
		if !ok || i >= len(row.parts) {
			return nil, damaged(fmt.Errorf("change %v does not name record %q", c.Dot, key))
		}
		tail = append(tail, step{row, c, i, p})
		p = row.parts[i].before
	}
	return tail, nil
}

// partOf finds what a change does to a record.
func partOf(c *crdt.Change, key string) (int, bool) {
	return slices.BinarySearchFunc(c.Parts, key, func(p crdt.Part, key string) int { return strings.Compare(p.Key, key) })
}

// A snapshot is cut into rows that the engine keeps beside their keys.
const snapshotPart = 256 << 10

// A record is written whole when the changes since outweigh the last whole
// writing: so the cost of a change is what it weighs, times a constant.
const snapshotFloor = 8 << 10

// tailWeight is what a change adds to the tail of a record that it alters: its
// share of the bytes. Reading the record means to read the changes whole, so that
// of a change of many records an eighth counts for each of them at least.
func tailWeight(bytes, parts int) uint64 { return uint64(bytes/min(parts, 8)) + 128 }

// The eighth makes up for what a snapshot weighs beyond what the one before it and
// the changes since weigh.
func (h *header) wantsSnapshot() bool {
	return h.folded || h.tail > max(snapshotFloor, h.size+h.size/8)
}

// writeRecord stages a record's header, and the record whole if that is due. The
// header is the last of its rows.
func (r *Replica) writeRecord(g *group, s *scope, o *open) {
	if o.header.wantsSnapshot() {
		r.snapshot(s, o, g)
	}
	policy := r.deletePolicy(s)
	o.header.live = len(o.record.Live(policy)) > 0
	o.header.child = o.header.live && isChild(o.record, policy)
	h := o.header
	h.vector, h.heads, h.births = *o.record.Vector(), o.record.Heads(), o.record.Births()
	key := recordKey(rowHeader, s.number, o.key)
	*g = append(*g, row{key, h.encode(key)})
}

// forget drops what the record itself tells while it is in memory.
func (h *header) forget() { h.vector, h.heads, h.births = clock.VersionVector{}, nil, nil }

// snapshot stages the record whole and takes the old parts away. The header
// names the new one in the group's last row, so a cut between loses nothing.
func (r *Replica) snapshot(s *scope, o *open, g *group) {
	w := codec.NewWriter(nil)
	o.record.Write(w)
	b := w.Bytes()
	if o.header.snapshot != 0 {
		parts := (o.header.size + snapshotPart - 1) / snapshotPart
		for i := range parts {
			*g = append(*g, row{key: snapshotKey(s.number, o.key, o.header.snapshot, uint32(i))})
		}
	}
	o.header.snapshot, o.header.size, o.header.tail = o.header.lastSeq, uint64(len(b)), 0
	if planted.Is(planted.SnapshotOfPast) {
		o.header.snapshot++
	}
	o.header.folded = false
	for i := 0; len(b) > 0; i++ {
		n := min(len(b), snapshotPart)
		key := snapshotKey(s.number, o.key, o.header.snapshot, uint32(i))
		*g = append(*g, row{key, encodePlain(key, b[:n])})
		b = b[n:]
	}
}

func readSnapshot(v reader, scope uint32, key string, h *header) ([]byte, error) {
	var b []byte
	for i := uint32(0); uint64(len(b)) < h.size; i++ {
		k := snapshotKey(scope, key, h.snapshot, i)
		row, found, err := v.get(k)
		if err != nil {
			return nil, err
		}
		if !found {
			return nil, &CorruptError{Row: "snapshot", Key: k, Err: errMissing}
		}
		part, err := decodePlain("snapshot", k, row)
		if err != nil {
			return nil, err
		}
		if len(part) == 0 {
			return nil, &CorruptError{Row: "snapshot", Key: k, Err: codec.ErrTruncated}
		}
		b = append(b, part...)
	}
	return b, nil
}
