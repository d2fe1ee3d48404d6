package merge_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/merge"
)

// overlaid has a field of each kind that rules withhold, fold or ask about.
var overlaid = ruled(`ward:
    delete: update-wins
    fields:
      sent: {type: counter}
      dose: {type: register, of: integer, resolve: [{authority: [doctor, nurse]}, latest]}
      class: {type: register, of: string, consistency: approved, resolve: [{approve: [supervisor]}]}
      kind: {type: register, of: string, sticky: true, resolve: [{authority: [chief]}, latest]}
      status: {type: register, of: string, resolve: [{require: "candidate.value != 'x' || record.dose < 5"}, review]}
      tags: {type: set, of: integer, review: {from: 200000}}
      items: {type: map, of: counter}
      plan: {type: text, review: {from: 100000}}
      price: {type: proposal, resolve: [{approve: [supervisor]}]}
      events: {type: log, intent: {key: [p, a], window: 15m, conflict: [p]}}
      level: {type: stock}
    constraints:
      - {name: limit, must: record.sent <= 12, approve: [supervisor]}
      - {name: maximum, must: record.dose + record.level <= 20, approve: [chief, supervisor]}
    detect: {near: 10m, immediate: "record.status == 'y'"}`)

// ruledFleet is three devices that edit one record under overlaid, and what each
// had when it was looked at.
type ruledFleet struct {
	devices []*device
	forms   []*clock.VersionVector
	changes [][]byte
	lifted  bool // somebody approved something
}

func runRuled(t testing.TB, acts []uint16, each func(*device) error) (*ruledFleet, error) {
	f := &ruledFleet{forms: make([]*clock.VersionVector, 3)}
	for i := range 3 {
		f.devices = append(f.devices, keeping(byte(1+i)))
	}
	for i, x := range acts {
		d := f.devices[x%3]
		f.act(t, i, x)
		if err := each(d); err != nil {
			return nil, fmt.Errorf("after act %d: %w", i, err)
		}
	}
	return f, nil
}

func (f *ruledFleet) act(t testing.TB, i int, x uint16) {
	i0, arg := int(x%3), int(x/60)
	d := f.devices[i0]
	roles := []string{"doctor", "nurse", "supervisor", "chief"}
	who := by(fmt.Sprintf("actor-%d", arg%4), roles[arg/4%4])
	write := func(edit func(e *crdt.RecordEditor)) {
		seen := f.forms[i0]
		if arg%2 == 0 {
			seen = nil
		}
		if b := d.write(t, who, at(i+[]int{0, 0, 7, 60, -60}[arg%5]), seen, edit); b != nil {
			f.changes = append(f.changes, b)
		}
	}
	word := string(rune('w' + arg%3))
	switch x / 3 % 20 {
	case 0, 1:
		write(func(e *crdt.RecordEditor) { _ = e.Counter("sent").Add(int64(arg%9 - 2)) })
	case 2, 3:
		write(func(e *crdt.RecordEditor) {
			_ = e.Register("dose").Set(arg % 30)
			if arg%3 == 0 {
				_ = e.Register("status").Set(word)
			}
		})
	case 4:
		write(func(e *crdt.RecordEditor) { _ = e.Register("class").Set(word) })
	case 5:
		write(func(e *crdt.RecordEditor) { _ = e.Register("kind").Set(word) })
	case 6:
		write(func(e *crdt.RecordEditor) { _ = e.Register("status").Set(word) })
	case 7:
		write(func(e *crdt.RecordEditor) { _ = e.Set("tags").Add(arg % 5) })
	case 8:
		write(func(e *crdt.RecordEditor) { _ = e.Set("tags").Remove(arg % 5) })
	case 9:
		write(func(e *crdt.RecordEditor) { _ = e.Map("items").Counter(word).Add(int64(arg % 4)) })
	case 10:
		write(func(e *crdt.RecordEditor) { _ = e.Map("items").Delete(word) })
	case 11:
		write(func(e *crdt.RecordEditor) { _ = e.Text("plan").Insert(arg%(e.Text("plan").Len()+1), word+word) })
	case 12:
		write(func(e *crdt.RecordEditor) { _, _ = e.Proposal("price").Propose(arg) })
	case 13:
		write(func(e *crdt.RecordEditor) { _ = e.Log("events").Append(map[string]any{"p": arg % 2, "a": word}) })
	case 14:
		write(func(e *crdt.RecordEditor) { _ = e.Stock("level").Add(int64(arg%9 - 2)) })
	case 15, 16:
		if v := merge.View(&d.rec, overlaid); len(v.Held) > 0 {
			on := v.Held[arg%len(v.Held)].Change
			if b := d.write(t, who, at(i), nil, func(e *crdt.RecordEditor) {
				// Who may not decide leaves no trace: nothing was changed.
				_ = overlaid.Decide(e, &d.rec, on, arg%3 > 0, who.Role)
			}); b != nil {
				f.changes = append(f.changes, b)
				f.lifted = f.lifted || arg%3 > 0
			}
		}
	case 17:
		f.forms[i0] = d.version()
	default:
		for _, b := range f.changes {
			c, _ := crdt.DecodeChange(b)
			if f.devices[(i0+1+arg%2)%3].rec.Contains(c.Dot) {
				d.receive(t, b)
			}
		}
	}
}

