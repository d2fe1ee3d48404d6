package sim

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/merge"
	"github.com/concord-crdt/concord/replica"
	"github.com/concord-crdt/concord/replica/session"
)

// check holds the invariants against what the devices ended with.
func (f *fleet) check() {
	f.phase = phaseEnd
	for _, look := range []func(){f.checkWaiting, f.checkClocks, f.checkNothingLost, f.checkRecords, f.checkValues, f.checkLater, f.checkStores, f.checkOtherWays} {
		if f.failure == nil {
			look()
		}
	}
}

// statusOf is what a replica holds, its scopes sorted.
func (f *fleet) statusOf(d *device) []session.ScopeStatus {
	_, store, err := d.replica.NewSession(replica.SyncOptions{})
	if err != nil {
		f.fail("no call fails without a reason", []string{d.name}, "", "%v", err)
		return nil
	}
	s, err := store.Status()
	if err != nil {
		f.fail("no call fails without a reason", []string{d.name}, "", "%v", err)
	}
	s.Scopes = slices.DeleteFunc(s.Scopes, func(s session.ScopeStatus) bool { return s.Stored.IsEmpty() })
	slices.SortFunc(s.Scopes, func(a, b session.ScopeStatus) int { return cmp.Compare(a.Name, b.Name) })
	return s.Scopes
}

// checkWaiting wants nothing in quarantine: all that can be missing is there.
func (f *fleet) checkWaiting() {
	for _, d := range f.devices {
		for q, err := range d.replica.Quarantine(background) {
			if err != nil {
				d.failed("quarantine", err)
				return
			}
			if f.waitsForLater(&q) {
				continue
			}
			f.fail("what waits is applied when what it waits for is there", []string{d.name}, strings.Join(q.Records, ", "),
				"%v in %s is %v: %v %s, needs %v", q.Dot, q.Scope, q.Fate, q.Code, q.Reason, q.Needs)
			return
		}
	}
}

// checkClocks wants equal clocks and fingerprints.
func (f *fleet) checkClocks() {
	first := f.statusOf(f.devices[0])
	for _, d := range f.devices[1:] {
		who := []string{f.devices[0].name, d.name}
		other := f.statusOf(d)
		if f.failure != nil {
			return
		}
		if len(other) != len(first) {
			f.fail("all devices hold the same", who, "", "one has %d scopes, one %d", len(first), len(other))
			return
		}
		for i := range first {
			a, b := &first[i], &other[i]
			switch {
			case a.Name != b.Name:
				f.fail("all devices hold the same", who, "", "one has scope %q, one %q", a.Name, b.Name)
			case !a.Stored.Equal(&b.Stored):
				f.fail("all devices hold the same", who, "", "scope %q is stored up to %v and %v", a.Name, &a.Stored, &b.Stored)
			case !a.Applied.Equal(&b.Applied):
				f.fail("all devices hold the same", who, "", "scope %q is applied up to %v and %v", a.Name, &a.Applied, &b.Applied)
			case a.Fingerprint != b.Fingerprint:
				f.fail("equal clocks mean equal states", who, "", "scope %q has fingerprints %s and %s", a.Name, short(a.Fingerprint), short(b.Fingerprint))
			}
		}
	}
}

// checkNothingLost wants every acknowledged write there, once.
func (f *fleet) checkNothingLost() {
	there := f.present()
	for _, a := range f.acts {
		n := len(there[a.id])
		if n > 1 || n == 0 && !a.unsure && !a.endangered {
			f.fail("every write that returned success is there, once", nil, a.deeds[0].record(), "%s is there %d times", a, n)
			return
		}
	}
}

// present says under which names each act is there.
func (f *fleet) present() map[int][]clock.Dot {
	_, store, err := f.devices[0].replica.NewSession(replica.SyncOptions{})
	var all map[dotName]string
	if err == nil {
		all, err = stored(store)
	}
	if err != nil {
		f.fail("no call fails without a reason", []string{f.devices[0].name}, "", "%v", err)
	}
	there := map[int][]clock.Dot{}
	for at, actor := range all {
		if a := f.actOf(actor); a != nil {
			there[a.id] = append(there[a.id], at.dot)
		}
	}
	return there
}

// recordNames lists the records that were written, in order.
func (f *fleet) recordNames() []string { return slices.Sorted(maps.Keys(f.records)) }

