package replica

import (
	"errors"
	"fmt"

	"github.com/concord-crdt/concord/clock"
)

// absence is what is known of the keys of a scope that have no header. No header
// is evidence of absence only in a scope whose headers are all there.
type absence struct {
	known   bool            // the headers were counted since the replica was opened
	lost    map[string]bool // keys whose headers are missing
	unknown uint64          // headers that are missing beyond those
}

// absent decides whether a record without a header was never there. It counts
// the headers of the scope the first time: some microseconds for each record.
// The caller holds r.mu.
func (r *Replica) absent(s *scope, key string) error {
	if s == nil {
		if r.unnamed {
			return &CorruptError{Row: "scope", Record: key, Err: errors.New("the name of a scope is lost, and the record may be in it")}
		}
		return nil
	}
	a := &s.absence
	if !a.known {
		if err := r.countHeaders(s); err != nil {
			return err
		}
	}
	if a.lost[key] || a.unknown > 0 {
		return &CorruptError{Row: "header", Key: recordKey(rowHeader, s.number, key), Scope: s.name, Record: key, Err: errMissing}
	}
	return nil
}

// countHeaders compares the headers of a scope with its tally.
func (r *Replica) countHeaders(s *scope) error {
	keys := map[string]bool{}
	want := uint64(0)
	err := r.store.at(func(v reader) error {
		sum, err := readSum(v, s)
		if err != nil {
			return err
		}
		want = sum.records
		prefix := recordKey(rowHeader, s.number, "")
		n := uint64(0)
		for x, err := range v.scan(prefix, nil) {
			if err != nil {
				return err
			}
			n++
			if len(keys) < maxLostSearch {
				keys[string(x.key[len(prefix):])] = true
			}
		}
		want -= min(n, want)
		return nil
	})
	if err != nil {
		return err
	}
	s.absence = absence{known: true, unknown: want}
	if want == 0 {
		return nil
	}
	r.damaged(Damage{Row: "header", Key: recordKey(rowHeader, s.number, ""), Scope: s.name,
		Err: fmt.Errorf("%d headers are missing: %w", want, errMissing)})
	lost, err := r.lostHeaders(s, keys)
	if err != nil {
		return err
	}
	s.absence.lost = lost
	s.absence.unknown -= min(uint64(len(lost)), want)
	return nil
}

// maxLostSearch bounds the memory of a search for missing headers.
const maxLostSearch = 1 << 20

// lostHeaders finds the keys that applied changes name and that have no header.
func (r *Replica) lostHeaders(s *scope, have map[string]bool) (map[string]bool, error) {
	lost := map[string]bool{}
	for x, err := range r.store.scan(numberKey(rowChange, s.number), nil) {
		if err != nil {
			return nil, err
		}
		row, err := decodeChangeRow(x.key, x.value)
		if err != nil || row.fate == Waiting {
			continue
		}
		c, err := row.read(clock.Dot{}) // its keys are asked for
		if err != nil {
			continue
		}
		for i := range c.Parts {
			key := c.Parts[i].Key
			if have[key] || lost[key] {
				continue
			}
			_, found, err := r.store.get(recordKey(rowHeader, s.number, key))
			if err != nil {
				return nil, err
			}
			if !found && len(lost) < maxLostSearch {
				lost[key] = true
				r.damaged(Damage{Row: "header", Key: recordKey(rowHeader, s.number, key), Scope: s.name, Record: key, Err: errMissing})
			}
		}
	}
	return lost, nil
}

// readSum reads the tally of a scope; a scope that was never committed has none.
func readSum(v reader, s *scope) (*sumRow, error) {
	key := numberKey(rowSum, s.number)
	b, found, err := v.get(key)
	if err != nil {
		return nil, err
	}
	if !found {
		if s.stored.IsEmpty() {
			return &sumRow{}, nil
		}
		return nil, &CorruptError{Row: "sum", Key: key, Scope: s.name, Err: errMissing}
	}
	sum, err := decodeSum(key, b)
	if c, ok := errors.AsType[*CorruptError](err); ok {
		c.Scope = s.name
	}
	return sum, err
}
