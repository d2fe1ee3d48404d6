package proptest

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

func brokenJoins() []planted {
	return []planted{
		broken("a counter whose join adds", "idempotent", tallies(), func(t *Type[tally, tally]) {
			t.Join = func(t *tally, o tally) error { return addAll(*t, o) }
		}),
		broken("last arrival wins", "commutative", cells(), func(t *Type[cell, cell]) {
			t.Join = func(x *cell, o cell) error { *x = o; return nil }
		}),
		broken("a tie between stamps that nobody breaks", "commutative", cells(), func(t *Type[cell, cell]) {
			t.Join = func(x *cell, o cell) error {
				if o.Stamp > x.Stamp {
					*x = o
				}
				return nil
			}
		}),
		broken("a join that averages", "associative", cells(), func(t *Type[cell, cell]) {
			t.Operations[0].Do = func(x *cell, c *Call) (cell, error) { x.Value = 8 * c.Int(9); return *x, nil }
			t.Join = func(x *cell, o cell) error { x.Value = (x.Value + o.Value) / 2; return nil }
		}),
		broken("an operation that lowers, under a join that takes the greater", "monotone", cells(), func(t *Type[cell, cell]) {
			t.Operations[0].Do = func(x *cell, c *Call) (cell, error) { x.Value = c.Int(9); return *x, nil }
			t.Join = func(x *cell, o cell) error { x.Value = max(x.Value, o.Value); return nil }
		}),
		broken("a join that shares memory", "apart", tallies(), func(t *Type[tally, tally]) {
			t.Join = func(t *tally, o tally) error {
				if len(*t) == 0 {
					*t = o
					return nil
				}
				t.join(o)
				return nil
			}
		}),
		broken("a join that alters its argument", "apart", tallies(), func(t *Type[tally, tally]) {
			t.Join = func(t *tally, o tally) error { t.join(o); o.join(*t); return nil }
		}),
		broken("a delta that is the state itself", "apart", tallies(), func(t *Type[tally, tally]) {
			t.Operations[0].Do = func(t *tally, c *Call) (tally, error) {
				(*t)[c.Name]++
				return *t, nil
			}
		}),
		broken("an operation that is refused half done", "refused", tagSets(), func(t *Type[tags, tags]) {
			t.Operations[1].Do = func(t *tags, c *Call) (tags, error) {
				d, err := t.remove(c)
				if err != nil {
					t.Removed["tried"] = true
				}
				return d, err
			}
		}),
	}
}

func brokenDeltas() []planted {
	return []planted{
		broken("a delta that forgets what it removes", "delta", tagSets(), func(t *Type[tags, tags]) {
			t.Operations[1].Do = func(t *tags, c *Call) (tags, error) {
				d, err := t.remove(c)
				d.Removed = nil
				return d, err
			}
		}),
		broken("deltas that are increments", "delivered twice", tallies(), func(t *Type[tally, tally]) {
			t.Operations[0].Do = func(t *tally, c *Call) (tally, error) {
				(*t)[c.Name]++
				return tally{c.Name: 1}, nil
			}
			t.JoinDelta = func(t *tally, d tally) error { return addAll(*t, d) }
		}),
		broken("removal without dots", "any order", removalsWithoutDots(), func(*Type[map[string]bool, tag]) {}),
		broken("a join of states that forgets removals", "deltas are states", tagSets(), func(t *Type[tags, tags]) {
			t.Join = func(t *tags, o tags) error { maps.Copy(t.Adds, o.Adds); return nil }
		}),
		broken("a join that trusts a vector with holes", "gaps", logs(), func(*Type[log, entry]) {}),
		broken("deltas that are taken in order and else dropped", "any order", logs(), func(t *Type[log, entry]) {
			t.JoinDelta = takeInOrder
		}),
	}
}

// tag is a delta that names an element and not its additions.
type tag struct {
	Value string
	There bool
}

func removalsWithoutDots() Type[map[string]bool, tag] {
	edit := func(there bool) func(s *map[string]bool, c *Call) (tag, error) {
		return func(s *map[string]bool, c *Call) (tag, error) {
			d := tag{Pick(c, "x", "y"), there}
			(*s)[d.Value] = there
			return d, nil
		}
	}
	return Type[map[string]bool, tag]{
		New:        func(*Replica) map[string]bool { return map[string]bool{} },
		Operations: []Operation[map[string]bool, tag]{{Name: "add", Do: edit(true)}, {Name: "remove", Do: edit(false)}},
		JoinDelta:  func(s *map[string]bool, d tag) error { (*s)[d.Value] = d.There; return nil },
		View:       func(s map[string]bool) any { return s },
	}
}

// log is entries of several writers, and the last of each that is here. Joining
// states takes what lies beyond the last, and so misses what a hole left out.
type log struct {
	Entries map[string]bool
	Last    map[string]int
}

type entry struct {
	Who string
	N   int
}

func (l log) take(e entry) {
	l.Entries[fmt.Sprint(e)] = true
	l.Last[e.Who] = max(l.Last[e.Who], e.N)
}

