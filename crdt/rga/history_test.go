package rga

import (
	"bytes"
	"flag"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
)

var (
	histories = flag.Int("rga.histories", 250, "random histories of TestHistories; a million take an hour")
	firstSeed = flag.Uint64("rga.seed", 1, "seed of the first history")
)

// underRace says that the race detector is on.
var underRace bool

// some returns n, or a tenth of it under the race detector.
func some(n int) int {
	if underRace {
		return max(n/10, 1)
	}
	return n
}

// replica is one side of a random history: the engine, the model and an
// editor, which must agree at every step.
type replica struct {
	text   *Text
	model  *model
	editor mirror
	handle Handle
}

func newReplica(n int) *replica {
	r := &replica{text: NewText(), model: newModel()}
	r.handle = r.text.Handle(testOrigin(n))
	return r
}

var alphabet = []string{"a", "b", "c", "d", "é", "漢", "🦀", "xyz", "aé🦀", "hello "}

// insert inserts and checks the op that was made against the model.
func (r *replica) insert(tb testing.TB, pos int, s string) {
	tb.Helper()
	var ops []Op
	left, right := r.model.neighbours(pos)
	if err := r.text.Insert(r.handle, pos, s, &ops); err != nil {
		tb.Fatal(err)
	}
	op := ops[0]
	if op.Extend {
		if left != (ID{op.Origin, op.Seq - 1}) {
			tb.Fatalf("op extends %d, but Left is %v", op.Seq-1, left)
		}
	} else if op.Left != left || op.Right != right {
		tb.Fatalf("op %s, want between %v and %v", describe(&op), left, right)
	}
	r.model.apply(&op)
	r.editor.text = r.text.String()
}

func (r *replica) delete(tb testing.TB, pos, n int) {
	tb.Helper()
	var ops []Op
	if err := r.text.Delete(r.handle, pos, n, &ops); err != nil {
		tb.Fatal(err)
	}
	for i := range ops {
		r.model.apply(&ops[i])
	}
	r.editor.text = r.text.String()
}

// learn takes the first limit ops that from has and r lacks, some of them cut
// or twice.
func (r *replica) learn(tb testing.TB, from *replica, limit int, rnd *rand.Rand) {
	tb.Helper()
	v := r.text.Version()
	for op := range from.text.OpsSince(&v) {
		if limit--; limit < 0 {
			break
		}
		op = resend(tb, op)
		for range 1 + rnd.IntN(4)/3 {
			if err := r.text.Apply(&op, r.editor.apply(tb)); err != nil {
				tb.Fatalf("%s: %v", describe(&op), err)
			}
		}
		r.model.apply(&op)
	}
}

// resend returns what arrives of an op.
func resend(tb testing.TB, op Op) Op {
	tb.Helper()
	var w codec.Writer
	var t clock.Table
	WriteOps(&w, &t, []Op{op})
	got := ReadOps(codec.NewReader(w.Bytes()), &t, op.Values != nil)
	if len(got) != 1 || !reflect.DeepEqual(got[0], op) {
		tb.Fatalf("sent %+v, arrived %+v", op, got)
	}
	return got[0]
}

// wireSize returns how many bytes ops take, without the table of origins.
func wireSize(ops []Op) int {
	var w codec.Writer
	var t clock.Table
	WriteOps(&w, &t, ops)
	return w.Len()
}

// restart stores the text, and goes on with what is read.
func (r *replica) restart(tb testing.TB, origin clock.Origin) {
	tb.Helper()
	r.text = reload(tb, r.text)
	r.handle = r.text.Handle(origin)
}

func reload(tb testing.TB, t *Text) *Text {
	tb.Helper()
	stored := encode(t)
	rd := codec.NewReader(stored)
	read := ReadText(rd)
	if err := rd.Close(); err != nil {
		tb.Fatal(err)
	}
	rd = codec.NewReader(stored)
	if s := PeekText(rd); s != t.String() || rd.Close() != nil {
		tb.Fatalf("peeked at %q, want %q (%v)", s, t, rd.Err())
	}
	if again := encode(read); !bytes.Equal(again, stored) {
		tb.Fatalf("stored\n%x, read and stored\n%x", stored, again)
	}
	return read
}

func readList(tb testing.TB, b []byte) *List {
	tb.Helper()
	r := codec.NewReader(b)
	l := ReadList(r)
	if err := r.Close(); err != nil {
		tb.Fatal(err)
	}
	return l
}

func encodeList(l *List) []byte {
	var w codec.Writer
	l.Write(&w)
	return w.Bytes()
}

func encode(t *Text) []byte {
	var w codec.Writer
	t.Write(&w)
	return w.Bytes()
}

func (r *replica) agree(tb testing.TB) {
	tb.Helper()
	r.text.check(tb)
	got, want := r.text.elements(), r.model.elements()
	if !slices.Equal(got, want) {
		tb.Fatalf("order is\n%s, the model's\n%s", strings.Join(got, " "), strings.Join(want, " "))
	}
	s, m := r.text.String(), r.model.text()
	if s != m {
		tb.Fatalf("text is %q, the model's %q", s, m)
	}
	visible := 0
	for _, n := range r.model.walk() {
		if pos, shown, err := r.text.Position(n.id); pos != visible || shown == n.deleted || err != nil {
			tb.Fatalf("%v is at %d, not %d (%v)", n.id, pos, visible, err)
		}
		if !n.deleted {
			visible++
		}
	}
	if r.editor.text != s {
		tb.Fatalf("text is %q, the editor shows %q", s, r.editor.text)
	}
	r.converts(tb, s)
	if r.text.LenBytes() != len(s) || r.text.LenUTF16() != utf16Len(s) {
		tb.Fatalf("lengths of %q", s)
	}
}

