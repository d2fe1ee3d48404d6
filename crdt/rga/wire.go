package rga

import (
	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
)

// The form in which ops travel: their number, then each of them. The first
// byte of an op has flags:
//
//	bit 0     it is a deletion
//	bit 1     its length is 1; for a text also: its content is one byte
//	bit 2     origin and number go on where the op before ended
//	insertion:
//	bits 3-4  Left is: 0 that of an extending op, 1 none, 2 of the op's own
//	          origin, 3 of another
//	bits 5-6  Right is: 0 none, or that of an extending op, 1 that of the last
//	          insertion before that was not extending, 2 of the origin of
//	          Left, or of the op's own if Left is none, 3 of another
//	bit 7     its content was dropped
//	deletion:
//	bit 3     the target is of another origin
//	bit 4     it is reverse
//
// Then, where the flags do not say it: origin and number. Of an insertion: Left,
// for 2 as the number of the op less its own, for 3 as origin and number; Right,
// for 2 as its number less that of Left, or less that of the op if Left is none,
// for 3 as origin and number; how many elements there are, of values or of
// dropped content; and the text with its length in bytes, or each value with its
// length. Of a deletion: its length; the element that is deleted first, in the
// op's own origin as the number of the op less its own, else as origin and
// number.
//
// A character typed by the author of the op before takes 2 bytes and up, one
// alone some 4 to 7, besides the table.
const (
	opDelete   = 1 << 0
	opOne      = 1 << 1
	opFollows  = 1 << 2
	opLeft     = 3 // shift
	opRight    = 5 // shift
	opGone     = 1 << 7
	opElse     = 1 << 3
	opReverse  = 1 << 4
	opReserved = 7 << 5 // of a deletion

	refImplied = 0
	leftStart  = 1
	rightLast  = 1
	refOwn     = 2
	refAny     = 3
)

// WriteOps writes ops of texts or lists. Origins are named by t, to which they
// are added.
//
// The ops must be well-formed, as a sequence makes them. O(bytes).
func WriteOps(w *codec.Writer, t *clock.Table, ops []Op) {
	w.Uvarint(uint64(len(ops)))
	var last *Op
	lastRight := ID{}
	for i := range ops {
		op := &ops[i]
		writeOp(w, t, op, last, lastRight)
		last = op
		if op.Kind == Insert && !op.Extend {
			lastRight = op.Right
		}
	}
}

func writeOp(w *codec.Writer, t *clock.Table, op, last *Op, lastRight ID) {
	f := byte(0)
	if last != nil && op.Origin == last.Origin && op.Seq == last.Seq+last.Len {
		f |= opFollows
	}
	if op.Kind == Delete {
		f |= opDelete
		if op.Len == 1 {
			f |= opOne
		}
		if op.Target.Origin != op.Origin {
			f |= opElse
		}
		if op.Reverse {
			f |= opReverse
		}
		w.Byte(f)
		writeStart(w, t, op, f)
		if op.Len != 1 {
			w.Uvarint(op.Len)
		}
		first := op.Target
		if op.Reverse {
			first.Seq += op.Len - 1
		}
		if f&opElse != 0 {
			writeID(w, t, first)
		} else {
			w.Uvarint(op.Seq - first.Seq)
		}
		return
	}
	if op.Len == 1 && (op.Values != nil || op.Gone || len(op.Text) == 1) {
		f |= opOne
	}
	if op.Gone {
		f |= opGone
	}
	left, right := byte(refImplied), byte(refImplied)
	if !op.Extend {
		left = refKind(op, op.Left)
		switch {
		case op.Right.IsZero():
		case op.Right == lastRight:
			right = rightLast
		case op.Right.Origin == nearRight(op).Origin:
			right = refOwn
		default:
			right = refAny
		}
	}
	w.Byte(f | left<<opLeft | right<<opRight)
	writeStart(w, t, op, f)
	switch left {
	case refOwn:
		w.Uvarint(op.Seq - op.Left.Seq)
	case refAny:
		writeID(w, t, op.Left)
	}
	switch right {
	case refOwn:
		w.Varint(int64(op.Right.Seq) - int64(nearRight(op).Seq))
	case refAny:
		writeID(w, t, op.Right)
	}
	switch {
	case op.Gone:
		if op.Len != 1 {
			w.Uvarint(op.Len)
		}
	case op.Values != nil:
		if op.Len != 1 {
			w.Uvarint(op.Len)
		}
		for _, v := range op.Values {
			w.Blob(v)
		}
	case f&opOne != 0:
		w.Byte(op.Text[0])
	default:
		w.String(op.Text)
	}
}

