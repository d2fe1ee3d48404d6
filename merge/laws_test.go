package merge_test

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"testing"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/merge"
)

// A fleet is three devices that edit one record. A number is one act: who, in
// which role, at which time by a clock that may be wrong, and what.
type fleet struct {
	devices []*device
	forms   []*clock.VersionVector // opened at some time, maybe long ago
	changes [][]byte
}

func run(t testing.TB, acts []uint16, deletions bool) *fleet {
	f := &fleet{forms: make([]*clock.VersionVector, 3)}
	for i := range 3 {
		f.devices = append(f.devices, newDevice(byte(1+i)))
	}
	for i, x := range acts {
		f.act(t, i, x, deletions)
	}
	return f
}

func (f *fleet) act(t testing.TB, i int, x uint16, deletions bool) {
	i0 := int(x % 3)
	d, arg := f.devices[i0], int(x/60)
	who := by(fmt.Sprintf("actor-%d", arg%4), roles[arg/4%4])
	stamp := at(i + []int{0, 0, 0, 60, -60}[arg%5])
	write := func(seen *clock.VersionVector, edit func(e *crdt.RecordEditor)) {
		if b := d.write(t, who, stamp, seen, edit); b != nil {
			f.changes = append(f.changes, b)
		}
	}
	switch x / 3 % 20 {
	case 0, 1, 2:
		write(nil, func(e *crdt.RecordEditor) { _ = e.Register("dose").Set(arg) })
	case 3, 4, 5:
		write(f.forms[i0], func(e *crdt.RecordEditor) { _ = e.Register("dose").Set(arg) })
	case 6, 7:
		f.forms[i0] = d.version()
	case 8:
		write(f.forms[i0], func(e *crdt.RecordEditor) {
			_ = e.Map("plan").Put(string(rune('a'+arg%2)), arg)
			_ = e.Map("plan").Map("sub").Put("x", arg)
		})
	case 9:
		write(nil, func(e *crdt.RecordEditor) { _ = e.Map("plan").Delete([]string{"a", "b", "sub", "seen"}[arg%4]) })
	case 10:
		write(nil, func(e *crdt.RecordEditor) { _ = e.Counter("given").Add(int64(arg%7 - 3)) })
	case 11:
		write(nil, func(e *crdt.RecordEditor) { _ = e.Set("allergies").Add(arg % 3) })
	case 12:
		write(nil, func(e *crdt.RecordEditor) { _ = e.Set("allergies").Remove(arg % 3) })
	case 13:
		write(nil, func(e *crdt.RecordEditor) { _ = e.Counter("dose").Add(1) }) // another type
	case 14:
		write(nil, func(e *crdt.RecordEditor) {
			switch seen := e.Map("plan").Set("seen"); arg % 4 { // it is there, though it may be empty
			case 1:
				_ = seen.Add(arg % 3)
			case 2:
				_ = seen.Remove(arg % 3)
			case 3:
				_ = e.Map("plan").Counter("a").Add(1)
			}
		})
	case 15:
		write(nil, func(e *crdt.RecordEditor) { _ = e.Text("remarks").Insert(arg%(e.Text("remarks").Len()+1), "ab") })
	case 16:
		if deletions {
			if b := d.remove(t, who, stamp, crdt.DeletePolicy(arg%2)); b != nil {
				f.changes = append(f.changes, b)
			}
		}
	default:
		// What another device has, in the order in which it came to be.
		for _, b := range f.changes {
			c, _ := crdt.DecodeChange(b)
			if f.devices[(i0+1+arg%2)%3].rec.Contains(c.Dot) {
				d.receive(t, b)
			}
		}
	}
}

// rules are the eyes through which each state is seen.
var rules = []struct {
	name string
	rule *merge.CollectionRules
}{
	{"none", nil},
	{"doctor first", doctorFirst},
	{"nurse first", nurseFirst},
	{"earliest", earliest},
	{"update wins", compiled(merge.Collection{Delete: crdt.UpdateWins})},
	{"all declared", compiled(merge.Collection{Delete: crdt.UpdateWins, Fields: map[string]merge.FieldRule{
		"dose":      {Type: crdt.TypeCounter},
		"plan":      {Type: crdt.TypeMap, Resolve: []merge.Step{merge.Authority("nurse"), merge.Earliest}},
		"given":     {Type: crdt.TypeRegister},
		"allergies": {Type: crdt.TypeSet},
	}})},
}

// views shows a record through all rules, and checks that nobody looking at it
// altered it.
func views(rec *crdt.Record) (string, error) {
	before := rec.Digest()
	var b bytes.Buffer
	for _, r := range rules {
		once, twice := render(merge.View(rec, r.rule)), render(merge.View(rec, r.rule))
		if once != twice {
			return "", fmt.Errorf("%s: two views of one state:\n%s\n%s", r.name, once, twice)
		}
		fmt.Fprintf(&b, "%s: %s", r.name, once)
		if rec.Digest() != before {
			return "", fmt.Errorf("%s: the view altered the state", r.name)
		}
	}
	return b.String(), nil
}