// history runs a random history and checks every step of it.
func history(tb testing.TB, seed uint64) {
	tb.Helper()
	rnd := rand.New(rand.NewPCG(seed, 1))
	defer func() {
		if tb.Failed() {
			tb.Logf("seed %d", seed)
		}
	}()
	n := 3 + rnd.IntN(3)
	replicas := make([]*replica, n)
	for i := range replicas {
		replicas[i] = newReplica(i)
	}
	steps := 20 + rnd.IntN(60)
	caret := make([]int, n)
	for range steps {
		i := rnd.IntN(n)
		r := replicas[i]
		size := r.text.Len()
		caret[i] = min(caret[i], size)
		if rnd.IntN(4) == 0 {
			caret[i] = rnd.IntN(size + 1)
		}
		switch d := rnd.IntN(10); {
		case d < 4:
			s := alphabet[rnd.IntN(len(alphabet))]
			r.insert(tb, caret[i], s)
			if rnd.IntN(3) > 0 {
				caret[i] += len([]rune(s)) // else backwards
			}
		case d < 6 && caret[i] > 0: // backspace
			k := 1 + rnd.IntN(min(caret[i], 3))
			caret[i] -= k
			r.delete(tb, caret[i], k)
		case d < 7:
			r.delete(tb, caret[i], rnd.IntN(size-caret[i]+1))
		default:
			from := replicas[rnd.IntN(n)]
			limit := 1 << 30
			if rnd.IntN(2) == 0 {
				limit = rnd.IntN(5)
			}
			if from != r {
				r.learn(tb, from, limit, rnd)
			}
		}
		if rnd.IntN(16) == 0 {
			r.restart(tb, testOrigin(i))
		}
		r.agree(tb)
	}
	for _, r := range replicas {
		for _, from := range replicas {
			if from != r {
				r.learn(tb, from, 1<<30, rnd)
			}
		}
		r.agree(tb)
	}
	for _, r := range replicas[1:] {
		if !slices.Equal(r.text.elements(), replicas[0].text.elements()) {
			tb.Fatal("replicas differ")
		}
		if !bytes.Equal(encode(r.text), encode(replicas[0].text)) {
			tb.Fatal("stored forms differ")
		}
	}
}

// converts checks positions in all units, and parts of the text.
func (r *replica) converts(tb testing.TB, s string) {
	tb.Helper()
	t := r.text
	pos, units := 0, 0
	for i, c := range s {
		u, err1 := t.ToUTF16(pos)
		b, err2 := t.ToByte(pos)
		if u != units || b != i || err1 != nil || err2 != nil {
			tb.Fatalf("rune %d of %q: at unit %d, byte %d (%v, %v)", pos, s, u, b, err1, err2)
		}
		for j := range utf16Len(string(c)) {
			p, err := t.FromUTF16(units + j)
			if j == 0 && (p != pos || err != nil) || j > 0 && err != ErrRange {
				tb.Fatalf("unit %d of %q: rune %d, %v", units+j, s, p, err)
			}
		}
		for j := range len(string(c)) {
			p, err := t.FromByte(i + j)
			if j == 0 && (p != pos || err != nil) || j > 0 && err != ErrRange {
				tb.Fatalf("byte %d of %q: rune %d, %v", i+j, s, p, err)
			}
		}
		if at, ok := t.At(pos); at != c || !ok {
			tb.Fatalf("rune %d of %q is %q", pos, s, at)
		}
		id, _ := t.IDAt(pos)
		if p, visible, err := t.Position(id); p != pos || !visible || err != nil {
			tb.Fatalf("%v is at %d, not %d (%v, %v)", id, p, pos, visible, err)
		}
		if part, err := t.Slice(pos, min(pos+3, t.Len())); err != nil || !strings.HasPrefix(s[i:], part) {
			tb.Fatalf("runes from %d of %q are %q (%v)", pos, s, part, err)
		}
		pos++
		units += utf16Len(string(c))
	}
	pos = 0
	for id, n := range t.Runs(0, t.Len()) {
		for i := range n {
			if at, _ := t.IDAt(pos); at != (ID{id.Origin, id.Seq + uint64(i)}) {
				tb.Fatalf("rune %d of %q is %v, run has %v+%d", pos, s, at, id, i)
			}
			pos++
		}
	}
	if pos != t.Len() {
		tb.Fatalf("runs of %q have %d runes", s, pos)
	}
	for _, f := range []func(int) (int, error){t.ToUTF16, t.ToByte, t.FromUTF16, t.FromByte} {
		if _, err := f(-1); err != ErrRange {
			tb.Fatal("a position before the start is accepted")
		}
		if _, err := f(len(s) + 1); err != ErrRange {
			tb.Fatal("a position behind the end is accepted")
		}
	}
	if u, err := t.ToUTF16(pos); u != units || err != nil {
		tb.Fatalf("the end of %q is at unit %d (%v)", s, u, err)
	}
	if p, err := t.FromUTF16(units); p != pos || err != nil {
		tb.Fatalf("the end of %q is rune %d (%v)", s, p, err)
	}
	if p, err := t.FromByte(len(s)); p != pos || err != nil {
		tb.Fatalf("the end of %q is rune %d (%v)", s, p, err)
	}
}

func TestHistories(t *testing.T) {
	n := some(*histories)
	for seed := *firstSeed; seed < *firstSeed+uint64(n); seed++ {
		history(t, seed)
	}
	t.Logf("%d histories from seed %d on", n, *firstSeed)
}
