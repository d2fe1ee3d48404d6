package merge_test

import (
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/merge"
	"github.com/google/go-cmp/cmp"
)

// facts are what the expressions below find beside the candidates.
func facts() *merge.Facts {
	record := map[string]any{
		"hours": int64(8), "when": noon.Time(), "tags": []any{"a", "b"}, "stock": new(big.Int).Lsh(big.NewInt(1), 80),
		"on": true, "remarks": "häßlich", "price": 1.5, "events": []any{map[string]any{"package": "P1", "n": int64(2)}},
		"items": map[string]any{"milk": int64(2), "eggs": int64(1)}, "free": []any{int64(1)}, "dose": map[string]any{"mg": int64(5)},
	}
	return &merge.Facts{
		Record:   func(name string) (any, bool) { v, ok := record[name]; return v, ok },
		Evidence: map[string]map[string]any{"now": {"rating": int64(3)}},
		Base:     "base",
	}
}

// What an expression reads, and what it makes of it.
func TestExpressions(t *testing.T) {
	c := who(1, "doctor", 5, "value")
	c.Seniority, c.Intent = 7, crdt.Intent{Action: "deliver", Key: "parcel-42"}
	c.Evidence = map[string]map[string]any{"driver": {"certified": true, "rating": int64(9), "home": map[string]any{"town": "Ulm"}}}
	other := who(2, "nurse", 6, "other")
	for _, expr := range []string{
		// the candidate, and the others
		"candidate.value == 'value'", "candidate.role == 'doctor' && candidate.actor == 'doctor1'", "candidate.seniority == 7",
		"candidate.at == timestamp('2030-01-01T12:05:00Z')", "candidate.origin.endsWith('/1')", "has(candidate.intent)",
		"candidate.intent.action == 'deliver' && candidate.intent.key == 'parcel-42'", "candidate == candidates[0]",
		"candidates.exists(c, c.role == 'nurse')", "candidates.size() == 2", "candidates.all(c, c == candidate || !has(c.intent))",
		"candidates.map(c, c.value) == ['value', 'other']", "candidates.filter(c, c.at > candidate.at)[0].value == 'other'",
		// the record
		"record.hours == 8", "record.when < candidate.at", "'b' in record.tags && size(record.tags) == 2", "record.stock == 9223372036854775807",
		"record.on", "size(record.remarks) == 7", "record.price > 1.25", "record.events.exists(e, e.package == 'P1' && e.n == 2)",
		"record.items.milk == 2", "record.items['eggs'] + 1 == 2", "record.items.all(k, record.items[k] <= 2)",
		"record.items.map(k, k) == ['eggs', 'milk']", "record.free == [1]", "record.dose.mg == 5", "record.dose.unit == ''",
		"has(record.dose.mg) && !has(record.dose.unit)", "has(record.hours)",
		// evidence: as the author had it, and as it is here
		"evidence.driver.certified", "evidence.driver.rating == 9", "evidence.driver.home.town == 'Ulm'", "evidence.now.rating == 3", "!evidence.now.certified",
		"has(evidence.driver) && has(evidence.driver.rating)", "evidence.now.home.town == ''",
		// the common ancestor
		"base == 'base'",
		// functions
		"candidate.value.matches('^v[a-z]+$')", "candidate.at.getHours() == 12", "{'value': 3, 'other': 1}[candidate.value] == 3",
		"duration('90m') > candidate.at - record.when", "int(record.price) == 1", "size(candidate.value) == 5",
	} {
		if got := holds(t, expr, []merge.Candidate{c, other}, facts()); got != "true" {
			t.Errorf("%s: got %s", expr, got)
		}
	}
}

// holds says what an expression gives for the first candidate.
func holds(t *testing.T, expr string, set []merge.Candidate, f *merge.Facts) string {
	t.Helper()
	rule := theRule(t, fmt.Sprintf("{type: register, of: string, resolve: [{require: %q}, latest]}", expr), nil)
	first := rule.Explain(set, f).Steps[0].Judgements[0]
	if first.Fault != "" {
		return first.Fault
	}
	return fmt.Sprint(first.Kept)
}

