package replica

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/merge"
	"github.com/concord-crdt/concord/replica/session"
)

// governing is the version of the rules by which everything is shown.
type governing struct {
	version *policyVersion
	rules   *merge.Rules
	digest  crdt.Hash
}

// policy is the policy in force. It must not be modified.
func (r *Replica) policy() *merge.Policy { return r.active.Load().version.policy }

// priority is the class of a scope: policies go first.
func (r *Replica) priority(scope string) merge.Priority {
	if isSystemScope(scope) {
		return merge.Critical
	}
	return r.policy().Priority(scope)
}

// govern puts the version into force that the tree says, and reports whether it
// is another than before. The caller holds r.mu.
func (r *Replica) govern() bool {
	v := r.policies.active()
	before := r.active.Load()
	if before != nil && before.version == v {
		return false
	}
	rules, err := v.compile(r.options.Functions)
	if err != nil { // it was parsed, which compiles too
		r.log.Error("policy", "version", v.policy.Version, "error", err)
		return false
	}
	r.active.Store(&governing{v, rules, v.policy.Digest()})
	r.queue.forget()
	for _, s := range r.scopes {
		s.status = nil // the classes may be others
	}
	return true
}

// rulesOf are those of a version that is cited; nil if it is not here. The caller
// holds r.mu for writing.
func (r *Replica) rulesOf(cite uint64) *merge.Rules {
	v := r.policies.byCite[cite]
	if v == nil {
		return nil
	}
	rules, err := v.compile(r.options.Functions)
	if err != nil {
		return nil
	}
	return rules
}

// loadPolicies reads the versions that the store has. The caller holds r.mu.
func (r *Replica) loadPolicies() error {
	r.policies = newPolicyTree(&r.options.Policy)
	if s := r.scopes[policyScope]; s != nil {
		o, err := r.record(s, policyScope, policyRecord)
		if err != nil && !errors.Is(err, ErrCorrupt) {
			return err
		}
		if err == nil {
			r.policies.read(o.record)
		}
	}
	r.govern()
	for name, s := range r.scopes {
		s.listed = r.deletePolicyOf(name)
	}
	return nil
}

// read takes the versions out of their record, each after the one before it.
func (t *policyTree) read(rec *crdt.Record) {
	type entry struct {
		activation
		role string
	}
	var todo []entry
	for f := range rec.Fields(crdt.UpdateWins) {
		if f.Name() != policyField || f.Type() != crdt.TypeLog {
			continue
		}
		for _, c := range f.Entries() {
			if a, err := readActivation(c.Value); err == nil {
				todo = append(todo, entry{a, c.Meta.Author.Role})
			}
		}
	}
	for more := true; more; {
		more = false
		var left []entry
		for _, e := range todo {
			if t.byID[e.before] == nil {
				left = append(left, e)
			} else if t.learn(e.activation, e.role) {
				more = true
			}
		}
		todo = left
	}
}

// learn takes a version up whose predecessor is known.
func (t *policyTree) learn(a activation, role string) bool {
	before := t.byID[a.before]
	p, err := parseVersion(a.text)
	if before == nil || err != nil {
		return false
	}
	t.add(before, p, a.text, before.rankOf(role)).stored = true
	return true
}

// learned takes the version that an applied change carries. The caller holds
// r.mu.
func (r *Replica) learned(c *crdt.Change) {
	a, ok, err := activationOf(c)
	if err != nil || !ok || !r.policies.learn(a, c.Author.Role) {
		return
	}
	r.govern()
	r.ruled = true
}

// reconsider looks again at what waited for a version, once one has come, and at
// what lists say of records that another version shows. The caller holds r.mu.
func (r *Replica) reconsider() error {
	if !r.ruled {
		return nil
	}
	r.ruled = false
	if err := r.retryAll(); err != nil {
		return err
	}
	return r.relist()
}

