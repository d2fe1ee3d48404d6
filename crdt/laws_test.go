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

// The broken types. Each passes some laws, and each must fail in the one that
// forbids its fault.

// adding is a counter whose join adds.
type adding struct{ total int }

func (a *adding) mutate(r *rand.Rand) (any, error) { a.total++; return 1, nil }
func (a *adding) join(d any) error                 { a.total += d.(int); return nil }
func (a *adding) joinAll(o lattice)                { a.total += o.(*adding).total }
func (a *adding) digest() string                   { return fmt.Sprint(a.total) }
func (a *adding) value() string                    { return a.digest() }

// dotless is a set whose removals name elements and not their additions.
type dotless struct{ there map[int]bool }

type dotlessDelta struct {
	v   int
	add bool
}

func (s *dotless) mutate(r *rand.Rand) (any, error) {
	d := dotlessDelta{r.IntN(2), r.IntN(2) == 0}
	return d, s.join(d)
}

func (s *dotless) join(d any) error {
	s.there[d.(dotlessDelta).v] = d.(dotlessDelta).add
	return nil
}

func (s *dotless) joinAll(o lattice) {
	for v, add := range o.(*dotless).there {
		s.there[v] = add
	}
}
func (s *dotless) digest() string { return fmt.Sprint(s.there) }
func (s *dotless) value() string  { return s.digest() }

// lastArrival is a register that shows what came last.
type lastArrival struct{ v int }

func (x *lastArrival) mutate(r *rand.Rand) (any, error) { x.v = r.IntN(99); return x.v, nil }
func (x *lastArrival) join(d any) error                 { x.v = d.(int); return nil }
func (x *lastArrival) joinAll(o lattice)                { x.v = o.(*lastArrival).v }
func (x *lastArrival) digest() string                   { return fmt.Sprint(x.v) }
func (x *lastArrival) value() string                    { return x.digest() }

// byStamp is a register that drops the loser at the join, by a stamp that may
// be wrong, and lets a write that saw a value win whatever the stamps.
type byStamp struct {
	v, stamp int
	skew     int
}

type byStampDelta struct{ v, stamp, sawStamp int }

func (x *byStamp) mutate(r *rand.Rand) (any, error) {
	d := byStampDelta{r.IntN(99), r.IntN(9) + x.skew, x.stamp}
	x.v, x.stamp = d.v, d.stamp
	return d, nil
}

func (x *byStamp) join(d any) error {
	if d := d.(byStampDelta); d.sawStamp == x.stamp || d.stamp > x.stamp {
		x.v, x.stamp = d.v, d.stamp
	}
	return nil
}

func (x *byStamp) joinAll(o lattice) {
	if o := o.(*byStamp); o.stamp > x.stamp {
		x.v, x.stamp = o.v, o.stamp
	}
}
func (x *byStamp) digest() string { return fmt.Sprint(x.v, x.stamp) }
func (x *byStamp) value() string  { return x.digest() }

// keepsLeft is a set whose join forgets what only the other side has when it
// has something itself: it is idempotent, and commutes with nothing.
type keepsLeft struct{ v string }

func (x *keepsLeft) mutate(r *rand.Rand) (any, error) {
	x.v = string(rune('a' + r.IntN(9)))
	return x.v, nil
}

func (x *keepsLeft) join(d any) error {
	if x.v == "" {
		x.v = d.(string)
	}
	return nil
}
func (x *keepsLeft) joinAll(o lattice) { _ = x.join(o.(*keepsLeft).v) }
func (x *keepsLeft) digest() string    { return x.v }
func (x *keepsLeft) value() string     { return x.v }

// averaging is commutative and not associative.
type averaging struct{ v float64 }

func (x *averaging) mutate(r *rand.Rand) (any, error) { x.v = float64(r.IntN(99)); return x.v, nil }
func (x *averaging) join(d any) error                 { x.v = (x.v + d.(float64)) / 2; return nil }
func (x *averaging) joinAll(o lattice)                { _ = x.join(o.(*averaging).v) }
func (x *averaging) digest() string                   { return fmt.Sprint(x.v) }
func (x *averaging) value() string                    { return x.digest() }

