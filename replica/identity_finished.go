package replica

import (
	"maps"
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
)

// finished is an incarnation that the store went through. They are kept in it,
// so that a replica knows those that it was from those of a copy of its directory,
// which may live on.
type finished struct {
	// sure says that marks are those of its end, and that it lives on nowhere.
	sure  bool
	marks map[string]uint64 // per scope the highest own change that a peer may have seen
}

// endedBy reports whether a scope in which the last own change of the incarnation
// is last is sure to have all of them.
func (f *finished) endedBy(scope string, last uint64) bool {
	return f.sure && last > 0 && last >= f.marks[scope]
}

const finishedPrefix = "finished/"

func finishedKey(o clock.Origin) []byte { return append(metaKey(finishedPrefix), writeOrigin(o)...) }

// finish notes an incarnation as ended; the row is to be staged. The caller holds
// r.mu.
func (r *Replica) finish(o clock.Origin, marks map[string]uint64) row {
	f := &finished{sure: !r.shared, marks: marks}
	r.finished[o], r.shared = f, false
	w := codec.NewWriter(nil)
	w.Bool(f.sure)
	w.Uvarint(uint64(len(marks)))
	for _, name := range slices.Sorted(maps.Keys(marks)) {
		w.String(name)
		w.Uvarint(marks[name])
	}
	key := finishedKey(o)
	return row{key, encodePlain(key, w.Bytes())}
}

func decodeFinished(key, value []byte) (o clock.Origin, f *finished, err error) {
	b, err := decodePlain("finished", key, value)
	if err != nil {
		return o, nil, err
	}
	if o, err = readOrigin(key[len(metaKey(finishedPrefix)):]); err != nil {
		return o, nil, &CorruptError{Row: "finished", Key: key, Err: err}
	}
	r := codec.NewReader(b)
	f = &finished{sure: r.Bool(), marks: map[string]uint64{}}
	last := ""
	for range r.Count("scopes", maxRowBytes, 2) {
		name := r.String("scope", maxKeyBytes)
		if name <= last {
			r.Fail("scopes", codec.ErrNotCanonical)
		}
		f.marks[name], last = r.Uvarint(), name
	}
	if err := r.Close(); err != nil {
		return o, nil, &CorruptError{Row: "finished", Key: key, Err: err}
	}
	return o, f, nil
}

// loadFinished reads which incarnations have ended. What is damaged is passed
// over: it is not sealed without being asked.
func (r *Replica) loadFinished() error {
	r.finished = map[clock.Origin]*finished{}
	for x, err := range r.store.scan(metaKey(finishedPrefix), nil) {
		if err != nil {
			return err
		}
		if o, f, err := decodeFinished(x.key, x.value); err == nil {
			r.finished[o] = f
		} else {
			r.log.Warn("an incarnation that ended cannot be read", "error", err)
		}
	}
	return nil
}
