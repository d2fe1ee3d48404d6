package merge_test

import (
	"errors"
	"testing"
	"time"

	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/merge"
)

// ward is the policy of most tests.
func ward() *merge.Policy {
	return &merge.Policy{
		Name:    "ward",
		Version: 1,
		Roles:   []string{"chief", "doctor", "nurse"},
		Collections: map[string]merge.Collection{
			"medication": {
				Priority:  merge.Critical,
				Partition: "ward",
				Delete:    crdt.UpdateWins,
				Fields: map[string]merge.FieldRule{
					"dose":      {Type: crdt.TypeRegister, Of: merge.Integer, Write: []string{"doctor", "nurse"}, Resolve: []merge.Step{merge.Authority("doctor", "nurse"), merge.Latest}},
					"given":     {Type: crdt.TypeCounter, Write: []string{"nurse"}},
					"allergies": {Type: crdt.TypeSet, Of: merge.String},
					"plan":      {Type: crdt.TypeMap, Of: merge.Timestamp, Resolve: []merge.Step{merge.Earliest}},
					"remarks":   {Type: crdt.TypeText},
				},
			},
			"patient": {Priority: merge.High},
		},
	}
}

func TestDigest(t *testing.T) {
	base := ward().Digest()
	field := func(edit func(f *merge.FieldRule)) func(p *merge.Policy) {
		return func(p *merge.Policy) {
			f := p.Collections["medication"].Fields["dose"]
			edit(&f)
			p.Collections["medication"].Fields["dose"] = f
		}
	}
	collection := func(edit func(c *merge.Collection)) func(p *merge.Policy) {
		return func(p *merge.Policy) {
			c := p.Collections["medication"]
			edit(&c)
			p.Collections["medication"] = c
		}
	}
	same := map[string]func(p *merge.Policy){
		"made again":                  func(*merge.Policy) {},
		"the first role may activate": func(p *merge.Policy) { p.Activate = []string{"chief"} },
		"a level written out":         field(func(f *merge.FieldRule) { f.Consistency = merge.Causal }),
		"default written out": func(p *merge.Policy) {
			p.Collections["patient"] = merge.Collection{Priority: merge.High, Fields: map[string]merge.FieldRule{}}
		},
		"rights in another order":    field(func(f *merge.FieldRule) { f.Write = []string{"nurse", "doctor", "nurse"} }),
		"a step that is never asked": field(func(f *merge.FieldRule) { f.Resolve = append(f.Resolve, merge.Earliest) }),
	}
	for name, edit := range same {
		p := ward()
		if edit(p); p.Digest() != base {
			t.Errorf("%s: the digest changed", name)
		}
	}
	other := map[string]func(p *merge.Policy){
		"order of roles":     func(p *merge.Policy) { p.Roles = []string{"doctor", "chief", "nurse"} },
		"another collection": func(p *merge.Policy) { p.Collections["stock"] = merge.Collection{} },
		"a collection renamed": func(p *merge.Policy) {
			p.Collections["patients"] = p.Collections["patient"]
			delete(p.Collections, "patient")
		},
		"priority":  collection(func(c *merge.Collection) { c.Priority = merge.Bulk }),
		"partition": collection(func(c *merge.Collection) { c.Partition = "" }),
		"deletion":  collection(func(c *merge.Collection) { c.Delete = crdt.DeleteWins }),
		"another field": func(p *merge.Policy) {
			p.Collections["medication"].Fields["unit"] = merge.FieldRule{Type: crdt.TypeRegister}
		},
		"type":               field(func(f *merge.FieldRule) { f.Type = crdt.TypeMap }),
		"kind":               field(func(f *merge.FieldRule) { f.Of = merge.Float }),
		"rights":             field(func(f *merge.FieldRule) { f.Write = []string{"doctor"} }),
		"no rights":          field(func(f *merge.FieldRule) { f.Write = nil }),
		"order of authority": field(func(f *merge.FieldRule) { f.Resolve = []merge.Step{merge.Authority("nurse", "doctor"), merge.Latest} }),
		"last step":          field(func(f *merge.FieldRule) { f.Resolve = []merge.Step{merge.Authority("doctor", "nurse"), merge.Earliest} }),
		"no last step":       field(func(f *merge.FieldRule) { f.Resolve = []merge.Step{merge.Authority("doctor", "nurse")} }),
		"default":            field(func(f *merge.FieldRule) { f.Resolve = nil }),
		"another name":       func(p *merge.Policy) { p.Name = "hospital" },
		"another version":    func(p *merge.Policy) { p.Version = 2 },
		"activation":         func(p *merge.Policy) { p.Activate = []string{"doctor"} },
		"a window": func(p *merge.Policy) {
			p.Windows = map[string][]merge.Interval{"night": {{From: noon.Time(), To: noon.Time().Add(time.Hour)}}}
		},
		"offline":     collection(func(c *merge.Collection) { c.Offline = merge.OfflineRead }),
		"parent":      collection(func(c *merge.Collection) { c.Parent.Collection = "patient" }),
		"reference":   collection(func(c *merge.Collection) { c.Refs = map[string]merge.Reference{"dose": {Collection: "patient"}} }),
		"staleness":   collection(func(c *merge.Collection) { c.Staleness = time.Minute }),
		"constraint":  collection(func(c *merge.Collection) { c.Constraints = []merge.Constraint{{Name: "n", Must: "true"}} }),
		"detection":   collection(func(c *merge.Collection) { c.Detect.Near = time.Minute }),
		"consistency": field(func(f *merge.FieldRule) { f.Consistency = merge.Eventual }),
		"sticky":      field(func(f *merge.FieldRule) { f.Sticky = true }),
		"quantity":    field(func(f *merge.FieldRule) { f.Quantity = merge.NotQuantity }),
		"threshold":   field(func(f *merge.FieldRule) { f.Review = 50_000 }),
		"intent":      field(func(f *merge.FieldRule) { f.Intent.Key = []string{"package"} }),
		"function":    field(func(f *merge.FieldRule) { f.Resolve = []merge.Step{merge.Go("length", 1), merge.Latest} }),
		"its version": field(func(f *merge.FieldRule) { f.Resolve = []merge.Step{merge.Go("length", 2), merge.Latest} }),
	}
	seen := map[crdt.Hash]string{base: "the policy itself"}
	for name, edit := range other {
		p := ward()
		edit(p)
		if as, ok := seen[p.Digest()]; ok {
			t.Errorf("%s: same digest as %s", name, as)
		}
		seen[p.Digest()] = name
	}
	var none *merge.Policy
	if none.Digest() != (&merge.Policy{}).Digest() {
		t.Error("nil and zero have two digests")
	}
}

