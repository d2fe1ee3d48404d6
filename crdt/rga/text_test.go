package rga

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/concord-crdt/concord/clock"
)

// typist is a replica that types.
type typist struct {
	*Text
	h Handle
}

func newTypist(n int) typist {
	t := NewText()
	return typist{t, t.Handle(testOrigin(n))}
}

// forwards types runes one after the other; backwards each before the last.
func (t typist) forwards(tb testing.TB, pos int, s string) {
	tb.Helper()
	for _, r := range s {
		if err := t.Insert(t.h, pos, string(r), nil); err != nil {
			tb.Fatal(err)
		}
		pos++
	}
}

func (t typist) backwards(tb testing.TB, pos int, s string) {
	tb.Helper()
	for _, r := range slices.Backward([]rune(s)) {
		if err := t.Insert(t.h, pos, string(r), nil); err != nil {
			tb.Fatal(err)
		}
	}
}

func (t typist) learn(tb testing.TB, from ...typist) {
	tb.Helper()
	for _, f := range from {
		if err := t.Join(f.Text, nil); err != nil {
			tb.Fatal(err)
		}
	}
}

// TestNoInterleaving types words at one place on several replicas. Each must
// come out whole, whoever typed which part of it and in which direction.
func TestNoInterleaving(t *testing.T) {
	orders := [][3]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}}
	for _, c := range []struct {
		name  string
		steps func(t *testing.T, a, b, c typist)
		words []string
	}{
		{"forwards", func(t *testing.T, a, b, c typist) {
			a.forwards(t, 1, "one")
			b.forwards(t, 1, "two")
			c.forwards(t, 1, "six")
		}, []string{"one", "two", "six"}},
		{"backwards", func(t *testing.T, a, b, c typist) {
			a.backwards(t, 1, "one")
			b.backwards(t, 1, "two")
			c.backwards(t, 1, "six")
		}, []string{"one", "two", "six"}},
		{"both", func(t *testing.T, a, b, c typist) {
			a.backwards(t, 1, "one")
			b.forwards(t, 1, "two")
			c.backwards(t, 1, "si")
			c.forwards(t, 3, "x")
		}, []string{"one", "two", "six"}},
		{"two in turn, forwards", func(t *testing.T, a, b, c typist) {
			a.forwards(t, 1, "on")
			b.learn(t, a)
			b.forwards(t, 3, "es")
			c.forwards(t, 1, "two")
		}, []string{"ones", "two"}},
		{"two in turn, backwards", func(t *testing.T, a, b, c typist) {
			a.backwards(t, 1, "es")
			b.learn(t, a)
			b.backwards(t, 1, "on")
			c.backwards(t, 1, "two")
		}, []string{"ones", "two"}},
		{"lines above each other", func(t *testing.T, a, b, c typist) {
			for i := range 3 {
				a.forwards(t, 1, fmt.Sprintf("a%d;", i))
				b.forwards(t, 1, fmt.Sprintf("b%d;", i))
				c.forwards(t, 1, fmt.Sprintf("c%d;", i))
			}
		}, []string{"a2;a1;a0;", "b2;b1;b0;", "c2;c1;c0;"}},
		{"with corrections", func(t *testing.T, a, b, c typist) {
			a.forwards(t, 1, "onne")
			if err := a.Delete(a.h, 3, 1, nil); err != nil {
				t.Fatal(err)
			}
			b.forwards(t, 1, "twx")
			if err := b.Delete(b.h, 3, 1, nil); err != nil {
				t.Fatal(err)
			}
			b.forwards(t, 3, "o")
			c.backwards(t, 1, "six")
		}, []string{"one", "two", "six"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, order := range orders {
				all := []typist{newTypist(order[0]), newTypist(order[1]), newTypist(order[2])}
				base := newTypist(9)
				base.forwards(t, 0, "<>")
				for _, r := range all {
					r.learn(t, base)
				}
				c.steps(t, all[0], all[1], all[2])
				for _, r := range all {
					r.learn(t, all...)
				}
				text := all[0].String()
				for _, r := range all {
					if r.String() != text {
						t.Fatalf("%q and %q", r, text)
					}
				}
				for _, word := range c.words {
					if !strings.Contains(text, word) {
						t.Fatalf("ids %v: %q is torn in %q", order, word, text)
					}
				}
			}
		})
	}
}

// TestRightOrigin is where FugueMax differs from Fugue: a insertion goes next
// to what its author saw on the right, where it cannot do better.
func TestRightOrigin(t *testing.T) {
	for _, order := range [][2]int{{0, 2}, {2, 0}} {
		a, b, c := newTypist(order[0]), newTypist(order[1]), newTypist(5)
		a.forwards(t, 0, "a")
		c.learn(t, a)
		b.forwards(t, 0, "b")
		a.learn(t, b)
		if a.String() != "ab" {
			continue // the ids stand the other way round
		}
		a.forwards(t, 1, "x")
		c.forwards(t, 1, "y")
		c.learn(t, a)
		if c.String() != "ayxb" {
			t.Errorf("got %q", c)
		}
		return
	}
	t.Fatal("no order of the ids applies")
}