// writeStart writes origin and number.
func writeStart(w *codec.Writer, t *clock.Table, op *Op, f byte) {
	if f&opFollows == 0 {
		clock.WriteOrigin(w, t, op.Origin)
		w.Uvarint(op.Seq)
	}
}

func refKind(op *Op, id ID) byte {
	switch {
	case id.IsZero():
		return leftStart
	case id.Origin == op.Origin:
		return refOwn
	}
	return refAny
}

func writeID(w *codec.Writer, t *clock.Table, id ID) {
	clock.WriteOrigin(w, t, id.Origin)
	w.Uvarint(id.Seq)
}

// nearRight returns the element by which Right is written, mostly its
// neighbour.
func nearRight(op *Op) ID {
	if op.Left.IsZero() {
		return ID{op.Origin, op.Seq}
	}
	return op.Left
}

// ReadOps reads what WriteOps wrote: ops of a list if list is true, else of a
// text. Errors are recorded in r, and the result is then nil.
//
// The ops are well-formed; whether they are valid is for Apply to say. Values
// are parts of the input, texts are copies. What is allocated is bounded by a
// multiple of the bytes that remain: an op of 2 bytes takes some 200.
func ReadOps(r *codec.Reader, t *clock.Table, list bool) []Op {
	n := r.Count("ops", MaxElements, 2)
	ops := make([]Op, 0, min(n, 64))
	lastRight := ID{}
	for i := range n {
		var last *Op
		if i > 0 {
			last = &ops[i-1]
		}
		op := readOp(r, t, last, lastRight, list)
		if r.Err() != nil {
			return nil
		}
		ops = append(ops, op)
		if op.Kind == Insert && !op.Extend {
			lastRight = op.Right
		}
	}
	if r.Err() != nil {
		return nil
	}
	return ops
}

func readOp(r *codec.Reader, t *clock.Table, last *Op, lastRight ID, list bool) (op Op) {
	f := r.Byte()
	if f&opFollows != 0 {
		if last == nil {
			r.Fail("op", codec.ErrMalformed)
			return op
		}
		op.Origin, op.Seq = last.Origin, last.Seq+last.Len
	} else {
		op.Origin, op.Seq = clock.ReadOrigin(r, t), r.UvarintMax("number of an op", MaxSeq)
		if last != nil && op.Origin == last.Origin && op.Seq == last.Seq+last.Len {
			r.Fail("op", codec.ErrNotCanonical)
		}
	}
	if op.Seq == 0 || op.Seq > MaxSeq || op.Origin.IsZero() {
		r.Fail("op", codec.ErrMalformed)
	}
	if f&opDelete != 0 {
		readDelete(r, t, &op, f)
		return op
	}
	op.Kind = Insert
	left, right := f>>opLeft&3, f>>opRight&3
	if left == refImplied {
		op.Extend = true
		if right != refImplied {
			r.Fail("op", codec.ErrMalformed)
		}
	}
	op.Left = readRef(r, t, &op, left)
	op.Right = readRight(r, t, &op, right, lastRight)
	if f&opGone != 0 {
		op.Gone = true
		op.Len = readLen(r, f, MaxSeq)
		return op
	}
	if list {
		op.Len = readLen(r, f, uint64(r.Remaining()))
		if r.Err() != nil {
			return op
		}
		op.Values = make([][]byte, op.Len)
		for i := range op.Values {
			op.Values[i] = r.Blob("value", MaxContent)
		}
		return op
	}
	readRunes(r, &op, f)
	return op
}

