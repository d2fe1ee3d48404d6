package crdt_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
)

// lawSeed makes every run the same; it is printed with a failure.
const lawSeed = 20300101

// holds checks a property of many histories, each drawn from a seed.
func holds(t *testing.T, histories int, law func(r *rand.Rand) error) {
	t.Helper()
	p := gopter.DefaultTestParametersWithSeed(lawSeed)
	p.MinSuccessfulTests = histories
	var fault error
	ps := gopter.NewProperties(p)
	ps.Property("law", prop.ForAll(func(seed uint64) bool {
		if err := law(rand.New(rand.NewPCG(seed, 1))); err != nil {
			fault = fmt.Errorf("history %d: %w", seed, err)
			return false
		}
		return true
	}, gen.UInt64()))
	var report bytes.Buffer
	if !ps.Run(gopter.NewFormatedReporter(true, 200, &report)) {
		t.Fatalf("seed %d: %v\n%s", lawSeed, fault, &report)
	}
}

// lattice is one replica of a type that is under the laws: a real one, or one
// that is broken in a known way.
type lattice interface {
	// mutate makes one random change and returns the delta, nil if none.
	mutate(r *rand.Rand) (delta any, err error)
	// join takes a delta, in any order and any number of times.
	join(delta any) error
	// joinAll takes the whole state of another replica.
	joinAll(o lattice)
	// digest is the normal form, value what is shown.
	digest() string
	value() string
}

// A law looks at replicas of one kind, of which fresh makes the n-th.
type law struct {
	name  string
	check func(fresh func(n byte) lattice, r *rand.Rand) error
}

var errLaw = errors.New("law broken")

// same compares two replicas whole.
func same(what string, a, b lattice) error {
	if a.digest() != b.digest() {
		return fmt.Errorf("%w: %s: digests differ; values %s and %s", errLaw, what, a.value(), b.value())
	}
	if a.value() != b.value() {
		return fmt.Errorf("%w: %s: one shows %s, the other %s", errLaw, what, a.value(), b.value())
	}
	return nil
}

// history lets three replicas work and meet at random. It returns them and all
// deltas in the order of their making.
func history(fresh func(n byte) lattice, r *rand.Rand) (replicas []lattice, deltas []any, err error) {
	for n := range 3 {
		replicas = append(replicas, fresh(byte(n+1)))
	}
	for range 12 {
		i := r.IntN(3)
		if r.IntN(4) == 0 {
			replicas[i].joinAll(replicas[(i+1)%3])
			continue
		}
		d, err := replicas[i].mutate(r)
		if err != nil {
			return nil, nil, err
		}
		if d != nil {
			deltas = append(deltas, d)
		}
	}
	return replicas, deltas, nil
}