// TestInsideRun inserts inside a run that its author has gone on with: the
// place is found in the middle of a span.
func TestInsideRun(t *testing.T) {
	a, b := newTypist(0), newTypist(1)
	a.forwards(t, 0, "abc")
	b.learn(t, a)
	a.forwards(t, 3, "def")
	b.forwards(t, 3, "!")
	b.forwards(t, 1, "?")
	a.learn(t, b)
	b.learn(t, a)
	if a.String() != b.String() || !strings.HasPrefix(a.String(), "a?bc") || !strings.Contains(a.String(), "def") {
		t.Fatalf("%q and %q", a, b)
	}
}

func TestLocalErrors(t *testing.T) {
	text := NewText()
	h := text.Handle(testOrigin(0))
	if err := text.Insert(h, 0, "aé🦀", nil); err != nil {
		t.Fatal(err)
	}
	stored := encode(text)
	stranger := NewText()
	stranger.Handle(testOrigin(5))
	far := stranger.Handle(testOrigin(6))
	var ops []Op
	for _, c := range []struct {
		name string
		err  error
		want error
	}{
		{"insert before the start", text.Insert(h, -1, "x", &ops), ErrRange},
		{"insert behind the end", text.Insert(h, 4, "x", &ops), ErrRange},
		{"insert nothing behind the end", text.Insert(h, 4, "", &ops), ErrRange},
		{"insert nothing", text.Insert(h, 3, "", &ops), nil},
		{"insert half a rune", text.Insert(h, 0, "é"[:1], &ops), ErrUTF8},
		{"insert half a rune after another", text.Insert(h, 0, "x\xc3", &ops), ErrUTF8},
		{"insert a surrogate", text.Insert(h, 0, "\xed\xa0\xbd", &ops), ErrUTF8},
		{"insert without handle", text.Insert(Handle{}, 0, "x", &ops), ErrHandle},
		{"insert with another's handle", text.Insert(far, 0, "x", &ops), ErrHandle},
		{"delete before the start", text.Delete(h, -1, 1, &ops), ErrRange},
		{"delete backwards", text.Delete(h, 1, -1, &ops), ErrRange},
		{"delete beyond the end", text.Delete(h, 2, 2, &ops), ErrRange},
		{"delete behind the end", text.Delete(h, 4, 0, &ops), ErrRange},
		{"delete very much", text.Delete(h, 1, int(^uint(0)>>1), &ops), ErrRange},
		{"delete nothing", text.Delete(h, 3, 0, &ops), nil},
		{"delete without handle", text.Delete(Handle{}, 0, 1, &ops), ErrHandle},
		{"handle of nobody", text.Insert(text.Handle(clock.Origin{}), 0, "x", &ops), ErrHandle},
	} {
		if !errors.Is(c.err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, c.err, c.want)
		}
	}
	if len(ops) != 0 || string(encode(text)) != string(stored) {
		t.Error("something has changed")
	}
	for _, id := range []ID{{}, {testOrigin(0), 0}, {testOrigin(0), 4}, {testOrigin(0), 1 << 40}, {testOrigin(8), 1}} {
		if _, _, err := text.Position(id); !errors.Is(err, ErrUnknown) {
			t.Errorf("position of %v: %v", id, err)
		}
	}
	if _, err := text.Slice(2, 1); !errors.Is(err, ErrRange) {
		t.Errorf("slice: %v", err)
	}
	list := NewList()
	g := list.Handle(testOrigin(0))
	for _, err := range []error{list.Insert(g, 1, [][]byte{nil}, nil), list.Insert(g, 1, nil, nil)} {
		if !errors.Is(err, ErrRange) {
			t.Errorf("list: %v", err)
		}
	}
	if err := list.Insert(Handle{}, 0, [][]byte{nil}, nil); !errors.Is(err, ErrHandle) {
		t.Errorf("list: %v", err)
	}
}

// TestLimits meets the limit on numbers without writing that much.
func TestLimits(t *testing.T) {
	text := NewText()
	h := text.Handle(testOrigin(0))
	op := Op{Kind: Insert, Gone: true, Origin: testOrigin(0), Seq: 1, Len: MaxSeq - 1}
	if err := text.Apply(&op, nil); err != nil {
		t.Fatal(err)
	}
	if err := text.Insert(h, 0, "xy", nil); !errors.Is(err, ErrLimit) {
		t.Fatalf("insert: %v", err)
	}
	if err := text.Insert(h, 0, "x", nil); err != nil {
		t.Fatal(err)
	}
	if err := text.Delete(h, 0, 1, nil); !errors.Is(err, ErrLimit) {
		t.Fatalf("delete: %v", err)
	}
	op.Origin, op.Len = testOrigin(1), MaxSeq
	if err := text.Apply(&op, nil); err != nil {
		t.Fatal(err)
	}
	op.Origin = testOrigin(2)
	if err := text.Apply(&op, nil); !errors.Is(err, ErrLimit) {
		t.Fatalf("too many elements: %v", err)
	}
	text.check(t)
	if size := text.MemoryBytes(); size > 10_000 {
		t.Errorf("%d bytes in memory for elements without content", size)
	}
	reload(t, text).check(t)
}

