package replica

import (
	"errors"
	"fmt"
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/replica/session"
)

// intake takes changes of a peer into a scope: each gets its own verdict, and
// one that cannot be applied never blocks another. It returns when they are
// durable.
func (r *Replica) intake(in session.Intake) ([]session.Verdict, error) {
	r.mu.Lock()
	if err := r.usable(); err != nil {
		r.mu.Unlock()
		return nil, err
	}
	r.agreed = in.Agreed
	verdicts := make([]session.Verdict, len(in.Changes))
	if !r.space.takes(class(r.options.Schema.Priority(in.Scope))) {
		r.mu.Unlock()
		for i := range verdicts {
			verdicts[i] = refused(session.CodeQuota, "the disk is full")
		}
		return verdicts, nil
	}
	var err error
	for i := range in.Changes {
		if verdicts[i], err = r.receive(in.Scope, &in.Changes[i]); err != nil {
			break
		}
	}
	if s := r.scopes[in.Scope]; s != nil && err == nil {
		err = r.retry(s)
	}
	if err == nil {
		err = r.takeEarly(in.Scope)
	}
	b := r.commits.current
	r.mu.Unlock()
	if err := errors.Join(err, r.await(b)); err != nil {
		return verdicts, err
	}
	return verdicts, r.resumeRebuilds()
}

func refused(code session.Code, format string, args ...any) session.Verdict {
	return session.Verdict{Outcome: session.Refused, Code: code, Reason: fmt.Sprintf(format, args...)}
}

// receive decides the fate of one change and stages it. The caller holds r.mu.
func (r *Replica) receive(name string, in *session.Incoming) (session.Verdict, error) {
	s := r.scopes[name]
	if s == nil {
		s = newScope(name, 0) // for the checks: what is refused makes no scope
	}
	if s.stored.Contains(in.Dot) {
		return r.again(s, in)
	}
	if next := s.stored.Get(in.Dot.Origin) + 1; in.Dot.N != next {
		return refused(session.CodeGap, "expected change %d of this origin, got %d", next, in.Dot.N), nil
	}
	if in.Before != s.chain(in.Dot.Origin) {
		return refused(session.CodeFork, "change %v follows another history than the one here", in.Dot), nil
	}
	if len(in.Encoded) > maxChangeBytes {
		return refused(session.CodeTooLarge, "%d bytes; the limit is %d", len(in.Encoded), maxChangeBytes), nil
	}
	var g group
	if s = r.scope(name, &g); len(g) > 0 {
		r.stage(g) // whatever comes of the change: the scope has its number now
		g = nil
	}
	c := in.Change
	if c == nil {
		c = &crdt.Change{Dot: in.Dot}
	}
	e := &entry{scope: s, change: c, encoded: in.Encoded, hash: in.Hash}
	w, err := r.decide(e, name, in.Unknown)
	if err != nil {
		return session.Verdict{}, err
	}
	if r.entered(s, e) {
		return r.heal(s, in), nil
	}
	events := r.land(e, w)
	r.enter(&g, e)
	if w != nil {
		w.chain = s.chains[in.Dot.Origin]
		s.waiting[in.Dot] = w
	}
	r.stage(g, events...)
	v := session.Verdict{Reason: e.reason}
	v.Code, _ = session.ParseCode(e.code)
	switch e.fate {
	case Waiting:
		v.Outcome = session.Waiting
	case Rejected:
		v.Outcome = session.Rejected
	}
	return v, nil
}

// again looks at a change whose dot is here: it is the same one, or a fork.
func (r *Replica) again(s *scope, in *session.Incoming) (session.Verdict, error) {
	if r.staged(in.Dot) {
		return session.Verdict{Outcome: session.Duplicate}, nil
	}
	row, err := r.readChange(s.number, place{r.origins.numbers[in.Dot.Origin], in.Dot.N})
	if errors.Is(err, ErrCorrupt) {
		return r.heal(s, in), nil
	}
	if err != nil {
		return session.Verdict{}, err
	}
	if crdt.HashOf(row.change) != in.Hash {
		return refused(session.CodeFork, "another change is stored under %v", in.Dot), nil
	}
	return session.Verdict{Outcome: session.Duplicate}, nil
}

