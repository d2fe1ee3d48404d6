package rga_test

import (
	"fmt"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt/rga"
)

var (
	ann = clock.Origin{Replica: clock.ReplicaID{0xa0}, Incarnation: 1}
	bob = clock.Origin{Replica: clock.ReplicaID{0xb0}, Incarnation: 1}
)

// Two people edit one text, each on their own device, and then exchange what
// they did.
func Example() {
	anns, bobs := rga.NewText(), rga.NewText()
	a, b := anns.Handle(ann), bobs.Handle(bob)

	var ops []rga.Op
	_ = anns.Insert(a, 0, "Hello world", &ops)
	for i := range ops {
		_ = bobs.Apply(&ops[i], nil)
	}

	// At the same time.
	_ = anns.Insert(a, 5, ", wide", nil)
	_ = anns.Delete(a, 0, 1, nil)
	_ = anns.Insert(a, 0, "h", nil)
	_ = bobs.Insert(b, 11, "!", nil)

	_ = anns.Join(bobs, func(e rga.Edit) {
		fmt.Printf("Ann's editor: %v %q at %d\n", e.Kind, e.Text, e.Pos)
	})
	_ = bobs.Join(anns, func(e rga.Edit) {
		fmt.Printf("Bob's editor: %v %d at %d %q\n", e.Kind, e.Len, e.Pos, e.Text)
	})
	fmt.Println(anns)
	fmt.Println(bobs)
	// Output:
	// Ann's editor: insert "!" at 17
	// Bob's editor: insert 6 at 5 ", wide"
	// Bob's editor: delete 1 at 0 ""
	// Bob's editor: insert 1 at 0 "h"
	// hello, wide world!
	// hello, wide world!
}

// What another replica lacks follows from what it has seen.
func ExampleText_OpsSince() {
	text := rga.NewText()
	h := text.Handle(ann)
	_ = text.Insert(h, 0, "shopping: milk", nil)
	seen := text.Version()
	_ = text.Insert(h, 14, ", breat", nil)
	_ = text.Delete(h, 20, 1, nil)
	_ = text.Insert(h, 20, "d", nil)
	for op := range text.OpsSince(&seen) {
		fmt.Printf("%v %d+%d %q\n", op.Kind, op.Seq, op.Len, op.Text)
	}
	// Output:
	// insert 15+7 ", breat"
	// delete 22+1 ""
	// insert 23+1 "d"
}

// The place of an element outlives edits before it, and its deletion.
func ExampleText_Position() {
	text := rga.NewText()
	h := text.Handle(ann)
	_ = text.Insert(h, 0, "the end", nil)
	e, _ := text.IDAt(4)

	_ = text.Insert(h, 0, "this is ", nil)
	fmt.Println(text.Position(e))
	_ = text.Delete(h, 11, 4, nil)
	fmt.Println(text.Position(e))
	// Output:
	// 12 true <nil>
	// 11 false <nil>
}

// A text is stored whole, and comes back ready to be edited.
func ExampleReadText() {
	text := rga.NewText()
	_ = text.Insert(text.Handle(ann), 0, "kept", nil)
	var w codec.Writer
	text.Write(&w)

	r := codec.NewReader(w.Bytes())
	read := rga.ReadText(r)
	if err := r.Close(); err != nil {
		fmt.Println(err)
		return
	}
	_ = read.Insert(read.Handle(bob), 4, " well", nil)
	fmt.Println(read)
	// Output: kept well
}

// Editors that count in UTF-16, such as those of browsers, convert positions.
func ExampleText_FromUTF16() {
	text := rga.NewText()
	_ = text.Insert(text.Handle(ann), 0, "a🦀b", nil)
	fmt.Println(text.FromUTF16(3)) // the b
	fmt.Println(text.FromUTF16(2)) // half of the crab
	// Output:
	// 2 <nil>
	// 0 rga: position out of range
}
