package replica

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/merge"
)

// Policies are data: each version is an entry of a log in a scope of its own,
// which goes first in every session. An entry names the version before it, so
// the versions make a tree, and every replica that has the same entries walks it
// alike to the version in force.
const (
	policyScope  = "\x00policy"
	policyRecord = "\x00versions"
	policyField  = "versions"
)

// isSystemScope tells scopes of the replica itself from those of users.
func isSystemScope(name string) bool { return name != "" && name[0] == 0 }

// policyVersion is one version with its place in the tree.
type policyVersion struct {
	policy *merge.Policy
	rules  *merge.Rules // nil until they are asked for
	id     crdt.Hash    // over the version before and the text; zero for the root
	cite   uint64       // what changes cite; zero for the root
	text   string
	before *policyVersion // nil for the root
	after  []*policyVersion
	rank   int // of the best role that activated it, among those of the version before
	stored bool
}

// policyTree are the versions that are known here. The root is the policy of a
// store that never had a version.
type policyTree struct {
	root   *policyVersion
	byID   map[crdt.Hash]*policyVersion
	byCite map[uint64]*policyVersion
	// own is the policy that the replica was opened with, if it has a version.
	own string
}

// newPolicyTree begins with what the replica was opened with: without a version
// it is the root itself, else the first version.
func newPolicyTree(p *merge.Policy) *policyTree {
	t := &policyTree{root: &policyVersion{policy: &merge.Policy{}}, byID: map[crdt.Hash]*policyVersion{}, byCite: map[uint64]*policyVersion{}}
	t.byID[crdt.Hash{}], t.byCite[0] = t.root, t.root
	if p.Version == 0 {
		t.root.policy = p
		return t
	}
	t.own = string(p.YAML())
	t.add(t.root, p, t.own, 0)
	return t
}

// versionID names a version by its text and all that came before it.
func versionID(before crdt.Hash, text string) crdt.Hash {
	w := codec.NewWriter(make([]byte, 0, len(text)+40))
	w.String("concord policy version")
	w.Raw(before[:])
	w.Raw([]byte(text))
	return crdt.HashOf(w.Bytes())
}

// citation is what a change cites: the number for people, and enough of the hash
// that two versions of one number are two.
func citation(p *merge.Policy, id crdt.Hash) uint64 {
	return min(p.Version, math.MaxUint32)<<32 | uint64(id.Digest())
}

func (t *policyTree) add(before *policyVersion, p *merge.Policy, text string, rank int) *policyVersion {
	id := versionID(before.id, text)
	if v := t.byID[id]; v != nil {
		v.rank = min(v.rank, rank)
		return v
	}
	v := &policyVersion{policy: p, id: id, cite: citation(p, id), text: text, before: before, rank: rank}
	before.after = append(before.after, v)
	t.byID[id] = v
	if t.byCite[v.cite] == nil {
		t.byCite[v.cite] = v
	}
	return v
}

// active is the version in force: from the root on, of several successors the
// one by the role that is earlier in the roles of the version before, then the
// one with the smaller hash. Among first versions the one that the replica was
// opened with, or that led to it, comes before others.
func (t *policyTree) active() *policyVersion {
	at, first := t.root, t.first()
	for len(at.after) > 0 {
		if at == t.root && first != nil {
			at = first
			continue
		}
		at = slices.MinFunc(at.after, func(a, b *policyVersion) int {
			return cmp.Or(cmp.Compare(a.rank, b.rank), slices.Compare(a.id[:], b.id[:]))
		})
	}
	return at
}

// first is the first version on the way to the replica's own; nil if it has none.
func (t *policyTree) first() *policyVersion {
	if t.own == "" {
		return nil
	}
	own := t.byID[versionID(crdt.Hash{}, t.own)]
	for _, v := range t.byID {
		if v.text == t.own && v.before != t.root && (own.before == t.root || slices.Compare(v.id[:], own.id[:]) < 0) {
			own = v
		}
	}
	for own.before != t.root {
		own = own.before
	}
	return own
}

