package crdt_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
)

// mark is a settle mark with the change that carried it.
type mark struct {
	mark crdt.Mark
	ref  crdt.Ref
}

// mark hands a device a mark, which waits until its cut is applied.
func (d *device) mark(t testing.TB, m mark) {
	t.Helper()
	if len(d.marks) >= int(m.mark.Number) {
		return
	}
	decoded, err := crdt.DecodeMark(m.mark.Encode())
	if err != nil {
		t.Fatal(err)
	}
	d.marks = append(d.marks, mark{*decoded, m.ref})
	d.retry(t)
}

// settle folds by the next mark that is here, if its cut is applied.
func (d *device) settle(t testing.TB) bool {
	t.Helper()
	n := d.record.Floor().Number()
	if int(n) == len(d.marks) {
		return false
	}
	m := d.marks[n]
	if !d.applied.Covers(&m.mark.Cut) {
		return false
	}
	f, err := d.record.Floor().Raise(&m.mark, m.ref)
	if err != nil {
		t.Fatal(err)
	}
	d.record.Fold(f, crdt.FoldRules{Delete: d.policy})
	if d.record.IsPurged() {
		d.purges++
	}
	return true
}

// steward writes marks by what members acknowledged to it.
type steward struct {
	*device
	members []*device
	acks    [][]crdt.Acknowledgement
}

func newSteward(d *device, members ...*device) *steward {
	return &steward{d, members, make([][]crdt.Acknowledgement, len(members))}
}

// hear notes what a member has applied.
func (s *steward) hear(i int) {
	m := s.members[i]
	s.acks[i] = slices.Insert(s.acks[i], 0, crdt.Acknowledgement{Origin: m.origin, Applied: m.applied.Clone()})
}

// write writes the next mark, if there is a cut that would raise the floor.
func (s *steward) write(t testing.TB) (mark, bool) {
	t.Helper()
	m, ok := s.record.Floor().NextMark(s.acks)
	if !ok {
		return mark{}, false
	}
	m.Steward = s.origin.Replica
	w := mark{*m, crdt.Ref{Dot: clock.Dot{Origin: s.origin, N: 1000 + m.Number}, Digest: uint32(m.Number)}}
	s.mark(t, w)
	return w, true
}

// settledFleet is a fleet with a steward, one member that is often away, and one
// device that is no member and so may come late.
func settledFleet(t testing.TB, r *rand.Rand, steps int) []*device {
	ds := devices(4)
	versions(r, ds)
	policy := crdt.DeletePolicy(r.IntN(2))
	restamps := map[clock.Dot]crdt.Restamp{}
	for _, d := range ds {
		d.policy, d.restamps = policy, restamps
	}
	s := newSteward(ds[0], ds[:3]...)
	for range steps {
		i := r.IntN(4)
		d := ds[i]
		switch k := r.IntN(20); {
		case k < 8:
			gossip(t, ds, d, ds[r.IntN(4)])
			if i < 3 && r.IntN(3) > 0 {
				s.hear(i)
			}
		case k == 8 && len(d.record.Live(policy)) > 0:
			d.delete(t)
		case k == 9 && r.IntN(2) == 0:
			e := d.record.Edit("r", crdt.EditOptions{Dot: d.next(), Delete: policy})
			if e.Restore() != nil {
				e.Undo()
				continue
			}
			part, _, err := e.Part(false)
			if err != nil {
				t.Fatal(err)
			}
			d.make(t, part)
		case k < 12:
			for i := range s.members {
				if r.IntN(3) > 0 {
					s.hear(i)
				}
			}
			s.write(t)
		default:
			if d.n > 0 && r.IntN(6) == 0 { // some changes carry a restamp of earlier ones
				from := 1 + r.Uint64N(d.n)
				restamps[d.next()] = crdt.Restamp{Origin: d.origin, From: from, To: from + r.Uint64N(3), Back: time.Duration(1+r.IntN(20)) * time.Minute}
			}
			d.wall = d.wall.Add(time.Duration(r.IntN(5)) * time.Minute)
			var seen *clock.VersionVector
			if v := d.record.Vector().Clone(); r.IntN(3) == 0 {
				gossip(t, ds, d, ds[r.IntN(4)])
				seen = &v
			}
			d.edit(t, seen, func(e *crdt.RecordEditor) {
				for range 1 + r.IntN(2) {
					act(e, r)
				}
			})
		}
	}
	return ds
}