// What is not there reads as zero, empty or false; so does what is of another
// kind than the policy's.
func TestAbsentReadsAsZero(t *testing.T) {
	wrong := &merge.Facts{Record: func(string) (any, bool) { return struct{}{}, true }}
	for _, f := range []*merge.Facts{nil, {}, wrong} {
		for _, expr := range []string{
			"record.hours == 0", "record.when == timestamp('1970-01-01T00:00:00Z')", "record.tags == []", "record.stock == 0", "!record.on",
			"record.remarks == ''", "record.price == 0.0", "record.events == []", "size(record.items) == 0", "record.dose.mg == 0", "record.dose.unit == ''",
			"!evidence.driver.certified", "evidence.driver.rating == 0", "evidence.driver.home.town == ''", "!evidence.now.certified", "base == ''",
			"candidate.value == ''", "!has(candidate.value)", "!has(evidence.driver)", "!has(record.dose.mg)",
		} {
			if got := holds(t, expr, []merge.Candidate{who(1, "doctor", 0, nil), who(2, "nurse", 0, nil)}, f); got != "true" {
				t.Errorf("%s: got %s", expr, got)
			}
		}
	}
}

// An expression that fails does not hold, and says why.
func TestExpressionsThatFail(t *testing.T) {
	for expr, want := range map[string]string{
		"1 / record.hours == 0":                       "division by zero",
		"record.items['milk'] == 1":                   "no such key: milk",
		"candidates[7].value == ''":                   "index out of bounds: 7",
		"9223372036854775807 + size(candidates) == 0": "integer overflow",
		"timestamp(candidate.value) == candidate.at":  "invalid RFC 3339 timestamp",
	} {
		if got := holds(t, expr, []merge.Candidate{who(1, "doctor", 0, "")}, nil); !strings.Contains(got, want) {
			t.Errorf("%s: got %s, want %s", expr, got, want)
		}
	}
}

// A loop over much data ends at a limit, the same on every replica.
func TestExpressionsAreBounded(t *testing.T) {
	many := make([]any, 3000)
	for i := range many {
		many[i] = fmt.Sprint(i)
	}
	f := &merge.Facts{Record: func(string) (any, bool) { return many, true }}
	got := holds(t, "record.tags.all(a, record.tags.all(b, a == b || a != b))", []merge.Candidate{who(1, "doctor", 0, "")}, f)
	if !strings.Contains(got, "cost limit exceeded") {
		t.Errorf("got %s", got)
	}
}