// looked is all that rules make of a record, as text.
func looked(rec *crdt.Record) (string, error) {
	before := rec.Digest()
	r := merge.Inspect(rec, overlaid, merge.Inspection{})
	plain := merge.Inspect(rec, overlaid, merge.Inspection{Plain: true})
	if rec.Digest() != before {
		return "", fmt.Errorf("a look altered the state")
	}
	out := render(r.View) + fmt.Sprintf("held %+v\noverruled %+v\nconflicts %+v\nreview %+v\nunresolved %v\nplain %+v\nat cut %v\n",
		r.Held, r.Overruled, r.Conflicts, r.Review, r.Unresolved, plain.Conflicts, merge.HeldAt(rec, overlaid, nil))
	return out, nil
}

// kept is what a view shows for as long as nobody writes: values and holds.
func keptIn(v merge.RecordView) string {
	var held []clock.Dot
	for _, h := range v.Held {
		held = append(held, h.Change)
	}
	b, err := codec.AppendValue(nil, v.Values())
	return fmt.Sprintf("%x %v, held %v", b, err, held)
}

// The same queue on every replica, whatever came first, and on none a violation
// that nobody lifted.
func TestOverlayConverges(t *testing.T) {
	forAll(t, "overlay", 60, 50, func(acts []uint16) error {
		f := (*ruledFleet)(nil)
		f, err := runRuled(t, acts, func(d *device) error { return nil })
		if err != nil {
			return err
		}
		all := inOrder(t, f.changes, shuffle(len(f.changes), 1))
		want, err := looked(&all.rec)
		if err != nil {
			return err
		}
		compare := func(how string, rec *crdt.Record) error {
			got, err := looked(rec)
			if err == nil && got != want {
				err = fmt.Errorf("%s: got\n%s\nwant\n%s", how, got, want)
			}
			return err
		}
		for pick := range uint64(3) {
			if err := compare("shuffled", &inOrder(t, f.changes, shuffle(len(f.changes), pick+uint64(len(acts)))).rec); err != nil {
				return err
			}
		}
		w := codec.NewWriter(nil)
		all.rec.Write(w)
		stored, err := crdt.DecodeRecord(w.Bytes())
		if err != nil {
			return err
		}
		if err := compare("stored", stored); err != nil {
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

// No view ever shows what breaks a constraint, unless somebody who may said so.
func TestNoViolationIsShown(t *testing.T) {
	forAll(t, "violations", 150, 60, func(acts []uint16) error {
		lifted := false
		f := &ruledFleet{}
		f, err := runRuled(t, acts, func(d *device) error {
			v := merge.View(&d.rec, overlaid)
			for _, r := range d.rec.Rulings() {
				lifted = lifted || r.Value == true
			}
			facts := v.Facts()
			for i, k := range overlaid.Collection().Constraints {
				if ok, err := overlaid.Constraint(i, facts); !ok && v.Exists && !lifted {
					return fmt.Errorf("%s is broken (%v) in %v", k.Name, err, v.Values())
				}
			}
			return nil
		})
		_ = f
		return err
	})
}

// A fold changes no view, and folding before or after later changes arrive is the
// same, mark by mark.
func TestHoldsSurviveMarks(t *testing.T) {
	forAll(t, "marks", 150, 60, func(acts []uint16) error {
		var cuts []clock.VersionVector
		f, err := runRuled(t, acts, func(d *device) error {
			cuts = append(cuts, d.rec.Vector().Clone())
			return nil
		})
		if err != nil || len(cuts) < 2 {
			return err
		}
		early, late := newDevice(0xfe), inOrder(t, f.changes, shuffle(len(f.changes), 7))
		var floor *crdt.Floor
		var cut clock.VersionVector
		for n := range 2 {
			cut = cut.Clone()
			cut.Join(&cuts[len(cuts)*(n+1)/3])
			if cut.IsEmpty() {
				return nil
			}
			if floor, err = raise(floor, cut); err != nil {
				return err
			}
			early.receive(t, slices.DeleteFunc(slices.Clone(f.changes), func(b []byte) bool { return !cut.Contains(dotOf(t, b)) })...)
			before := keptIn(merge.View(&early.rec, overlaid))
			x := merge.FoldRules(&early.rec, overlaid, &cut)
			early.rec.Fold(floor, x)
			if after := keptIn(merge.View(&early.rec, overlaid)); after != before {
				return fmt.Errorf("mark %d changed the view: before\n%s\nafter\n%s", n+1, before, after)
			}
			y := merge.FoldRules(&late.rec, overlaid, &cut)
			late.rec.Fold(floor, y)
			if !slices.Equal(x.Held, y.Held) || !slices.Equal(x.Keep, y.Keep) {
				return fmt.Errorf("mark %d folds by %v, and by %v where later changes are", n+1, x, y)
			}
		}
		early.receive(t, f.changes...)
		if a, b := keptIn(merge.View(&early.rec, overlaid)), keptIn(merge.View(&late.rec, overlaid)); a != b {
			return fmt.Errorf("folded first\n%s\nfolded last\n%s", a, b)
		}
		if early.rec.Digest() != late.rec.Digest() {
			return fmt.Errorf("folded first and folded last differ")
		}
		return nil
	})
}

// raise puts a mark of a cut on a chain.
func raise(f *crdt.Floor, cut clock.VersionVector) (*crdt.Floor, error) {
	m := &crdt.Mark{Number: f.Number() + 1, Cut: cut, Steward: clock.ReplicaID{9}}
	if f != nil {
		m.Before = f.Ref
	}
	return f.Raise(m, crdt.Ref{Dot: clock.Dot{Origin: clock.Origin{Replica: m.Steward, Incarnation: 1}, N: m.Number}})
}
