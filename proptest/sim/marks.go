package sim

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/merge"
	"github.com/concord-crdt/concord/replica"
)

// scopeNames are the scopes that devices write to.
var scopeNames = []string{"notes", "visits/w1", "visits/w2"}

// steward is the device that writes settle marks: the first. Its directory is not
// put back, copied or cut where there are marks, as a steward that forgets a mark
// writes another of the same number, and which of them counts only a person can
// say.
func (f *fleet) steward() *device { return f.devices[0] }

// keepsPast reports whether a device must not forget what it wrote.
func (f *fleet) keepsPast(d *device) bool { return d.steward && f.rate[FaultMark] > 0 }

// settleScope has the steward write a settle mark of a scope, as far as those have
// acknowledged whom it waits for: all who wrote, all who are not away, or some.
func (f *fleet) settleScope() {
	d := f.steward()
	if d.replica == nil || !d.steward || f.pending() {
		return
	}
	scope := scopeNames[f.chance(len(scopeNames))]
	members, away := f.membersOf(d)
	before, err := f.valuesIn(d, scope)
	if err != nil {
		d.failed("read", err)
		return
	}
	s, err := d.replica.Settle(background, scope, members...)
	if err != nil {
		f.say("%s: settling %s fails: %v", d.name, scope, err)
		d.failed("settle", err)
		return
	}
	if s.Number == 0 {
		return
	}
	f.decisions++
	f.counters.count(FaultMark)
	if away {
		f.counters.count(FaultAway)
	}
	f.say("%s settles %s by mark %d up to %v; somebody is away: %v", d.name, scope, s.Number, &s.Cut, away)
	after, err := f.valuesIn(d, scope)
	if err != nil {
		d.failed("read", err)
		return
	}
	for i := range before {
		if before[i] != after[i] {
			f.fail("a mark changes no view", []string{d.name}, before[i].record, "mark %d of %s: it showed and shows\n  %s\n  %s", s.Number, scope,
				around(before[i].shows, after[i].shows), around(after[i].shows, before[i].shows))
			return
		}
	}
	d.changed(nil)
}

// membersOf chooses whom a mark waits for, and reports whether it leaves out a
// device that is away; nil means all who ever wrote.
func (f *fleet) membersOf(d *device) (members []clock.ReplicaID, away bool) {
	how := f.chance(4)
	for _, o := range f.devices {
		gone := f.now < o.away
		away = away || gone
		if o == d || !gone && o.id != (clock.ReplicaID{}) && (how < 2 || f.chance(2) == 0) {
			members = append(members, o.id)
		}
	}
	if how == 0 {
		return nil, false
	}
	slices.SortFunc(members, func(a, b clock.ReplicaID) int { return slices.Compare(a[:], b[:]) })
	return slices.Compact(members), away
}

// shownAs is a record as an application shows it.
type shownAs struct{ record, shows string }

// valuesIn is what the records of a scope show at a device, as far as a mark must
// not alter it. A sticky field may show something else afterwards, as rank binds
// the writers since the mark. Stamps of what is not settled rise above all that
// is, so the order among them may be another.
func (f *fleet) valuesIn(d *device, scope string) ([]shownAs, error) {
	var list []shownAs
	for _, record := range f.recordNames() {
		collection, key, _ := strings.Cut(record, "/")
		if ward, _, _ := strings.Cut(key, "/"); scope != collection && scope != collection+"/"+ward {
			continue
		}
		v, err := look(d.replica, record)
		if err != nil {
			return nil, err
		}
		values := v.view.Values()
		delete(values, fieldDose)
		for _, name := range []string{fieldLog, fieldRegister} {
			if x, ok := v.view.Field(name); ok {
				values[name] = unordered(x)
			}
		}
		list = append(list, shownAs{record, fmt.Sprintf("%v live %v", values, v.live)})
	}
	return list, nil
}

// goAway lets a device be away for weeks, without any link. Meanwhile others are
// settled without it, and it goes on writing.
func (f *fleet) goAway(d *device) {
	if d == f.steward() || f.pending() || len(d.suspect) > 0 {
		return
	}
	d.away = f.now + f.storm/4 + f.span(f.storm/3)
	for _, l := range d.links {
		l.until = max(l.until, d.away)
		if l.open != nil {
			l.open.cut("goes down")
		}
	}
	f.say("%s is away until %s", d.name, moment(d.away))
	for range 3 {
		f.add(f.now+(d.away-f.now)/4+f.span((d.away-f.now)/2), f.settleScope)
	}
	for range 3 {
		f.add(f.now+f.span(d.away-f.now), func() { f.write(d) })
	}
}

// restamp lets a device whose clock was ahead put its changes right.
func (f *fleet) restamp(d *device) {
	if d.replica == nil || len(d.suspect) > 0 || d.time().Sub(begin) > f.now+clock.MaxAhead {
		return
	}
	ahead, err := f.aheadOf(d)
	if err != nil {
		d.failed("read", err)
		return
	}
	for _, x := range ahead {
		if err := d.replica.Restamp(background, x.scope, x.Restamp); err != nil {
			f.say("%s: restamping fails: %v", d.name, err)
			if d.news = true; errors.Is(err, replica.ErrClock) {
				return // its peers have not told it the time for long
			}
			d.failed("restamp", err)
			return
		}
		f.decisions++
		f.counters.count(FaultRestamp)
		f.say("%s restamps its changes %d to %d in %s by %v", d.name, x.From, x.To, x.scope, x.Back)
		d.changed(nil)
	}
}

// restamping is a restamp and its scope.
type restamping struct {
	scope string
	crdt.Restamp
}

// aheadOf finds the changes of a device that were stamped ahead of the time.
func (f *fleet) aheadOf(d *device) (list []restamping, err error) {
	_, store, err := d.replica.NewSession(replica.SyncOptions{})
	if err != nil {
		return nil, err
	}
	err = eachChange(store, func(scope string, at clock.Dot, c *crdt.Change) {
		if at.Origin.Replica != d.id || c == nil {
			return
		}
		over := c.Stamp.Time().Sub(d.time()).Truncate(time.Millisecond)
		if over <= clock.MaxAhead {
			return
		}
		i := slices.IndexFunc(list, func(x restamping) bool { return x.scope == scope && x.Origin == at.Origin })
		if i < 0 {
			i = len(list)
			list = append(list, restamping{scope, crdt.Restamp{Origin: at.Origin, From: at.N}})
		}
		x := &list[i]
		// The stamp of the change that carries the restamp is ahead too.
		x.From, x.To, x.Back = min(x.From, at.N), max(x.To, at.N+1), max(x.Back, over)
	})
	slices.SortFunc(list, func(a, b restamping) int { return cmp.Or(cmp.Compare(a.scope, b.scope), a.Origin.Compare(b.Origin)) })
	return list, err
}

// unordered is what a field holds, in an order that no stamp decides.
func unordered(x *merge.FieldView) []string {
	var all []string
	if list, ok := x.Value.([]any); ok {
		for _, v := range list {
			all = append(all, fmt.Sprint(v))
		}
		return sorted(all)
	}
	for _, c := range x.Candidates {
		all = append(all, fmt.Sprint(c.Value))
	}
	return sorted(all)
}