// checkRecords wants equal states, and equal views where the schema is the same.
func (f *fleet) checkRecords() {
	for _, record := range f.recordNames() {
		views := map[bool]sight{}
		var digest crdt.Hash
		for i, d := range f.devices {
			v, err := look(d.replica, record)
			if err != nil {
				f.fail("what is there can be read", []string{d.name}, record, "%v", err)
				return
			}
			if i == 0 {
				digest = v.digest
			}
			if v.digest != digest {
				f.fail("equal changes give equal states", []string{f.devices[0].name, d.name}, record, "digests %s and %s", short(digest), short(v.digest))
				return
			}
			if old, ok := views[d.old]; !ok {
				views[d.old] = v
			} else if !reflect.DeepEqual(old, v) {
				f.fail("equal states give equal views", []string{d.name}, record, "it shows, and others show\n%s", difference(v.String(), old.String()))
				return
			}
		}
	}
}

// sight is what is to be seen of a record.
type sight struct {
	digest      crdt.Hash
	heads, live []clock.Dot
	view        merge.RecordView
}

func look(r *replica.Replica, record string) (v sight, err error) {
	collection, key, _ := strings.Cut(record, "/")
	c := r.Collection(collection)
	if v.digest, err = c.Digest(background, key); err != nil {
		return v, err
	}
	err = c.Read(background, key, func(rec *crdt.Record) error {
		v.heads, v.live = append([]clock.Dot{}, rec.Heads()...), append([]clock.Dot{}, rec.Live(deletes(collection))...)
		return nil
	})
	if err != nil {
		return v, err
	}
	seen, err := c.View(background, key)
	if errors.Is(err, replica.ErrNotFound) {
		return v, nil
	}
	v.view = seen.RecordView
	return v, err
}

// String is the record for people.
func (v sight) String() string {
	return fmt.Sprintf("digest %s heads %v live %v\n%+v", short(v.digest), v.heads, v.live, v.view)
}

// checkValues compares the records with the specification.
func (f *fleet) checkValues() {
	there := f.present()
	d := f.devices[0]
	for _, record := range f.recordNames() {
		if record == laterRecord {
			continue
		}
		collection, key, _ := strings.Cut(record, "/")
		err := d.replica.Collection(collection).Read(background, key, func(r *crdt.Record) error {
			return f.specify(collection, key, there, r.Floor()).compare(r)
		})
		if err != nil {
			f.fail("a record shows what its actors did and saw", nil, record, "%v", err)
			return
		}
	}
}

// checkStores wants stores whole, and a restart to change nothing: those that
// were damaged, and one of the others.
func (f *fleet) checkStores() {
	some := f.chance(len(f.devices))
	for i, d := range f.devices {
		if i != some && !d.hurt {
			continue
		}
		before, err := f.shown(d.replica)
		if err != nil {
			f.fail("what is there can be read", []string{d.name}, "", "%v", err)
			return
		}
		report, err := d.replica.Verify(background, nil)
		if err != nil || !report.OK() {
			f.fail("a store that nothing damaged is whole", []string{d.name}, "", "%v %v", report.Damage, err)
			return
		}
		d.close()
		if f.boot(d); d.replica == nil {
			return
		}
		after, err := f.shown(d.replica)
		if err != nil || !reflect.DeepEqual(before, after) {
			f.fail("a restart changes no view", []string{d.name}, "", "%v; it showed and shows\n%s", err, difference(fmt.Sprint(before), fmt.Sprint(after)))
			return
		}
	}
}

// shown is all that a replica shows.
func (f *fleet) shown(r *replica.Replica) ([]sight, error) {
	var all []sight
	for _, record := range f.recordNames() {
		v, err := look(r, record)
		if err != nil {
			return nil, fmt.Errorf("record %q: %w", record, err)
		}
		all = append(all, v)
	}
	return all, nil
}

// difference is where two texts differ first, from both, with the line before.
func difference(a, b string) string {
	as, bs := strings.Split(a, "\n"), strings.Split(b, "\n")
	before := ""
	for i := range min(len(as), len(bs)) {
		if as[i] != bs[i] {
			return fmt.Sprintf("%s\n  %s\n  %s", before, around(as[i], bs[i]), around(bs[i], as[i]))
		}
		before = as[i]
	}
	return fmt.Sprintf("%d and %d lines", len(as), len(bs))
}

// around is the part of a in which it begins to differ from b.
func around(a, b string) string {
	i := 0
	for i < min(len(a), len(b)) && a[i] == b[i] {
		i++
	}
	const before, after = 120, 160
	return strings.ToValidUTF8(a[max(0, i-before):min(len(a), i+after)], "")
}