// settledState is what must be equal on all replicas: state, and which changes
// are shown as late.
func settledState(ds []*device, d *device) string {
	var b strings.Builder
	b.WriteString(state(d.record))
	fmt.Fprintf(&b, "mark %d, held %v\n", d.record.Floor().Number(), d.record.Held())
	for _, x := range ds {
		for _, c := range x.log {
			if d.record.Late(c.Dot) {
				fmt.Fprintf(&b, "%v is late\n", c.Dot)
			}
		}
	}
	return b.String()
}

func meetAll(t testing.TB, ds []*device) error {
	for range ds {
		for _, a := range ds {
			for _, b := range ds {
				gossip(t, ds, a, b)
			}
		}
	}
	for _, d := range ds {
		if len(d.waiting) > 0 || int(d.record.Floor().Number()) != len(d.marks) {
			return fmt.Errorf("%w: %s: %d changes wait for ever, mark %d of %d", errLaw, d.name, len(d.waiting), d.record.Floor().Number(), len(d.marks))
		}
	}
	return nil
}

func TestMarksConverge(t *testing.T) {
	marks, late, purged := 0, 0, 0
	holds(t, int(seeds(300)), func(r *rand.Rand) error {
		ds := settledFleet(t, r, 50)
		apart := make([]*crdt.Record, len(ds)) // at different floors
		for i, d := range ds {
			apart[i] = cloneAt(t, d.record)
		}
		if err := meetAll(t, ds); err != nil {
			return err
		}
		want := settledState(ds, ds[0])
		for _, d := range ds[1:] {
			if got := settledState(ds, d); got != want {
				return fmt.Errorf("%w: %s and %s:\n%s\n%s", errLaw, ds[0].name, d.name, want, got)
			}
		}
		marks += len(ds[0].marks)
		late += strings.Count(want, "is late")
		for _, d := range ds {
			purged += d.purges
		}
		// Whoever comes after all of it ends the same, marks first or last.
		last := newDevice(9)
		last.policy, last.restamps = ds[0].policy, ds[0].restamps
		cs := allChanges(ds)
		r.Shuffle(len(cs), func(i, j int) { cs[i], cs[j] = cs[j], cs[i] })
		if r.IntN(2) == 0 {
			for _, m := range ds[0].marks {
				last.mark(t, m)
			}
		}
		last.receive(t, cs...)
		for _, m := range ds[0].marks {
			last.mark(t, m)
		}
		if got := settledState(ds, last); got != want {
			return fmt.Errorf("%w: a newcomer:\n%s\n%s", errLaw, want, got)
		}
		// States at different floors join in any order to what the changes give.
		r.Shuffle(len(apart), func(i, j int) { apart[i], apart[j] = apart[j], apart[i] })
		whole := &crdt.Record{}
		whole.Restamp(ds[0].moved)
		for _, rec := range apart {
			whole.Join(rec, nil)
		}
		whole.Join(cloneAt(t, ds[0].record), nil)
		joined := *ds[0]
		joined.record = whole
		if got := settledState(ds, &joined); got != want {
			return fmt.Errorf("%w: joined states:\n%s\n%s", errLaw, want, got)
		}
		return nil
	})
	t.Logf("%d marks, %d late changes, %d records purged", marks, late, purged)
	if marks == 0 || late == 0 || purged == 0 && !underRace { // which plays a tenth of them
		t.Error("the histories do not reach what they are for")
	}
}

// cloneAt is clone for a record that marks folded.
func cloneAt(t testing.TB, r *crdt.Record) *crdt.Record {
	t.Helper()
	c, err := r.Floor().DecodeRecord(write(r))
	if err != nil {
		t.Fatalf("decode record: %v", err)
	}
	return c
}

// TestMarkOnlyForgets compares a fleet that is folded with one that is not:
// until something comes late, no view differs.
func TestMarkOnlyForgets(t *testing.T) {
	holds(t, int(seeds(300)), func(r *rand.Rand) error {
		ds := devices(3)
		versions(r, ds)
		s := newSteward(ds[0], ds...)
		whole := newDevice(9)
		whole.unfolded = true
		for range 30 {
			i := r.IntN(3)
			switch k := r.IntN(12); {
			case k < 4:
				gossip(t, ds, ds[i], ds[r.IntN(3)])
			case k == 4:
				s.hear(i)
			case k == 5:
				s.write(t)
			default:
				ds[i].edit(t, nil, func(e *crdt.RecordEditor) { act(e, r) })
			}
		}
		if err := meetAll(t, ds); err != nil {
			return err
		}
		whole.receive(t, allChanges(ds)...)
		if diff := cmp.Diff(reading(whole.record), reading(ds[0].record)); diff != "" {
			return fmt.Errorf("%w: (-whole +folded):\n%s", errLaw, diff)
		}
		return nil
	})
}
