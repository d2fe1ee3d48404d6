package replica

import (
	"errors"
	"fmt"
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/internal/planted"
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
	r.agreed, r.agreedAt = in.Agreed, r.options.Monotonic()
	verdicts := make([]session.Verdict, len(in.Changes))
	if !r.space.takes(class(r.priority(in.Scope))) {
		r.mu.Unlock()
		for i := range verdicts {
			verdicts[i] = refused(session.CodeQuota, "the disk is full")
		}
		return verdicts, nil
	}
	var err error
	for i := range in.Changes {
		if s := r.scopes[in.Scope]; planted.Is(planted.ClocksJoinedHalf) && i > 0 && s != nil {
			s.stored.Advance(in.Changes[i].Dot)
			continue
		}
		if verdicts[i], err = r.receive(in.Scope, &in.Changes[i]); err != nil {
			break
		}
		if o := verdicts[i].Outcome; o != session.Duplicate && o.Durable() {
			r.cameBack(in.Scope, in.Changes[i].Dot)
		}
	}
	if s := r.scopes[in.Scope]; s != nil && err == nil {
		err = r.retry(s)
	}
	if err == nil {
		err = r.takeEarly(in.Scope)
	}
	if err == nil {
		err = r.reconsider()
	}
	b := r.commits.current
	r.mu.Unlock()
	if err := errors.Join(err, r.await(b)); err != nil {
		return verdicts, err
	}
	return verdicts, errors.Join(r.takeFragments(in.Scope), r.resumeRebuilds(), r.settleRecords())
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
	if err := r.roomFor(s, in.Dot.Origin); err != nil {
		return refused(session.CodeTooLarge, "%v", err), nil
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
	if in.Husk {
		if _, broken := s.broken[in.Dot]; broken {
			return r.healHusk(s, in)
		}
		return r.receiveHusk(s, in), nil
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
		s.waiting.add(in.Dot, w, &s.applied)
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
	if r.staged(s, in.Dot) {
		return session.Verdict{Outcome: session.Duplicate}, nil
	}
	row, err := r.readChange(s.number, place{r.origins.numbers[in.Dot.Origin], in.Dot.N})
	if errors.Is(err, ErrCorrupt) && in.Husk {
		return r.healHusk(s, in)
	}
	if errors.Is(err, ErrCorrupt) {
		return r.heal(s, in), nil
	}
	if err != nil {
		return session.Verdict{}, err
	}
	if row.hash() != in.Hash {
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
		w.boxed = true
		return wait(session.CodeInbox, nil, held)
	}
	if planted.Is(planted.AheadClamped) {
		c.Stamp = min(c.Stamp, max(clock.NewStamp(r.wall(), 0), s.maxed))
	}
	if clock.Ahead(s.moved.Correct(c.Dot, c.Stamp, nil), r.wall(), r.hlc.Last(), r.agreed, s.maxed) {
		if planted.Is(planted.AheadClamped) {
			c.Stamp = max(clock.NewStamp(r.wall(), 0), s.maxed)
		}
		return wait(session.CodeClockAhead, nil, fmt.Sprintf("stamp %v is more than %v ahead", c.Stamp, clock.MaxAhead))
	}
	needs, code, floorFault := r.floorFault(s, c)
	if floorFault == nil {
		needs, code, floorFault = r.sealFault(s, c)
	}
	if floorFault != nil && code != session.CodeInvalid {
		return wait(code, needs, floorFault.Error())
	}
	// Heads first: a change that waits for one is not worth having records read.
	var missing []clock.Dot
	for i := range c.Parts {
		p := &c.Parts[i]
		lacks, err := r.missing(s, p)
		if errors.Is(err, ErrCorrupt) {
			// It waits for the record to be repaired, and holds up nothing else.
			return wait(session.CodeUnavailable, nil, err.Error())
		}
		if err != nil {
			return nil, err
		}
		missing = append(missing, lacks...)
		if d, ok := s.waiting.before(c.Dot, p.Key); ok {
			missing = append(missing, d)
		}
	}
	if planted.Is(planted.ClocksApartLost) {
		missing = slices.DeleteFunc(missing, s.stored.Contains)
	}
	if len(missing) > 0 && !planted.Is(planted.HeadsIgnored) {
		return wait(session.CodeMissingHead, missing, fmt.Sprintf("waits for %v", missing[0]))
	}
	opens := make([]*open, 0, len(c.Parts))
	fault := floorFault
	code = session.CodeInvalid
	if fault == nil {
		if code, fault = r.policyFault(name, c); waitsFor(code) {
			return wait(code, nil, fault.Error())
		}
	}
	for i := range c.Parts {
		p := &c.Parts[i]
		o, err := r.record(s, name, p.Key)
		if errors.Is(err, ErrCorrupt) {
			return wait(session.CodeUnavailable, nil, err.Error())
		}
		if err != nil {
			return nil, err
		}
		opens = append(opens, o)
		if fault == nil && !o.record.Contains(c.Dot) { // a fragment may have brought it
			code, fault = session.CodeInvalid, o.record.Check(c, p)
		}
	}
	switch {
	case errors.Is(fault, crdt.ErrFork):
		return wait(session.CodeFork, nil, fault.Error())
	case errors.Is(fault, crdt.ErrMissingElement):
		return wait(session.CodeMissingElement, nil, fault.Error())
	}
	e.opens, e.fate = opens, Applied
	if fault != nil {
		e.fate, e.code, e.reason = Rejected, code.String(), fault.Error()
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
		events = r.event(events, e.scope, e.change, p, o, false)
	}
	if e.fate == Applied {
		r.hlc.Observe(e.scope.moved.Correct(e.change.Dot, e.change.Stamp, nil))
	}
	return events
}

// checkWrite refuses what the policy in force does not allow. What arrives is held
// against the version that it cites, see [Replica.policyFault].
func (r *Replica) checkWrite(scope string, c *crdt.Change) error {
	if isSystemScope(scope) {
		return nil
	}
	return checkParts(r.policy(), scope, c)
}
