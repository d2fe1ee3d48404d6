package replica

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/replica/session"
)

// lacking is what a scope lacks: husks of changes whose records are to come as
// fragments, and what came of these. A few words for each husk and record.
type lacking struct {
	husks   int
	keys    map[string][]clock.Dot // the husks that name a record
	sorted  []string               // the keys; nil: they have changed since
	parcels map[string]*parcel
	whole   int            // parcels that are
	checked *fragmentCheck // of the parcels, once all are whole
	joining bool           // they are being taken over, or were as the replica was closed
}

// parcel is a fragment as far as it came: the stored form of a record, staged in
// pieces.
type parcel struct {
	total, have uint64
	hash        crdt.Hash
	parts       uint32
}

func (p *parcel) whole() bool { return p.have == p.total }

// maxParcelBytes is the largest record that is taken as a fragment.
const maxParcelBytes = 1 << 30

// add notes a husk that waits.
func (l *lacking) add(c *crdt.Change) {
	if l.keys == nil {
		l.keys = map[string][]clock.Dot{}
	}
	l.husks++
	for i := range c.Parts {
		key := c.Parts[i].Key
		if l.keys[key] == nil {
			l.sorted = nil
		}
		l.keys[key] = append(l.keys[key], c.Dot)
	}
	l.checked = nil
}

// order lists the records that husks name.
func (l *lacking) order() []string {
	if l.sorted == nil {
		l.sorted = slices.Sorted(maps.Keys(l.keys))
	}
	return l.sorted
}

// complete reports whether a fragment of every record is here.
func (l *lacking) complete() bool { return l.husks > 0 && l.whole == len(l.keys) }

func fragmentKey(scope uint32, key string, part uint32) []byte {
	w := codec.NewWriter(make([]byte, 0, 16+len(key)))
	w.Byte(rowFragment)
	w.Uint32(scope)
	w.Uint32(uint32(len(key)))
	w.Raw([]byte(key))
	w.Uint32(part)
	return w.Bytes()
}

// splitFragmentKey is the inverse of fragmentKey.
func splitFragmentKey(k []byte) (scope uint32, key string, part uint32, err error) {
	r := codec.NewReader(k)
	r.Byte()
	scope = r.Uint32()
	key = string(r.Raw(int(min(r.Uint32(), maxKeyBytes+1))))
	part = r.Uint32()
	return scope, key, part, r.Close()
}

// encode is the first row of a parcel, before its pieces.
func (p *parcel) encode(key []byte) []byte {
	w := codec.NewWriter(nil)
	w.Raw(p.hash[:])
	w.Uvarint(p.total)
	w.Uvarint(p.have)
	w.Uvarint(uint64(p.parts))
	return encodePlain(key, w.Bytes())
}

func decodeParcel(key, value []byte) (*parcel, error) {
	b, err := decodePlain("fragment", key, value)
	if err != nil {
		return nil, err
	}
	r := codec.NewReader(b)
	p := &parcel{hash: readHash(r), total: r.Uvarint(), have: r.Uvarint(), parts: uint32(r.UvarintMax("parts", 1<<32-2))}
	if p.have > p.total {
		r.Fail("fragment", codec.ErrMalformed)
	}
	if err := r.Close(); err != nil {
		return nil, &CorruptError{Row: "fragment", Key: key, Err: err}
	}
	return p, nil
}

// loadParcels finds what was staged of a scope. What is damaged is dropped, and
// asked for again.
func (r *Replica) loadParcels(s *scope) error {
	if s.lacking.husks == 0 {
		return nil
	}
	for _, key := range s.lacking.order() {
		head := fragmentKey(s.number, key, 0)
		v, found, err := r.store.get(head)
		if err != nil {
			return err
		}
		if !found {
			continue
		}
		p, err := decodeParcel(head, v)
		if err != nil {
			r.log.Warn("dropped a fragment whose row is damaged", "scope", s.name, "record", key, "error", err)
			continue
		}
		s.lacking.put(key, p)
	}
	return nil
}

// put takes up a parcel that was not whole before.
func (l *lacking) put(key string, p *parcel) {
	if l.parcels == nil {
		l.parcels = map[string]*parcel{}
	}
	l.parcels[key] = p
	if l.checked = nil; p.whole() {
		l.whole++
	}
}

// drop forgets a parcel, whose rows the next one under its key replaces.
func (l *lacking) drop(key string) {
	if p := l.parcels[key]; p != nil && p.whole() {
		l.whole--
	}
	delete(l.parcels, key)
	l.checked = nil
}

// Wanted lists the records of which no whole fragment is here.
func (p peerStore) Wanted(scope, after string) ([]session.Want, error) {
	r := p.r
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.scopes[scope]
	if err := r.usable(); err != nil || s == nil {
		return nil, err
	}
	var list []session.Want
	keys := s.lacking.order()
	at, found := slices.BinarySearch(keys, after)
	if found {
		at++
	}
	for ; at < len(keys) && len(list) < session.MaxWants; at++ {
		w := session.Want{Key: keys[at]}
		if x := s.lacking.parcels[w.Key]; x != nil {
			if x.whole() {
				continue
			}
			w.Have, w.Hash = x.have, x.hash
		}
		list = append(list, w)
	}
	return list, nil
}

