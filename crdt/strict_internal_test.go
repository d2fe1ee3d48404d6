package crdt

import (
	"bytes"
	"errors"
	"slices"
	"strconv"
	"testing"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt/rga"
)

// What can be written down and means nothing is refused, by what it is read as,
// and whether a change brings it or a stored record holds it.

func strictOrigin(n byte) clock.Origin {
	return clock.Origin{Replica: clock.ReplicaID{n}, Incarnation: 1}
}

// strictDot is a change that may have any start below three.
var strictDot = clock.Dot{Origin: strictOrigin(1), N: 3}

// bornWith is a change that creates a record with what a patch has.
func bornWith(kids ...PatchKid) *Change {
	return &Change{Dot: strictDot, Parts: []Part{{Key: "r", Birth: &Birth{}, Patch: &Patch{Shape: Keyed, Kids: kids}}}}
}

func entryAt(name string, t Type, value []byte) PatchKid {
	return PatchKid{Key{name, t}, &Patch{Shape: Entries, Add: []Entry{{EntryID{Dot: strictDot}, value}}}}
}

func grownAt(name string, t Type, value []byte, origins ...clock.Origin) PatchKid {
	return PatchKid{Key{name, t}, &Patch{Shape: Grown, Grow: []GrownEntry{{EntryID{Dot: strictDot}, origins, value}}}}
}

func below(name string, t Type, kids ...PatchKid) PatchKid {
	return PatchKid{Key{name, t}, &Patch{Shape: Keyed, Kids: kids}}
}

// bytesOf writes an entry.
func bytesOf(f func(w *codec.Writer)) []byte {
	w := codec.NewWriter(nil)
	f(w)
	return w.Bytes()
}

func fullEntry(w *codec.Writer, o clock.Origin, n, index uint64) {
	w.Raw(o.Replica[:])
	w.Uint64(o.Incarnation)
	w.Uvarint(n)
	w.Uvarint(index)
}

const one = "\x01" // a value, and the name of an element

// verdict is one on a proposal, which replaces others.
func verdict(of uint64, replaces ...uint64) []byte {
	return bytesOf(func(w *codec.Writer) {
		w.Bool(true)
		w.Bool(true)
		fullEntry(w, strictOrigin(2), of, 0)
		w.Uvarint(uint64(len(replaces)))
		for _, n := range replaces {
			fullEntry(w, strictOrigin(2), n, 0)
		}
	})
}

// ruling is a verdict on a change, which replaces others.
func ruling(on uint64, replaces ...uint64) []byte {
	return bytesOf(func(w *codec.Writer) {
		w.Bool(true)
		o := strictOrigin(2)
		w.Raw(o.Replica[:])
		w.Uint64(o.Incarnation)
		w.Uvarint(on)
		w.Uvarint(uint64(len(replaces)))
		for _, n := range replaces {
			fullEntry(w, o, n, 0)
		}
	})
}

// evidenceOf is evidence with fields as they are encoded.
func evidenceOf(fields string, heads ...uint64) []byte {
	return bytesOf(func(w *codec.Writer) {
		w.String("driver")
		w.String("driver/d2")
		w.Uvarint(uint64(len(heads)))
		for _, n := range heads {
			fullEntry(w, strictOrigin(2), n, 0)
			w.Uint32(7)
		}
		w.Blob([]byte(fields))
	})
}

func reset(o clock.Origin, starts ...uint64) []byte {
	return bytesOf(func(w *codec.Writer) {
		w.Byte(1)
		w.Uvarint(uint64(len(starts)))
		for _, s := range starts {
			w.Raw(o.Replica[:])
			w.Uint64(o.Incarnation)
			run{start: s, up: 1}.write(w)
		}
	})
}

