package replica

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/replica/session"
)

// Quarantined is a change that is stored and not applied.
type Quarantined struct {
	Scope   string
	Dot     clock.Dot
	Fate    Fate // Waiting or Rejected
	Code    session.Code
	Reason  string
	Since   clock.Stamp // wall time when it was set aside
	Stamp   clock.Stamp // of the change
	Author  crdt.Author
	Records []string    // the keys that it writes
	Needs   []clock.Dot // what it waits for, where that is changes
	// Dependents are the waiting changes that wait for this one.
	Dependents []clock.Dot
	Bytes      []byte // as it came
}

// Quarantine yields the changes of all scopes that wait or were rejected, sorted
// by scope and dot, as they are when it begins, and ends at the first error. A
// change whose own row is damaged is yielded without its bytes.
//
// Memory holds the list without the bytes, which are read one by one.
func (r *Replica) Quarantine(ctx context.Context) iter.Seq2[Quarantined, error] {
	return func(yield func(Quarantined, error) bool) {
		list, err := r.quarantined()
		if err != nil {
			yield(Quarantined{}, err)
			return
		}
		for _, q := range list {
			err := ctx.Err()
			if err == nil {
				err = r.fillQuarantined(&q)
			}
			if !yield(q, err) || err != nil {
				return
			}
		}
	}
}

// quarantined lists what the fate rows and memory say.
func (r *Replica) quarantined() ([]Quarantined, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if err := r.usable(); err != nil {
		return nil, err
	}
	var list []Quarantined
	for name, s := range r.scopes {
		dependents := map[clock.Dot][]clock.Dot{}
		for d, w := range s.waiting.changes {
			for _, n := range w.needs {
				dependents[n] = append(dependents[n], d)
			}
		}
		listed, from := map[clock.Dot]bool{}, len(list)
		for x, err := range r.store.scan(numberKey(rowFate, s.number), nil) {
			if err != nil {
				return nil, err
			}
			_, num, n, err := splitDotKey(x.key)
			if err != nil {
				continue
			}
			o, _ := r.origins.origin(num)
			q := Quarantined{Scope: name, Dot: clock.Dot{Origin: o, N: n}, Fate: Waiting}
			if f, err := decodeFateRow(x.key, x.value); err == nil {
				q.Fate, q.Reason, q.Since = f.fate, f.reason, f.since
				q.Code, _ = session.ParseCode(f.code)
			}
			listed[q.Dot] = true
			list = append(list, q)
		}
		for d := range s.waiting.changes {
			if !listed[d] {
				list = append(list, Quarantined{Scope: name, Dot: d, Fate: Waiting})
			}
		}
		for i := from; i < len(list); i++ {
			q := &list[i]
			if w := s.waiting.changes[q.Dot]; w != nil {
				q.Needs = slices.Clone(w.needs)
				if c, ok := session.ParseCode(w.code); ok {
					q.Code = c
				}
			}
			q.Dependents = dependents[q.Dot]
			slices.SortFunc(q.Dependents, clock.Dot.Compare)
		}
	}
	slices.SortFunc(list, func(a, b Quarantined) int {
		return cmp.Or(cmp.Compare(a.Scope, b.Scope), a.Dot.Compare(b.Dot))
	})
	return list, nil
}

// fillQuarantined reads what the change says.
func (r *Replica) fillQuarantined(q *Quarantined) error {
	r.mu.RLock()
	s := r.scopes[q.Scope]
	num, ok := r.origins.numbers[q.Dot.Origin]
	r.mu.RUnlock()
	if s == nil || !ok {
		return nil
	}
	row, err := r.readChange(s.number, place{num, q.Dot.N})
	if errors.Is(err, ErrCorrupt) {
		q.Code, q.Reason = session.CodeUnavailable, err.Error()
		return nil
	}
	if err != nil {
		return err
	}
	q.Bytes = row.change
	c, _ := row.read(q.Dot)
	if c == nil {
		return nil
	}
	q.Stamp, q.Author = c.Stamp, c.Author
	for i := range c.Parts {
		q.Records = append(q.Records, c.Parts[i].Key)
	}
	return nil
}

// ErrNotWaiting means that a change is not among those that wait.
var ErrNotWaiting = errors.New("replica: change does not wait")

// Retry looks again at a change that waits, and returns what it is now, durably.
// The replica does so by itself whenever something arrives; what was rejected is
// rejected for ever. [ErrNotWaiting] if the change does not wait here.
func (r *Replica) Retry(ctx context.Context, scope string, d clock.Dot) (Fate, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	r.mu.Lock()
	at, waits, err := r.retryOne(scope, d)
	b := r.commits.current
	r.mu.Unlock()
	if err == nil {
		err = r.await(b)
	}
	if err == nil && waits {
		return Waiting, nil
	}
	var row *changeRow
	if err == nil {
		row, err = r.readChange(at.scope, at.place)
	}
	if err != nil {
		return 0, fmt.Errorf("replica: retry %v in scope %q: %w", d, scope, err)
	}
	return row.fate, nil
}

// scopedPlace is where a change row stands.
type scopedPlace struct {
	scope uint32
	place
}

// retryOne looks again at what waits in a scope, and reports whether d still
// does. The caller holds r.mu.
func (r *Replica) retryOne(scope string, d clock.Dot) (at scopedPlace, waits bool, err error) {
	if err := r.usable(); err != nil {
		return at, false, err
	}
	s := r.scopes[scope]
	if s == nil || s.waiting.changes[d] == nil {
		return at, false, ErrNotWaiting
	}
	if err := r.retry(s); err != nil {
		return at, false, err
	}
	at = scopedPlace{s.number, place{r.origins.numbers[d.Origin], d.N}}
	return at, s.waiting.changes[d] != nil, nil
}
