package proptest

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/concord-crdt/concord/clock"
)

// Three sound types, of which the broken ones are made by one change each.

// tally is a counter that grows: a total for each replica.
type tally map[string]int

func (t tally) sum() (n int) {
	for _, x := range t {
		n += x
	}
	return n
}

func (t tally) join(o tally) {
	for name, n := range o {
		t[name] = max(t[name], n)
	}
}

func tallies() Type[tally, tally] {
	return Type[tally, tally]{
		Name: "tally",
		New:  func(*Replica) tally { return tally{} },
		Operations: []Operation[tally, tally]{{Name: "add", Do: func(t *tally, c *Call) (tally, error) {
			(*t)[c.Name] += 1 + c.Int(3)
			return tally{c.Name: (*t)[c.Name]}, nil
		}}},
		Join:        func(t *tally, o tally) error { t.join(o); return nil },
		JoinDelta:   func(t *tally, d tally) error { t.join(d); return nil },
		Equal:       func(a, b tally) bool { return maps.Equal(a, b) },
		View:        func(t tally) any { return t.sum() },
		Encode:      encodeJSON[tally],
		Decode:      func(_ *Replica, b []byte) (tally, error) { return decodeJSON[tally](b) },
		EncodeDelta: encodeJSON[tally],
		DecodeDelta: decodeJSON[tally],
		Specification: func(seen []Event) any {
			sum := 0
			for _, e := range seen {
				sum += 1 + e.Args[0].(int)
			}
			return sum
		},
	}
}

// encodeJSON sorts the keys of maps, so it is canonical for these types.
func encodeJSON[T any](v T) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

func decodeJSON[T any](b []byte) (v T, err error) {
	err = json.Unmarshal(b, &v)
	return v, err
}

// tags is an add-wins set that keeps what was removed. An addition has a name of
// its own, and a removal names the additions that were seen.
type tags struct {
	Adds    map[string]string // name to element
	Removed map[string]bool   // names
	who     string
	made    int // by this replica
}

func newTags(who string) tags {
	return tags{Adds: map[string]string{}, Removed: map[string]bool{}, who: who}
}

func (t *tags) join(o tags) {
	maps.Copy(t.Adds, o.Adds)
	maps.Copy(t.Removed, o.Removed)
}

func (t tags) elements() []string {
	there := map[string]bool{}
	for name, v := range t.Adds {
		if !t.Removed[name] {
			there[v] = true
		}
	}
	return slices.Sorted(maps.Keys(there))
}

var errAbsent = errors.New("not there")

func (t *tags) add(c *Call) (tags, error) {
	t.made++
	d := newTags("")
	d.Adds[fmt.Sprintf("%s%d", t.who, t.made)] = Pick(c, "x", "y", "z")
	t.join(d)
	return d, nil
}

func (t *tags) remove(c *Call) (tags, error) {
	v := Pick(c, "x", "y", "z")
	if !slices.Contains(t.elements(), v) {
		return tags{}, errAbsent
	}
	d := newTags("")
	for name, x := range t.Adds {
		if x == v && !t.Removed[name] {
			d.Adds[name], d.Removed[name] = x, true
		}
	}
	t.join(d)
	return d, nil
}

func tagSets() Type[tags, tags] {
	return Type[tags, tags]{
		Name: "tags",
		New:  func(r *Replica) tags { return newTags(r.Name) },
		Operations: []Operation[tags, tags]{
			{Name: "add", Weight: 2, Do: (*tags).add},
			{Name: "remove", Do: (*tags).remove},
		},
		Join:      func(t *tags, o tags) error { t.join(o); return nil },
		JoinDelta: func(t *tags, d tags) error { t.join(d); return nil },
		Equal:     func(a, b tags) bool { return maps.Equal(a.Adds, b.Adds) && maps.Equal(a.Removed, b.Removed) },
		View:      func(t tags) any { return t.elements() },
		Decode: func(r *Replica, b []byte) (tags, error) {
			t, err := decodeJSON[tags](b)
			t.who = r.Name
			for name := range t.Adds {
				if strings.HasPrefix(name, r.Name) {
					t.made++
				}
			}
			return t, err
		},
		Encode:      encodeJSON[tags],
		EncodeDelta: encodeJSON[tags],
		DecodeDelta: decodeJSON[tags],
		Compact: func(t *tags) { // what was removed need not say what it was
			for name := range t.Removed {
				t.Adds[name] = ""
			}
		},
		Specification: func(seen []Event) any {
			there := map[string]bool{}
			for _, add := range seen {
				gone := slices.ContainsFunc(seen, func(e Event) bool {
					return e.Op == "remove" && e.Args[0] == add.Args[0] && e.Saw(add)
				})
				if add.Op == "add" && !gone {
					there[add.Args[0].(string)] = true
				}
			}
			return slices.Sorted(maps.Keys(there))
		},
	}
}

// cell is a register in which the last writer wins, and of two at one moment the
// one with the greater name.
type cell struct {
	Value int
	Stamp clock.Stamp
	Who   string
}

func (x cell) compare(o cell) int {
	return cmp.Or(cmp.Compare(x.Stamp, o.Stamp), cmp.Compare(x.Who, o.Who))
}

func (x *cell) join(o cell) {
	if o.compare(*x) > 0 {
		*x = o
	}
}

func cells() Type[cell, cell] {
	return Type[cell, cell]{
		Name: "cell",
		New:  func(*Replica) cell { return cell{} },
		Operations: []Operation[cell, cell]{{Name: "set", Do: func(x *cell, c *Call) (cell, error) {
			c.HLC().Observe(x.Stamp)
			s, err := c.HLC().Now()
			*x = cell{c.Int(9), s, c.Name}
			return *x, err
		}}},
		Join:      func(x *cell, o cell) error { x.join(o); return nil },
		JoinDelta: func(x *cell, d cell) error { x.join(d); return nil },
		Equal:     func(a, b cell) bool { return a == b },
		View:      func(x cell) any { return x.Value },
		Encode:    encodeJSON[cell],
		Decode:    func(_ *Replica, b []byte) (cell, error) { return decodeJSON[cell](b) },
	}
}
