package replica

import (
	"context"
	"errors"
	"fmt"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
)

// VerifyReport is what [Replica.Verify] found.
type VerifyReport struct {
	Scopes  int
	Changes uint64
	Records uint64
	Waiting uint64 // changes that wait or were rejected
	Bytes   uint64 // of changes
	Damage  []Damage
}

// OK reports whether everything is as it was written.
func (v VerifyReport) OK() bool { return len(v.Damage) == 0 }

// VerifyProgress is how far a verification has come.
type VerifyProgress struct {
	Scope   string
	Changes uint64 // looked at so far, in all scopes
	Records uint64
}

// Verify reads everything that the replica holds and compares it: each row with
// its checksum, each origin's changes with their hash chain and its clock, each
// record, made again from its changes, with its header, and the headers with the
// tally of their scope. It changes nothing in the store. What it finds is also
// in [Replica.Damage].
//
// It reads each scope as it is at one moment, while others write. It costs what
// opening every record costs, and memory for the keys of one scope. progress may
// be nil.
//
// Damage is in the report and not an error.
func (r *Replica) Verify(ctx context.Context, progress func(VerifyProgress)) (VerifyReport, error) {
	r.mu.RLock()
	err := r.usable()
	var scopes []*scope
	for _, s := range r.scopes {
		scopes = append(scopes, s)
	}
	kept := map[string]Damage{}
	for id, d := range r.damage {
		if d.Scope == "" {
			kept[id] = d
		}
	}
	r.mu.RUnlock()
	if err != nil {
		return VerifyReport{}, err
	}
	all := &verifier{r: r, ctx: ctx, progress: progress}
	for _, s := range scopes {
		v := &verifier{r: r, ctx: ctx, progress: progress, report: all.report, s: s,
			chains: map[uint32]crdt.Hash{}, last: map[uint32]uint64{}, named: map[string]bool{}, lacking: map[clock.Dot]bool{}}
		err := r.settled(v.scope)
		if errors.Is(err, ErrCorrupt) {
			v.found(Damage{Row: "store", Scope: s.name, Err: err})
			err = nil
		}
		if err != nil {
			return all.report, fmt.Errorf("replica: verify scope %q: %w", s.name, err)
		}
		all.report = v.report
		all.report.Scopes++
		r.mu.Lock()
		if r.scopes[s.name] == s {
			for d := range v.lacking {
				s.broken[d] = struct{}{}
				if d.Origin == r.origin {
					r.doubt(fmt.Sprintf("the own change %d of scope %q is damaged", d.N, s.name))
				}
			}
		}
		r.mu.Unlock()
	}
	for _, d := range kept {
		all.found(d)
	}
	found := map[string]Damage{}
	for _, d := range all.report.Damage {
		found[d.id()] = d
	}
	all.report.Damage = sortedDamage(found)
	r.mu.Lock()
	r.damage = found
	r.mu.Unlock()
	return all.report, nil
}

// settled calls f with the store as it is between two commits.
func (r *Replica) settled(f func(reader) error) error {
	r.commits.flush.Lock()
	held := true
	defer func() {
		if held {
			r.commits.flush.Unlock()
		}
	}()
	return r.store.at(func(v reader) error {
		held = false
		r.commits.flush.Unlock()
		return f(v)
	})
}

// verifier looks at one scope.
type verifier struct {
	r        *Replica
	ctx      context.Context
	progress func(VerifyProgress)
	report   VerifyReport
	s        *scope
	chains   map[uint32]crdt.Hash // by origin, after the last row
	last     map[uint32]uint64
	named    map[string]bool // keys that applied changes name
	lacking  map[clock.Dot]bool
	fates    uint64 // of change rows
}

func (v *verifier) found(d Damage) {
	if d.Scope == "" && v.s != nil {
		d.Scope = v.s.name
	}
	if len(v.report.Damage) < maxDamage {
		v.report.Damage = append(v.report.Damage, d)
	}
}

// maxDamage bounds a report.
const maxDamage = 1 << 16

// lacks notes a change whose row is not there as it was written.
func (v *verifier) lacks(num uint32, n uint64, err error) {
	o := v.r.originOf(num)
	d := clock.Dot{Origin: o, N: n}
	if v.lacking[d] {
		return
	}
	v.lacking[d] = true
	v.found(Damage{Row: "change", Key: dotKey(rowChange, v.s.number, num, n), Dot: d, Err: err})
}

// originOf is the origin of a number, zero if it is not known.
func (r *Replica) originOf(num uint32) clock.Origin {
	r.mu.RLock()
	defer r.mu.RUnlock()
	o, _ := r.origins.origin(num)
	return o
}

func (v *verifier) tell() error {
	if v.progress != nil && (v.report.Changes+v.report.Records)%256 == 0 {
		v.progress(VerifyProgress{v.s.name, v.report.Changes, v.report.Records})
	}
	return v.ctx.Err()
}

func (v *verifier) scope(at reader) error {
	if err := v.changes(at); err != nil {
		return err
	}
	if err := v.records(at); err != nil {
		return err
	}
	return v.fateRows(at)
}