// decide finds a change's fate and, unless it waits, opens its records. A
// waiter is returned for one that waits. The fate follows from the change and
// what it names; only waiting depends on the moment, and ends.
func (r *Replica) decide(e *entry, name string, unknown error) (*waiter, error) {
	c, s := e.change, e.scope
	w := &waiter{change: c, hash: e.hash, unknown: unknown}
	wait := func(code session.Code, needs []clock.Dot, reason string) (*waiter, error) {
		e.fate, e.code, e.reason = Waiting, code.String(), reason
		w.code, w.needs = e.code, needs
		return w, nil
	}
	if unknown != nil {
		return wait(session.CodeUnknownShape, nil, unknown.Error())
	}
	if r.holds(name, c.Dot) {
		return wait(session.CodeNone, nil, held)
	}
	if clock.Ahead(c.Stamp, r.wall(), r.hlc.Last(), r.agreed, s.maxed) {
		return wait(session.CodeClockAhead, nil, fmt.Sprintf("stamp %v is more than %v ahead", c.Stamp, clock.MaxAhead))
	}
	var opens []*open
	var missing []clock.Dot
	var fault error
	for i := range c.Parts {
		p := &c.Parts[i]
		o, err := r.record(s, name, p.Key)
		if errors.Is(err, ErrCorrupt) {
			// It waits for the record to be repaired, and holds up nothing else.
			return wait(session.CodeUnavailable, nil, err.Error())
		}
		if err != nil {
			return nil, err
		}
		opens = append(opens, o)
		missing = append(missing, o.record.Missing(p)...)
		if d, ok := s.blocked(c, p.Key); ok {
			missing = append(missing, d)
		}
		if fault == nil {
			fault = o.record.Check(c, p)
		}
	}
	if len(missing) > 0 {
		return wait(session.CodeMissingHead, missing, fmt.Sprintf("waits for %v", missing[0]))
	}
	switch {
	case errors.Is(fault, crdt.ErrFork):
		return wait(session.CodeFork, nil, fault.Error())
	case errors.Is(fault, crdt.ErrMissingElement):
		return wait(session.CodeMissingElement, nil, fault.Error())
	}
	e.opens, e.fate = opens, Applied
	if fault != nil {
		e.fate, e.code, e.reason = Rejected, session.CodeInvalid.String(), fault.Error()
	}
	return nil, nil
}

// land applies a change that does not wait to its records.
func (r *Replica) land(e *entry, w *waiter) []Event {
	if w != nil {
		e.opens = nil
		return nil
	}
	var events []Event
	digest := e.hash.Digest()
	for i, o := range e.opens {
		p := &e.change.Parts[i]
		if e.fate == Rejected {
			o.record.ApplyVoid(e.change, p, digest)
		} else {
			o.record.Apply(e.change, p, digest, nil)
		}
		events = append(events, r.event(e.scope, e.change, p, o, false))
	}
	if e.fate == Applied {
		r.hlc.Observe(e.change.Stamp)
	}
	return events
}

// retry looks again at what waits in a scope, in canonical order, until
// nothing more can be applied. The caller holds r.mu.
func (r *Replica) retry(s *scope) error {
	for again := true; again && len(s.waiting) > 0; {
		again = false
		for _, d := range r.sortedWaiting(s) {
			w := s.waiting[d]
			if slices.ContainsFunc(w.needs, func(n clock.Dot) bool { return !s.applied.Contains(n) }) {
				continue
			}
			e := &entry{scope: s, change: w.change, hash: w.hash, stored: true}
			still, err := r.decide(e, s.name, w.unknown)
			if err != nil {
				return err
			}
			if still != nil {
				w.needs, w.code = still.needs, still.code
				continue
			}
			if e.encoded, err = r.waitingBytes(s, d, w); err != nil {
				return err
			}
			var g group
			events := r.land(e, nil)
			r.enter(&g, e)
			r.stage(g, events...)
			again = true
		}
	}
	return nil
}

// retryAll is retry for every scope, in the order of their names.
func (r *Replica) retryAll() error {
	var names []string
	for name, s := range r.scopes {
		if len(s.waiting) > 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		if err := r.retry(r.scopes[name]); err != nil {
			return err
		}
	}
	return nil
}

// waitingBytes are the bytes of a change that waited, as they came.
func (r *Replica) waitingBytes(s *scope, d clock.Dot, w *waiter) ([]byte, error) {
	if b := w.change.Encode(); crdt.HashOf(b) == w.hash {
		return b, nil
	}
	row, err := r.readChange(s.number, place{r.origins.numbers[d.Origin], d.N})
	if err != nil {
		return nil, err
	}
	return row.change, nil
}

// sortedWaiting lists what waits for something else than to be taken.
func (r *Replica) sortedWaiting(s *scope) []clock.Dot {
	ds := make([]clock.Dot, 0, len(s.waiting))
	for d := range s.waiting {
		if !r.holds(s.name, d) {
			ds = append(ds, d)
		}
	}
	slices.SortFunc(ds, clock.Dot.Compare)
	return ds
}

// checkWrite refuses what the schema does not allow. It looks at what is written
// here and not at what arrives: replicas may run with different schemas, and a
// verdict that hangs on the receiver would tear their states apart.
func (r *Replica) checkWrite(scope string, c *crdt.Change) error {
	rule := r.collectionRule(collectionOf(scope))
	for i := range c.Parts {
		if err := rule.CheckWrite(&c.Parts[i], c.Author.Role); err != nil {
			return fmt.Errorf("record %q: %w", c.Parts[i].Key, err)
		}
	}
	return nil
}
