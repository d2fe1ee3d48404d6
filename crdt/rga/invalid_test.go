package rga

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"
)

// refusal says whether a correct replica can have made an op, by brute force:
// there must be a causally closed set of elements in which left and right are
// neighbours, and the smallest one, of what they depend on, is one if any is.
func (m *model) refusal(left, right ID) bool {
	order := m.walk()
	place := map[*node]int{m.root: -1}
	for i, n := range order {
		place[n] = i
	}
	from, to := -1, len(order)
	depends := map[*node]bool{}
	var add func(n *node)
	add = func(n *node) {
		if n == nil || n == m.root || depends[n] {
			return
		}
		depends[n] = true
		add(n.left)
		add(n.right)
	}
	if !left.IsZero() {
		from = place[m.nodes[left]]
		add(m.nodes[left])
	}
	if !right.IsZero() {
		to = place[m.nodes[right]]
		add(m.nodes[right])
	}
	if from >= to {
		return true
	}
	for n := range depends {
		if p := place[n]; p > from && p < to {
			return true
		}
	}
	return false
}

// TestForgedPlaces applies insertions between any two elements. The engine
// must accept those that some author can have made, and place them as the model
// does, and refuse the others, whatever else it knows.
func TestForgedPlaces(t *testing.T) {
	accepted, refused := 0, 0
	for seed := uint64(1); seed <= uint64(some(80)); seed++ {
		rnd := rand.New(rand.NewPCG(seed, 9))
		// All ops of three replicas, and forged ones by a fourth; in two orders.
		first, second := newReplica(90), newReplica(91)
		var ops []Op
		for _, op := range smallHistory(t, seed) {
			if first.text.Apply(&op, first.editor.apply(t)) == nil {
				first.model.apply(&op)
				ops = append(ops, op)
			}
		}
		seq := uint64(1)
		for range 20 {
			var ids []ID
			for _, n := range first.model.walk() {
				ids = append(ids, n.id)
			}
			if len(ids) == 0 {
				break
			}
			ids = append(ids, ID{}, ID{})
			op := Op{Kind: Insert, Origin: testOrigin(7), Seq: seq, Len: 2, Text: "#!",
				Left: ids[rnd.IntN(len(ids))], Right: ids[rnd.IntN(len(ids))]}
			before := encode(first.text)
			err := first.text.Apply(&op, first.editor.apply(t))
			if first.model.refusal(op.Left, op.Right) {
				refused++
				if !errors.Is(err, ErrOp) {
					t.Fatalf("seed %d: %s: %v", seed, describe(&op), err)
				}
				if !bytes.Equal(encode(first.text), before) {
					t.Fatalf("seed %d: %s was refused and left something behind", seed, describe(&op))
				}
				continue
			}
			accepted++
			if err != nil {
				t.Fatalf("seed %d: %s: %v", seed, describe(&op), err)
			}
			first.model.apply(&op)
			first.agree(t)
			seq += 2
			ops = append(ops, op)
		}
		rnd.Shuffle(len(ops), func(i, j int) { ops[i], ops[j] = ops[j], ops[i] })
		learnAll(t, second, ops)
		second.agree(t)
		if !bytes.Equal(encode(first.text), encode(second.text)) {
			t.Fatalf("seed %d: the order depends on that of arrival", seed)
		}
	}
	t.Logf("%d accepted, %d refused", accepted, refused)
	if accepted < some(100) || refused < some(100) {
		t.Fatal("too few for a test")
	}
}

