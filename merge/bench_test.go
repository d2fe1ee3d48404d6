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

// Eight candidates under rules with expressions.
func BenchmarkResolveExpressions(b *testing.B) {
	set := candidateSet(make([]uint16, 8))
	for i := range set {
		set[i].Role, set[i].Stamp, set[i].Value = roles[i%4], at(i), fmt.Sprint("E11.", i)
		set[i].Evidence = map[string]map[string]any{"driver": {"certified": true, "rating": int64(i % 3)}}
	}
	for _, bb := range []struct{ name, rule string }{
		{"rank", "{type: register, of: string, resolve: [{rank: '[size(candidate.value)]'}, latest]}"},
		{"require", "{type: register, of: string, resolve: [{require: 'evidence.driver.certified && evidence.driver.rating >= record.hours'}, latest]}"},
		{"require+rank", "{type: register, of: string, resolve: [{require: evidence.driver.certified}, {rank: '[evidence.driver.rating, candidate.actor]'}, latest]}"},
		{"loop", "{type: register, of: string, resolve: [{rank: 'candidates.filter(c, c.role == candidate.role).size()'}, latest]}"},
		{"go", "{type: register, of: string, resolve: [{go: length@1}, latest]}"},
	} {
		b.Run(bb.name, func(b *testing.B) {
			rule := theRule(b, bb.rule, merge.Functions{"length@1": func(c *merge.Candidate, _ *merge.Facts) merge.Key {
				return merge.KeyOf(merge.Int(int64(len(c.Value.(string)))))
			}})
			f := facts()
			f.Record = func(string) (any, bool) { return int64(1), true }
			if got := rule.Resolve(set, f); got.Winner < 0 {
				b.Fatalf("got %+v", got)
			}
			b.ReportAllocs()
			for b.Loop() {
				rule.Resolve(set, f)
			}
		})
	}
}

// What a policy costs when it is opened.
func BenchmarkPolicy(b *testing.B) {
	p := quietly(b, []byte(hospital))
	b.Run("parse", func(b *testing.B) {
		for b.Loop() {
			merge.ParsePolicy("", []byte(hospital))
		}
	})
	b.Run("compile", func(b *testing.B) {
		for b.Loop() {
			p.Compile(nil)
		}
	})
	b.Run("digest", func(b *testing.B) {
		for b.Loop() {
			p.Digest()
		}
	})
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

// A counter under a constraint, with changes that no mark has settled yet.
func BenchmarkViewConstrained(b *testing.B) {
	for _, n := range []int{10, 100, 1000} {
		b.Run(fmt.Sprintf("unsettled=%d", n), func(b *testing.B) {
			d := newDevice(0xff)
			for i := range 4 {
				from := keeping(byte(1 + i))
				for j := range n / 4 {
					d.receive(b, from.add(b, teller, j, 1))
				}
			}
			if v := merge.View(&d.rec, bank); len(v.Held) != 0 || len(v.Fields) != 1 {
				b.Fatalf("got %s", render(v))
			}
			b.ReportAllocs()
			for b.Loop() {
				merge.View(&d.rec, bank)
			}
		})
	}
}
