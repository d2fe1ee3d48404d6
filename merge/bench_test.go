package merge_test

import (
	"fmt"
	"testing"

	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/merge"
)

// contested is a record whose field dose has n siblings, by two roles.
func contested(tb testing.TB, n int) *crdt.Record {
	d := newDevice(0xff)
	for i := range n {
		d.receive(tb, newDevice(byte(1+i)).set(tb, []crdt.Author{nurse, doctor}[i%2], at(i), i))
	}
	return &d.rec
}

var benchRules = []struct {
	name string
	rule *merge.CollectionRules
}{{"latest", latest}, {"authority", doctorFirst}}

// One field, seen whole. With one candidate no rule is asked, so a rule costs
// nothing until there is a conflict.
func BenchmarkView(b *testing.B) {
	for _, n := range []int{1, 2, 8} {
		rec := contested(b, n)
		for _, r := range benchRules {
			b.Run(fmt.Sprintf("candidates=%d/%s", n, r.name), func(b *testing.B) {
				if v := merge.View(rec, r.rule); len(v.Fields) != 1 || len(v.Fields[0].Candidates) != n {
					b.Fatalf("got %s", render(v))
				}
				b.ReportAllocs()
				for b.Loop() {
					merge.View(rec, r.rule)
				}
			})
		}
	}
}

func BenchmarkResolve(b *testing.B) {
	for _, n := range []int{2, 8, 64} {
		set := candidateSet(make([]uint16, n))
		for i := range set {
			set[i].Role, set[i].Stamp = roles[i%4], at(i)
		}
		for _, r := range benchRules {
			rules := r.rule.Field("dose")
			b.Run(fmt.Sprintf("candidates=%d/%s", n, r.name), func(b *testing.B) {
				if got := rules.Resolve(set, nil); got.Winner < 0 {
					b.Fatalf("got %+v", got)
				}
				b.ReportAllocs()
				for b.Loop() {
					rules.Resolve(set, nil)
				}
			})
		}
	}
}

func BenchmarkCheckWrite(b *testing.B) {
	medication, err := ward().Collection("medication")
	if err != nil {
		b.Fatal(err)
	}
	d := newDevice(1)
	c, err := crdt.DecodeChange(d.set(b, nurse, at(0), 5))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := medication.CheckWrite(&c.Parts[0], "nurse"); err != nil {
			b.Fatal(err)
		}
	}
}