// TestInvalidOps has one example of every refusal.
func TestInvalidOps(t *testing.T) {
	a, b, other := testOrigin(0), testOrigin(1), testOrigin(2)
	text := NewText()
	h := text.Handle(a)
	if err := text.Insert(h, 0, "abcd", nil); err != nil { // 1 to 4
		t.Fatal(err)
	}
	if err := text.Delete(h, 1, 2, nil); err != nil { // 5, 6
		t.Fatal(err)
	}
	if err := text.Insert(h, 1, "é", nil); err != nil { // 7
		t.Fatal(err)
	}
	if err := text.Delete(h, 0, 1, nil); err != nil { // 8
		t.Fatal(err)
	}
	id := func(seq uint64) ID { return ID{a, seq} }
	insert := func(change func(*Op)) Op {
		op := Op{Kind: Insert, Origin: b, Seq: 1, Len: 1, Text: "x", Left: id(1), Right: id(7)}
		change(&op)
		return op
	}
	del := func(change func(*Op)) Op {
		op := Op{Kind: Delete, Origin: b, Seq: 1, Len: 2, Target: id(1)}
		change(&op)
		return op
	}
	for _, c := range []struct {
		name string
		op   Op
		want error
	}{
		{"no kind", insert(func(op *Op) { op.Kind = 0 }), ErrOp},
		{"no origin", Op{Kind: Insert, Seq: 1, Len: 1, Text: "x"}, ErrOp},
		{"no number", insert(func(op *Op) { op.Seq = 0 }), ErrOp},
		{"no length", insert(func(op *Op) { op.Len = 0 }), ErrOp},
		{"number too high", insert(func(op *Op) { op.Seq = MaxSeq + 1 }), ErrLimit},
		{"length overflows", insert(func(op *Op) { op.Len = 1<<64 - 1 }), ErrLimit},
		{"end too high", del(func(op *Op) { op.Len = MaxSeq + 1 }), ErrLimit},
		{"too early", insert(func(op *Op) { op.Seq = 2 }), ErrGap},
		{"Left unknown", insert(func(op *Op) { op.Left = id(9) }), ErrGap},
		{"Left of a stranger", insert(func(op *Op) { op.Left = ID{other, 1} }), ErrGap},
		{"Right unknown", insert(func(op *Op) { op.Right = id(9) }), ErrGap},
		{"Left is a deletion", insert(func(op *Op) { op.Left = id(5) }), ErrOp},
		{"Right is a deletion", insert(func(op *Op) { op.Right = id(5) }), ErrOp},
		{"Left is itself", insert(func(op *Op) { op.Left = ID{b, 1} }), ErrOp},
		{"Right is before Left", insert(func(op *Op) { op.Left, op.Right = op.Right, op.Left }), ErrOp},
		{"Right is Left", insert(func(op *Op) { op.Right = op.Left }), ErrOp},
		{"Left without Right, which it knows", insert(func(op *Op) { op.Right = id(4) }), ErrOp},
		{"the end from afar", insert(func(op *Op) { op.Left, op.Right = id(7), ID{} }), ErrOp},
		{"the start from afar", insert(func(op *Op) { op.Left = ID{} }), ErrOp},
		{"not UTF-8", insert(func(op *Op) { op.Text = "\xff" }), ErrUTF8},
		{"half a character", insert(func(op *Op) { op.Text = "é"[:1] }), ErrUTF8},
		{"shorter than it says", insert(func(op *Op) { op.Len = 2 }), ErrOp},
		{"longer than it says", insert(func(op *Op) { op.Text = "xy" }), ErrOp},
		{"values in a text", insert(func(op *Op) { op.Values = [][]byte{{1}} }), ErrOp},
		{"content and none", insert(func(op *Op) { op.Gone = true }), ErrOp},
		{"extends nothing", insert(func(op *Op) { op.Extend, op.Left, op.Right = true, ID{}, ID{} }), ErrOp},
		{"extends and names", insert(func(op *Op) { op.Origin, op.Seq, op.Extend = a, 9, true }), ErrOp},
		{"extends a deletion", insert(func(op *Op) { op.Origin, op.Seq, op.Extend, op.Left, op.Right = a, 9, true, ID{}, ID{} }), ErrOp},
		{"known in part, but otherwise", insert(func(op *Op) { op.Origin, op.Seq, op.Len, op.Text = a, 8, 2, "xy" }), ErrOp},
		{"no target", del(func(op *Op) { op.Target = ID{} }), ErrOp},
		{"target unknown", del(func(op *Op) { op.Target = id(8) }), ErrGap},
		{"target of a stranger", del(func(op *Op) { op.Target = ID{other, 1} }), ErrGap},
		{"target too high", del(func(op *Op) { op.Target.Seq = 1<<64 - 1 }), ErrLimit},
		{"target is a deletion", del(func(op *Op) { op.Len, op.Target = 1, id(6) }), ErrOp},
		{"a target is a deletion", del(func(op *Op) { op.Target = id(4) }), ErrOp},
		{"one in reverse", del(func(op *Op) { op.Len, op.Reverse = 1, true }), ErrOp},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := text.Clone()
			before := encode(text)
			origins := len(text.origins)
			err := text.Apply(&c.op, func(Edit) { t.Error("an edit is reported") })
			if !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			if !bytes.Equal(encode(text), before) || len(text.origins) != origins {
				t.Fatal("it left something behind")
			}
			text.check(t)
		})
	}
	var gap *GapError
	op := insert(func(op *Op) { op.Left = id(9) })
	if err := text.Apply(&op, nil); !errors.As(err, &gap) || gap.Origin != a || gap.Have != 8 || gap.Need != 9 {
		t.Errorf("gap is %+v", gap)
	}
}