// Errors of activating a version of the policy.
var (
	// ErrPolicyOrder means that a version does not continue the one in force.
	ErrPolicyOrder = errors.New("replica: policy does not continue the one in force")
	// ErrPolicyPartition means that a version partitions a collection in another
	// way than the one before: its records would be looked for elsewhere.
	ErrPolicyPartition = errors.New("replica: policy moves records between scopes")
)

// continues decides whether somebody in a role may put p into force after v. The
// answer follows from the two versions and the role.
func (v *policyVersion) continues(p *merge.Policy, role string) error {
	if may := v.policy.Activators(); len(may) > 0 && !slices.Contains(may, role) {
		return fmt.Errorf("%w: %q may not activate a version after %d of policy %q; %v may", merge.ErrNotEntitled, role, v.policy.Version, v.policy.Name, may)
	}
	if p.Version <= v.policy.Version {
		return fmt.Errorf("%w: version %d after version %d; give it a greater number", ErrPolicyOrder, p.Version, v.policy.Version)
	}
	if v.policy.Name != "" && p.Name != v.policy.Name {
		return fmt.Errorf("%w: policy %q after policy %q; versions have one name", ErrPolicyOrder, p.Name, v.policy.Name)
	}
	for name, c := range p.Collections {
		if old, ok := v.policy.Collections[name]; ok && old.Partition != c.Partition {
			return fmt.Errorf("%w: collection %q is partitioned by %q, and was by %q", ErrPolicyPartition, name, c.Partition, old.Partition)
		}
	}
	return nil
}

// compile makes the version ready to decide.
func (v *policyVersion) compile(functions merge.Functions) (*merge.Rules, error) {
	if v.rules == nil {
		rules, findings := v.policy.Compile(functions)
		if err := findings.Err(); err != nil {
			return nil, err
		}
		v.rules = rules
	}
	return v.rules, nil
}

// rankOf is the place of a role among those of a version.
func (v *policyVersion) rankOf(role string) int {
	if i := slices.Index(v.policy.Roles, role); i >= 0 {
		return i
	}
	return len(v.policy.Roles)
}

// activation is what an entry of the log of versions says.
type activation struct {
	before crdt.Hash
	text   string
}

func (a activation) value() map[string]any {
	return map[string]any{"before": a.before[:], "policy": a.text}
}

func readActivation(v any) (a activation, err error) {
	m, _ := v.(map[string]any)
	before, _ := m["before"].([]byte)
	text, ok := m["policy"].(string)
	if len(m) != 2 || !ok || len(before) != len(a.before) {
		return a, errors.New("it is no version of a policy")
	}
	copy(a.before[:], before)
	a.text = text
	return a, nil
}

// activationOf reads the one version that a change of the scope of policies
// carries; ok is false for a change that decides about the scope alone.
func activationOf(c *crdt.Change) (a activation, ok bool, err error) {
	for i := range c.Parts {
		p := &c.Parts[i]
		if p.Key == crdt.ScopeKey {
			continue
		}
		if ok || p.Key != policyRecord || p.Delete != nil || len(p.Restore) > 0 || p.Patch == nil || len(p.Patch.Kids) != 1 {
			return a, false, errors.New("it is no version of a policy")
		}
		kid := p.Patch.Kids[0]
		if kid.Key.Name != policyField || kid.Key.Type != crdt.TypeLog || len(kid.Patch.Grow) != 1 {
			return a, false, errors.New("it is no version of a policy")
		}
		v, err := codec.DecodeValue(kid.Patch.Grow[0].Value)
		if err == nil {
			a, err = readActivation(v)
		}
		if err != nil {
			return a, false, err
		}
		ok = true
	}
	return a, ok, nil
}

// parseVersion reads a version's text.
func parseVersion(text string) (*merge.Policy, error) {
	p, findings := merge.ParsePolicy("", []byte(text))
	if err := findings.Err(); err != nil {
		return nil, err
	}
	return p, nil
}