// Stage keeps pieces of fragments.
func (p peerStore) Stage(f session.Fragments) error {
	r := p.r
	r.mu.Lock()
	if err := r.usable(); err != nil {
		r.mu.Unlock()
		return err
	}
	r.agreed, r.agreedAt = f.Agreed, r.options.Monotonic()
	s := r.scopes[f.Scope]
	if s == nil || !r.space.takes(class(r.priority(f.Scope))) {
		r.mu.Unlock()
		return nil // it is asked for again, in another session
	}
	for i := range f.Pieces {
		r.stagePiece(s, &f.Pieces[i])
	}
	b := r.commits.current
	r.mu.Unlock()
	if err := r.await(b); err != nil {
		return err
	}
	return r.takeFragments(f.Scope)
}

// stagePiece adds a piece to its parcel, if it is the next one. The caller holds
// r.mu.
func (r *Replica) stagePiece(s *scope, in *session.Piece) {
	l := &s.lacking
	if l.keys[in.Key] == nil || in.Total == 0 || in.Total > maxParcelBytes || l.joining {
		return
	}
	x := l.parcels[in.Key]
	if x != nil && x.whole() {
		return
	}
	if x == nil || x.hash != in.Hash || x.total != in.Total {
		x = &parcel{total: in.Total, hash: in.Hash}
	}
	if in.From != x.have || x.have+uint64(len(in.Bytes)) > x.total {
		return
	}
	for part := range slices.Chunk(in.Bytes, snapshotPart) {
		x.parts++
		x.have += uint64(len(part))
		key, head := fragmentKey(s.number, in.Key, x.parts), fragmentKey(s.number, in.Key, 0)
		r.stage(group{{key, encodePlain(key, part)}, {head, x.encode(head)}})
	}
	l.put(in.Key, x)
}

// parcelBytes reads a whole parcel.
func (r *Replica) parcelBytes(s *scope, key string, p *parcel) ([]byte, error) {
	var b []byte
	for i := uint32(1); i <= p.parts; i++ {
		k := fragmentKey(s.number, key, i)
		v, found, err := r.store.get(k)
		if err != nil {
			return nil, err
		}
		if !found {
			return nil, &CorruptError{Row: "fragment", Key: k, Err: errMissing}
		}
		part, err := decodePlain("fragment", k, v)
		if err != nil {
			return nil, err
		}
		b = append(b, part...)
	}
	if crdt.HashOf(b) != p.hash {
		return nil, &CorruptError{Row: "fragment", Key: fragmentKey(s.number, key, 0), Err: errors.New("it is not what was promised")}
	}
	return b, nil
}

// clearParcels takes the staged rows of a scope away.
func (r *Replica) clearParcels(s *scope) error {
	var g group
	for x, err := range r.store.scan(numberKey(rowFragment, s.number), nil) {
		if err != nil {
			return err
		}
		g = append(g, row{key: x.key})
	}
	for _, part := range inPieces(g) {
		r.stage(part)
	}
	return nil
}

// form is the stored form of a record that was read last, while it is sent in
// pieces: so the record may change meanwhile.
type form struct {
	scope, key string
	bytes      []byte
	hash       crdt.Hash
}

// Fragments reads stored forms of records. One that this replica has not brought
// to its own floor, or does not have as the husks name it, is not given.
func (p peerStore) Fragments(scope string, wants []session.Want, maxBytes int) (session.FragmentBatch, error) {
	r := p.r
	out := session.FragmentBatch{Rest: wants}
	r.mu.Lock()
	own := uint64(0)
	err := r.usable()
	for left := maxBytes; err == nil && len(out.Rest) > 0 && (left > 0 || len(out.Pieces) == 0); {
		w := &out.Rest[0]
		var f *form
		if f, err = r.formOf(scope, w); err != nil {
			break
		}
		if f == nil {
			out.Pieces = append(out.Pieces, session.Piece{Key: w.Key})
			out.Rest = out.Rest[1:]
			continue
		}
		from := uint64(0)
		if w.Hash == f.hash && w.Have < uint64(len(f.bytes)) {
			from = w.Have
		}
		piece := f.bytes[from:min(uint64(len(f.bytes)), from+uint64(max(left, 1)))]
		out.Pieces = append(out.Pieces, session.Piece{Key: w.Key, Total: uint64(len(f.bytes)), Hash: f.hash, From: from, Bytes: piece})
		left -= len(piece)
		if end := from + uint64(len(piece)); end < uint64(len(f.bytes)) {
			r.form = f
			out.Rest = slices.Clone(out.Rest)
			out.Rest[0].Have, out.Rest[0].Hash = end, f.hash
			break
		}
		r.form, out.Rest = nil, out.Rest[1:]
	}
	if s := r.scopes[scope]; s != nil {
		own = s.stored.Get(r.origin)
	}
	origin, b := r.origin, r.commits.current
	r.mu.Unlock()
	if err = errors.Join(err, r.await(b)); err != nil {
		return session.FragmentBatch{}, fmt.Errorf("replica: read fragments: %w", err)
	}
	return out, r.offer(scope, origin, own)
}

// formOf is the stored form of a record, nil if there is none to give. The caller
// holds r.mu.
func (r *Replica) formOf(scope string, w *session.Want) (*form, error) {
	if f := r.form; f != nil && f.scope == scope && f.key == w.Key && f.hash == w.Hash {
		return f, nil
	}
	s := r.scopes[scope]
	if s == nil || s.settled != s.floor.Number() || s.lacking.keys[w.Key] != nil || s.lacking.joining || s.rebuild || isScopeKey(w.Key) {
		return nil, nil
	}
	o, err := r.record(s, scope, w.Key)
	if errors.Is(err, ErrCorrupt) || err == nil && !o.exists {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	e := codec.NewWriter(nil)
	o.record.Write(e)
	return &form{scope, w.Key, e.Bytes(), crdt.HashOf(e.Bytes())}, nil
}
