package merge

import (
	"math/bits"
	"slices"
	"strconv"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt"
)

// alteration is how much of some content was altered.
type alteration struct{ altered, length uint64 }

// reaches reports whether it is at least a share, in parts per million; zero is
// none. It is exact: nothing is rounded.
func (a alteration) reaches(share uint32) bool {
	if share == 0 || a.altered == 0 {
		return false
	}
	h, l := bits.Mul64(a.altered, millionth)
	h2, l2 := bits.Mul64(max(a.length, 1), uint64(share))
	return h > h2 || h == h2 && l >= l2
}

// share is the part that was altered, in parts per million, rounded down.
func (a alteration) share() uint64 {
	h, l := bits.Mul64(a.altered, millionth)
	n := max(a.length, 1)
	if h >= n {
		return 1<<64 - 1
	}
	q, _ := bits.Div64(h, l, n)
	return q
}

// review asks for a look at changes to a field that alter much of it: each, with
// all that it saw, is measured against the common ancestor of all that are
// concurrent, so no order of arrival can matter. Whoever edits the field having
// seen them all ends the question.
func (d *detection) review(name string, f crdt.Field, shown *FieldView, rules *FieldRules) {
	from := rules.rule.Review
	if from == 0 || len(d.rec.Heads()) < 2 {
		return
	}
	left := d.lens.without(topOf(name))
	var changes []clock.Dot
	for _, c := range f.Contributions() {
		if x := c.ID.Dot; c.Live && (left == nil || !left(x)) && !d.rec.Floor().Covers(x) {
			changes = append(changes, x)
		}
	}
	tips := d.tips(changes)
	if len(tips) < 2 {
		return
	}
	at := ancestor(tips)
	base, _ := d.content(f, rules, &at)
	for i := range tips {
		if a := d.altered(f, rules, base, &at, &tips[i].past); a.reaches(from) {
			d.reviews = append(d.reviews, ReviewRequest{name, tips[i].change, a.share()})
		}
	}
}

// altered measures what was altered between two versions of a field.
func (d *detection) altered(f crdt.Field, rules *FieldRules, base any, before, after *clock.VersionVector) alteration {
	if a, ok := f.Altered(before, after); ok {
		return alteration{uint64(a.Deleted + a.Inserted), uint64(a.Length)}
	}
	value, _ := d.content(f, rules, after)
	return alterationOf(base, value)
}

// content is what a field showed at a version.
func (d *detection) content(f crdt.Field, rules *FieldRules, at *clock.VersionVector) (any, bool) {
	switch f.Type() {
	case crdt.TypeText, crdt.TypeList:
		return nil, false // measured where it lies
	}
	shown := (&lens{viewing: d.viewing, shown: map[string]*FieldView{}, hidden: d.hidden, fields: d.fields}).one(f.At(at), rules)
	return shown.Value, true
}

// alterationOf measures how far a value is from another: by the characters of
// strings, by the elements of lists and maps, at any depth; any other value is one
// element.
func alterationOf(base, value any) alteration {
	a, aText := base.(string)
	b, bText := value.(string)
	if bText && (aText || base == nil) {
		return alterationOfText([]rune(a), []rune(b))
	}
	before, after := leaves(base), leaves(value)
	out := alteration{length: uint64(len(before))}
	for at, v := range before {
		w, there := after[at]
		if !there || w != v {
			out.altered++
		}
	}
	for at := range after {
		if _, there := before[at]; !there {
			out.altered++
		}
	}
	return out
}

// alterationOfText counts the characters between what two strings begin and end
// with alike.
func alterationOfText(a, b []rune) alteration {
	out := alteration{length: uint64(len(a))}
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	out.altered = uint64(len(a) + len(b))
	return out
}

// leaves are the elements of a structured value, each under its place: in a map
// its keys; an element of a list counts by its value and how often it was there
// before, so that one which moved up is not altered.
func leaves(v any) map[string]string {
	out := map[string]string{}
	type place struct {
		at string
		v  any
	}
	for todo := []place{{"", v}}; len(todo) > 0; {
		p := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		switch v := p.v.(type) {
		case nil:
		case map[string]any:
			for _, k := range sortedNames(v) {
				todo = append(todo, place{p.at + "/" + strconv.Quote(k), v[k]})
			}
		case []any:
			times := map[string]int{}
			for _, x := range v {
				b, _ := codec.AppendValue(nil, x)
				times[string(b)]++
				out[p.at+"["+string(b)+strconv.Itoa(times[string(b)])] = string(b)
			}
		default:
			b, _ := codec.AppendValue(nil, v)
			out[p.at] = string(b)
		}
	}
	return out
}

func sortReviews(rs []ReviewRequest) {
	slices.SortFunc(rs, func(a, b ReviewRequest) int {
		if a.Field != b.Field {
			if a.Field < b.Field {
				return -1
			}
			return 1
		}
		return a.Change.Compare(b.Change)
	})
}
