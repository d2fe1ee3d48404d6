package replica

import (
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
			return nil, err
		}
		if found {
			o.header, o.exists = *h, true
			if o.record, err = r.rebuild(s, key, h); err != nil {
				return nil, err
			}
		}
	}
	r.cache.put(k, o, r.durable)
	return o, nil
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
func (r *Replica) rebuild(s *scope, key string, h *header) (*crdt.Record, error) {
	rec := &crdt.Record{}
	if h.snapshot != 0 {
		b, err := r.readSnapshot(s.number, key, h)
		if err != nil {
			return nil, err
		}
		if rec, err = crdt.DecodeRecord(b); err != nil {
			return nil, fmt.Errorf("replica: record %q: snapshot: %w", key, err)
		}
	}
	var tail []*changeRow
	for p := h.last; p.n != 0; {
		row, err := r.readChange(s.number, p)
		if err != nil {
			return nil, err
		}
		if row.seq <= h.snapshot {
			break
		}
		tail = append(tail, row)
		if p, err = before(row, key); err != nil {
			return nil, err
		}
	}
	for _, row := range slices.Backward(tail) {
		c, err := crdt.DecodeChange(row.change)
		if err != nil {
			return nil, fmt.Errorf("replica: record %q: %w", key, err)
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
	return place{}, fmt.Errorf("replica: record %q: change %v does not name it: %w", key, c.Dot, ErrCorrupt)
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

func (r *Replica) readSnapshot(scope uint32, key string, h *header) ([]byte, error) {
	var b []byte
	for i := uint32(0); uint64(len(b)) < h.size; i++ {
		k := snapshotKey(scope, key, h.snapshot, i)
		v, found, err := r.store.get(k)
		if err != nil {
			return nil, err
		}
		if !found {
			return nil, &CorruptError{Row: "snapshot", Key: k, Err: ErrNotFound}
		}
		part, err := decodePlain("snapshot", k, v)
		if err != nil {
			return nil, err
		}
		b = append(b, part...)
	}
	return b, nil
}