// relist brings what headers say of existence to the policy in force. O(records
// of the collections whose policy of deletion is another).
func (r *Replica) relist() error {
	for name, s := range r.scopes {
		want := r.deletePolicyOf(name)
		if isSystemScope(name) || s.listed == want {
			continue
		}
		s.listed = want
		prefix := recordKey(rowHeader, s.number, "")
		for x, err := range r.store.scan(prefix, nil) {
			if err != nil {
				return err
			}
			if _, err := r.record(s, name, string(x.key[len(prefix):])); err != nil && !errors.Is(err, ErrCorrupt) {
				return err
			}
			if o := r.cache.get(cacheKey{name, string(x.key[len(prefix):])}); o != nil && o.header.live != (len(o.record.Live(want)) > 0) {
				r.soil(s, o)
			}
		}
		for k, o := range r.cache.records {
			if k.scope == name && o.exists {
				r.soil(s, o)
			}
		}
		r.stage(nil)
	}
	return nil
}

// policyFault says why the policy keeps a change from being applied: what it
// waits for, or that it is void for ever. The verdict follows from the change and
// the version that it cites. The caller holds r.mu.
func (r *Replica) policyFault(scope string, c *crdt.Change) (session.Code, error) {
	for _, m := range decisionOf(c).Marks {
		if r.policies.byCite[m.Policy] == nil {
			return session.CodeMissingPolicy, fmt.Errorf("settle mark %d folds by a version of the policy that is not here", m.Number)
		}
	}
	if isSystemScope(scope) {
		return r.activationFault(c)
	}
	cited := r.policies.byCite[c.Author.Policy]
	if cited == nil {
		return session.CodeMissingPolicy, fmt.Errorf("it was written under version %d of the policy, which is not here", PolicyNumber(c.Author.Policy))
	}
	if cited.cite == 0 {
		return session.CodeNone, nil
	}
	err := checkParts(cited.policy, scope, c)
	switch {
	case err == nil:
		return session.CodeNone, nil
	case errors.Is(err, merge.ErrNotEntitled):
		return session.CodeNotEntitled, err
	}
	return session.CodeInvalid, err
}

// activationFault judges a change of the scope of policies.
func (r *Replica) activationFault(c *crdt.Change) (session.Code, error) {
	a, ok, err := activationOf(c)
	if err != nil {
		return session.CodeInvalid, err
	}
	if !ok {
		return session.CodeNone, nil
	}
	before := r.policies.byID[a.before]
	if before == nil {
		return session.CodeMissingPolicy, errors.New("the version before it is not here")
	}
	p, err := parseVersion(a.text)
	if err != nil {
		return session.CodeUnsupported, fmt.Errorf("this program cannot read the version: %w", err)
	}
	err = before.continues(p, c.Author.Role)
	switch {
	case err == nil || before == r.policies.root && a.text == r.policies.own:
		return session.CodeNone, nil
	case errors.Is(err, merge.ErrNotEntitled):
		return session.CodeNotEntitled, err
	}
	return session.CodeInvalid, err
}

// waitsFor reports whether a code of [Replica.policyFault] is cured by what may
// still come.
func waitsFor(code session.Code) bool {
	return code == session.CodeMissingPolicy || code == session.CodeUnsupported
}

// checkParts holds what a change writes against a version of the policy.
func checkParts(p *merge.Policy, scope string, c *crdt.Change) error {
	col, err := p.Collection(collectionOf(scope))
	if err != nil {
		return nil // a collection that the policy does not have takes everything
	}
	for i := range c.Parts {
		if isScopeKey(c.Parts[i].Key) {
			continue
		}
		if err := col.CheckWrite(&c.Parts[i], c.Author.Role); err != nil {
			return fmt.Errorf("record %q: %w", c.Parts[i].Key, err)
		}
	}
	return nil
}

// publish makes the policy that the replica was opened with data, before a change
// cites it. The caller holds r.mu.
func (r *Replica) publish() error {
	v := r.active.Load().version
	if v.stored || v.before == nil {
		return nil
	}
	for v.before.before != nil {
		v = v.before
	}
	if v.stored {
		return nil
	}
	_, err := r.change(policyScope, func(tx *Tx) error { return tx.enact(v) }, nil)
	return err
}