func ledgerBytes(openedAt uint64, to ...clock.Origin) []byte {
	return bytesOf(func(w *codec.Writer) {
		w.Byte(boundedLedger)
		fullEntry(w, strictOrigin(2), openedAt, 0)
		w.Uvarint(1)
		w.Uvarint(0)
		w.Uvarint(uint64(len(to)))
		for _, o := range to {
			w.Raw(o.Replica[:])
			w.Uint64(o.Incarnation)
			w.Uvarint(1)
			w.Uvarint(0)
		}
	})
}

// typed are the ops of an insertion, their content given, and the origins beside
// them.
func typed(list bool, value string) GrownEntry {
	op := rga.Op{Kind: rga.Insert, Origin: strictDot.Origin, Seq: 1, Len: 1, Text: value}
	if list {
		op.Text, op.Values = "", [][]byte{[]byte(value)}
	}
	return encodeOps(EntryID{Dot: strictDot}, []rga.Op{op})
}

// slots is the order of a list.
func slots(value string) PatchKid { return grownAt("", TypeSlots, typed(true, value).Value) }

func markBytes() []byte {
	m := &Mark{Number: 1}
	m.Cut.Set(strictOrigin(2), 1)
	return m.Encode()
}

var meaningless = []struct {
	name string
	kid  PatchKid
	want error // nil: it means something, and is accepted
}{
	{"register", entryAt("f", TypeRegister, []byte(one)), nil},
	{"element at the top", entryAt(one, TypeElement, nil), codec.ErrMalformed},
	{"presence at the top", entryAt("f", TypePresence, []byte{byte(TypeMap)}), codec.ErrMalformed},
	{"slots at the top", slots(one), codec.ErrMalformed},
	{"item at the top", entryAt(itemKey(rga.ID{Origin: strictOrigin(1), Seq: 1}).Name, TypeItem, []byte(one)), codec.ErrMalformed},
	{"mark at the top", grownAt("", TypeMark, markBytes()), nil},
	{"what is no mark", grownAt("", TypeMark, []byte{0}), codec.ErrTruncated},
	{"mark in a map", below("f", TypeMap, grownAt("k", TypeMark, markBytes())), codec.ErrMalformed},
	{"seal at the top", grownAt("", TypeSeal, (&Seal{Origin: strictOrigin(2)}).Encode()), nil},
	{"what is no seal", grownAt("", TypeSeal, []byte{0}), codec.ErrTruncated},
	{"seal of no origin", grownAt("", TypeSeal, (&Seal{}).Encode()), codec.ErrMalformed},
	{"seal in a map", below("f", TypeMap, grownAt("k", TypeSeal, nil)), codec.ErrMalformed},
	{"claim", entryAt("f", TypeBounded, (&claim{seal: EntryID{Dot: strictDot}, of: strictOrigin(2), ledger: ledger{opening: EntryID{Dot: strictDot}}}).encode()), nil},
	{"claim that is cut", entryAt("f", TypeBounded, []byte{boundedClaim, 0}), codec.ErrTruncated},
	{"restamp in a map", below("f", TypeMap, grownAt("k", TypeRestamp, nil)), codec.ErrMalformed},
	{"type of a later version at the top", entryAt("f", 99, []byte("anything")), nil},

	{"element", below("f", TypeSet, entryAt(one, TypeElement, nil)), nil},
	{"addition in an add-wins set", below("f", TypeSet, entryAt(one, TypeElement, marksAddition)), codec.ErrMalformed},
	{"removal in an add-wins set", below("f", TypeSet, entryAt(one, TypeElement, marksRemoval)), codec.ErrMalformed},
	{"register in a set", below("f", TypeSet, entryAt("x", TypeRegister, []byte(one))), codec.ErrMalformed},
	{"removal in a remove-wins set", below("f", TypeRemoveSet, entryAt(one, TypeElement, marksRemoval)), nil},
	{"nothing in a remove-wins set", below("f", TypeRemoveSet, entryAt(one, TypeElement, nil)), codec.ErrMalformed},
	{"a third mark in a remove-wins set", below("f", TypeRemoveSet, entryAt(one, TypeElement, []byte{2})), codec.ErrMalformed},
	{"element of a set of a later version", below("f", 99, entryAt(one, TypeElement, []byte("anything"))), nil},

	{"disable-wins flag", entryAt("f", TypeDisableFlag, marksRemoval), nil},
	{"nothing in a disable-wins flag", entryAt("f", TypeDisableFlag, nil), codec.ErrMalformed},

	{"presence", below("f", TypeMap, entryAt("k", TypePresence, []byte{byte(TypeList)})), nil},
	{"presence of a type of a later version", below("f", TypeMap, entryAt("k", TypePresence, []byte{99})), nil},
	{"presence of a register", below("f", TypeMap, entryAt("k", TypePresence, []byte{byte(TypeRegister)})), codec.ErrMalformed},
	{"presence of slots", below("f", TypeMap, entryAt("k", TypePresence, []byte{byte(TypeSlots)})), codec.ErrMalformed},
	{"presence of nothing", below("f", TypeMap, entryAt("k", TypePresence, nil)), codec.ErrMalformed},
	{"presence of two", below("f", TypeMap, entryAt("k", TypePresence, []byte{4, 4})), codec.ErrMalformed},
	{"element in a map", below("f", TypeMap, entryAt(one, TypeElement, nil)), codec.ErrMalformed},
	{"slots in a map", below("f", TypeMap, slots(one)), codec.ErrMalformed},

	{"list", below("f", TypeList, slots(one)), nil},
	{"list of what is no value", below("f", TypeList, slots("\xc1")), codec.ErrMalformed},
	{"slots under a name", below("f", TypeList, grownAt("x", TypeSlots, typed(true, one).Value)), codec.ErrMalformed},
	{"register in a list", below("f", TypeList, entryAt("x", TypeRegister, []byte(one))), codec.ErrMalformed},
	{"item of no origin", below("f", TypeList, entryAt(itemKey(rga.ID{Seq: 1}).Name, TypeItem, []byte(one))), codec.ErrMalformed},

	{"text", grownAt("f", TypeText, typed(false, "x").Value), nil},
	{"text beside an origin that is not used", grownAt("f", TypeText, typed(false, "x").Value, strictOrigin(2)), codec.ErrNotCanonical},

	{"totals", entryAt("f", TypeCounter, run{3, 1, 0}.encode()), nil},
	{"totals that begin with no change", entryAt("f", TypeCounter, run{0, 1, 0}.encode()), codec.ErrMalformed},
	{"totals that begin later", entryAt("f", TypeCounter, run{4, 1, 0}.encode()), codec.ErrMalformed},
	{"reset", entryAt("f", TypeCounter, reset(strictOrigin(2), 1, 9)), nil},
	{"reset of nothing", entryAt("f", TypeCounter, reset(strictOrigin(2))), codec.ErrMalformed},
	{"reset of totals that begin with no change", entryAt("f", TypeCounter, reset(strictOrigin(2), 0)), codec.ErrMalformed},
	{"reset of totals of no origin", entryAt("f", TypeCounter, reset(clock.Origin{}, 1)), codec.ErrMalformed},

	{"ledger", entryAt("f", TypeBounded, ledgerBytes(1, strictOrigin(3))), nil},
	{"ledger of no opening", entryAt("f", TypeBounded, ledgerBytes(0)), codec.ErrMalformed},
	{"rights given to no origin", entryAt("f", TypeBounded, ledgerBytes(1, clock.Origin{})), codec.ErrMalformed},

	{"verdict", grownAt("f", TypeProposal, verdict(1, 2, 3)), nil},
	{"verdict on nothing", grownAt("f", TypeProposal, verdict(0)), codec.ErrMalformed},
	{"verdict in place of nothing", grownAt("f", TypeProposal, verdict(1, 0)), codec.ErrMalformed},
	{"verdict in place of others, out of order", grownAt("f", TypeProposal, verdict(1, 3, 2)), codec.ErrNotCanonical},
	{"verdict in place of one, twice", grownAt("f", TypeProposal, verdict(1, 2, 2)), codec.ErrNotCanonical},

	{"verdict on a change", grownAt(verdictsSlot.Name, TypeVerdict, ruling(1, 2, 3)), nil},
	{"verdict on a change under another name", grownAt("f", TypeVerdict, ruling(1)), codec.ErrMalformed},
	{"verdict on no change", grownAt(verdictsSlot.Name, TypeVerdict, ruling(0)), codec.ErrMalformed},
	{"verdict on a change in place of others, out of order", grownAt(verdictsSlot.Name, TypeVerdict, ruling(1, 3, 2)), codec.ErrNotCanonical},
	{"verdict on a change, with more", grownAt(verdictsSlot.Name, TypeVerdict, append(ruling(1), 0)), codec.ErrTrailing},

	{"evidence", grownAt(evidenceSlot.Name, TypeEvidence, evidenceOf("\x80", 1, 2)), nil},
	{"evidence under another name", grownAt("f", TypeEvidence, evidenceOf("\x80")), codec.ErrMalformed},
	{"evidence without fields", grownAt(evidenceSlot.Name, TypeEvidence, evidenceOf(one)), codec.ErrMalformed},
	{"evidence of heads out of order", grownAt(evidenceSlot.Name, TypeEvidence, evidenceOf("\x80", 2, 1)), codec.ErrNotCanonical},
	{"evidence of a head twice", grownAt(evidenceSlot.Name, TypeEvidence, evidenceOf("\x80", 2, 2)), codec.ErrNotCanonical},
	{"evidence of no head", grownAt(evidenceSlot.Name, TypeEvidence, evidenceOf("\x80", 0)), codec.ErrMalformed},
}

