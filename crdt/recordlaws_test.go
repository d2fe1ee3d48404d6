package crdt_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
)

// fleet lets three devices edit one record and meet at random.
func fleet(t testing.TB, r *rand.Rand, steps int) []*device {
	ds := devices(3)
	versions(r, ds)
	for range steps {
		d := ds[r.IntN(3)]
		d.wall = d.wall.Add(time.Duration(r.IntN(5)) * time.Minute)
		switch k := r.IntN(20); {
		case k < 5:
			gossip(t, ds, d, ds[r.IntN(3)])
		case k == 5 && len(d.record.Live(d.policy)) > 0:
			d.delete(t)
		case k == 6 && len(d.record.Births()) > 0:
			var deletions []*crdt.Change
			for _, o := range ds {
				for _, c := range o.log {
					if c.Parts[0].Delete != nil && d.record.Contains(c.Dot) {
						deletions = append(deletions, c)
					}
				}
			}
			if len(deletions) > 0 {
				d.restore(t, deletions...)
			}
		default:
			var seen *clock.VersionVector
			if r.IntN(3) == 0 {
				v := d.record.Vector().Clone()
				gossip(t, ds, d, ds[r.IntN(3)])
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

// versions lets no field, every field or some fields be versioned, on all
// devices or on some: policies differ while a new one spreads.
func versions(r *rand.Rand, ds []*device) {
	for _, d := range ds {
		switch r.IntN(3) {
		case 0:
			d.versioned = func(string) bool { return true }
		case 1:
			d.versioned = func(field string) bool { return field == "reg" || field == "map" }
		}
	}
}

func allChanges(ds []*device) (cs []*crdt.Change) {
	for _, d := range ds {
		cs = append(cs, d.log...)
	}
	return cs
}

func differ(what string, a, b *crdt.Record) error {
	if x, y := state(a), state(b); x != y {
		return fmt.Errorf("%w: %s:\n%s\nand\n%s", errLaw, what, x, y)
	}
	return nil
}

func TestRecordLaws(t *testing.T) {
	laws := map[string]func(r *rand.Rand, ds []*device) error{
		"join is idempotent": func(r *rand.Rand, ds []*device) error {
			for _, d := range ds {
				before := clone(t, d.record)
				d.record.Join(before, nil)
				if err := differ("joined with itself", before, d.record); err != nil {
					return err
				}
				for _, c := range allChanges(ds) {
					if d.record.Contains(c.Dot) && d.record.Apply(c, &c.Parts[0], 0, nil) {
						return fmt.Errorf("%w: %v was applied twice", errLaw, c.Dot)
					}
				}
				if err := differ("given its changes again", before, d.record); err != nil {
					return err
				}
			}
			return nil
		},
		"join is commutative": func(r *rand.Rand, ds []*device) error {
			ab, ba := clone(t, ds[0].record), clone(t, ds[1].record)
			ab.Join(ds[1].record, nil)
			ba.Join(ds[0].record, nil)
			return differ("ab and ba", ab, ba)
		},
		"join is associative": func(r *rand.Rand, ds []*device) error {
			left, right, bc := clone(t, ds[0].record), clone(t, ds[0].record), clone(t, ds[1].record)
			left.Join(ds[1].record, nil)
			left.Join(ds[2].record, nil)
			bc.Join(ds[2].record, nil)
			right.Join(bc, nil)
			return differ("(ab)c and a(bc)", left, right)
		},
		"changes are states": func(r *rand.Rand, ds []*device) error {
			whole, parts := &crdt.Record{}, newDevice(9)
			for _, d := range ds {
				whole.Join(d.record, nil)
			}
			cs := allChanges(ds)
			cs = append(cs, cs...)
			r.Shuffle(len(cs), func(i, j int) { cs[i], cs[j] = cs[j], cs[i] })
			parts.receive(t, cs...)
			if len(parts.waiting) > 0 {
				return fmt.Errorf("%w: %d changes wait for ever", errLaw, len(parts.waiting))
			}
			return differ("states and changes", whole, parts.record)
		},
		"encoding changes nothing": func(r *rand.Rand, ds []*device) error {
			a := ds[0]
			b := *a
			b.record, b.waiting, b.applied = clone(t, a.record), slices.Clone(a.waiting), a.applied.Clone()
			if err := differ("decoded", a.record, b.record); err != nil {
				return err
			}
			for _, c := range allChanges(ds) { // both go on alike
				a.receive(t, c)
				b.receive(t, c)
			}
			if err := differ("decoded, and gone on", a.record, b.record); err != nil {
				return err
			}
			if !bytes.Equal(write(a.record), write(clone(t, a.record))) {
				return fmt.Errorf("%w: two stored forms", errLaw)
			}
			return nil
		},
		"undo restores": func(r *rand.Rand, ds []*device) error {
			for _, d := range ds {
				before := state(d.record)
				for range 3 {
					e := d.record.Edit("r", crdt.EditOptions{Dot: d.next(), Versioned: d.versioned})
					for range 1 + r.IntN(4) {
						act(e, r)
					}
					if r.IntN(2) == 0 {
						e.Text("text").Insert(-1, "x") // fails
					}
					if r.IntN(2) == 0 {
						_, _, _ = e.Part(false)
					}
					e.Undo()
					if after := state(d.record); after != before {
						return fmt.Errorf("%w: was\n%s\nis\n%s", errLaw, before, after)
					}
				}
				whole := &crdt.Record{}
				whole.Join(d.record, nil)
				if err := differ("joined after undo", whole, d.record); err != nil {
					return err
				}
				clone(t, d.record)
			}
			return nil
		},
		"events tell what changed": func(r *rand.Rand, ds []*device) error {
			return eventsTell(t, ds)
		},
	}
	for name, law := range laws {
		t.Run(name, func(t *testing.T) {
			holds(t, 60, func(r *rand.Rand) error { return law(r, fleet(t, r, 24)) })
		})
	}
}

// eventsTell follows a record by its events alone, applying and joining.
func eventsTell(t *testing.T, ds []*device) error {
	for _, join := range []bool{false, true} {
		live := map[string]map[crdt.EntryID]bool{}
		follow := func(e crdt.Event) {
			p := fmt.Sprint(e.Path)
			if live[p] == nil {
				live[p] = map[crdt.EntryID]bool{}
			}
			for _, x := range e.Removed {
				delete(live[p], x.ID)
			}
			for _, x := range e.Added {
				live[p][x.ID] = true
			}
		}
		r := &crdt.Record{}
		for _, d := range ds {
			if join {
				r.Join(d.record, follow)
				continue
			}
			for _, c := range d.log {
				if len(r.Missing(&c.Parts[0])) == 0 {
					r.Apply(c, &c.Parts[0], 0, follow)
				}
			}
		}
		for f := range r.Fields(crdt.DeleteWins) {
			if f.Type() != crdt.TypeRegister || len(r.Live(crdt.DeleteWins)) != len(r.Births()) {
				continue
			}
			known := live[fmt.Sprint([]crdt.Key{{Name: f.Name(), Type: f.Type()}})]
			if len(known) != len(f.Candidates()) {
				return fmt.Errorf("%w: events leave %d siblings of %q, the record has %d", errLaw, len(known), f.Name(), len(f.Candidates()))
			}
		}
	}
	return nil
}