// laws are what makes a type converge. Each is looked at on replicas that have
// content of their own: on empty ones a join that adds passes too.
var laws = []law{
	{"idempotent", func(fresh func(n byte) lattice, r *rand.Rand) error {
		a := fresh(1)
		for range 6 {
			d, err := a.mutate(r)
			if err != nil || d == nil {
				return err
			}
			digest, value := a.digest(), a.value()
			if err := a.join(d); err != nil { // the very replica that holds it
				return err
			}
			a.joinAll(a)
			if a.digest() != digest || a.value() != value {
				return fmt.Errorf("%w: %s became %s by its own delta", errLaw, value, a.value())
			}
			b := fresh(2)
			if _, err := b.mutate(r); err != nil {
				return err
			}
			if err := b.join(d); err != nil {
				return err
			}
			digest, value = b.digest(), b.value()
			if err := b.join(d); err != nil {
				return err
			}
			if b.digest() != digest || b.value() != value {
				return fmt.Errorf("%w: %s became %s by a delta for the second time", errLaw, value, b.value())
			}
		}
		return nil
	}},
	{"commutative", func(fresh func(n byte) lattice, r *rand.Rand) error {
		rs, _, err := history(fresh, r)
		if err != nil {
			return err
		}
		ab, ba := fresh(8), fresh(9)
		for _, x := range rs {
			ab.joinAll(x)
		}
		for _, x := range slices.Backward(rs) {
			ba.joinAll(x)
		}
		return same("states in two orders", ab, ba)
	}},
	{"associative", func(fresh func(n byte) lattice, r *rand.Rand) error {
		rs, _, err := history(fresh, r)
		if err != nil {
			return err
		}
		left, right, bc := fresh(7), fresh(8), fresh(9)
		left.joinAll(rs[0])
		left.joinAll(rs[1])
		left.joinAll(rs[2])
		bc.joinAll(rs[1])
		bc.joinAll(rs[2])
		right.joinAll(rs[0])
		right.joinAll(bc)
		return same("(ab)c and a(bc)", left, right)
	}},
	{"delta is state", func(fresh func(n byte) lattice, r *rand.Rand) error {
		rs, deltas, err := history(fresh, r)
		if err != nil {
			return err
		}
		whole, parts := fresh(8), fresh(9)
		for _, x := range rs {
			whole.joinAll(x)
		}
		more := append(slices.Clone(deltas), deltas[:len(deltas)/2]...)
		r.Shuffle(len(more), func(i, j int) { more[i], more[j] = more[j], more[i] })
		for _, d := range more {
			if err := parts.join(d); err != nil {
				return err
			}
		}
		return same("states and deltas", whole, parts)
	}},
	{"half and half", func(fresh func(n byte) lattice, r *rand.Rand) error {
		rs, deltas, err := history(fresh, r)
		if err != nil {
			return err
		}
		// One replica has a half of the deltas, which is not causally closed,
		// another the other half; together they have the whole.
		whole, a, b := fresh(7), fresh(8), fresh(9)
		for _, x := range rs {
			whole.joinAll(x)
		}
		for _, d := range deltas {
			half := a
			if r.IntN(2) == 0 {
				half = b
			}
			if err := half.join(d); err != nil {
				return err
			}
		}
		a.joinAll(b)
		b.joinAll(a)
		return errors.Join(same("the first half", whole, a), same("the second half", whole, b))
	}},
}

// alone is a type that is used alone; its deltas go through their encoding.
type alone struct {
	n      byte
	act    func(r *rand.Rand) (*crdt.Delta, error)
	show   func() string
	joinD  func(*crdt.Delta, func(crdt.Event)) error
	joinS  func(*crdt.State, func(crdt.Event))
	stateF func() *crdt.State
}

func (a *alone) mutate(r *rand.Rand) (any, error) {
	d, err := a.act(r)
	if d == nil {
		return nil, err
	}
	return d.Encode(), err
}

func (a *alone) join(d any) error {
	x, err := crdt.DecodeDelta(d.([]byte))
	if err != nil {
		return err
	}
	return a.joinD(x, nil)
}

func (a *alone) joinAll(o lattice) { a.joinS(o.(*alone).stateF(), nil) }
func (a *alone) digest() string    { h := a.stateF().Digest(); return string(h[:]) }
func (a *alone) value() string     { return a.show() }