func TestLawsCatchBrokenTypes(t *testing.T) {
	broken := []struct {
		name   string
		fresh  func(n byte) lattice
		caught []string
	}{
		{"join that adds", func(byte) lattice { return &adding{} }, []string{"idempotent", "delta is state"}},
		{"removal without dots", func(byte) lattice { return &dotless{map[int]bool{}} }, []string{"commutative", "delta is state"}},
		{"last arrival wins", func(byte) lattice { return &lastArrival{} }, []string{"commutative", "delta is state"}},
		{"join drops the loser by its stamp", func(n byte) lattice { return &byStamp{skew: int(n)} }, []string{"delta is state"}},
		{"join keeps the left", func(byte) lattice { return &keepsLeft{} }, []string{"commutative", "delta is state"}},
		{"join that averages", func(byte) lattice { return &averaging{} }, []string{"associative"}},
	}
	caught := map[string]bool{}
	for _, b := range broken {
		for _, name := range b.caught {
			i := slices.IndexFunc(laws, func(l law) bool { return l.name == name })
			var err error
			for seed := uint64(0); seed < 200 && err == nil; seed++ {
				err = laws[i].check(b.fresh, rand.New(rand.NewPCG(seed, 1)))
			}
			if caught[name] = errors.Is(err, errLaw) || caught[name]; !errors.Is(err, errLaw) {
				t.Errorf("%s: the law %q does not see it: %v", b.name, name, err)
			}
		}
	}
	for _, l := range laws[:4] {
		if !caught[l.name] {
			t.Errorf("no broken type shows that the law %q can fail", l.name)
		}
	}
}

// fleet lets three devices edit one record and meet at random.
func fleet(t testing.TB, r *rand.Rand, steps int) []*device {
	ds := devices(3)
	for range steps {
		d := ds[r.IntN(3)]
		d.wall = d.wall.Add(time.Duration(r.IntN(5)) * time.Minute)
		switch k := r.IntN(20); {
		case k < 5:
			gossip(t, ds, d, ds[r.IntN(3)])
		case k == 5 && len(d.record.Live(d.policy)) > 0:
			d.delete(t)
		case k == 6 && len(d.record.Births()) > 0:
			var deletions []*crdt.Change
			for _, o := range ds {
				for _, c := range o.log {
					if c.Parts[0].Delete != nil && d.record.Contains(c.Dot) {
						deletions = append(deletions, c)
					}
				}
			}
			if len(deletions) > 0 {
				d.restore(t, deletions...)
			}
		default:
			var seen *clock.VersionVector
			if r.IntN(3) == 0 {
				v := d.record.Vector().Clone()
				gossip(t, ds, d, ds[r.IntN(3)])
				seen = &v
			}
			d.edit(t, seen, func(e *crdt.RecordEditor) {
				for range 1 + r.IntN(2) {
					act(e, r)
				}
			})
		}
	}
	return ds
}

func allChanges(ds []*device) (cs []*crdt.Change) {
	for _, d := range ds {
		cs = append(cs, d.log...)
	}
	return cs
}

func differ(what string, a, b *crdt.Record) error {
	if x, y := state(a), state(b); x != y {
		return fmt.Errorf("%w: %s:\n%s\nand\n%s", errLaw, what, x, y)
	}
	return nil
}