// shuffle is a permutation that a number picks.
func shuffle(n int, pick uint64) []int {
	order := make([]int, n)
	for i := range order {
		pick = pick*6364136223846793005 + 1442695040888963407
		j := int(pick>>33) % (i + 1)
		order[i] = order[j]
		order[j] = i
	}
	return order
}

// Equal states give equal views: whatever the order of delivery, and whether
// the state came by changes or whole.
func TestViewConverges(t *testing.T) {
	forAll(t, "convergence", 100, 40, func(acts []uint16) error {
		f := run(t, acts, true)
		all := newDevice(0xff)
		all.receive(t, f.changes...)
		want, err := views(&all.rec)
		if err != nil {
			return err
		}
		compare := func(how string, rec *crdt.Record) error {
			if rec.Digest() != all.rec.Digest() {
				return fmt.Errorf("%s: another state", how)
			}
			got, err := views(rec)
			if err == nil && got != want {
				err = fmt.Errorf("%s: got\n%s\nwant\n%s", how, got, want)
			}
			return err
		}
		for pick := range uint64(3) {
			d := inOrder(t, f.changes, shuffle(len(f.changes), pick+uint64(len(acts))))
			if err := compare(fmt.Sprintf("shuffle %d", pick), &d.rec); err != nil {
				return err
			}
		}
		joined := new(crdt.Record)
		for _, d := range f.devices {
			joined.Join(&d.rec, nil)
		}
		if err := compare("joined", joined); err != nil {
			return err
		}
		for i, d := range f.devices {
			d.receive(t, f.changes...)
			if err := compare(fmt.Sprintf("device %d", i), &d.rec); err != nil {
				return err
			}
		}
		return nil
	})
}

// The specification of a register under authority, over what happened: of all
// writes, those that no other write saw, and of these the first by role, then by
// effective stamp, then by entry.
func TestViewAgainstSpecification(t *testing.T) {
	forAll(t, "specification", 300, 40, func(acts []uint16) error {
		f := run(t, acts, false)
		all := newDevice(0xff)
		all.receive(t, f.changes...)
		want := specification(f.changes)
		v := merge.View(&all.rec, doctorFirst)
		field, ok := v.Field("dose")
		if ok && field.Absent {
			ok = false
		}
		if ok != (len(want) > 0) {
			return fmt.Errorf("dose is there: %v, and has %d writes", ok, len(want))
		}
		if !ok {
			return nil
		}
		if w, _ := field.Winner(); w.Entry != want[0].Entry || w.Stamp != want[0].Stamp || field.Value != want[0].Value {
			return fmt.Errorf("got %+v, want %+v", *w, want[0])
		}
		if len(field.Candidates) != len(want) {
			return fmt.Errorf("got %d candidates, want %d", len(field.Candidates), len(want))
		}
		return nil
	})
}

// specification lists the writes of dose that stand, the winner first.
func specification(changes [][]byte) (standing []merge.Candidate) {
	seen := map[crdt.EntryID]bool{}
	stamps := map[clock.Dot]clock.Stamp{}
	var writes []merge.Candidate
	for _, b := range changes {
		c, _ := crdt.DecodeChange(b)
		stamps[c.Dot] = c.Stamp
		for _, h := range c.Parts[0].Heads { // heads come first in the list of changes
			stamps[c.Dot] = max(stamps[c.Dot], stamps[h.Dot].Next())
		}
		for _, kid := range c.Parts[0].Patch.Kids {
			if kid.Key != (crdt.Key{Name: "dose", Type: crdt.TypeRegister}) {
				continue
			}
			for _, id := range kid.Patch.Remove {
				seen[id] = true
			}
			for _, e := range kid.Patch.Add {
				v, _ := codec.DecodeValue(e.Value)
				writes = append(writes, merge.Candidate{Value: v, Role: c.Author.Role, Stamp: stamps[c.Dot], Entry: e.ID})
			}
		}
	}
	for _, w := range writes {
		if !seen[w.Entry] {
			standing = append(standing, w)
		}
	}
	slices.SortFunc(standing, func(a, b merge.Candidate) int { return cmp.Compare(specified(&b), specified(&a)) })
	return standing
}

// FuzzView: what decodes and applies can be looked at and checked against
// rules, whatever it is.
func FuzzView(f *testing.F) {
	fl := run(f, []uint16{0, 3, 24, 27, 30, 33, 36, 39, 42, 45, 48, 51, 1, 25, 61, 85, 121, 145, 200, 301, 402, 503}, true)
	for _, b := range fl.changes {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := crdt.DecodeChange(b)
		if err != nil {
			return
		}
		for i := range c.Parts {
			p := &c.Parts[i]
			for _, r := range rules {
				_ = r.rule.Collection().CheckWrite(p, c.Author.Role)
			}
			var rec crdt.Record
			if len(rec.Missing(p)) > 0 || rec.Check(c, p) != nil {
				continue
			}
			rec.Apply(c, p, 0, nil)
			if _, err := views(&rec); err != nil {
				t.Error(err)
			}
			if _, err := looked(&rec); err != nil {
				t.Error(err)
			}
		}
	})
}