// kinds are the types that can be used alone, each with its operations.
var kinds = map[string]func(n byte) lattice{
	"register": func(n byte) lattice {
		wall := begin.Add(time.Duration(n) * time.Hour)
		x := crdt.NewRegister[int](origin(n), newHLC(&wall))
		return &alone{n, func(r *rand.Rand) (*crdt.Delta, error) { return x.Set(r.IntN(9)) },
			func() string { v, ok := x.Get(); return fmt.Sprint(v, ok, x.Siblings()) }, x.Join, x.JoinState, x.State}
	},
	"counter": func(n byte) lattice {
		x := crdt.NewCounter(origin(n))
		return &alone{n, func(r *rand.Rand) (*crdt.Delta, error) { return x.Add(int64(r.IntN(9) - 3)) },
			func() string { return x.Value().String() }, x.Join, x.JoinState, x.State}
	},
	"set": func(n byte) lattice {
		x := crdt.NewSet[string](origin(n))
		return &alone{n, func(r *rand.Rand) (*crdt.Delta, error) {
			v := string(rune('a' + r.IntN(3)))
			if r.IntN(3) == 0 {
				return x.Remove(v)
			}
			return x.Add(v)
		}, func() string { return fmt.Sprint(x.Values()) }, x.Join, x.JoinState, x.State}
	},
	"map": func(n byte) lattice {
		wall := begin
		x := crdt.NewMap(origin(n), newHLC(&wall))
		return &alone{n, func(r *rand.Rand) (*crdt.Delta, error) {
			return x.Update(func(m crdt.MapField) error { return actMap(m, r, 0) })
		}, func() string { return dump([]crdt.Field{x.Field()}) }, x.Join, x.JoinState, x.State}
	},
	"unknown types": func(n byte) lattice {
		x := crdt.NewMap(origin(n), nil)
		made := uint64(0)
		seen := map[uint8][]crdt.EntryID{}
		return &alone{n, func(r *rand.Rand) (*crdt.Delta, error) {
			made++
			d := unknownDelta(clock.Dot{Origin: origin(n), N: made}, seen, r)
			return d, x.Join(d, nil)
		}, func() string { return dump([]crdt.Field{x.Field()}) }, x.Join, x.JoinState, x.State}
	},
}

// actMap edits a map at random, and the maps within it.
func actMap(m crdt.MapField, r *rand.Rand, depth int) error {
	key := string(rune('a' + r.IntN(3)))
	switch r.IntN(7 - depth) {
	case 0:
		return m.Put(key, r.IntN(9))
	case 1:
		return m.Counter(key).Add(int64(1 + r.IntN(3)))
	case 2:
		return m.Set(key).Add(r.IntN(3))
	case 3:
		t := m.Text(key)
		return t.Insert(r.IntN(t.Len()+1), "xy")
	case 4:
		if t := m.Text(key); t.Len() > 0 {
			return t.Delete(r.IntN(t.Len()), 1)
		}
		return nil
	case 5:
		return m.Delete(key)
	default:
		return actMap(m.Map(key), r, depth+1)
	}
}

// unknownDelta is a change of a later version: three fields of types that this
// one does not know, one of each shape. seen are the entries that the replica
// made and did not remove.
func unknownDelta(dot clock.Dot, seen map[uint8][]crdt.EntryID, r *rand.Rand) *crdt.Delta {
	mine := crdt.EntryID{Dot: dot}
	leaf := &crdt.Patch{Shape: crdt.Entries, Add: []crdt.Entry{{ID: mine, Value: []byte{byte(r.IntN(256))}}}}
	which := uint8(r.IntN(2))
	if r.IntN(2) == 0 {
		leaf.Remove = seen[which]
		seen[which] = nil
	}
	seen[which] = append(seen[which], mine)
	grow := &crdt.Patch{Shape: crdt.Grown, Grow: []crdt.GrownEntry{
		{ID: crdt.EntryID{Dot: dot, Index: 1}, Origins: []clock.Origin{dot.Origin}, Value: []byte("x")}}}
	kids := []crdt.PatchKid{{Key: crdt.Key{Name: "u", Type: 201}, Patch: grow}}
	if which == 0 {
		kids = append([]crdt.PatchKid{{Key: crdt.Key{Name: "u", Type: 200}, Patch: leaf}}, kids...)
	} else {
		kids = append(kids, crdt.PatchKid{Key: crdt.Key{Name: "u", Type: 202},
			Patch: &crdt.Patch{Shape: crdt.Keyed, Kids: []crdt.PatchKid{{Key: crdt.Key{Name: "k", Type: 200}, Patch: leaf}}}})
	}
	return &crdt.Delta{Dot: dot, Patch: &crdt.Patch{Shape: crdt.Keyed, Kids: kids}}
}

func TestLawsOfTypesUsedAlone(t *testing.T) {
	for name, fresh := range kinds {
		for _, l := range laws {
			t.Run(name+"/"+l.name, func(t *testing.T) {
				holds(t, 100, func(r *rand.Rand) error { return l.check(fresh, r) })
			})
		}
	}
}