// enact writes a version.
func (tx *Tx) enact(v *policyVersion) error {
	p, err := tx.open(policyRecord)
	if err != nil {
		return err
	}
	tx.author.Policy = v.before.cite
	return p.Log(policyField).Append(activation{v.before.id, v.text}.value())
}

// Activate puts the next version of the policy into force: here at once, and on
// every replica as it spreads, before any change that is written under it. It
// decides old conflicts again. who says who does it, where that is not the actor
// that the replica was opened with.
//
// The role must be one that the version in force names; of two versions that
// were activated apart the one by the role that is earlier in its roles counts,
// then the one with the smaller hash, on every replica alike. The error wraps
// [merge.ErrNotEntitled], [ErrPolicyOrder], [ErrPolicyPartition], or is that of
// [merge.Policy.Validate].
//
// It costs a look at every record of the collections that delete otherwise than
// before.
func (r *Replica) Activate(ctx context.Context, p merge.Policy, who crdt.Author) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	text := string(p.YAML())
	next, err := parseVersion(text)
	if err != nil {
		return fmt.Errorf("replica: activate: %w", err)
	}
	r.mu.Lock()
	b, err := r.activate(next, text, who)
	r.mu.Unlock()
	if err != nil {
		return fmt.Errorf("replica: activate: %w", err)
	}
	return r.await(b)
}

func (r *Replica) activate(p *merge.Policy, text string, who crdt.Author) (*batch, error) {
	if err := r.usable(); err != nil {
		return nil, err
	}
	if who.Actor == "" && who.Role == "" {
		who.Actor, who.Role = r.options.Actor, r.options.Role
	}
	at := r.active.Load().version
	if at.text == text {
		return r.commits.current, nil // it is in force
	}
	if err := at.continues(p, who.Role); err != nil {
		return nil, err
	}
	if err := r.publish(); err != nil {
		return nil, err
	}
	_, err := r.change(policyScope, func(tx *Tx) error {
		tx.author = who
		return tx.enact(&policyVersion{policy: p, text: text, before: at})
	}, nil)
	if err == nil {
		err = r.reconsider()
	}
	return r.commits.current, err
}

// Provisional reports whether views lack something that they need: a function
// that the policy in force names, or a version of the policy that this program
// cannot read.
func (r *Replica) Provisional() bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if len(r.active.Load().rules.Missing()) > 0 {
		return true
	}
	s := r.scopes[policyScope]
	return s != nil && len(s.waiting.changes) > 0
}

// withPolicies adds the scope of policies to those that a session is about.
func withPolicies(scopes []string) []string {
	if scopes == nil || slices.Contains(scopes, policyScope) {
		return scopes
	}
	return append(slices.Clone(scopes), policyScope)
}

// PolicyNumber is the number of the version of the policy that a change cites,
// see [crdt.Author]; zero for none.
func PolicyNumber(cited uint64) uint64 { return cited >> 32 }

// PolicyVersion is a version of the policy that is known here.
type PolicyVersion struct {
	Policy *merge.Policy // must not be modified
	Text   string        // as it was activated
	Active bool
	Cited  uint64 // what changes under it cite
	Before uint64 // what those under the version before it cite; zero for the first
}

// PolicyVersions lists the versions of the policy that are known here, each
// after the one before it, those of one number by what cites them. A store
// without versions has none.
func (r *Replica) PolicyVersions() []PolicyVersion {
	r.mu.RLock()
	defer r.mu.RUnlock()
	active := r.active.Load().version
	var out []PolicyVersion
	for _, cite := range slices.Sorted(maps.Keys(r.policies.byCite)) {
		if v := r.policies.byCite[cite]; v.before != nil {
			out = append(out, PolicyVersion{v.policy, v.text, v == active, v.cite, v.before.cite})
		}
	}
	return out
}