// takeInOrder drops what comes before what it follows.
func takeInOrder(l *log, e entry) error {
	if e.N == l.Last[e.Who]+1 {
		l.take(e)
	}
	return nil
}

func logs() Type[log, entry] {
	return Type[log, entry]{
		New: func(*Replica) log { return log{map[string]bool{}, map[string]int{}} },
		Operations: []Operation[log, entry]{{Name: "append", Do: func(l *log, c *Call) (entry, error) {
			e := entry{c.Name, l.Last[c.Name] + 1}
			l.take(e)
			return e, nil
		}}},
		JoinDelta: func(l *log, e entry) error { l.take(e); return nil },
		Join: func(l *log, o log) error {
			for who, last := range o.Last {
				for n := l.Last[who] + 1; n <= last; n++ {
					if o.Entries[fmt.Sprint(entry{who, n})] {
						l.take(entry{who, n})
					}
				}
			}
			return nil
		},
		View: func(l log) any { return l.Entries },
	}
}

func brokenBytes() []planted {
	return []planted{
		broken("an encoding in the order of a map", "canonical", tallies(), func(t *Type[tally, tally]) {
			t.Encode = func(t tally) (b []byte) {
				for name, n := range t {
					b = fmt.Appendf(b, "%s=%d;", name, n)
				}
				return b
			}
			t.Decode = nil
		}),
		broken("an encoding in the order of arrival", "canonical", arrivals(), func(*Type[[]string, string]) {}),
		broken("a decoder that leaves something out", "decoded", tagSets(), func(t *Type[tags, tags]) {
			decode := t.Decode
			t.Decode = func(r *Replica, b []byte) (tags, error) {
				x, err := decode(r, b)
				x.Removed = map[string]bool{}
				return x, err
			}
		}),
		broken("a replica that forgets how much it made", "restart", tagSets(), func(t *Type[tags, tags]) {
			decode := t.Decode
			t.Decode = func(r *Replica, b []byte) (tags, error) {
				x, err := decode(r, b)
				x.made = 0
				return x, err
			}
		}),
		broken("a decoder that takes what is there", "damage", tallies(), func(t *Type[tally, tally]) {
			t.Decode = func(_ *Replica, b []byte) (tally, error) {
				out := tally{}
				_ = json.Unmarshal(b, &out)
				return out, nil
			}
		}),
		broken("a decoder that panics", "damage", cells(), func(t *Type[cell, cell]) {
			t.Decode = func(_ *Replica, b []byte) (cell, error) {
				if b[len(b)-1] != '}' {
					return cell{}, errors.New("cut off")
				}
				return decodeJSON[cell](b)
			}
		}),
		broken("deltas whose damage is taken for nothing", "delta bytes", tagSets(), func(t *Type[tags, tags]) {
			t.DecodeDelta = func(b []byte) (tags, error) {
				d, err := decodeJSON[tags](b)
				if err != nil {
					return newTags(""), nil
				}
				return d, nil
			}
		}),
	}
}

// arrivals is a set that keeps its elements as they came, and compares them
// sorted.
func arrivals() Type[[]string, string] {
	take := func(s *[]string, v string) error {
		if !slices.Contains(*s, v) {
			*s = append(slices.Clone(*s), v)
		}
		return nil
	}
	sorted := func(s []string) []string { return slices.Sorted(slices.Values(s)) }
	return Type[[]string, string]{
		New: func(*Replica) []string { return nil },
		Operations: []Operation[[]string, string]{{Name: "add", Do: func(s *[]string, c *Call) (string, error) {
			v := Pick(c, "x", "y", "z")
			return v, take(s, v)
		}}},
		JoinDelta: take,
		Equal:     func(a, b []string) bool { return slices.Equal(sorted(a), sorted(b)) },
		View:      func(s []string) any { return sorted(s) },
		Encode:    encodeJSON[[]string],
	}
}

func brokenViews() []planted {
	return []planted{
		broken("last arrival wins, by deltas", "convergence", cells(), func(t *Type[cell, cell]) {
			t.JoinDelta = func(x *cell, d cell) error { *x = d; return nil }
		}),
		broken("a view in the order of arrival", "equal views", arrivals(), func(t *Type[[]string, string]) {
			t.View = func(s []string) any { return s }
		}),
		broken("a view in the order of a map", "equal views", tallies(), func(t *Type[tally, tally]) {
			t.View = func(t tally) any { return slices.Collect(maps.Keys(t)) }
		}),
		broken("a compaction that drops what was removed", "compaction", tagSets(), func(t *Type[tags, tags]) {
			t.Compact = func(t *tags) {
				for name := range t.Removed {
					delete(t.Adds, name)
					delete(t.Removed, name)
				}
			}
		}),
		broken("a set that calls itself add-wins and removes by name", "specification", tagSets(), func(t *Type[tags, tags]) {
			t.View = func(t tags) any {
				gone := map[string]bool{}
				for name := range t.Removed {
					gone[t.Adds[name]] = true
				}
				return slices.DeleteFunc(t.elements(), func(v string) bool { return gone[v] })
			}
		}),
	}
}
