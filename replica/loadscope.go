package replica

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt"
)

// load rebuilds what is kept in memory from the store. What is damaged is noted
// and gone around: only an engine that cannot be read is an error.
func (r *Replica) load() error {
	r.origins = newOriginTable()
	r.scopes = map[string]*scope{}
	r.numbers, r.seq, r.changes = 0, 0, 0
	if err := r.loadOrigins(); err != nil {
		return err
	}
	names, err := r.loadNames()
	if err != nil {
		return err
	}
	for number, name := range names {
		if name == "" {
			continue
		}
		s, err := r.loadScope(name, uint32(number))
		if err != nil {
			return fmt.Errorf("replica: scope %q: %w", name, err)
		}
		r.scopes[name] = s
		r.hlc.Observe(s.maxed)
		for _, n := range s.stored.All() {
			r.changes += n
		}
	}
	if err := r.loadFinished(); err != nil {
		return err
	}
	r.durable = r.seq // what was read is in the store
	return r.loadPolicies()
}

func numberOf(key []byte) uint32 {
	rd := codec.NewReader(key)
	rd.Byte()
	return rd.Uint32()
}

// loadOrigins reads the interned origins. One whose row is damaged is found in
// the changes that were stored under its number.
func (r *Replica) loadOrigins() error {
	for x, err := range r.store.scan([]byte{rowOrigin}, nil) {
		if err != nil {
			return err
		}
		n := numberOf(x.key)
		for uint32(len(r.origins.origins)) < n {
			missing := numberKey(rowOrigin, uint32(len(r.origins.origins)))
			if err := r.findOrigin(missing, errMissing); err != nil {
				return err
			}
		}
		b, err := decodePlain("origin", x.key, x.value)
		var o clock.Origin
		if err == nil {
			o, err = readOrigin(b)
		}
		if err != nil {
			if err := r.findOrigin(x.key, err); err != nil {
				return err
			}
			continue
		}
		r.origins.add(o)
	}
	return nil
}

// findOrigin fills the place of an origin whose row is damaged.
func (r *Replica) findOrigin(key []byte, cause error) error {
	n := numberOf(key)
	r.damaged(Damage{Row: "origin", Key: key, Err: cause})
	for x, err := range r.store.scan([]byte{rowChange}, nil) {
		if err != nil {
			return err
		}
		if _, num, _, err := splitDotKey(x.key); err != nil || num != n {
			continue
		}
		row, err := decodeChangeRow(x.key, x.value)
		if err != nil {
			continue
		}
		if c, _ := crdt.DecodeChange(row.change); !row.husk() && c != nil && !c.Dot.IsZero() {
			r.origins.add(c.Dot.Origin)
			return nil
		}
	}
	// No change tells it: the number stays taken, by nobody.
	r.origins.origins = append(r.origins.origins, clock.Origin{})
	return nil
}

// loadNames reads the names of the scopes by number; a damaged one is taken from
// the scope's tally, and empty if that is damaged too.
func (r *Replica) loadNames() ([]string, error) {
	var names []string
	at := func(n uint32) *string {
		for uint32(len(names)) <= n {
			names = append(names, "")
		}
		return &names[n]
	}
	for x, err := range r.store.scan([]byte{rowScope}, nil) {
		if err != nil {
			return nil, err
		}
		name := at(numberOf(x.key))
		b, err := decodePlain("scope", x.key, x.value)
		if err != nil {
			r.damaged(Damage{Row: "scope", Key: x.key, Err: err})
			continue
		}
		*name = string(b)
	}
	for x, err := range r.store.scan([]byte{rowSum}, nil) {
		if err != nil {
			return nil, err
		}
		name := at(numberOf(x.key))
		if *name != "" {
			continue
		}
		key := numberKey(rowScope, numberOf(x.key))
		r.damaged(Damage{Row: "scope", Key: key, Err: errMissing})
		if s, err := decodeSum(x.key, x.value); err == nil {
			*name = s.name
		}
	}
	r.numbers = uint32(len(names))
	r.unnamed = false
	for _, name := range names {
		r.unnamed = r.unnamed || name == ""
	}
	return names, nil
}

// loadScope rebuilds a scope from its rows: the last change of every origin
// tells clock and chain, the fate rows what waits, and the row entered last the
// tally. Where the last rows of an origin are damaged its clock ends before
// them, so that a peer brings them again.
func (r *Replica) loadScope(name string, number uint32) (*scope, error) {
	s := newScope(name, number)
	var newest uint64
	var lasts []*crdt.Change // of each origin
	key := numberKey(rowSum, number)
	v, found, err := r.store.get(key)
	if err != nil {
		return nil, err
	}
	if found {
		sum, err := decodeSum(key, v)
		if err != nil {
			r.damaged(Damage{Row: "sum", Key: key, Scope: name, Err: err})
		} else {
			newest, s.tally = sum.seq, sum.tally
		}
	}
	r.seq = max(r.seq, newest)
	for n, o := range r.origins.origins {
		row, at, err := r.lastChange(s, uint32(n), o)
		if err != nil {
			return nil, err
		}
		if row == nil || o.IsZero() {
			continue
		}
		s.stored.Set(o, at)
		s.chains[o] = row.chain
		r.seq = max(r.seq, row.seq)
		if row.fate == Applied && row.seq > newest {
			newest, s.tally = row.seq, row.tally
		}
		if c, err := row.read(clock.Dot{Origin: o, N: at}); err == nil && row.fate == Applied {
			lasts = append(lasts, c)
		}
	}
	_, s.rebuild, err = r.store.get(rebuildKey(name))
	if err != nil {
		return nil, err
	}
	r.healed = r.healed || s.rebuild
	if err := r.loadFates(s); err != nil {
		return s, err
	}
	if err := r.loadFloor(s); errors.Is(err, ErrCorrupt) {
		r.damaged(Damage{Row: "record", Key: recordKey(rowHeader, number, crdt.ScopeKey), Scope: name, Record: crdt.ScopeKey, Err: err})
	} else if err != nil {
		return s, err
	}
	for _, c := range lasts {
		s.maxed = max(s.maxed, s.moved.Correct(c.Dot, c.Stamp, nil))
	}
	return s, r.loadLacking(s)
}