func TestMeaninglessChangesAreRefused(t *testing.T) {
	for _, c := range meaningless {
		t.Run(c.name, func(t *testing.T) {
			b := bornWith(c.kid).Encode()
			read, err := DecodeChange(b)
			if err == nil {
				if !bytes.Equal(read.Encode(), b) {
					t.Errorf("read %x, written as %x", b, read.Encode())
				}
				err = new(Record).Check(read, &read.Parts[0])
			}
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

// TestMeaninglessRecordsAreRefused puts the same into a record past all checks,
// stores it and reads it.
func TestMeaninglessRecordsAreRefused(t *testing.T) {
	for _, c := range meaningless {
		if c.kid.Key.Type == TypeText && c.want != nil {
			continue // origins beside ops are no longer there once they were placed
		}
		t.Run(c.name, func(t *testing.T) {
			made := bornWith(c.kid)
			var r Record
			r.context.AddRange(clock.Range{Origin: strictDot.Origin, From: 1, To: strictDot.N})
			r.heads = []clock.Dot{strictDot}
			p := &made.Parts[0]
			r.bear(strictDot, *p.Birth)
			r.metas.add(strictDot, r.meta(made, p, 0))
			for _, k := range p.Patch.Kids {
				plant(&r, &r.root, k)
			}
			r.root.shape = Keyed
			w := codec.NewWriter(nil)
			r.Write(w)
			_, err := DecodeRecord(w.Bytes())
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

// plant puts what a patch has into a record without a look.
func plant(r *Record, n *node, k PatchKid) {
	c := n.make(slot{k.Key, k.Patch.Shape})
	for _, e := range k.Patch.Add {
		c.insert(&r.State, e)
	}
	for _, e := range k.Patch.Grow {
		if c.grown.seq == nil {
			c.grown.raw[e.ID] = e
			continue
		}
		var t clock.Table
		t.Number(strictDot.Origin)
		ops := rga.ReadOps(codec.NewReader(e.Value), &t, k.Key.Type == TypeSlots)
		c.grown.seq.place(e, ops, nil)
	}
	for _, below := range k.Patch.Kids {
		plant(r, c, below)
	}
}

func TestOriginsBesideOps(t *testing.T) {
	self, other, third := strictDot.Origin, strictOrigin(2), strictOrigin(3)
	op := rga.Op{Kind: rga.Insert, Origin: self, Seq: 1, Len: 1, Text: "x",
		Left: rga.ID{Origin: other, Seq: 4}, Right: rga.ID{Origin: third, Seq: 7}}
	e := encodeOps(EntryID{Dot: strictDot}, []rga.Op{op})
	for _, c := range []struct {
		name    string
		origins []clock.Origin
		want    error
	}{
		{"as they are used", []clock.Origin{other, third}, nil},
		{"one more", []clock.Origin{other, third, strictOrigin(4)}, codec.ErrNotCanonical},
		{"one twice", []clock.Origin{other, other, third}, codec.ErrNotCanonical},
		{"the author's", []clock.Origin{self, other, third}, codec.ErrNotCanonical},
		{"one less", []clock.Origin{other}, codec.ErrMalformed},
	} {
		e.Origins = c.origins
		if _, err := decodeOps(e, false); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
}

func TestChangeLimits(t *testing.T) {
	c := bornWith(entryAt("f", TypeRegister, []byte(one)))
	if err := c.Check(c.Encode()); err != nil {
		t.Error(err)
	}
	for i := range MaxOrigins {
		d := clock.Dot{Origin: clock.Origin{Incarnation: uint64(i) + 1}, N: 1}
		c.Parts[0].Heads = append(c.Parts[0].Heads, Ref{Dot: d})
	}
	b := c.Encode()
	if err := c.Check(b); !errors.Is(err, codec.ErrLimit) {
		t.Errorf("%d origins: %v", MaxOrigins+1, err)
	}
	if _, err := DecodeChange(b); !errors.Is(err, codec.ErrLimit) {
		t.Errorf("%d origins are read: %v", MaxOrigins+1, err)
	}
	c.Parts[0].Heads = c.Parts[0].Heads[1:]
	if b = c.Encode(); c.Check(b) != nil {
		t.Error(c.Check(b))
	}
	if _, err := DecodeChange(b); err != nil {
		t.Errorf("%d origins: %v", MaxOrigins, err)
	}

	part := bornWith(entryAt("f", TypeRegister, []byte(one))).Parts[0]
	c.Parts = nil
	for i := range MaxParts + 1 {
		p := part
		p.Key, p.Patch = strconv.Itoa(1000+i), nil
		c.Parts = append(c.Parts, p)
	}
	b = c.Encode()
	if err := c.Check(b); !errors.Is(err, codec.ErrLimit) {
		t.Errorf("%d parts: %v", MaxParts+1, err)
	}
	if _, err := DecodeChange(b); !errors.Is(err, codec.ErrLimit) {
		t.Errorf("%d parts are read: %v", MaxParts+1, err)
	}
	c.Parts = slices.Delete(c.Parts, 0, 1)
	if b = c.Encode(); c.Check(b) != nil {
		t.Error(c.Check(b))
	}
	if _, err := DecodeChange(b); err != nil {
		t.Errorf("%d parts: %v", MaxParts, err)
	}
	c.Author.Actor = "\xff"
	if c.Check(b) == nil {
		t.Error("an actor that is not UTF-8")
	}
}

// TestFloorOfAChange: the mark that a change cites is another change, and has one
// content.
func TestFloorOfAChange(t *testing.T) {
	mark := Ref{clock.Dot{Origin: strictOrigin(2), N: 1}, 7}
	for _, c := range []struct {
		name  string
		floor Ref
		want  error
	}{
		{"none", Ref{}, nil},
		{"the change that it names as a head", mark, nil},
		{"another change", Ref{clock.Dot{Origin: strictOrigin(3), N: 1}, 9}, nil},
		{"that change with another content", Ref{mark.Dot, 8}, codec.ErrMalformed},
		{"itself", Ref{strictDot, 7}, codec.ErrMalformed},
	} {
		made := bornWith(entryAt("f", TypeRegister, []byte(one)))
		made.Parts[0].Heads = []Ref{mark}
		made.Floor = c.floor
		if _, err := DecodeChange(made.Encode()); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
}
