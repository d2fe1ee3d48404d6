package model

import (
	"fmt"
	"slices"
	"strings"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
)

// view is all that a replica shows: clocks, digests, heads, births and fields.
func (n *node) view() string {
	var b strings.Builder
	fmt.Fprintf(&b, "applied %v, %d wait\n", &n.applied, len(n.waiting))
	for _, key := range []string{"k", "l"} {
		r := n.record(key)
		fmt.Fprintf(&b, "%s: %x heads %v live %v\n", key, r.Digest(), r.Heads(), n.live(key))
		for f := range r.Fields(crdt.DeleteWins) {
			fmt.Fprintf(&b, "  %s: ", f.Name())
			for _, c := range f.Candidates() {
				fmt.Fprintf(&b, "%v at %v by %v; ", c.Value, c.Meta.Stamp, c.ID)
			}
			fmt.Fprintln(&b, f.Count(), f.Elements(), f.Text())
		}
	}
	return b.String()
}

// compare wants all replicas to be the same, and to be what the specification
// says.
func (f *fleet) compare() error {
	if f.refused != nil {
		return f.refused
	}
	first := f.nodes[0]
	for _, n := range f.nodes {
		if len(n.waiting) > 0 {
			return fmt.Errorf("%v waits at %s for ever", n.waiting[0].change.Dot, n.name)
		}
		if a, b := first.view(), n.view(); a != b {
			return fmt.Errorf("%s and %s differ:\n%s\nand\n%s", first.name, n.name, a, b)
		}
		if n.applied.Count() != uint64(len(n.order)) || n.applied.NumRanges() > 0 {
			return fmt.Errorf("%s stores %d changes and has applied %v", n.name, len(n.order), &n.applied)
		}
	}
	times := make([]int, len(f.acts))
	for _, r := range first.order {
		times[r.act.id]++
	}
	for _, a := range f.acts {
		if want := 1; times[a.id] != want && !(a.lost && times[a.id] == 0) {
			return fmt.Errorf("what was done as %v is there %d times", a.dot, times[a.id])
		}
	}
	for _, key := range []string{"k", "l"} {
		if err := specify(first, key).compare(first.record(key)); err != nil {
			return fmt.Errorf("record %q: %w", key, err)
		}
	}
	return nil
}

// specification says what a record must show, from what each actor did and
// saw.
type specification struct {
	acts []*act // not rejected
	dead map[clock.Dot]bool
}

func specify(n *node, key string) *specification {
	s := &specification{dead: map[clock.Dot]bool{}}
	restored := map[clock.Dot]bool{}
	for _, r := range n.order {
		if a := r.act; a.key == key && !a.void {
			s.acts = append(s.acts, a)
			for _, d := range a.restored {
				restored[d] = true
			}
		}
	}
	for _, a := range s.acts {
		for _, b := range a.births {
			if a.kind == deleteRecord && !restored[a.dot] {
				s.dead[b] = true
			}
		}
	}
	return s
}

// counts reports whether an act belongs to a birth that lives.
func (s *specification) counts(a *act) bool {
	if a.create {
		return !s.dead[a.dot]
	}
	return slices.ContainsFunc(a.births, func(b clock.Dot) bool { return !s.dead[b] })
}

// stands reports whether no actor who saw an act did something that takes its
// place.
func (s *specification) stands(a *act, replaces func(b *act) bool) bool {
	return !slices.ContainsFunc(s.acts, func(b *act) bool { return b != a && replaces(b) && b.seen.Contains(a.dot) })
}

func (s *specification) compare(r *crdt.Record) error {
	var siblings, elements []string
	var births []clock.Dot
	sum := 0
	shown, gone := map[rune]bool{}, map[rune]bool{}
	for _, a := range s.acts {
		if a.create && !s.dead[a.dot] {
			births = append(births, a.dot)
		}
		if !s.counts(a) {
			continue
		}
		for _, c := range a.deleted {
			gone[c] = true
		}
		switch a.kind {
		case setRegister:
			if s.stands(a, func(b *act) bool { return b.kind == setRegister }) {
				siblings = append(siblings, fmt.Sprint(a.id))
			}
		case addCounter:
			sum += a.value
		case addElement:
			same := func(b *act) bool { return (b.kind == addElement || b.kind == removeElement) && b.value == a.value }
			if s.stands(a, same) {
				elements = append(elements, fmt.Sprint(a.value))
			}
		case insertText:
			for _, c := range a.inserted {
				shown[c] = true
			}
		}
	}
	slices.SortFunc(births, clock.Dot.Compare)
	if live := r.Live(crdt.DeleteWins); !slices.Equal(live, births) {
		return fmt.Errorf("births %v are live, %v should be", live, births)
	}
	var got []string
	for _, c := range r.Field(register, crdt.TypeRegister, crdt.DeleteWins).Candidates() {
		got = append(got, fmt.Sprint(c.Value))
	}
	if slices.Sort(got); !slices.Equal(got, sorted(siblings)) {
		return fmt.Errorf("register shows %v, want %v", got, siblings)
	}
	if got := r.Field(counter, crdt.TypeCounter, crdt.DeleteWins).Count().Int64(); got != int64(sum) {
		return fmt.Errorf("counter shows %d, want %d", got, sum)
	}
	got = nil
	for _, v := range r.Field(set, crdt.TypeSet, crdt.DeleteWins).Elements() {
		got = append(got, fmt.Sprint(v))
	}
	if want := slices.Compact(sorted(elements)); !slices.Equal(got, want) {
		return fmt.Errorf("set shows %v, want %v", got, want)
	}
	return s.compareText(r, shown, gone)
}

func sorted(s []string) []string {
	slices.Sort(s)
	return s
}

// compareText wants every character that was inserted and not deleted, and
// each author's text in the order in which its author left it.
func (s *specification) compareText(r *crdt.Record, shown, gone map[rune]bool) error {
	place := map[rune]int{}
	for i, c := range []rune(r.Field(text, crdt.TypeText, crdt.DeleteWins).Text()) {
		if place[c] = i; !shown[c] || gone[c] {
			return fmt.Errorf("text shows %q, which is not there", c)
		}
	}
	for c := range shown {
		if _, ok := place[c]; !ok && !gone[c] {
			return fmt.Errorf("text does not show %q", c)
		}
	}
	for _, a := range s.acts {
		last := -1
		for _, c := range a.text {
			i, ok := place[c]
			if !ok {
				continue
			}
			if i < last {
				return fmt.Errorf("text has %q in another place than the author of %v", c, a.dot)
			}
			last = i
		}
	}
	return nil
}