// lastChange finds the last row of an origin that is whole.
func (r *Replica) lastChange(s *scope, num uint32, o clock.Origin) (*changeRow, uint64, error) {
	prefix := dotKey(rowChange, s.number, num, math.MaxUint64)[:9]
	var before []byte
	for {
		last, found, err := r.store.last(prefix, before)
		if err != nil || !found {
			return nil, 0, err
		}
		before = last.key
		_, _, at, err := splitDotKey(last.key)
		if err != nil {
			r.damaged(Damage{Row: "change", Key: last.key, Scope: s.name, Err: err})
			continue
		}
		row, err := decodeChangeRow(last.key, last.value)
		if err == nil {
			return row, at, nil
		}
		d := clock.Dot{Origin: o, N: at}
		s.broken[d] = struct{}{}
		r.damaged(Damage{Row: "change", Key: last.key, Scope: s.name, Dot: d, Err: err})
		if o == r.origin {
			r.doubt(fmt.Sprintf("the own change %d of scope %q is damaged", at, s.name))
		}
	}
}

// loadFates reads what waits, and makes the applied clock. Where fate rows are
// damaged or missing the change rows are asked.
func (r *Replica) loadFates(s *scope) error {
	waits := map[clock.Origin][]uint64{}
	seen, whole := uint64(0), true
	for x, err := range r.store.scan(numberKey(rowFate, s.number), nil) {
		if err != nil {
			return err
		}
		seen++
		f, err := decodeFateRow(x.key, x.value)
		if err != nil {
			whole = false
			r.damaged(Damage{Row: "fate", Key: x.key, Scope: s.name, Err: err})
			continue
		}
		if f.fate == Waiting {
			r.loadWaiting(s, x.key, f.code, waits)
		}
	}
	if !whole || seen < s.fates {
		if whole {
			r.damaged(Damage{Row: "fate", Key: numberKey(rowFate, s.number), Scope: s.name,
				Err: fmt.Errorf("%d rows, and there were %d: %w", seen, s.fates, errMissing)})
		}
		for x, err := range r.store.scan(numberKey(rowChange, s.number), nil) {
			if err != nil {
				return err
			}
			if row, err := decodeChangeRow(x.key, x.value); err == nil && row.fate == Waiting {
				r.loadWaiting(s, x.key, "", waits)
			}
		}
	}
	for o, last := range s.stored.All() {
		slices.Sort(waits[o])
		from := uint64(1)
		for _, n := range waits[o] {
			if n > from {
				s.applied.AddRange(clock.Range{Origin: o, From: from, To: n - 1})
			}
			from = n + 1
		}
		if from <= last {
			s.applied.AddRange(clock.Range{Origin: o, From: from, To: last})
		}
	}
	return nil
}

// loadWaiting takes up a change that waits. One whose row is damaged waits for
// its row.
func (r *Replica) loadWaiting(s *scope, key []byte, code string, waits map[clock.Origin][]uint64) {
	_, num, n, err := splitDotKey(key)
	o, ok := r.origins.origin(num)
	if err != nil || !ok || n > s.stored.Get(o) {
		return // damaged, and noted
	}
	d := clock.Dot{Origin: o, N: n}
	if _, ok := s.waiting.changes[d]; ok {
		return
	}
	w := &waiter{change: &crdt.Change{Dot: d}, code: code}
	stored, err := r.readChange(s.number, place{num, n})
	if err != nil {
		s.broken[d] = struct{}{}
		w.unknown = err
		r.damaged(Damage{Row: "change", Key: dotKey(rowChange, s.number, num, n), Scope: s.name, Dot: d, Err: err})
	} else {
		w.hash, w.chain, w.husk = stored.hash(), stored.chain, stored.husk()
		c, err := stored.read(d)
		switch {
		case errors.Is(err, crdt.ErrUnknownShape), errors.Is(err, codec.ErrVersion):
			w.unknown = err
		case err != nil:
			w.unknown = &CorruptError{Row: "change", Key: key, Scope: s.name, Err: err}
		default:
			w.change = c
		}
	}
	s.waiting.add(d, w, &s.applied)
	if w.husk {
		s.lacking.add(w.change)
	}
	waits[o] = append(waits[o], n)
}
