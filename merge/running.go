package merge

import (
	"math/big"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
)

// running is a counter while changes are added to it one by one: its value needs
// no look at the record then. Without it a record of n unsettled additions would be
// summed n times.
type running struct {
	value *big.Int
	adds  map[clock.Dot]int64
	there int // changes that are in, and one for what is settled
}

// run begins to count the constrained counters that are nothing but additions,
// with all of them left out.
func (l *lens) run() {
	l.counters = map[string]*running{}
	for name := range l.holds.writes {
		if l.rules.Field(name).rule.Type != crdt.TypeCounter {
			continue
		}
		r := &running{adds: map[clock.Dot]int64{}}
		plain := true
		for _, c := range l.written(name) {
			by, ok := c.Value.(int64)
			plain = plain && ok && len(c.SupersededBy) == 0
			r.adds[c.ID.Dot] += by
		}
		if !plain {
			continue
		}
		f := l.lookUp(name)[0].Without(l.without(name))
		if r.value = f.Count(); f.HasContent() {
			r.there = 1
		}
		l.counters[name] = r
	}
}

// count adds a change to the counters that it wrote, or takes it out again.
func (l *lens) count(m *move, in bool) {
	for _, name := range m.fields {
		r := l.counters[name]
		if r == nil {
			continue
		}
		if by := big.NewInt(r.adds[m.dot]); in {
			r.there++
			r.value.Add(r.value, by)
		} else {
			r.there--
			r.value.Sub(r.value, by)
		}
	}
}

// view is the counter as it is now.
func (r *running) view(name string) *FieldView {
	v := &FieldView{Name: name, Type: crdt.TypeCounter, Declared: true, Absent: r.there == 0, Resolution: Resolution{Winner: -1, Step: -1}}
	if !v.Absent {
		v.Value = exact(new(big.Int).Set(r.value))
	}
	return v
}