func TestScope(t *testing.T) {
	tests := []struct {
		name            string
		policy          *merge.Policy
		collection, key string
		scope           string
		priority        merge.Priority
	}{
		{"without a policy", nil, "medication", "ward-3/17", "medication", merge.Normal},
		{"zero policy", &merge.Policy{}, "medication", "ward-3/17", "medication", merge.Normal},
		{"partitioned", ward(), "medication", "ward-3/17", "medication/ward-3", merge.Critical},
		{"partitioned, long key", ward(), "medication", "ward-3/17/b", "medication/ward-3", merge.Critical},
		{"partitioned, no rest", ward(), "medication", "17", "medication/17", merge.Critical},
		{"whole", ward(), "patient", "ward-3/17", "patient", merge.High},
		{"unknown collection", ward(), "stock", "a/b", "stock", merge.Normal},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			scope := tt.policy.Scope(tt.collection, tt.key)
			if scope != tt.scope {
				t.Errorf("got scope %q, want %q", scope, tt.scope)
			}
			if got := tt.policy.Priority(scope); got != tt.priority {
				t.Errorf("got priority %v, want %v", got, tt.priority)
			}
			if got := merge.CollectionOf(scope); got != tt.collection {
				t.Errorf("got collection %q, want %q", got, tt.collection)
			}
		})
	}
}

func TestCheckKey(t *testing.T) {
	tests := []struct {
		name            string
		policy          *merge.Policy
		collection, key string
		want            error
	}{
		{"without a policy", nil, "anything", "17", nil},
		{"without a policy, a slash", nil, "any/thing", "17", merge.ErrKey},
		{"no name", nil, "", "17", merge.ErrKey},
		{"no key", nil, "anything", "", merge.ErrKey},
		{"not text", nil, "anything", "\xff", merge.ErrKey},
		{"known", ward(), "patient", "17", nil},
		{"unknown", ward(), "stock", "17", merge.ErrUnknownCollection},
		{"partitioned", ward(), "medication", "ward-3/17", nil},
		{"partitioned, no rest", ward(), "medication", "17", merge.ErrKey},
		{"partitioned, empty rest", ward(), "medication", "17/", merge.ErrKey},
		{"partitioned, empty part", ward(), "medication", "/17", merge.ErrKey},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.policy.CheckKey(tt.collection, tt.key); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func TestNames(t *testing.T) {
	for p := merge.Bulk; p <= merge.Critical; p++ {
		if got, err := merge.ParsePriority(p.String()); got != p || err != nil {
			t.Errorf("%v: got %v, %v", p, got, err)
		}
	}
	if _, err := merge.ParsePriority("urgent"); err == nil {
		t.Error("urgent is no priority")
	}
	for k := merge.Any; k <= merge.Timestamp; k++ {
		if got, err := merge.ParseKind(k.String()); got != k || err != nil {
			t.Errorf("%v: got %v, %v", k, got, err)
		}
	}
	if _, err := merge.ParseKind("number"); err == nil {
		t.Error("number is no kind")
	}
	for want, s := range map[string]interface{ String() string }{
		"latest": merge.Latest, "earliest": merge.Earliest, "authority: doctor, nurse": merge.Authority("doctor", "nurse"),
		"sole": merge.BySole, "step": merge.ByStep, "entry": merge.ByEntry,
	} {
		if got := s.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