func TestRecordLaws(t *testing.T) {
	laws := map[string]func(r *rand.Rand, ds []*device) error{
		"join is idempotent": func(r *rand.Rand, ds []*device) error {
			for _, d := range ds {
				before := clone(t, d.record)
				d.record.Join(before, nil)
				if err := differ("joined with itself", before, d.record); err != nil {
					return err
				}
				for _, c := range allChanges(ds) {
					if d.record.Contains(c.Dot) && d.record.Apply(c, &c.Parts[0], 0, nil) {
						return fmt.Errorf("%w: %v was applied twice", errLaw, c.Dot)
					}
				}
				if err := differ("given its changes again", before, d.record); err != nil {
					return err
				}
			}
			return nil
		},
		"join is commutative": func(r *rand.Rand, ds []*device) error {
			ab, ba := clone(t, ds[0].record), clone(t, ds[1].record)
			ab.Join(ds[1].record, nil)
			ba.Join(ds[0].record, nil)
			return differ("ab and ba", ab, ba)
		},
		"join is associative": func(r *rand.Rand, ds []*device) error {
			left, right, bc := clone(t, ds[0].record), clone(t, ds[0].record), clone(t, ds[1].record)
			left.Join(ds[1].record, nil)
			left.Join(ds[2].record, nil)
			bc.Join(ds[2].record, nil)
			right.Join(bc, nil)
			return differ("(ab)c and a(bc)", left, right)
		},
		"changes are states": func(r *rand.Rand, ds []*device) error {
			whole, parts := &crdt.Record{}, newDevice(9)
			for _, d := range ds {
				whole.Join(d.record, nil)
			}
			cs := allChanges(ds)
			cs = append(cs, cs...)
			r.Shuffle(len(cs), func(i, j int) { cs[i], cs[j] = cs[j], cs[i] })
			parts.receive(t, cs...)
			if len(parts.waiting) > 0 {
				return fmt.Errorf("%w: %d changes wait for ever", errLaw, len(parts.waiting))
			}
			return differ("states and changes", whole, parts.record)
		},
		"encoding changes nothing": func(r *rand.Rand, ds []*device) error {
			a := ds[0]
			b := *a
			b.record, b.waiting = clone(t, a.record), slices.Clone(a.waiting)
			if err := differ("decoded", a.record, b.record); err != nil {
				return err
			}
			for _, c := range allChanges(ds) { // both go on alike
				a.receive(t, c)
				b.receive(t, c)
			}
			if err := differ("decoded, and gone on", a.record, b.record); err != nil {
				return err
			}
			if !bytes.Equal(write(a.record), write(clone(t, a.record))) {
				return fmt.Errorf("%w: two stored forms", errLaw)
			}
			return nil
		},
		"undo restores": func(r *rand.Rand, ds []*device) error {
			for _, d := range ds {
				before := state(d.record)
				for range 3 {
					e := d.record.Edit("r", crdt.EditOptions{Dot: d.next()})
					for range 1 + r.IntN(4) {
						act(e, r)
					}
					if r.IntN(2) == 0 {
						e.Text("text").Insert(-1, "x") // fails
					}
					if r.IntN(2) == 0 {
						_, _, _ = e.Part(false)
					}
					e.Undo()
					if after := state(d.record); after != before {
						return fmt.Errorf("%w: was\n%s\nis\n%s", errLaw, before, after)
					}
				}
				whole := &crdt.Record{}
				whole.Join(d.record, nil)
				if err := differ("joined after undo", whole, d.record); err != nil {
					return err
				}
				clone(t, d.record)
			}
			return nil
		},
		"events tell what changed": func(r *rand.Rand, ds []*device) error {
			return eventsTell(t, ds)
		},
	}
	for name, law := range laws {
		t.Run(name, func(t *testing.T) {
			holds(t, 60, func(r *rand.Rand) error { return law(r, fleet(t, r, 24)) })
		})
	}
}

// eventsTell follows a record by its events alone, applying and joining.
func eventsTell(t *testing.T, ds []*device) error {
	for _, join := range []bool{false, true} {
		live := map[string]map[crdt.EntryID]bool{}
		follow := func(e crdt.Event) {
			p := fmt.Sprint(e.Path)
			if live[p] == nil {
				live[p] = map[crdt.EntryID]bool{}
			}
			for _, x := range e.Removed {
				delete(live[p], x.ID)
			}
			for _, x := range e.Added {
				live[p][x.ID] = true
			}
		}
		r := &crdt.Record{}
		for _, d := range ds {
			if join {
				r.Join(d.record, follow)
				continue
			}
			for _, c := range d.log {
				if len(r.Missing(&c.Parts[0])) == 0 {
					r.Apply(c, &c.Parts[0], 0, follow)
				}
			}
		}
		for f := range r.Fields(crdt.DeleteWins) {
			if f.Type() != crdt.TypeRegister || len(r.Live(crdt.DeleteWins)) != len(r.Births()) {
				continue
			}
			known := live[fmt.Sprint([]crdt.Key{{Name: f.Name(), Type: f.Type()}})]
			if len(known) != len(f.Candidates()) {
				return fmt.Errorf("%w: events leave %d siblings of %q, the record has %d", errLaw, len(known), f.Name(), len(f.Candidates()))
			}
		}
	}
	return nil
}
