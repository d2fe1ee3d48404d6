package merge_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/merge"
	"github.com/google/go-cmp/cmp"
)

// ward is the schema of most tests.
func ward() *merge.Schema {
	return &merge.Schema{
		Roles: []string{"chief", "doctor", "nurse"},
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

func TestValidate(t *testing.T) {
	if err := ward().Validate(); err != nil {
		t.Errorf("a sound schema: %v", err)
	}
	for name, s := range map[string]*merge.Schema{"nil": nil, "zero": {}} {
		if err := s.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Every fault is reported, with its place and a way out, in canonical order.
func TestValidateReportsAll(t *testing.T) {
	s := &merge.Schema{
		Roles: []string{"doctor", "", "doctor"},
		Collections: map[string]merge.Collection{
			"": {},
			"a": {
				Priority:  7,
				Partition: "ward/bed",
				Delete:    9,
				Fields: map[string]merge.FieldRule{
					"\xff":    {Type: crdt.TypeRegister},
					"counter": {Type: crdt.TypeCounter, Of: merge.Integer, Resolve: []merge.Step{merge.Latest}},
					"dose": {
						Type:    crdt.TypeRegister,
						Of:      77,
						Resolve: []merge.Step{merge.Latest, nil, merge.Authority(), merge.Authority("docter", "doctor", "doctor")},
						Write:   []string{"nurse", "nurse"},
					},
					"none":    {Resolve: []merge.Step{merge.Latest}},
					"unknown": {Type: crdt.TypePresence},
				},
			},
			"b/c": {},
		},
	}
	want := []string{
		`merge: schema: role "": the name is empty; name it otherwise`,
		`merge: schema: role "doctor" is there twice; keep the place that its seniority gives it`,
		`merge: schema: collection "": the name is empty; name it otherwise`,
		`merge: collection "a": unknown priority(7); choose Critical, High, Normal or Bulk`,
		`merge: collection "a": partition "ward/bed": a name has no slash in it; name what the first part of the key is, such as ward`,
		`merge: collection "a": unknown policy of deletion 9; choose crdt.DeleteWins or crdt.UpdateWins`,
		`merge: collection "a", field "counter": a counter is not of a kind, and it says integer; leave Of out`,
		`merge: collection "a", field "counter": a counter joins by itself, and there is nothing to resolve; leave Resolve out, or make it a register`,
		`merge: collection "a", field "dose": it is of the unknown kind(77); choose string, integer, boolean, float, timestamp or any`,
		`merge: collection "a", field "dose": latest always decides, so what stands behind it has no say; put it last, and keep one such step`,
		`merge: collection "a", field "dose": step 2 of Resolve is nil; take it out`,
		`merge: collection "a", field "dose": authority names no roles; list them, highest first`,
		`merge: collection "a", field "dose": authority names the unknown role "docter"; correct it, or add it to the schema's roles (doctor, , doctor)`,
		`merge: collection "a", field "dose": authority names the role "doctor" twice; keep one of them`,
		`merge: collection "a", field "dose": Write names the unknown role "nurse"; correct it, or add it to the schema's roles (doctor, , doctor)`,
		`merge: collection "a", field "dose": Write names the unknown role "nurse"; correct it, or add it to the schema's roles (doctor, , doctor)`,
		`merge: collection "a", field "dose": Write names the role "nurse" twice; keep one of them`,
		`merge: collection "a", field "none": it has no type; choose one, such as register, counter, set, map or text`,
		`merge: collection "a", field "unknown": it has the unknown type presence; choose one, such as register, counter, set, map or text`,
		`merge: collection "a", field "\xff": field "\xff": the name is not valid UTF-8; name it otherwise`,
		`merge: collection "b/c": collection "b/c": a name has no slash in it; name it otherwise`,
	}
	err := s.Validate()
	if diff := cmp.Diff(want, strings.Split(err.Error(), "\n")); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
	if e, ok := errors.AsType[*merge.SchemaError](err); !ok || e.Remedy == "" {
		t.Errorf("no SchemaError in %v", err)
	}
}

func TestDigest(t *testing.T) {
	base := ward().Digest()
	field := func(edit func(f *merge.FieldRule)) func(s *merge.Schema) {
		return func(s *merge.Schema) {
			f := s.Collections["medication"].Fields["dose"]
			edit(&f)
			s.Collections["medication"].Fields["dose"] = f
		}
	}
	collection := func(edit func(c *merge.Collection)) func(s *merge.Schema) {
		return func(s *merge.Schema) {
			c := s.Collections["medication"]
			edit(&c)
			s.Collections["medication"] = c
		}
	}
	same := map[string]func(s *merge.Schema){
		"made again": func(*merge.Schema) {},
		"default written out": func(s *merge.Schema) {
			s.Collections["patient"] = merge.Collection{Priority: merge.High, Fields: map[string]merge.FieldRule{}}
		},
		"rights in another order":    field(func(f *merge.FieldRule) { f.Write = []string{"nurse", "doctor", "nurse"} }),
		"a step that is never asked": field(func(f *merge.FieldRule) { f.Resolve = append(f.Resolve, merge.Earliest) }),
	}
	for name, edit := range same {
		s := ward()
		if edit(s); s.Digest() != base {
			t.Errorf("%s: the digest changed", name)
		}
	}
	other := map[string]func(s *merge.Schema){
		"order of roles":     func(s *merge.Schema) { s.Roles = []string{"doctor", "chief", "nurse"} },
		"another collection": func(s *merge.Schema) { s.Collections["stock"] = merge.Collection{} },
		"a collection renamed": func(s *merge.Schema) {
			s.Collections["patients"] = s.Collections["patient"]
			delete(s.Collections, "patient")
		},
		"priority":  collection(func(c *merge.Collection) { c.Priority = merge.Bulk }),
		"partition": collection(func(c *merge.Collection) { c.Partition = "" }),
		"deletion":  collection(func(c *merge.Collection) { c.Delete = crdt.DeleteWins }),
		"another field": func(s *merge.Schema) {
			s.Collections["medication"].Fields["unit"] = merge.FieldRule{Type: crdt.TypeRegister}
		},
		"type":               field(func(f *merge.FieldRule) { f.Type = crdt.TypeMap }),
		"kind":               field(func(f *merge.FieldRule) { f.Of = merge.Float }),
		"rights":             field(func(f *merge.FieldRule) { f.Write = []string{"doctor"} }),
		"no rights":          field(func(f *merge.FieldRule) { f.Write = nil }),
		"order of authority": field(func(f *merge.FieldRule) { f.Resolve = []merge.Step{merge.Authority("nurse", "doctor"), merge.Latest} }),
		"last step":          field(func(f *merge.FieldRule) { f.Resolve = []merge.Step{merge.Authority("doctor", "nurse"), merge.Earliest} }),
		"no last step":       field(func(f *merge.FieldRule) { f.Resolve = []merge.Step{merge.Authority("doctor", "nurse")} }),
		"default":            field(func(f *merge.FieldRule) { f.Resolve = nil }),
	}
	seen := map[crdt.Hash]string{base: "the schema itself"}
	for name, edit := range other {
		s := ward()
		edit(s)
		if as, ok := seen[s.Digest()]; ok {
			t.Errorf("%s: same digest as %s", name, as)
		}
		seen[s.Digest()] = name
	}
	var none *merge.Schema
	if none.Digest() != (&merge.Schema{}).Digest() {
		t.Error("nil and zero have two digests")
	}
}

func TestScope(t *testing.T) {
	tests := []struct {
		name            string
		schema          *merge.Schema
		collection, key string
		scope           string
		priority        merge.Priority
	}{
		{"without a schema", nil, "medication", "ward-3/17", "medication", merge.Normal},
		{"zero schema", &merge.Schema{}, "medication", "ward-3/17", "medication", merge.Normal},
		{"partitioned", ward(), "medication", "ward-3/17", "medication/ward-3", merge.Critical},
		{"partitioned, long key", ward(), "medication", "ward-3/17/b", "medication/ward-3", merge.Critical},
		{"partitioned, no rest", ward(), "medication", "17", "medication/17", merge.Critical},
		{"whole", ward(), "patient", "ward-3/17", "patient", merge.High},
		{"unknown collection", ward(), "stock", "a/b", "stock", merge.Normal},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			scope := tt.schema.Scope(tt.collection, tt.key)
			if scope != tt.scope {
				t.Errorf("got scope %q, want %q", scope, tt.scope)
			}
			if got := tt.schema.Priority(scope); got != tt.priority {
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
		schema          *merge.Schema
		collection, key string
		want            error
	}{
		{"without a schema", nil, "anything", "17", nil},
		{"without a schema, a slash", nil, "any/thing", "17", merge.ErrKey},
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
			if err := tt.schema.CheckKey(tt.collection, tt.key); !errors.Is(err, tt.want) {
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