// TestDelta groups local edits: the ops of the group are runs.
func TestDelta(t *testing.T) {
	a := newTypist(0)
	a.forwards(t, 0, "hello wrld")
	since := a.Last(testOrigin(0))
	a.forwards(t, 7, "o")
	a.forwards(t, 11, "! Bye")
	for range 4 {
		if err := a.Delete(a.h, a.Len()-1, 1, nil); err != nil {
			t.Fatal(err)
		}
	}
	ops := a.Delta(a.h, since, nil)
	var got []string
	for i := range ops {
		got = append(got, fmt.Sprintf("%v %d+%d %q %v", ops[i].Kind, ops[i].Seq, ops[i].Len, ops[i].Text, ops[i].Reverse))
	}
	want := []string{`insert 11+1 "o" false`, `insert 12+5 "! Bye" false`, `delete 17+4 "" true`}
	if !slices.Equal(got, want) {
		t.Fatalf("got %q, want %q", got, want)
	}
	b := newTypist(1)
	b.forwards(t, 0, "")
	for op := range a.OpsSince(nil) {
		if err := b.Apply(&op, nil); err != nil {
			t.Fatal(err)
		}
	}
	if b.String() != "hello world!" {
		t.Fatalf("%q", b)
	}
	if ops := a.Delta(Handle{}, 0, nil); ops != nil {
		t.Fatalf("a delta of nobody: %v", ops)
	}
}

// TestKeystrokeAllocatesNothing types and corrects at one place.
func TestKeystrokeAllocatesNothing(t *testing.T) {
	if leafSpans < 32 {
		t.Skip("small leaves are split all the time")
	}
	a := newTypist(0)
	a.forwards(t, 0, strings.Repeat("some text ", 1000))
	b := newTypist(1)
	b.learn(t, a)
	ops := make([]Op, 0, 4)
	pos := 5000
	key := func() {
		for range 6 {
			ops = ops[:0]
			if err := a.Insert(a.h, pos, "x", &ops); err != nil {
				t.Fatal(err)
			}
			pos++
			if err := b.Apply(&ops[0], nil); err != nil {
				t.Fatal(err)
			}
		}
		ops = ops[:0]
		pos--
		if err := a.Delete(a.h, pos, 1, &ops); err != nil {
			t.Fatal(err)
		}
		if err := b.Apply(&ops[0], nil); err != nil {
			t.Fatal(err)
		}
	}
	for range 200 {
		key() // grow what grows
	}
	if n := testing.AllocsPerRun(20, key); n > 1 {
		t.Errorf("%v allocations in 14 edits", n)
	}
}

// TestSizeOnWire holds the bytes of one keystroke.
func TestSizeOnWire(t *testing.T) {
	a := newTypist(0)
	a.forwards(t, 0, strings.Repeat("x", 200_000))
	for _, c := range []struct {
		name string
		edit func(ops *[]Op) error
		most int
	}{
		{"type on", func(ops *[]Op) error { return a.Insert(a.h, 200_000, "x", ops) }, 7},
		{"elsewhere", func(ops *[]Op) error { return a.Insert(a.h, 100, "x", ops) }, 11},
		{"type on there", func(ops *[]Op) error { return a.Insert(a.h, 101, "x", ops) }, 7},
		{"backspace", func(ops *[]Op) error { return a.Delete(a.h, 101, 1, ops) }, 7},
		{"delete elsewhere", func(ops *[]Op) error { return a.Delete(a.h, 5000, 1, ops) }, 9},
	} {
		var ops []Op
		if err := c.edit(&ops); err != nil {
			t.Fatal(err)
		}
		if n := wireSize(ops); n > c.most {
			t.Errorf("%s: %d bytes, want %d", c.name, n, c.most)
		}
	}
}

// TestParallelReads reads a text from several goroutines, which is allowed.
func TestParallelReads(t *testing.T) {
	_, text := pair(t, 5)
	want, stored, version := text.String(), encode(text), text.Version()
	var group sync.WaitGroup
	for i := range 4 {
		group.Go(func() {
			for pos := i; pos < text.Len(); pos += 3 {
				id, _ := text.IDAt(pos)
				at, _, err := text.Position(id)
				unit, err2 := text.ToUTF16(pos)
				back, err3 := text.FromUTF16(unit)
				if at != pos || back != pos || errors.Join(err, err2, err3) != nil {
					t.Errorf("rune %d: found at %d, back at %d: %v %v %v", pos, at, back, err, err2, err3)
				}
			}
			seen := text.Version()
			if text.String() != want || string(encode(text)) != string(stored) || !seen.Equal(&version) {
				t.Error("readers disagree")
			}
			if n := len(slices.Collect(text.OpsSince(nil))); n == 0 {
				t.Error("no ops")
			}
		})
	}
	group.Wait()
}
