package replica

import (
	"maps"
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/replica/session"
)

// early are changes out of bundles that came before the ones they follow in
// their origin's numbering. They are kept beside the scopes: no clock covers
// them, so a session brings them like any other that is not here, and they are
// taken in as soon as what was missing is.
type early struct {
	loaded bool
	scopes map[string]map[clock.Dot]*session.Incoming
	bytes  int
}

// maxEarlyBytes is how much may be kept so. What does not fit is refused, and
// can be imported again.
const maxEarlyBytes = 8 << 20

// earlyWeight is what a change takes of it.
func earlyWeight(in *session.Incoming) int { return len(in.Encoded) + 256 }

func earlyKey(scope string, d clock.Dot) []byte {
	w := codec.NewWriter(make([]byte, 0, 40+len(scope)))
	w.Byte(rowEarly)
	w.Uint32(uint32(len(scope)))
	w.Raw([]byte(scope))
	w.Raw(writeOrigin(d.Origin))
	w.Uint64(d.N)
	return w.Bytes()
}

func splitEarlyKey(k []byte) (scope string, d clock.Dot, err error) {
	r := codec.NewReader(k)
	r.Byte()
	scope = string(r.Raw(int(min(r.Uint32(), maxKeyBytes+1))))
	o := r.Raw(24)
	d.N = r.Uint64()
	if err = r.Close(); err == nil {
		d.Origin, err = readOrigin(o)
	}
	return scope, d, err
}

// loadEarly reads the rows on first use. One that is damaged is dropped: it was
// promised to nobody. The caller holds r.mu.
func (r *Replica) loadEarly() error {
	if r.early.loaded {
		return nil
	}
	found := early{loaded: true, scopes: map[string]map[clock.Dot]*session.Incoming{}}
	for x, err := range r.store.scan([]byte{rowEarly}, nil) {
		if err != nil {
			return err
		}
		scope, d, err := splitEarlyKey(x.key)
		var in *session.Incoming
		if err == nil {
			in, err = decodeEarly(x, d)
		}
		if err != nil {
			r.log.Warn("dropped an early change whose row is damaged", "error", err)
			r.stage(group{{key: x.key}})
			continue
		}
		found.add(scope, in)
	}
	r.early = found
	return nil
}

func encodeEarly(key []byte, in *session.Incoming) []byte {
	w := codec.NewWriter(nil)
	w.Raw(in.Before[:])
	w.Raw(in.Encoded)
	return encodePlain(key, w.Bytes())
}

func decodeEarly(x row, d clock.Dot) (*session.Incoming, error) {
	b, err := decodePlain("early change", x.key, x.value)
	if err != nil {
		return nil, err
	}
	r := codec.NewReader(b)
	before := readHash(r)
	if r.Err() != nil {
		return nil, &CorruptError{Row: "early change", Key: x.key, Err: r.Err()}
	}
	in, err := session.ReadIncoming(d, slices.Clone(r.Raw(r.Remaining())), before)
	if err != nil {
		return nil, &CorruptError{Row: "early change", Key: x.key, Err: err}
	}
	return &in, nil
}

func (e *early) add(scope string, in *session.Incoming) {
	if e.scopes[scope] == nil {
		e.scopes[scope] = map[clock.Dot]*session.Incoming{}
	}
	e.scopes[scope][in.Dot] = in
	e.bytes += earlyWeight(in)
}

var waitsForEarlier = session.Verdict{Outcome: session.Waiting, Code: session.CodeGap, Reason: "an earlier change of its origin is not here"}

// keep keeps changes that came early and returns a verdict for each.
func (r *Replica) keep(scope string, changes []*session.Incoming) ([]session.Verdict, error) {
	r.mu.Lock()
	err := r.usable()
	if err == nil {
		err = r.loadEarly()
	}
	if err != nil {
		r.mu.Unlock()
		return nil, err
	}
	verdicts := make([]session.Verdict, len(changes))
	var g group
	for i, in := range changes {
		switch have := r.early.scopes[scope][in.Dot]; {
		case in.Dot.Origin.Replica == r.origin.Replica:
			verdicts[i] = refused(session.CodeGap, "a change of this replica that it does not remember; sync with a peer that has it")
		case have != nil && have.Hash == in.Hash && have.Before == in.Before:
			verdicts[i] = waitsForEarlier
		case have != nil:
			verdicts[i] = refused(session.CodeFork, "another change is kept under %v", in.Dot)
		case r.early.bytes+earlyWeight(in) > maxEarlyBytes:
			verdicts[i] = refused(session.CodeQuota, "no room for more than %d bytes of changes that come early", maxEarlyBytes)
		default:
			verdicts[i] = waitsForEarlier
			r.early.add(scope, in)
			key := earlyKey(scope, in.Dot)
			g = append(g, row{key, encodeEarly(key, in)})
		}
	}
	for _, p := range inPieces(g) {
		r.stage(p)
	}
	err = r.takeEarly(scope) // what was missing may have come meanwhile
	b := r.commits.current
	r.mu.Unlock()
	if werr := r.await(b); werr != nil {
		r.mu.Lock()
		r.early = early{} // as the store has it, when it is asked for
		r.mu.Unlock()
		return verdicts, werr
	}
	return verdicts, err
}

// takeEarly takes in what comes early no more, and forgets what is here by other
// ways. The caller holds r.mu.
func (r *Replica) takeEarly(scope string) error {
	if err := r.loadEarly(); err != nil {
		return err
	}
	kept := r.early.scopes[scope]
	if len(kept) == 0 {
		return nil
	}
	taken := false
	for _, d := range slices.SortedFunc(maps.Keys(kept), clock.Dot.Compare) {
		last := uint64(0)
		if s := r.scopes[scope]; s != nil {
			last = s.stored.Get(d.Origin)
		}
		if d.N > last+1 {
			continue
		}
		in := kept[d]
		if d.N == last+1 {
			v, err := r.receive(scope, in)
			if err != nil {
				return err
			}
			if !v.Outcome.Durable() {
				r.log.Warn("a change that came early was refused", "scope", scope, "dot", d.String(), "verdict", v.String())
			}
			taken = true
		}
		delete(kept, d)
		r.early.bytes -= earlyWeight(in)
		r.stage(group{{key: earlyKey(scope, d)}})
	}
	if len(kept) == 0 {
		delete(r.early.scopes, scope)
	}
	if s := r.scopes[scope]; taken && s != nil {
		return r.retry(s)
	}
	return nil
}
