package rga

import (
	"bytes"
	"slices"
	"testing"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
)

// use does to a sequence what must not fail, whatever it was read from.
func use(tb testing.TB, s *sequence, edit func(h Handle)) {
	tb.Helper()
	s.check(tb)
	n := 0
	for op := range s.OpsSince(nil) {
		n++
		if err := s.Apply(&op, nil); err != nil {
			tb.Fatalf("%s is known and refused: %v", describe(&op), err)
		}
	}
	if n > s.NumSpans()+s.NumElements() {
		// More ops than spans, elements and deletions would be a loop.
		deletes := 0
		for _, o := range s.origins {
			deletes += len(o.log)
		}
		if n > s.NumSpans()+s.NumElements()+deletes {
			tb.Fatalf("%d ops of %d spans", n, s.NumSpans())
		}
	}
	o := testOrigin(50)
	h := s.Handle(o)
	edit(h)
	s.check(tb)
	if s.Len() > 1 {
		first, _ := s.IDAt(0)
		last, _ := s.IDAt(s.Len() - 1)
		for i, between := range [][2]ID{{{}, first}, {{}, last}, {first, last}, {first, {}}, {last, {}}, {{}, {}}, {last, first}} {
			op := Op{Kind: Insert, Origin: testOrigin(51), Seq: s.Last(testOrigin(51)) + 1, Len: 1, Left: between[0], Right: between[1]}
			if s.list {
				op.Values = [][]byte{{byte(i)}}
			} else {
				op.Text = "é"
			}
			_ = s.Apply(&op, func(Edit) {}) // refused or not
			s.check(tb)
		}
		if err := s.Delete(h, 0, s.Len(), nil); err != nil {
			tb.Fatal(err)
		}
	}
	v := s.Version()
	s.DropDeleted(&v)
	s.check(tb)
}

func FuzzReadText(f *testing.F) {
	for seed := uint64(1); seed <= 8; seed++ {
		text, other := pair(f, seed)
		f.Add(encode(text))
		f.Add(encode(other))
		v := text.Version()
		other.DropDeleted(&v)
		f.Add(encode(other))
	}
	f.Add(encode(NewText()))
	f.Fuzz(func(t *testing.T, b []byte) {
		PeekText(codec.NewReader(b))
		r := codec.NewReader(b)
		text := ReadText(r)
		if r.Close() != nil {
			return
		}
		if again := encode(text); !bytes.Equal(again, b) {
			t.Fatalf("read %x, wrote %x", b, again)
		}
		if s := text.String(); len(s) != text.LenBytes() || utf16Len(s) != text.LenUTF16() {
			t.Fatalf("lengths of %q", s)
		}
		text = text.Clone()
		use(t, &text.sequence, func(h Handle) {
			for range 40 {
				if err := text.Insert(h, text.Len()/2, "aé🦀", nil); err != nil {
					t.Fatal(err)
				}
				if err := text.Delete(h, text.Len()/3, 1, nil); err != nil {
					t.Fatal(err)
				}
			}
		})
		read := reload(t, text)
		read.check(t)
	})
}

func FuzzReadList(f *testing.F) {
	list := NewList()
	f.Add(encodeList(list))
	h := list.Handle(testOrigin(1))
	for i := range 20 {
		if err := list.Insert(h, i/2, [][]byte{bytes.Repeat([]byte{byte(i)}, i%4), {1}}, nil); err != nil {
			f.Fatal(err)
		}
		if err := list.Delete(h, i/3, 1, nil); err != nil {
			f.Fatal(err)
		}
		f.Add(encodeList(list))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := codec.NewReader(b)
		list := ReadList(r)
		if r.Close() != nil {
			return
		}
		if again := encodeList(list); !bytes.Equal(again, b) {
			t.Fatalf("read %x, wrote %x", b, again)
		}
		if n := len(slices.Collect(list.Values(0, list.Len()))); n != list.Len() {
			t.Fatalf("%d values of %d", n, list.Len())
		}
		use(t, &list.sequence, func(h Handle) {
			if err := list.Insert(h, list.Len()/2, [][]byte{nil, {1, 2}}, nil); err != nil {
				t.Fatal(err)
			}
		})
		readList(t, encodeList(list)).check(t)
	})
}

func FuzzReadOps(f *testing.F) {
	for seed := uint64(1); seed <= 8; seed++ {
		text, other := pair(f, seed)
		var table clock.Table
		var w codec.Writer
		WriteOps(&w, &table, slices.Collect(other.OpsSince(nil)))
		f.Add(w.Bytes(), false)
		v := text.Version()
		other.DropDeleted(&v)
		w.Reset()
		WriteOps(&w, &table, slices.Collect(other.OpsSince(nil)))
		f.Add(w.Bytes(), true)
	}
	f.Fuzz(func(t *testing.T, b []byte, list bool) {
		var table clock.Table
		for i := range 4 {
			table.Number(testOrigin(i))
		}
		r := codec.NewReader(b)
		ops := ReadOps(r, &table, list)
		if r.Close() != nil {
			return
		}
		var w codec.Writer
		WriteOps(&w, &table, ops)
		if !bytes.Equal(w.Bytes(), b) {
			t.Fatalf("read %x, wrote %x", b, w.Bytes())
		}
		if list {
			l := NewList()
			for i := range ops {
				_ = l.Apply(&ops[i], nil)
			}
			l.check(t)
			return
		}
		text := NewText()
		var editor mirror
		for i := range ops {
			_ = text.Apply(&ops[i], editor.apply(t))
		}
		text.check(t)
		if text.String() != editor.text {
			t.Fatalf("text is %q, the editor shows %q", text, editor.text)
		}
	})
}

// FuzzHistory reads bytes as edits and syncs of three replicas, and checks them
// against the model.
func FuzzHistory(f *testing.F) {
	f.Add([]byte("\x00\x01\x02 typed \x45\x46\x47 and \x80\x81\x82 synced \xc0\xc1\xc2"))
	f.Add(bytes.Repeat([]byte{0, 64, 130, 7, 200, 33, 90, 255}, 8))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 90 {
			b = b[:90]
		}
		replicas := []*replica{newReplica(0), newReplica(1), newReplica(2)}
		for len(b) >= 2 {
			r, arg := replicas[b[0]%3], int(b[1])
			n := r.text.Len()
			switch b[0] / 3 % 4 {
			case 0, 1:
				r.insert(t, arg%(n+1), alphabet[int(b[0]/12)%len(alphabet)])
			case 2:
				if n > 0 {
					pos := arg % n
					r.delete(t, pos, min(1+int(b[0]/12)%4, n-pos))
				}
			default:
				from := replicas[(int(b[0])+1+arg%2)%3]
				v := r.text.Version()
				limit := 1 + arg/2
				for op := range from.text.OpsSince(&v) {
					if limit--; limit < 0 {
						break
					}
					if err := r.text.Apply(&op, r.editor.apply(t)); err != nil {
						t.Fatal(err)
					}
					r.model.apply(&op)
				}
			}
			r.agree(t)
			b = b[2:]
		}
		for _, r := range replicas {
			for _, from := range replicas {
				if err := r.text.Join(from.text, nil); err != nil {
					t.Fatal(err)
				}
			}
		}
		if !bytes.Equal(encode(replicas[0].text), encode(replicas[1].text)) {
			t.Fatal("replicas differ")
		}
	})
}