func readRunes(r *codec.Reader, op *Op, f byte) {
	if f&opOne != 0 {
		op.Text, op.Len = string(rune(r.Byte())), 1
		if len(op.Text) != 1 {
			r.Fail("text of an op", codec.ErrMalformed)
		}
		return
	}
	op.Text = r.String("text of an op", MaxContent)
	runes, _, _ := measure(op.Text)
	op.Len = uint64(runes)
	switch {
	case len(op.Text) == 0:
		r.Fail("text of an op", codec.ErrMalformed)
	case len(op.Text) == 1:
		r.Fail("text of an op", codec.ErrNotCanonical)
	}
}

// readLen reads a length that the flags do not say.
func readLen(r *codec.Reader, f byte, most uint64) uint64 {
	if f&opOne != 0 {
		return 1
	}
	n := r.UvarintMax("length of an op", most)
	switch n {
	case 0:
		r.Fail("length of an op", codec.ErrMalformed)
	case 1:
		r.Fail("length of an op", codec.ErrNotCanonical)
	}
	return n
}

func readRef(r *codec.Reader, t *clock.Table, op *Op, kind byte) (id ID) {
	switch kind {
	case refOwn:
		id = ID{op.Origin, op.Seq - r.UvarintMax("element of an op", op.Seq)}
		if id.Seq == op.Seq {
			r.Fail("element of an op", codec.ErrMalformed)
		}
	case refAny:
		id = ID{clock.ReadOrigin(r, t), r.UvarintMax("element of an op", MaxSeq)}
		if id.Origin == op.Origin {
			r.Fail("element of an op", codec.ErrNotCanonical)
		}
	default:
		return id
	}
	if id.Seq == 0 || id.Origin.IsZero() {
		r.Fail("element of an op", codec.ErrMalformed)
	}
	return id
}

// readRight reads what Right is, after Left.
func readRight(r *codec.Reader, t *clock.Table, op *Op, kind byte, lastRight ID) (id ID) {
	near := nearRight(op)
	switch kind {
	case refImplied:
		return id
	case rightLast:
		if lastRight.IsZero() {
			r.Fail("element of an op", codec.ErrMalformed)
		}
		return lastRight
	case refOwn:
		seq := int64(near.Seq) + r.Varint()
		if seq < 1 || seq > MaxSeq {
			r.Fail("element of an op", codec.ErrMalformed)
			return id
		}
		id = ID{near.Origin, uint64(seq)}
	case refAny:
		id = ID{clock.ReadOrigin(r, t), r.UvarintMax("element of an op", MaxSeq)}
		switch {
		case id.Origin == near.Origin:
			r.Fail("element of an op", codec.ErrNotCanonical)
		case id.Seq == 0 || id.Origin.IsZero():
			r.Fail("element of an op", codec.ErrMalformed)
		}
	}
	if id == lastRight {
		r.Fail("element of an op", codec.ErrNotCanonical)
	}
	return id
}

func readDelete(r *codec.Reader, t *clock.Table, op *Op, f byte) {
	op.Kind = Delete
	op.Reverse = f&opReverse != 0
	op.Len = readLen(r, f, MaxSeq)
	if f&opReserved != 0 || op.Reverse && op.Len == 1 {
		r.Fail("op", codec.ErrMalformed)
	}
	kind := byte(refOwn)
	if f&opElse != 0 {
		kind = refAny
	}
	op.Target = readRef(r, t, op, kind)
	if op.Reverse {
		if op.Target.Seq < op.Len {
			r.Fail("target of an op", codec.ErrMalformed)
			return
		}
		op.Target.Seq -= op.Len - 1
	}
}