func (v *verifier) changes(at reader) error {
	for x, err := range at.scan(numberKey(rowChange, v.s.number), nil) {
		if err == nil {
			err = v.tell()
		}
		if err != nil {
			return err
		}
		v.report.Changes++
		v.report.Bytes += uint64(len(x.value))
		_, num, n, err := splitDotKey(x.key)
		if err != nil {
			v.found(Damage{Row: "change", Key: x.key, Err: err})
			continue
		}
		for m := v.last[num] + 1; m < n && len(v.lacking) < maxDamage; m++ {
			v.lacks(num, m, errMissing)
		}
		whole := v.last[num]+1 == n
		v.last[num] = n
		before, known := v.chains[num]
		delete(v.chains, num)
		row, err := decodeChangeRow(x.key, x.value)
		if err != nil {
			v.lacks(num, n, err)
			continue
		}
		c, err := row.read(clock.Dot{Origin: v.r.originOf(num), N: n})
		if err == nil && (c.Dot.N != n || c.Dot.Origin != v.r.originOf(num)) {
			v.lacks(num, n, fmt.Errorf("it says that it is %v", c.Dot))
			continue
		}
		if n == 1 {
			before, known = crdt.ChainStart(v.s.name, v.r.originOf(num)), true
		}
		if known && whole && crdt.Chain(before, row.hash()) != row.chain {
			v.lacks(num, n, errors.New("it does not follow the change before it"))
			continue
		}
		v.chains[num] = row.chain
		if row.fate != Applied {
			v.fates++
			v.checkFate(at, x.key, num, n, row.fate)
		}
		if err == nil && row.fate != Waiting {
			for i := range c.Parts {
				v.named[c.Parts[i].Key] = true
			}
		}
	}
	return nil
}

func (v *verifier) checkFate(at reader, change []byte, num uint32, n uint64, want Fate) {
	key := dotKey(rowFate, v.s.number, num, n)
	b, found, err := at.get(key)
	var f *fateRow
	if err == nil && !found {
		err = errMissing
	}
	if err == nil {
		f, err = decodeFateRow(key, b)
	}
	if err == nil && f.fate != want {
		err = fmt.Errorf("it says %v, its change says %v", f.fate, want)
	}
	if err != nil {
		v.found(Damage{Row: "fate", Key: key, Dot: clock.Dot{Origin: v.r.originOf(num), N: n}, Err: err})
	}
}

func (v *verifier) records(at reader) error {
	sum, err := readSum(at, v.s)
	if errors.Is(err, ErrCorrupt) {
		v.found(Damage{Row: "sum", Key: numberKey(rowSum, v.s.number), Err: err})
		err = nil
	}
	if err != nil {
		return err
	}
	prefix := recordKey(rowHeader, v.s.number, "")
	var got tally
	damaged := false
	for x, err := range at.scan(prefix, nil) {
		if err == nil {
			err = v.tell()
		}
		if err != nil {
			return err
		}
		v.report.Records++
		got.records++
		key := string(x.key[len(prefix):])
		delete(v.named, key)
		h, err := decodeHeader(x.key, x.value)
		if err != nil {
			damaged = true
			v.found(Damage{Row: "header", Key: x.key, Record: key, Err: err})
			continue
		}
		if !h.purged {
			got.sum.Add(item(key, h.digest))
		}
		v.vector(h)
		if _, err := rebuild(at, v.s, key, h); errors.Is(err, ErrCorrupt) {
			v.recordDamage(key, x.key, err)
		} else if err != nil {
			return err
		}
	}
	for key := range v.named {
		damaged = true
		v.found(Damage{Row: "header", Key: recordKey(rowHeader, v.s.number, key), Record: key, Err: errMissing})
	}
	switch {
	case sum == nil:
	case got.records != sum.records:
		v.found(Damage{Row: "header", Key: prefix, Err: fmt.Errorf("%d records, and the tally says %d", got.records, sum.records)})
	case !damaged && got.sum != sum.sum:
		v.found(Damage{Row: "sum", Key: numberKey(rowSum, v.s.number), Err: errors.New("the records' digests do not add up to it")})
	}
	if sum != nil && sum.fates != v.fates && len(v.lacking) == 0 {
		v.found(Damage{Row: "fate", Key: numberKey(rowFate, v.s.number), Err: fmt.Errorf("%d changes are not applied, and the tally says %d", v.fates, sum.fates)})
	}
	return nil
}

// recordDamage files damage of a record under the row that has it.
func (v *verifier) recordDamage(record string, key []byte, err error) {
	d := Damage{Row: "record", Key: key, Record: record, Err: err}
	if c, ok := errors.AsType[*CorruptError](err); ok {
		d.Row, d.Key, d.Err = c.Row, c.Key, c.Err
		if c.Row == "change" {
			if _, num, n, kerr := splitDotKey(c.Key); kerr == nil {
				v.lacks(num, n, c.Err)
			}
			// The record cannot be shown until the change is back.
			d.Row = "record"
		}
	}
	v.found(d)
}

// vector compares a record's writers with the changes that are here: the last
// rows of an origin leave no gap when they are lost.
func (v *verifier) vector(h *header) {
	for o, n := range h.vector.All() {
		v.r.mu.RLock()
		num, ok := v.r.origins.numbers[o]
		v.r.mu.RUnlock()
		if !ok {
			v.found(Damage{Row: "origin", Err: fmt.Errorf("%v is not known", o)})
			continue
		}
		for m := v.last[num] + 1; m <= n && len(v.lacking) < maxDamage; m++ {
			v.lacks(num, m, errMissing)
		}
	}
}

func (v *verifier) fateRows(at reader) error {
	for x, err := range at.scan(numberKey(rowFate, v.s.number), nil) {
		if err == nil {
			err = v.tell()
		}
		if err != nil {
			return err
		}
		v.report.Waiting++
		if _, err := decodeFateRow(x.key, x.value); err != nil {
			_, num, n, _ := splitDotKey(x.key)
			v.found(Damage{Row: "fate", Key: x.key, Dot: clock.Dot{Origin: v.r.originOf(num), N: n}, Err: err})
		}
	}
	return nil
}
