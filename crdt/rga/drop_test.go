package rga

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
)

// pair returns two texts that differ: other has all of text, and more.
func pair(tb testing.TB, seed uint64) (text, other *Text) {
	tb.Helper()
	text = NewText()
	patches, _ := madeUp(seed, 80)
	replay(tb, text, text.Handle(testOrigin(1)), patches, nil)
	other = text.Clone()
	patches, _ = madeUp(seed+1000, 60)
	for _, p := range patches {
		if p.pos+p.deleted <= other.Len() {
			replay(tb, other, other.Handle(testOrigin(2)), []patch{p}, nil)
		}
	}
	return text, other
}

func TestDropDeleted(t *testing.T) {
	for seed := uint64(1); seed <= uint64(some(60)); seed++ {
		rnd := rand.New(rand.NewPCG(seed, 10))
		text, all := pair(t, seed)
		want, order := all.String(), all.elements()
		whole := len(encode(all))

		// The same cut, at a replica that has it all and one that has a part.
		cut := text.Version()
		if rnd.IntN(2) == 0 {
			cut.Set(testOrigin(1), rnd.Uint64N(cut.Get(testOrigin(1)))+1)
		}
		n := all.DropDeleted(&cut)
		all.check(t)
		if m := text.DropDeleted(&cut); m != n {
			t.Fatalf("seed %d: %d lost their content, and elsewhere %d", seed, n, m)
		}
		text.check(t)
		if again := all.DropDeleted(&cut); again != 0 {
			t.Fatalf("seed %d: %d lost it twice", seed, again)
		}
		if all.String() != want || !slices.Equal(all.elements(), order) {
			t.Fatalf("seed %d: dropping shows", seed)
		}
		if n > 20 && len(encode(all)) >= whole {
			t.Fatalf("seed %d: nothing was won", seed)
		}
		if err := text.Join(all, nil); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		text.check(t)
		stored := encode(all)
		if !bytes.Equal(encode(text), stored) {
			t.Fatalf("seed %d: it matters when it was dropped", seed)
		}
		read := reload(t, all)
		read.check(t)

		// A new replica gets the rest, in any pieces.
		fresh := NewText()
		var editor mirror
		for op := range read.OpsSince(nil) {
			op = resend(t, op)
			if op.Len > 1 && rnd.IntN(2) == 0 {
				part := head(op, 1+rnd.Uint64N(op.Len-1))
				if err := fresh.Apply(&part, editor.apply(t)); err != nil {
					t.Fatalf("seed %d: %s: %v", seed, describe(&part), err)
				}
			}
			if err := fresh.Apply(&op, editor.apply(t)); err != nil {
				t.Fatalf("seed %d: %s: %v", seed, describe(&op), err)
			}
			if rnd.IntN(8) == 0 { // content may be gone before the deletion is here
				fresh.check(t)
				reload(t, fresh).check(t)
			}
		}
		fresh.check(t)
		if !bytes.Equal(encode(fresh), stored) || editor.text != want {
			t.Fatalf("seed %d: a new replica has %q, want %q", seed, editor.text, want)
		}

		// All of it, and editing goes on.
		end := read.Version()
		read.DropDeleted(&end)
		replay(t, read, read.Handle(testOrigin(3)), []patch{{0, min(3, read.Len()), "é!"}, {1, 0, "x"}}, nil)
		read.check(t)
		reload(t, read).check(t)
	}
}

// TestLists runs the same history on a text and on a list.
func TestLists(t *testing.T) {
	for seed := uint64(1); seed <= uint64(some(40)); seed++ {
		rnd := rand.New(rand.NewPCG(seed, 11))
		_, text := pair(t, seed)
		list := NewList()
		var shown []string
		emit := func(e Edit) {
			if e.Pos != e.PosByte || e.Pos != e.PosUTF16 || e.Len != e.LenByte || e.Len != e.LenUTF16 {
				t.Fatalf("edit %+v has units", e)
			}
			if e.Kind == Delete {
				shown = slices.Delete(shown, e.Pos, e.Pos+e.Len)
				return
			}
			for i, v := range e.Values {
				shown = slices.Insert(shown, e.Pos+i, string(v))
			}
		}
		for op := range text.OpsSince(nil) {
			for _, r := range op.Text {
				op.Values = append(op.Values, []byte(string(r)))
			}
			op.Text = ""
			op = resend(t, op)
			if err := list.Apply(&op, emit); err != nil {
				t.Fatalf("%s: %v", describe(&op), err)
			}
		}
		h := list.Handle(testOrigin(4))
		var ops []Op
		for range 20 {
			pos := rnd.IntN(list.Len() + 1)
			if err := list.Insert(h, pos, [][]byte{[]byte("one"), nil, {0, 255}}, &ops); err != nil {
				t.Fatal(err)
			}
			shown = slices.Insert(shown, pos, "one", "", "\x00\xff")
			pos = rnd.IntN(list.Len() - 2)
			if err := list.Delete(h, pos, 2, &ops); err != nil {
				t.Fatal(err)
			}
			shown = slices.Delete(shown, pos, pos+2)
		}
		list.check(t)
		agree := func(what string, l *List) {
			l.check(t)
			var got []string
			for v := range l.Values(0, l.Len()) {
				got = append(got, string(v))
			}
			if !slices.Equal(got, shown) {
				t.Fatalf("seed %d: %s has %q, want %q", seed, what, got, shown)
			}
			if !bytes.Equal(encodeList(l), encodeList(list)) {
				t.Fatalf("seed %d: %s is stored otherwise", seed, what)
			}
			for i := range got {
				if v, ok := l.At(i); !ok || string(v) != got[i] {
					t.Fatalf("seed %d: value %d of %s is %q", seed, i, what, v)
				}
			}
		}
		agree("list", list)
		agree("clone", list.Clone())
		joined := NewList()
		if err := joined.Join(list, nil); err != nil {
			t.Fatal(err)
		}
		agree("joined", joined)
		agree("read", readList(t, encodeList(list)))
		v := list.Version()
		list.DropDeleted(&v)
		agree("dropped", list)
		joined = NewList()
		if err := joined.Join(list, nil); err != nil {
			t.Fatal(err)
		}
		agree("joined after dropping", joined)
		agree("read after dropping", readList(t, encodeList(list)))
	}
}

// TestSharedTable stores two sequences with one table of origins.
func TestSharedTable(t *testing.T) {
	_, text := pair(t, 1)
	list := NewList()
	if err := list.Insert(list.Handle(testOrigin(2)), 0, [][]byte{[]byte("v")}, nil); err != nil {
		t.Fatal(err)
	}
	var w codec.Writer
	var table clock.Table
	list.WriteBody(&w, &table)
	text.WriteBody(&w, &table)
	if table.Len() != 2 {
		t.Fatalf("%d origins", table.Len())
	}
	r := codec.NewReader(w.Bytes())
	l := ReadListBody(r, &table)
	x := ReadTextBody(r, &table)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(encodeList(l), encodeList(list)) || !bytes.Equal(encode(x), encode(text)) {
		t.Fatal("what is read differs")
	}
}
