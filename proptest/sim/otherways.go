package sim

import (
	"bytes"
	"fmt"
	"reflect"
	"time"

	"github.com/concord-crdt/concord/replica"
	"github.com/concord-crdt/concord/replica/session"
)

// way is a way in which a newcomer can get what the others have.
type way struct {
	name string
	take func(f *fleet, d *device) error
}

// ways are those that must make no difference.
var ways = []way{
	{"one session", func(f *fleet, d *device) error { return f.fetch(d, session.Config{}, 0) }},
	{"the smallest chunks and no cache", func(f *fleet, d *device) error {
		return f.fetch(d, session.Config{StartChunkBytes: 1, LeastChunkBytes: 1, MostChunkBytes: 1}, 0)
	}},
	{"large chunks, compacting after each part", func(f *fleet, d *device) error {
		for _, scope := range [][]string{{"visits/w2"}, {"notes"}, nil} {
			if err := f.fetchScopes(d, session.Config{StartChunkBytes: 64 << 10}, scope); err != nil {
				return err
			}
			if err := d.replica.Compact(background); err != nil {
				return err
			}
		}
		return nil
	}},
	{"sessions that are cut, with restarts between them", func(f *fleet, d *device) error {
		for i := range 6 {
			if err := f.fetch(d, session.Config{StartChunkBytes: 256, MostChunkBytes: 512}, 6+4*i); err != nil {
				return err
			}
			d.close()
			if f.boot(d); d.replica == nil {
				return errUnfinished
			}
		}
		return f.fetch(d, session.Config{}, 0)
	}},
	{"a chain of two others", func(f *fleet, d *device) error {
		between := f.newcomer(4<<10, d.old)
		if err := f.fetch(between, session.Config{}, 0); err != nil {
			return err
		}
		return f.exchange(d, between, session.Config{}, nil, 0)
	}},
	{"bundles by scope, out of order, twice", func(f *fleet, d *device) error {
		from := f.devices[0]
		var files [][]byte
		for _, scope := range []string{"visits/w2", "notes", "visits/w1"} {
			var b bytes.Buffer
			if _, err := from.replica.Export(background, &b, replica.ExportOptions{Scopes: []string{scope}}); err != nil {
				return err
			}
			files = append(files, b.Bytes())
		}
		for range 2 {
			for _, b := range files {
				if _, err := d.replica.Import(background, bytes.NewReader(b)); err != nil {
					return err
				}
			}
		}
		return nil
	}},
}

// checkOtherWays has newcomers get the same changes in other ways, who must show
// the same.
func (f *fleet) checkOtherWays() {
	first := f.devices[0]
	want, err := f.shown(first.replica)
	if err != nil {
		f.fail("what is there can be read", []string{first.name}, "", "%v", err)
		return
	}
	chosen := f.chance(len(ways))
	for i, w := range ways {
		if f.o.EveryWay || i == chosen {
			f.tryWay(w, want, first)
		}
	}
}

func (f *fleet) tryWay(w way, want []sight, like *device) {
	cache := 0
	if w.name == ways[1].name {
		cache = 1
	}
	d := f.newcomer(cache, like.old)
	if f.failure == nil && d.replica != nil {
		err := w.take(f, d)
		if err != nil {
			f.fail("other ways show the same", []string{like.name}, "", "by %s: %v", w.name, err)
			return
		}
	}
	got, err := f.shown(d.replica)
	if err != nil || !reflect.DeepEqual(got, want) {
		f.fail("other ways show the same", []string{like.name}, "", "by %s: %v; it shows, and should show\n%s", w.name, err, difference(fmt.Sprint(got), fmt.Sprint(want)))
	}
}

// newcomer is a device that does not count among those of the fleet.
func (f *fleet) newcomer(cache int, old bool) *device {
	n := len(f.devices)
	d := f.newDevice()
	f.devices = f.devices[:n]
	d.old = old
	d.name, d.cache = fmt.Sprintf("a newcomer (cache %d)", cache), cache
	d.clock.set(f.now, afterAll)
	d.disk.plant = NoPlant
	f.boot(d)
	return d
}

func (f *fleet) fetch(d *device, c session.Config, messages int) error {
	return f.exchange(d, f.devices[0], c, nil, messages)
}

func (f *fleet) fetchScopes(d *device, c session.Config, scopes []string) error {
	return f.exchange(d, f.devices[0], c, scopes, 0)
}

// exchange holds a session with others' settings, to its end or until so many
// messages were delivered.
func (f *fleet) exchange(a, b *device, config session.Config, scopes []string, messages int) error {
	f.sessions++
	c := &conn{f: f, link: &link{a: a, b: b, latency: time.Millisecond}, number: f.sessions}
	for i, d := range []*device{a, b} {
		core, store, err := d.replica.NewSession(replica.SyncOptions{Session: config, Scopes: scopes})
		if err != nil {
			return err
		}
		c.ends[i] = f.newEnd(c, i, d, core, store)
	}
	c.ends[0].start()
	c.ends[1].start()
	until := f.messages + uint64(messages)
	for !c.over() && f.failure == nil && f.step() {
		if messages > 0 && f.messages >= until {
			c.cut("is cut")
		}
	}
	if messages == 0 && !(c.ends[0].finished() && c.ends[1].finished()) {
		return errUnfinished
	}
	return nil
}