// What could answer differently on two replicas, or hides its type, is refused.
func TestExpressionsRefused(t *testing.T) {
	tests := []struct{ step, expr, want string }{
		{"require", "record.f == ''", "undefined field 'f'"},
		{"require", "record.nothing == 1", "undefined field 'nothing'"},
		{"require", "evidence.nobody.certified", "undefined field 'nobody'"},
		{"require", "evidence.driver.speed == 1", "undefined field 'speed'"},
		{"require", "now() > candidate.at", "undeclared reference to 'now'"},
		{"require", "candidate.value", "it gives a string, not a boolean"},
		{"require", "record == record", "record stands by itself"},
		{"require", "candidate.at.getHours('Europe/Berlin') == 3", "getHours with a time zone reads the tables of the device"},
		{"require", "dyn(candidate.value) == 1", "dyn hides the type from the check"},
		{"require", "type(candidate.value) == type(1)", "type hides the type from the check"},
		{"require", "candidate.value.matches(candidate.role)", "the pattern of matches is not a constant"},
		{"require", "candidate.value.matches('(')", "invalid matches argument"},
		{"require", "record.price * 2.0 > 1.0", "it computes with floating point, which machines round differently"},
		{"require", "record.free + 1 > 2", "it computes with a value whose kind is not declared"},
		{"require", "{'a': 1, 'b': 2}.map(k, k) == ['a', 'b']", "it goes through a map that it makes, and such a map has no order"},
		{"require", "candidates.all(a, candidates.all(b, candidates.all(c, a == b)))", "comprehension exceeds nesting limit"},
		{"require", "candidate{value: 'a'}.value == 'a'", "it makes a message of type candidate"},
		{"require", "google.protobuf.Timestamp{seconds: 1} < candidate.at", "undeclared reference to 'google.protobuf.Timestamp'"},
		{"require", "candidate.value ==", "Syntax error: mismatched input '<EOF>'"},
		{"require", strings.Repeat("(", 100) + "true" + strings.Repeat(")", 100), "expression recursion limit exceeded: 64"},
		{"require", strings.Repeat("true && ", 1000) + "true", "the expression has 8004 bytes, more than 4096"},
		{"rank", "record.price", "it gives a floating-point number, which is no key"},
		{"rank", "[candidate.seniority, record.price]", "place 2 of the key is a floating-point number"},
		{"rank", "[candidate.seniority, record.free]", "place 2 of the key is of a kind that is not declared"},
		{"rank", "[]", "it gives an empty list, the same key for all"},
		{"rank", "[[candidate.seniority]]", "place 1 of the key is a list(int)"},
		{"rank", "record.hours", "it gives every candidate the same key"},
		{"rank", "   ", "the expression is empty"},
	}
	for _, tt := range tests {
		p := merge.Policy{Name: "p", Version: 1, Collections: map[string]merge.Collection{
			"driver": {Fields: map[string]merge.FieldRule{"certified": {Type: crdt.TypeFlag}}},
			"c": {
				Refs: map[string]merge.Reference{"driver": {Collection: "driver"}},
				Fields: map[string]merge.FieldRule{
					"f":      {Type: crdt.TypeRegister, Of: merge.String, Resolve: []merge.Step{step(tt.step, tt.expr), merge.Latest}},
					"hours":  {Type: crdt.TypeRegister, Of: merge.Integer},
					"price":  {Type: crdt.TypeRegister, Of: merge.Float},
					"free":   {Type: crdt.TypeRegister},
					"driver": {Type: crdt.TypeRegister, Of: merge.String},
				},
			},
		}}
		findings := p.Validate()
		if len(findings) == 0 || !strings.HasPrefix(findings[0].Problem, tt.want) || findings[0].Remedy == "" {
			t.Errorf("%s %.60s: got %v, want %s", tt.step, tt.expr, findings.Err(), tt.want)
		}
		if rules, _ := p.Compile(nil); rules != nil {
			t.Errorf("%s %.60s: compiled", tt.step, tt.expr)
		}
	}
}

func step(kind, expr string) merge.Step {
	if kind == "rank" {
		return merge.Rank(expr)
	}
	return merge.Require(expr)
}

// The value of a group is read field by field, and so is the ancestor's.
func TestExpressionsOfGroups(t *testing.T) {
	set := []merge.Candidate{who(1, "doctor", 0, map[string]any{"mg": int64(4)}), who(2, "nurse", 1, map[string]any{"mg": int64(9)}), who(3, "nurse", 2, nil)}
	f := &merge.Facts{Base: map[string]any{"mg": int64(5)}}
	for rule, want := range map[string]int{
		"[{rank: candidate.value.mg}, latest]":                                                             1,
		"[{rank: '-candidate.value.mg'}, earliest]":                                                        2,
		"[{require: candidate.value.mg == base.mg - 1}, latest]":                                           0,
		"[{require: 'candidate.value != base && has(candidate.value.mg)'}, latest]":                        1,
		"[{require: 'candidates.all(c, c.value.mg <= candidate.value.mg)'}, latest]":                       1,
		"[{rank: 'candidate.value.unit == \"\" ? candidate.value.mg : 100'}, latest]":                      1,
		"[{rank: 'candidates.map(c, c.value.mg).exists(x, x > 8) ? candidate.at : candidate.at'}, latest]": 2,
	} {
		fields := theRule(t, "{type: group, of: {mg: integer, unit: string}, resolve: "+rule+"}", nil)
		if got := fields.Resolve(set, f); got.Winner != want {
			t.Errorf("%s: got %+v, want %d", rule, got, want)
		}
	}
}

