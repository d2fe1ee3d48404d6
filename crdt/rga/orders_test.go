package rga

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/concord-crdt/concord/clock"
)

// smallHistory returns the ops of a short history of three replicas, each of
// which made few, and syncs now and then.
func smallHistory(tb testing.TB, seed uint64) []Op {
	tb.Helper()
	rnd := rand.New(rand.NewPCG(seed, 5))
	var texts [3]*Text
	for i := range texts {
		texts[i] = NewText()
	}
	var all []Op
	for len(all) < 7 {
		i := rnd.IntN(3)
		t := texts[i]
		h := t.Handle(testOrigin(i))
		var err error
		switch n := t.Len(); {
		case rnd.IntN(3) == 0:
			err = t.Join(texts[rnd.IntN(3)], nil)
		case n > 0 && rnd.IntN(3) == 0:
			pos := rnd.IntN(n)
			err = t.Delete(h, pos, 1+rnd.IntN(min(n-pos, 3)), &all)
		default:
			err = t.Insert(h, rnd.IntN(n+1), alphabet[rnd.IntN(len(alphabet))], &all)
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
	return all
}

// TestArrivalOrders applies small histories in every order there is. An op
// that comes too early must say so and change nothing.
func TestArrivalOrders(t *testing.T) {
	orders := 0
	for seed := uint64(1); seed <= 12; seed++ {
		ops := smallHistory(t, seed)
		var want []byte
		var rest func(text *Text, left []Op)
		rest = func(text *Text, left []Op) {
			if len(left) == 0 {
				orders++
				text.check(t)
				got := encode(text)
				if want == nil {
					want = got
				}
				if !bytes.Equal(got, want) {
					t.Fatalf("seed %d: %q in one order, and in another the stored form differs", seed, text)
				}
				return
			}
			before := encode(text)
			for i := range left {
				next := text.Clone()
				err := next.Apply(&left[i], nil)
				if err == nil {
					rest(next, slices.Delete(slices.Clone(left), i, i+1))
					continue
				}
				if !errors.Is(err, ErrGap) {
					t.Fatalf("seed %d: %s: %v", seed, describe(&left[i]), err)
				}
				if !bytes.Equal(encode(next), before) {
					t.Fatalf("seed %d: %s was refused and left something behind", seed, describe(&left[i]))
				}
			}
		}
		rest(NewText(), ops)
	}
	t.Logf("%d orders", orders)
	if orders < 500 {
		t.Fatal("too few orders for a test")
	}
}

// TestPieces sends the runs of histories cut at random, overlapping and again.
func TestPieces(t *testing.T) {
	for seed := uint64(1); seed <= uint64(some(60)); seed++ {
		rnd := rand.New(rand.NewPCG(seed, 6))
		from := NewText()
		patches, _ := madeUp(seed, 60)
		replay(t, from, from.Handle(testOrigin(1)), patches, nil)
		other := from.Clone()
		patches, _ = madeUp(seed+1000, 30)
		// These positions mean nothing here, but those that exist will do.
		for _, p := range patches {
			if p.pos+p.deleted <= other.Len() {
				replay(t, other, other.Handle(testOrigin(2)), []patch{p}, nil)
			}
		}
		if err := from.Join(other, nil); err != nil {
			t.Fatal(err)
		}
		to := NewText()
		var editor mirror
		for {
			v, all := to.Version(), from.Version()
			if v.Equal(&all) {
				break
			}
			known := to.Version()
			for o, n := range known.All() { // ask for more than is missing
				if rnd.IntN(2) == 0 {
					v.Set(o, rnd.Uint64N(n+1))
				}
			}
			limit := 1 + rnd.IntN(4)
			for op := range from.OpsSince(&v) {
				if limit--; limit < 0 {
					break
				}
				op = resend(t, op)
				if op.Len > 1 && rnd.IntN(2) == 0 {
					op = head(op, 1+rnd.Uint64N(op.Len-1))
				}
				if err := to.Apply(&op, editor.apply(t)); err != nil && !errors.Is(err, ErrGap) {
					t.Fatalf("seed %d: %s: %v", seed, describe(&op), err)
				}
			}
			to.check(t)
		}
		if !bytes.Equal(encode(to), encode(from)) || editor.text != from.String() {
			t.Fatalf("seed %d: %q, the editor shows %q, want %q", seed, to, editor.text, from)
		}
	}
}

// head returns the first n of the run of an op.
func head(op Op, n uint64) Op {
	if op.Kind == Delete && op.Reverse {
		op.Target.Seq += op.Len - n
		op.Reverse = n > 1
	}
	if op.Text != "" {
		op.Text = op.Text[:runeAt(op.Text, int(n))]
	}
	op.Len = n
	return op
}

// TestCrowd lets many replicas insert at the same few places, with branches of
// their own, and learn of it in random orders.
func TestCrowd(t *testing.T) {
	for seed := uint64(1); seed <= uint64(some(6)); seed++ {
		rnd := rand.New(rand.NewPCG(seed, 7))
		base := newReplica(0)
		base.insert(t, 0, "ab")
		all := slices.Collect(base.text.OpsSince(nil))
		for n := 1; n <= 40; n++ {
			r := newReplica(n)
			if n > 2 && rnd.IntN(3) == 0 { // also what some others did there
				for range 2 {
					learnSome(t, r, all, rnd)
				}
			}
			if r.text.Len() < 2 {
				r.learn(t, base, 1<<30, rnd)
			}
			have := r.text.Version()
			for range 1 + rnd.IntN(4) {
				switch at := strings.IndexAny(r.text.String(), "b"); rnd.IntN(5) {
				case 0:
					r.insert(t, rnd.IntN(r.text.Len()+1), "x")
				case 1:
					r.insert(t, at+1, "end")
				case 2:
					r.delete(t, rnd.IntN(r.text.Len()), 1)
				default:
					r.insert(t, max(at, 0), "y")
				}
				r.agree(t)
			}
			all = append(all, slices.Collect(r.text.OpsSince(&have))...)
		}
		var want []string
		for range 4 {
			r := newReplica(99)
			rnd.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
			learnAll(t, r, all)
			r.agree(t)
			if got := r.text.elements(); want == nil {
				want = got
			} else if !slices.Equal(got, want) {
				t.Fatalf("seed %d: the order depends on that of arrival", seed)
			}
		}
	}
}

// learnSome applies what it can of some ops.
func learnSome(tb testing.TB, r *replica, ops []Op, rnd *rand.Rand) {
	tb.Helper()
	for _, i := range rnd.Perm(len(ops)) {
		if r.text.Apply(&ops[i], r.editor.apply(tb)) == nil {
			r.model.apply(&ops[i])
		}
	}
}

// learnAll applies ops until none is left.
func learnAll(tb testing.TB, r *replica, ops []Op) {
	tb.Helper()
	left := slices.Clone(ops)
	for len(left) > 0 {
		n := len(left)
		left = slices.DeleteFunc(left, func(op Op) bool {
			err := r.text.Apply(&op, r.editor.apply(tb))
			if err == nil {
				r.model.apply(&op)
			} else if !errors.Is(err, ErrGap) {
				tb.Fatalf("%s: %v", describe(&op), err)
			}
			return err == nil
		})
		if len(left) == n {
			tb.Fatal("ops wait for each other")
		}
	}
}

// TestManySiblings inserts so much at one place that scans skip whole nodes,
// between two elements, at the start and at the end.
func TestManySiblings(t *testing.T) {
	const count = 2500
	a, b := ID{testOrigin(0), 1}, ID{testOrigin(0), 2}
	for name, place := range map[string][2]ID{"between": {a, b}, "start": {{}, a}, "end": {b, {}}, "only": {}} {
		t.Run(name, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(1, 8))
			var ops []Op
			var origins []clock.Origin
			for i := range count {
				o := clock.Origin{Replica: clock.ReplicaID{byte(i % 256), byte(rnd.IntN(256)), byte(i / 256)}, Incarnation: 1}
				origins = append(origins, o)
				ops = append(ops, Op{Kind: Insert, Origin: o, Seq: 1, Len: 1, Text: "x", Left: place[0], Right: place[1]})
			}
			// Some have branches to both sides.
			branch := clock.Origin{Replica: clock.ReplicaID{7, 7, 7, 7}, Incarnation: 7}
			seq := uint64(1)
			for i := 0; i < count; i += 1 + rnd.IntN(40) {
				x := ID{origins[i], 1}
				ops = append(ops, Op{Kind: Insert, Origin: branch, Seq: seq, Len: 1, Text: "r", Left: x, Right: place[1]})
				ops = append(ops, Op{Kind: Insert, Origin: branch, Seq: seq + 1, Len: 1, Text: "l", Left: place[0], Right: x})
				seq += 2
			}
			slices.SortFunc(origins, clock.Origin.Compare)
			var want []byte
			for range 2 {
				text := NewText()
				if err := text.Insert(text.Handle(testOrigin(0)), 0, "AB", nil); err != nil {
					t.Fatal(err)
				}
				if name == "only" {
					text = NewText()
				}
				rnd.Shuffle(count, func(i, j int) { ops[i], ops[j] = ops[j], ops[i] })
				for i := range ops {
					if err := text.Apply(&ops[i], nil); err != nil {
						t.Fatal(err)
					}
				}
				text.check(t)
				i := 0
				for _, e := range text.elements() {
					if i < count && e == (ID{origins[i], 1}).String() {
						i++
					}
				}
				if i != count {
					t.Fatalf("sibling %d of %d is out of order", i, count)
				}
				s := text.String()
				if name != "only" {
					s = strings.Trim(s, "AB")
				}
				if strings.Count(s, "lxr") != strings.Count(s, "l") {
					t.Fatalf("a branch is apart from its root: %s", s)
				}
				if got := encode(text); want == nil {
					want = got
				} else if !bytes.Equal(got, want) {
					t.Fatal("the order depends on that of arrival")
				}
			}
		})
	}
}
