package replica

import (
	"errors"
	"fmt"
	"slices"

	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt"
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
			o.header, o.exists = *h, true
			if o.record, err = rebuild(r.store, s, key, h); err != nil {
				return nil, r.corrupt(s, key, err)
			}
		}
	}
	if !o.exists {
		if err := r.absent(s, key); err != nil {
			return nil, err
		}
	}
	r.cache.put(k, o, r.durable)
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
		if rec, err = crdt.DecodeRecord(b); err != nil {
			return nil, &CorruptError{Row: "snapshot", Key: snapshotKey(s.number, key, h.snapshot, 0), Err: err}
		}
	}
	var tail []*changeRow
	for p := h.last; p.n != 0; {
		row, err := readChange(v, s.number, p)
		if err != nil {
			return nil, err
		}
		if row.seq <= h.snapshot {
			break
		}
		if n := len(tail); n > 0 && tail[n-1].seq <= row.seq {
			return nil, &CorruptError{Row: "change", Key: dotKey(rowChange, s.number, p.origin, p.n),
				Err: fmt.Errorf("entered as row %d, after row %d", row.seq, tail[n-1].seq)}
		}
		tail = append(tail, row)
		if p, err = before(row, key); err != nil {
			return nil, err
		}
	}
	for _, row := range slices.Backward(tail) {
		c, err := crdt.DecodeChange(row.change)
		if err != nil {
			return nil, &CorruptError{Row: "change", Key: recordKey(rowHeader, s.number, key), Err: err}
		}
		digest := crdt.HashOf(row.change).Digest()
		for i := range c.Parts {
			if p := &c.Parts[i]; p.Key == key {
				if row.fate == Rejected {
					rec.ApplyVoid(c, p, digest)
				} else {
					rec.Apply(c, p, digest, nil)
				}
			}
		}
	}
	if got := rec.Digest(); got != h.digest {
		return nil, &CorruptError{Row: "record", Key: recordKey(rowHeader, s.number, key),
			Err: fmt.Errorf("record %q has digest %x, its header says %x", key, got, h.digest)}
	}
	return rec, nil
}

// before finds the back pointer of a record in one of its change rows.
func before(row *changeRow, key string) (place, error) {
	c, err := crdt.DecodeChange(row.change)
	if err != nil {
		return place{}, err
	}
	for i := range c.Parts {
		if c.Parts[i].Key == key && i < len(row.parts) {
			return row.parts[i].before, nil
		}
	}
	return place{}, &CorruptError{Row: "change", Record: key, Err: fmt.Errorf("change %v does not name record %q", c.Dot, key)}
}

// A snapshot is cut into rows that the engine keeps beside their keys.
const snapshotPart = 256 << 10

// A record is written whole when the changes since outweigh the last whole
// writing: so the cost of a change is what it weighs, times a constant.
const snapshotFloor = 8 << 10

func (h *header) wantsSnapshot() bool { return h.tail > max(snapshotFloor, h.size) }

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