// Numbers beyond 64 bits read as the nearest.
func TestExpressionsSaturate(t *testing.T) {
	huge := new(big.Int).Lsh(big.NewInt(1), 80)
	for expr, n := range map[string]*big.Int{
		"record.stock == 9223372036854775807": huge, "record.stock == -9223372036854775808": new(big.Int).Neg(huge), "record.stock == -3": big.NewInt(-3),
	} {
		f := &merge.Facts{Record: func(string) (any, bool) { return n, true }}
		if got := holds(t, expr, []merge.Candidate{who(1, "doctor", 0, "")}, f); got != "true" {
			t.Errorf("%s: got %s", expr, got)
		}
	}
}

// Keys are tuples of all that orders.
func TestRankKeys(t *testing.T) {
	c := who(1, "doctor", 5, "value")
	for expr, want := range map[string]string{
		"candidate.seniority":       "(0)",
		"candidate.role":            `("doctor")`,
		"candidate.role == 'nurse'": "(false)",
		"candidate.at":              "(2030-01-01T12:05:00Z)",
		"[candidate.role == 'doctor', -size(candidate.value), candidate.actor, candidate.at]": `(true, -5, "doctor1", 2030-01-01T12:05:00Z)`,
		"candidates.filter(c, c == candidate).map(c, c.role)":                                 `("doctor")`,
	} {
		rule := theRule(t, fmt.Sprintf("{type: register, of: string, resolve: [{rank: %q}, latest]}", expr), nil)
		x := rule.Explain([]merge.Candidate{c, who(2, "nurse", 0, "")}, nil)
		if got := x.Steps[0].Judgements[0].Key.String(); got != want {
			t.Errorf("%s: got %s, want %s", expr, got, want)
		}
	}
}

// Constraints are conditions on the view of a record.
func TestConstraint(t *testing.T) {
	c := theCollection(t, `c:
    fields: {dose: {type: group, of: {mg: integer}}, given: {type: counter}}
    constraints:
      - {name: maximum, must: record.dose.mg * record.given <= 4000, approve: [chief]}
      - {name: whole, must: 4000 % record.given == 0, approve: [chief]}`, nil)
	f := func(mg, given int64) *merge.Facts {
		return &merge.Facts{Record: func(name string) (any, bool) {
			if name == "dose" {
				return map[string]any{"mg": mg}, true
			}
			return given, true
		}}
	}
	for _, tt := range []struct {
		i         int
		mg, given int64
		want      bool
		fails     bool
	}{{0, 1000, 4, true, false}, {0, 1001, 4, false, false}, {1, 0, 3, false, false}, {1, 0, 0, false, true}, {2, 0, 0, false, true}} {
		got, err := c.Constraint(tt.i, f(tt.mg, tt.given))
		if got != tt.want || (err != nil) != tt.fails {
			t.Errorf("constraint %d of %d times %d: got %v, %v", tt.i, tt.mg, tt.given, got, err)
		}
	}
	if got := c.Collection().Constraints[0].Name; got != "maximum" {
		t.Errorf("got %q", got)
	}
	if diff := cmp.Diff([]string{"dose", "given", "other"}, versionedOf(c)); diff != "" {
		t.Errorf("versioned (-want +got):\n%s", diff)
	}
}

func versionedOf(c *merge.CollectionRules) (names []string) {
	for _, name := range []string{"dose", "given", "other"} {
		if c.Field(name).Versioned() {
			names = append(names, name)
		}
	}
	return names
}
